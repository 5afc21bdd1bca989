"""Every operator that gives a mask or measures one agrees with its definition."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import oracles
from tests.support.volumes import flags, images_on, masks_on, places, voxels
from vox.operators import intensity, logic, space, spatial

FEW = settings(max_examples=60, deadline=None)
SOME = settings(max_examples=30, deadline=None)

numbers = st.one_of(
    st.sampled_from([0.0, 0.1, -1.5, 255.0, 65535.0, float("inf"), -float("inf"), float("nan"), 1e300]),
    st.floats(-200, 200, width=32),
)


@given(st.data())
@FEW
def test_logic_is_set_theory(data):
    place = data.draw(places())
    a, b = data.draw(masks_on(place)), data.draw(masks_on(place))
    p, q = flags(a), flags(b)
    assert (flags(logic.mask_and(a, b)) == (p & q)).all()
    assert (flags(logic.mask_or(a, b)) == (p | q)).all()
    assert (flags(logic.mask_not(a)) == ~p).all()
    volume = logic.volume(a)
    assert type(volume) is float
    assert volume == int(p.sum())


@given(st.data())
@SOME
def test_near_and_interior_look_at_the_whole_neighbourhood(data):
    place = data.draw(places(300))
    a = data.draw(masks_on(place))
    assert (flags(spatial.near(a)) == oracles.near(flags(a), place.dimension)).all()
    assert (flags(spatial.interior(a)) == oracles.interior(flags(a), place.dimension)).all()


@given(st.data())
@SOME
def test_components_are_those_of_a_flood_fill(data):
    place = data.draw(places(300))
    a, b = data.draw(masks_on(place)), data.draw(masks_on(place))
    p, q = flags(a), flags(b)
    assert (flags(spatial.through(a, b)) == oracles.through(p, q, place.dimension)).all()
    assert (voxels(spatial.lcc(b)) == oracles.labels(q, place.dimension)).all()
    assert (flags(spatial.maxvol(b)) == oracles.maxvol(q, place.dimension)).all()


@given(st.data())
@SOME
def test_distance_is_the_smallest_distance_to_the_contour_to_the_last_bit(data):
    place = data.draw(places(200))
    a = data.draw(masks_on(place))
    spacing = (*place.spacing, 1.0)[:3]
    wanted = oracles.dt(flags(a), place.dimension, spacing)
    assert voxels(spatial.dt(a)).tobytes() == wanted.tobytes()


@given(st.data(), numbers, numbers)
@FEW
def test_thresholds_compare_float32_numbers(data, low, high):
    place = data.draw(places())
    image = data.draw(images_on(place))
    v = voxels(image)
    with np.errstate(over="ignore"):
        a, b = np.float32(low), np.float32(high)
    each = list(np.ndindex(v.shape))
    assert all(flags(intensity.geq_sv(low, image))[at] == bool(v[at] >= a) for at in each)
    assert all(flags(intensity.leq_sv(low, image))[at] == bool(v[at] <= a) for at in each)
    assert all(flags(intensity.eq_sv(low, image))[at] == bool(v[at] == a) for at in each)
    between = flags(intensity.between(low, high, image))
    assert all(between[at] == bool(a <= v[at] <= b) for at in each)


@given(st.data(), st.integers(2, 40))
@FEW
def test_otsu_is_its_definition(data, bins):
    place = data.draw(places(300))
    image, where = data.draw(images_on(place)), data.draw(masks_on(place))
    got = flags(intensity.otsu(image, where, float(bins) + 0.5))
    assert (got == oracles.otsu(voxels(image), flags(where), bins)).all()


@given(places())
@FEW
def test_masks_of_a_place_are_where_the_indices_say(place):
    assert flags(space.tt(place)).all()
    assert not flags(space.ff(place)).any()
    assert flags(space.bconstant(True, place)).all()
    assert (flags(space.border(place)) == oracles.border(place.shape, place.dimension)).all()
    for axis, operator in enumerate((space.x, space.y, space.z)):
        assert (voxels(operator(place)) == oracles.coordinate(place.shape, axis)).all()


@given(st.data())
@SOME
def test_interior_is_the_dual_of_near(data):
    a = data.draw(masks_on(data.draw(places())))
    dual = logic.mask_not(spatial.near(logic.mask_not(a)))
    assert (flags(spatial.interior(a)) == flags(dual)).all()
