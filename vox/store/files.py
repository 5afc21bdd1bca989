"""Blobs as files: whole or not there, durable before they are named, mapped into memory when they are read.

A blob lies in `blobs/ab/cdef…`, named by its digest. It is written under a passing name in `blobs/incoming`,
flushed, given its name, and the name is flushed too. What a crash leaves in `incoming` is swept away.

With a key, a file is a sequence of sealed chunks; without one it is the blob itself, byte for byte.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

from vox.digest import Digest
from vox.errors import BlobMissing
from vox.store.chunks import FILE, RAW, SEAL_BYTES, SEALED, Encoded, Form, chunk_size, pieces
from vox.store.compression import Damaged
from vox.store.contract import CHUNK_BYTES, Blob, Buffer

_VERIFIED_MAX = 1 << 16
# Whatever is in `incoming` for so long belongs to nobody any more.
_ABANDONED_S = 24 * 3600.0


class BlobFiles:
    """The folder of a store's large blobs.

    Parameters
    ----------
    folder
        The store's; blobs lie in `blobs` inside it, damaged ones in `quarantine`.
    errors
        Translates what the operating system says.
    form
        Whether chunks are sealed. Files are never compressed: they are there to be mapped.
    """

    def __init__(self, folder: Path, errors: Callable[[], AbstractContextManager[None]], form: Form) -> None:
        self.folder = Path(folder) / "blobs"
        self._errors = errors
        self._sealer = form.sealer
        self._form = Form(0, form.sealer)
        self._quarantine = Path(folder) / "quarantine"
        # What this process has verified, and which file that was: mapping it again costs no hashing.
        self._verified: dict[Digest, tuple[int, int, int]] = {}

    @property
    def codec(self) -> int:
        """What the row of a blob says that lies here."""
        return FILE if self._sealer is None else FILE | SEALED

    def path(self, digest: Digest) -> Path:
        """Return where a blob lies."""
        name = digest.sha256.hex()
        return self.folder / name[:2] / name[2:]

    # Writing

    def put(self, blob: Blob) -> Encoded:
        """Write a blob whose parts stay in memory until it is recorded."""
        self._write(blob.digest, blob.parts)

        def there() -> None:
            if not self.path(blob.digest).exists():
                self._write(blob.digest, blob.parts)

        return Encoded(blob.digest, blob.size, (), None, self.codec, there)

    def incoming(self) -> Incoming:
        """Return a file for a stream whose name is not yet known."""
        return Incoming(self, self._errors)

    def open_new(self) -> tuple[int, Path]:
        """Make a file under a passing name; return its descriptor and its path."""
        folder = self.folder / "incoming"
        while True:
            path = folder / uuid4().hex
            try:
                return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), path
            except FileNotFoundError:
                folder.mkdir(parents=True, exist_ok=True)
                flush_folder(self.folder)

    def packed(self, piece: Buffer, seq: int) -> Buffer:
        """Return a piece as it is written."""
        return self._form.pack(piece, seq)[1]

    def name(self, passing: Path, digest: Digest) -> None:
        """Give a flushed file its name, durably."""
        target = self.path(digest)
        try:
            passing.replace(target)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            flush_folder(self.folder)
            passing.replace(target)
        flush_folder(target.parent)
        self._verified.pop(digest, None)

    def _write(self, digest: Digest, parts: Iterable[Buffer]) -> None:
        with self._errors():
            descriptor, passing = self.open_new()
            try:
                if self._sealer is None:
                    for part in parts:
                        write_all(descriptor, part)
                else:
                    for seq, piece in enumerate(pieces(parts)):
                        write_all(descriptor, self.packed(piece, seq))
                os.fsync(descriptor)
                self.name(passing, digest)
            except BaseException:
                passing.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)

    # Reading

    def read(self, digest: Digest, size: int) -> Buffer:
        """Return a whole blob, mapped; the bytes may be wrong if `verified` says no.

        Raises
        ------
        BlobMissing
            If the file is not there.
        Damaged
            If it cannot be this blob.
        """
        if self._sealer is not None:
            return b"".join(self.piece(digest, size, seq) for seq in range(-(-size // CHUNK_BYTES)))
        with self._opened(digest) as file:
            if os.fstat(file.fileno()).st_size != size:
                raise Damaged("of another size")
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))

    def piece(self, digest: Digest, size: int, seq: int) -> bytes:
        """Return chunk number `seq`; fewer bytes if the file is cut short."""
        wanted = chunk_size(size, seq)
        stride = CHUNK_BYTES if self._sealer is None else CHUNK_BYTES + SEAL_BYTES
        with self._opened(digest) as file:
            file.seek(seq * stride)
            data = file.read(wanted if self._sealer is None else wanted + SEAL_BYTES)
        if self._sealer is None:
            return data
        return bytes(self._form.unpack(RAW | SEALED, data, wanted, seq))

    def verified(self, digest: Digest) -> bool:
        """Tell whether this process has verified this very file."""
        return self._sealer is None and self._verified.get(digest) == self._state(digest)

    def has_verified(self, digest: Digest) -> None:
        """Remember that the file is what its name says."""
        state = self._state(digest)
        if state is not None:
            while len(self._verified) >= _VERIFIED_MAX:
                self._verified.pop(next(iter(self._verified)), None)
            self._verified[digest] = state

    def forget_verified(self, digest: Digest) -> None:
        """Verify the file anew when it is read next."""
        self._verified.pop(digest, None)

    def _state(self, digest: Digest) -> tuple[int, int, int] | None:
        try:
            found = self.path(digest).stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _opened(self, digest: Digest) -> BinaryIO:
        try:
            return cast(BinaryIO, self.path(digest).open("rb", buffering=0))
        except FileNotFoundError:
            raise BlobMissing(digest) from None

    # Removing

    def remove(self, digests: Iterable[Digest]) -> None:
        """Forget files; the caller holds the lock under which blobs are recorded."""
        for digest in digests:
            self._verified.pop(digest, None)
            with suppress(FileNotFoundError):
                self.path(digest).unlink()

    def set_aside(self, digest: Digest) -> None:
        """Move a damaged file to the quarantine."""
        self._verified.pop(digest, None)
        self._quarantine.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            self.path(digest).replace(self._quarantine / f"{digest.sha256.hex()}-{uuid4().hex[:8]}")

    def names(self) -> Iterator[Digest]:
        """Yield the name of every file."""
        for folder in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
            for path in folder.iterdir():
                with suppress(ValueError):
                    yield Digest(bytes.fromhex(folder.name + path.name))

    def sweep(self) -> None:
        """Remove what crashed writers left behind."""
        for path in self.folder.glob("incoming/*"):
            with suppress(FileNotFoundError):
                age_s = time.time() - path.stat().st_mtime
                # A clock that jumped back makes files of the future: they are as old as they seem young.
                if abs(age_s) > _ABANDONED_S:
                    path.unlink()


class Incoming:
    """A stream on its way into a file: hashed while it is written."""

    def __init__(self, files: BlobFiles, errors: Callable[[], AbstractContextManager[None]]) -> None:
        self._files = files
        self._errors = errors
        with errors():
            self._descriptor, self._path = files.open_new()

    def fill(self, stream: Iterable[Buffer]) -> Encoded:
        """Read a stream to its end."""
        hasher, size = hashlib.sha256(), 0
        for seq, piece in enumerate(pieces(stream)):
            with self._errors():
                write_all(self._descriptor, self._files.packed(piece, seq))
            hasher.update(piece)
            size += len(piece)
        digest = Digest(hasher.digest())
        with self._errors():
            os.fsync(self._descriptor)
        return Encoded(digest, size, (), None, self._files.codec, lambda: self._there(digest))

    def _there(self, digest: Digest) -> None:
        if self._path.exists():
            self._files.name(self._path, digest)
        elif not self._files.path(digest).exists():
            # It had its name already, and was swept away as nobody's before it was recorded.
            descriptor, self._path = self._files.open_new()
            try:
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                while part := os.read(self._descriptor, CHUNK_BYTES):
                    write_all(descriptor, part)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._files.name(self._path, digest)

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def write_all(descriptor: int, data: Buffer) -> None:
    """Write every byte: the system may take fewer at a time."""
    view = memoryview(data).cast("B")
    while view:
        view = view[os.write(descriptor, view) :]


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    if os.name == "nt":
        return  # Windows has no such call; names are in its journal
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
