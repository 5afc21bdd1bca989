"""Arithmetic on numbers (IEEE float64) and on images (float32, voxel by voxel).

A number that meets an image is rounded to float32 first. Importing this module does not import numpy.
"""

from __future__ import annotations

import math
from typing import Any

from vox import kernels
from vox.operators.agreement import common_geometry, one_component
from vox.operators.values import Image


def num_add(a: float, b: float) -> float:
    """Return a + b."""
    return float(a) + float(b)


def num_sub(a: float, b: float) -> float:
    """Return a - b."""
    return float(a) - float(b)


def num_mul(a: float, b: float) -> float:
    """Return a * b."""
    return float(a) * float(b)


def num_div(a: float, b: float) -> float:
    """Return a / b; x/0 is infinite with the product's sign, 0/0 is NaN."""
    if b != 0:
        return float(a) / float(b)
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def num_eq(a: float, b: float) -> bool:
    """Return a = b; NaN equals nothing."""
    return float(a) == float(b)


def num_leq(a: float, b: float) -> bool:
    """Return a <= b."""
    return float(a) <= float(b)


def num_lt(a: float, b: float) -> bool:
    """Return a < b."""
    return float(a) < float(b)


def num_geq(a: float, b: float) -> bool:
    """Return a >= b."""
    return float(a) >= float(b)


def num_gt(a: float, b: float) -> bool:
    """Return a > b."""
    return float(a) > float(b)


def _pair(operator: str, function: Any, a: Image, b: Image) -> Image:
    one_component(operator, a, b)
    geometry = common_geometry(operator, a, b)
    return Image(geometry, function(a.voxels, b.voxels))


def _with_number(operator: str, function: Any, image: Image, number: float) -> Image:
    one_component(operator, image)
    return Image(image.geometry, function(image.voxels, kernels.voxelwise.single(number)))


def add(a: Image, b: Image) -> Image:
    """Return a + b."""
    return _pair("+", kernels.voxelwise.add, a, b)


def subtract(a: Image, b: Image) -> Image:
    """Return a - b."""
    return _pair("-", kernels.voxelwise.subtract, a, b)


def multiply(a: Image, b: Image) -> Image:
    """Return a * b."""
    return _pair("*", kernels.voxelwise.multiply, a, b)


def divide(a: Image, b: Image) -> Image:
    """Return a / b; the largest float32 wherever b is zero (|b| below 1.2e-8, as ITK has it)."""
    return _pair("/", kernels.voxelwise.divide, a, b)


def add_vs(image: Image, number: float) -> Image:
    """Return image + number."""
    return _with_number("+.", kernels.voxelwise.add, image, number)


def sub_vs(image: Image, number: float) -> Image:
    """Return image - number."""
    return _with_number("-.", kernels.voxelwise.subtract, image, number)


def mul_vs(image: Image, number: float) -> Image:
    """Return image * number."""
    return _with_number("*.", kernels.voxelwise.multiply, image, number)


def div_vs(image: Image, number: float) -> Image:
    """Return image * (1 / number), the reciprocal taken in float64; by zero, 0 becomes NaN."""
    return _with_number("/.", kernels.voxelwise.multiply, image, num_div(1.0, number))


def sub_sv(number: float, image: Image) -> Image:
    """Return number - image."""
    return _with_number(".-", lambda v, n: kernels.voxelwise.subtract(n, v), image, number)


def div_sv(number: float, image: Image) -> Image:
    """Return number / image; the largest float32 wherever the image is zero."""
    return _with_number("./", lambda v, n: kernels.voxelwise.divide(n, v), image, number)


def absolute(image: Image) -> Image:
    """Return |image|."""
    one_component("abs", image)
    return Image(image.geometry, kernels.voxelwise.absolute(image.voxels))
