"""Dilation and erosion by the full box of 3 voxels a side, on words.

A word shifted by one bit is 64 voxels moved by one, so a whole dilation is a handful of passes over arrays
that fit the processor's cache. In 2D an array is one plane: there are no neighbours in z.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vox.kernels.bits import Words, complement, last_word

_ONE, _TOP = np.uint64(1), np.uint64(63)


def near(words: Words, width: int) -> Words:
    """Return the voxels that are set or have a neighbour that is; outside the image nothing is set."""
    along_x = words | (words << _ONE) | (words >> _ONE)
    along_x[..., 1:] |= words[..., :-1] >> _TOP
    along_x[..., :-1] |= words[..., 1:] << _TOP
    along_x[..., -1] &= last_word(width)
    return _spread(_spread(along_x, 1), 0)


def interior(words: Words, width: int) -> Words:
    """Return the voxels that are set and whose neighbours are; outside the image everything is set."""
    return complement(near(complement(words, width), width), width)


def contour(words: Words, width: int) -> Words:
    """Return the voxels that are set and have a neighbour inside the image that is not."""
    edge: Words = words & ~interior(words, width)
    return edge


def border(shape: tuple[int, int, int], dimension: int) -> Words:
    """Return the outermost voxels of an image: two sides in each of its dimensions."""
    z, y, x = shape
    out: Words = np.zeros((z, y, -(-x // 64)), np.uint64)
    full = np.full(out.shape[2], 2**64 - 1, np.uint64)
    full[-1] &= last_word(x)
    out[..., 0] |= _ONE
    out[..., -1] |= _ONE << np.uint64((x - 1) % 64)
    out[:, [0, -1]] = full
    if dimension == 3:
        out[[0, -1]] = full
    return out


def _spread(words: Words, axis: int) -> Words:
    """Return `words` or-ed with its two neighbours along y or z."""
    moved: NDArray[np.uint64] = np.moveaxis(words, axis, 0)
    out = words.copy()
    target = np.moveaxis(out, axis, 0)
    target[1:] |= moved[:-1]
    target[:-1] |= moved[1:]
    return out
