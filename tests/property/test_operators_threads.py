"""Nobody can tell from a result how many threads made it, or whether its inputs could be written."""

import numpy as np
import pytest

from tests.support.volumes import geometry, image, mask
from vox import kernels
from vox.operators import arithmetic, intensity, logic, space, spatial, texture
from vox.operators.codec import decode_value, digest_of, encode_value


def every_result(a, b, m, n):
    """Each operator that runs over slabs, once."""
    yield from (
        f(a, b) for f in (arithmetic.add, arithmetic.subtract, arithmetic.multiply, arithmetic.divide)
    )
    yield from (f(a) for f in (arithmetic.absolute, intensity.maximum, intensity.minimum))
    yield from (f(3.5, a) for f in (arithmetic.div_sv, intensity.eq_sv, intensity.geq_sv, intensity.leq_sv))
    yield from (intensity.between(-1, 60, a), intensity.mask(a, m), intensity.average(a, m))
    yield from (intensity.percentiles(a, m, 0.5), intensity.percentiles(b, m, 0.5), intensity.otsu(a, m, 32))
    yield from (intensity.intensity(intensity.rgb(a, b, a)), logic.mask_and(m, n), logic.volume(m))
    yield from (f(m) for f in (logic.mask_not, spatial.near, spatial.interior, spatial.lcc, spatial.maxvol))
    yield from (spatial.dt(m), spatial.dt(n), spatial.through(n, m), space.border(m.geometry))
    yield texture.cross_correlation(2.0, a, b, m, -50.0, 100.0, 11.0)


def inputs():
    rng = np.random.default_rng(7)
    place = geometry((70, 41, 23), (1.0, 0.8, 2.5))
    a = image(place, rng.integers(-90, 120, place.shape), "int16")
    b = image(place, rng.normal(size=place.shape) * 70)
    m = mask(place, rng.random(place.shape) < 0.2)
    n = mask(place, rng.random(place.shape) < 0.002)
    return a, b, m, n


def digests(values):
    return [digest_of(encode_value(value)) for value in every_result(*values)]


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_results_do_not_depend_on_the_number_of_threads(threads):
    with kernels.parallel.limit(1):
        alone = digests(inputs())
    with kernels.parallel.limit(threads):
        assert digests(inputs()) == alone


def test_values_out_of_the_store_are_read_only_and_as_good():
    stored = [decode_value(b"".join(bytes(part) for part in encode_value(value))) for value in inputs()]
    assert not any(
        array.flags.writeable
        for array in (stored[0].voxels, stored[1].voxels, stored[2].words, stored[3].words)
    )
    assert digests(stored) == digests(inputs())


def test_values_in_bytes_that_start_anywhere_are_as_good():
    """A blob that came out of a network buffer need not be aligned to words."""
    moved = []
    for value in inputs():
        blob = b"".join(bytes(part) for part in encode_value(value))
        moved.append(decode_value(memoryview(b"xyz" + blob)[3:]))
    assert digests(moved) == digests(inputs())
