"""The documented format is enough: a hundred lines of plain JavaScript read a store."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.stores import SIGNER, statement
from vox.digest import Digest, NodeId
from vox.operators.codec import digest_of, encode_value
from vox.operators.values import Geometry, Mask, Value
from vox.store.contract import Blob
from vox.store.filesystem import FilesystemStore

NODE = shutil.which("node")
READER = Path(__file__).resolve().parents[3] / "support" / "read_store.js"
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def reader(folder: Path, *words: str) -> str:
    assert NODE is not None
    command = [NODE, str(READER), str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def mask_of(bits: "np.ndarray[Any, Any]") -> Mask:
    """Pack voxels as the page says, without the library's own packing."""
    z, y, x = bits.shape
    words = -(-x // 64)
    padded = np.zeros((z, y, words * 64), bool)
    padded[:, :, :x] = bits
    packed = np.packbits(padded, axis=-1, bitorder="little").view("<u8").reshape(z, y, words)
    size, spacing = (x, y, z), (1.0, 1.5, 2.0)
    direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    return Mask(Geometry(size, spacing, (0.0, -2.0, 0.5), direction), packed)


def put(store: FilesystemStore, name: str, value: Value) -> Digest:
    parts = encode_value(value)
    digest, size = digest_of(parts), sum(len(part) for part in parts)
    whole = b"".join(bytes(part) for part in parts)
    store.put([Blob(digest, parts)], SIGNER.attest([statement(name, whole)]))
    assert size == len(whole)
    return digest


@pytest.mark.parametrize("shape", [(1, 2, 3), (7, 30, 65), (40, 100, 200)])
def test_a_reader_in_javascript_counts_the_voxels_of_a_mask(tmp_path: Path, shape: tuple[int, ...]) -> None:
    bits = np.random.default_rng(4).random(shape) < 0.3
    with FilesystemStore(tmp_path, level=0) as store:
        digest = put(store, "mask", mask_of(bits))
        put(store, "number", 0.86)
        listed = reader(tmp_path, "list").splitlines()
        assert listed[0] == f"{NodeId.of(b'mask')} {digest} {store.size(digest)}"
        assert len(listed) == 2
    found = json.loads(reader(tmp_path, "count", str(digest)))
    assert found["voxels"] == int(bits.sum())
    assert found["kind"] == "mask"
    assert found["fields"]["size"] == list(reversed(shape))
    assert found["fields"]["spacing"] == [1.0, 1.5, 2.0]


def test_the_reader_sees_deletions_skips_torn_ends_and_refuses_damage(tmp_path: Path) -> None:
    with FilesystemStore(tmp_path, level=0) as store:
        kept, gone = put(store, "kept", 0.1), put(store, "gone", "text")
        large = put(store, "large", "long " * 2000)
        store.delete([gone])
        store.remember("key", b"value")
    journal = tmp_path / "journal"
    journal.write_bytes(journal.read_bytes() + b"VXR1\xff\xff\0\0\0\0\0\0torn")
    assert json.loads(reader(tmp_path, "count", str(kept)))["fields"] == {"value": 0.1}
    with pytest.raises(RuntimeError, match="not here"):
        reader(tmp_path, "count", str(gone))
    assert json.loads(reader(tmp_path, "count", str(large)))["kind"] == "string"
    path = tmp_path / "blobs" / large.sha256.hex()[:2] / large.sha256.hex()[2:]
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(RuntimeError, match="damaged"):
        reader(tmp_path, "count", str(large))
