"""Every operator that gives an image or a number agrees with its definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import oracles
from tests.support.volumes import flags, images_on, masks_on, places, voxels
from vox.operators import arithmetic, intensity, space, texture
from vox.operators.values import Image

FEW = settings(max_examples=60, deadline=None)
SOME = settings(max_examples=30, deadline=None)
FLOATS = st.floats(width=64)
NUMBERS = st.one_of(st.floats(-1000, 1000), st.sampled_from([0.0, 0.1, 1e-9, math.inf, math.nan, 1e300]))
ONE_NAN = np.float32(np.nan).tobytes()


def same(got: Image, wanted: np.ndarray) -> bool:
    """Whether an image is bit for bit what is wanted, with one kind of NaN."""
    found = voxels(got)
    assert all(v.tobytes() == ONE_NAN for v in found[np.isnan(found)])
    return bool(((found == wanted) | (np.isnan(found) & np.isnan(wanted))).all())


def each(function, *operands):
    """Apply a function of float32 numbers voxel by voxel."""
    shape = next(o.shape for o in operands if isinstance(o, np.ndarray))
    out = np.empty(shape, np.float32)
    with np.errstate(all="ignore"):
        for at in np.ndindex(shape):
            out[at] = function(*(o[at] if isinstance(o, np.ndarray) else np.float32(o) for o in operands))
    return out


@given(st.data(), NUMBERS)
@FEW
def test_arithmetic_is_float32_voxel_by_voxel(data, n):
    place = data.draw(places(200))
    a, b = data.draw(images_on(place)), data.draw(images_on(place))
    p, q = voxels(a), voxels(b)
    assert same(arithmetic.add(a, b), each(lambda u, v: u + v, p, q))
    assert same(arithmetic.subtract(a, b), each(lambda u, v: u - v, p, q))
    assert same(arithmetic.multiply(a, b), each(lambda u, v: u * v, p, q))
    assert same(arithmetic.divide(a, b), each(oracles.divide, p, q))
    assert same(arithmetic.add_vs(a, n), each(lambda u, v: u + v, p, n))
    assert same(arithmetic.sub_vs(a, n), each(lambda u, v: u - v, p, n))
    assert same(arithmetic.mul_vs(a, n), each(lambda u, v: u * v, p, n))
    assert same(arithmetic.div_vs(a, n), each(lambda u, v: u * v, p, 1 / n if n else math.inf))
    assert same(arithmetic.sub_sv(n, a), each(lambda u, v: u - v, n, p))
    assert same(arithmetic.div_sv(n, a), each(oracles.divide, n, p))
    assert same(arithmetic.absolute(a), each(abs, p))


@given(FLOATS, FLOATS)
def test_numbers_are_ieee_doubles(a, b):
    with np.errstate(all="ignore"):
        p, q = np.float64(a), np.float64(b)
        pairs = [
            (arithmetic.num_add, p + q),
            (arithmetic.num_sub, p - q),
            (arithmetic.num_mul, p * q),
            (arithmetic.num_div, p / q),
        ]
    for operator, wanted in pairs:
        got = operator(a, b)
        assert type(got) is float
        assert got == wanted or (math.isnan(got) and math.isnan(wanted))
    for operator, truth in (
        (arithmetic.num_eq, p == q),
        (arithmetic.num_leq, p <= q),
        (arithmetic.num_lt, p < q),
        (arithmetic.num_geq, p >= q),
        (arithmetic.num_gt, p > q),
    ):
        assert operator(a, b) is bool(truth)


@given(st.data())
@FEW
def test_mask_keeps_what_is_inside_and_the_dtype(data):
    place = data.draw(places())
    image, where = data.draw(images_on(place)), data.draw(masks_on(place))
    got = intensity.mask(image, where)
    assert got.voxels.dtype == image.voxels.dtype
    assert same(got, np.where(flags(where), voxels(image), np.float32(0)))


@given(st.data())
@FEW
def test_extremes_skip_nan(data):
    image = data.draw(images_on(data.draw(places())))
    numbers = [float(v) for v in voxels(image).ravel() if not np.isnan(v)]
    low, high = intensity.minimum(image), intensity.maximum(image)
    assert type(low) is float
    assert type(high) is float
    if numbers:
        assert (low, high) == (min(numbers), max(numbers))
    else:
        assert math.isnan(low)
        assert math.isnan(high)


@given(st.data())
@FEW
def test_average_is_the_mean(data):
    place = data.draw(places())
    image, where = data.draw(images_on(place, special=False)), data.draw(masks_on(place))
    chosen = voxels(image)[flags(where)].astype(float)
    if len(chosen):
        got = intensity.average(image, where)
        assert type(got) is float
        assert got == pytest.approx(math.fsum(chosen) / len(chosen), rel=1e-12, abs=1e-12)


@given(st.data(), st.sampled_from([0.0, 0.5, 1.0, 0.3]))
@FEW
def test_percentiles_count_voxels(data, share):
    place = data.draw(places(200))
    image, where = data.draw(images_on(place)), data.draw(masks_on(place))
    got = intensity.percentiles(image, where, share)
    assert same(got, oracles.percentiles(voxels(image), flags(where), share))


@given(st.data(), st.sampled_from([0.0, 1.0, 1.5, 2.5, 30.0]), st.sampled_from([1.0, 2.7, 7.0, 70.0]))
@SOME
def test_cross_correlation_is_pearsons_coefficient_of_local_histograms(data, radius, bins):
    place = data.draw(places(140))
    a, b = data.draw(images_on(place)), data.draw(images_on(place))
    where = data.draw(masks_on(place))
    low, high = data.draw(st.sampled_from([(-3.0, 3.0), (0.0, 255.0), (-0.1, 0.7), (5.0, 5.0), (1.0, 0.0)]))
    got = texture.cross_correlation(radius, a, b, where, low, high, bins)
    if low >= high:
        assert (voxels(got) == 1).all()
        return
    spacing = (*place.spacing, 1.0)[:3]
    wanted = oracles.cross_correlation(
        *(radius, voxels(a), voxels(b), flags(where), low, high, bins, place.dimension, spacing)
    )
    assert np.abs(voxels(got) - wanted).max() <= 1e-6


@given(st.data())
@FEW
def test_colours_are_put_together_and_taken_apart(data):
    place = data.draw(places(200))
    parts = [data.draw(images_on(place)) for _ in range(4)]
    colour, full = intensity.rgb(*parts[:3]), intensity.rgba(*parts)
    for index, part in enumerate((intensity.red, intensity.green, intensity.blue)):
        assert same(part(colour), voxels(parts[index]))
        assert same(part(full), voxels(parts[index]))
    assert same(intensity.alpha(full), voxels(parts[3]))
    assert (voxels(intensity.alpha(colour)) == 255).all()
    wanted = np.empty(place.shape, np.float32)
    for at in np.ndindex(place.shape):
        wanted[at] = oracles.luminance(full.voxels[at])
    assert same(intensity.intensity(full), wanted)


@given(places(), NUMBERS)
@FEW
def test_constant_is_one_float32_everywhere(place, number):
    with np.errstate(over="ignore"):
        wanted = np.full(place.shape, np.float32(number))
    assert same(space.constant(number, place), wanted)
