"""Drawing on flat images, and work that needs no image at all: what examples and tests are made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.errors import OperatorError
from vox.operators.agreement import one_component, whole
from vox.operators.values import Geometry, Image

_SIDE_MAX = 1 << 15
# The last whose number fits 64 bits.
_FIBONACCI_MAX = 92
_REACH = 1 << 24


def blank(height: float, width: float, value: float = 0.0) -> Image:
    """Return a flat image of one number: float32, voxels of 1 mm from the origin."""
    y, x = (whole("geom.blank", "sides", each, 1, _SIDE_MAX) for each in (height, width))
    place = Geometry((x, y), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    return Image(place, np.full(place.shape, value, np.float32))


def circle(image: Image, cx: float, cy: float, radius: float, value: float) -> Image:
    """Return an image with a number where (x - cx)² + (y - cy)² <= radius²."""
    x, y = _offsets("geom.circle", image, cx, cy)
    return _painted(image, x * x + y * y <= radius * radius, value)


def regular_polygon(image: Image, cx: float, cy: float, radius: float, sides: float, value: float) -> Image:
    """Return an image with a number in a regular polygon; its corners are `radius` away from its centre."""
    count = whole("geom.regular_polygon", "a number of sides", sides, 3, 1 << 16)
    x, y = _offsets("geom.regular_polygon", image, cx, cy)
    turn, half = 2 * math.pi / count, math.pi / count
    away = np.mod(np.arctan2(y, x) + math.pi, turn) - half
    # Rounded to what every math library agrees on, so that a side belongs to the polygon.
    inside = np.round(np.hypot(x, y) * np.cos(away), 9) <= round(radius * math.cos(half), 9)
    return _painted(image, inside, value)


def fibonacci(number: float) -> int:
    """Return a Fibonacci number; the first two are 0 and 1."""
    a, b = 0, 1
    for _ in range(whole("test.fibonacci", "a number", number, 0, _FIBONACCI_MAX)):
        a, b = b, a + b
    return a


def timewaste(size: float, iterations: float) -> float:
    """Return what is left after adding up numbers for a while: work to watch a scheduler with."""
    count = whole("test.timewaste", "a size", size, 1, 1 << 20)
    rounds = whole("test.timewaste", "a number of iterations", iterations, 0, 1 << 20)
    total = np.arange(count, dtype=np.int64)
    for _ in range(rounds):
        total = (total * 31 + 7) % 1_000_003
    return float(total.sum())


def _offsets(operator: str, image: Image, cx: float, cy: float) -> tuple[NDArray[Any], NDArray[Any]]:
    one_component(operator, image)
    if image.geometry.dimension != 2:
        raise OperatorError(
            f"`{operator}` draws on flat images; this one has three dimensions",
            operator=operator,
            code="E0433",
            hint="take a plane of it: `Extract(img, [nx, ny, 0], [0, 0, z])`",
        )
    width, height = image.geometry.size
    left, top = (whole(operator, "a centre", each, -_REACH, _REACH) for each in (cx, cy))
    return np.arange(width, dtype=np.float64)[None, None] - left, (
        np.arange(height, dtype=np.float64)[None, :, None] - top
    )


def _painted(image: Image, where: NDArray[np.bool_], value: float) -> Image:
    """Return an image of the same type, with the number cut to it."""
    kind = image.voxels.dtype
    if kind != np.float32:
        limits = np.iinfo(kind)
        value = whole("geom", "a number", value, int(limits.min), int(limits.max))
    return Image(image.geometry, np.where(where, kind.type(value), image.voxels))
