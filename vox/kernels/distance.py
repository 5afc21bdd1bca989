"""Exact Euclidean distances, separably: along x from the bits, then the minimum over y, then over z.

The squared distance to a voxel dx, dy, dz away is ((dx sx)^2 + (dy sy)^2) + (dz sz)^2 in float64, rounded in
this order. Rounding is monotone, so the minimum taken axis by axis is the minimum over all voxels to the
last bit: the result does not depend on the algorithm. Where nothing is rounded at all `squares` does the
same in integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import parallel, squares
from vox.kernels.bits import Words, unpack
from vox.kernels.jit import OPTIONS, array, njit, trailing_zeros, types, view
from vox.kernels.neighbours import contour

# What ITK gives when there is no contour to measure from.
NO_CONTOUR = np.float32(1.8446743e19)

# Lines are looked at in blocks of this many: fewer tests for far ones, few lines per test.
_BLOCK = 8

_ZERO, _ONE = np.uint64(0), np.uint64(1)
_F64, _I64 = types.float64, types.int64


@njit(**OPTIONS)
def _along_x(words: Any, squares: Any, out: Any) -> Any:
    """Write squared distances to the nearest set bit of a row; False if there is none."""
    last: Any = -1
    begin: Any
    width = out.size
    for w in range(words.size):
        word = words[w]
        while word != _ZERO:
            at = 64 * w + np.int64(trailing_zeros(word))
            word &= word - _ONE
            begin = 0
            if last >= 0:
                # Halfway between two set bits the nearer one changes.
                begin = (last + at) // 2 + 1
                for x in range(last + 1, begin):
                    out[x] = squares[x - last]
            for x in range(begin, at + 1):
                out[x] = squares[at - x]
            last = at
    if last < 0:
        for x in range(width):
            out[x] = np.inf
        return False
    for x in range(last + 1, width):
        out[x] = squares[x - last]
    return True


@njit(**OPTIONS)
def _lower(out: Any, line: Any, other: Any, cost: Any) -> None:
    """Write the minimum of a line and another line at a cost. Not in place: that defeats vectorising."""
    for x in range(out.size):
        there = other[x] + cost
        here = line[x]
        out[x] = there if there < here else here


@njit(**OPTIONS)
def _highest(line: Any) -> Any:
    # Floats that are not negative are ordered as their bits are; integers vectorise.
    bits = line.view(np.int64)
    top = bits[0]
    for x in range(bits.size):
        top = max(top, bits[x])
    return top


@njit(**OPTIONS)
def _may_lower(line: Any, floor: Any, cost: Any) -> Any:
    """Whether a block of lines that are nowhere below `floor`, at a cost, could lower a line."""
    if floor[0] == np.inf:
        return False
    found = False
    for x in range(line.size):
        found |= floor[x] + cost < line[x]
    return found


@njit(**OPTIONS)
def _floors(lines: Any, filled: Any, floors: Any) -> None:
    """Write the minimum of each block of lines."""
    for i in range(floors.shape[0]):
        for x in range(floors.shape[1]):
            floors[i, x] = np.inf
    for i in range(lines.shape[0]):
        if filled[i]:
            floor = floors[i // _BLOCK]
            line = lines[i]
            for x in range(line.size):
                floor[x] = line[x] if line[x] < floor[x] else floor[x]


@njit(**OPTIONS)
def _visit(
    lines: Any, filled: Any, at: Any, rows: Any, squares: Any, buffers: Any, current: Any, limit: Any
) -> Any:
    """Lower a line by those of some rows, nearest first; return the buffer that then holds it."""
    begin, end, step = rows
    for other in range(begin, end, step):
        cost = squares[abs(other - at)]
        if cost >= limit[0]:
            break
        if filled[other]:
            _lower(buffers[1 - current], buffers[current], lines[other], cost)
            current = 1 - current
    limit.view(np.int64)[0] = _highest(buffers[current])
    return current


@njit(**OPTIONS)
def _across(lines: Any, filled: Any, floors: Any, at: Any, squares: Any, buffers: Any, limit: Any) -> Any:
    """Return the buffer that holds min over i of lines[i] + squares[|i - at|].

    Blocks of lines are visited outwards from `at`. A side ends at the distance whose square alone is no less
    than any value reached; a block is passed over when even its minimum, at its nearest line, lowers nothing.
    Both leave out only what cannot change the minimum.
    """
    count = lines.shape[0]
    home = at // _BLOCK
    buffer, line = buffers[0], lines[at]
    for x in range(line.size):
        buffer[x] = line[x]
    limit[0] = np.inf
    if filled[at]:
        limit.view(np.int64)[0] = _highest(buffers[0])
    first = home * _BLOCK
    current = _visit(lines, filled, at, (at - 1, first - 1, -1), squares, buffers, 0, limit)
    last = min(count, first + _BLOCK)
    current = _visit(lines, filled, at, (at + 1, last, 1), squares, buffers, current, limit)
    down, up = home - 1, home + 1
    while down >= 0 or up < floors.shape[0]:
        if down >= 0:
            near = (down + 1) * _BLOCK - 1
            if squares[at - near] >= limit[0]:
                down = -1
            else:
                if _may_lower(buffers[current], floors[down], squares[at - near]):
                    rows = (near, near - _BLOCK, -1)
                    current = _visit(lines, filled, at, rows, squares, buffers, current, limit)
                down -= 1
        if up < floors.shape[0]:
            near = up * _BLOCK
            if squares[near - at] >= limit[0]:
                up = floors.shape[0]
            else:
                if _may_lower(buffers[current], floors[up], squares[near - at]):
                    rows = (near, min(count, near + _BLOCK), 1)
                    current = _visit(lines, filled, at, rows, squares, buffers, current, limit)
                up += 1
    return current


@njit(
    types.void(view(types.uint64, 3), view(_F64, 1), array(_F64, 3), array(types.uint8, 2), _I64, _I64),
    **OPTIONS,
)
def _rows(words: Any, squares: Any, out: Any, filled: Any, start: Any, stop: Any) -> None:
    """Write squared distances along the rows of some planes; `filled` says which rows have any bit."""
    for z in range(start, stop):
        for y in range(words.shape[1]):
            filled[z, y] = _along_x(words[z, y], squares, out[z, y])


@njit(types.void(types.Array(_F64, 3, "A"), view(types.uint8, 2), view(_F64, 1), _I64, _I64), **OPTIONS)
def _sweep(stacks: Any, filled: Any, squares: Any, start: Any, stop: Any) -> None:
    """Replace each line of stacks start..stop by its minimum with the others of its stack, at their costs."""
    count, width = stacks.shape[1], stacks.shape[2]
    lines = np.empty((count, width), np.float64)
    floors = np.empty(((count + _BLOCK - 1) // _BLOCK, width), np.float64)
    buffers = np.empty((2, width), np.float64)
    limit = np.empty(1, np.float64)
    for i in range(start, stop):
        some = False
        for at in range(count):
            some |= filled[i, at] != 0
            for x in range(width):
                lines[at, x] = stacks[i, at, x]
        if not some:
            continue
        _floors(lines, filled[i], floors)
        for at in range(count):
            line = buffers[_across(lines, filled[i], floors, at, squares, buffers, limit)]
            for x in range(width):
                stacks[i, at, x] = line[x]


def signed(words: Words, width: int, spacing: tuple[float, float, float]) -> NDArray[np.float32]:
    """Return each voxel's distance to the mask's contour: negative inside, -0.0 on the contour itself.

    The contour is what `neighbours.contour` says. Without one the result is `NO_CONTOUR` outside and its
    opposite inside.

    Parameters
    ----------
    spacing
        Millimetres between voxels along x, y, z.
    """
    words = np.require(words, np.uint64, ["C", "A"])
    planes, height, _ = words.shape
    edge = contour(words, width)
    if not edge.any():
        return np.full((planes, height, width), -NO_CONTOUR if words.any() else NO_CONTOUR, np.float32)
    exact = squares.unit(spacing, (64 * words.shape[2], height, planes))
    if exact is not None and (found := squares.signed(words, edge, width, *exact)) is not None:
        return found
    lengths = zip((width, height, planes), spacing, strict=True)
    x, y, z = ((np.arange(count) * float(step)) ** 2 for count, step in lengths)
    squared = np.empty((planes, height, width), np.float64)
    filled = np.empty((planes, height), np.uint8)
    parallel.slabs(lambda start, stop: _rows(edge, x, squared, filled, start, stop), planes)
    parallel.slabs(lambda start, stop: _sweep(squared, filled, y, start, stop), planes)
    upright = squared.transpose(1, 0, 2)
    whole = np.ascontiguousarray(np.broadcast_to(filled.any(axis=1), (height, planes)), dtype=np.uint8)
    parallel.slabs(lambda start, stop: _sweep(upright, whole, z, start, stop), height)
    return _signed_roots(squared, words)


def _signed_roots(squared: NDArray[np.float64], words: Words) -> NDArray[np.float32]:
    out = np.empty(squared.shape, np.float32)

    def run(start: int, stop: int) -> None:
        part = out[start:stop]
        part[...] = np.sqrt(squared[start:stop])
        np.negative(part, out=part, where=unpack(words[start:stop], squared.shape[2]))

    parallel.slabs(run, len(out))
    return out


def warm() -> None:
    """Run everything once, on two voxels."""
    signed(np.ones((1, 1, 1), np.uint64), 2, (0.7, 1.0, 1.0))
    squares.warm()
