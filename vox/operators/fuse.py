"""Which nodes are better run as one: chains of comparisons of one image, and the image with them.

Pure: nodes in, groups out. A mask that is made of comparisons of one image with numbers, by `not`, `and` and
`or`, is a set of float32 numbers: the voxels whose value is in it. However long the chain, it is one pass;
and where nobody else needs the image, a distance, a rank, is never made at all (`vox.operators.fused`).

What is run as one never changes a value: a group's result is that of its nodes one by one, to the last bit.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from vox.digest import NodeId
from vox.plan import Apply, Constant, Node

Interval = tuple[float, float]

# Images whose comparisons cost less than they do themselves.
CHEAPER = frozenset({"dt@1", "percentiles@1"})
_COMPARISONS = {"geq_sv@1": 1, "leq_sv@1": 1, "eq_sv@1": 1, "between@1": 2}
_JOINS = {"and@1", "or@1"}
_INFINITY = math.inf


def single(number: float) -> float:
    """Return the float32 number nearest to one; infinite beyond float32's range."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return math.copysign(_INFINITY, number)


def after(number: float) -> float:
    """Return the next float32 number; the two zeros are one."""
    if number == _INFINITY:
        return number
    if number == 0:
        return 2.0**-149
    bits = struct.unpack("<i", struct.pack("<f", number))[0]
    return float(struct.unpack("<f", struct.pack("<i", bits + (1 if number > 0 else -1)))[0])


def before(number: float) -> float:
    """Return the float32 number before one."""
    return -after(-number)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A set of float32 numbers: closed intervals in ascending order that do not touch, and NaN or not."""

    intervals: tuple[Interval, ...]
    nan: bool = False

    @classmethod
    def between(cls, low: float, high: float) -> Numbers:
        """Return what is not less than one number and not more than another, both rounded to float32."""
        a, b = single(low), single(high)
        return cls(((a, b),) if a <= b else ())

    def __invert__(self) -> Numbers:
        found: list[Interval] = []
        begin: float | None = -_INFINITY
        for low, high in self.intervals:
            if begin is not None and begin < low:
                found.append((begin, before(low)))
            begin = None if high == _INFINITY else after(high)
        if begin is not None:
            found.append((begin, _INFINITY))
        return Numbers(tuple(found), not self.nan)

    def __and__(self, other: Numbers) -> Numbers:
        found = [
            (max(a, c), min(b, d))
            for a, b in self.intervals
            for c, d in other.intervals
            if max(a, c) <= min(b, d)
        ]
        return Numbers(tuple(found), self.nan and other.nan)

    def __or__(self, other: Numbers) -> Numbers:
        return ~(~self & ~other)


@dataclass(frozen=True, slots=True)
class Group:
    """One result that stands for several nodes.

    Attributes
    ----------
    target
        The mask that is made.
    image
        What is compared.
    numbers
        The values where the mask is set.
    inner
        Nodes in between that nobody else needs, the image among them if it is not made either.
    """

    target: NodeId
    image: NodeId
    numbers: Numbers
    inner: frozenset[NodeId]

    @property
    def makes_image(self) -> bool:
        """Whether the image is there in the end."""
        return self.image not in self.inner


def groups(nodes: Mapping[NodeId, Node], keep: Collection[NodeId]) -> list[Group]:
    """Return the groups among some nodes, in the order of their targets.

    Parameters
    ----------
    nodes
        Inputs first.
    keep
        Nodes whose results are needed outside: goals, and inputs of nodes that are not in `nodes`.
    """
    consumers: dict[NodeId, set[NodeId]] = {}
    masks: dict[NodeId, tuple[NodeId, Numbers]] = {}
    below: dict[NodeId, frozenset[NodeId]] = {}
    for name, node in nodes.items():
        if not isinstance(node, Apply):
            continue
        for needed in node.inputs:
            consumers.setdefault(needed, set()).add(name)
        mask = _numbers(node, nodes, masks)
        if mask is not None:
            masks[name] = mask
            chain = [needed for needed in node.inputs if masks.get(needed, (None,))[0] == mask[0]]
            below[name] = frozenset(chain).union(*(below[needed] for needed in chain))
    targets = [
        name
        for name, (image, _) in masks.items()
        if name in keep
        or not consumers.get(name)
        or any(masks.get(user, (None,))[0] != image for user in consumers[name])
    ]
    made = frozenset(targets)
    found = [Group(name, *masks[name], below[name] - made) for name in targets]
    skipped = _unmade(nodes, keep, consumers, found)
    found = [Group(g.target, g.image, g.numbers, g.inner | ({g.image} & skipped)) for g in found]
    return [group for group in found if group.inner]


def _numbers(
    node: Apply, nodes: Mapping[NodeId, Node], masks: Mapping[NodeId, tuple[NodeId, Numbers]]
) -> tuple[NodeId, Numbers] | None:
    """Return the image that a mask compares, and where it is set; None if it is something else."""
    count = _COMPARISONS.get(node.operator)
    if count is not None:
        values = [_constant(nodes.get(name)) for name in node.inputs[:count]]
        low, high = values[0], values[-1]
        if low is None or high is None:
            return None
        ends = {"geq_sv@1": (low, _INFINITY), "leq_sv@1": (-_INFINITY, high)}
        return node.inputs[count], Numbers.between(*ends.get(node.operator, (low, high)))
    if node.operator == "not@1" and node.inputs[0] in masks:
        image, numbers = masks[node.inputs[0]]
        return image, ~numbers
    if node.operator in _JOINS and all(name in masks for name in node.inputs):
        (first, a), (second, b) = (masks[name] for name in node.inputs)
        if first == second:
            return first, a & b if node.operator == "and@1" else a | b
    return None


def _constant(node: Node | None) -> float | None:
    if (
        isinstance(node, Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ):
        return float(node.value)
    return None


def _unmade(
    nodes: Mapping[NodeId, Node],
    keep: Collection[NodeId],
    consumers: Mapping[NodeId, set[NodeId]],
    found: Iterable[Group],
) -> frozenset[NodeId]:
    """Return the images that nothing but groups of a kind that can do without needs."""
    inside: dict[NodeId, set[NodeId]] = {}
    for group in found:
        inside.setdefault(group.image, set()).update(group.inner | {group.target})
    skipped = set()
    for image, members in inside.items():
        node = nodes.get(image)
        cheaper = isinstance(node, Apply) and node.operator in CHEAPER
        if cheaper and image not in keep and consumers[image] <= members:
            skipped.add(image)
    return frozenset(skipped)
