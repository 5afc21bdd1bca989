"""Groups of nodes as one: the voxels whose values are in a set, without the image itself where possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from vox import kernels
from vox.operators.agreement import common_geometry, one_component
from vox.operators.fuse import Numbers
from vox.operators.values import Image, Mask, Value

if TYPE_CHECKING:
    from vox.kernels import bits


def compared(image: Image, numbers: Numbers) -> Mask:
    """Return the voxels whose values are in a set of numbers."""
    one_component("between", image)
    shape = image.geometry.shape

    def pick(low: float, high: float) -> bits.Words:
        return kernels.compare.between(image.voxels, np.float32(low), np.float32(high))

    if numbers.nan:
        # Every comparison of NaN is false: it is in what the others are not.
        others = _union(shape, ~numbers, pick)
        return Mask(image.geometry, kernels.bits.complement(others, shape[2]))
    return Mask(image.geometry, _union(shape, numbers, pick))


def unmade(operator: str, inputs: Sequence[Value], numbers: Numbers) -> Mask | None:
    """Return the voxels where the result of an operator would be in a set; None if that takes the result."""
    if operator == "dt@1":
        (where,) = inputs
        assert isinstance(where, Mask)
        return _near(where, numbers)
    if operator == "percentiles@1":
        image, where, share = inputs
        assert isinstance(image, Image)
        assert isinstance(where, Mask)
        assert isinstance(share, int | float)
        return _ranked(image, where, float(share), numbers)
    return None


def _union(
    shape: tuple[int, int, int], numbers: Numbers, pick: Callable[[float, float], bits.Words]
) -> bits.Words:
    if not numbers.intervals:
        return kernels.bits.constant(shape, False)
    return reduce(np.bitwise_or, (pick(low, high) for low, high in numbers.intervals))


def _near(where: Mask, numbers: Numbers) -> Mask:
    """Distances are never NaN."""
    x, y, *rest = where.geometry.spacing
    spacing = (x, y, rest[0] if rest else 1.0)
    width = where.geometry.size[0]
    words = _union(
        where.geometry.shape,
        numbers,
        lambda low, high: kernels.balls.within(where.words, width, spacing, low, high),
    )
    return Mask(where.geometry, words)


def _ranked(image: Image, where: Mask, share: float, numbers: Numbers) -> Mask | None:
    """Ranks of narrow integers are a table: what is asked of ranks is asked of values, then of the mask."""
    if image.voxels.dtype.kind == "f" or share != share:
        return None
    one_component("percentiles", image)
    geometry = common_geometry("percentiles", image, where)
    if not where.words.any():
        inside = np.zeros_like(where.words)
    else:
        _, ranks = kernels.ranks.table(image.voxels, where.words, share)
        chosen = reduce(
            np.logical_or,
            [(ranks >= np.float32(low)) & (ranks <= np.float32(high)) for low, high in numbers.intervals],
            np.zeros(len(ranks), np.bool_),
        )
        inside = kernels.counting.chosen(image.voxels, where.words, chosen)
    outside = kernels.ranks.OUTSIDE
    if any(low <= outside <= high for low, high in numbers.intervals):
        inside = inside | kernels.bits.complement(where.words, geometry.size[0])
    return Mask(geometry, inside)
