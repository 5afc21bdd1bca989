"""Similarity of local histograms with the histogram of a region.

Values are put into bins once. `histograms` then does what is usual: few bins, small boxes. For the rest,
along each row, the histogram of the box around a voxel slides: columns of the box (its voxels with one x)
enter on the right and leave on the left, and columns themselves slide from row to row. All sums are integers,
so nothing depends on their order; one square root, one product and one division per voxel are floating.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, histograms, parallel
from vox.kernels.jit import OPTIONS, array, njit, trailing_zeros, types, view

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


@njit(
    [
        types.void(view(kind, 3), view(types.uint8, 1), _I64, array(types.uint8, 3), _I64, _I64)
        for kind in (types.uint8, types.uint16)
    ],
    **OPTIONS,
)
def _look_up(voxels: Any, table: Any, margin: Any, out: Any, start: Any, stop: Any) -> None:
    """Write the table's entries for planes start..stop, `margin` columns to the right."""
    for z in range(start, stop):
        for y in range(voxels.shape[1]):
            row = voxels[z, y]
            target = out[z, y, margin : margin + row.size]
            for x in range(row.size):
                target[x] = table[row[x]]


@njit(
    types.void(
        view(types.float32, 3), types.float64, types.float64, _I64, _I64, array(types.uint8, 3), _I64, _I64
    ),
    **OPTIONS,
)
def _quantise(
    voxels: Any, low: Any, high: Any, bins: Any, margin: Any, out: Any, start: Any, stop: Any
) -> None:
    """Write the bins of planes start..stop, `margin` columns to the right; see `bin_of`."""
    width = (high - low) / bins
    count = np.float64(bins)
    for z in range(start, stop):
        for y in range(voxels.shape[1]):
            row = voxels[z, y]
            target = out[z, y, margin : margin + row.size]
            for x in range(row.size):
                value = np.float64(row[x])
                number = (value - low) / width
                counted = (value >= low) & (value < high) & (number < count)
                target[x] = np.int32(number if counted else count)


@njit(types.void(view(types.uint8, 3), view(types.uint64, 3), _I64, array(_I64, 1)), **OPTIONS)
def _tally(bins: Any, words: Any, margin: Any, counts: Any) -> None:
    """Count the bins of a mask's voxels."""
    for z in range(words.shape[0]):
        for y in range(words.shape[1]):
            for w in range(words.shape[2]):
                word = words[z, y, w]
                while word != np.uint64(0):
                    x = 64 * w + np.int64(trailing_zeros(word))
                    word &= word - np.uint64(1)
                    counts[bins[z, y, margin + x]] += 1


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
    a: NDArray[Any],
    b: NDArray[Any],
    words: bits.Words,
    limits: tuple[float, float],
    count: int,
    reach: tuple[int, int, int],
) -> NDArray[np.float32]:
    """Return Pearson's correlation of the histogram of `a` around each voxel with that of `b` in a mask.

    Two flat histograms give 1, one flat histogram gives 0. Voxels outside the image are in no bin.

    Parameters
    ----------
    limits, count
        What is binned; see `bin_of`.
    reach
        Voxels from the centre of the box to its sides along x, y, z.
    """
    # A box cannot reach further than the image; larger numbers would only overflow.
    x, y, z = (min(r, n) for r, n in zip(reach, reversed(a.shape), strict=True))
    if histograms.fits(count, (x, y, z), a.size):
        background = _usual(bin_of(a[::8, ::8, ::8], *limits, count))
        bins = _spread(a, limits, count, x, background)
        other = bins if b is a else _spread(b, limits, count, x, background)
        counts = np.zeros(count + 1, np.int64)
        rows = other[: -histograms.TILE].reshape(*a.shape[:2], -1)
        _tally(rows, np.require(words, np.uint64, ["C", "A"]), x, counts)
        weights, deviation = _reference(counts[:count])
        return histograms.correlation(bins, weights, deviation, background, (x, y, z), a.shape)
    numbers = bin_of(a, *limits, count)
    other_numbers = numbers if b is a else bin_of(b, *limits, count)
    inside = bits.unpack(words, a.shape[2])
    tally = np.bincount(other_numbers[inside], minlength=count + 1)[:count]
    weights, deviation = _reference(tally.astype(np.int64))
    return _slide_along(numbers, weights, deviation, (x, y, z))


def _reference(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
    """Return k g - sum g, and the root of k sum g^2 - (sum g)^2."""
    k, total = len(counts), int(counts.sum())
    return k * counts - total, math.sqrt(k * sum(int(v) ** 2 for v in counts) - total * total)


def _usual(bins: NDArray[np.uint16]) -> int:
    return int(np.argmax(np.bincount(bins.reshape(-1))))


def _spread(
    voxels: NDArray[Any], limits: tuple[float, float], count: int, margin: int, background: int
) -> NDArray[np.uint8]:
    """Return the bins as `histograms` wants them: rows with margins of background, and an empty one."""
    voxels = np.require(voxels, None, ["C", "A"])
    depth, height, width = voxels.shape
    columns = histograms.columns(width, margin)
    flat = np.full(depth * height * columns + histograms.TILE, background, np.uint8)
    out = flat[: -histograms.TILE].reshape(depth, height, columns)
    table = np.empty(0, np.uint8)
    if voxels.dtype.kind in "iu":
        unsigned = np.dtype(f"uint{8 * voxels.itemsize}")
        each = np.arange(256**voxels.itemsize, dtype=np.uint32).astype(unsigned)
        table = bin_of(each.view(voxels.dtype).reshape(1, 1, -1), *limits, count).astype(np.uint8).reshape(-1)
        voxels = voxels.view(unsigned)

    def run(start: int, stop: int) -> None:
        if len(table):
            _look_up(voxels, table, margin, out, start, stop)
        else:
            _quantise(voxels, *limits, count, margin, out, start, stop)

    parallel.slabs(run, depth)
    return flat


def _slide_along(
    bins: NDArray[np.uint16], weights: NDArray[np.int64], deviation: float, reach: tuple[int, int, int]
) -> NDArray[np.float32]:
    x, y, z = reach
    out = np.empty(bins.shape, np.float32)
    parallel.slabs(
        lambda start, stop: _correlate(bins, weights, deviation, x, y, z, out, start, stop), len(bins)
    )
    return out


def warm() -> None:
    """Run everything once, on a voxel."""
    one, words = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.uint64)
    correlation(one, one, words, (0.0, 1.0), 2, (1, 1, 1))
    correlation(one.astype(np.int16), one, words, (0.0, 1.0), 100, (1, 1, 1))
