"""Executions and plans as the JSON documents that people and programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coordinator.api_blobs import scalar
from coordinator.api_context import Context
from coordinator.contract import ExecutionProgress, ExecutionResult, GoalResult
from vox.digest import NodeId
from vox.errors import BlobMissing
from vox.plan import Apply, Constant, Plan

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


def preview_document(plan: Plan, known: Mapping[NodeId, object]) -> dict[str, Any]:
    """Return what `vox plan --json` prints: what would be computed, what is known already."""
    reused = set(known)
    needed: set[NodeId] = set()
    # The value of a save is a result too: its file alone would not be enough.
    stack = [name for goal in plan.goals for name in (goal.wanted, goal.node)]
    while stack:
        name = stack.pop()
        if name in needed:
            continue
        needed.add(name)
        if name not in reused:
            stack.extend(plan.inputs(name))
    work = [name for name in needed if name not in reused and isinstance(plan.nodes[name], Apply)]
    return {
        "schema": SCHEMA,
        "nodes": {
            "total": len(plan),
            "reused": len(plan) - len(work),
            "fetchable": 0,
            "to_compute": len(work),
        },
        "goals": [
            {
                "kind": goal.kind,
                "label": goal.label,
                "node": str(goal.node),
                "type": str(goal.type),
                "known": goal.wanted in reused,
            }
            for goal in plan.goals
        ],
        "estimate": {"seconds": None, "bytes": None},
        "warnings": [_warning(item) for item in plan.warnings],
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON: nodes, inputs first, and goals."""
    nodes = []
    for name, node in plan:
        entry: dict[str, Any] = {"node": str(name), "operator": _label(plan, name)}
        if isinstance(node, Apply):
            entry["inputs"] = [str(each) for each in node.inputs]
            entry["parameters"] = {key: _plain(value) for key, value in node.parameters}
        elif isinstance(node, Constant):
            entry["value"] = node.value
        else:
            entry["digest"] = str(node.digest)
        if name in plan.origins:
            entry["span"] = plan.origins[name].to_json()
        if name in plan.types:
            entry["type"] = str(plan.types[name])
        nodes.append(entry)
    goals = [{"kind": goal.kind, "label": goal.label, "node": str(goal.node)} for goal in plan.goals]
    return {"schema": SCHEMA, "nodes": nodes, "goals": goals}


def plan_dot(plan: Plan) -> str:
    """Return a plan as a Graphviz graph."""
    number = {name: index for index, name in enumerate(plan.nodes)}
    lines = ["digraph plan {", "  rankdir=BT;", "  node [shape=box, fontname=Helvetica];"]
    for name in plan.nodes:
        lines.append(f"  n{number[name]} [label={_quoted(_label(plan, name))}];")
        lines += [f"  n{number[each]} -> n{number[name]};" for each in plan.inputs(name)]
    for index, goal in enumerate(plan.goals):
        lines.append(f"  g{index} [shape=ellipse, label={_quoted(f'{goal.kind} {goal.label}')}];")
        lines.append(f"  n{number[goal.node]} -> g{index};")
    return "\n".join([*lines, "}", ""])


def _goal(here: Context, goal: GoalResult) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": goal.kind,
        "label": goal.label,
        "state": goal.state,
        "node": str(goal.node),
        "digest": None if goal.digest is None else str(goal.digest),
        "type": str(goal.type),
    }
    if goal.file is not None:
        document["file"] = str(goal.file)
    if goal.kind == "print" and goal.digest is not None:
        try:
            found = scalar(here, goal.digest)
        except BlobMissing:
            found = None
        if found is not None:
            document["value"] = _plain(found["value"])
    return document


def _warning(item: object) -> object:
    to_json = getattr(item, "to_json", None)
    return to_json() if callable(to_json) else str(item)


def _label(plan: Plan, name: NodeId) -> str:
    node = plan.nodes[name]
    if isinstance(node, Apply):
        return node.operator
    return repr(node.value) if isinstance(node, Constant) else f"source {node.digest.short}"


def _plain(value: Any) -> Any:
    """Return a term in JSON's types: JSON has no bytes, no infinities and no NaN."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and value - value != 0.0:
        return str(value)
    return value


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
