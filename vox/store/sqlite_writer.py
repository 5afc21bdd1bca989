"""One writing thread per store and process: many callers, one transaction, one flush to the disk.

A caller waits for its own work to be durable. Work that arrives while a transaction is under way is
committed together in the next one, so that the cost of a flush is shared by all who wait.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from vox.errors import StoreUnusable
from vox.store.sqlite_file import StoreFile

T = TypeVar("T")

# A transaction of this size takes well under a second; longer ones would starve other processes.
_JOBS_MAX = 512
_BATCH_BYTES_MAX = 64 << 20


class _Job:
    __slots__ = ("alone", "blob_bytes", "done", "error", "result", "work")

    def __init__(
        self, work: Callable[[sqlite3.Connection], Any], blob_bytes: int, alone: bool = False
    ) -> None:
        self.work = work
        self.alone = alone
        self.blob_bytes = blob_bytes
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None


class Writer:
    """Runs work inside transactions. The thread is started by the first work."""

    def __init__(self, file: StoreFile) -> None:
        self._file = file
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, work: Callable[[sqlite3.Connection], T], blob_bytes: int = 0) -> T:
        """Run `work` in a transaction and return its result when that is durable.

        `work` may be run again if the transaction it was in failed for somebody else's sake: its only
        effects must be on the connection it is given.
        """
        result: T = self._done(_Job(work, blob_bytes))
        return result

    def alone(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run `work` outside of any transaction, once, such as one that must not be in one."""
        self._done(_Job(work, _BATCH_BYTES_MAX, alone=True))

    def _done(self, job: _Job) -> Any:
        with self._lock:
            if self._closed:
                raise StoreUnusable(f"the store at {self._file.folder} is closed")
            if self._thread is None:
                # A daemon: whoever leaves without closing loses only what was never acknowledged.
                self._thread = threading.Thread(target=self._loop, name="vox-store-writer", daemon=True)
                self._thread.start()
            self._jobs.put(job)
        job.done.wait()
        if job.error is not None:
            if isinstance(job.error, sqlite3.Error | OSError):
                raise self._file.translate(job.error) from job.error
            raise job.error
        return job.result

    def close(self) -> None:
        """Finish what was asked for, fold the WAL into the file, and end the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
            if thread is not None:
                self._jobs.put(None)
        if thread is not None:
            thread.join()

    def _loop(self) -> None:
        connection: sqlite3.Connection | None = None
        ending = False
        while not ending:
            batch, ending = self._take()
            try:
                connection = connection or self._file.connect(writer=True)
            except sqlite3.Error as error:
                _fail(batch, error)
                continue
            if batch:
                _commit(connection, batch)
        if connection is not None:
            with suppress(sqlite3.Error):
                # Best effort: another process may be reading, and nothing is lost if it is.
                connection.execute("PRAGMA busy_timeout=0")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def _take(self) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        waiting_bytes = 0
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            waiting_bytes += job.blob_bytes
            if len(batch) >= _JOBS_MAX or waiting_bytes >= _BATCH_BYTES_MAX:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True


def _commit(connection: sqlite3.Connection, batch: list[_Job]) -> None:
    if any(job.alone for job in batch):
        for job in batch:
            _run_alone(connection, job) if job.alone else _commit(connection, [job])
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        _fail(batch, error)
        return
    try:
        for job in batch:
            job.result = job.work(connection)
        connection.execute("COMMIT")
    except BaseException as error:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if len(batch) == 1:
            _fail(batch, error)
            return
        # One by one, so that only the guilty one fails.
        for job in batch:
            _commit(connection, [job])
        return
    for job in batch:
        job.done.set()


def _run_alone(connection: sqlite3.Connection, job: _Job) -> None:
    try:
        job.result = job.work(connection)
    except BaseException as error:
        job.error = error
    job.done.set()


def _fail(batch: list[_Job], error: BaseException) -> None:
    for job in batch:
        job.error = error
        job.done.set()
