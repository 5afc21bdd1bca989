"""Operators at the edges of their definitions, and what they refuse."""

import math

import numpy as np
import pytest

from tests.support.volumes import flags, geometry, image, mask, voxels
from vox.errors import OperatorError
from vox.operators import arithmetic, intensity, logic, space, spatial, texture
from vox.operators.catalogue import CATALOGUE
from vox.operators.values import Image
from vox.plan import Type

PLACE = geometry((4, 3, 2))
EMPTY, FULL = space.ff(PLACE), space.tt(PLACE)
RAMP = image(PLACE, np.arange(24))
NAN, INF = math.nan, math.inf


def refusal(function, *arguments):
    with pytest.raises(OperatorError) as caught:
        function(*arguments)
    assert caught.value.message
    return caught.value


OURS = [operator for operator in CATALOGUE if not operator.name.startswith("simpleitk.")]  # they have no code


@pytest.mark.parametrize("operator", OURS, ids=lambda o: o.identity)
def test_every_operator_of_the_catalogue_can_be_loaded_and_says_what_it_does(operator):
    kernel = operator.load()
    assert callable(kernel)
    assert kernel.__doc__
    fixed = len(operator.inputs) - operator.variadic
    assert kernel.__code__.co_argcount == fixed + (operator.output is Type.FILE)
    assert operator.variadic == bool(kernel.__code__.co_flags & 0x04)


def test_images_of_different_size_are_refused_with_both_sizes():
    other = image(geometry((4, 3)), np.zeros(12))
    error = refusal(arithmetic.add, RAMP, other)
    assert error.code == "E0401"
    assert "4x3x2" in error.message
    assert "4x3" in error.message
    assert refusal(logic.mask_and, FULL, space.tt(other.geometry)).code == "E0401"
    assert refusal(space.conform, RAMP, other.geometry).code == "E0401"


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (geometry((4, 3, 2), spacing=(1.0, 1.0, 1.5)), "spacing differs: (1, 1, 1) and (1, 1, 1.5)"),
        (geometry((4, 3, 2), origin=(0.0, -3.25, 0.0)), "origin differs: (0, 0, 0) and (0, -3.25, 0)"),
    ],
)
def test_images_of_different_place_are_refused_with_the_difference(changed, what):
    error = refusal(spatial.through, FULL, space.tt(changed))
    assert error.code == "E0402"
    assert what in error.message


def test_another_direction_is_refused():
    turned = type(PLACE)(PLACE.size, PLACE.spacing, PLACE.origin, (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    error = refusal(arithmetic.multiply, RAMP, Image(turned, RAMP.voxels))
    assert error.code == "E0402"
    assert "direction differs" in error.message


def test_the_same_place_within_itks_tolerance_is_the_firsts():
    near = geometry((4, 3, 2), origin=(1e-8, 0.0, 0.0))
    assert arithmetic.add(RAMP, Image(near, RAMP.voxels)).geometry is PLACE


def test_conform_moves_an_image_and_keeps_its_voxels():
    place = geometry((4, 3, 2), spacing=(2.0, 2.0, 2.0))
    moved = space.conform(RAMP, place)
    assert moved.geometry is place
    assert moved.voxels is RAMP.voxels
    assert space.geometry(moved) is place


def test_the_average_over_an_empty_mask_is_an_error():
    assert refusal(intensity.average, RAMP, EMPTY).code == "E0403"
    assert intensity.average(RAMP, FULL) == 11.5


@pytest.mark.parametrize("bins", [1.0, 1.9, 0.0, -3.0, NAN, INF])
def test_otsu_refuses_fewer_than_two_bins(bins):
    assert refusal(intensity.otsu, RAMP, FULL, bins).code == "E0404"


@pytest.mark.parametrize(
    ("radius", "bins"), [(1.0, 0.5), (1.0, NAN), (-1.0, 5.0), (NAN, 5.0), (INF, 5.0), (1.0, 1e9)]
)
def test_cross_correlation_refuses_senseless_numbers(radius, bins):
    error = refusal(texture.cross_correlation, radius, RAMP, RAMP, FULL, 0.0, 1.0, bins)
    assert error.code == "E0404"


def test_colour_images_are_refused_where_a_number_is_needed():
    colour = intensity.rgb(RAMP, RAMP, RAMP)
    for function in (arithmetic.absolute, intensity.maximum):
        assert refusal(function, colour).code == "E0405"
    assert refusal(intensity.percentiles, colour, FULL, 0.5).code == "E0405"


def test_otsu_of_an_empty_region_and_of_one_value_is_empty():
    assert not flags(intensity.otsu(RAMP, EMPTY, 10.0)).any()
    assert not flags(intensity.otsu(space.constant(3.0, PLACE), FULL, 10.0)).any()


def test_otsu_with_an_infinite_value_is_empty():
    voxels_with = RAMP.voxels.copy()
    voxels_with[0, 0, 0] = np.inf
    assert not flags(intensity.otsu(Image(PLACE, voxels_with), FULL, 10.0)).any()


def test_percentiles_of_an_empty_mask_are_minus_one_everywhere():
    assert (voxels(intensity.percentiles(RAMP, EMPTY, 0.5)) == -1).all()


def test_a_nan_voxel_has_no_rank_and_counts_in_none():
    values = [1, np.nan, 2, 2, np.nan, 3]
    place = geometry((6, 1))
    ranks = voxels(intensity.percentiles(image(place, values), space.tt(place), 0.5))
    assert ranks.ravel().tolist() == [0.125, -1, 0.5, 0.5, -1, 0.875]


def test_the_two_zeros_have_one_rank():
    place = geometry((2, 1))
    ranks = voxels(intensity.percentiles(image(place, [0.0, -0.0]), space.tt(place), 0.5))
    assert ranks.ravel().tolist() == [0.5, 0.5]


def test_a_constant_meets_an_image_as_float32():
    tenth = image(PLACE, np.full(24, 0.1))
    assert all(flags(f(0.1, tenth)).all() for f in (intensity.eq_sv, intensity.geq_sv, intensity.leq_sv))


def test_between_with_crossed_bounds_is_empty():
    assert not flags(intensity.between(5.0, 4.0, RAMP)).any()


def test_components_of_grey_images_are_the_grey_level():
    for part in (intensity.intensity, intensity.red, intensity.green, intensity.blue):
        assert part(RAMP) is RAMP
    assert (voxels(intensity.alpha(RAMP)) == 255).all()


def test_a_division_by_zero_is_the_largest_float32_even_of_zero():
    zero = space.constant(0.0, PLACE)
    assert (voxels(arithmetic.divide(RAMP, zero)) == np.finfo(np.float32).max).all()
    assert (voxels(arithmetic.div_sv(-5.0, zero)) == np.finfo(np.float32).max).all()


def test_dividing_an_image_by_the_number_zero_multiplies_by_infinity():
    result = voxels(arithmetic.div_vs(RAMP, 0.0))
    assert np.isnan(result.ravel()[0])
    assert np.isinf(result.ravel()[1:]).all()


def test_numbers_divide_as_ieee_says():
    assert arithmetic.num_div(1.0, 0.0) == INF
    assert arithmetic.num_div(-1.0, 0.0) == -INF
    assert arithmetic.num_div(1.0, -0.0) == -INF
    assert math.isnan(arithmetic.num_div(0.0, 0.0))


def test_distances_from_nothing_and_from_everything_are_itks_largest():
    assert (voxels(spatial.dt(EMPTY)) == np.float32(1.8446743e19)).all()
    assert (voxels(spatial.dt(FULL)) == np.float32(-1.8446743e19)).all()


def test_the_sides_of_the_image_are_not_a_contour():
    assert flags(spatial.interior(FULL)).all()
    half = space.constant(0.0, geometry((5, 1)))
    region = mask(half.geometry, [1, 1, 1, 0, 0])
    assert voxels(spatial.dt(region)).ravel().tolist() == [-2, -1, 0, 1, 2]
    assert np.signbit(voxels(spatial.dt(region)).ravel()[2])


def test_the_border_of_a_plane_has_four_sides_and_of_a_volume_six():
    assert flags(space.border(geometry((4, 4)))).sum() == 12
    assert flags(space.border(geometry((4, 4, 4)))).sum() == 64 - 8


def test_ties_for_the_largest_component_are_all_kept():
    row = geometry((9, 1))
    region = mask(row, [1, 1, 0, 1, 0, 1, 1, 0, 0])
    assert flags(spatial.maxvol(region)).ravel().tolist() == [1, 1, 0, 0, 0, 1, 1, 0, 0]


def test_cross_correlation_computes_the_last_voxel_too():
    flat = texture.cross_correlation(1.0, RAMP, RAMP, FULL, 0.0, 0.0, 4.0)
    assert (voxels(flat) == 1).all()
    varied = texture.cross_correlation(1.0, RAMP, RAMP, FULL, 0.0, 24.0, 4.0)
    assert np.abs(voxels(varied)).max() <= 1
    assert voxels(varied)[-1, -1, -1] != RAMP.voxels[-1, -1, -1]


def test_truth_values_are_booleans():
    assert logic.bool_and(True, True) is True
    assert logic.bool_or(False, False) is False
    assert logic.bool_not(False) is True


def test_a_number_beyond_float32_is_infinite():
    assert np.isinf(voxels(space.constant(1e300, PLACE))).all()
    assert np.isinf(voxels(arithmetic.add_vs(RAMP, 1e300))).all()
