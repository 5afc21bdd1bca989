"""How often each value occurs inside a mask, and tables applied to voxels: for ranks and Otsu's method."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, parallel
from vox.kernels.jit import OPTIONS, array, njit, trailing_zeros, types, view

U = np.uint64
_ZERO, _ONE = U(0), U(1)
_U64, _I64, _F32 = types.uint64, types.int64, types.float32
_NARROW = (types.uint8, types.uint16)


@njit(
    [types.void(view(kind, 1), view(_U64, 2), _I64, array(_I64, 1), _I64, _I64) for kind in _NARROW],
    **OPTIONS,
)
def _count(voxels: Any, words: Any, width: Any, counts: Any, start: Any, stop: Any) -> None:
    """Count the values of a mask's voxels in rows start..stop."""
    for row in range(start, stop):
        for w in range(words.shape[1]):
            word = words[U(row), U(w)]
            at = U(row * width + 64 * w)
            while word != _ZERO:
                counts[U(voxels[at + trailing_zeros(word)])] += 1
                word &= word - _ONE


@njit(
    [
        types.void(view(kind, 1), view(_U64, 2), view(_F32, 1), _F32, _I64, array(_F32, 1), _I64, _I64)
        for kind in _NARROW
    ],
    **OPTIONS,
)
def _look_up(
    voxels: Any, words: Any, table: Any, outside: Any, width: Any, out: Any, start: Any, stop: Any
) -> None:
    """Write the table's entry for each voxel of a mask, and `outside` for the others."""
    for row in range(start, stop):
        for w in range(words.shape[1]):
            word = words[U(row), U(w)]
            at = U(row * width + 64 * w)
            for i in range(min(64, width - 64 * w)):
                out[at + U(i)] = outside
            while word != _ZERO:
                here = at + trailing_zeros(word)
                out[here] = table[U(voxels[here])]
                word &= word - _ONE


@njit(
    [
        types.void(view(kind, 1), view(_U64, 2), view(types.boolean, 1), _I64, array(_U64, 2), _I64, _I64)
        for kind in _NARROW
    ],
    **OPTIONS,
)
def _choose(voxels: Any, words: Any, table: Any, width: Any, out: Any, start: Any, stop: Any) -> None:
    """Write the voxels of a mask whose entry in the table is true."""
    for row in range(start, stop):
        for w in range(words.shape[1]):
            word = words[U(row), U(w)]
            at = U(row * width + 64 * w)
            kept = _ZERO
            while word != _ZERO:
                place = trailing_zeros(word)
                word &= word - _ONE
                if table[U(voxels[at + place])]:
                    kept |= _ONE << place
            out[U(row), U(w)] = kept


@njit(types.void(view(_F32, 1), view(_U64, 2), _I64, array(_F32, 1), array(_I64, 1), _I64, _I64), **OPTIONS)
def _gather(voxels: Any, words: Any, width: Any, values: Any, firsts: Any, start: Any, stop: Any) -> None:
    """Write the values of a mask's voxels from `firsts[row]` on; row by row, in raster order."""
    for row in range(start, stop):
        to = U(firsts[row])
        for w in range(words.shape[1]):
            word = words[U(row), U(w)]
            at = U(row * width + 64 * w)
            while word != _ZERO:
                values[to] = voxels[at + trailing_zeros(word)]
                to += _ONE
                word &= word - _ONE


def _flat(voxels: NDArray[Any]) -> NDArray[Any]:
    flat = np.require(voxels, None, ["C", "A"]).reshape(-1)
    return flat.view(f"u{voxels.itemsize}") if voxels.dtype.kind == "i" else flat


def _rows(words: bits.Words) -> bits.Words:
    return np.require(words, np.uint64, ["C", "A"]).reshape(-1, words.shape[-1])


def occurrences(voxels: NDArray[Any], words: bits.Words) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return every value that a narrow integer type has, in ascending order, and how often each occurs."""
    depth, height, width = voxels.shape
    flat, rows = _flat(voxels), _rows(words)
    size = 256**voxels.itemsize
    partial: list[NDArray[np.int64]] = []
    lock = threading.Lock()

    def run(start: int, stop: int) -> None:
        counts = np.zeros(size, np.int64)
        _count(flat, rows, width, counts, start * height, stop * height)
        with lock:
            partial.append(counts)

    # Each slab has a table of its own: few and thick ones.
    parallel.slabs(run, depth, rows=-(-depth // (2 * parallel.threads())))
    counts = np.sum(partial, axis=0)
    limits = np.iinfo(voxels.dtype)
    values = np.arange(limits.min, limits.max + 1)
    return values, np.roll(counts, -int(limits.min))


def looked_up(
    voxels: NDArray[Any], words: bits.Words, table: NDArray[np.float32], outside: np.float32
) -> NDArray[np.float32]:
    """Return a table's entries, in the order of `occurrences`, for the voxels of a mask."""
    depth, height, width = voxels.shape
    flat, rows = _flat(voxels), _rows(words)
    turned = np.roll(table, int(np.iinfo(voxels.dtype).min))
    out = np.empty(voxels.shape, np.float32)
    target = out.reshape(-1)
    parallel.slabs(
        lambda start, stop: _look_up(
            flat, rows, turned, outside, width, target, start * height, stop * height
        ),
        depth,
    )
    return out


def chosen(voxels: NDArray[Any], words: bits.Words, table: NDArray[np.bool_]) -> bits.Words:
    """Return the voxels of a mask whose value's entry, in the order of `occurrences`, is true."""
    depth, height, width = voxels.shape
    flat, rows = _flat(voxels), _rows(words)
    turned = np.roll(table, int(np.iinfo(voxels.dtype).min))
    out = np.empty(words.shape, np.uint64)
    target = out.reshape(rows.shape)
    parallel.slabs(
        lambda start, stop: _choose(flat, rows, turned, width, target, start * height, stop * height), depth
    )
    return out


def gathered(voxels: NDArray[np.float32], words: bits.Words) -> NDArray[np.float32]:
    """Return the values of a mask's voxels in raster order."""
    depth, height, width = voxels.shape
    flat, rows = _flat(voxels), _rows(words)
    firsts = np.concatenate([[0], np.cumsum(np.bitwise_count(rows).sum(axis=1, dtype=np.int64))])
    values = np.empty(int(firsts[-1]), np.float32)
    parallel.slabs(
        lambda start, stop: _gather(flat, rows, width, values, firsts, start * height, stop * height), depth
    )
    return values


def warm() -> None:
    """Run everything once, on a voxel."""
    one = np.ones((1, 1, 1), np.uint64)
    for kind in (np.uint8, np.int16):
        _, counts = occurrences(np.zeros((1, 1, 1), kind), one)
        chosen(np.zeros((1, 1, 1), kind), one, counts > 0)
    gathered(np.zeros((1, 1, 1), np.float32), one)
