"""docs/store-format.md says what is true: its examples, its tables, and a reader made from it alone."""

import hashlib
import re
import sqlite3
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.support.stores import MIB, SIGNER, blob_of, noise, statement, stripes
from vox.operators.codec import digest_of, encode_value
from vox.operators.values import Geometry, Mask
from vox.store import sqlite_file
from vox.store.compression import decompress
from vox.store.sqlite import SqliteStore
from vox.store.sqlite_file import APPLICATION_ID, FORMAT

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "store-format.md").read_text(encoding="utf-8")


def examples() -> list[bytes]:
    """The hexadecimal columns of the page's blocks of bytes; comments stand to the right."""
    blocks = re.findall(r"```\n(83.*?)```", PAGE, re.DOTALL)
    return [
        bytes.fromhex("".join(re.split(r"\s{2,}", line.strip())[0] for line in block.splitlines()))
        for block in blocks
    ]


def test_the_examples_of_the_page_are_what_we_write() -> None:
    place = Geometry((3, 2), (1.0, 1.5), (0.0, -2.0), (1.0, 0.0, 0.0, 1.0))
    mask = Mask(place, np.array([[[0b101], [0b010]]], np.uint64))
    values = [encode_value(0.86), encode_value(mask)]
    assert examples() == [b"".join(bytes(part) for part in parts) for parts in values]
    for parts in values:
        assert f"`{digest_of(parts)}`" in PAGE


def test_the_page_names_every_table_and_column() -> None:
    connection = sqlite3.connect(":memory:")
    for script in sorted((Path(sqlite_file.__file__).parent / "migrations").glob("*.sql")):
        connection.executescript(script.read_text())
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for table in names - {"sqlite_sequence"}:
        columns = [f"`{row[1]}`" for row in connection.execute(f"PRAGMA table_info({table})")]
        assert f"| `{table}` | {', '.join(columns)} |" in PAGE
    assert f"`{APPLICATION_ID:#X}`".replace("0X", "0x") in PAGE
    assert f"now {FORMAT}." in PAGE
    connection.close()


def test_a_reader_made_from_the_page_reads_blobs_and_checks_claims(tmp_path: Path) -> None:
    values = [b"small", stripes(5000), noise(70_000), stripes(2 * MIB + 9), noise(3 * MIB)]
    claims = SIGNER.attest([statement(f"{number}", data) for number, data in enumerate(values)])
    with SqliteStore(tmp_path) as store:
        store.put([blob_of(data) for data in values], claims)
    connection = sqlite3.connect(tmp_path / "store.sqlite3")

    def expand(codec: int, data: bytes, size: int) -> bytes:
        return data if codec == 0 else decompress(data, size)

    for data, told in zip(values, claims, strict=True):
        node = told.statement.node.sha256
        digest, size, body = connection.execute(
            "SELECT r.output, r.size, a.body FROM results r JOIN attestations a ON a.id = claim"
            " WHERE r.node = ?",
            (node,),
        ).fetchone()
        number, blob_size, codec, inline = connection.execute(
            "SELECT id, size, codec, data FROM blobs WHERE digest = ?", (digest,)
        ).fetchone()
        read = b"" if inline is None else expand(codec, inline, size)
        query = "SELECT codec, data FROM chunks WHERE blob = ? ORDER BY seq"
        for codec, chunk in connection.execute(query, (number,)):
            read += expand(codec, chunk, min(MIB, size - len(read)))
        assert (read, blob_size, hashlib.sha256(read).digest()) == (data, size, digest)
        assert body == told.to_bytes()
        check_claim(*told.to_term(), issuer=told.statement.issuer.sha256)
    connection.close()


def check_claim(
    raw: bytes, key: bytes, signature: bytes, batch: int, index: int, path: list[bytes], *, issuer: bytes
) -> None:
    """Section 4, word for word."""
    assert hashlib.sha256(key).digest() == issuer
    node, width, rest = hashlib.sha256(b"\x00" + raw).digest(), batch, list(path)
    while width > 1:
        if index % 2:
            node = hashlib.sha256(b"\x01" + rest.pop(0) + node).digest()
        elif index + 1 < width:
            node = hashlib.sha256(b"\x01" + node + rest.pop(0)).digest()
        index, width = index // 2, (width + 1) // 2
    assert not rest
    message = b"vox.batch.v1\x00" + batch.to_bytes(8, "big") + node
    Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
