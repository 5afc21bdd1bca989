"""The store of one machine in one SQLite file, safe for many threads and many processes.

Reading: connections are lent from a pool, one to a thread at a time. Writing: one thread per process
(vox.store.sqlite_writer). What this store records it believes: whoever brings attestations of other
machines has passed them through `vox.attest.accept` before.

A store must be opened after a fork, not before: SQLite's locks belong to a process.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId
from vox.errors import BlobCorrupt, BlobMissing, StoreUnusable
from vox.store import sqlite_keeping as keeping
from vox.store import sqlite_rows as rows
from vox.store.chunks import EMPTY, FILE, Encoded, Spool, chunk_size, encode_blob
from vox.store.compression import Damaged
from vox.store.contract import CHUNK_BYTES, Blob, Buffer, Result
from vox.store.options import StoreOptions
from vox.store.sqlite_care import Care


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of `blobs`; without `data` the blob lies in chunks, or in a file if `codec` says so."""

    id: int
    size: int
    codec: int
    data: bytes | None

    @property
    def in_file(self) -> bool:
        return self.data is None and bool(self.codec & FILE)


class SqliteStore(Care):
    """A `vox.store.contract.Store` in the folder `path`.

    Raises
    ------
    StoreUnusable, StoreFull
        If the folder cannot hold a store, or holds something else.
    """

    def __init__(self, path: Path, options: StoreOptions | None = None, **changes: Any) -> None:
        super().__init__(path, replace(options or StoreOptions(), **changes))

    # Reading -----------------------------------------------------------------------------------

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are not here."""
        wanted = set(digests)
        wanted.discard(EMPTY)
        with self._reader() as connection:
            return rows.absent(connection, wanted)

    def size(self, digest: Digest) -> int:
        """Return the bytes of a blob; BlobMissing if it is not here."""
        return 0 if digest == EMPTY else self._entry(digest).size

    def open(self, digest: Digest, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from `offset` on, in pieces of at most CHUNK_BYTES.

        From the beginning, the last piece is held back until the whole is verified, so that who has seen
        the end has seen the right bytes. From an offset nothing can be verified; the reader does.

        Raises
        ------
        BlobMissing
            At once, or while reading if the blob is deleted meanwhile.
        BlobCorrupt
            While reading. The blob has then been set aside.
        """
        assert offset >= 0
        if digest == EMPTY:
            return iter(())
        entry = self._entry(digest)
        self._note_read(digest)
        return self._pieces(digest, entry, offset)

    def read(self, digest: Digest) -> Buffer:
        """Return a whole blob, verified against its name; BlobMissing or BlobCorrupt otherwise.

        One that lies in a file is mapped, and verified once by each process.
        """
        if digest == EMPTY:
            return b""
        entry = self._entry(digest)
        self._note_read(digest)
        whole: Buffer
        try:
            if entry.data is not None:
                whole = self._form.unpack(entry.codec, entry.data, entry.size)
            elif entry.in_file:
                whole = self._map(digest, entry)
                if self._files.verified(digest):
                    return whole
            else:
                whole = self._gather(digest, entry)
            found = Digest.of(whole)
        except Damaged:
            found = EMPTY
        if found != digest:
            self._set_aside(digest, entry, found)
        if entry.in_file:
            self._files.has_verified(digest)
        return whole

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return the results known for `nodes`, in one look-up; unknown nodes are left out."""
        with self._reader() as connection:
            return rows.results(connection, set(nodes))

    def attestations(self, actions: Collection[ActionId]) -> dict[ActionId, tuple[Attestation, ...]]:
        """Return every claim about `actions` in the order of their coming."""
        with self._reader() as connection:
            return rows.attestations(connection, set(actions))

    def recall(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """Return the facts kept under `keys`."""
        named = {self._fact_key(key): key for key in keys}
        with self._reader() as connection:
            found = rows.recall(connection, named)
        return {named[name]: self._unsealed_fact(value) for name, value in found.items()}

    # Writing -----------------------------------------------------------------------------------

    def write(self, stream: Iterable[Buffer]) -> Digest:
        """Write a blob whose name is not yet known; durable and visible when this returns.

        Never more than a few megabytes are in memory.
        """
        self._check_writable()
        with self._room.stream(stream) as parts:
            return self._write_stream(parts)

    def _write_stream(self, parts: Iterable[Buffer]) -> Digest:
        with Spool(self.path, self._file.errors, self._form) as spool:
            encoded = spool.fill(parts)
            if self.missing([encoded.digest]):
                self._put({encoded.digest: encoded}, ())
        return encoded.digest

    def put(self, blobs: Sequence[Blob], attestations: Sequence[Attestation]) -> None:
        """Write blobs and record attestations in one durable step.

        The parts of the blobs must not change before this returns, and their names must be right.
        """
        self._check_writable()
        named = {blob.digest: blob for blob in blobs if blob.size}
        # Small ones are written without asking: the index is searched then anyway.
        large = {digest for digest, blob in named.items() if blob.size > rows.SMALL_BYTES_MAX}
        present = large - self.missing(large) if large else large
        new = [blob for digest, blob in named.items() if digest not in present]
        bytes_wanted = sum(blob.size + keeping.BLOB_ROW_BYTES for blob in new)
        with self._room.reserve(bytes_wanted + keeping.CLAIM_ROW_BYTES * len(attestations)):
            encoded = {blob.digest: self._encode(blob) for blob in new}
            while encoded or attestations:
                try:
                    self._put(encoded, attestations, present)
                    return
                except rows.Vanished as error:
                    # They were here a moment ago and somebody has deleted them: write them after all.
                    present = present - error.digests
                    encoded |= {digest: self._encode(named[digest]) for digest in error.digests}

    def record(self, attestations: Sequence[Attestation]) -> None:
        """Record claims whose blobs may be elsewhere."""
        if attestations:
            with self._room.reserve(keeping.CLAIM_ROW_BYTES * len(attestations)):
                self._put({}, attestations)

    def remember(self, key: str, value: bytes | None) -> None:
        """Keep a small fact of this machine under a key (None forgets it)."""
        name = self._fact_key(key)
        if value is not None and self._keys is not None:
            value = self._keys.seal(value, 0, 0)
        self._write(lambda connection: rows.remember(connection, name, value))

    # -------------------------------------------------------------------------------------------

    def _encode(self, blob: Blob) -> Encoded:
        return encode_blob(blob, self._form)

    def _put(
        self,
        encoded: Mapping[Digest, Encoded],
        attestations: Sequence[Attestation],
        present: Collection[Digest] = (),
    ) -> None:
        claims = [rows.claim(attestation) for attestation in attestations]
        quota = self.options.quota_bytes
        costs_ms = dict.fromkeys(encoded, 0.0) if quota else {}
        for attestation in attestations if quota else ():
            if attestation.statement.output in costs_ms:
                costs_ms[attestation.statement.output] = float(attestation.statement.wall_ms)
        made = [(a.statement.output, a.statement.inputs) for a in attestations]
        deeds = [self._deed("write", sorted(encoded))] if self.options.audit and encoded else []

        def work(connection: sqlite3.Connection) -> None:
            rows.insert_blobs(connection, encoded)
            vanished = rows.absent(connection, set(present)) if present else ()
            if vanished:
                raise rows.Vanished(vanished)
            if claims:
                rows.insert_claims(connection, claims)
                keeping.inherit(connection, made)
            if self._hits or self._deeds:
                self._write_notes(connection)
            if deeds:
                keeping.write_audit(connection, deeds)
            if quota:
                keeping.note_written(connection, costs_ms)
                # Nothing over the quota is ever committed, whatever was reserved elsewhere.
                if keeping.used_bytes(connection) > quota:
                    raise rows.Overfull

        bytes_waiting = sum(blob.stored_bytes for blob in encoded.values())
        for _ in range(_TRIES_MAX):
            try:
                self._write(work, bytes_waiting)
                return
            except rows.Overfull:
                self._remove_files(encoded)
                if not self._evict(bytes_waiting + quota // 10):
                    break
        raise self._room.full(bytes_waiting)

    def _fact_key(self, key: str) -> str:
        return key if self._keys is None else self._keys.fact_key(key)

    def _unsealed_fact(self, value: bytes) -> bytes:
        return value if self._keys is None else self._keys.unseal(value, 0, 0)

    def _entry(self, digest: Digest) -> _Entry:
        with self._reader() as connection:
            row = rows.find(connection, digest)
        if row is None:
            raise BlobMissing(digest)
        return _Entry(*row)

    def _map(self, digest: Digest, entry: _Entry) -> Buffer:
        try:
            with self._file.errors():
                return self._files.read(digest, entry.size)
        except BlobMissing:
            self._forget_lost(entry)
            raise

    def _gather(self, digest: Digest, entry: _Entry) -> memoryview:
        whole, at = bytearray(entry.size), 0
        with self._reader() as connection, closing(rows.chunks(connection, entry.id)) as cursor:
            for seq, (codec, data) in enumerate(cursor):
                piece = self._form.unpack(codec, data, chunk_size(entry.size, seq), seq)
                if at + len(piece) > entry.size:
                    raise Damaged("too long")
                whole[at : at + len(piece)] = piece
                at += len(piece)
        if at == 0:
            raise BlobMissing(digest)  # deleted meanwhile
        return memoryview(whole)[:at].toreadonly()

    def _pieces(self, digest: Digest, entry: _Entry, offset: int) -> Iterator[bytes]:
        hasher = hashlib.sha256() if offset == 0 else None
        skip = offset % CHUNK_BYTES
        for seq in range(offset // CHUNK_BYTES, -(-entry.size // CHUNK_BYTES)):
            piece = self._piece(digest, entry, seq)
            if hasher is not None:
                hasher.update(piece)
                last = (seq + 1) * CHUNK_BYTES >= entry.size
                if last and hasher.digest() != digest.sha256:
                    self._set_aside(digest, entry, Digest(hasher.digest()))
            if skip < len(piece):
                yield piece[skip:] if skip else piece
            skip = 0

    def _piece(self, digest: Digest, entry: _Entry, seq: int) -> bytes:
        size = chunk_size(entry.size, seq)
        try:
            piece = self._raw_piece(digest, entry, seq, size)
        except Damaged:
            piece = b""
        if len(piece) != size:
            self._set_aside(digest, entry, Digest.of(piece))
        return piece

    def _raw_piece(self, digest: Digest, entry: _Entry, seq: int, size: int) -> bytes:
        if entry.in_file:
            try:
                with self._file.errors():
                    return self._files.piece(digest, entry.size, seq)
            except BlobMissing:
                self._forget_lost(entry)
                raise
        codec, data = entry.codec, entry.data
        if data is None:
            with self._reader() as connection:
                row = rows.chunk(connection, entry.id, seq)
            if row is None:
                raise BlobMissing(digest)  # deleted meanwhile
            codec, data = row
        return bytes(self._form.unpack(codec, data, size, seq))

    def _forget_lost(self, entry: _Entry) -> None:
        """Remove the row of a blob whose file is gone: it is missing from now on."""
        if not self._file.read_only:
            with suppress(StoreUnusable):
                self._write(lambda connection: rows.forget_blob(connection, entry.id))

    def _set_aside(self, digest: Digest, entry: _Entry, found: Digest) -> NoReturn:
        """Move a corrupt blob to the quarantine, so that it is missing from now on, and say so."""
        if not self._file.read_only:

            def work(connection: sqlite3.Connection) -> None:
                if rows.set_aside(connection, entry.id, found) and entry.in_file:
                    self._files.set_aside(digest)

            with suppress(StoreUnusable):
                self._write(work)
        raise BlobCorrupt(digest, found)


_TRIES_MAX = 4
