"""The simplest interpreter of a plan: node after node, one thread, no cache, nothing kept. The oracle.

Every other engine must give the digests that this one gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vox.digest import Digest, NodeId
from vox.errors import Cancelled, VoxError
from vox.operators.apply import apply, find
from vox.operators.catalogue import CATALOGUE
from vox.operators.codec import canonical, decode_value, digest_of, encode_value
from vox.operators.registry import Registry
from vox.operators.values import Value
from vox.plan import Apply, Constant, Goal, Plan


@dataclass(frozen=True, slots=True)
class GoalValue:
    """What a goal came to: a value (and the bytes of its file, when it is a save), or an error.

    `digest` is the value's blob, `file_digest` that of the bytes that the save writes.
    """

    goal: Goal
    value: Value = None
    digest: Digest | None = None
    file: Value = None
    file_digest: Digest | None = None
    error: VoxError | None = None


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What a plan came to.

    `computed` are the nodes whose kernels ran, `failed` those with an error of their own, `skipped` those
    behind one.
    """

    goals: tuple[GoalValue, ...]
    computed: tuple[NodeId, ...]
    failed: dict[NodeId, VoxError]
    skipped: dict[NodeId, VoxError]


def run(
    plan: Plan, read: Callable[[Digest], Any], *, catalogue: Registry = CATALOGUE
) -> tuple[GoalValue, ...]:
    """Compute every goal of `plan`: `interpret`, without the rest."""
    return interpret(plan, read, catalogue=catalogue).goals


def interpret(
    plan: Plan,
    read: Callable[[Digest], Any],
    *,
    catalogue: Registry = CATALOGUE,
    cancelled: Callable[[], bool] = lambda: False,
) -> Interpretation:
    """Compute every goal of `plan`. An error in one does not keep the others from being computed.

    Parameters
    ----------
    read
        Gives the blob of a source.
    catalogue
        The operators.
    cancelled
        Looked at between two nodes.

    Raises
    ------
    Cancelled
        If `cancelled` said so.
    """
    from vox.kernels import parallel

    values: dict[NodeId, Value] = {}
    failed: dict[NodeId, VoxError] = {}
    skipped: dict[NodeId, VoxError] = {}
    computed: list[NodeId] = []
    needed = _needed(plan)
    with parallel.limit(1):
        for name, node in plan:
            if name not in needed:
                continue
            if cancelled():
                raise Cancelled("somebody asked for the end")
            broken = next((i for i in plan.inputs(name) if i not in values), None)
            if broken is not None:
                skipped[name] = failed.get(broken) or skipped[broken]
                continue
            try:
                if isinstance(node, Constant):
                    values[name] = canonical(node.value)
                elif isinstance(node, Apply):
                    inputs = [values[i] for i in node.inputs]
                    values[name] = apply(find(node.operator, catalogue), inputs, node.parameters)
                    computed.append(name)
                else:
                    values[name] = decode_value(read(node.digest))
            except VoxError as error:
                failed[name] = error
    errors = failed | skipped
    goals = tuple(_goal(goal, values, errors) for goal in plan.goals)
    return Interpretation(goals, tuple(computed), failed, skipped)


def _needed(plan: Plan) -> set[NodeId]:
    needed: set[NodeId] = set()
    stack = [goal.wanted for goal in plan.goals]
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack += plan.inputs(name)
    return needed


def _goal(goal: Goal, values: dict[NodeId, Value], errors: dict[NodeId, VoxError]) -> GoalValue:
    value = values.get(goal.node)
    digest = digest_of(encode_value(value)) if goal.node in values else None
    if goal.wanted in errors:
        return GoalValue(goal, value, digest, error=errors[goal.wanted])
    if goal.file is None:
        return GoalValue(goal, value, digest)
    file = values[goal.file]
    return GoalValue(goal, value, digest, file, digest_of(encode_value(file)))
