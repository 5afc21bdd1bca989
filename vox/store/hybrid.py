"""Metadata and small blobs in SQLite, large ones in files that are mapped into memory when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from vox.digest import Digest
from vox.store.chunks import INLINE_BYTES_MAX, Encoded, encode_blob, kind_of, pieces
from vox.store.contract import Blob, Buffer
from vox.store.sqlite import SqliteStore

# Up to here, compressing comes first: a mask of a megabyte becomes a row of a few dozen kilobytes.
COMPRESSED_BYTES_MAX = 4 << 20


class HybridStore(SqliteStore):
    """A `SqliteStore` whose blobs lie in files if they take more than 64 KiB."""

    backend = "hybrid"

    def _encode(self, blob: Blob) -> Encoded:
        if blob.size <= INLINE_BYTES_MAX:
            return encode_blob(blob, self._form)
        if blob.size <= COMPRESSED_BYTES_MAX and self._shrinks(next(pieces(blob.parts)), blob.size):
            return encode_blob(blob, self._form)
        return self._files.put(blob)

    def _write_stream(self, parts: Iterable[Buffer]) -> Digest:
        # What decides is at most 5 MiB; a stream may use its buffer again, so these are copied.
        head: list[bytes] = []
        rest = pieces(parts)
        while sum(map(len, head)) <= COMPRESSED_BYTES_MAX and (part := next(rest, None)) is not None:
            head.append(bytes(part))
        size = sum(map(len, head))
        stream: Iterator[Buffer] = chain(head, rest)
        if size <= INLINE_BYTES_MAX or (
            size <= COMPRESSED_BYTES_MAX and self._shrinks(next(pieces(head)), size)
        ):
            return super()._write_stream(stream)
        with self._files.incoming() as incoming:
            encoded = incoming.fill(stream)
            if self.missing([encoded.digest]):
                self._put({encoded.digest: encoded}, ())
        return encoded.digest

    def _shrinks(self, piece: Buffer, size: int) -> bool:
        """Tell whether the whole will lie in one row."""
        stored = len(self._form.pack(piece, 0, kind_of(piece))[1])
        return stored * size <= INLINE_BYTES_MAX * len(piece)
