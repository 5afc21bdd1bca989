"""Masks and images to try operators on: shapes at the edges of words, odd spacings, special numbers."""

import numpy as np
from hypothesis import strategies as st

from vox import kernels
from vox.operators.values import Geometry, Image, Mask

DTYPES = ("float32", "uint8", "int8", "int16", "uint16")
WIDTHS = (1, 2, 3, 5, 63, 64, 65, 130)


def geometry(size, spacing=None, origin=None):
    n = len(size)
    direction = tuple(1.0 if i % (n + 1) == 0 else 0.0 for i in range(n * n))
    return Geometry(tuple(size), tuple(spacing or (1.0,) * n), tuple(origin or (0.0,) * n), direction)


def mask(place, flags):
    return Mask(place, kernels.bits.pack(np.asarray(flags, bool).reshape(place.shape)))


def image(place, voxels, dtype="float32"):
    return Image(place, np.asarray(voxels).astype(dtype).reshape(place.shape))


def flags(value):
    """The booleans of a mask; fails if it breaks the rules of masks."""
    assert value.words.dtype == np.uint64
    assert value.words.shape == (*value.geometry.shape[:2], value.geometry.words)
    assert value.words.flags.c_contiguous
    out = kernels.bits.unpack(value.words, value.geometry.size[0])
    assert kernels.bits.count(value.words) == int(out.sum()), "padding bits are not zero"
    return out


def voxels(value):
    """The float32 values of an image; fails if it breaks the rules of images."""
    assert value.voxels.shape[:3] == value.geometry.shape
    assert value.voxels.dtype.name in DTYPES
    assert value.voxels.flags.c_contiguous
    return value.voxels.astype(np.float32)


@st.composite
def places(draw, voxels_max=600):
    """Geometries in 2D and 3D, from one voxel up, most of them small."""
    width = draw(st.sampled_from(WIDTHS))
    height = draw(st.integers(1, max(1, min(6, voxels_max // width))))
    size = [width, height]
    if draw(st.booleans()):
        size.append(draw(st.integers(1, max(1, min(5, voxels_max // (width * height))))))
    if draw(st.booleans()) and width <= 6:
        size.reverse()
    steps = st.sampled_from([1.0, 0.5, 0.9375, 1.3, 2.0, 3.0, 0.7])
    return geometry(size, [draw(steps) for _ in size])


@st.composite
def masks_on(draw, place):
    seed = draw(st.integers(0, 2**32 - 1))
    density = draw(st.sampled_from([0.0, 0.02, 0.3, 0.5, 0.9, 1.0]))
    return mask(place, np.random.default_rng(seed).random(place.shape) < density)


@st.composite
def images_on(draw, place, special=True):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(DTYPES))
    if dtype != "float32":
        limits = np.iinfo(dtype)
        low, high = draw(st.sampled_from([(limits.min, limits.max), (0, 5), (limits.max, limits.max)]))
        return image(place, rng.integers(low, high, place.shape, endpoint=True), dtype)
    values = rng.choice([rng.normal(size=place.shape) * 100, rng.integers(-3, 4, place.shape) / 2.0])
    values = values.astype(np.float32)
    if special and draw(st.booleans()):
        extremes = np.float32([np.nan, np.inf, -np.inf, -0.0, 0.0, 3.4e38, 1e-40, 1e-9])
        where = rng.random(place.shape) < 0.2
        values[where] = rng.choice(extremes, int(where.sum()))
    return image(place, values)
