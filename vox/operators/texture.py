"""Similarity of texture: local histograms compared with a region's."""

from __future__ import annotations

import math

import numpy as np

from vox import kernels
from vox.errors import OperatorError
from vox.operators.agreement import common_geometry, one_component, whole
from vox.operators.values import Image, Mask

_NAME = "crossCorrelation"
# k times a product of two counts must stay an exact int64.
_EXACT = 2**62


def cross_correlation(
    radius: float, a: Image, b: Image, where: Mask, low: float, high: float, bins: float
) -> Image:
    """Return how alike the histogram of `a` around each voxel is to that of `b` inside a mask.

    The surroundings are a box: `radius` mm to each side, rounded to whole voxels (half to even), at least
    one. Values v with low <= v < high are put into `bins` equal bins; others, NaN among them, are not
    counted. The result is Pearson's correlation of the two histograms: 1 if both are flat, 0 if one is. It
    is computed at every voxel.

    Raises
    ------
    OperatorError
        E0404 if the radius is negative or not finite, or the number of bins is not sensible.
    """
    one_component(_NAME, a, b)
    geometry = common_geometry(_NAME, a, b, where)
    count = whole(_NAME, "a number of bins", bins, 1, kernels.texture.BINS_MAX)
    reach = _reach(radius, a)
    if not low < high or count * a.voxels.size * max(1, math.prod(_box(a, reach))) > _EXACT:
        return _degenerate(a, low, high)
    limits = float(low), float(high)
    found = kernels.texture.correlation(a.voxels, b.voxels, where.words, limits, count, reach)
    return Image(geometry, found)


def _reach(radius: float, image: Image) -> tuple[int, int, int]:
    """Return the voxels from the centre of the box to its sides along x, y, z."""
    if not math.isfinite(radius) or radius < 0:
        raise OperatorError(
            f"`{_NAME}` needs a radius of zero or more millimetres, not {radius:g}",
            operator=_NAME,
            code="E0404",
        )
    x, y, *rest = (
        max(1, min(round(radius / step), size))
        for step, size in zip(image.geometry.spacing, image.geometry.size, strict=True)
    )
    return x, y, rest[0] if rest else 1


def _box(image: Image, reach: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the most voxels of the image that a box can cover along x, y, z."""
    return tuple(min(2 * r + 1, n) for r, n in zip(reach, reversed(image.voxels.shape), strict=True))


def _degenerate(image: Image, low: float, high: float) -> Image:
    """Return the answer when no value is ever counted: every histogram is flat."""
    if not low < high:
        return Image(image.geometry, np.ones(image.geometry.shape, np.float32))
    raise OperatorError(
        f"`{_NAME}` over this many voxels and bins would not be exact",
        operator=_NAME,
        code="E0404",
        hint="use fewer bins or a smaller radius",
    )
