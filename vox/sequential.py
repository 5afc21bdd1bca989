"""The simplest interpreter of a plan: node after node, one thread, no cache, nothing kept. The oracle.

Every other engine must give the digests that this one gives.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from vox.digest import Digest, NodeId
from vox.errors import VoxError
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


def run(
    plan: Plan, read: Callable[[Digest], Any], *, catalogue: Registry = CATALOGUE
) -> tuple[GoalValue, ...]:
    """Compute every goal of `plan`.

    Parameters
    ----------
    read
        Gives the blob of a source.
    catalogue
        The operators.

    Returns
    -------
    tuple
        One for each goal, in order. An error in one does not keep the others from being computed.
    """
    values: dict[NodeId, Value] = {}
    errors: dict[NodeId, VoxError] = {}
    needed = _needed(plan)
    with _one_thread():
        for name, node in plan:
            if name not in needed:
                continue
            if isinstance(node, Constant):
                values[name] = canonical(node.value)
                continue
            broken = next((errors[i] for i in plan.inputs(name) if i in errors), None)
            if broken is not None:
                errors[name] = broken
                continue
            try:
                if isinstance(node, Apply):
                    inputs = [values[i] for i in node.inputs]
                    values[name] = apply(find(node.operator, catalogue), inputs, node.parameters)
                else:
                    values[name] = decode_value(read(node.digest))
            except VoxError as error:
                errors[name] = error
    return tuple(_goal(goal, values, errors) for goal in plan.goals)


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
    if goal.wanted in errors:
        return GoalValue(goal, error=errors[goal.wanted])
    value = values[goal.node]
    file = None if goal.file is None else values[goal.file]
    file_digest = None if goal.file is None else digest_of(encode_value(file))
    return GoalValue(goal, value, digest_of(encode_value(value)), file, file_digest)


def _one_thread() -> AbstractContextManager[None]:
    from vox.kernels import parallel

    return parallel.limit(1)
