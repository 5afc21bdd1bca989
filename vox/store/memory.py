"""A store that forgets: for tests, and for runs that keep nothing."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId
from vox.errors import BlobCorrupt, BlobMissing, StoreUnusable
from vox.store.chunks import EMPTY
from vox.store.contract import CHUNK_BYTES, Blob, Buffer, Result, StoreStats
from vox.store.scrub import corrupt_among


class MemoryStore:
    """A `vox.store.contract.Store` in the memory of this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._blobs: dict[Digest, bytes] = {}
        self._results: dict[NodeId, Result] = {}
        self._claims: dict[ActionId, list[Attestation]] = {}
        self._facts: dict[str, bytes] = {}
        self._closed = False

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are not here."""
        with self._open():
            return {digest for digest in digests if digest != EMPTY and digest not in self._blobs}

    def size(self, digest: Digest) -> int:
        """Return the bytes of a blob; BlobMissing if it is not here."""
        return len(self._find(digest))

    def open(self, digest: Digest, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from `offset` on, in pieces of at most CHUNK_BYTES, verified before."""
        assert offset >= 0
        whole = self.read(digest)
        return (bytes(whole[at : at + CHUNK_BYTES]) for at in range(offset, len(whole), CHUNK_BYTES))

    def read(self, digest: Digest) -> Buffer:
        """Return a whole blob, verified against its name; BlobMissing or BlobCorrupt otherwise."""
        whole = self._find(digest)
        found = Digest.of(whole)
        if found != digest:
            with self._lock:
                self._blobs.pop(digest, None)
            raise BlobCorrupt(digest, found)
        return whole

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return the results known for `nodes`; unknown nodes are left out."""
        with self._open():
            return {node: self._results[node] for node in nodes if node in self._results}

    def attestations(self, actions: Collection[ActionId]) -> dict[ActionId, tuple[Attestation, ...]]:
        """Return every claim about `actions` in the order of their coming."""
        with self._open():
            return {action: tuple(self._claims[action]) for action in actions if action in self._claims}

    def write(self, stream: Iterable[Buffer]) -> Digest:
        """Write a blob whose name is not yet known."""
        whole = b"".join(bytes(part) for part in stream)  # a stream may use its buffer again
        digest = Digest.of(whole)
        with self._open():
            if whole:
                self._blobs.setdefault(digest, whole)
        return digest

    def put(self, blobs: Sequence[Blob], attestations: Sequence[Attestation]) -> None:
        """Write blobs and record attestations in one step."""
        whole = {blob.digest: b"".join(blob.parts) for blob in blobs if blob.size}
        with self._open():
            for digest, data in whole.items():
                self._blobs.setdefault(digest, data)
            self.record(attestations)

    def record(self, attestations: Sequence[Attestation]) -> None:
        """Record claims whose blobs may be elsewhere.

        The result of a node is its first claim, until the blob of that is gone and another claim's is here.
        """
        with self._open():
            for attestation in attestations:
                statement = attestation.statement
                claims = self._claims.setdefault(statement.action, [])
                if _key(attestation) not in map(_key, claims):
                    claims.append(attestation)
                new = Result(statement.node, statement.action, statement.output, statement.size)
                old = self._results.setdefault(statement.node, new)
                if self.missing([old.digest]) and not self.missing([new.digest]):
                    self._results[statement.node] = new

    def delete(self, digests: Collection[Digest]) -> None:
        """Forget blobs. The results that named them stay known as claims."""
        with self._open():
            for digest in digests:
                self._blobs.pop(digest, None)

    def stats(self) -> StoreStats:
        """Count."""
        with self._open():
            held = sum(map(len, self._blobs.values()))
            return StoreStats("", "memory", len(self._blobs), len(self._results), held, 0)

    def check(self) -> list[Digest]:
        """Read everything; return the names of blobs that were corrupt and are now set aside."""
        with self._open():
            names = list(self._blobs)
        return corrupt_among(names, self.read)

    def remember(self, key: str, value: bytes | None) -> None:
        """Keep a small fact under a key (None forgets it)."""
        with self._open():
            if value is None:
                self._facts.pop(key, None)
            else:
                self._facts[key] = value

    def recall(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """Return the facts kept under `keys`."""
        with self._open():
            return {key: self._facts[key] for key in keys if key in self._facts}

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._closed = True
            self._blobs.clear()

    def _open(self) -> threading.RLock:
        if self._closed:
            raise StoreUnusable("the store is closed")
        return self._lock

    def _find(self, digest: Digest) -> bytes:
        if digest == EMPTY:
            return b""
        with self._open():
            if digest not in self._blobs:
                raise BlobMissing(digest)
            return self._blobs[digest]


def _key(attestation: Attestation) -> tuple[object, ...]:
    statement = attestation.statement
    return statement.node, statement.output, statement.issuer
