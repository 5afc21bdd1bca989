"""The rank of each voxel's value among the values inside a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, parallel
from vox.kernels.jit import OPTIONS, array, njit, types, view

OUTSIDE = np.float32(-1)

_U32, _I64 = types.uint32, types.int64
# 32-bit keys in three digits of 11, 11 and 10 bits.
_DIGIT_BITS, _DIGITS = 11, 3
_BUCKETS = 1 << _DIGIT_BITS


@njit(types.void(array(_U32, 1), array(_I64, 1), array(_U32, 1), array(_I64, 1)), **OPTIONS)
def _sort(keys: Any, places: Any, other_keys: Any, other_places: Any) -> None:
    """Sort keys and their places, by the least significant digit first; the result is in the other pair."""
    bucket: Any
    for digit in range(_DIGITS):
        shift = np.uint32(_DIGIT_BITS * digit)
        counts = np.zeros(_BUCKETS + 1, np.int64)
        for i in range(keys.size):
            counts[np.int64((keys[i] >> shift) & np.uint32(_BUCKETS - 1)) + 1] += 1
        for bucket in range(_BUCKETS):
            counts[bucket + 1] += counts[bucket]
        for i in range(keys.size):
            bucket = np.int64((keys[i] >> shift) & np.uint32(_BUCKETS - 1))
            to = counts[bucket]
            counts[bucket] = to + 1
            other_keys[to] = keys[i]
            other_places[to] = places[i]
        keys, other_keys = other_keys, keys
        places, other_places = other_places, places


@njit(types.void(view(_U32, 1), view(_I64, 1), types.float64, array(types.float32, 1)), **OPTIONS)
def _rank(keys: Any, places: Any, share: Any, out: Any) -> None:
    """Write (how many are less + share * how many are equal) / how many, at each place."""
    count = keys.size
    begin = 0
    while begin < count:
        end = begin + 1
        while end < count and keys[end] == keys[begin]:
            end += 1
        rank = np.float32((float(begin) + share * float(end - begin)) / float(count))
        for i in range(begin, end):
            out[places[i]] = rank
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


def _of_integers(voxels: NDArray[Any], words: bits.Words, share: float) -> NDArray[np.float32]:
    """Rank by a histogram and a table: the narrow types have at most 65536 values."""
    kept = bits.unpack(words, voxels.shape[2])
    low = int(np.iinfo(voxels.dtype).min)
    counts = np.bincount(voxels[kept].astype(np.int64) - low)
    total = int(counts.sum())
    out = np.full(voxels.shape, OUTSIDE)
    if total == 0:
        return out
    less = np.cumsum(counts) - counts
    table = ((less + share * counts) / total).astype(np.float32)

    def run(start: int, stop: int) -> None:
        inside = kept[start:stop]
        out[start:stop][inside] = table[voxels[start:stop][inside].astype(np.int64) - low]

    parallel.slabs(run, len(voxels))
    return out


def _of_floats(voxels: NDArray[np.float32], words: bits.Words, share: float) -> NDArray[np.float32]:
    """Rank by sorting."""
    kept = bits.unpack(words, voxels.shape[2]) & ~np.isnan(voxels)
    places = np.flatnonzero(kept)
    out = np.full(voxels.shape, OUTSIDE)
    if len(places):
        keys = _ordered(voxels[kept])
        sorted_keys, sorted_places = np.empty_like(keys), np.empty_like(places)
        _sort(keys, places, sorted_keys, sorted_places)
        _rank(sorted_keys, sorted_places, share, out.reshape(-1))
    return out


def _ordered(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Map floats to integers in the same order; the two zeros are one."""
    raw = (values + np.float32(0)).astype(np.float32).view(np.uint32)
    negative = (raw >> np.uint32(31)).astype(np.bool_)
    keys: NDArray[np.uint32] = np.where(negative, ~raw, raw | np.uint32(0x80000000))
    return keys


def warm() -> None:
    """Run everything once, on a voxel."""
    percentiles(np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.uint64), 0.5)
