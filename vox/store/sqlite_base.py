"""What stands under a SQLite store: its file, connections for readers, a writer, and who may use them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from vox.errors import StoreUnusable
from vox.store.chunks import Form
from vox.store.files import BlobFiles
from vox.store.keyring import keys_of
from vox.store.options import StoreOptions
from vox.store.sqlite_file import StoreFile
from vox.store.sqlite_writer import Writer

T = TypeVar("T")

_READERS_KEPT_MAX = 8


class SqliteBase:
    """The file of a store, opened."""

    backend = "sqlite"

    def __init__(self, path: Path, options: StoreOptions) -> None:
        self.options = options
        self._file = StoreFile(path, read_only=options.read_only, busy_timeout_s=options.busy_timeout_s)
        # Keys first: whoever finds the file finds them too.
        with self._file.errors():
            self._keys = keys_of(path, self._file.path, options)
        self._readers = [self._file.open()]
        self._form = Form(options.level, self._keys)
        self._files = BlobFiles(path, self._file.errors, self._form)
        self._writer = Writer(self._file)
        self._process = os.getpid()
        self._closed = False

    @property
    def path(self) -> Path:
        """The folder."""
        return self._file.folder

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
