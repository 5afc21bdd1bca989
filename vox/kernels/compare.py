"""Images compared with numbers, straight to bits: one pass over memory, no boolean per voxel in between."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, parallel
from vox.kernels.jit import OPTIONS, array, njit, types, view

U = np.uint64
# Times eight bytes of 0 or 1, this puts their lowest bits side by side into the top byte.
_GATHER = U(0x0102040810204080)
_U64, _I64 = types.uint64, types.int64


@njit(**OPTIONS)
def _pack(bytes_: Any, words: Any, at: Any, count: Any) -> None:
    """Write `count` words from eight times as many words of flags, one byte each."""
    for w in range(count):
        word = U(0)
        for j in range(8):
            eight = bytes_[U(8 * w + j)]
            word |= ((eight * _GATHER) >> U(56)) << U(8 * j)
        words[at + U(w)] = word


@njit(
    [
        types.void(view(kind, 1), kind, kind, _I64, array(_U64, 1), _I64, _I64)
        for kind in (types.uint8, types.uint16)
    ],
    **OPTIONS,
)
def _integers_between(
    voxels: Any, low: Any, span: Any, width: Any, words: Any, start: Any, stop: Any
) -> None:
    """Write rows start..stop: where 0 <= v - low <= span, reckoned modulo the type's range."""
    top = (U(1) << U(8 * voxels.itemsize)) - U(1)
    length = (width + 63) // 64
    flags = np.zeros(64 * length, np.uint8)
    eights = flags.view(np.uint64)
    for row in range(start, stop):
        at = U(row) * U(width)
        for x in range(width):
            flags[U(x)] = ((voxels[at + U(x)] - low) & top) <= span
        _pack(eights, words, U(row) * U(length), length)


@njit(
    types.void(view(types.float32, 1), types.float32, types.float32, _I64, array(_U64, 1), _I64, _I64),
    **OPTIONS,
)
def _floats_between(voxels: Any, low: Any, high: Any, width: Any, words: Any, start: Any, stop: Any) -> None:
    length = (width + 63) // 64
    flags = np.zeros(64 * length, np.uint8)
    eights = flags.view(np.uint64)
    for row in range(start, stop):
        at = U(row) * U(width)
        for x in range(width):
            value = voxels[at + U(x)]
            flags[U(x)] = (value >= low) & (value <= high)
        _pack(eights, words, U(row) * U(length), length)


def between(voxels: NDArray[Any], low: np.float32, high: np.float32) -> bits.Words:
    """Return the voxels v with low <= v <= high; NaN is nowhere."""
    depth, height, width = voxels.shape
    out = bits.empty(voxels.shape)
    flat, words = np.require(voxels, None, ["C", "A"]).reshape(-1), out.reshape(-1)
    a: Any
    b: Any
    if voxels.dtype.kind == "f":
        run, a, b = _floats_between, low, high
    else:
        least, span = _whole(voxels.dtype, float(low), float(high))
        if span < 0:
            return bits.constant(voxels.shape, False)
        unsigned = np.dtype(f"uint{8 * voxels.itemsize}")
        flat = flat.view(unsigned)
        a, b = unsigned.type(least % 256**voxels.itemsize), unsigned.type(span)
        run = _integers_between
    parallel.slabs(
        lambda start, stop: run(flat, a, b, width, words, start * height, stop * height), depth, rows=4
    )
    return out


def _whole(dtype: np.dtype[Any], low: float, high: float) -> tuple[int, int]:
    """Return the least integer of a type that is not below `low`, and how many more are not above `high`."""
    if not low <= high:
        return 0, -1
    limits = np.iinfo(dtype)
    least, most = max(low, float(limits.min)), min(high, float(limits.max))
    if least > most:
        return 0, -1
    return math.ceil(least), math.floor(most) - math.ceil(least)


def warm() -> None:
    """Run everything once, on a voxel."""
    for kind in (np.float32, np.int16, np.uint8):
        between(np.zeros((1, 1, 1), kind), np.float32(0), np.float32(1))
