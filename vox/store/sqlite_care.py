"""What is done to a store beside reading and writing values: checks, backups, quota, scopes, marks, audit."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId
from vox.errors import UsageError
from vox.store import audit as log
from vox.store import eviction
from vox.store import sqlite_keeping as keeping
from vox.store import sqlite_rows as rows
from vox.store.contract import Buffer, StoreStats
from vox.store.options import StoreOptions
from vox.store.room import Room
from vox.store.scrub import corrupt_among
from vox.store.sqlite_base import SqliteBase

T = TypeVar("T")

# Reads and hits are written down together with the next write, or when so many wait.
_NOTES_MAX = 4096


class Care(SqliteBase):
    """The verbs of whoever looks after a store."""

    def __init__(self, path: Path, options: StoreOptions) -> None:
        super().__init__(path, options)
        self._room = Room(options.quota_bytes, self.used_bytes, self._make_room)
        self._notes_lock = threading.Lock()
        self._hits: dict[Digest, int] = {}
        self._deeds: list[log.Entry] = []

    # Seeing ------------------------------------------------------------------------------------

    def stats(self) -> StoreStats:
        """Count."""
        with self._reader() as connection:
            blobs, blob_bytes, results = rows.count(connection)
            files = rows.file_bytes(connection)
            numbers = keeping.counters(connection)
        computed, recomputed = numbers.get("computed_ms", 0.0), numbers.get("recomputed_ms", 0.0)
        return StoreStats(
            str(self.path),
            self.backend,
            blobs,
            results,
            blob_bytes,
            self._file.disk_bytes() + files,
            quota_bytes=self.options.quota_bytes,
            evicted=int(numbers.get("evicted", 0)),
            recomputed_ratio=recomputed / computed if computed else 0.0,
            alarm=eviction.alarming(recomputed, computed),
        )

    def used_bytes(self) -> int:
        """Return what counts against the quota."""
        with self._reader() as connection:
            return keeping.used_bytes(connection)

    def disputes(self) -> dict[ActionId, tuple[Digest, ...]]:
        """Return the actions that have claims for different outputs, and those outputs, first claim first."""
        with self._reader() as connection:
            return rows.disputes(connection)

    def digests(self) -> Iterator[Digest]:
        """Yield the name of every blob, oldest first."""
        last = 0
        while True:
            with self._reader() as connection:
                batch = rows.blobs_after(connection, last)
            if not batch:
                return
            for last, digest in batch:  # noqa: B007
                yield digest

    def claims(self) -> Iterator[Attestation]:
        """Yield every claim in the order of their coming."""
        last = 0
        while True:
            with self._reader() as connection:
                batch = rows.claims_after(connection, last)
            if not batch:
                return
            for last, claim in batch:  # noqa: B007
                yield claim

    def read(self, digest: Digest) -> Buffer:
        """Return a whole blob, verified against its name; BlobMissing or BlobCorrupt otherwise."""
        raise NotImplementedError

    def check(self, sample: float = 1.0, seed: int = 0) -> list[Digest]:
        """Read everything; return the names of blobs that were corrupt and are now set aside.

        Parameters
        ----------
        sample
            The share of blobs that is read, chosen by `seed`: a scrub that takes turns.

        Raises
        ------
        StoreUnusable
            If the file itself is damaged.
        """
        with self._reader() as connection:
            report = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if report != "ok":
            raise self._file.damaged(report)
        return corrupt_among(self.digests(), self._read_anew, sample, seed)

    def _read_anew(self, digest: Digest) -> Buffer:
        self._files.forget_verified(digest)
        return self.read(digest)

    # Keeping and letting go --------------------------------------------------------------------

    def delete(self, digests: Collection[Digest]) -> None:
        """Forget blobs. The results that named them stay known as claims."""
        names = set(digests)
        self._write_and_note(lambda connection: rows.delete(connection, names), "delete", sorted(names))
        self._remove_files(names)

    def forget_results(self, nodes: Collection[NodeId]) -> None:
        """Forget which results nodes have; claims and blobs stay, and may be recorded anew."""
        names = set(nodes)
        self._write_and_note(
            lambda connection: rows.forget_results(connection, names), "forget", sorted(names)
        )

    def pin(self, digests: Collection[Digest], reason: str) -> None:
        """Ask that blobs are not collected, for a reason; `delete` is not held up by it."""
        names = set(digests)
        self._write(lambda connection: rows.pin(connection, names, reason))

    def unpin(self, reason: str) -> None:
        """Take back every pin of a reason."""
        self._write(lambda connection: rows.unpin(connection, reason))

    def pins(self) -> dict[Digest, tuple[str, ...]]:
        """Return the pinned blobs and the reasons for it."""
        with self._reader() as connection:
            return rows.pins(connection)

    def collect(self, target_bytes: int | None = None, *, dry: bool = False) -> list[Digest]:
        """Remove blobs that no result names; then what is worth least, until the store takes `target_bytes`.

        Pinned blobs stay, and so does what could not be computed again. Returns what went, or would go.
        """
        with self._reader() as connection:
            victims = sorted(keeping.unclaimed(connection))
            over = 0 if target_bytes is None else keeping.used_bytes(connection) - target_bytes
            if dry:
                choice, _ = keeping.choose(connection, over)
                seen = set(victims)
                return victims + [v.digest for v in choice.victims if over > 0 and v.digest not in seen]
        if victims:
            self.delete(victims)
        while target_bytes is not None and (over := self.used_bytes() - target_bytes) > 0:
            went = self._evict(over)
            victims += went
            if not went:
                break
        self._write(lambda connection: self._sweep(connection))
        self._compact()
        return victims

    def admits(self, digest: Digest, stored_bytes: int, cost_ms: float) -> bool:
        """Tell whether a result is worth the room that others would have to make for it."""
        if not self.options.quota_bytes:
            return True
        with self._reader() as connection:
            over = keeping.used_bytes(connection) + stored_bytes - self.options.quota_bytes
            if over <= 0:
                return True
            choice, ways = keeping.choose(connection, over)
            hits = rows.ghost_hits(connection, digest)
        return choice.freed_bytes >= over and eviction.admits(
            eviction.Held(digest, stored_bytes, 1 + hits), cost_ms, choice, ways
        )

    def _make_room(self, bytes_wanted: int) -> bool:
        return bool(self._evict(bytes_wanted))

    def _evict(self, bytes_wanted: int) -> list[Digest]:
        went = self._write(
            lambda connection: self._noting(connection, keeping.evict(connection, bytes_wanted))
        )
        self._remove_files(went)
        return went

    def _noting(self, connection: sqlite3.Connection, went: list[Digest]) -> list[Digest]:
        if went:
            keeping.write_audit(connection, [self._deed("evict", went)])
        return went

    def _remove_files(self, digests: Collection[Digest]) -> None:
        """Remove files whose rows are gone, under the lock under which rows are made."""
        names = {digest for digest in digests if self._files.path(digest).exists()}
        if names:
            self._write(lambda connection: self._files.remove(rows.absent(connection, names)))

    def _sweep(self, connection: sqlite3.Connection) -> None:
        self._files.sweep()
        names = set(self._files.names())
        self._files.remove(rows.absent(connection, names) if names else ())

    def _compact(self) -> None:
        """Give pages that nobody uses back to the disk, if it is worth writing the file anew."""
        with self._reader() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        if free * 4 > pages and free > 64:
            self._writer.alone(lambda connection: connection.execute("VACUUM"))

    # Scopes ------------------------------------------------------------------------------------

    def label(self, digests: Collection[Digest], scope: str, owner: str = "") -> None:
        """Let only those see blobs, and all that is computed from them, who may see `scope`."""
        who = owner or log.whoami()
        names = set(digests)
        self._write_and_note(
            lambda connection: keeping.label(connection, names, scope, who), f"label {scope}", sorted(names)
        )

    def declassify(self, digests: Collection[Digest], scope: str) -> None:
        """Take a scope from blobs, and from them only; the audit log keeps who did it."""
        names = set(digests)
        self._write_and_note(
            lambda connection: rows.unlabel(connection, names, scope), f"declassify {scope}", sorted(names)
        )

    def labels(self, digests: Collection[Digest]) -> dict[Digest, dict[str, str]]:
        """Return the scopes of blobs, and who set each; public ones are left out."""
        with self._reader() as connection:
            return keeping.labels(connection, digests)

    # Marks -------------------------------------------------------------------------------------

    def position(self) -> int:
        """Return this moment, for a mark that gets its name later."""
        with self._reader() as connection:
            return keeping.position(connection)

    def mark(self, name: str, position: int | None = None) -> None:
        """Give this moment, or an earlier one, a name to which results can be taken back."""
        at_s = int(self.options.clock.now())
        self._write(lambda connection: keeping.mark(connection, name, at_s, position))

    def marks(self) -> dict[str, tuple[int, int]]:
        """Return the marks, oldest first: how many claims there were, and when that was."""
        with self._reader() as connection:
            return rows.marks(connection)

    def roll_back(self, name: str, until: str = "", nodes: Collection[NodeId] | None = None) -> int:
        """Take back every claim since a mark, and let nodes have their results of then; return how many.

        With a second mark `until`, only the claims between the two; with `nodes`, only those about them. What
        was computed from their outputs stays: it is said of those bytes, whoever made them.

        Raises
        ------
        UsageError
            If there is no such mark.
        """
        marks = self.marks()
        if name not in marks:
            raise UsageError(f"the store has no mark {name!r}", hint="`vox store rollback --list` names them")
        after, at_s = marks[name][0], int(self.options.clock.now())
        last = marks[until][0] if until in marks else None
        return self._write_and_note(
            lambda connection: keeping.roll_back(connection, name, (after, last), nodes, at_s),
            "rollback",
            [name],
        )

    # The audit log -----------------------------------------------------------------------------

    def audit(self) -> tuple[list[log.Entry], int | None, bytes]:
        """Return every entry, the number of the first that was tampered with (None: none), the last hash."""
        self.flush_notes()
        with self._reader() as connection:
            found = list(keeping.read_audit(connection))
        entries = [log.Entry.decode(data) for _, data, _ in found]
        return entries, log.first_break(found), found[-1][2] if found else log.START

    def note(self, verb: str, names: Sequence[object]) -> None:
        """Write a deed of somebody else's into the log, such as a restoration."""
        deed = self._deed(verb, names)
        self._write(lambda connection: keeping.write_audit(connection, [deed]))

    def flush_notes(self) -> None:
        """Write down what was read since the last write."""
        if (self._hits or self._deeds) and not self.options.read_only:
            self._write(self._write_notes)

    def _deed(self, verb: str, names: Sequence[object]) -> log.Entry:
        return log.entry(self.options.clock.now(), log.whoami(), verb, names)

    def _note_read(self, digest: Digest) -> None:
        """Remember, cheaply, that a blob was read."""
        if not self.options.quota_bytes and not self.options.audit:
            return
        with self._notes_lock:
            if self.options.quota_bytes:
                self._hits[digest] = self._hits.get(digest, 0) + 1
            if self.options.audit:
                self._deeds.append(self._deed("read", [digest]))
            waiting = len(self._hits) + len(self._deeds)
        if waiting >= _NOTES_MAX:
            self.flush_notes()

    def _write_notes(self, connection: sqlite3.Connection) -> None:
        with self._notes_lock:
            hits, self._hits = self._hits, {}
            deeds, self._deeds = self._deeds, []
        keeping.note_hits(connection, hits)
        keeping.write_audit(connection, deeds)

    def _write_and_note(
        self, work: Callable[[sqlite3.Connection], T], verb: str, names: Sequence[object]
    ) -> T:
        deed = self._deed(verb, names)

        def both(connection: sqlite3.Connection) -> T:
            self._write_notes(connection)
            result = work(connection)
            keeping.write_audit(connection, [deed])
            return result

        return self._write(both)

    # Copies ------------------------------------------------------------------------------------

    def backup(self, path: Path) -> None:
        """Write a copy of this moment, whole or not at all; writing goes on meanwhile.

        A `path` that ends in `.sqlite3` is a file for the database alone: all of a store that has no files.
        """
        if path.suffix == ".sqlite3":
            self._file.backup(path)
            return
        from vox.store.backup import back_up_sqlite

        with self._file.errors():
            back_up_sqlite(self._file, self._files, path)

    def close(self) -> None:
        """Finish writing and let go of the path."""
        if not self._closed and self._process == os.getpid():
            self.flush_notes()
        super().close()
