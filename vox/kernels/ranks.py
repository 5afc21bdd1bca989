"""The rank of each voxel's value among the values inside a mask.

Narrow integers are counted. Floats are sorted with their places: 32 bits that are in the floats' order, and
32 bits of place behind them, are one number, and equal values come in raster order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, counting, parallel
from vox.kernels.jit import OPTIONS, array, njit, trailing_zeros, types, view

OUTSIDE = np.float32(-1)

U = np.uint64
_ZERO, _ONE, _HALF = U(0), U(1), U(32)
_U32, _U64, _I64, _F32 = types.uint32, types.uint64, types.int64, types.float32
# Beyond infinity.
_NOT_A_NUMBER = np.uint32(0xFFFFFFFF)
# Fewer values than this cost more to hand out than to rank.
_VALUES_MIN = 1 << 15


@njit(**OPTIONS)
def _key(number: Any) -> Any:
    """Map a float's bits to an integer in the floats' order; the two zeros are one."""
    if number & np.uint32(0x7FFFFFFF) > np.uint32(0x7F800000):
        return _NOT_A_NUMBER
    if number == np.uint32(0x80000000):
        number = np.uint32(0)
    return ~number if number >> np.uint32(31) else number | np.uint32(0x80000000)


@njit(types.void(view(_U32, 1), view(_U64, 2), _I64, view(_I64, 1), array(_U64, 1), _I64, _I64), **OPTIONS)
def _gather(voxels: Any, words: Any, width: Any, firsts: Any, pairs: Any, start: Any, stop: Any) -> None:
    """Write key and place of a mask's voxels, row r from `firsts[r]` on."""
    for row in range(start, stop):
        to = U(firsts[row])
        for w in range(words.shape[1]):
            word = words[U(row), U(w)]
            at = U(row * width + 64 * w)
            while word != _ZERO:
                place = at + trailing_zeros(word)
                pairs[to] = (U(_key(voxels[place])) << _HALF) | place
                to += _ONE
                word &= word - _ONE


@njit(types.void(view(_U64, 1), types.float64, array(_F32, 1), _I64, _I64), **OPTIONS)
def _rank(pairs: Any, share: Any, out: Any, start: Any, stop: Any) -> None:
    """Write (how many are less + share * how many are equal) / how many, of values that begin in a part."""
    count = pairs.size
    begin = start
    while 0 < begin < stop and pairs[U(begin)] >> _HALF == pairs[U(begin - 1)] >> _HALF:
        begin += 1
    while begin < stop:
        key = pairs[U(begin)] >> _HALF
        end = begin + 1
        while end < count and pairs[U(end)] >> _HALF == key:
            end += 1
        rank = np.float32((float(begin) + share * float(end - begin)) / float(count))
        for i in range(begin, end):
            out[pairs[U(i)] & U(0xFFFFFFFF)] = rank
        begin = end


def percentiles(voxels: NDArray[Any], words: bits.Words, share: float) -> NDArray[np.float32]:
    """Return (#less + share * #equal) / #all for each voxel of a mask, and -1 outside.

    Counts are over the voxels of the mask that hold a number; a NaN voxel counts nowhere and gets -1.
    """
    integers = voxels.dtype.kind in "iu"
    out = (_of_integers if integers else _of_floats)(voxels, words, share)
    if share != share:
        out[np.isnan(out)] = np.nan
    return out


def table(voxels: NDArray[Any], words: bits.Words, share: float) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Return every value of a narrow integer type, and its rank in a mask that is not empty."""
    values, counts = counting.occurrences(voxels, words)
    less = np.cumsum(counts) - counts
    return values, ((less + share * counts) / max(1, int(counts.sum()))).astype(np.float32)


def _of_integers(voxels: NDArray[Any], words: bits.Words, share: float) -> NDArray[np.float32]:
    """Rank by counting: the narrow types have at most 65536 values."""
    return counting.looked_up(voxels, words, table(voxels, words, share)[1], OUTSIDE)


def _of_floats(voxels: NDArray[np.float32], words: bits.Words, share: float) -> NDArray[np.float32]:
    """Rank by sorting."""
    assert voxels.size < 2**32, "a place has 32 bits"
    depth, height, width = voxels.shape
    flat = np.require(voxels, np.float32, ["C", "A"]).reshape(-1).view(np.uint32)
    rows = np.require(words, np.uint64, ["C", "A"]).reshape(-1, words.shape[-1])
    firsts = np.concatenate([[0], np.cumsum(np.bitwise_count(rows).sum(axis=1, dtype=np.int64))])
    pairs = np.empty(int(firsts[-1]), np.uint64)
    out = np.empty(voxels.shape, np.float32)

    def gather(start: int, stop: int) -> None:
        _gather(flat, rows, width, firsts, pairs, start * height, stop * height)
        out[start:stop] = OUTSIDE

    parallel.slabs(gather, depth)
    pairs.sort()
    numbers = pairs[: np.searchsorted(pairs, np.uint64(int(_NOT_A_NUMBER) << 32))]
    target = out.reshape(-1)
    parallel.slabs(
        lambda start, stop: _rank(numbers, share, target, start, stop), len(numbers), rows=_VALUES_MIN
    )
    return out


def warm() -> None:
    """Run everything once, on a voxel."""
    counting.warm()
    one, words = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.uint64)
    percentiles(one, words, 0.5)
    percentiles(one.astype(np.int16), words, 0.5)
