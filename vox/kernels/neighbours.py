"""Dilation and erosion on words: by the box of 3 voxels a side, and by balls of any radius.

A word shifted by one bit is 64 voxels moved by one, so a whole dilation is a handful of passes over planes
that fit the processor's first cache. An erosion is the dilation of what is outside. In 2D an array is one
plane: there are no neighbours in z.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import parallel
from vox.kernels.bits import Words, last_word
from vox.kernels.jit import OPTIONS, array, njit, types, view

U = np.uint64
_ZERO, _ONE, _TOP, _FULL = U(0), U(1), U(63), U(2**64 - 1)
_U64, _I64 = types.uint64, types.int64
# Planes of at least this many words are worth a slab each.
_SLAB_WORDS = 1 << 13


@njit(**OPTIONS)
def _load(words: Any, at: Any, masks: Any, outside: Any, plane: Any) -> Any:
    """Copy a plane, or its complement, to between a word before and one behind; whether any bit is set."""
    some = _ZERO
    turn = _FULL if outside else _ZERO
    for i in range(masks.shape[1]):
        word = (words[at + U(i)] ^ turn) & masks[U(0), U(i)]
        plane[U(i + 1)] = word
        some |= word
    return some != _ZERO


@njit(**OPTIONS)
def _along_x(plane: Any, masks: Any, out: Any, at: Any) -> None:
    """Write a plane or-ed with itself moved by one voxel to either side.

    `masks` say which bits of a word are voxels, and where a bit may come in from the words beside.
    """
    for i in range(masks.shape[1]):
        word = plane[U(i + 1)]
        left = (plane[U(i)] >> _TOP) & masks[U(1), U(i)]
        right = (plane[U(i + 2)] << _TOP) & masks[U(2), U(i)]
        out[at + U(i)] = (word | (word << _ONE) | (word >> _ONE) | left | right) & masks[U(0), U(i)]


@njit(**OPTIONS)
def _or(out: Any, at: Any, rows: Any, begin: Any, count: Any) -> None:
    for i in range(count):
        out[at + U(i)] |= rows[begin + U(i)]


@njit(**OPTIONS)
def _empty(plane: Any, at: Any, count: Any) -> Any:
    some = _ZERO
    for i in range(count):
        some |= plane[at + U(i)]
    return some == _ZERO


@njit(types.void(view(_U64, 1), view(_U64, 2), _I64, types.boolean, array(_U64, 1), _I64, _I64), **OPTIONS)
def _spread(words: Any, masks: Any, row: Any, outside: Any, out: Any, start: Any, stop: Any) -> None:
    """Write planes start..stop of the dilation by a box; of the erosion if `outside`."""
    size = masks.shape[1]
    planes = words.size // size
    plane, flat = np.zeros(size + 2, np.uint64), np.zeros(size + 2, np.uint64)
    turn = _FULL if outside else _ZERO
    for i in range(start * size, stop * size):
        out[U(i)] = _ZERO
    for z in range(max(0, start - 1), min(planes, stop + 1)):
        if not _load(words, U(z * size), masks, outside, plane):
            continue
        _along_x(plane, masks, flat, _ONE)
        for i in range(size):
            plane[U(i + 1)] = flat[U(i + 1)]
        _or(plane, U(row + 1), flat, _ONE, size - row)
        _or(plane, _ONE, flat, U(row + 1), size - row)
        for target in range(max(start, z - 1), min(stop, z + 2)):
            _or(out, U(target * size), plane, _ONE, size)
    if outside:
        for z in range(start, stop):
            for i in range(size):
                out[U(z * size + i)] = (out[U(z * size + i)] ^ turn) & masks[U(0), U(i)]


@njit(
    types.void(view(_U64, 1), view(_U64, 2), _I64, view(_I64, 2), types.boolean, array(_U64, 1), _I64, _I64),
    **OPTIONS,
)
def _spread_ball(
    words: Any, masks: Any, row: Any, ball: Any, outside: Any, out: Any, start: Any, stop: Any
) -> None:
    """Write planes start..stop of the dilation by a ball; of the erosion if `outside`.

    A plane is widened along x step by step; each width is or-ed to where the ball's rows of that width are.
    """
    size = masks.shape[1]
    planes, height = words.size // size, size // row
    reach = np.max(ball[:, 0])
    turn = _FULL if outside else _ZERO
    here, wider = np.zeros(size + 2, np.uint64), np.zeros(size + 2, np.uint64)
    for i in range(start * size, stop * size):
        out[U(i)] = _ZERO
    for z in range(max(0, start - reach), min(planes, stop + reach)):
        if not _load(words, U(z * size), masks, outside, here):
            continue
        low, high = 0, height
        while _empty(here, U(low * row + 1), row):
            low += 1
        while _empty(here, U((high - 1) * row + 1), row):
            high -= 1
        width = 0
        for i in range(ball.shape[0]):
            while width < ball[i, 2]:
                _along_x(here, masks, wider, _ONE)
                here, wider = wider, here
                width += 1
            target, down = z + ball[i, 0], ball[i, 1]
            first, end = max(low, -down), min(high, height - down)
            if start <= target < stop and first < end:
                at = U(target * size + (first + down) * row)
                _or(out, at, here, U(first * row + 1), (end - first) * row)
    if outside:
        for z in range(start, stop):
            for i in range(size):
                out[U(z * size + i)] = (out[U(z * size + i)] ^ turn) & masks[U(0), U(i)]


def _masks(width: int, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Return which bits of a plane's words are voxels, and which words have one before and one behind."""
    _, height, length = shape
    masks = np.full((3, height, length), 2**64 - 1, np.uint64)
    masks[0, :, -1] = last_word(width)
    masks[1, :, 0] = 0
    masks[2, :, -1] = 0
    return masks.reshape(3, -1)


def _run(words: Words, width: int, outside: bool, ball: NDArray[np.int64] | None) -> Words:
    words = np.require(words, np.uint64, ["C", "A"])
    planes, height, row = words.shape
    masks = _masks(width, words.shape)
    out = np.empty_like(words)
    flat, target = words.reshape(-1), out.reshape(-1)
    # Each slab goes over the planes around it again: few and thick ones where the ball is large.
    thick = -(-_SLAB_WORDS // (height * row)) if ball is None else 2 * int(ball[:, 0].max(initial=1)) + 1

    def run(start: int, stop: int) -> None:
        if ball is None:
            _spread(flat, masks, row, outside, target, start, stop)
        else:
            _spread_ball(flat, masks, row, ball, outside, target, start, stop)

    parallel.slabs(run, planes, rows=thick)
    return out


def near(words: Words, width: int) -> Words:
    """Return the voxels that are set or have a neighbour that is; outside the image nothing is set."""
    return _run(words, width, False, None)


def interior(words: Words, width: int) -> Words:
    """Return the voxels that are set and whose neighbours are; outside the image everything is set."""
    return _run(words, width, True, None)


def contour(words: Words, width: int) -> Words:
    """Return the voxels that are set and have a neighbour inside the image that is not."""
    edge: Words = words & ~interior(words, width)
    return edge


def dilate(words: Words, width: int, ball: NDArray[np.int64]) -> Words:
    """Return the voxels that a ball around some set voxel covers. The rows are from `balls.rows`."""
    if not len(ball):
        return np.zeros_like(words)
    return _run(words, width, False, ball)


def border(shape: tuple[int, int, int], dimension: int) -> Words:
    """Return the outermost voxels of an image: two sides in each of its dimensions."""
    z, y, x = shape
    out: Words = np.zeros((z, y, -(-x // 64)), np.uint64)
    full = np.full(out.shape[2], 2**64 - 1, np.uint64)
    full[-1] &= last_word(x)
    out[..., 0] |= _ONE
    out[..., -1] |= _ONE << np.uint64((x - 1) % 64)
    out[:, [0, -1]] = full
    if dimension == 3:
        out[[0, -1]] = full
    return out


def warm() -> None:
    """Run everything once, on a voxel."""
    one = np.ones((1, 1, 1), np.uint64)
    near(one, 1)
    dilate(one, 1, np.zeros((1, 3), np.int64))
