"""One store's blobs, claims and pins into another of any kind: also how a store becomes encrypted.

Facts are left behind: they are this machine's, and are found out again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Protocol

from vox.attest import Attestation
from vox.digest import Digest
from vox.errors import BlobCorrupt, BlobMissing
from vox.store.contract import Blob, Store

_SMALL_BYTES_MAX = 1 << 16
_GROUP, _GROUP_BYTES_MAX = 1000, 16 << 20


class Listed(Store, Protocol):
    """A store that can tell all it has."""

    def digests(self) -> Iterator[Digest]:
        """Yield the name of every blob."""

    def claims(self) -> Iterator[Attestation]:
        """Yield every claim; of one action and of one node in the order of their coming."""

    def pins(self) -> dict[Digest, tuple[str, ...]]:
        """Return the pinned blobs and the reasons for it."""

    def pin(self, digests: Collection[Digest], reason: str) -> None:
        """Ask that blobs are not collected."""


def export(source: Listed, target: Listed) -> tuple[int, int, list[Digest]]:
    """Copy what `target` does not have; return how many blobs and claims, and which blobs were damaged."""
    blobs, damaged, group, waiting = 0, list[Digest](), list[Blob](), 0
    for digest in source.digests():
        if not target.missing([digest]):
            continue
        try:
            if source.size(digest) > _SMALL_BYTES_MAX:
                target.write(source.open(digest))
            else:
                group.append(Blob(digest, [bytes(source.read(digest))]))
                waiting += group[-1].size
        except BlobCorrupt:
            damaged.append(digest)
            continue
        except BlobMissing:
            continue  # deleted meanwhile
        blobs += 1
        if len(group) >= _GROUP or waiting >= _GROUP_BYTES_MAX:
            target.put(group, [])
            group, waiting = [], 0
    target.put(group, [])
    claims, every = 0, source.claims()
    while batch := list(islice(every, _GROUP)):
        target.record(batch)
        claims += len(batch)
    for digest, reasons in source.pins().items():
        for reason in reasons:
            target.pin([digest], reason)
    return blobs, claims, damaged
