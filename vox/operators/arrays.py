"""Measures of images as arrays of numbers, and of how well one labelling agrees with another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vox import kernels
from vox.operators.agreement import common_geometry, one_component, whole
from vox.operators.values import Image, Item, Mask, Record, Sequence

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLASSES_MAX = 1024
_HD_SHARE = 95


def record(**fields: Item) -> Record:
    """Return named values, by name."""
    return Record(tuple(sorted(fields.items())))


def dice_score(predicted: Image | Mask, truth: Image | Mask, label: float = 1.0) -> Record:
    """Return 2 |P and T| / (|P| + |T|) for the voxels with a label; of nothing and nothing it is nan."""
    p, t = _labelled("dice_score", predicted, truth, label)
    both, ours, theirs = (int(np.count_nonzero(each)) for each in (p & t, p, t))
    return record(
        dice_score=2 * both / (ours + theirs) if ours + theirs else math.nan,
        intersection=both,
        predicted_positive=ours,
        ground_truth_positive=theirs,
    )


def jaccard_index(predicted: Image | Mask, truth: Image | Mask, label: float = 1.0) -> Record:
    """Return |P and T| / |P or T| for the voxels with a label; of nothing and nothing it is 0."""
    p, t = _labelled("jaccard_index", predicted, truth, label)
    both, either = int(np.count_nonzero(p & t)), int(np.count_nonzero(p | t))
    index = both / either if either else 0.0
    return record(jaccard_index=index, iou=index, intersection=both, union=either)


def pixel_accuracy(predicted: Image | Mask, truth: Image | Mask) -> Record:
    """Return the share of voxels that are the same in both."""
    p, t = _pair("pixel_accuracy", predicted, truth)
    correct = int(np.count_nonzero(p == t))
    return record(
        accuracy=correct / p.size,
        correct_pixels=correct,
        incorrect_pixels=p.size - correct,
        total_pixels=p.size,
    )


def confusion_matrix(predicted: Image | Mask, truth: Image | Mask, classes: float = 0.0) -> Record:
    """Return how often each true label (row) was predicted as each label (column), with the usual ratios.

    Without a number of classes there are as many as the largest label asks for. Ratios without a
    denominator are 0.
    """
    p, t = _pair("confusion_matrix", predicted, truth)
    most = max(float(p.max()), float(t.max())) + 1
    count = whole("confusion_matrix", "a number of classes", classes or most, 1, _CLASSES_MAX)
    for each in (p, t):
        whole("confusion_matrix", "labels", float(each.min()), 0, count - 1)
        whole("confusion_matrix", "labels", float(each.max()), 0, count - 1)
    pairs = t.astype(np.int64).ravel() * count + p.astype(np.int64).ravel()
    table = np.bincount(pairs, minlength=count * count).reshape(count, count)
    hits, columns, rows = np.diag(table), table.sum(axis=0), table.sum(axis=1)
    precision, recall, f1 = _ratio(hits, columns), _ratio(hits, rows), _ratio(2 * hits, columns + rows)
    return record(
        confusion_matrix=Sequence(tuple(Sequence(tuple(map(int, row))) for row in table)),
        precision=Sequence(tuple(precision)),
        recall=Sequence(tuple(recall)),
        f1_score=Sequence(tuple(f1)),
        mean_precision=math.fsum(precision) / count,
        mean_recall=math.fsum(recall) / count,
        mean_f1_score=math.fsum(f1) / count,
        num_classes=count,
    )


def count_pixels(image: Image | Mask, value: float | None = None) -> int:
    """Return how many voxels have a value; without one, how many are not 0."""
    voxels = _numbers("count_pixels", image)
    return int(np.count_nonzero(voxels if value is None else voxels == np.float32(value)))


def threshold_equal(image: Image | Mask, value: float, yes: float = 1.0, no: float = 0.0) -> Image:
    """Return a number from 0 to 255 where an image has a value, and another elsewhere."""
    high, low = (whole("threshold_equal", "a number", each, 0, 255) for each in (yes, no))
    chosen = _numbers("threshold_equal", image) == np.float32(value)
    return Image(image.geometry, np.where(chosen, np.uint8(high), np.uint8(low)))


def array_stats(image: Image | Mask) -> Record:
    """Return extremes, mean, standard deviation of the population, sum and number of an image's voxels."""
    voxels = _numbers("array_stats", image).astype(np.float64)
    return record(
        min=float(voxels.min()),
        max=float(voxels.max()),
        mean=float(voxels.mean()),
        std=float(voxels.std()),
        sum=float(voxels.sum()),
        size=voxels.size,
    )


def compare_arrays(first: Image | Mask, second: Image | Mask) -> Record:
    """Return the extremes and the mean of second - first, and whether they are equal."""
    a, b = (each.astype(np.float64) for each in _pair("compare_arrays", first, second))
    change = b - a
    return record(
        equal=bool((a == b).all()),
        different_pixels=int(np.count_nonzero(a != b)),
        min_difference=float(change.min()),
        max_difference=float(change.max()),
        mean_difference=float(change.mean()),
        max_absolute_difference=float(np.abs(change).max()),
    )


def average_or_zero(image: Image, mask: Mask) -> float:
    """Return the mean of an image over a mask; over an empty one it is 0."""
    common_geometry("avg0", image, mask)
    one_component("avg0", image)
    return kernels.statistics.mean(image.voxels, mask.words) if kernels.bits.count(mask.words) else 0.0


def gradient(image: Image) -> Image:
    """Return the length of the gradient, per millimetre, as ITK's central differences have it."""
    one_component("gradient", image)
    return Image(image.geometry, kernels.gradient.magnitude(image.voxels, _spacing(image)))


# ------------------------------------------------------------------------------------------------- surfaces


def hd95(a: Mask, b: Mask) -> float:
    """Return the 95th percentile of the distances in mm between two masks' surfaces, -1 if one is empty.

    The larger of both directions. A surface is made of the voxels that have a face outside the mask or at
    the side of the image.
    """
    common_geometry("hd95", a, b)
    found = _surface_distances(a, b)
    return -1.0 if found is None else max(float(np.percentile(each, _HD_SHARE)) for each in found)


def nsd(predicted: Mask, truth: Mask, tolerance: float) -> float:
    """Return the share of both surfaces that is within some mm of the other, -1 if a mask is empty."""
    common_geometry("nsd", predicted, truth)
    found = _surface_distances(predicted, truth)
    if found is None:
        return -1.0
    near = sum(int(np.count_nonzero(each <= np.float32(tolerance))) for each in found)
    return near / sum(each.size for each in found)


def _surface_distances(a: Mask, b: Mask) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the distances of each surface's voxels from the other surface."""
    ours, theirs = _surface(a), _surface(b)
    if not ours.any() or not theirs.any():
        return None
    return _away(theirs, a)[ours], _away(ours, a)[theirs]


def _surface(mask: Mask) -> NDArray[np.bool_]:
    inside = kernels.bits.unpack(mask.words, mask.geometry.size[0])
    kept = inside.copy()
    for axis in range(3 - mask.geometry.dimension, 3):
        padded = np.zeros([n + 2 * (at == axis) for at, n in enumerate(inside.shape)], np.bool_)
        length = inside.shape[axis]
        padded[_along(axis, 1, length + 1)] = inside
        kept &= padded[_along(axis, 0, length)] & padded[_along(axis, 2, length + 2)]
    return inside & ~kept


def _along(axis: int, start: int, stop: int) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if at == axis else slice(None) for at in range(3))


def _away(surface: NDArray[np.bool_], mask: Mask) -> NDArray[np.float32]:
    """Return the distance from a set of voxels: what is positive of its signed distance."""
    words = kernels.bits.pack(surface)
    signed = kernels.distance.signed(words, mask.geometry.size[0], _spacing(mask))
    return np.maximum(signed, np.float32(0))


def _spacing(value: Image | Mask) -> tuple[float, float, float]:
    x, y, *rest = value.geometry.spacing
    return (x, y, rest[0] if rest else 1.0)


# -------------------------------------------------------------------------------------------------- helpers


def _numbers(operator: str, value: Image | Mask) -> NDArray[Any]:
    if isinstance(value, Mask):
        return kernels.bits.unpack(value.words, value.geometry.size[0]).view(np.uint8)
    one_component(operator, value)
    return value.voxels


def _pair(operator: str, first: Image | Mask, second: Image | Mask) -> tuple[NDArray[Any], NDArray[Any]]:
    common_geometry(operator, first, second)
    return _numbers(operator, first), _numbers(operator, second)


def _labelled(
    operator: str, first: Image | Mask, second: Image | Mask, label: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    a, b = _pair(operator, first, second)
    return a == np.float32(label), b == np.float32(label)


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> list[float]:
    return [float(a) / float(b) if b else 0.0 for a, b in zip(above, below, strict=True)]
