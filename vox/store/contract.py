"""What every store promises; `tests/contract` holds each of them, and a peer in front of each, to it.

- A blob is visible whole or not at all; a name never changes what it names.
- `write` returns the digest of what was written; writing the same bytes again is harmless and cheap.
- `open` gives exactly the bytes of the blob or raises `BlobMissing` / `BlobCorrupt`, before or while reading.
- `put` makes blobs and attestations durable together: when it returns, a crash loses none of them.
- A result is visible only after its blob is durable here, or when `record` was told of one elsewhere.
- Every method is safe to call from any thread, and a path from any number of processes.
- The empty blob is always there, in every store, without having been written.
- Claims come back in the order of their coming. The result of a node is its first claim, until the blob of
  that is gone and another claim's is here: what was computed again is found again.
- A store believes what it is given: whoever records the claims of others has passed them through
  `vox.attest.accept` before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId

Buffer: TypeAlias = "bytes | memoryview"

# Blobs are read and sent in pieces of this size: large for gRPC and SQLite, small enough to interleave.
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Result:
    """The accepted result of a node."""

    node: NodeId
    action: ActionId | None
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob to be written: its name, already computed, and its bytes in parts."""

    digest: Digest
    parts: Sequence[Buffer]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(len(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What a store holds; `alarm` says that too much is computed only because it was thrown away."""

    path: str
    backend: str
    blobs: int
    results: int
    blob_bytes: int
    disk_bytes: int
    quota_bytes: int = 0
    evicted: int = 0
    recomputed_ratio: float = 0.0
    alarm: bool = False


@runtime_checkable
class Shelf(Protocol):
    """The readable half of a store. A peer is one of these."""

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are not here."""

    def size(self, digest: Digest) -> int:
        """Return the bytes of a blob; BlobMissing if it is not here."""

    def open(self, digest: Digest, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from `offset` on, in pieces of at most CHUNK_BYTES; nothing beyond the end.

        Read from the beginning, the last piece comes only after the whole has been verified. Read from
        an offset, nothing has been: whoever resumes a transfer verifies what he has put together.
        """

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return the results known for `nodes`, in one look-up; unknown nodes are left out."""

    def attestations(self, actions: Collection[ActionId]) -> dict[ActionId, tuple[Attestation, ...]]:
        """Return every claim about `actions`; all claims are kept, whoever came first."""


@runtime_checkable
class Store(Shelf, Protocol):
    """Blobs, results and attestations of one machine."""

    def write(self, stream: Iterable[Buffer]) -> Digest:
        """Write a blob whose name is not yet known; durable and visible when this returns.

        The stream may use its buffer again for the next part. What it raises comes through, and nothing
        is kept.
        """

    def put(self, blobs: Sequence[Blob], attestations: Sequence[Attestation]) -> None:
        """Write blobs and record attestations in one durable step.

        The blobs' names must be right, and their parts must not change before this returns.
        """

    def record(self, attestations: Sequence[Attestation]) -> None:
        """Record claims whose blobs may be elsewhere."""

    def read(self, digest: Digest) -> Buffer:
        """Return a whole blob, verified against its name; what is corrupt is set aside and then missing."""

    def delete(self, digests: Collection[Digest]) -> None:
        """Forget blobs. The results that named them stay known as claims."""

    def stats(self) -> StoreStats:
        """Count."""

    def check(self) -> list[Digest]:
        """Read everything; return the names of blobs that were corrupt and are now set aside."""

    def remember(self, key: str, value: bytes | None) -> None:
        """Keep a small fact of this machine under a key (None forgets it)."""

    def recall(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """Return the facts kept under `keys`."""

    def close(self) -> None:
        """Finish writing and let go of the path."""


class Neighbours(Protocol):
    """Other machines' shelves as one: what a runner and a coordinator ask before they compute.

    Nothing here raises because a peer is down or lies: such a peer is left out and logged.
    """

    def fetch(self, digests: Collection[Digest], hints: Sequence[str] = ()) -> set[Digest]:
        """Bring blobs into the own store, verified; return those of `digests` that are there now.

        `hints` are addresses (`host:port`) to be asked first.
        """

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return results of `nodes` that trusted peers attest; their attestations are recorded here."""


class Nobody:
    """No neighbours: the embedded engine, and tests of one machine."""

    def fetch(self, digests: Collection[Digest], hints: Sequence[str] = ()) -> set[Digest]:
        """Fetch nothing."""
        return set()

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Know nothing."""
        return {}
