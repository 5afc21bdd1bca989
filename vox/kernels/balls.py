"""Distances compared with numbers, without any distance: dilations and erosions by balls, on words.

The voxels nearer than r to a set are those that an open ball of radius r around some voxel of it covers. What
is in the ball is asked of the very numbers that `distance` computes, squared in float64 in its order and
rounded to float32 in the end, so that the result is the comparison's to the last bit, ties included. A ball
of many rows costs more than the distances themselves; then those are computed and compared.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, compare, distance, neighbours
from vox.kernels.bits import Words

# Measured: what a ball's row costs per word, and distances per voxel, at one thread.
_ROW_NS, _VOXEL_NS = 0.13, 12.0
# A row is or-ed to each word; a word is 64 voxels.
ROWS_MAX = int(_VOXEL_NS * bits.WORD_BITS / _ROW_NS)


@lru_cache(maxsize=64)
def rows(
    radius: float, closed: bool, spacing: tuple[float, float, float], shape: tuple[int, int, int]
) -> NDArray[np.int64] | None:
    """Return the rows (dz, dy, half width) of a ball, narrow ones first; None if they are too many.

    Parameters
    ----------
    radius
        A float32 number, not negative.
    shape
        Of the image, z first: the ball is cut to what can matter in it.
    """
    extents = [min(n - 1, int(radius / step) + 1) for n, step in zip(shape[::-1], spacing, strict=True)]
    if (2 * extents[1] + 1) * (2 * extents[2] + 1) > 2 * ROWS_MAX:
        return None
    x, y, z = (
        (np.arange(extent + 1) * float(step)) ** 2 for extent, step in zip(extents, spacing, strict=True)
    )
    distances = np.sqrt((x + y[:, None]) + z[:, None, None]).astype(np.float32)
    inside = distances <= np.float32(radius) if closed else distances < np.float32(radius)
    widths = inside.sum(axis=2) - 1
    found = [
        (signed_z, signed_y, int(widths[dz, dy]))
        for dz, dy in np.argwhere(widths >= 0).tolist()
        for signed_z in {dz, -dz}
        for signed_y in {dy, -dy}
    ]
    found.sort(key=lambda row: (row[2], row))
    return np.array(found, np.int64).reshape(-1, 3) if len(found) <= ROWS_MAX else None


def within(words: Words, width: int, spacing: tuple[float, float, float], low: float, high: float) -> Words:
    """Return the voxels whose signed distance d is low <= d <= high; see `distance.signed`.

    Parameters
    ----------
    low, high
        float32 numbers, infinite ones among them.
    """
    found = _up_to(words, width, spacing, high, True)
    below = _up_to(words, width, spacing, low, False)
    if found is not None and below is not None:
        result: Words = found & ~below
        return result
    distances = distance.signed(words, width, spacing)
    return compare.between(distances, np.float32(low), np.float32(high))


def _up_to(
    words: Words, width: int, spacing: tuple[float, float, float], limit: float, closed: bool
) -> Words | None:
    """Return the voxels with a distance <= limit, or < limit; None if a ball would not pay."""
    shape = (*words.shape[:2], width)
    if math.isinf(limit):
        return bits.constant(shape, limit > 0)
    # Without a contour the distance is a large number, on which side of a larger one no ball knows.
    if not abs(limit) < distance.NO_CONTOUR:
        return None
    # What is inside has a distance of -d to the contour: -d <= limit if not d < -limit.
    outwards = limit > 0 or (limit == 0 and closed)
    ball = rows(abs(limit), closed if outwards else not closed, spacing, shape)
    if ball is None:
        return None
    if outwards:
        return neighbours.dilate(words, width, ball)
    inner: Words = words & ~neighbours.dilate(neighbours.contour(words, width), width, ball)
    return inner
