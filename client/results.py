"""Executions as JSON: what `vox submit --json` prints, and what a coordinator answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coordinator.contract import ExecutionProgress, ExecutionResult, GoalResult, NodeCounts
from vox.digest import Digest, NodeId
from vox.events import State
from vox.plan import Type

SCHEMA = 1


def result_from_json(document: Mapping[str, Any]) -> ExecutionResult:
    """Read an execution."""
    counts = {name: int(document["nodes"].get(name, 0)) for name in NodeCounts.__slots__}
    return ExecutionResult(
        str(document["execution"]),
        State(document["state"]),
        float(document.get("seconds", 0.0)),
        NodeCounts(**counts),
        tuple(goal_from_json(goal) for goal in document.get("goals", ())),
        tuple(document.get("errors", ())),
    )


def goal_from_json(document: Mapping[str, Any]) -> GoalResult:
    """Read a goal."""

    def digest(key: str) -> Digest | None:
        return Digest.parse(document[key]) if document.get(key) else None

    return GoalResult(
        document["kind"],
        str(document["label"]),
        document["state"],
        NodeId.parse(document["node"]),
        Type(document["type"]),
        digest("digest"),
        digest("file"),
    )


def result_to_json(
    result: ExecutionResult | ExecutionProgress, extras: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    """Write an execution as INTERFACES says; `extras` are fields of goals by position (value, path)."""
    return {
        "schema": SCHEMA,
        "execution": result.execution,
        "state": str(result.state),
        "seconds": round(result.seconds, 3),
        "nodes": result.nodes.to_json(),
        "goals": [goal.to_json() | dict(extras.get(at, {})) for at, goal in enumerate(result.goals)],
        "errors": list(result.errors) if isinstance(result, ExecutionResult) else [],
    }
