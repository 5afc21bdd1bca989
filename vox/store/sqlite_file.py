"""The file of a SQLite store: connections, versions, and what SQLite's errors mean to a person."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from vox.errors import StoreError, StoreFull, StoreUnusable
from vox.store.options import BUSY_TIMEOUT_S

FILE_NAME = "store.sqlite3"
APPLICATION_ID = 0x766F7831  # "vox1"
FORMAT = 2

_MIGRATIONS = Path(__file__).parent / "migrations"
# Measured for blobs of 1 KiB to 36 MiB: 4 KiB pages are slow for large blobs, 64 KiB ones for small.
_PAGE_BYTES = 1 << 14
_WRITER_CACHE_KIB, _READER_CACHE_KIB = 32 << 10, 4 << 10
_CHECKPOINT_PAGES = 2000  # × 16 KiB = 32 MiB of WAL
_WAL_BYTES_KEPT = 64 << 20
_RETRY_S = 0.02
# SQLite calls a failed write of its index or WAL an I/O error even if the disk is merely full.
_FREE_BYTES_MIN = 1 << 20

_ELSEWHERE = "set `[store] path` (VOX_STORE_PATH) to a folder that can be written"
_RESTORE = "restore a backup, or move the folder away: results are then computed again"


class StoreFile:
    """Where a store lies, and how to get at it.

    Parameters
    ----------
    folder
        Holds `store.sqlite3` and SQLite's files beside it.
    migrations
        SQL text per format number, from 1 on; by default the ones of this version.
    """

    def __init__(
        self,
        folder: Path,
        *,
        read_only: bool = False,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        migrations: Sequence[str] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE_NAME
        self.read_only = read_only
        self.busy_timeout_s = busy_timeout_s
        self._migrations = migrations
        self._format = FORMAT if migrations is None else len(migrations)
        self._mode = "ro" if read_only else "rw"

    def open(self) -> sqlite3.Connection:
        """Make or migrate the store if need be, and return a first connection to it.

        Raises
        ------
        StoreUnusable, StoreFull
            If it cannot be used; the hint says what to do.
        """
        with self.errors():
            if not self.read_only:
                self.folder.mkdir(parents=True, exist_ok=True)
            elif not self.path.is_file():
                raise StoreUnusable(f"there is no store at {self.folder}", hint="check the path")
            elif not os.access(self.folder, os.W_OK) and not self._wal_in_use():
                # Readers of a WAL share an index file; where it cannot be made, nobody can be writing either.
                self._mode = "ro&immutable=1"
            deadline = time.monotonic() + self.busy_timeout_s
            while True:
                try:
                    return self._open()
                except sqlite3.OperationalError as error:
                    # Two processes that create a store meet in steps where SQLite does not wait by itself.
                    busy = _primary(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                    if not busy or time.monotonic() > deadline:
                        raise
                time.sleep(_RETRY_S)

    def connect(self, *, writer: bool = False, mode: str = "") -> sqlite3.Connection:
        """Return a new connection in autocommit mode. It may be used by one thread at a time."""
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode or self._mode}",
            uri=True,
            timeout=self.busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute(f"PRAGMA cache_size=-{_WRITER_CACHE_KIB if writer else _READER_CACHE_KIB}")
        if writer:
            # FULL: a commit that was acknowledged survives a power cut. Group commit shares its cost.
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES_KEPT}")
        return connection

    def disk_bytes(self) -> int:
        """Return what the store's files take."""
        total = 0
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                total += os.stat(f"{self.path}{suffix}").st_size
        return total

    def backup(self, target: Path) -> None:
        """Write a compact copy of one moment to the file `target`: whole, or not at all."""
        target = Path(target)
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        with self.errors():
            connection = self.connect()
            try:
                partial.unlink(missing_ok=True)
                connection.execute("VACUUM INTO ?", (str(partial),))
                with partial.open("rb+") as file:
                    os.fsync(file.fileno())
                partial.replace(target)
            finally:
                connection.close()
                with suppress(OSError):
                    partial.unlink(missing_ok=True)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate what SQLite and the operating system say."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self.translate(error) from error

    def translate(self, error: Exception) -> StoreError:
        """Return our error for a foreign one."""
        if isinstance(error, OSError):
            return self._translate_os(error)
        code = _primary(error)
        if code == sqlite3.SQLITE_FULL or (
            code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and self._disk_is_full()
        ):
            return self._full()
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreUnusable(
                f"another process has held the store at {self.folder} for {self.busy_timeout_s:g} s",
                hint="end the process that holds it, or use another store",
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return StoreUnusable(f"the store at {self.folder} cannot be opened for writing", hint=_ELSEWHERE)
        if code == sqlite3.SQLITE_NOTADB:
            return StoreUnusable(f"{self.path} is not a store of vox", hint=_RESTORE)
        if code == sqlite3.SQLITE_CORRUPT:
            return self.damaged(str(error))
        return StoreUnusable(f"the store at {self.folder} cannot be used: {error}", hint=_RESTORE)

    def damaged(self, reason: str) -> StoreUnusable:
        """Return the error for a file whose structure is broken."""
        return StoreUnusable(f"the store at {self.folder} is damaged ({reason})", hint=_RESTORE)

    def _translate_os(self, error: OSError) -> StoreError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return self._full()
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            return StoreUnusable(f"{self.folder} is not a folder", hint=_ELSEWHERE)
        reason = error.strerror or str(error)
        return StoreUnusable(f"the store at {self.folder} cannot be used: {reason}", hint=_ELSEWHERE)

    def _full(self) -> StoreFull:
        return StoreFull(
            f"no space is left for the store at {self.folder}",
            hint="free some space, or set `[store] path` to a larger disk; what was stored before is intact",
        )

    def _disk_is_full(self) -> bool:
        import shutil

        try:
            return shutil.disk_usage(self.folder).free < _FREE_BYTES_MIN
        except OSError:
            return False

    def _wal_in_use(self) -> bool:
        wal = Path(f"{self.path}-wal")
        return wal.exists() and wal.stat().st_size > 0

    def _open(self) -> sqlite3.Connection:
        connection = self.connect(mode="" if self.read_only else "rwc")
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = self._version(connection)
        if version == self._format:
            return
        if version > self._format:
            raise StoreUnusable(
                f"the store at {self.folder} has format {version}; this vox reads up to {self._format}",
                hint="use the newer vox that wrote it, or another store",
            )
        if self.read_only:
            raise StoreUnusable(
                f"the store at {self.folder} has the older format {version}",
                hint="open it once for writing: it is then migrated, after a backup",
            )
        if version == 0:
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise StoreUnusable(f"the file system of {self.folder} has no shared memory", hint=_ELSEWHERE)
        self._migrate(connection)

    def _version(self, connection: sqlite3.Connection) -> int:
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if owner == APPLICATION_ID:
            return version
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if owner or version or tables:
            raise StoreUnusable(f"{self.path} is not a store of vox", hint=_ELSEWHERE)
        return 0

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Asked again under the lock: another process may have been faster.
            version = self._version(connection)
            if 0 < version < self._format:
                self.backup(self.folder / f"store.format-{version}.sqlite3")
            for number in range(version + 1, self._format + 1):
                for statement in _statements(self._sql(number)):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number}")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _sql(self, number: int) -> str:
        if self._migrations is not None:
            return self._migrations[number - 1]
        return (_MIGRATIONS / f"{number:04}.sql").read_text(encoding="utf-8")


def _primary(error: Exception) -> int:
    """Return SQLite's primary result code; extended ones carry it in their low byte."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _statements(script: str) -> Iterator[str]:
    """Split a script: `executescript` would commit before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
