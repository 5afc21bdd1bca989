"""Arithmetic voxel by voxel, in float32, slab by slab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, compare, parallel

Voxels = NDArray[Any]
Single = NDArray[np.float32]

LARGEST = np.finfo(np.float32).max
# ITK takes a divisor for zero when it is within a tenth of float32's epsilon.
_ZERO_WITHIN = np.float32(0.1 * float(np.finfo(np.float32).eps))
_PLANES_MIN = 2


def single(number: float) -> np.float32:
    """Return the float32 nearest to a number; infinite beyond float32's range."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.float32(number)


def one_nan(voxels: Single) -> None:
    """Give every NaN the same bits: which ones arithmetic makes depends on the processor."""
    if voxels.size and np.isnan(np.min(voxels)):
        voxels[np.isnan(voxels)] = np.nan


def apply(function: Callable[..., object], *operands: Voxels | np.float32) -> Single:
    """Return the float32 image that `function(*slabs, out)` writes.

    Operands are images of one shape, or float32 numbers.
    """
    shape = next(operand.shape for operand in operands if isinstance(operand, np.ndarray))
    out = np.empty(shape, np.float32)

    def run(start: int, stop: int) -> None:
        parts = (o[start:stop] if isinstance(o, np.ndarray) else o for o in operands)
        with np.errstate(all="ignore"):
            function(*parts, out[start:stop])
            one_nan(out[start:stop])

    parallel.slabs(run, shape[0], rows=_PLANES_MIN)
    return out


def add(a: Any, b: Any) -> Single:
    """Return a + b."""
    return apply(lambda p, q, out: np.add(p, q, out=out, dtype=np.float32), a, b)


def subtract(a: Any, b: Any) -> Single:
    """Return a - b."""
    return apply(lambda p, q, out: np.subtract(p, q, out=out, dtype=np.float32), a, b)


def multiply(a: Any, b: Any) -> Single:
    """Return a * b."""
    return apply(lambda p, q, out: np.multiply(p, q, out=out, dtype=np.float32), a, b)


def divide(a: Any, b: Any) -> Single:
    """Return a / b; where b is zero, whatever a is, the largest float32."""

    def run(p: Any, q: Voxels, out: Single) -> None:
        np.divide(p, q, out=out, dtype=np.float32)
        zero = np.abs(q, dtype=np.float32) <= _ZERO_WITHIN
        out[zero] = LARGEST

    return apply(run, a, b)


def absolute(a: Voxels) -> Single:
    """Return |a|."""
    return apply(lambda p, out: np.abs(p, out=out, dtype=np.float32), a)


def weighted(parts: list[Voxels], weights: list[float]) -> Single:
    """Return the sum of images times float32 weights, added from the first to the last."""
    factors = [np.float32(weight) for weight in weights]

    def run(*slabs: Any) -> None:
        *inputs, out = slabs
        np.multiply(inputs[0], factors[0], out=out, dtype=np.float32)
        for voxels, factor in zip(inputs[1:], factors[1:], strict=True):
            out += np.multiply(voxels, factor, dtype=np.float32)

    return apply(run, *parts)


def inside(voxels: Voxels, words: bits.Words) -> Voxels:
    """Return an image, in its own dtype, where a mask is set, and zero elsewhere."""
    out = np.empty_like(voxels, order="C")

    def run(start: int, stop: int) -> None:
        kept = bits.unpack(words[start:stop], voxels.shape[2])
        # Not a product: infinity and NaN outside the mask must become zero too.
        out[start:stop] = np.where(kept, voxels[start:stop], voxels.dtype.type(0))

    parallel.slabs(run, len(voxels), rows=_PLANES_MIN)
    return out


def between(voxels: Voxels, low: float, high: float) -> bits.Words:
    """Return the voxels v with low <= v <= high, after rounding the two to float32."""
    return compare.between(voxels, single(low), single(high))


def index(shape: tuple[int, int, int], axis: int) -> Single:
    """Return the index of each voxel along an axis of the array."""
    numbers = np.arange(shape[axis], dtype=np.float32)
    numbers = numbers.reshape([-1 if i == axis else 1 for i in range(3)])
    return np.ascontiguousarray(np.broadcast_to(numbers, shape))
