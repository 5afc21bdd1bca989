"""A shelf as somebody may see it: what lies outside of his scopes is not there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId
from vox.errors import BlobMissing
from vox.store.contract import Result, Shelf


class Labelled(Shelf, Protocol):
    """A shelf that knows scopes."""

    def labels(self, digests: Collection[Digest]) -> dict[Digest, dict[str, str]]:
        """Return the scopes of blobs, and who set each; public ones are left out."""


class ScopedShelf:
    """A `Shelf` that shows a blob, and every result and claim about it, to who may see all of its scopes.

    A result has every scope of its inputs, so nobody learns from it what he may not see. That something is
    hidden looks like that it is not there: names tell nothing to who does not have them.
    """

    def __init__(self, shelf: Labelled, scopes: Collection[str]) -> None:
        self._shelf = shelf
        self._scopes = frozenset(scopes)

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` that are not here, or not for these eyes."""
        return self._shelf.missing(digests) | self._hidden(digests)

    def size(self, digest: Digest) -> int:
        """Return the bytes of a blob."""
        self._check(digest)
        return self._shelf.size(digest)

    def open(self, digest: Digest, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from `offset` on."""
        self._check(digest)
        return self._shelf.open(digest, offset)

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return the results known for `nodes`."""
        found = self._shelf.results(nodes)
        hidden = self._hidden([result.digest for result in found.values()])
        return {node: result for node, result in found.items() if result.digest not in hidden}

    def attestations(self, actions: Collection[ActionId]) -> dict[ActionId, tuple[Attestation, ...]]:
        """Return the claims about `actions`."""
        found = self._shelf.attestations(actions)
        hidden = self._hidden([claim.statement.output for claims in found.values() for claim in claims])
        seen = {
            action: tuple(claim for claim in claims if claim.statement.output not in hidden)
            for action, claims in found.items()
        }
        return {action: claims for action, claims in seen.items() if claims}

    def _hidden(self, digests: Collection[Digest]) -> set[Digest]:
        labels = self._shelf.labels(digests)
        return {digest for digest, scopes in labels.items() if not self._scopes.issuperset(scopes)}

    def _check(self, digest: Digest) -> None:
        if self._hidden([digest]):
            raise BlobMissing(digest)
