"""A store of plain files: large blobs one by one, everything else in a journal that is only appended to.

For file systems where SQLite's shared memory does not work, and for whoever wants to read a store with a few
lines of any language. The index is in memory: about a kilobyte for each result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId
from vox.errors import BlobCorrupt, BlobMissing, StoreError
from vox.store import entries
from vox.store.chunks import EMPTY, FILE, Encoded, encode_blob, pieces
from vox.store.compression import Damaged
from vox.store.contract import CHUNK_BYTES, Blob, Buffer, Result
from vox.store.entries import Kept
from vox.store.filesystem_care import FilesystemCare
from vox.store.options import StoreOptions

# Larger ones lie in files of their own.
JOURNAL_BLOB_BYTES_MAX = 4096


class FilesystemStore(FilesystemCare):
    """A `vox.store.contract.Store` of plain files in the folder `path`."""

    def __init__(self, path: Path, options: StoreOptions | None = None, **changes: Any) -> None:
        super().__init__(path, replace(options or StoreOptions(), **changes))

    # Reading

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are not here."""
        with self._reading() as index:
            return {digest for digest in digests if not index.here(digest)}

    def size(self, digest: Digest) -> int:
        """Return the bytes of a blob; BlobMissing if it is not here."""
        return 0 if digest == EMPTY else self._find(digest).size

    def open(self, digest: Digest, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from `offset` on, in pieces of at most CHUNK_BYTES."""
        assert offset >= 0
        if digest == EMPTY:
            return iter(())
        return self._pieces(digest, self._find(digest), offset)

    def read(self, digest: Digest) -> Buffer:
        """Return a whole blob, verified against its name; mapped if it lies in a file."""
        if digest == EMPTY:
            return b""
        kept = self._find(digest)
        try:
            if kept.data is not None:
                whole = self._form.unpack(kept.codec, kept.data, kept.size)
            else:
                whole = self._lost_if_missing(digest, lambda: self._files.read(digest, kept.size))
                if self._files.verified(digest):
                    return whole
            found = Digest.of(whole)
        except Damaged:
            found = EMPTY
        if found != digest:
            self._set_aside(digest, found)
        if kept.data is None:
            self._files.has_verified(digest)
        return whole

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return the results known for `nodes`; unknown nodes are left out."""
        with self._reading() as index:
            return {node: index.results[node] for node in nodes if node in index.results}

    def attestations(self, actions: Collection[ActionId]) -> dict[ActionId, tuple[Attestation, ...]]:
        """Return every claim about `actions` in the order of their coming."""
        with self._reading() as index:
            found = {action: index.claims[action] for action in actions if action in index.claims}
        return {
            action: tuple(Attestation.from_bytes(entry[141:]) for _, entry in list(claims))
            for action, claims in found.items()
        }

    def recall(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """Return the facts kept under `keys`."""
        with self._reading() as index:
            found = {key: index.facts.get(self._fact_key(key)) for key in keys}
        held = {key: value for key, value in found.items() if value is not None}
        return {
            key: value if self._keys is None else self._keys.unseal(value, 0, 0)
            for key, value in held.items()
        }

    # Writing

    def write(self, stream: Iterable[Buffer]) -> Digest:
        """Write a blob whose name is not yet known; durable and visible when this returns."""
        self._check_writable()
        with self._room.stream(stream) as parts:
            cut = pieces(parts)
            first = bytes(next(cut, b""))
            second = next(cut, None) if len(first) == CHUNK_BYTES else None
            if second is None:
                digest = Digest.of(first)
                if self.missing([digest]):
                    self._append([self._encode(Blob(digest, [first]))], ())
                return digest
            with self._files.incoming() as incoming:
                encoded = incoming.fill(_chain(first, second, cut))
                if self.missing([encoded.digest]):
                    self._append([encoded], ())
                return encoded.digest

    def put(self, blobs: Sequence[Blob], attestations: Sequence[Attestation]) -> None:
        """Write blobs and record attestations in one durable step."""
        self._check_writable()
        named = {blob.digest: blob for blob in blobs if blob.size}
        new = self.missing(named)
        bytes_wanted = sum(named[digest].size + 100 for digest in new) + 1000 * len(attestations)
        with self._room.reserve(bytes_wanted):
            self._append([self._encode(named[digest]) for digest in sorted(new)], attestations, named)

    def record(self, attestations: Sequence[Attestation]) -> None:
        """Record claims whose blobs may be elsewhere."""
        self._check_writable()
        with self._room.reserve(1000 * len(attestations)):
            self._append([], attestations)

    def remember(self, key: str, value: bytes | None) -> None:
        """Keep a small fact of this machine under a key (None forgets it)."""
        if value is not None and self._keys is not None:
            value = self._keys.seal(value, 0, 0)
        self._log(lambda: entries.fact_entry(self._fact_key(key), value))

    # ------------------------------------------------------------------------------------------

    def _encode(self, blob: Blob) -> Encoded:
        if blob.size <= JOURNAL_BLOB_BYTES_MAX:
            return encode_blob(blob, self._form)
        packed = encode_blob(blob, self._form) if blob.size <= CHUNK_BYTES else None
        if packed is not None and packed.inline and len(packed.inline[1]) <= JOURNAL_BLOB_BYTES_MAX:
            return packed
        return self._files.put(blob)

    def _append(
        self,
        encoded: Sequence[Encoded],
        attestations: Sequence[Attestation],
        named: Mapping[Digest, Blob] | None = None,
    ) -> None:
        claims = b"".join(map(entries.claim_entry, attestations))
        written = {blob.digest for blob in encoded}

        def prepare() -> bytes:
            out = []
            for blob in encoded:
                if blob.file is not None:
                    blob.file()
                codec, data = blob.inline or (blob.codec, b"")
                out.append(entries.blob_entry(blob.digest, blob.size, codec, bytes(data)))
            for digest, known in (named or {}).items():
                if digest not in written and not self._index.here(digest):
                    # It was here a moment ago, and somebody has deleted it.
                    again = self._encode(known)
                    codec, data = again.inline or (again.codec, b"")
                    out.append(entries.blob_entry(digest, again.size, codec, bytes(data)))
            return b"".join((*out, claims))

        self._log(prepare)

    def _pieces(self, digest: Digest, kept: Kept, offset: int) -> Iterator[bytes]:
        if kept.data is not None:
            whole = bytes(self.read(digest))
            yield from (whole[at : at + CHUNK_BYTES] for at in range(offset, len(whole), CHUNK_BYTES))
            return
        hasher = hashlib.sha256() if offset == 0 else None
        skip = offset % CHUNK_BYTES
        for seq in range(offset // CHUNK_BYTES, -(-kept.size // CHUNK_BYTES)):
            try:
                piece = self._lost_if_missing(digest, partial(self._files.piece, digest, kept.size, seq))
            except Damaged:
                piece = b""
            if len(piece) != min(CHUNK_BYTES, kept.size - seq * CHUNK_BYTES):
                self._set_aside(digest, Digest.of(piece))
            if hasher is not None:
                hasher.update(piece)
                if (seq + 1) * CHUNK_BYTES >= kept.size and hasher.digest() != digest.sha256:
                    self._set_aside(digest, Digest(hasher.digest()))
            if skip < len(piece):
                yield bytes(piece[skip:])
            skip = 0

    def _lost_if_missing(self, digest: Digest, read: Callable[[], Buffer]) -> Buffer:
        try:
            with self._errors():
                return read()
        except BlobMissing:
            self._forget(digest)
            raise

    def _forget(self, digest: Digest) -> None:
        if not self.options.read_only:
            with suppress(StoreError):
                self._log(
                    lambda: (
                        entries.gone_entry(digest, entries.QUARANTINED)
                        if self._index.here(digest) and not self._files.path(digest).exists()
                        else b""
                    )
                )

    def _set_aside(self, digest: Digest, found: Digest) -> NoReturn:
        """Move a corrupt blob to the quarantine, so that it is missing from now on, and say so."""
        if not self.options.read_only:

            def prepare() -> bytes:
                kept = self._index.blobs.get(digest)
                if kept is None:
                    return b""
                if kept.codec & FILE and kept.data is None:
                    self._files.set_aside(digest)
                return entries.gone_entry(digest, entries.QUARANTINED)

            with suppress(StoreError):
                self._log(prepare)
        raise BlobCorrupt(digest, found)

    def _find(self, digest: Digest) -> Kept:
        with self._reading() as index:
            kept = index.blobs.get(digest)
        if kept is None:
            raise BlobMissing(digest)
        if self.options.quota_bytes:
            self._hits[digest] = self._hits.get(digest, 0) + 1
        return kept

    def _fact_key(self, key: str) -> str:
        return key if self._keys is None else self._keys.fact_key(key)


def _chain(first: Buffer, second: Buffer, rest: Iterator[Buffer]) -> Iterator[Buffer]:
    yield first
    yield second
    yield from rest
