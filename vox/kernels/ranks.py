"""The rank of each voxel's value among the values inside a mask.

Narrow integers are counted. Floats are sorted without their places; a table of buckets, equal intervals of
the values' bit patterns, then leads from a voxel to its value in the sorted row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, counting, parallel
from vox.kernels.jit import OPTIONS, array, njit, trailing_zeros, types, view

OUTSIDE = np.float32(-1)

U = np.uint64
_ZERO, _ONE = U(0), U(1)
_U32, _U64, _I64, _F32 = types.uint32, types.uint64, types.int64, types.float32
# A table of 4 MB, about as large as the sorted row of a head.
_BUCKET_BITS = 20


@njit(**OPTIONS)
def _key(bits_: Any) -> Any:
    """Map a float's bits to an integer in the floats' order; the two zeros are one."""
    if bits_ == np.uint32(0x80000000):
        bits_ = np.uint32(0)
    return ~bits_ if bits_ >> np.uint32(31) else bits_ | np.uint32(0x80000000)


@njit(types.void(array(_U32, 1)), **OPTIONS)
def _order(keys: Any) -> None:
    for i in range(keys.size):
        keys[U(i)] = _key(keys[U(i)])


@njit(types.void(view(_U32, 1), types.float64, _U64, array(_F32, 1), array(_I64, 1)), **OPTIONS)
def _rank(keys: Any, share: Any, shift: Any, ranks: Any, buckets: Any) -> None:
    """Write (how many are less + share * how many are equal) / how many, and where each bucket begins."""
    count = keys.size
    begin = 0
    bucket = 0
    while begin < count:
        end = begin + 1
        while end < count and keys[U(end)] == keys[U(begin)]:
            end += 1
        rank = np.float32((float(begin) + share * float(end - begin)) / float(count))
        mine = np.int64(U(keys[U(begin)] - keys[U(0)]) >> shift)
        while bucket <= mine:
            buckets[U(bucket)] = begin
            bucket += 1
        for i in range(begin, end):
            ranks[U(i)] = rank
        begin = end
    for rest in range(bucket, buckets.size):
        buckets[U(rest)] = count


@njit(
    types.void(
        view(_U32, 1),
        view(_U64, 2),
        view(_U32, 1),
        view(_F32, 1),
        view(_I64, 1),
        _U64,
        _I64,
        array(_F32, 1),
        _I64,
        _I64,
    ),
    **OPTIONS,
)
def _place(
    voxels: Any,
    words: Any,
    keys: Any,
    ranks: Any,
    buckets: Any,
    shift: Any,
    width: Any,
    out: Any,
    start: Any,
    stop: Any,
) -> None:
    """Write the rank of each voxel of a mask, found in its bucket by halving, and -1 elsewhere."""
    for row in range(start, stop):
        for w in range(words.shape[1]):
            word = words[U(row), U(w)]
            at = U(row * width + 64 * w)
            for i in range(min(64, width - 64 * w)):
                out[at + U(i)] = OUTSIDE
            while word != _ZERO:
                here = at + trailing_zeros(word)
                word &= word - _ONE
                if voxels[here] & np.uint32(0x7FFFFFFF) > np.uint32(0x7F800000):
                    continue  # not a number
                key = _key(voxels[here])
                bucket = U(key - keys[U(0)]) >> shift
                low, high = U(buckets[bucket]), U(buckets[bucket + _ONE])
                while high - low > _ONE:
                    middle = (low + high) >> _ONE
                    if keys[middle] <= key:
                        low = middle
                    else:
                        high = middle
                out[here] = ranks[low]


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
    keys = counting.gathered(voxels, words).view(np.uint32)
    # NaN is neither counted nor found again; after sorting its keys are at both ends.
    keys = keys[(keys & np.uint32(0x7FFFFFFF)) <= np.uint32(0x7F800000)]
    if not len(keys):
        return np.full(voxels.shape, OUTSIDE)
    _order(keys)
    keys.sort()
    shift = max(0, int(keys[-1] - keys[0]).bit_length() - _BUCKET_BITS)
    buckets = np.empty((int(keys[-1] - keys[0]) >> shift) + 2, np.int64)
    ranks = np.empty(len(keys), np.float32)
    _rank(keys, share, shift, ranks, buckets)
    depth, height, width = voxels.shape
    out = np.empty(voxels.shape, np.float32)
    flat = np.require(voxels, np.float32, ["C", "A"]).reshape(-1).view(np.uint32)
    rows = np.require(words, np.uint64, ["C", "A"]).reshape(-1, words.shape[-1])
    target = out.reshape(-1)
    parallel.slabs(
        lambda start, stop: _place(
            flat, rows, keys, ranks, buckets, shift, width, target, start * height, stop * height
        ),
        depth,
    )
    return out


def warm() -> None:
    """Run everything once, on a voxel."""
    counting.warm()
    one, words = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.uint64)
    percentiles(one, words, 0.5)
    percentiles(one.astype(np.int16), words, 0.5)
