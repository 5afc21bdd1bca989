"""The stores that the contract suite holds to their word, and what stands in front of them.

To hold another store to it, add a maker to STORES; to hold another shelf (a peer across a network, a
cache in front of a disk), add a way to stand in front of a store to FRONTS. Nothing else changes.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.peers import served_over_grpc
from vox.attest import Attestation, Signer, Statement
from vox.digest import ActionId, Digest, NodeId
from vox.store.contract import Blob, Shelf, Store
from vox.store.filesystem import FilesystemStore
from vox.store.hybrid import HybridStore
from vox.store.memory import MemoryStore
from vox.store.sqlite import SqliteStore
from vox.store.tiered import LocalOver, MemoryOver

MIB = 1 << 20


@dataclass(frozen=True)
class Maker:
    """How to make a store in a folder; `durable` ones come back with what they held."""

    make: Callable[[Path], Store]
    durable: bool


@contextmanager
def itself(store: Store, folder: Path) -> Iterator[Shelf]:
    yield store


SECRET = b"file:" + bytes(32)


def local_over_shared(folder: Path) -> Store:
    FilesystemStore(folder / "shared").close()
    return LocalOver(HybridStore(folder / "local"), FilesystemStore(folder / "shared", read_only=True))


STORES: dict[str, Maker] = {
    "memory": Maker(lambda folder: MemoryStore(), durable=False),
    "sqlite": Maker(SqliteStore, durable=True),
    "hybrid": Maker(HybridStore, durable=True),
    "filesystem": Maker(FilesystemStore, durable=True),
    "encrypted filesystem": Maker(lambda folder: FilesystemStore(folder, secret=SECRET), durable=True),
    "memory over sqlite": Maker(lambda folder: MemoryOver(SqliteStore(folder)), durable=True),
    "a local over a shared one": Maker(local_over_shared, durable=True),
    "encrypted sqlite": Maker(lambda folder: SqliteStore(folder, secret=SECRET), durable=True),
    "encrypted hybrid": Maker(lambda folder: HybridStore(folder, secret=SECRET), durable=True),
    "sqlite with a quota": Maker(lambda folder: SqliteStore(folder, quota_bytes=1 << 30), durable=True),
}

FRONTS: dict[str, Callable[[Store, Path], AbstractContextManager[Shelf]]] = {
    "itself": itself,
    "a peer": served_over_grpc,
}


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not compress, the same in every process."""
    return hashlib.shake_256(f"{seed} {size}".encode()).digest(size)


def stripes(size: int) -> bytes:
    """Bytes that compress well."""
    return (b"\x00" * 61 + b"\x01\x02\x03") * (size // 64) + b"\x07" * (size % 64)


def blob_of(data: bytes) -> Blob:
    """A blob in three parts, as a codec makes them."""
    cut = min(len(data), 192)
    return Blob(Digest.of(data), [data[:cut], memoryview(data)[cut:], b""])


# A key for tests only, so that every process of a test signs as the same machine.
SIGNER = Signer(hashlib.sha256(b"a key for tests").digest())
OTHER_SIGNER = Signer(hashlib.sha256(b"another key for tests").digest())


def statement(name: str, data: bytes, signer: Signer = SIGNER, node: str = "") -> Statement:
    """What `signer` says it got for an action."""
    nothing = Digest.of(b"")
    return Statement(
        ActionId.of(name.encode()),
        NodeId.of((node or name).encode()),
        Digest.of(data),
        len(data),
        (nothing,),
        nothing,
        "bit",
        12,
        signer.peer,
        1_700_000_000,
    )


def claim(name: str, data: bytes, signer: Signer = SIGNER, node: str = "") -> Attestation:
    """A signed statement in a batch of its own."""
    return signer.attest([statement(name, data, signer, node)])[0]
