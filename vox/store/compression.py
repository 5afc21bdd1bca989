"""The door to zstd, which is loaded when the first chunk that needs it is met."""

from __future__ import annotations

import sys
from types import ModuleType

LEVEL = 1  # masks: 64 kB instead of 68 kB at level 3, in two thirds of the time


class Damaged(ValueError):
    """Bytes that do not decompress to what they should."""


def compress(data: bytes | memoryview, level: int = LEVEL) -> bytes:
    """Return one zstd frame."""
    frame: bytes = _zstd().compress(data, level)
    return frame


def decompress(frame: bytes, size: int) -> bytes:
    """Return the `size` bytes that `frame` holds.

    Raises
    ------
    Damaged
        If it is not one whole frame of exactly that many bytes. Never allocates much more than `size`.
    """
    zstd = _zstd()
    decompressor = zstd.ZstdDecompressor()
    try:
        # One byte more, so that a frame of exactly `size` bytes is read to its end.
        data: bytes = decompressor.decompress(frame, max_length=size + 1)
    except zstd.ZstdError as error:
        raise Damaged(str(error)) from error
    if len(data) != size or not decompressor.eof or decompressor.unused_data:
        raise Damaged(f"a frame that should hold {size} bytes does not")
    return data


def _zstd() -> ModuleType:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
