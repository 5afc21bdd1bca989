"""Correlation of local histograms, many voxels at a time: the fast way of `texture`, for few bins.

The image is cut along x into tiles of a fixed width, so that every inner loop has a known number of turns
and becomes a handful of vector instructions. Per tile there is one row of counts for each line y and each
bin: how often the bin occurs in the window along z. A plane that enters or leaves moves only the rows of bins
that occur in it. Rows are summed over the window along y, then along x; what is then at x is the histogram of
the box around it. The most frequent bin, the background, is never counted: it is what is left of the box, and
where nothing else is, nothing is done. Outside the image all is background, and taken off again.

All counts are integers and all sums exact, so the result is that of the definition to the last bit.

Rows are offsets into flat arrays: a slice would cost two atomic operations on its reference count, more than
the few vectors that it is made of. Offsets are unsigned, or numba would test each for being negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import parallel
from vox.kernels.jit import OPTIONS, array, njit, trailing_zeros, types, view

# Columns of a tile, its margins included: a few vectors, and rows of a plane fit the second cache.
TILE = 128
REACH_MAX = 24
# Bins, and one for values without a bin, are bits of a word.
BINS_MAX = 62
# Squares of counts are summed in 32 bits.
BOX_MAX = 46340

U = np.uint64
_ZERO, _ONE = U(0), U(1)
_TILE = U(TILE)
# A row of sums is read up to two reaches beyond its tile.
_ROW = U(TILE + 2 * REACH_MAX)
_I64, _F64 = types.int64, types.float64


def fits(bins: int, reach: tuple[int, int, int], voxels: int) -> bool:
    """Whether every sum stays exact here, for an image of so many voxels."""
    x, y, z = reach
    box = (2 * x + 1) * (2 * y + 1) * (2 * z + 1)
    largest = 2 * bins * voxels
    return bins <= BINS_MAX and x <= REACH_MAX and z <= 127 and box <= BOX_MAX and largest * box < 2**53


def columns(width: int, reach: int) -> int:
    """Return how many columns the tiles of a row take, margins included."""
    step = TILE - 2 * reach
    return -(-width // step) * step + 2 * reach


@njit(**OPTIONS)
def _occurring(bins: Any, at: Any, background: Any) -> Any:
    """Return the bins of a row as bits, without the background."""
    other = np.uint8(0)
    for i in range(TILE):
        other |= bins[at + U(i)] ^ background
    if other == np.uint8(0):
        return _ZERO
    found = _ZERO
    for i in range(TILE):
        found |= _ONE << U(bins[at + U(i)])
    return found & ~(_ONE << U(background))


@njit(**OPTIONS)
def _exchange(counts: Any, at: Any, bins: Any, new: Any, old: Any, number: Any) -> None:
    """Count a bin in the row that enters, and no longer in the one that leaves."""
    for i in range(TILE):
        counts[at + U(i)] += np.uint8(bins[new + U(i)] == number) - np.uint8(bins[old + U(i)] == number)


@njit(**OPTIONS)
def _exchange_weights(weighted: Any, at: Any, bins: Any, new: Any, old: Any, weights: Any) -> None:
    for i in range(TILE):
        weighted[at + U(i)] += weights[bins[new + U(i)]] - weights[bins[old + U(i)]]


@njit(**OPTIONS)
def _move(sums: Any, at: Any, counts: Any, new: Any, old: Any) -> None:
    for i in range(TILE):
        sums[at + U(i)] += np.uint16(counts[new + U(i)]) - np.uint16(counts[old + U(i)])


@njit(**OPTIONS)
def _window(sums: Any, at: Any, width: Any, out: Any) -> None:
    """Write the sum of `width` neighbours, an odd number, from each column on."""
    done = width & U(3)
    if done == U(3):
        for i in range(TILE):
            out[U(i)] = sums[at + U(i)] + sums[at + U(i + 1)] + sums[at + U(i + 2)]
    else:
        for i in range(TILE):
            out[U(i)] = sums[at + U(i)]
    while done < width:
        s = at + done
        for i in range(TILE):
            out[U(i)] += sums[s + U(i)] + sums[s + U(i + 1)] + sums[s + U(i + 2)] + sums[s + U(i + 3)]
        done += U(4)


@njit(**OPTIONS)
def _add_square(count: Any, squares: Any, others: Any) -> None:
    for i in range(TILE):
        value = np.int32(count[U(i)])
        squares[U(i)] += value * value
        others[U(i)] += count[U(i)]


@njit(**OPTIONS)
def _finish(
    squares: Any,
    others: Any,
    none: Any,
    weighted: Any,
    box: Any,
    k: Any,
    deviation: Any,
    weight: Any,
    counted: Any,
    row: Any,
) -> None:
    """Write the correlations of a row; `box` says how many voxels of each box are inside the image."""
    flat = 1.0 if deviation == 0.0 else 0.0
    known = 1.0 if counted else 0.0
    for i in range(TILE):
        inside = np.float64(box[U(i)])
        other = np.float64(others[U(i)])
        rest = known * (inside - other)
        count = known * (inside - np.float64(none[U(i)])) + (1.0 - known) * other
        spread = k * (np.float64(squares[U(i)]) + rest * rest) - count * count
        below = np.sqrt(spread) * deviation
        value = (weighted[U(i)] + weight * inside) / below
        still = flat if spread == 0.0 else 0.0
        row[U(i)] = np.float32(value if below > 0.0 else still)


@njit(**OPTIONS)
def _pass_plane(
    bins: Any,
    plane: Any,
    stride: Any,
    masks: Any,
    number: Any,
    other: Any,
    counts: Any,
    weighted: Any,
    weights: Any,
    background: Any,
) -> None:
    """Let a plane enter the windows along z (`number`) and another leave (`other`); -1 for none."""
    height = masks.shape[1]
    bands = U(weights.size)
    nothing = U(bins.size) - _TILE
    for y in range(height):
        found = _ZERO
        new = nothing
        old = nothing
        if number >= 0:
            row = plane[0] + U(y) * stride
            found = _occurring(bins, row, background)
            masks[U(number), U(y)] = found
            if found != _ZERO:
                new = row
        if other >= 0:
            left = masks[U(other), U(y)]
            if left != _ZERO:
                old = plane[1] + U(y) * stride
                found |= left
        if found != _ZERO:
            _exchange_weights(weighted, U(y) * _TILE, bins, new, old, weights)
        while found != _ZERO:
            band = trailing_zeros(found)
            found &= found - _ONE
            _exchange(counts, (U(y) * bands + band) * _TILE, bins, new, old, np.uint8(band))


@njit(**OPTIONS)
def _pass_rows(
    sums: Any, weighted: Any, counts: Any, rows: Any, bands: Any, new: Any, old: Any, found: Any
) -> None:
    """Let line `new` enter the windows along y, and `old` leave; the last line is empty."""
    for i in range(TILE):
        weighted[U(i)] += rows[new * _TILE + U(i)] - rows[old * _TILE + U(i)]
    while found != _ZERO:
        band = trailing_zeros(found)
        found &= found - _ONE
        _move(sums, band * _ROW, counts, (new * bands + band) * _TILE, (old * bands + band) * _TILE)


@njit(**OPTIONS)
def _measure(
    sums: Any,
    weighted: Any,
    found: Any,
    k: Any,
    width: Any,
    squares: Any,
    others: Any,
    none: Any,
    total: Any,
    buffer: Any,
) -> None:
    """Write the sums over the windows along x of what a row's columns hold."""
    for i in range(TILE):
        squares[U(i)] = 0
        others[U(i)] = 0
        none[U(i)] = 0
        total[U(i)] = weighted[U(i)]
    while found != _ZERO:
        band = trailing_zeros(found)
        found &= found - _ONE
        _window(sums, band * _ROW, width, buffer)
        if band == k:
            for i in range(TILE):
                none[U(i)] = buffer[U(i)]
                others[U(i)] += buffer[U(i)]
        else:
            _add_square(buffer, squares, others)
    done = _ONE
    while done < width:
        for i in range(TILE):
            total[U(i)] += weighted[done + U(i)] + weighted[done + U(i + 1)]
        done += U(2)


@njit(**OPTIONS)
def _boxes(lengths: Any, column: Any, rx: Any, width: Any, box: Any) -> None:
    """Write how many voxels of each box of a row are inside the image."""
    for i in range(min(TILE - 2 * rx, width - column)):
        x = column + i
        box[U(i)] = lengths * (min(width, x + rx + 1) - max(0, x - rx))


@njit(**OPTIONS)
def _plane(
    z: Any,
    depths: Any,
    column: Any,
    reach: Any,
    lines: Any,
    counts: Any,
    rows: Any,
    bands: Any,
    deviation: Any,
    weight: Any,
    counted: Any,
    out: Any,
) -> None:
    """Write the part of a plane that lies in a tile, from the counts of its windows along z."""
    rx, ry, _ = reach
    _, height, width = out.shape
    k, length = bands - _ONE, min(TILE - 2 * rx, width - column)
    sums = np.zeros(np.int64(bands * _ROW) + 4, np.uint16)
    weighted, still = np.zeros(np.int64(_ROW), np.float64), np.zeros(TILE, np.float64)
    squares, others, none = np.zeros(TILE, np.int32), np.zeros(TILE, np.uint16), np.zeros(TILE, np.uint16)
    total, buffer = np.empty(TILE, np.float64), np.empty(TILE, np.uint16)
    plain, row, box = np.empty(TILE, np.float32), np.empty(TILE, np.float32), np.ones(TILE, np.int32)
    before = -1
    for y in range(-ry, height):
        enters = U(y + ry) if y + ry < height else U(height)
        leaves = U(y - ry - 1) if y - ry - 1 >= 0 else U(height)
        found = lines[enters] | lines[leaves]
        if found != _ZERO:
            _pass_rows(sums, weighted, counts, rows, bands, enters, leaves, found)
        if y < 0:
            continue
        y0, y1 = max(0, y - ry), min(height, y + ry + 1)
        if (y1 - y0) * depths != before:
            before = (y1 - y0) * depths
            _boxes(before, column, rx, width, box)
            squares[:] = 0
            others[:] = 0
            none[:] = 0
            _finish(squares, others, none, still, box, float(k), deviation, weight, counted, plain)
        found = _ZERO
        for i in range(y0, y1):
            found |= lines[U(i)]
        if found == _ZERO:
            for i in range(length):
                out[U(z), U(y), U(column + i)] = plain[U(i)]
            continue
        _measure(sums, weighted, found, k, U(2 * rx + 1), squares, others, none, total, buffer)
        _finish(squares, others, none, total, box, float(k), deviation, weight, counted, row)
        for i in range(length):
            out[U(z), U(y), U(column + i)] = row[U(i)]


@njit(
    types.void(
        view(types.uint8, 1),
        view(_F64, 1),
        _F64,
        _F64,
        types.uint8,
        types.UniTuple(_I64, 3),
        array(types.float32, 3),
        _I64,
        _I64,
    ),
    **OPTIONS,
)
def _correlate(
    bins: Any,
    weights: Any,
    weight: Any,
    deviation: Any,
    background: Any,
    reach: Any,
    out: Any,
    start: Any,
    stop: Any,
) -> None:
    """Write the planes start <= z < stop. `weights` are relative to the background's, `weight`."""
    rx, _, rz = reach
    depth, height, width = out.shape
    bands = U(weights.size)
    stride = U((bins.size - TILE) // (depth * height))
    counted = U(background) < bands - _ONE
    first, last = max(0, start - rz), min(depth, stop + rz)
    masks = np.empty((last - first, height), np.uint64)
    lines = np.zeros(height + 1, np.uint64)
    for column in range(0, width, TILE - 2 * rx):
        counts = np.zeros((height + 1) * weights.size * TILE, np.uint8)
        rows = np.zeros((height + 1) * TILE, np.float64)
        for z in range(first - rz, stop):
            new = z + rz - first if z + rz < last else -1
            old = z - rz - 1 - first
            at = (
                U(max(0, new + first)) * U(height) * stride + U(column),
                U(max(0, old + first)) * U(height) * stride + U(column),
            )
            _pass_plane(bins, at, stride, masks, new, max(-1, old), counts, rows, weights, background)
            if z < start:
                continue
            z0, z1 = max(0, z - rz), min(depth, z + rz + 1)
            for y in range(height):
                found = _ZERO
                for plane in range(z0 - first, z1 - first):
                    found |= masks[U(plane), U(y)]
                lines[U(y)] = found
            _plane(z, z1 - z0, column, reach, lines, counts, rows, bands, deviation, weight, counted, out)


def correlation(
    bins: NDArray[np.uint8],
    weights: NDArray[np.int64],
    deviation: float,
    background: int,
    reach: tuple[int, int, int],
    shape: tuple[int, int, int],
) -> NDArray[np.float32]:
    """Return the correlation at each voxel; see `texture.correlation`.

    Parameters
    ----------
    bins
        Rows of `columns(width, reach)` bytes, voxel x at x + reach, and one more of `TILE` bytes. What is
        not in the image has the background's number.
    weights, deviation
        Of the reference histogram.
    shape
        (z, y, x) of the image.
    """
    relative = np.append(weights, 0).astype(np.float64)
    weight = float(relative[background])
    relative -= weight
    out = np.empty(shape, np.float32)
    parallel.slabs(
        lambda start, stop: _correlate(
            bins, relative, weight, deviation, background, reach, out, start, stop
        ),
        shape[0],
    )
    return out
