"""Numbers out of images: extremes, means, Otsu's threshold.

Sums run in one fixed order, so they are the same for any thread count, processor and numpy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import bits, compare, counting, parallel

Voxels = NDArray[Any]


def extremes(voxels: Voxels) -> tuple[float, float]:
    """Return the smallest and the largest value that is a number; NaN when none is."""
    ends: list[tuple[float, float]] = []

    def run(start: int, stop: int) -> None:
        part = voxels[start:stop]
        ends.append((float(np.min(part)), float(np.max(part))))

    parallel.slabs(run, len(voxels), rows=8)
    lows, highs = zip(*ends, strict=True)
    if any(map(math.isnan, lows + highs)):
        return float(np.fmin.reduce(voxels, axis=None)), float(np.fmax.reduce(voxels, axis=None))
    return min(lows), max(highs)


def mean(voxels: Voxels, words: bits.Words) -> float:
    """Return the float64 mean of an image over a mask that is not empty.

    Values are added one after the other within a plane, then plane by plane.
    """
    total, count = 0.0, 0
    for plane, row in zip(voxels, words, strict=True):
        chosen = plane[bits.unpack(row[None], plane.shape[-1])[0]]
        if len(chosen):
            count += len(chosen)
            # A running sum: unlike a plain sum it may not be re-arranged.
            with np.errstate(all="ignore"):
                total += float(np.cumsum(chosen, dtype=np.float64)[-1])
    return total / count


def otsu(voxels: Voxels, words: bits.Words, bins: int) -> bits.Words:
    """Return the voxels of a mask above Otsu's threshold of the mask's histogram.

    Values that are not numbers are never counted and never above. With an infinite value there is no
    histogram: nothing is above.
    """
    if voxels.dtype.kind in "iu":
        values, counts = counting.occurrences(voxels, words)
        found = counts > 0
        threshold = otsu_threshold(values[found], bins, counts[found])
    else:
        threshold = otsu_threshold(counting.gathered(voxels, words), bins)
    if threshold == np.inf:
        return np.zeros_like(words)
    above: bits.Words = compare.between(
        voxels, np.nextafter(threshold, np.float32(np.inf)), np.float32(np.inf)
    )
    return above & words


def otsu_threshold(values: Voxels, bins: int, times: NDArray[np.int64] | None = None) -> np.float32:
    """Return the upper edge of the last bin of the lower class; infinite when there are no two classes.

    Parameters
    ----------
    times
        How often each value occurs; once, if not given.
    """
    numbers = values[~np.isnan(values)].astype(np.float64) if times is None else values.astype(np.float64)
    infinite = np.float32(np.inf)
    if not len(numbers):
        return infinite
    low, high = float(numbers.min()), float(numbers.max())
    if not math.isfinite(high - low) or low == high:
        return infinite
    edges = _bin_edges(low, high, bins)
    if not np.isfinite(edges).all():
        return infinite  # a bin is wider than float32 can say
    places = np.empty(len(numbers), np.int64)

    def run(start: int, stop: int) -> None:
        places[start:stop] = np.searchsorted(edges, numbers[start:stop], side="right") - 1

    parallel.slabs(run, len(numbers), rows=1 << 16)
    counts = np.bincount(places, times, minlength=bins)[:bins]
    return np.float32(edges[_best_split(counts.astype(np.int64), edges) + 1])


def _bin_edges(low: float, high: float, bins: int) -> NDArray[np.float64]:
    """Return the edges of equal bins from `low` to a hundredth of a bin beyond `high`.

    ITK reckons the width of a bin in float32; ties between splits are decided by it, so we do the same.
    """
    top = high + (high - low) / bins / 100
    with np.errstate(over="ignore", invalid="ignore"):
        width = (np.float32(top) - np.float32(low)) / np.float32(bins)
        edges = low + (np.arange(bins + 1, dtype=np.float32) * width).astype(np.float64)
    edges[-1] = top
    return edges


def _best_split(counts: NDArray[np.int64], edges: NDArray[np.float64]) -> int:
    """Return the first bin that maximises the variance between what is up to it and what is beyond."""
    centres = (edges[:-1] + edges[1:]) / 2
    below, moment = np.cumsum(counts), np.cumsum(counts * centres)
    total, whole = int(below[-1]), float(moment[-1])
    best, best_variance = 0, -1.0
    for split in range(len(counts) - 1):
        lower, upper = int(below[split]), total - int(below[split])
        if lower == 0 or upper == 0:
            continue
        between = float(moment[split]) / lower - (whole - float(moment[split])) / upper
        variance = lower * upper * between * between
        if variance > best_variance:
            best, best_variance = split, variance
    return best
