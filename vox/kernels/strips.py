"""Connected components in strips: four rows at once, two by two along y and z.

All set voxels of a strip that lie in columns side by side are neighbours, wherever in the strip they are. So
the runs of the four rows or-ed together are the strip's own components, far fewer than those of single rows
where a mask is noise. Strips are joined where the rows that face each other touch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels.bits import Words
from vox.kernels.jit import OPTIONS, array, njit, ones, trailing_zeros, types, view

U = np.uint64
_ZERO, _ONE, _FULL = U(0), U(1), U(2**64 - 1)
_U64, _I32, _I64 = types.uint64, types.int32, types.int64
_W3, _RUNS, _ROOTS = view(_U64, 3), view(_I32, 1), view(_I32, 1)


@njit(**OPTIONS)
def _gather(words: Any, z0: Any, z1: Any, y0: Any, y1: Any, row: Any) -> None:
    """Or some rows together, those that there are."""
    for w in range(row.size):
        row[U(w)] = _ZERO
    for z in range(max(z0, 0), min(z1, words.shape[0])):
        for y in range(max(y0, 0), min(y1, words.shape[1])):
            for w in range(row.size):
                row[U(w)] |= words[U(z), U(y), U(w)]


@njit(**OPTIONS)
def _extract(row: Any, starts: Any, ends: Any, at: Any) -> Any:
    """Write the runs of a row from `at` on; return where they end."""
    before = _ZERO
    inside = False
    for w in range(row.size):
        word = row[U(w)]
        # Bits that differ from the bit to their left: where runs begin and end, in turn.
        edges = word ^ ((word << _ONE) | before)
        before = word >> U(63)
        while edges != _ZERO:
            place = 64 * w + np.int64(trailing_zeros(edges))
            edges &= edges - _ONE
            if inside:
                ends[U(at)] = place
                at += 1
            else:
                starts[U(at)] = place
            inside = not inside
    if inside:
        ends[U(at)] = 64 * row.size
        at += 1
    return at


@njit(types.int64(_W3), **OPTIONS)
def _count(words: Any) -> Any:
    row = np.empty(words.shape[2], np.uint64)
    found = 0
    for z in range(0, words.shape[0], 2):
        for y in range(0, words.shape[1], 2):
            _gather(words, z, z + 2, y, y + 2, row)
            before = _ZERO
            for w in range(row.size):
                begins = row[U(w)] & ~((row[U(w)] << _ONE) | before)
                before = row[U(w)] >> U(63)
                while begins != _ZERO:
                    begins &= begins - _ONE
                    found += 1
    return found


@njit(**OPTIONS)
def _root(roots: Any, run: Any) -> Any:
    while roots[U(run)] != run:
        roots[U(run)] = roots[U(roots[U(run)])]
        run = np.int64(roots[U(run)])
    return run


@njit(**OPTIONS)
def _join(ends: Any, roots: Any, a: Any, b: Any, mine: Any, theirs: Any, spans: Any) -> None:
    """Join the runs from `a` on with those from `b` on where two facing rows overlap or touch at a corner."""
    count = _extract(mine, spans[0], spans[1], 0)
    other = _extract(theirs, spans[2], spans[3], 0)
    i = j = 0
    while i < count and j < other:
        if spans[0, i] <= spans[3, j] and spans[2, j] <= spans[1, i]:
            while ends[U(a)] < spans[1, i]:
                a += 1
            while ends[U(b)] < spans[3, j]:
                b += 1
            first, second = _root(roots, a), _root(roots, b)
            if first < second:
                roots[U(second)] = first
            elif second < first:
                roots[U(first)] = second
        if spans[1, i] < spans[3, j]:
            i += 1
        else:
            j += 1


@njit(types.void(_W3, array(_I32, 1), array(_I32, 1), array(_I64, 1), array(_I32, 1)), **OPTIONS)
def _connect(words: Any, starts: Any, ends: Any, firsts: Any, roots: Any) -> None:
    """Find the runs of all strips, and the first run of each one's component."""
    depth, height, length = words.shape
    across = (height + 1) // 2
    mine, theirs = np.empty(length, np.uint64), np.empty(length, np.uint64)
    spans = np.empty((4, 32 * length + 1), np.int32)
    at = 0
    for z in range(0, depth, 2):
        for y in range(0, height, 2):
            strip = (z // 2) * across + y // 2
            firsts[strip] = at
            _gather(words, z, z + 2, y, y + 2, mine)
            begin, at = at, _extract(mine, starts, ends, at)
            firsts[strip + 1] = at
            for run in range(begin, at):
                roots[U(run)] = run
            if begin == at:
                continue
            if y > 0 and firsts[strip - 1] < begin:
                _gather(words, z, z + 2, y, y + 1, mine)
                _gather(words, z, z + 2, y - 1, y, theirs)
                _join(ends, roots, begin, firsts[strip - 1], mine, theirs, spans)
            if z == 0:
                continue
            below = strip - across
            _gather(words, z, z + 1, y, y + 2, mine)
            _gather(words, z - 1, z, y, y + 2, theirs)
            _join(ends, roots, begin, firsts[below], mine, theirs, spans)
            if y > 0:
                _gather(words, z, z + 1, y, y + 1, mine)
                _gather(words, z - 1, z, y - 1, y, theirs)
                _join(ends, roots, begin, firsts[below - 1], mine, theirs, spans)
            if y + 2 < height:
                _gather(words, z, z + 1, y + 1, y + 2, mine)
                _gather(words, z - 1, z, y + 2, y + 3, theirs)
                _join(ends, roots, begin, firsts[below + 1], mine, theirs, spans)
    for run in range(at):
        roots[U(run)] = _root(roots, run)


@njit(**OPTIONS)
def _part(w: Any, first: Any, last: Any) -> Any:
    """Return the bits of word `w` that belong to columns first..last."""
    part = _FULL
    if w == first >> 6:
        part &= _FULL << U(first & 63)
    if w == last >> 6:
        part &= _FULL >> U(63 - (last & 63))
    return part


@njit(types.void(_W3, _W3, _RUNS, _RUNS, view(_I64, 1), _ROOTS, array(_I64, 1)), **OPTIONS)
def _measure(words: Any, seeds: Any, starts: Any, ends: Any, firsts: Any, roots: Any, sizes: Any) -> None:
    """Add to each component's root how many of its voxels are in `seeds`."""
    depth, height, _ = words.shape
    across = (height + 1) // 2
    for strip in range(firsts.size - 1):
        z, y = 2 * (strip // across), 2 * (strip % across)
        for run in range(firsts[strip], firsts[strip + 1]):
            first, last = np.int64(starts[U(run)]), np.int64(ends[U(run)]) - 1
            total = np.int64(0)
            for w in range(first >> 6, (last >> 6) + 1):
                part = _part(w, first, last)
                for plane in range(z, min(z + 2, depth)):
                    for row in range(y, min(y + 2, height)):
                        both = words[U(plane), U(row), U(w)] & seeds[U(plane), U(row), U(w)] & part
                        total += np.int64(ones(both))
            sizes[U(roots[U(run)])] += total


@njit(types.void(_W3, _RUNS, _RUNS, view(_I64, 1), _ROOTS, view(types.boolean, 1), array(_U64, 3)), **OPTIONS)
def _paint(words: Any, starts: Any, ends: Any, firsts: Any, roots: Any, marks: Any, out: Any) -> None:
    """Set the voxels of marked components in words that are zero."""
    depth, height, _ = words.shape
    across = (height + 1) // 2
    for strip in range(firsts.size - 1):
        z, y = 2 * (strip // across), 2 * (strip % across)
        for run in range(firsts[strip], firsts[strip + 1]):
            if not marks[U(roots[U(run)])]:
                continue
            first, last = np.int64(starts[U(run)]), np.int64(ends[U(run)]) - 1
            for w in range(first >> 6, (last >> 6) + 1):
                part = _part(w, first, last)
                for plane in range(z, min(z + 2, depth)):
                    for row in range(y, min(y + 2, height)):
                        out[U(plane), U(row), U(w)] |= words[U(plane), U(row), U(w)] & part


def _components(words: Words) -> tuple[NDArray[Any], ...]:
    depth, height, _ = words.shape
    count = int(_count(words))
    starts, ends, roots = (np.empty(count, np.int32) for _ in range(3))
    firsts = np.zeros(((depth + 1) // 2) * ((height + 1) // 2) + 1, np.int64)
    _connect(words, starts, ends, firsts, roots)
    return starts, ends, firsts, roots


def through(seeds: Words, words: Words) -> Words:
    """Return the components of `words` that hold a voxel of `seeds`."""
    words, seeds = (np.require(w, np.uint64, ["C", "A"]) for w in (words, seeds))
    found = _components(words)
    sizes = np.zeros(len(found[0]), np.int64)
    _measure(words, seeds, *found, sizes)
    out = np.zeros(words.shape, np.uint64)
    _paint(words, *found, sizes > 0, out)
    return out


def largest(words: Words) -> Words:
    """Return the component with most voxels; all of them where several are as large."""
    words = np.require(words, np.uint64, ["C", "A"])
    found = _components(words)
    sizes = np.zeros(len(found[0]), np.int64)
    _measure(words, words, *found, sizes)
    out = np.zeros(words.shape, np.uint64)
    _paint(words, *found, sizes == sizes.max(initial=1), out)
    return out


def warm() -> None:
    """Run everything once, on a voxel."""
    one = np.ones((1, 1, 1), np.uint64)
    through(one, one)
