"""Blobs cut into chunks: the form in which they are written, and back.

A chunk holds CHUNK_BYTES of the blob (the last one what is left), each compressed by itself or not, so that
reading from an offset touches no other chunk. The digest is of the uncompressed bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from vox.digest import Digest
from vox.store.compression import compress, decompress
from vox.store.contract import CHUNK_BYTES, Blob, Buffer

RAW, ZSTD = 0, 1
# A blob of one chunk, stored in no more than this, lies in its row of `blobs`; no other row is needed.
INLINE_BYTES_MAX = 1 << 16
# Below this a frame's own header eats the gain; scalars stay readable without zstd.
COMPRESSED_BYTES_MIN = 512
# Compression is kept if it saves a tenth: below that, reading pays more than the disk gains.
KEPT_RATIO_MAX = 0.9
# A stream of unknown length waits in memory up to here, then in a nameless file beside the store.
SPOOL_BYTES_MAX = 8 << 20

EMPTY = Digest(hashlib.sha256().digest())

Chunk: TypeAlias = "tuple[int, Buffer]"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A blob as it is written: `chunks` can be iterated as often as a transaction has to be tried."""

    digest: Digest
    size: int
    chunks: Iterable[Chunk]
    inline: Chunk | None

    @property
    def stored_bytes(self) -> int:
        """About what waits in memory for the writer."""
        return len(self.inline[1]) if self.inline else self.size


def pieces(parts: Iterable[Buffer]) -> Iterator[Buffer]:
    """Cut a sequence of parts into pieces of CHUNK_BYTES, copying only what spans two parts.

    A piece may be a view of its part: it is valid until the next one is asked for if the parts are.
    """
    rest = bytearray()
    for part in parts:
        view = memoryview(part).cast("B")
        at = 0
        if rest:
            at = min(CHUNK_BYTES - len(rest), len(view))
            rest += view[:at]
            if len(rest) < CHUNK_BYTES:
                continue
            yield bytes(rest)
            rest = bytearray()
        while len(view) - at >= CHUNK_BYTES:
            yield view[at : at + CHUNK_BYTES]
            at += CHUNK_BYTES
        rest += view[at:]
    if rest:
        yield bytes(rest)


def pack(piece: Buffer) -> Chunk:
    """Compress a piece if that pays."""
    if len(piece) >= COMPRESSED_BYTES_MIN:
        frame = compress(piece)
        if len(frame) <= KEPT_RATIO_MAX * len(piece):
            return ZSTD, frame
    return RAW, piece


def unpack(codec: int, data: bytes, size: int) -> bytes:
    """Return the `size` bytes of a chunk; bytes of another length if it is damaged in a way that shows."""
    if codec == RAW:
        return data
    return decompress(data, size)


def chunk_size(blob_size: int, seq: int) -> int:
    """Return how many bytes of the blob chunk number `seq` holds."""
    return max(0, min(CHUNK_BYTES, blob_size - seq * CHUNK_BYTES))


def encode_blob(blob: Blob) -> Encoded:
    """Return the written form of a blob whose parts are in memory; raw chunks stay views of them."""
    chunks = [pack(piece) for piece in pieces(blob.parts)]
    return Encoded(blob.digest, blob.size, chunks, _inline(chunks))


def _inline(chunks: list[Chunk]) -> Chunk | None:
    if len(chunks) == 1 and len(chunks[0][1]) <= INLINE_BYTES_MAX:
        return chunks[0]
    return None


class Spool:
    """A stream on its way in: hashed, compressed, and kept until its name is known.

    Nothing is left behind by a crash: the file has no name, so the operating system forgets it.
    `errors` translates what goes wrong with the file, and only that: the stream's errors are its own.
    """

    def __init__(self, folder: Path, errors: Callable[[], AbstractContextManager[None]]) -> None:
        from tempfile import SpooledTemporaryFile

        self._file = SpooledTemporaryFile(max_size=SPOOL_BYTES_MAX, dir=str(folder))  # noqa: SIM115
        self._errors = errors
        self._index: list[tuple[int, int, int]] = []

    def fill(self, stream: Iterable[Buffer]) -> Encoded:
        """Read a stream to its end."""
        hasher, size = hashlib.sha256(), 0
        for piece in pieces(stream):
            hasher.update(piece)
            codec, data = pack(piece)
            with self._errors():
                self._index.append((codec, self._file.tell(), len(data)))
                self._file.write(data)
            size += len(piece)
        small = len(self._index) == 1 and self._index[0][2] <= INLINE_BYTES_MAX
        return Encoded(Digest(hasher.digest()), size, self, next(iter(self)) if small else None)

    def __iter__(self) -> Iterator[Chunk]:
        for codec, offset, length in self._index:
            self._file.seek(offset)
            yield codec, self._file.read(length)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
