"""The operators as VoxLogicA 2 does them: SimpleITK filters, and numba kernels that sort and count.

Written for the benchmarks from the operators' definitions; nothing in the program uses it. Masks are uint8
SimpleITK images, images float32 ones. Thresholds compare as two filters and a complement, distances are
always whole images, ranks come from an argsort, local histograms from a walk that counts a face of the box
per step.
"""

import math

import numpy as np
import SimpleITK as sitk
from numba import njit, prange

_OPTIONS = {"cache": True, "parallel": True, "nogil": True}


def image_of(voxels, spacing=(1.0, 1.0, 1.0)):
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    return image


def array_of(image):
    return sitk.GetArrayFromImage(image)


def _like(voxels, image):
    out = sitk.GetImageFromArray(voxels)
    out.CopyInformation(image)
    return out


def read(path):
    return sitk.ReadImage(str(path), sitk.sitkFloat32)


def add(a, b):
    return sitk.Add(a, b)


def logical_and(a, b):
    return sitk.And(a, b)


def logical_or(a, b):
    return sitk.Or(a, b)


def logical_not(a):
    return sitk.BinaryNot(a, 1.0, 0.0)


def geq_sv(number, image):
    return sitk.GreaterEqual(image, float(number))


def leq_sv(number, image):
    return sitk.LessEqual(image, float(number))


def eq_sv(number, image):
    return sitk.Equal(image, float(number))


def greater(image, number):
    return logical_and(geq_sv(number, image), logical_not(eq_sv(number, image)))


def less(image, number):
    return logical_and(leq_sv(number, image), logical_not(eq_sv(number, image)))


def volume(a):
    statistics = sitk.StatisticsImageFilter()
    statistics.Execute(a)
    return statistics.GetSum()


def extremes(image):
    least = sitk.MinimumMaximumImageFilter()
    least.Execute(image)
    return least.GetMinimum(), least.GetMaximum()


def average(image, where):
    statistics = sitk.LabelStatisticsImageFilter()
    statistics.Execute(image, where)
    return statistics.GetMean(1)


def dice(a, b):
    return 2 * volume(logical_and(a, b)) / (volume(a) + volume(b))


def inside(image, where):
    return sitk.Mask(image, where)


def border(like):
    shape = like.GetSize()[::-1]
    out = np.zeros(shape, np.uint8)
    for axis in range(3):
        view = np.moveaxis(out, axis, 0)
        view[[0, -1]] = 1
    return _like(out, like)


def near(a):
    return sitk.BinaryDilate(a, [1, 1, 1], sitk.sitkBox)


def interior(a):
    return sitk.BinaryErode(a, [1, 1, 1], sitk.sitkBox, 0.0, 1.0, True)


def dt(a):
    return sitk.SignedMaurerDistanceMap(
        a, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )


def opened(a, radius):
    """dt(dt(!a) >= r) < r."""
    return less(dt(geq_sv(radius, dt(logical_not(a)))), radius)


@njit(cache=True, nogil=True)
def _met(labels, seeds, count):
    met = np.zeros(count + 1, np.uint8)
    for i in range(labels.size):
        if seeds[i] and labels[i]:
            met[labels[i]] = 1
    return met


@njit(**_OPTIONS)
def _chosen(labels, met):
    out = np.empty(labels.size, np.uint8)
    for i in prange(labels.size):
        out[i] = met[labels[i]]
    return out


def _labels(a):
    components = sitk.ConnectedComponentImageFilter()
    components.FullyConnectedOn()
    labels = array_of(components.Execute(a))
    return labels.reshape(-1).astype(np.int64), components.GetObjectCount()


def through(seeds, a):
    labels, count = _labels(a)
    met = _met(labels, array_of(seeds).reshape(-1), count)
    return _like(_chosen(labels, met).reshape(a.GetSize()[::-1]), a)


def maxvol(a):
    labels, count = _labels(a)
    sizes = np.bincount(labels, minlength=count + 1)
    sizes[0] = 0
    return _like(_chosen(labels, (sizes == sizes.max()).astype(np.uint8)).reshape(a.GetSize()[::-1]), a)


@njit(cache=True, nogil=True)
def _ranked(values, places, order, share, out):
    count = order.size
    begin = 0
    while begin < count:
        end = begin
        while end < count and values[order[end]] == values[order[begin]]:
            end += 1
        rank = (begin + share * (end - begin)) / count
        for i in range(begin, end):
            out[places[order[i]]] = rank
        begin = end


@njit(cache=True, nogil=True)
def _sorted(values):
    return np.argsort(values)


def percentiles(image, where, share):
    voxels = array_of(image)
    kept = array_of(where).reshape(-1) != 0
    places = np.flatnonzero(kept)
    values = voxels.reshape(-1)[places]
    out = np.full(voxels.size, -1, np.float32)
    _ranked(values, places, _sorted(values), share, out)
    return _like(out.reshape(voxels.shape), image)


def otsu(image, where, bins):
    found = sitk.OtsuThresholdImageFilter()
    found.SetNumberOfHistogramBins(bins)
    found.SetInsideValue(0)
    found.SetOutsideValue(1)
    found.SetMaskOutput(True)
    found.SetMaskValue(1)
    return found.Execute(image, where)


def gradient(image):
    return sitk.GradientMagnitude(image, True)


@njit(nogil=True, cache=True)
def _count(voxels, low, width, high, local, z0, z1, y0, y1, x0, x1, step):
    for z in range(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                value = float(voxels[z, y, x])
                if low <= value < high:
                    at = int((value - low) / width)
                    if at < local.size:
                        local[at] += step


@njit(nogil=True, cache=True)
def _alike(local, reference):
    k = local.size
    mean1, mean2 = local.sum() / k, reference.sum() / k
    numerator = square1 = square2 = 0.0
    for i in range(k):
        d1, d2 = local[i] - mean1, reference[i] - mean2
        numerator += d1 * d2
        square1 += d1 * d1
        square2 += d2 * d2
    if square1 == 0 or square2 == 0:
        return 1.0 if square1 == square2 else 0.0
    return numerator / (math.sqrt(square1) * math.sqrt(square2))


@njit(**_OPTIONS)
def _walk(voxels, reference, low, high, r, out):
    """Planes side by side; in each the box goes to and fro along x and down by one row at its ends."""
    nz, ny, nx = voxels.shape
    width = (high - low) / reference.size
    for z in prange(nz):
        local = np.zeros(reference.size, np.float64)
        z0, z1 = max(0, z - r), min(nz, z + r + 1)
        _count(voxels, low, width, high, local, z0, z1, 0, min(ny, r + 1), 0, min(nx, r + 1), 1.0)
        x = 0
        for y in range(ny):
            y0, y1 = max(0, y - r), min(ny, y + r + 1)
            if y > 0:
                x0, x1 = max(0, x - r), min(nx, x + r + 1)
                if y - r - 1 >= 0:
                    _count(voxels, low, width, high, local, z0, z1, y - r - 1, y - r, x0, x1, -1.0)
                if y + r < ny:
                    _count(voxels, low, width, high, local, z0, z1, y + r, y + r + 1, x0, x1, 1.0)
            way = 1 if y % 2 == 0 else -1
            out[z, y, x] = _alike(local, reference)
            for _ in range(nx - 1):
                gone, new = x - way * r, x + way * (r + 1)
                if 0 <= gone < nx:
                    _count(voxels, low, width, high, local, z0, z1, y0, y1, gone, gone + 1, -1.0)
                if 0 <= new < nx:
                    _count(voxels, low, width, high, local, z0, z1, y0, y1, new, new + 1, 1.0)
                x += way
                out[z, y, x] = _alike(local, reference)


def cross_correlation(radius, image, where, low, high, bins):
    voxels = array_of(image)
    reference = np.zeros(bins, np.float64)
    chosen = voxels[array_of(where) != 0].astype(np.float64)
    chosen = chosen[(chosen >= low) & (chosen < high)]
    np.add.at(reference, np.minimum(((chosen - low) / ((high - low) / bins)).astype(np.int64), bins - 1), 1.0)
    out = np.empty(voxels.shape, np.float32)
    _walk(voxels, reference, low, high, radius, out)
    return _like(out, image)
