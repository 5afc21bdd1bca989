"""Values of voxels: components of colour, thresholds, statistics.

A threshold is rounded to float32 first, and NaN compares false with everything.
"""

from __future__ import annotations

import math

import numpy as np

from vox import kernels
from vox.errors import OperatorError
from vox.operators.agreement import common_geometry, one_component, whole
from vox.operators.values import Image, Mask

# ITU-R BT.709 luma, as VoxLogicA 1 weighs colours.
_LUMA = [0.2126, 0.7152, 0.0722]
_OPAQUE = np.float32(255)
_OTSU_BINS_MAX = 1 << 20


def intensity(model: Image) -> Image:
    """Return the grey level: the image itself, or the luminance of a colour image, without its alpha."""
    if model.components == 1:
        return model
    if model.components == 2:
        raise OperatorError(
            "two numbers per voxel are no colour",
            operator="intensity",
            code="E0405",
            hint="take one of them, or `VectorMagnitude`",
        )
    parts = [model.voxels[..., i] for i in range(3)]
    return Image(model.geometry, kernels.voxelwise.weighted(parts, _LUMA))


def red(model: Image) -> Image:
    """Return the first component; of a grey image, its grey level."""
    return _component(model, 0)


def green(model: Image) -> Image:
    """Return the second component; of a grey image, its grey level."""
    return _component(model, 1)


def blue(model: Image) -> Image:
    """Return the third component; of a grey image, its grey level."""
    return _component(model, 2)


def alpha(model: Image) -> Image:
    """Return the fourth component, or 255 everywhere."""
    if model.components == 4:
        return _component(model, 3)
    return Image(model.geometry, np.full(model.geometry.shape, _OPAQUE))


def rgb(r: Image, g: Image, b: Image) -> Image:
    """Return the colour image of three grey ones, in float32, unclamped."""
    return _colours("rgb", r, g, b)


def rgba(r: Image, g: Image, b: Image, a: Image) -> Image:
    """Return the colour image of four grey ones, in float32, unclamped."""
    return _colours("rgba", r, g, b, a)


def eq_sv(number: float, image: Image) -> Mask:
    """Return the voxels that equal a number."""
    return between(number, number, image)


def geq_sv(number: float, image: Image) -> Mask:
    """Return the voxels that are at least a number."""
    one_component(".<=", image)
    return Mask(image.geometry, kernels.voxelwise.between(image.voxels, number, math.inf))


def leq_sv(number: float, image: Image) -> Mask:
    """Return the voxels that are at most a number."""
    one_component(".>=", image)
    return Mask(image.geometry, kernels.voxelwise.between(image.voxels, -math.inf, number))


def between(low: float, high: float, image: Image) -> Mask:
    """Return the voxels from `low` to `high`, both included; none if low > high."""
    one_component("between", image)
    return Mask(image.geometry, kernels.voxelwise.between(image.voxels, low, high))


def mask(image: Image, where: Mask) -> Image:
    """Return an image inside a mask, and 0 elsewhere. The dtype stays."""
    one_component("mask", image)
    geometry = common_geometry("mask", image, where)
    return Image(geometry, kernels.voxelwise.inside(image.voxels, where.words))


def maximum(image: Image) -> float:
    """Return the largest value of the whole image. NaN voxels do not count; if all are, NaN."""
    one_component("max", image)
    return kernels.statistics.extremes(image.voxels)[1]


def minimum(image: Image) -> float:
    """Return the smallest value of the whole image. NaN voxels do not count; if all are, NaN."""
    one_component("min", image)
    return kernels.statistics.extremes(image.voxels)[0]


def average(image: Image, where: Mask) -> float:
    """Return the float64 mean of an image over a mask.

    Raises
    ------
    OperatorError
        E0403 if the mask is empty.
    """
    one_component("avg", image)
    common_geometry("avg", image, where)
    if not where.words.any():
        raise OperatorError(
            "the average over an empty mask is not defined",
            operator="avg",
            code="E0403",
            hint="test `volume(mask) .>. 0`, or widen the mask",
        )
    return kernels.statistics.mean(image.voxels, where.words)


def percentiles(image: Image, where: Mask, share: float) -> Image:
    """Return the rank of each voxel among a mask's: (#less + share * #equal) / #all; -1 outside.

    A NaN voxel counts as outside: it is in no count and gets -1.
    """
    one_component("percentiles", image)
    geometry = common_geometry("percentiles", image, where)
    return Image(geometry, kernels.ranks.percentiles(image.voxels, where.words, float(share)))


def otsu(image: Image, where: Mask, bins: float) -> Mask:
    """Return the voxels of a mask above Otsu's threshold; nothing if there are not two classes.

    `bins` is cut to an integer. NaN voxels are not counted. An infinite value makes the result empty.

    Raises
    ------
    OperatorError
        E0404 if there are fewer than 2 bins.
    """
    one_component("otsu", image)
    geometry = common_geometry("otsu", image, where)
    count = whole("otsu", "a number of bins", bins, 2, _OTSU_BINS_MAX)
    return Mask(geometry, kernels.statistics.otsu(image.voxels, where.words, count))


def _component(model: Image, index: int) -> Image:
    if model.components == 1:
        return model
    return Image(model.geometry, np.ascontiguousarray(model.voxels[..., index]))


def _colours(operator: str, *parts: Image) -> Image:
    one_component(operator, *parts)
    geometry = common_geometry(operator, *parts)
    out = np.empty((*geometry.shape, len(parts)), np.float32)
    for index, part in enumerate(parts):
        out[..., index] = part.voxels
    return Image(geometry, out)


assert math.isclose(sum(_LUMA), 1.0)
