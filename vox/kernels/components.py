"""Connected components of masks: runs along x, joined by union-find.

A row of words is cut into runs of set voxels; runs of adjacent rows that touch, diagonals included, become
one set. The cost follows the number of runs, not of voxels. Runs are numbered in raster order and the root
of a set is its first run, so components are numbered by their first voxel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vox.kernels.bits import Words
from vox.kernels.jit import OPTIONS, array, njit, trailing_zeros, types, view

_ZERO, _ONE, _FULL = np.uint64(0), np.uint64(1), np.uint64(2**64 - 1)
_W3, _I32, _I64 = view(types.uint64, 3), types.int32, types.int64

# With more runs than one in so many words, rows are joined in fours: measured.
_WORDS_PER_RUN = 1


class Runs(NamedTuple):
    """The runs of a mask: run i is the voxels [starts[i], ends[i]) of its row.

    Row r = z * ny + y has the runs [rows[r], rows[r + 1]); `roots[i]` is the first run of i's component.
    """

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    rows: NDArray[np.int64]
    roots: NDArray[np.int64]


@njit(types.int64(_W3), **OPTIONS)
def _count_runs(words: Any) -> Any:
    found = 0
    for z in range(words.shape[0]):
        for y in range(words.shape[1]):
            before = _ZERO
            for w in range(words.shape[2]):
                word = words[z, y, w]
                begins = word & ~((word << _ONE) | before)
                while begins != _ZERO:
                    begins &= begins - _ONE
                    found += 1
                before = word >> np.uint64(63)
    return found


@njit(types.void(_W3, array(_I32, 1), array(_I32, 1), array(_I64, 1)), **OPTIONS)
def _find_runs(words: Any, starts: Any, ends: Any, rows: Any) -> None:
    planes, height, length = words.shape
    run = 0
    for z in range(planes):
        for y in range(height):
            rows[z * height + y] = run
            before = _ZERO
            inside = False
            for w in range(length):
                word = words[z, y, w]
                # Bits that differ from the bit to their left: where runs begin and end, in turn.
                edges = word ^ ((word << _ONE) | before)
                before = word >> np.uint64(63)
                while edges != _ZERO:
                    at = 64 * w + np.int64(trailing_zeros(edges))
                    edges &= edges - _ONE
                    if inside:
                        ends[run] = at
                        run += 1
                    else:
                        starts[run] = at
                    inside = not inside
            if inside:
                ends[run] = 64 * length
                run += 1
    rows[planes * height] = run


@njit(**OPTIONS)
def _root(roots: Any, run: Any) -> Any:
    while roots[run] != run:
        roots[run] = roots[roots[run]]
        run = roots[run]
    return run


@njit(**OPTIONS)
def _join_rows(starts: Any, ends: Any, roots: Any, i: Any, i_end: Any, j: Any, j_end: Any) -> None:
    """Join the runs of two adjacent rows that overlap or touch at a corner."""
    while i < i_end and j < j_end:
        if starts[i] <= ends[j] and starts[j] <= ends[i]:
            a = _root(roots, i)
            b = _root(roots, j)
            if a < b:
                roots[b] = a
            elif b < a:
                roots[a] = b
        if ends[i] < ends[j]:
            i += 1
        else:
            j += 1


@njit(types.void(array(_I32, 1), array(_I32, 1), array(_I64, 1), array(_I64, 1), _I64, _I64), **OPTIONS)
def _join(starts: Any, ends: Any, rows: Any, roots: Any, planes: Any, height: Any) -> None:
    for z in range(planes):
        for y in range(height):
            row = z * height + y
            begin = rows[row]
            end = rows[row + 1]
            for run in range(begin, end):
                roots[run] = run
            if begin == end:
                continue
            if y > 0:
                _join_rows(starts, ends, roots, begin, end, rows[row - 1], rows[row])
            if z > 0:
                below = row - height
                for other in range(below - (y > 0), below + 1 + (y + 1 < height)):
                    _join_rows(starts, ends, roots, begin, end, rows[other], rows[other + 1])
    for run in range(rows[planes * height]):
        roots[run] = _root(roots, run)


@njit(**OPTIONS)
def _part(w: Any, first: Any, last: Any) -> Any:
    """Return the bits of word `w` that belong to voxels first..last."""
    part = _FULL
    if w == first >> 6:
        part &= _FULL << np.uint64(first & 63)
    if w == last >> 6:
        part &= _FULL >> np.uint64(63 - (last & 63))
    return part


@njit(
    types.void(_W3, view(_I32, 1), view(_I32, 1), view(_I64, 1), view(_I64, 1), array(types.uint8, 1)),
    **OPTIONS,
)
def _mark_met(words: Any, starts: Any, ends: Any, rows: Any, roots: Any, marks: Any) -> None:
    """Mark the roots of the components that share a voxel with `words`."""
    height = words.shape[1]
    for row in range(rows.size - 1):
        z = row // height
        y = row - z * height
        for run in range(rows[row], rows[row + 1]):
            root = roots[run]
            if marks[root]:
                continue
            first = np.int64(starts[run])
            last = np.int64(ends[run]) - 1
            for w in range(first >> 6, (last >> 6) + 1):
                if words[z, y, w] & _part(w, first, last):
                    marks[root] = 1
                    break


@njit(
    types.void(
        view(_I32, 1),
        view(_I32, 1),
        view(_I64, 1),
        view(_I64, 1),
        view(types.uint8, 1),
        array(types.uint64, 3),
    ),
    **OPTIONS,
)
def _paint_marked(starts: Any, ends: Any, rows: Any, roots: Any, marks: Any, out: Any) -> None:
    """Set the voxels of marked components in words that are zero."""
    height = out.shape[1]
    for row in range(rows.size - 1):
        z = row // height
        y = row - z * height
        for run in range(rows[row], rows[row + 1]):
            if marks[roots[run]]:
                first = np.int64(starts[run])
                last = np.int64(ends[run]) - 1
                for w in range(first >> 6, (last >> 6) + 1):
                    out[z, y, w] |= _part(w, first, last)


@njit(
    types.void(view(_I32, 1), view(_I32, 1), view(_I64, 1), view(_I64, 1), array(types.float32, 3)),
    **OPTIONS,
)
def _paint_numbers(starts: Any, ends: Any, rows: Any, numbers: Any, out: Any) -> None:
    height = out.shape[1]
    for row in range(rows.size - 1):
        z = row // height
        y = row - z * height
        for run in range(rows[row], rows[row + 1]):
            number = np.float32(numbers[run])
            for x in range(starts[run], ends[run]):
                out[z, y, x] = number


def runs(words: Words) -> Runs:
    """Return the runs of a mask and their components: 26-connected, 8-connected in one plane."""
    words = np.require(words, np.uint64, ["C", "A"])
    planes, height, _ = words.shape
    count = int(_count_runs(words))
    starts, ends = np.empty(count, np.int32), np.empty(count, np.int32)
    rows, roots = np.empty(planes * height + 1, np.int64), np.empty(count, np.int64)
    _find_runs(words, starts, ends, rows)
    _join(starts, ends, rows, roots, planes, height)
    return Runs(starts, ends, rows, roots)


def _scattered(words: Words) -> bool:
    """Whether a mask is in so many pieces that strips are the cheaper way."""
    return int(_count_runs(np.require(words, np.uint64, ["C", "A"]))) > words.size / _WORDS_PER_RUN


def through(seeds: Words, words: Words) -> Words:
    """Return the components of `words` that hold a voxel of `seeds`."""
    if _scattered(words):
        from vox.kernels import strips

        return strips.through(seeds, words)
    found = runs(words)
    marks = np.zeros(len(found.starts), np.uint8)
    _mark_met(np.require(seeds, np.uint64, ["C", "A"]), *found, marks)
    return _paint(found, marks, words.shape)


def largest(words: Words) -> Words:
    """Return the component with most voxels; all of them where several are as large."""
    if _scattered(words):
        from vox.kernels import strips

        return strips.largest(words)
    found = runs(words)
    # Sums of whole numbers: exact in float64.
    sizes = np.bincount(found.roots, weights=found.ends - found.starts, minlength=len(found.roots))
    marks = (sizes == sizes.max(initial=1)).astype(np.uint8)
    return _paint(found, marks, words.shape)


def labels(words: Words, width: int) -> NDArray[np.float32]:
    """Return 1..k on the components, in raster order of their first voxels, and 0 elsewhere."""
    found = runs(words)
    first = found.roots == np.arange(len(found.roots))
    numbers = np.cumsum(first)[found.roots]
    out = np.zeros((*words.shape[:2], width), np.float32)
    _paint_numbers(found.starts, found.ends, found.rows, numbers.astype(np.int64), out)
    return out


def warm() -> None:
    """Run everything once, on a voxel."""
    one = np.ones((1, 1, 1), np.uint64)
    through(one, one)
    labels(one, 1)


def _paint(found: Runs, marks: NDArray[np.uint8], shape: tuple[int, ...]) -> Words:
    out = np.zeros(shape, np.uint64)
    _paint_marked(*found, marks, out)
    return out
