"""Similarity of local histograms with the histogram of a region.

Values are put into bins once. Then, along each row, the histogram of the box around a voxel slides: columns
of the box (its voxels with one x) enter on the right and leave on the left, and columns themselves slide from
row to row. All sums are integers, so nothing depends on their order; one square root, one product and one
division per voxel are floating.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, parallel
from vox.kernels.jit import OPTIONS, array, njit, types, view

_I32, _I64, _U16 = types.int32, types.int64, types.uint16

BINS_MAX = 2**16 - 2


@njit(**OPTIONS)
def _move_row(columns: Any, bins: Any, z: Any, y: Any, reach_z: Any, step: Any) -> None:
    """Add (step 1) or take away (step -1) row y of the planes around z from the columns' histograms."""
    none = columns.shape[1] - 1
    for plane in range(max(0, z - reach_z), min(bins.shape[0], z + reach_z + 1)):
        row = bins[plane, y]
        for x in range(row.size):
            # Values without a bin fall into one more, never read.
            columns[x, min(np.int64(row[x]), none)] += step


@njit(**OPTIONS)
def _slide(columns: Any, local: Any, x: Any, step: Any) -> None:
    for b in range(local.size):
        local[b] += step * columns[x, b]


@njit(**OPTIONS)
def _moments(local: Any, weights: Any) -> Any:
    """Return the sum, the sum of squares and the weighted sum of a histogram."""
    count = np.int64(0)
    square = np.int64(0)
    weighted = np.int64(0)
    for b in range(local.size):
        value = np.int64(local[b])
        count += value
        square += value * value
        weighted += value * weights[b]
    return count, square, weighted


@njit(
    types.void(
        view(_U16, 3),
        view(_I64, 1),
        types.float64,
        _I64,
        _I64,
        _I64,
        array(types.float32, 3),
        _I64,
        _I64,
    ),
    **OPTIONS,
)
def _correlate(
    bins: Any,
    weights: Any,
    deviation: Any,
    reach_x: Any,
    reach_y: Any,
    reach_z: Any,
    out: Any,
    start: Any,
    stop: Any,
) -> None:
    """Write the planes start <= z < stop of the correlation.

    With k bins, local counts h and reference counts g: weights are k g - sum g, so that sum h (k g - sum g)
    is k^2 times the covariance; deviation is the root of k sum g^2 - (sum g)^2.
    """
    _, height, width = bins.shape
    k = weights.size
    columns = np.empty((width, k + 1), np.int32)
    local = np.empty(k, np.int32)
    for z in range(start, stop):
        columns[:] = 0
        for y in range(min(reach_y, height)):
            _move_row(columns, bins, z, y, reach_z, 1)
        for y in range(height):
            if y + reach_y < height:
                _move_row(columns, bins, z, y + reach_y, reach_z, 1)
            if y - reach_y - 1 >= 0:
                _move_row(columns, bins, z, y - reach_y - 1, reach_z, -1)
            local[:] = 0
            for x in range(min(reach_x, width)):
                _slide(columns, local, x, 1)
            for x in range(width):
                if x + reach_x < width:
                    _slide(columns, local, x + reach_x, 1)
                if x - reach_x - 1 >= 0:
                    _slide(columns, local, x - reach_x - 1, -1)
                count, square, weighted = _moments(local, weights)
                spread = k * square - count * count
                if spread == 0 or deviation == 0.0:
                    out[z, y, x] = 1.0 if spread == 0 and deviation == 0.0 else 0.0
                else:
                    out[z, y, x] = float(weighted) / (math.sqrt(float(spread)) * deviation)


def bin_of(voxels: NDArray[Any], low: float, high: float, count: int) -> NDArray[np.uint16]:
    """Return each voxel's bin of [low, high) in `count` equal ones; `count` itself for no bin."""
    out = np.empty(voxels.shape, np.uint16)
    width = (high - low) / count

    def run(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):
            values = voxels[start:stop].astype(np.float64)
            counted = (values >= low) & (values < high)
            number = np.trunc((values - low) / width)
            # Rounding may reach `count`; upstream drops such a value, so do we. NaN fails every comparison.
            counted &= (number >= 0) & (number < count)
            out[start:stop] = np.where(counted, number, count)

    parallel.slabs(run, len(voxels))
    return out


def correlation(
    bins: NDArray[np.uint16], reference: NDArray[np.int64], reach: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Return Pearson's correlation of the histogram of the box around each voxel with `reference`.

    Two flat histograms give 1, one flat histogram gives 0. Voxels outside the image are in no bin.

    Parameters
    ----------
    bins
        From `bin_of`, `[z, y, x]`.
    reach
        Voxels from the centre of the box to its sides along x, y, z.
    """
    count = len(reference)
    total = int(reference.sum())
    weights = count * reference - total
    deviation = math.sqrt(count * sum(int(v) ** 2 for v in reference) - total * total)
    # A box cannot reach further than the image; larger numbers would only overflow.
    x, y, z = (min(r, n) for r, n in zip(reach, reversed(bins.shape), strict=True))
    out = np.empty(bins.shape, np.float32)
    parallel.slabs(
        lambda start, stop: _correlate(bins, weights, deviation, x, y, z, out, start, stop), len(bins)
    )
    return out


def histogram(bins: NDArray[np.uint16], words: bits.Words, count: int) -> NDArray[np.int64]:
    """Return how many voxels of a mask are in each of `count` bins."""
    inside = bits.unpack(words, bins.shape[2])
    return np.bincount(bins[inside], minlength=count + 1)[:count].astype(np.int64)


def warm() -> None:
    """Run everything once, on a voxel."""
    correlation(np.zeros((1, 1, 1), np.uint16), np.ones(1, np.int64), (1, 1, 1))
