"""Two stores as one: memory before a disk, or a disk of one's own before one that is shared."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self, cast

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId
from vox.errors import BlobCorrupt, BlobMissing
from vox.store.contract import Blob, Buffer, Result, Shelf, Store, StoreStats
from vox.store.scoped import Labelled

MEMORY_BYTES = 256 << 20


class MemoryOver:
    """A store with the blobs that were used last in memory. The store behind it is what holds and knows.

    Blobs never change, so that what is in memory is right as long as the store still has it.
    """

    def __init__(self, store: Store, memory_bytes: int = MEMORY_BYTES) -> None:
        self.store = store
        self._memory_bytes = memory_bytes
        self._held: OrderedDict[Digest, Buffer] = OrderedDict()
        self._held_bytes = 0
        self._lock = Lock()

    def read(self, digest: Digest) -> Buffer:
        """Return a whole blob; one from memory was verified when it came."""
        with self._lock:
            if digest in self._held:
                self._held.move_to_end(digest)
                return self._held[digest]
        whole = self.store.read(digest)
        # What is mapped is in the system's memory already.
        if isinstance(whole, bytes) or isinstance(whole.obj, bytearray):
            self._keep(digest, whole)
        return whole

    def delete(self, digests: Collection[Digest]) -> None:
        """Forget blobs."""
        self.store.delete(digests)
        with self._lock:
            for digest in digests:
                self._held_bytes -= len(self._held.pop(digest, b""))

    def stats(self) -> StoreStats:
        """Count what the store holds."""
        return self.store.stats()

    def check(self) -> list[Digest]:
        """Forget what is in memory and read everything."""
        with self._lock:
            self._held.clear()
            self._held_bytes = 0
        return self.store.check()

    # Everything else is the store's own.

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are not here."""
        return self.store.missing(digests)

    def size(self, digest: Digest) -> int:
        """Return the bytes of a blob; BlobMissing if it is not here."""
        return self.store.size(digest)

    def open(self, digest: Digest, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from `offset` on."""
        return self.store.open(digest, offset)

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return the results known for `nodes`."""
        return self.store.results(nodes)

    def attestations(self, actions: Collection[ActionId]) -> dict[ActionId, tuple[Attestation, ...]]:
        """Return every claim about `actions`."""
        return self.store.attestations(actions)

    def write(self, stream: Iterable[Buffer]) -> Digest:
        """Write a blob whose name is not yet known."""
        return self.store.write(stream)

    def put(self, blobs: Sequence[Blob], attestations: Sequence[Attestation]) -> None:
        """Write blobs and record attestations in one durable step."""
        self.store.put(blobs, attestations)

    def record(self, attestations: Sequence[Attestation]) -> None:
        """Record claims whose blobs may be elsewhere."""
        self.store.record(attestations)

    def remember(self, key: str, value: bytes | None) -> None:
        """Keep a small fact of this machine."""
        self.store.remember(key, value)

    def recall(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """Return the facts kept under `keys`."""
        return self.store.recall(keys)

    def close(self) -> None:
        """Let go of memory and store."""
        with self._lock:
            self._held.clear()
        self.store.close()

    def __getattr__(self, name: str) -> Any:
        # The verbs of whoever looks after the store.
        return getattr(self.store, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, digest: Digest, whole: Buffer) -> None:
        if not 0 < len(whole) <= self._memory_bytes:
            return
        with self._lock:
            if digest not in self._held:
                self._held[digest] = whole
                self._held_bytes += len(whole)
            while self._held_bytes > self._memory_bytes:
                _, gone = self._held.popitem(last=False)
                self._held_bytes -= len(gone)


class LocalOver(MemoryOver):
    """An own store before a shared one that is only read: what is read there is kept here."""

    def __init__(self, store: Store, shared: Shelf) -> None:
        super().__init__(store, 0)
        self._shared = shared

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are in neither."""
        missing = self.store.missing(digests)
        return self._shared.missing(missing) if missing else missing

    def size(self, digest: Digest) -> int:
        """Return the bytes of a blob."""
        try:
            return self.store.size(digest)
        except BlobMissing:
            return self._shared.size(digest)

    def read(self, digest: Digest) -> Buffer:
        """Return a whole blob, verified; one that is damaged here may be sound there."""
        try:
            return self.store.read(digest)
        except (BlobMissing, BlobCorrupt) as error:
            if self._shared.missing([digest]):
                raise error from None
        self._fetch(digest)
        return self.store.read(digest)

    def open(self, digest: Digest, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from `offset` on."""
        if self.store.missing([digest]) and not self._shared.missing([digest]):
            return self._shared.open(digest, offset)
        return self.store.open(digest, offset)

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return the results known for `nodes`: the own ones first."""
        found = self.store.results(nodes)
        unknown = [node for node in nodes if node not in found]
        return found | self._shared.results(unknown) if unknown else found

    def attestations(self, actions: Collection[ActionId]) -> dict[ActionId, tuple[Attestation, ...]]:
        """Return every claim about `actions`: the own ones first."""
        found, there = self.store.attestations(actions), self._shared.attestations(actions)
        for action, claims in there.items():
            own = found.get(action, ())
            known = {(c.statement.node, c.statement.output, c.statement.issuer) for c in own}
            new = [
                c for c in claims if (c.statement.node, c.statement.output, c.statement.issuer) not in known
            ]
            found[action] = (*own, *new)
        return found

    def labels(self, digests: Collection[Digest]) -> dict[Digest, dict[str, str]]:
        """Return the scopes of blobs, wherever they were set."""
        found: dict[Digest, dict[str, str]] = {}
        for store in (self._shared, self.store):
            known = cast(Labelled, store).labels(digests) if hasattr(store, "labels") else {}
            for digest, scopes in known.items():
                found.setdefault(digest, {}).update(scopes)
        return found

    def close(self) -> None:
        """Let go of both."""
        super().close()
        if isinstance(self._shared, Store):
            self._shared.close()

    def _fetch(self, digest: Digest) -> None:
        """Bring a blob here; what comes is verified by its name."""
        found = self.store.write(self._shared.open(digest))
        if found != digest:
            raise BlobCorrupt(digest, found)


def backend_of(folder: Path) -> str | None:
    """Return what kind of store lies in a folder; None if none does."""
    if (folder / "journal").is_file():
        return "filesystem"
    if not (folder / "store.sqlite3").is_file():
        return None
    return "hybrid" if (folder / "blobs").is_dir() else "sqlite"
