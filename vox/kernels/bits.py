"""Masks as words: one bit per voxel along x, rows padded with zeros to whole 64-bit words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import parallel

WORD_BITS = 64
Words = NDArray[np.uint64]

# Slabs of fewer planes than this cost more to hand out than to compute.
_PLANES_MIN = 4


def words_of(width: int) -> int:
    """Return how many words a row of `width` voxels takes."""
    return -(-width // WORD_BITS)


def last_word(width: int) -> np.uint64:
    """Return the word with ones where the last word of a row holds voxels."""
    rest = width % WORD_BITS
    return np.uint64((1 << rest) - 1 if rest else 2**WORD_BITS - 1)


def empty(shape: tuple[int, int, int]) -> Words:
    """Return unset words for arrays of `shape` (z, y, x)."""
    z, y, x = shape
    return np.empty((z, y, words_of(x)), np.uint64)


def constant(shape: tuple[int, int, int], value: bool) -> Words:
    """Return every voxel, or none."""
    z, y, x = shape
    row = np.full(words_of(x), 2**WORD_BITS - 1 if value else 0, np.uint64)
    row[-1] &= last_word(x)
    return np.ascontiguousarray(np.broadcast_to(row, (z, y, len(row))))


def pack(flags: NDArray[Any], out: Words | None = None) -> Words:
    """Return the words of a boolean array `[z, y, x]`."""
    z, y, x = flags.shape
    words = empty((z, y, x)) if out is None else out
    packed = np.packbits(flags, axis=-1, bitorder="little")
    row_bytes = 8 * words_of(x)
    if packed.shape[-1] != row_bytes:
        padded = np.zeros((z, y, row_bytes), np.uint8)
        padded[..., : packed.shape[-1]] = packed
        packed = padded
    words[...] = packed.view("<u8")
    return words


def unpack(words: Words, width: int) -> NDArray[np.bool_]:
    """Return the booleans `[z, y, x]` of words."""
    row = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(row, axis=-1, count=width, bitorder="little").view(np.bool_)


def count(words: Words) -> int:
    """Return how many bits are set."""
    return int(np.bitwise_count(words).sum(dtype=np.int64))


def complement(words: Words, width: int) -> Words:
    """Return the bits that are not set."""
    out: Words = ~words
    out[..., -1] &= last_word(width)
    return out


def select(voxels: NDArray[Any], test: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> Words:
    """Return the voxels `[z, y, x]` for which `test`, applied slab by slab, holds."""
    out = empty(voxels.shape)

    def run(start: int, stop: int) -> None:
        pack(test(voxels[start:stop]), out[start:stop])

    parallel.slabs(run, len(voxels), rows=_PLANES_MIN)
    return out
