"""Measures of agreement, surfaces, drawings: small cases by hand, surfaces by brute force."""

import math

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.volumes import flags, geometry, image, mask, voxels
from vox.errors import OperatorError
from vox.operators import arrays, geom, sitk
from vox.operators.values import Sequence

FLAT = geometry((4, 2))
PREDICTED = image(FLAT, [0, 1, 1, 2, 0, 0, 2, 2], "uint8")
TRUTH = image(FLAT, [0, 1, 2, 2, 1, 0, 0, 2], "uint8")
EMPTY = mask(FLAT, np.zeros(8))


def fields(record):
    assert [name for name, _ in record.fields] == sorted(name for name, _ in record.fields)
    return dict(record.fields)


def test_labels_agree_as_counted_by_hand():
    dice = fields(arrays.dice_score(PREDICTED, TRUTH))
    assert (dice["dice_score"], dice["intersection"]) == (2 * 1 / (2 + 2), 1)
    assert fields(arrays.dice_score(PREDICTED, TRUTH, 2.0))["dice_score"] == 2 * 2 / (3 + 3)
    jaccard = fields(arrays.jaccard_index(PREDICTED, TRUTH, 2.0))
    assert jaccard == {"intersection": 2, "iou": 0.5, "jaccard_index": 0.5, "union": 4}
    assert fields(arrays.pixel_accuracy(PREDICTED, TRUTH))["accuracy"] == 5 / 8
    assert arrays.count_pixels(PREDICTED, 2.0) == 3
    assert arrays.count_pixels(PREDICTED) == 5
    assert voxels(arrays.threshold_equal(PREDICTED, 2.0, 9.0)).sum() == 27
    assert fields(arrays.compare_arrays(PREDICTED, TRUTH))["min_difference"] == -2.0
    assert fields(arrays.array_stats(PREDICTED))["std"] == pytest.approx(np.std([0, 1, 1, 2, 0, 0, 2, 2]))


def test_overlap_of_nothing_with_nothing_is_nan_and_0():
    assert math.isnan(fields(arrays.dice_score(EMPTY, EMPTY))["dice_score"])
    assert fields(arrays.jaccard_index(EMPTY, EMPTY))["iou"] == 0.0
    assert arrays.average_or_zero(image(FLAT, np.ones(8)), EMPTY) == 0.0


def test_a_confusion_matrix_has_the_truth_in_its_rows():
    found = fields(arrays.confusion_matrix(PREDICTED, TRUTH))
    assert found["confusion_matrix"] == Sequence(
        (Sequence((2, 0, 1)), Sequence((1, 1, 0)), Sequence((0, 1, 2)))
    )
    assert found["precision"] == Sequence((2 / 3, 1 / 2, 2 / 3))
    assert fields(arrays.confusion_matrix(PREDICTED, TRUTH, 5.0))["recall"].elements[4] == 0.0
    with pytest.raises(OperatorError, match="labels"):
        arrays.confusion_matrix(PREDICTED, TRUTH, 2.0)


@pytest.mark.parametrize("measure", [arrays.dice_score, arrays.compare_arrays, arrays.confusion_matrix])
def test_images_of_other_sizes_are_refused(measure):
    with pytest.raises(OperatorError) as caught:
        measure(PREDICTED, image(geometry((3, 2)), np.zeros(6)))
    assert caught.value.code == "E0401"


def surface_by_hand(inside):
    """Voxels with a face outside, one by one."""
    found = []
    axes = [axis for axis in range(3) if axis > 0 or inside.shape[0] > 1]
    for at in zip(*np.nonzero(inside), strict=True):
        for axis in axes:
            for step in (-1, 1):
                near = list(at)
                near[axis] += step
                if not 0 <= near[axis] < inside.shape[axis] or not inside[tuple(near)]:
                    found.append(at)
    return sorted(set(found))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_surface_distances_are_those_of_brute_force(data):
    size = data.draw(st.sampled_from([(6, 5), (5, 4, 3)]))
    place = geometry(size, (1.0, 2.5, 0.7)[: len(size)])
    count = math.prod(size)
    a, b = (mask(place, data.draw(st.lists(st.booleans(), min_size=count, max_size=count))) for _ in "ab")
    steps = np.array([*place.spacing[::-1]]) if len(size) == 3 else np.array([1.0, *place.spacing[::-1]])
    ours, theirs = (np.array(surface_by_hand(flags(each))).reshape(-1, 3) * steps for each in (a, b))
    if not len(ours) or not len(theirs):
        assert (arrays.hd95(a, b), arrays.nsd(a, b, 1.0)) == (-1.0, -1.0)
        return
    away = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(axis=2))
    directed = away.min(axis=1), away.min(axis=0)
    assert arrays.hd95(a, b) == pytest.approx(max(np.percentile(each, 95) for each in directed), rel=1e-5)
    within = sum(int((each <= 1.1).sum()) for each in directed) / sum(map(len, directed))
    assert arrays.nsd(a, b, 1.1) == pytest.approx(within)


def test_the_gradient_is_that_of_the_library():
    place = geometry((7, 6, 5), (1.0, 2.0, 0.5))
    given_image = image(place, np.random.default_rng(1).normal(size=place.voxels))
    wanted = SimpleITK.GetArrayFromImage(SimpleITK.GradientMagnitude(sitk.to_sitk(given_image)))
    np.testing.assert_allclose(voxels(arrays.gradient(given_image)), wanted, rtol=1e-5)


def test_drawings_have_the_voxels_of_their_formulas():
    paper = geom.blank(21.0, 31.0)
    assert paper.geometry.size == (31, 21)
    assert voxels(geom.circle(paper, 10.0, 9.0, 3.0, 2.0)).sum() == 2 * 29
    # A square on its corner: |x| + |y| <= 8.
    assert voxels(geom.regular_polygon(paper, 15.0, 10.0, 8.0, 4.0, 1.0)).sum() == 145
    bytes_ = image(FLAT, np.zeros(8), "uint8")
    assert geom.circle(bytes_, 1.0, 1.0, 0.0, 255.0).voxels.dtype == np.uint8
    with pytest.raises(OperatorError):
        geom.circle(bytes_, 1.0, 1.0, 0.0, 256.0)
    with pytest.raises(OperatorError):
        geom.circle(image(geometry((2, 2, 2)), np.zeros(8)), 1.0, 1.0, 1.0, 1.0)


def test_fibonacci_numbers_stay_within_64_bits():
    assert [geom.fibonacci(float(n)) for n in (0, 1, 2, 10, 92)] == [0, 1, 1, 55, 7540113804746346429]
    with pytest.raises(OperatorError):
        geom.fibonacci(93.0)
