"""An append-only file of records, each one step that happened or did not.

A record is a magic word, a length, a checksum and entries. What is torn at the end is cut off by the next
writer; damage in the middle is skipped, because the records after it prove that it is no torn end.

Writers of several processes take turns by an exclusive lock; who finds the file grown takes it shared before
he reads on, so that nobody sees what is not durable yet.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from vox.store.files import flush_folder, write_all

MAGIC = b"vox.journal.v1\r\n"
_RECORD = b"VXR1"
_HEAD_BYTES = len(_RECORD) + 16
_READ_BYTES = 8 << 20


def record(payload: bytes) -> bytes:
    """Return a payload as it is written."""
    check = hashlib.sha256(payload).digest()[:8]
    return b"".join((_RECORD, len(payload).to_bytes(8, "little"), check, payload))


def records(data: memoryview, start: int) -> Iterator[tuple[int, int, memoryview | None]]:
    """Yield begin, end and payload of each record from `start` on; None for a stretch of damage.

    Stops before what may be a record that is not whole yet.
    """
    at = start
    while at < len(data):
        end = _end(data, at)
        if end is None:
            found = _resume(data, at + 1)
            if found is None:
                return
            yield at, found, None
            at = found
        else:
            yield at, end, data[at + _HEAD_BYTES : end]
            at = end


def _end(data: memoryview, at: int) -> int | None:
    """Return where the record ends that begins at `at`; None if none does, or not all of it is there."""
    if len(data) - at < _HEAD_BYTES or data[at : at + 4] != _RECORD:
        return None
    end = at + _HEAD_BYTES + int.from_bytes(data[at + 4 : at + 12], "little")
    if (
        end > len(data)
        or hashlib.sha256(data[at + _HEAD_BYTES : end]).digest()[:8] != data[at + 12 : at + 20]
    ):
        return None
    return end


def _resume(data: memoryview, at: int) -> int | None:
    whole = bytes(data[at:])
    found = whole.find(_RECORD)
    while found >= 0:
        if _end(data, at + found) is not None:
            return at + found
        found = whole.find(_RECORD, found + 1)
    return None


class _Waiting:
    __slots__ = ("error", "payload", "prepare")

    def __init__(self, prepare: Callable[[], bytes]) -> None:
        self.prepare = prepare
        self.payload: bytes | None = None
        self.error: BaseException | None = None


class Journal:
    """The file, its lock, and the place up to which it has been read.

    Parameters
    ----------
    apply
        Takes each payload once, in order; called under the lock of this process.
    forget
        Called when the file was written anew: everything will be applied again.
    """

    def __init__(
        self,
        folder: Path,
        apply: Callable[[memoryview], None],
        forget: Callable[[], None],
        *,
        read_only: bool = False,
    ) -> None:
        self.path = folder / "journal"
        self.lock = threading.RLock()
        self.damaged_bytes = 0
        self._folder = folder
        self._apply = apply
        self._forget = forget
        self._read_only = read_only
        self._turn = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._inode = 0
        self._at = 0
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)
            with self.exclusive():
                self._make()

    # Reading

    def refresh(self) -> None:
        """Apply what was written since the last time."""
        with self.lock:
            try:
                found = self.path.stat()
            except FileNotFoundError:
                return
            if found.st_ino == self._inode and found.st_size == self._at:
                return
            if self._read_only and not (self._folder / "lock").exists():
                self._catch_up()
                return
            with _locked(self._folder / "lock", shared=True):
                self._catch_up()

    def _catch_up(self) -> int:
        """Apply what is new; return the size of the file, which is more than was applied if it is torn."""
        with self.path.open("rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            if found.st_ino != self._inode:
                self._forget()
                self._inode, self._at, self.damaged_bytes = found.st_ino, len(MAGIC), 0
            size = found.st_size
            if size > self._at:
                file.seek(self._at)
                tail = memoryview(b"".join(iter(lambda: file.read(_READ_BYTES), b"")))
                base = self._at
                for begin, end, payload in records(tail, 0):
                    if payload is None:
                        self.damaged_bytes += end - begin
                    else:
                        self._apply(payload)
                    self._at = base + end
        return size

    # Writing

    def append(self, prepare: Callable[[], bytes]) -> None:
        """Append one record and return when it is durable; who waits together shares one flush.

        `prepare` is called under both locks, when everything before has been applied; b"" writes nothing.
        """
        mine = _Waiting(prepare)
        with self.lock:
            self._waiting.append(mine)
        with self._turn:
            if mine.payload is None and mine.error is None:
                with self.lock:
                    batch, self._waiting = self._waiting, []
                self._append(batch)
        if mine.error is not None:
            raise mine.error

    def _append(self, batch: Sequence[_Waiting]) -> None:
        try:
            with self.lock, self.exclusive():
                if self._catch_up() > self._at:
                    self._cut_torn_end()
                with self.path.open("rb+", buffering=0) as file:
                    file.seek(self._at)
                    for item in batch:
                        self._append_one(file.fileno(), item)
                    os.fsync(file.fileno())
                    for item in batch:
                        if item.payload and item.error is None:
                            self._at += len(item.payload) + _HEAD_BYTES
                            self._apply(memoryview(item.payload))
        except BaseException as error:
            for item in batch:
                if item.error is None:
                    item.error = error

    def _append_one(self, descriptor: int, item: _Waiting) -> None:
        try:
            item.payload = item.prepare()
        except BaseException as error:
            item.error = error
            return
        if not item.payload:
            return
        begin = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            write_all(descriptor, record(item.payload))
        except BaseException as error:
            # Half a record is a torn end; it is taken back so that others of the batch may follow.
            item.error = error
            os.ftruncate(descriptor, begin)
            os.lseek(descriptor, begin, os.SEEK_SET)

    def rewrite(self, payloads: Callable[[], Iterator[bytes]]) -> None:
        """Write the whole journal anew, in place of this one, at once."""
        with self._turn, self.lock, self.exclusive():
            self._catch_up()
            partial = self._folder / f".journal.{os.getpid()}.part"
            try:
                with partial.open("wb") as file:
                    file.write(MAGIC)
                    for payload in payloads():
                        file.write(record(payload))
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(self.path)
                flush_folder(self._folder)
            finally:
                partial.unlink(missing_ok=True)
            self._catch_up()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the store against other processes."""
        with _locked(self._folder / "lock", shared=False):
            yield

    def _make(self) -> None:
        # Nobody else can be writing the journal anew: the lock is held.
        for left in self._folder.glob(".journal.*.part"):
            left.unlink()
        if self.path.exists() and self.path.stat().st_size >= len(MAGIC):
            return
        with self.path.open("wb") as file:
            file.write(MAGIC)
            file.flush()
            os.fsync(file.fileno())
        flush_folder(self._folder)

    def _cut_torn_end(self) -> None:
        """Keep aside what no record begins with, and cut it off."""
        with self.path.open("rb+", buffering=0) as file:
            file.seek(self._at)
            torn = file.read()
            aside = self._folder / "quarantine"
            with suppress(OSError):  # a full disk must not keep anybody from writing once it is not
                aside.mkdir(exist_ok=True)
                (aside / f"journal-{self._at}-{hashlib.sha256(torn).hexdigest()[:8]}").write_bytes(torn)
            file.truncate(self._at)
            os.fsync(file.fileno())


@contextmanager
def _locked(path: Path, *, shared: bool) -> Iterator[None]:
    import fcntl

    flags = os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
