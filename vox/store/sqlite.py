"""The store of one machine in one SQLite file, safe for many threads and many processes.

Reading: connections are lent from a pool, one to a thread at a time. Writing: one thread per process
(vox.store.sqlite_writer). What this store records it believes: whoever brings attestations of other
machines has passed them through `vox.attest.accept` before.

A store must be opened after a fork, not before: SQLite's locks belong to a process.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId
from vox.errors import BlobCorrupt, BlobMissing, StoreUnusable
from vox.store import sqlite_rows as rows
from vox.store.chunks import EMPTY, Encoded, Spool, chunk_size, encode_blob, unpack
from vox.store.compression import Damaged
from vox.store.contract import CHUNK_BYTES, Blob, Buffer, Result, StoreStats
from vox.store.sqlite_file import BUSY_TIMEOUT_S, StoreFile
from vox.store.sqlite_writer import Writer

T = TypeVar("T")

_READERS_KEPT_MAX = 8


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of `blobs`; `data` is None if the blob lies in chunks."""

    id: int
    size: int
    codec: int
    data: bytes | None


class SqliteStore:
    """A `vox.store.contract.Store` in the folder `path`.

    Parameters
    ----------
    read_only
        Never write, not even to make the store or to set a corrupt blob aside.
    busy_timeout_s
        How long to wait while another process writes.

    Raises
    ------
    StoreUnusable, StoreFull
        If the folder cannot hold a store, or holds something else.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        self._file = StoreFile(path, read_only=read_only, busy_timeout_s=busy_timeout_s)
        self._readers = [self._file.open()]
        self._writer = Writer(self._file)
        self._process = os.getpid()
        self._closed = False

    @property
    def path(self) -> Path:
        """The folder."""
        return self._file.folder

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
        return self._pieces(digest, self._entry(digest), offset)

    def read(self, digest: Digest) -> Buffer:
        """Return a whole blob, verified against its name; BlobMissing or BlobCorrupt otherwise."""
        if digest == EMPTY:
            return b""
        entry = self._entry(digest)
        whole: Buffer
        try:
            if entry.data is not None:
                whole = unpack(entry.codec, entry.data, entry.size)
            else:
                whole = self._gather(digest, entry)
            found = Digest.of(whole)
        except Damaged:
            found = EMPTY
        if found != digest:
            self._set_aside(digest, entry, found)
        return whole

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return the results known for `nodes`, in one look-up; unknown nodes are left out."""
        with self._reader() as connection:
            return rows.results(connection, set(nodes))

    def attestations(self, actions: Collection[ActionId]) -> dict[ActionId, tuple[Attestation, ...]]:
        """Return every claim about `actions` in the order of their coming."""
        with self._reader() as connection:
            return rows.attestations(connection, set(actions))

    def disputes(self) -> dict[ActionId, tuple[Digest, ...]]:
        """Return the actions that have claims for different outputs, and those outputs, first claim first."""
        with self._reader() as connection:
            return rows.disputes(connection)

    def recall(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """Return the facts kept under `keys`."""
        with self._reader() as connection:
            return rows.recall(connection, keys)

    def pins(self) -> dict[Digest, tuple[str, ...]]:
        """Return the pinned blobs and the reasons for it."""
        with self._reader() as connection:
            return rows.pins(connection)

    def stats(self) -> StoreStats:
        """Count."""
        with self._reader() as connection:
            blobs, blob_bytes, results = rows.count(connection)
        return StoreStats(str(self.path), "sqlite", blobs, results, blob_bytes, self._file.disk_bytes())

    # Writing -----------------------------------------------------------------------------------

    def write(self, stream: Iterable[Buffer]) -> Digest:
        """Write a blob whose name is not yet known; durable and visible when this returns.

        Never more than a few megabytes are in memory.
        """
        self._check_writable()
        with Spool(self.path, self._file.errors) as spool:
            encoded = spool.fill(stream)
            if self.missing([encoded.digest]):
                self._put({encoded.digest: encoded}, ())
        return encoded.digest

    def put(self, blobs: Sequence[Blob], attestations: Sequence[Attestation]) -> None:
        """Write blobs and record attestations in one durable step.

        The parts of the blobs must not change before this returns, and their names must be right.
        """
        named = {blob.digest: blob for blob in blobs if blob.size}
        wanted = self.missing(named)
        encoded = {digest: encode_blob(named[digest]) for digest in wanted}
        claims = [rows.claim(attestation) for attestation in attestations]
        while encoded or claims:
            try:
                self._put(encoded, claims, named)
                return
            except rows.Vanished as error:
                # They were here a moment ago and somebody has deleted them: write them after all.
                encoded |= {digest: encode_blob(named[digest]) for digest in error.digests}

    def record(self, attestations: Sequence[Attestation]) -> None:
        """Record claims whose blobs may be elsewhere."""
        claims = [rows.claim(attestation) for attestation in attestations]
        if claims:
            self._write(lambda connection: rows.insert_claims(connection, claims))

    def delete(self, digests: Collection[Digest]) -> None:
        """Forget blobs. The results that named them stay known as claims."""
        names = set(digests)
        self._write(lambda connection: rows.delete(connection, names))

    def forget_results(self, nodes: Collection[NodeId]) -> None:
        """Forget which results nodes have; claims and blobs stay, and may be recorded anew."""
        names = set(nodes)
        self._write(lambda connection: rows.forget_results(connection, names))

    def remember(self, key: str, value: bytes | None) -> None:
        """Keep a small fact of this machine under a key (None forgets it)."""
        self._write(lambda connection: rows.remember(connection, key, value))

    def pin(self, digests: Collection[Digest], reason: str) -> None:
        """Ask that blobs are not collected, for a reason; `delete` is not held up by it."""
        names = set(digests)
        self._write(lambda connection: rows.pin(connection, names, reason))

    def unpin(self, reason: str) -> None:
        """Take back every pin of a reason."""
        self._write(lambda connection: rows.unpin(connection, reason))

    # Care --------------------------------------------------------------------------------------

    def check(self) -> list[Digest]:
        """Read everything; return the names of blobs that were corrupt and are now set aside.

        Raises
        ------
        StoreUnusable
            If the file itself is damaged.
        """
        with self._reader() as connection:
            report = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if report != "ok":
            raise self._file.damaged(report)
        corrupt: list[Digest] = []
        last = 0
        while True:
            with self._reader() as connection:
                batch = rows.blobs_after(connection, last)
            if not batch:
                return corrupt
            for last, digest in batch:  # noqa: B007
                try:
                    self.read(digest)
                except BlobCorrupt:
                    corrupt.append(digest)
                except BlobMissing:
                    pass  # deleted meanwhile

    def backup(self, path: Path) -> None:
        """Write a copy of this moment to the file `path`, whole or not at all; writing goes on meanwhile."""
        self._file.backup(path)

    def close(self) -> None:
        """Finish writing and let go of the path."""
        self._closed = True
        if self._process == os.getpid():
            self._writer.close()
            while self._readers:
                self._readers.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -------------------------------------------------------------------------------------------

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreUnusable(f"the store at {self.path} is closed")
        if self._process != os.getpid():
            raise StoreUnusable(
                f"the store at {self.path} was opened before this process was forked",
                hint="open it anew in each process",
            )

    def _check_writable(self) -> None:
        self._check_usable()
        if self._file.read_only:
            raise StoreUnusable(f"the store at {self.path} was opened for reading only")

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        self._check_usable()
        with self._file.errors():
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._file.connect()
            try:
                yield connection
            finally:
                if self._closed or len(self._readers) >= _READERS_KEPT_MAX:
                    connection.close()
                else:
                    self._readers.append(connection)

    def _write(self, work: Callable[[sqlite3.Connection], T], blob_bytes: int = 0) -> T:
        self._check_writable()
        return self._writer.run(work, blob_bytes)

    def _put(
        self,
        encoded: Mapping[Digest, Encoded],
        claims: Sequence[rows.Claim],
        wanted: Collection[Digest] = (),
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            rows.insert_blobs(connection, encoded)
            vanished = rows.absent(connection, set(wanted).difference(encoded))
            if vanished:
                raise rows.Vanished(vanished)
            rows.insert_claims(connection, claims)

        self._write(work, sum(blob.stored_bytes for blob in encoded.values()))

    def _entry(self, digest: Digest) -> _Entry:
        with self._reader() as connection:
            row = rows.find(connection, digest)
        if row is None:
            raise BlobMissing(digest)
        return _Entry(*row)

    def _gather(self, digest: Digest, entry: _Entry) -> memoryview:
        whole, at = bytearray(entry.size), 0
        with self._reader() as connection, closing(rows.chunks(connection, entry.id)) as cursor:
            for seq, (codec, data) in enumerate(cursor):
                piece = unpack(codec, data, chunk_size(entry.size, seq))
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
        codec, data = entry.codec, entry.data
        if data is None:
            with self._reader() as connection:
                row = rows.chunk(connection, entry.id, seq)
            if row is None:
                raise BlobMissing(digest)  # deleted meanwhile
            codec, data = row
        size = chunk_size(entry.size, seq)
        try:
            piece = unpack(codec, data, size)
        except Damaged:
            piece = b""
        if len(piece) != size:
            self._set_aside(digest, entry, Digest.of(piece))
        return piece

    def _set_aside(self, digest: Digest, entry: _Entry, found: Digest) -> Any:
        """Move a corrupt blob to the quarantine, so that it is missing from now on, and say so."""
        if not self._file.read_only:
            with suppress(StoreUnusable):
                self._write(lambda connection: rows.set_aside(connection, entry.id, found))
        raise BlobCorrupt(digest, found)
