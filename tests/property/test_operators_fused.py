"""Whatever is run as one gives what its nodes give one by one, to the last bit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.volumes import geometry, images_on, mask, masks_on, places, voxels
from vox import kernels
from vox.digest import Digest
from vox.operators import fused, intensity, logic, spatial
from vox.operators.apply import apply
from vox.operators.catalogue import CATALOGUE
from vox.operators.fuse import Numbers, after, before, groups, single
from vox.plan import Apply, Constant, Source, node_id

FEW = settings(max_examples=60, deadline=None)
SPECIAL = [0.0, -0.0, 1.0, 2.0, 1e-45, math.inf, -math.inf, math.nan, 1.8446743e19, 1e300]
NUMBERS = st.one_of(st.sampled_from(SPECIAL), st.floats(-12, 12, width=32))


class Program:
    """Nodes by name, as a fragment has them, and their values one by one."""

    def __init__(self, **values):
        self.nodes, self.values = {}, {}
        for number, value in enumerate(values.values()):
            node = Source(digest_number(number))
            self.nodes[node_id(node)] = node
            self.values[node_id(node)] = value
        self.inputs = list(self.nodes)

    def constant(self, value):
        node = Constant(value)
        self.nodes[node_id(node)] = node
        self.values[node_id(node)] = value
        return node_id(node)

    def apply(self, operator, *inputs):
        node = Apply(operator, inputs, ())
        name = node_id(node)
        if name not in self.nodes:
            self.nodes[name] = node
            function = CATALOGUE.of(operator)
            self.values[name] = apply(function, [self.values[i] for i in inputs], ())
        return name


def digest_number(number):
    return Digest.of(bytes([number]))


@st.composite
def chains(draw, program, image):
    """A mask made of comparisons of an image with numbers."""
    kind = draw(st.sampled_from(["geq_sv@1", "leq_sv@1", "eq_sv@1", "between@1", "not@1", "and@1", "or@1"]))
    if kind == "not@1":
        return program.apply(kind, draw(chains(program, image)))
    if kind in ("and@1", "or@1"):
        return program.apply(kind, draw(chains(program, image)), draw(chains(program, image)))
    count = 2 if kind == "between@1" else 1
    return program.apply(kind, *[program.constant(draw(NUMBERS)) for _ in range(count)], image)


def check(program, keep):
    """Every group gives the value of its target; what it leaves out is needed by nobody else."""
    found = groups(program.nodes, keep)
    gone = frozenset().union(*(group.inner for group in found))
    assert not gone & set(keep)
    targets = {group.target for group in found}
    for name, node in program.nodes.items():
        if isinstance(node, Apply) and name not in gone and name not in targets:
            assert not gone & set(node.inputs), "a node that runs on its own has its inputs"
    for group in found:
        if group.makes_image:
            got = fused.compared(program.values[group.image], group.numbers)
        else:
            node = program.nodes[group.image]
            got = fused.unmade(node.operator, [program.values[i] for i in node.inputs], group.numbers)
            if got is None:
                got = fused.compared(program.values[group.image], group.numbers)
        assert got.words.tobytes() == program.values[group.target].words.tobytes()
    return found


@given(st.data())
@FEW
def test_chains_of_comparisons_of_an_image_are_one_set_of_numbers(data):
    place = data.draw(places(200))
    program = Program(image=data.draw(images_on(place)))
    target = data.draw(chains(program, program.inputs[0]))
    check(program, {target})


@given(st.data(), st.sampled_from([(1.0, 1.0, 1.0), (0.7, 1.3, 2.5), (0.9375, 0.9375, 3.0)]))
@FEW
def test_compared_distances_are_dilations_by_balls(data, spacing):
    place = geometry(data.draw(st.sampled_from([(17, 9, 5), (70, 6, 4), (1, 12, 3), (64, 1, 9)])), spacing)
    program = Program(where=data.draw(masks_on(place)))
    distance = program.apply("dt@1", program.inputs[0])
    target = data.draw(chains(program, distance))
    (group,) = check(program, {target})[:1] or [None]
    if group is not None and group.target == target:
        assert not group.makes_image


@pytest.mark.parametrize(
    "spacing", [(1.0, 1.0, 1.0), (0.7, 1.3, 2.5), (0.9375, 0.9375, 3.0), (1 / 3, 0.1, 5.0)]
)
def test_every_distance_that_occurs_is_a_tie_and_is_on_the_right_side(spacing):
    rng = np.random.default_rng(11)
    place = geometry((70, 13, 9), spacing)
    where = mask(place, rng.random(place.shape) < 0.01)
    where = logic.mask_or(where, spatial.near(spatial.near(mask(place, rng.random(place.shape) < 0.002))))
    distances = voxels(spatial.dt(where))
    for tie in np.unique(distances)[:: max(1, len(np.unique(distances)) // 40)]:
        for limit in (float(tie), after(float(tie)), before(float(tie))):
            for low, high in ((-math.inf, limit), (limit, math.inf), (limit, limit)):
                got = kernels.balls.within(where.words, 70, spacing, low, high)
                wanted = (distances >= np.float32(low)) & (distances <= np.float32(high))
                assert (kernels.bits.unpack(got, 70) == wanted).all(), (limit, low, high)


def test_a_ball_of_too_many_rows_is_not_made(monkeypatch):
    place = geometry((40, 40, 40))
    where = mask(place, np.random.default_rng(0).random(place.shape) < 0.001)
    long = intensity.leq_sv(9.0, spatial.dt(where))
    assert (
        fused.unmade("dt@1", [where], Numbers.between(-math.inf, 9.0)).words.tobytes() == long.words.tobytes()
    )
    monkeypatch.setattr(kernels.balls, "ROWS_MAX", 3)
    kernels.balls.rows.cache_clear()
    assert kernels.balls.rows(9.0, True, (1.0, 1.0, 1.0), place.shape) is None
    assert (
        fused.unmade("dt@1", [where], Numbers.between(-math.inf, 9.0)).words.tobytes() == long.words.tobytes()
    )
    kernels.balls.rows.cache_clear()


@given(st.data(), st.sampled_from([0.0, 0.5, 1.0, -3.0, math.nan]))
@FEW
def test_compared_ranks_are_compared_values(data, share):
    place = data.draw(places(200))
    program = Program(image=data.draw(images_on(place)), where=data.draw(masks_on(place)))
    ranks = program.apply("percentiles@1", *program.inputs, program.constant(share))
    check(program, {data.draw(chains(program, ranks))})


def test_what_is_needed_outside_is_made():
    place = geometry((9, 9, 9))
    program = Program(where=mask(place, np.arange(729) % 50 == 0))
    distance = program.apply("dt@1", program.inputs[0])
    least = program.apply("geq_sv@1", program.constant(2.0), distance)
    equal = program.apply("eq_sv@1", program.constant(2.0), distance)
    more = program.apply("and@1", least, program.apply("not@1", equal))
    (group,) = check(program, {more})
    assert group.numbers == Numbers(((after(2.0), math.inf),))
    assert distance in group.inner
    kept = check(program, {more, distance})
    assert [group.makes_image for group in kept] == [True]
    both = check(program, {more, equal})
    assert {group.target for group in both} == {more, equal}
    assert all(distance in group.inner for group in both)
    total = program.apply("max@1", distance)
    assert all(group.makes_image for group in check(program, {more, total}))


@given(st.lists(NUMBERS, min_size=4, max_size=4), st.lists(NUMBERS, min_size=1))
def test_sets_of_numbers_are_sets(ends, probes):
    a, b = Numbers.between(*ends[:2]), Numbers.between(*ends[2:])

    def holds(numbers, value):
        return (
            numbers.nan if math.isnan(value) else any(low <= value <= high for low, high in numbers.intervals)
        )

    for value in map(single, [*probes, *ends]):
        for near in (value, after(value), before(value)) if not math.isnan(value) else (value,):
            inside = holds(a, near), holds(b, near)
            assert holds(~a, near) is not inside[0]
            assert holds(a & b, near) is all(inside)
            assert holds(a | b, near) is any(inside)
            assert holds(~(a | b) | a, near) is (inside[0] or not inside[1])


def test_neighbouring_numbers_are_numpys():
    for value in (0.0, 1.0, -1.0, 1e-45, 3.4e38, -3.4028235e38):
        f = np.float32(value)
        assert after(float(f)) == float(np.nextafter(f, np.float32(np.inf)))
        assert before(float(f)) == float(np.nextafter(f, -np.float32(np.inf)))
