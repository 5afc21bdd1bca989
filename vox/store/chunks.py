"""Blobs cut into chunks: the form in which they are written, and back.

A chunk holds CHUNK_BYTES of the blob (the last one what is left), each compressed and sealed by itself or
not, so that reading from an offset touches no other chunk. The digest is of the uncompressed bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from vox.digest import Digest
from vox.store.compression import LEVEL, Damaged, compress, decompress
from vox.store.contract import CHUNK_BYTES, Blob, Buffer

# How a chunk is written; SEALED is added to either. FILE is for whole blobs: they lie raw in a file.
RAW, ZSTD, FILE, SEALED = 0, 1, 2, 16
# What sealing adds to a chunk: the key's number, a nonce, a tag.
SEAL_BYTES = 4 + 12 + 16
# A blob of one chunk, stored in no more than this, lies in its row of `blobs`; no other row is needed.
INLINE_BYTES_MAX = 1 << 16
# Below this a frame's own header eats the gain; scalars stay readable without zstd.
COMPRESSED_BYTES_MIN = 512
# Compression is kept if it saves a tenth: below that, reading pays more than the disk gains.
KEPT_RATIO_MAX = 0.9
# A stream of unknown length waits in memory up to here, then in a nameless file beside the store.
SPOOL_BYTES_MAX = 8 << 20
# After so many values of a kind of which compression gained nothing, only every sixteenth is tried.
_TRIES_MIN, _TRY_EVERY = 8, 16

EMPTY = Digest(hashlib.sha256().digest())

Chunk: TypeAlias = "tuple[int, Buffer]"


class Sealer(Protocol):
    """What encrypts chunks (vox.store.encryption)."""

    def seal(self, data: Buffer, seq: int, codec: int) -> bytes:
        """Return `data` encrypted, bound to its place and its codec."""

    def unseal(self, data: Buffer, seq: int, codec: int) -> bytes:
        """Return what `seal` was given; Damaged if it was anything else."""


class Form:
    """How chunks are written: compressed where that has paid for their kind, sealed if there is a key.

    Parameters
    ----------
    level
        Of zstd; 0 never compresses. None is 1, and learns for which kinds of values it is not worth while.
    sealer
        Encrypts; None leaves chunks readable.
    """

    def __init__(self, level: int | None = None, sealer: Sealer | None = None) -> None:
        self.level = LEVEL if level is None else level
        self.sealer = sealer
        self._learns = level is None
        self._seen: dict[bytes, list[int]] = {}

    def pack(self, piece: Buffer, seq: int = 0, kind: bytes = b"") -> Chunk:
        """Compress a piece if that pays, and seal it if this form seals."""
        codec, data = RAW, piece
        if len(piece) >= COMPRESSED_BYTES_MIN and self.level and self._promising(kind):
            frame = compress(piece, self.level)
            kept = len(frame) <= KEPT_RATIO_MAX * len(piece)
            self._learn(kind, kept)
            if kept:
                codec, data = ZSTD, frame
        if self.sealer is None:
            return codec, data
        return codec | SEALED, self.sealer.seal(data, seq, codec)

    def unpack(self, codec: int, data: Buffer, size: int, seq: int = 0) -> Buffer:
        """Return the `size` bytes of a chunk; of another length if it is damaged in a way that shows."""
        if codec & SEALED:
            if self.sealer is None:
                raise Damaged("a sealed chunk, and no key")
            codec &= ~SEALED
            data = self.sealer.unseal(data, seq, codec)
        return data if codec == RAW else decompress(bytes(data), size)

    def _promising(self, kind: bytes) -> bool:
        if not self._learns or not kind:
            return True
        tried, kept, skipped = self._seen.get(kind, (0, 0, 0))
        if tried < _TRIES_MIN or kept * _TRIES_MIN >= tried:
            return True
        self._seen[kind][2] = skipped + 1
        return skipped % _TRY_EVERY == _TRY_EVERY - 1

    def _learn(self, kind: bytes, kept: bool) -> None:
        if kind:
            seen = self._seen.setdefault(kind, [0, 0, 0])
            seen[0] += 1
            seen[1] += kept


PLAIN = Form()


def unpack(codec: int, data: bytes, size: int) -> bytes:
    """Return the `size` bytes of a chunk that is not sealed."""
    return bytes(PLAIN.unpack(codec, data, size))


@dataclass(frozen=True, slots=True)
class Encoded:
    """A blob as it is written: `chunks` can be iterated as often as a transaction has to be tried.

    One with a `file` lies there: it is asked, inside the transaction, to be there.
    """

    digest: Digest
    size: int
    chunks: Iterable[Chunk]
    inline: Chunk | None
    codec: int = RAW
    file: Callable[[], None] | None = None

    @property
    def stored_bytes(self) -> int:
        """About what waits in memory for the writer, or is written."""
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


def kind_of(head: Buffer) -> bytes:
    """Return what kind of value begins with `head`, such as b"mask" or b"image float32"; b"" if it is none.

    A hint for compression only: the codec's own reader stands on a higher floor.
    """
    start = bytes(head[:512])
    if start[:14] != b"\x83\x6cvox.value.v1" or len(start) < 16:
        return b""
    kind = start[15 : 15 + (start[14] & 31)]
    at = start.find(b"\x65dtype")
    return kind if at < 0 else kind + b" " + start[at + 7 : at + 7 + (start[at + 6] & 31)]


def chunk_size(blob_size: int, seq: int) -> int:
    """Return how many bytes of the blob chunk number `seq` holds."""
    return max(0, min(CHUNK_BYTES, blob_size - seq * CHUNK_BYTES))


def encode_blob(blob: Blob, form: Form = PLAIN) -> Encoded:
    """Return the written form of a blob whose parts are in memory; raw chunks stay views of them."""
    size = blob.size
    if size < COMPRESSED_BYTES_MIN and form.sealer is None:
        chunk: Chunk = (RAW, b"".join(blob.parts))
        return Encoded(blob.digest, size, (chunk,) if size else (), chunk if size else None)
    if size <= CHUNK_BYTES:
        whole = blob.parts[0] if len(blob.parts) == 1 else b"".join(blob.parts)
        kind = kind_of(whole) if size >= COMPRESSED_BYTES_MIN else b""
        chunks = [form.pack(memoryview(whole).cast("B"), 0, kind)]
    else:
        cut = pieces(blob.parts)
        first = next(cut)
        kind = kind_of(first)
        chunks = [form.pack(first, 0, kind)]
        chunks += [form.pack(piece, seq, kind) for seq, piece in enumerate(cut, 1)]
    return Encoded(blob.digest, size, chunks, _inline(chunks))


def _inline(chunks: list[Chunk]) -> Chunk | None:
    if len(chunks) == 1 and len(chunks[0][1]) <= INLINE_BYTES_MAX:
        return chunks[0]
    return None


class Spool:
    """A stream on its way in: hashed, compressed, and kept until its name is known.

    Nothing is left behind by a crash: the file has no name, so the operating system forgets it.
    `errors` translates what goes wrong with the file, and only that: the stream's errors are its own.
    """

    def __init__(
        self, folder: Path, errors: Callable[[], AbstractContextManager[None]], form: Form = PLAIN
    ) -> None:
        from tempfile import SpooledTemporaryFile

        self._file = SpooledTemporaryFile(max_size=SPOOL_BYTES_MAX, dir=str(folder))  # noqa: SIM115
        self._errors = errors
        self._form = form
        self._index: list[tuple[int, int, int]] = []

    def fill(self, stream: Iterable[Buffer]) -> Encoded:
        """Read a stream to its end."""
        hasher, size, kind = hashlib.sha256(), 0, b""
        for seq, piece in enumerate(pieces(stream)):
            hasher.update(piece)
            kind = kind if seq else kind_of(piece)
            codec, data = self._form.pack(piece, seq, kind)
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
