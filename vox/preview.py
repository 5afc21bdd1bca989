"""What a submission would do, told beforehand: the document of `vox plan --json` and of `POST /plan`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

from vox.digest import Digest, NodeId
from vox.plan import Apply, Goal, Plan

SCHEMA = 1
# Counting goal by goal visits shared nodes again and again: beyond this many visits only the sum is told.
_VISITS_MAX = 2_000_000


class Known(Protocol):
    """A result, as far as a preview looks at it."""

    @property
    def digest(self) -> Digest:
        """The blob."""

    @property
    def size(self) -> int:
        """Its bytes."""


def preview(
    plan: Plan,
    known: Mapping[NodeId, Known],
    absent: Collection[Digest] = (),
    *,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Return what would be computed, reused and fetched, for each goal and in all.

    Parameters
    ----------
    known
        Results that the submission would begin with.
    absent
        Blobs of them that are not here: they are on other machines and would be fetched.
    seconds
        What computing is expected to take; None when nobody has measured.
    """
    elsewhere = frozenset(absent)
    work, fetched, _ = _needed(plan, _roots(plan.goals), known, elsewhere)
    visits = len(plan.goals) * len(plan)
    return {
        "schema": SCHEMA,
        "nodes": _counts(len(plan), work, fetched),
        "goals": [_goal(plan, goal, known, elsewhere, counted=visits <= _VISITS_MAX) for goal in plan.goals],
        "estimate": {
            "seconds": seconds if work else 0.0,
            "bytes": sum({known[name].digest: known[name].size for name in fetched}.values()),
        },
        "warnings": warnings(plan),
    }


def outline(plan: Plan) -> dict[str, Any]:
    """Return the goals and warnings of a plan: what `POST /check` answers."""
    return {
        "schema": SCHEMA,
        "goals": [_plain_goal(goal) for goal in plan.goals],
        "warnings": warnings(plan),
    }


def warnings(plan: Plan) -> list[object]:
    """Return what the checker found strange but right, as JSON."""
    found = []
    for item in plan.warnings:
        to_json = getattr(item, "to_json", None)
        found.append(to_json() if callable(to_json) else str(item))
    return found


def _roots(goals: Iterable[Goal]) -> list[NodeId]:
    # The value of a save is a goal's result too: without it, its file alone would not be enough.
    return [name for goal in goals for name in (goal.wanted, goal.node)]


def _needed(
    plan: Plan, roots: list[NodeId], known: Mapping[NodeId, Known], absent: frozenset[Digest]
) -> tuple[list[NodeId], list[NodeId], int]:
    """Return what has to be computed, what has to be fetched, and how many nodes were looked at."""
    seen: set[NodeId] = set()
    work, fetched, stack = [], [], list(roots)
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in known:
            if absent and known[name].digest in absent:
                fetched.append(name)
            continue
        if isinstance(plan.nodes[name], Apply):
            work.append(name)
        stack.extend(plan.inputs(name))
    return work, fetched, len(seen)


def _counts(total: int, work: list[NodeId], fetched: list[NodeId]) -> dict[str, int]:
    return {
        "total": total,
        "reused": total - len(work) - len(fetched),
        "fetchable": len(fetched),
        "to_compute": len(work),
    }


def _goal(
    plan: Plan, goal: Goal, known: Mapping[NodeId, Known], absent: frozenset[Digest], *, counted: bool
) -> dict[str, Any]:
    document = _plain_goal(goal) | {"known": goal.wanted in known}
    if counted:
        roots = _roots([goal])
        work, fetched, _ = _needed(plan, roots, known, absent)
        total = _needed(plan, roots, {}, frozenset())[2]
        document["nodes"] = _counts(total, work, fetched)
    return document


def _plain_goal(goal: Goal) -> dict[str, Any]:
    return {"kind": goal.kind, "label": goal.label, "node": str(goal.node), "type": str(goal.type)}
