"""Executions and plans as the JSON documents that people and programs read."""

from __future__ import annotations

from typing import Any

from coordinator.api_blobs import scalar
from coordinator.api_context import Context
from coordinator.contract import ExecutionProgress, ExecutionResult, GoalResult
from vox.errors import BlobMissing
from vox.plan import Plan
from vox.preview import preview

SCHEMA = 1
# Above this a graph is a file for a program, not a picture for a person; both are bounded all the same.
GRAPH_NODES_MAX = 200_000


def execution_document(here: Context, moment: ExecutionProgress | ExecutionResult) -> dict[str, Any]:
    """Return what `vox submit --json` prints; for a running execution, as far as it has come."""
    errors = moment.errors if isinstance(moment, ExecutionResult) else ()
    return {
        "schema": SCHEMA,
        "execution": moment.execution,
        "state": str(moment.state),
        "seconds": round(moment.seconds, 6),
        "nodes": moment.nodes.to_json(),
        "goals": [_goal(here, goal) for goal in moment.goals],
        "errors": list(errors),
    }


def summary_document(moment: ExecutionProgress) -> dict[str, Any]:
    """Return one line of `vox list`."""
    return {
        "execution": moment.execution,
        "state": str(moment.state),
        "seconds": round(moment.seconds, 6),
        "nodes": moment.nodes.to_json(),
        "goals": len(moment.goals),
    }


def preview_document(here: Context, plan: Plan, *, reads: bool) -> dict[str, Any]:
    """Return what `vox plan --json` prints: what would be computed, fetched and reused."""
    known = here.engine.known(plan) if reads else {}
    absent = here.store.missing({result.digest for result in known.values()}) if known else set()
    return preview(plan, known, absent)


def _goal(here: Context, goal: GoalResult) -> dict[str, Any]:
    document = goal.to_json()
    if goal.kind == "print" and goal.digest is not None:
        try:
            found = scalar(here, goal.digest)
        except BlobMissing:
            found = None
        if found is not None:
            document["value"] = _plain(found["value"])
    return document


def _plain(value: Any) -> Any:
    """Return a term in JSON's types: JSON has no bytes, no infinities and no NaN."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and value - value != 0.0:
        return str(value)
    return value
