"""Every operator once more, from its definition: voxel by voxel, slow, and without looking at the kernels.

Masks are boolean arrays `[z, y, x]`, images float32 arrays of the same shape; a 2D image is one plane, and
`dimension` says which of the two it is.
"""

import itertools
import math

import numpy as np

LARGEST = float(np.finfo(np.float32).max)
F32 = np.float32


def neighbourhood(shape, at, dimension):
    """The voxels of the 3^d box around one, itself included, that are inside the image."""
    reach = [(-1, 0, 1) if dimension == 3 else (0,), (-1, 0, 1), (-1, 0, 1)]
    for step in itertools.product(*reach):
        there = tuple(a + s for a, s in zip(at, step, strict=True))
        if all(0 <= t < n for t, n in zip(there, shape, strict=True)):
            yield there


def near(m, dimension):
    out = np.zeros_like(m)
    for at in np.ndindex(m.shape):
        out[at] = any(m[there] for there in neighbourhood(m.shape, at, dimension))
    return out


def interior(m, dimension):
    out = np.zeros_like(m)
    for at in np.ndindex(m.shape):
        out[at] = all(m[there] for there in neighbourhood(m.shape, at, dimension))
    return out


def labels(m, dimension):
    """Numbers from 1 in the order in which raster order meets the components."""
    out = np.zeros(m.shape, np.float32)
    number = 0
    for begin in np.ndindex(m.shape):
        if not m[begin] or out[begin]:
            continue
        number += 1
        out[begin] = number
        stack = [begin]
        while stack:
            for there in neighbourhood(m.shape, stack.pop(), dimension):
                if m[there] and not out[there]:
                    out[there] = number
                    stack.append(there)
    return out


def through(a, b, dimension):
    numbers = labels(b, dimension)
    met = {numbers[at] for at in np.ndindex(a.shape) if a[at] and b[at]}
    return np.array([n in met and n != 0 for n in numbers.ravel()]).reshape(a.shape)


def maxvol(m, dimension):
    numbers = labels(m, dimension)
    sizes = {n: int((numbers == n).sum()) for n in set(numbers.ravel()) - {0}}
    largest = max(sizes.values(), default=0)
    return np.isin(numbers, [n for n, size in sizes.items() if size == largest])


def dt(m, dimension, spacing):
    """`spacing` is x, y, z; float64 throughout, in the order of axes that the documentation gives."""
    contour = m & ~interior(m, dimension)
    if not contour.any():
        return np.full(m.shape, F32(-1.8446743e19) if m.any() else F32(1.8446743e19))
    places = [tuple(int(i) for i in at) for at in np.argwhere(contour)]
    sx, sy, sz = (float(s) for s in spacing)
    out = np.empty(m.shape, np.float32)
    for z, y, x in np.ndindex(m.shape):
        squares = [
            (((x - cx) * sx) ** 2 + ((y - cy) * sy) ** 2) + ((z - cz) * sz) ** 2 for cz, cy, cx in places
        ]
        distance = F32(math.sqrt(min(squares)))
        out[z, y, x] = -distance if m[z, y, x] else distance
    return out


def border(shape, dimension):
    out = np.zeros(shape, bool)
    for at in np.ndindex(shape):
        axes = range(3) if dimension == 3 else (1, 2)
        out[at] = any(at[a] in (0, shape[a] - 1) for a in axes)
    return out


def coordinate(shape, axis):
    """The index along x (0), y (1) or z (2)."""
    out = np.empty(shape, np.float32)
    for at in np.ndindex(shape):
        out[at] = at[2 - axis]
    return out


def percentiles(image, m, share):
    values = [float(v) for v, k in zip(image.ravel(), m.ravel(), strict=True) if k and not math.isnan(v)]
    out = np.full(image.shape, F32(-1))
    for at in np.ndindex(image.shape):
        own = float(image[at])
        if m[at] and not math.isnan(own):
            less = sum(v < own for v in values)
            equal = sum(v == own for v in values)
            out[at] = F32((less + share * equal) / len(values))
    return out


def otsu(image, m, bins):
    values = [float(v) for v, k in zip(image.ravel(), m.ravel(), strict=True) if k and not math.isnan(v)]
    if not values or min(values) == max(values) or not all(map(math.isfinite, values)):
        return np.zeros_like(m)
    low, top = min(values), max(values) + (max(values) - min(values)) / bins / 100
    with np.errstate(over="ignore"):
        width = (F32(top) - F32(low)) / F32(bins)
    if not math.isfinite(width):
        return np.zeros_like(m)
    edges = [low + float(F32(i) * width) for i in range(bins)] + [top]
    centres = [(a + b) / 2 for a, b in itertools.pairwise(edges)]
    counts = [sum(a <= v < b for v in values) for a, b in itertools.pairwise(edges)]
    sums, moments = [0], [0.0]
    for count, centre in zip(counts, centres, strict=True):
        sums.append(sums[-1] + count)
        moments.append(moments[-1] + count * centre)
    best, at = -1.0, 0
    for split in range(1, bins):
        lower, upper = sums[split], sums[-1] - sums[split]
        if lower and upper:
            apart = moments[split] / lower - (moments[-1] - moments[split]) / upper
            if lower * upper * apart * apart > best:
                best, at = lower * upper * apart * apart, split
    threshold = F32(edges[at])
    return np.array(
        [bool(k) and v > threshold for v, k in zip(image.ravel(), m.ravel(), strict=True)]
    ).reshape(m.shape)


def bin_number(value, low, high, bins):
    """The bin of a value, or None."""
    value = float(value)
    if not (low <= value < high):
        return None
    number = math.trunc((value - low) / ((high - low) / bins))
    return number if 0 <= number < bins else None


def cross_correlation(radius, a, b, m, low, high, k, dimension, spacing):
    """Pearson's coefficient as the definition has it: deviations from the mean, in float64."""
    bins = math.trunc(k)
    reach = [max(1, round(radius / s)) for s in spacing]
    if dimension == 2:
        reach[2] = 0
    reference = [0] * bins
    for at in np.ndindex(b.shape):
        number = bin_number(b[at], low, high, bins)
        if m[at] and number is not None:
            reference[number] += 1
    out = np.empty(a.shape, np.float32)
    for z, y, x in np.ndindex(a.shape):
        local = [0] * bins
        box = a[
            max(0, z - reach[2]) : z + reach[2] + 1,
            max(0, y - reach[1]) : y + reach[1] + 1,
            max(0, x - reach[0]) : x + reach[0] + 1,
        ]
        for value in box.ravel():
            number = bin_number(value, low, high, bins)
            if number is not None:
                local[number] += 1
        out[z, y, x] = pearson(local, reference)
    return out


def pearson(h, g):
    flat = [len(set(h)) == 1, len(set(g)) == 1]
    if any(flat):
        return F32(1.0 if all(flat) else 0.0)
    mh, mg = sum(h) / len(h), sum(g) / len(g)
    numerator = sum((p - mh) * (q - mg) for p, q in zip(h, g, strict=True))
    spread = math.sqrt(sum((p - mh) ** 2 for p in h)) * math.sqrt(sum((q - mg) ** 2 for q in g))
    return F32(numerator / spread)


def divide(a, b):
    """One voxel of a / b."""
    if abs(float(b)) <= float(F32(0.1 * 2.0**-23)):
        return F32(LARGEST)
    with np.errstate(all="ignore"):
        return F32(a) / F32(b)


def luminance(pixel):
    r, g, b = (F32(v) for v in pixel[:3])
    with np.errstate(all="ignore"):
        return (r * F32(0.2126) + g * F32(0.7152)) + b * F32(0.0722)
