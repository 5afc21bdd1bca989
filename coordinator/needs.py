"""What is known below the goals of a plan, found in few look-ups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from vox.digest import NodeId
from vox.plan import Apply, Plan

T = TypeVar("T")
# Layers that are asked for at once: enough for few look-ups, few enough to stop soon after a limit.
DEPTH_MAX = 4_096


def known_results(
    plan: Plan,
    roots: Iterable[NodeId],
    look_up: Callable[[Collection[NodeId]], Mapping[NodeId, T]],
    also: Iterable[NodeId] = (),
    limit: int = 0,
) -> dict[NodeId, T]:
    """Walk down from `roots`, stop at known results, return those.

    The first look-up asks for the roots alone: a known goal ends its whole sub-DAG. Each further one goes
    twice as deep as the one before, so that a chain of any length takes a logarithmic number of look-ups.

    Parameters
    ----------
    look_up
        Returns what is known of many nodes at once.
    also
        Nodes to ask for with the first look-up; nothing below them is.
    limit
        After so many nodes the walk ends where it stands: whoever runs what is below looks there. 0 means
        never.
    """
    known: dict[NodeId, T] = {}
    frontier = [name for name in dict.fromkeys(roots) if isinstance(plan.nodes[name], Apply)]
    extra = [name for name in also if isinstance(plan.nodes[name], Apply)]
    asked: set[NodeId] = set()
    depth = 1
    while frontier and not (limit and len(asked) >= limit):
        batch = _layers(plan, frontier, depth, asked)
        known.update(look_up(list(dict.fromkeys([*batch, *extra]))))
        asked |= batch.keys()
        extra = []
        frontier = _beyond(plan, frontier, known, asked)
        depth = min(2 * depth, DEPTH_MAX)
    return known


def _layers(plan: Plan, frontier: list[NodeId], depth: int, asked: set[NodeId]) -> dict[NodeId, None]:
    batch: dict[NodeId, None] = dict.fromkeys(frontier)
    layer = frontier
    for _ in range(depth - 1):
        below = dict.fromkeys(needed for name in layer for needed in plan.inputs(name))
        layer = [
            name
            for name in below
            if name not in batch and name not in asked and isinstance(plan.nodes[name], Apply)
        ]
        if not layer:
            break
        batch |= dict.fromkeys(layer)
    return batch


def _beyond(
    plan: Plan, frontier: list[NodeId], known: Mapping[NodeId, object], asked: set[NodeId]
) -> list[NodeId]:
    """Return the nodes nobody asked for yet that lie right below unknown ones."""
    beyond: dict[NodeId, None] = {}
    seen = set(frontier)
    stack = list(frontier)
    while stack:
        name = stack.pop()
        if name in known:
            continue
        if name not in asked:
            beyond[name] = None
            continue
        for below in plan.inputs(name):
            if below not in seen and isinstance(plan.nodes[below], Apply):
                seen.add(below)
                stack.append(below)
    return list(beyond)
