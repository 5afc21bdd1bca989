"""The store, side by side with plain files and with a database that does nothing else.

Small results: blobs of 64 bytes with a signed claim each, durable (`synchronous=FULL`), in groups as runners
and group commit make them. Large values: 36 MB, against a plain file write with flush and SHA-256.
"""

import hashlib
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from vox.attest import Attestation, Signer, Statement
from vox.digest import ActionId, Digest, NodeId
from vox.store import open_store
from vox.store.chunks import Form
from vox.store.contract import Blob

BACKENDS = ("sqlite", "hybrid", "filesystem")
SMALL, GROUP = 50_000, 10_000
LARGE_BYTES = 36 * 10**6
REPEATS = 8
SIGNER = Signer(bytes(range(32)))


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="vox-bench-") as folder:
        small(Path(folder))
        large(Path(folder))
        compression()


@contextmanager
def fresh(folder: Path, backend: str) -> Iterator[Any]:
    with tempfile.TemporaryDirectory(dir=folder) as path:
        store: Any = open_store(backend, Path(path))
        try:
            yield store
        finally:
            store.close()


def timed(call: Callable[[], object]) -> float:
    # What one leaves to the disk must not slow down the next one.
    os.sync()
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def results(count: int) -> tuple[list[Blob], list[Attestation]]:
    blobs, statements = [], []
    environment = Digest.of(b"environment")
    for number in range(count):
        data = b"%064d" % number
        digest = Digest(hashlib.sha256(data).digest())
        name = digest.sha256
        blobs.append(Blob(digest, (data,)))
        statements.append(
            Statement(
                ActionId(name), NodeId(name), digest, 64, (digest,), environment, "bit", 1, SIGNER.peer, 1
            )
        )
    claims = [claim for at in range(0, count, 512) for claim in SIGNER.attest(statements[at : at + 512])]
    return blobs, claims


def small(folder: Path) -> None:
    blobs, claims = results(SMALL)
    spans = [slice(at, at + GROUP) for at in range(0, SMALL, GROUP)]
    print(f"{SMALL} results of 64 bytes in groups of {GROUP}, durable; per second")
    plain = SMALL / timed(lambda: plain_rows(folder, blobs))
    print(f"  {'SQLite itself, one row each':<32} {plain:>10,.0f}")
    for backend in BACKENDS:
        with fresh(folder, backend) as store:
            values = SMALL / timed(lambda store=store: [store.put(blobs[span], []) for span in spans])  # type: ignore[misc]
        with fresh(folder, backend) as store:
            whole = SMALL / timed(
                lambda store=store: [store.put(blobs[span], claims[span]) for span in spans]  # type: ignore[misc]
            )
            nodes = [claim.statement.node for claim in claims]
            found = SMALL / timed(lambda store=store, nodes=nodes: store.results(nodes))  # type: ignore[misc]
        print(
            f"  {backend:<12} values {values:>9,.0f} ({values / plain:.2f} of plain)"
            f"   values + claims + results {whole:>9,.0f} ({whole / plain:.2f})   look-ups {found:>9,.0f}"
        )


def plain_rows(folder: Path, blobs: list[Blob]) -> None:
    """What the database alone can do: one table, one index, the same groups."""
    with tempfile.TemporaryDirectory(dir=folder) as path:
        connection = sqlite3.connect(f"{path}/plain.sqlite3", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (name BLOB PRIMARY KEY, data BLOB)")
        for at in range(0, len(blobs), GROUP):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO rows VALUES (?, ?)",
                [(blob.digest.sha256, blob.parts[0]) for blob in blobs[at : at + GROUP]],
            )
            connection.execute("COMMIT")
        connection.close()


def large(folder: Path) -> None:
    print(f"a value of {LARGE_BYTES / 1e6:.0f} MB that does not compress, median of {REPEATS}; ms")
    values = [os.urandom(1 << 20) * (LARGE_BYTES >> 20) for _ in range(REPEATS)]
    times: dict[str, dict[str, list[float]]] = {name: {} for name in ("plain", *BACKENDS)}

    def note(name: str, what: str, seconds: float) -> None:
        times[name].setdefault(what, []).append(1000 * seconds)

    with (
        tempfile.TemporaryDirectory(dir=folder) as path,
        fresh(folder, "sqlite") as sqlite,
        fresh(folder, "hybrid") as hybrid,
        fresh(folder, "filesystem") as files,
    ):
        stores = dict(zip(BACKENDS, (sqlite, hybrid, files), strict=True))
        for number, value in enumerate(values):
            # Turns in a turning order, so that a busy moment of the machine meets all of them.
            names = list(times)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                if name == "plain":
                    file = Path(path) / str(number)
                    note(name, "write", timed(partial(write_plain, file, value)))
                    note(name, "read", timed(file.read_bytes))
                    file.unlink()
                else:
                    take_turn(partial(note, name), stores[name], value)
    base = statistics.median(times["plain"]["write"])
    for name, found in times.items():
        cells = [f"{what} {statistics.median(each):7.1f}" for what, each in found.items()]
        ratio = statistics.median(found["write"]) / base
        print(f"  {name:<12} {'   '.join(cells)}   write = {ratio:.2f} of plain")


def take_turn(note: Callable[[str, float], None], store: Any, value: bytes) -> None:
    digest, parts = Digest.of(value), [value[:200], memoryview(value)[200:]]
    note("write", timed(partial(store.write, parts)))
    note("read first", timed(partial(store.read, digest)))
    note("read", timed(partial(store.read, digest)))
    note("range of 1 MB", timed(lambda: next(store.open(digest, 20 << 20))))
    store.delete([digest])
    note("put", timed(lambda: store.put([Blob(digest, parts)], [])))
    store.delete([digest])


def write_plain(path: Path, value: bytes) -> None:
    hasher = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    for at in range(0, len(value), 1 << 20):
        piece = memoryview(value)[at : at + (1 << 20)]
        hasher.update(piece)
        os.write(descriptor, piece)
    os.fsync(descriptor)
    os.close(descriptor)


def compression() -> None:
    """What each level is worth for each kind of value."""
    import numpy as np

    z, y, x = np.mgrid[0:64, 0:240, 0:240].astype(np.float32)
    distance = np.sqrt((x - 120) ** 2 + (y - 110) ** 2 + (2 * z - 64) ** 2)
    noise = np.random.default_rng(1).normal(0, 20, distance.shape)
    kinds = {
        "mask": np.packbits(distance < 70, axis=-1, bitorder="little").tobytes(),
        "labels uint16": (distance / 9).astype(np.uint16).tobytes(),
        "scan int16": (1000 - distance + noise).astype(np.int16).tobytes(),
        "distance float32": distance.tobytes(),
        "noise float32": noise.astype(np.float32).tobytes(),
    }
    print("compression: ratio, MB/s down, MB/s up")
    for kind, data in kinds.items():
        cells = []
        for level in (1, 3, 9):
            form = Form(level)
            pieces = [data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20)]
            began = time.perf_counter()
            packed = [form.pack(piece) for piece in pieces]
            middle = time.perf_counter()
            for (codec, frame), piece in zip(packed, pieces, strict=True):
                form.unpack(codec, frame, len(piece))
            end = time.perf_counter()
            ratio = len(data) / sum(len(frame) for _, frame in packed)
            down, up = len(data) / 1e6 / (middle - began), len(data) / 1e6 / max(1e-9, end - middle)
            cells.append(f"level {level}: {ratio:6.1f} {down:6.0f} {up:6.0f}")
        print(f"  {kind:<18} {'   '.join(cells)}")


if __name__ == "__main__":
    sys.exit(main())
