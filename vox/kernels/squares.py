"""Distances where all squares are small multiples of one number: exact, in 16 or 32 bits a voxel.

With the spacings that scanners write most, and always at 1 mm, squared distances are integers times a common
factor that float64 holds exactly. What `distance` computes in float64 is then the same in integers, of which
one instruction handles four or two times as many. Sums saturate: a result that is not the largest number is
right, and one that is has to be computed in a wider type.

A tile is one word: 64 columns, a few vectors. Along x distances come from the bits; along y and z each line
is lowered by the others at their costs, nearest first, until the next cost alone is no less than any value
reached.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import parallel
from vox.kernels.bits import Words
from vox.kernels.jit import OPTIONS, add_saturating, array, larger, njit, smaller, trailing_zeros, types, view

U = np.uint64
_ZERO, _ONE, _TILE = U(0), U(1), U(64)
_U64, _I64 = types.uint64, types.int64
_KINDS = (types.uint16, types.uint32)


def unit(spacing: tuple[float, ...], lengths: tuple[int, ...]) -> tuple[float, tuple[int, ...]] | None:
    """Return what all squared distances are multiples of, and of how many each axis' first one is.

    None if float64 rounds any of them, or any sum of them.
    """
    squares = [Fraction(step) ** 2 for step in spacing]
    common = math.lcm(*(square.denominator for square in squares))
    whole = [int(square * common) for square in squares]
    if sum(w * (n - 1) ** 2 for w, n in zip(whole, lengths, strict=True)) >= 2**53:
        return None
    shared = math.gcd(*whole)
    return float(Fraction(shared, common)), tuple(w // shared for w in whole)


@njit(**OPTIONS)
def _along_x(words: Any, at: Any, count: Any, squares: Any, out: Any, to: Any) -> Any:
    """Write squared distances to the nearest set bit of a row; whether there is one."""
    last = np.int64(-1)
    for w in range(count):
        word = words[at + U(w)]
        while word != _ZERO:
            here = 64 * w + np.int64(trailing_zeros(word))
            word &= word - _ONE
            begin = np.int64(0)
            if last >= 0:
                # Halfway between two set bits the nearer one changes.
                begin = (last + here) // 2 + 1
                for x in range(last + 1, begin):
                    out[to + U(x)] = squares[U(x - last)]
            for x in range(begin, here + 1):
                out[to + U(x)] = squares[U(here - x)]
            last = here
    if last >= 0:
        for x in range(last + 1, 64 * count):
            out[to + U(x)] = squares[U(x - last)]
    return last >= 0


@njit(**OPTIONS)
def _highest(line: Any, at: Any, halves: Any) -> Any:
    """Return the largest of 64 numbers. In halves: the compiler makes no vectors of a plain search."""
    for i in range(32):
        halves[U(i)] = larger(line[at + U(i)], line[at + U(i + 32)])
    for i in range(16):
        halves[U(i + 32)] = larger(halves[U(i)], halves[U(i + 16)])
    top = halves[U(32)]
    for i in range(33, 48):
        top = larger(top, halves[U(i)])
    return top


@njit(**OPTIONS)
def _lower(
    out: Any, to: Any, at: Any, lines: Any, a: Any, b: Any, c: Any, d: Any, near: Any, far: Any
) -> None:
    """Write the minimum of a line, of two others at one cost, and of two more at another."""
    for i in range(64):
        first = add_saturating(smaller(lines[a + U(i)], lines[b + U(i)]), near)
        second = add_saturating(smaller(lines[c + U(i)], lines[d + U(i)]), far)
        out[to + U(i)] = smaller(out[at + U(i)], smaller(first, second))


@njit(**OPTIONS)
def _minimum(lines: Any, number: Any, low: Any, high: Any, reach: Any, squares: Any, out: Any) -> Any:
    """Find min over i of lines[i] + squares[|i - number|], low <= i <= high; return where in `out` it is.

    One line more than there are, number `high + 1`, has nowhere a bit. Steps beyond `reach` lower nothing.
    """
    none = U(high + 1) * _TILE
    here = U(number) * _TILE if low <= number <= high else none
    for i in range(64):
        out[U(i)] = lines[here + U(i)]
    at = _ZERO
    last = min(reach, max(number - low, high - number))
    step = max(1, low - number, number - high)
    while step <= last:
        down, up = number - step, number + step
        a = U(down) * _TILE if low <= down <= high else none
        b = U(up) * _TILE if low <= up <= high else none
        c = U(down - 1) * _TILE if low <= down - 1 <= high else none
        d = U(up + 1) * _TILE if low <= up + 1 <= high else none
        _lower(out, _TILE - at, at, lines, a, b, c, d, squares[U(step)], squares[U(step + 1)])
        at = _TILE - at
        step += 2
    return at


@njit(**OPTIONS)
def _reach(squares: Any, top: Any, reach: Any) -> Any:
    """Return how far lines may lower the next one, when the highest of this one is `top`.

    From one line to the next a distance grows by one step at most.
    """
    near = max(reach - 1, 0)
    while squares[U(near)] < top:
        near += 1
    while near > 0 and squares[U(near - 1)] >= top:
        near -= 1
    return near


@njit(
    [
        types.void(
            view(_U64, 3), view(kind, 1), view(kind, 1), array(kind, 1), array(types.uint8, 1), _I64, _I64
        )
        for kind in _KINDS
    ],
    **OPTIONS,
)
def _planes(words: Any, along: Any, down: Any, out: Any, filled: Any, start: Any, stop: Any) -> None:
    """Write squared distances within planes; `filled` says which planes have any bit."""
    _, height, count = words.shape
    most = along[along.size - 1]
    flat = words.reshape(words.size)
    rows = np.empty(height * count * 64, out.dtype)
    lines = np.empty((height + 1) * 64, out.dtype)
    buffer, halves = np.empty(128, out.dtype), np.empty(64, out.dtype)
    for z in range(start, stop):
        low, high = height, -1
        for y in range(height):
            row = U(z * height + y) * U(count)
            if _along_x(flat, row, count, along, rows, U(y * count) * _TILE):
                low, high = min(low, y), y
            else:
                for i in range(64 * count):
                    rows[U(y * count) * _TILE + U(i)] = most
        filled[U(z)] = high >= 0
        if high < 0:
            for i in range(height * count * 64):
                out[U(z * height * count * 64 + i)] = most
            continue
        for w in range(count):
            for y in range(low, high + 1):
                for i in range(64):
                    lines[U(y) * _TILE + U(i)] = rows[U(y * count + w) * _TILE + U(i)]
            for i in range(64):
                lines[U(high + 1) * _TILE + U(i)] = most
            reach = height
            for y in range(height):
                at = _minimum(lines, y, low, high, reach, down, buffer)
                reach = 1 + _reach(down, _highest(buffer, at, halves), reach)
                to = U((z * height + y) * count + w) * _TILE
                for i in range(64):
                    out[to + U(i)] = buffer[at + U(i)]


@njit(
    [
        types.void(
            view(kind, 1),
            view(types.uint8, 1),
            view(kind, 1),
            types.float64,
            types.boolean,
            view(_U64, 3),
            array(types.float32, 3),
            array(types.uint8, 1),
            _I64,
            _I64,
        )
        for kind in _KINDS
    ],
    **OPTIONS,
)
def _columns(
    planes: Any,
    filled: Any,
    squares: Any,
    scale: Any,
    single: Any,
    words: Any,
    out: Any,
    wrong: Any,
    start: Any,
    stop: Any,
) -> None:
    """Write signed distances of the rows start..stop of all planes; mark rows that saturated in `wrong`."""
    depth, height, count = words.shape
    width = out.shape[2]
    most = squares[squares.size - 1]
    lines = np.empty((depth + 1) * 64, planes.dtype)
    buffer, halves = np.empty(128, planes.dtype), np.empty(64, planes.dtype)
    roots = np.empty(64, np.float32)
    factor = np.float32(scale)
    low, high = depth, -1
    for z in range(depth):
        if filled[z]:
            low, high = min(low, z), z
    for y in range(start, stop):
        for w in range(count):
            for z in range(low, high + 1):
                for i in range(64):
                    lines[U(z) * _TILE + U(i)] = planes[U((z * height + y) * count + w) * _TILE + U(i)]
            for i in range(64):
                lines[U(high + 1) * _TILE + U(i)] = most
            length = min(64, width - 64 * w)
            reach = depth
            for z in range(depth):
                at = _minimum(lines, z, low, high, reach, squares, buffer)
                top = _highest(buffer, at, halves)
                reach = 1 + _reach(squares, top, reach)
                word = words[U(z), U(y), U(w)]
                if top == most:
                    for i in range(length):
                        if buffer[at + U(i)] == most:
                            wrong[U(y)] = 1
                if single:
                    for i in range(64):
                        sign = np.float32(1 - 2 * np.int32((word >> U(i)) & _ONE))
                        roots[U(i)] = sign * np.sqrt(np.float32(buffer[at + U(i)]) * factor)
                else:
                    for i in range(64):
                        sign = np.float32(1 - 2 * np.int32((word >> U(i)) & _ONE))
                        roots[U(i)] = sign * np.float32(np.sqrt(np.float64(buffer[at + U(i)]) * scale))
                for i in range(length):
                    out[U(z), U(y), U(64 * w + i)] = roots[U(i)]


def signed(
    words: Words, edge: Words, width: int, scale: float, multiples: tuple[int, ...]
) -> NDArray[np.float32] | None:
    """Return signed distances to `edge`, which is not empty; None if they do not fit into 32 bits."""
    depth, height, count = words.shape
    lengths = 64 * count, height, depth
    reach = sum(m * (n - 1) ** 2 for m, n in zip(multiples, lengths, strict=True))
    if (reach < 2**16 - 1 or len(set(multiples)) == 1) and (
        found := _try(np.uint16, words, edge, width, scale, multiples)
    ) is not None:
        return found
    return _try(np.uint32, words, edge, width, scale, multiples) if reach < 2**32 - 1 else None


def _try(
    kind: Any, words: Words, edge: Words, width: int, scale: float, multiples: tuple[int, ...]
) -> NDArray[np.float32] | None:
    depth, height, count = words.shape
    most = np.iinfo(kind).max
    # Steps go in twos, one beyond the last line; the last entry is the largest number.
    x, y, z = (
        np.append(np.minimum(m * np.arange(n + 2, dtype=np.int64) ** 2, most), most).astype(kind)
        for m, n in zip(multiples, (64 * count, height, depth), strict=True)
    )
    squared = np.empty(words.size * 64, kind)
    filled, wrong = np.zeros(depth, np.uint8), np.zeros(height, np.uint8)
    # A root of a float64 rounded to float32 is the root of a float32, when that is exact.
    single = most * scale == np.float32(most * scale) and _bits(scale) + most.bit_length() <= 24
    out = np.empty((depth, height, width), np.float32)
    parallel.slabs(lambda start, stop: _planes(edge, x, y, squared, filled, start, stop), depth)
    parallel.slabs(
        lambda start, stop: _columns(squared, filled, z, scale, single, words, out, wrong, start, stop),
        height,
    )
    return None if wrong.any() else out


def _bits(number: float) -> int:
    """Return how many binary digits a number has from its first to its last one."""
    return number.as_integer_ratio()[0].bit_length()


def warm() -> None:
    """Run everything once, on two voxels."""
    one = np.ones((1, 1, 1), np.uint64)
    signed(one, one, 2, 1.0, (1, 1, 1))
    signed(one, one, 2, 1.0, (1, 1, 2))
