"""On random volumes, operators do what VoxLogicA 1 asks SimpleITK to do."""

import numpy as np
import pytest
import SimpleITK as sitk

from tests.support.volumes import flags, geometry, image, mask, voxels
from vox.operators import arithmetic, intensity, spatial

SIZES = [(70, 33, 12), (65, 40), (5, 4, 3), (128, 9)]
DENSITIES = [0.03, 0.5, 0.9]


def to_sitk(place, array, pixel=None):
    out = sitk.GetImageFromArray(array if place.dimension == 3 else array[0])
    out.SetSpacing(place.spacing)
    return out if pixel is None else sitk.Cast(out, pixel)


def from_sitk(place, result):
    return sitk.GetArrayFromImage(result).reshape(place.shape)


@pytest.fixture(params=[(size, density) for size in SIZES for density in DENSITIES], ids=str)
def case(request):
    size, density = request.param
    place = geometry(size)
    chosen = np.random.default_rng(hash(size) % 1000).random(place.shape) < density
    return place, mask(place, chosen), to_sitk(place, chosen.astype(np.uint8))


def test_near_and_interior_are_dilation_and_erosion_by_a_box(case):
    place, ours, theirs = case
    radius = [1] * place.dimension
    near = from_sitk(place, sitk.BinaryDilate(theirs, radius, sitk.sitkBox))
    interior = from_sitk(place, sitk.BinaryErode(theirs, radius, sitk.sitkBox))
    assert (flags(spatial.near(ours)) == near).all()
    assert (flags(spatial.interior(ours)) == interior).all()


def test_components_are_numbered_alike(case):
    place, ours, theirs = case
    assert (voxels(spatial.lcc(ours)) == from_sitk(place, sitk.ConnectedComponent(theirs, True))).all()


def test_distances_are_maurers(case):
    place, ours, theirs = case
    maurer = sitk.SignedMaurerDistanceMap(theirs, False, False, True)
    assert voxels(spatial.dt(ours)).tobytes() == from_sitk(place, maurer).tobytes()


@pytest.mark.parametrize("spacing", [(0.7, 1.3, 2.5), (0.9375, 0.9375, 3.0)])
def test_distances_in_millimetres_are_maurers_to_float32s_last_digits(spacing):
    place = geometry((50, 31, 17), spacing)
    chosen = np.random.default_rng(3).random(place.shape) < 0.05
    theirs = to_sitk(place, chosen.astype(np.uint8))
    maurer = from_sitk(place, sitk.SignedMaurerDistanceMap(theirs, False, False, True))
    np.testing.assert_allclose(voxels(spatial.dt(mask(place, chosen))), maurer, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("value", [0, 1])
def test_distance_without_a_contour_is_what_itk_gives(value):
    place = geometry((4, 3, 2))
    full = np.full(place.shape, value, np.uint8)
    theirs = from_sitk(place, sitk.SignedMaurerDistanceMap(to_sitk(place, full), False, False, True))
    assert voxels(spatial.dt(mask(place, full))).tobytes() == theirs.tobytes()


def samples(count):
    """Values with few and many levels, symmetric ones whose splits tie, and fractions."""
    rng = np.random.default_rng(11)
    for number in range(count):
        half = rng.integers(0, 4, rng.integers(2, 60))
        yield (
            (
                rng.normal(size=rng.integers(2, 60)),
                rng.integers(0, 6, rng.integers(2, 60)),
                np.concatenate([half, 8 - half]),
                rng.integers(0, 1000, rng.integers(2, 60)) / 7,
            )[number % 4].astype(np.float32),
            int(rng.choice([2, 3, 5, 10, 32, 100, 256])),
        )


def test_otsu_finds_the_threshold_of_itk():
    for values, bins in samples(300):
        place = geometry((len(values), 1))
        everywhere = np.ones(place.shape, bool)
        theirs = sitk.OtsuThreshold(
            to_sitk(place, values.reshape(place.shape)),
            to_sitk(place, everywhere.astype(np.uint8)),
            *(0, 1, bins, True, 1),
        )
        ours = intensity.otsu(image(place, values), mask(place, everywhere), float(bins))
        assert (flags(ours) == from_sitk(place, theirs)).all()


def test_division_treats_the_same_divisors_as_zero():
    place = geometry((9, 2))
    divisors = [
        0,
        -0.0,
        1e-9,
        1.19e-8,
        1.2e-8,
        -1e-8,
        -1.3e-8,
        1e-40,
        2,
        3,
        np.nan,
        np.inf,
        1,
        7,
        9,
        1e30,
        5,
        6,
    ]
    a, b = np.arange(18).reshape(place.shape), np.float32(divisors).reshape(place.shape)
    theirs = sitk.Divide(to_sitk(place, a.astype(np.float32)), to_sitk(place, b))
    ours = arithmetic.divide(image(place, a), image(place, b))
    np.testing.assert_array_equal(voxels(ours), from_sitk(place, theirs))


def test_statistics_and_thresholds_are_itks():
    place = geometry((40, 30, 20))
    v = np.random.default_rng(5).normal(size=place.shape).astype(np.float32) * 50
    ours, theirs = image(place, v), to_sitk(place, v)
    extremes = sitk.MinimumMaximumImageFilter()
    extremes.Execute(theirs)
    assert intensity.minimum(ours) == extremes.GetMinimum()
    assert intensity.maximum(ours) == extremes.GetMaximum()
    between = from_sitk(place, sitk.BinaryThreshold(theirs, -10.1, 20.3, 1, 0))
    assert (flags(intensity.between(-10.1, 20.3, ours)) == between).all()
