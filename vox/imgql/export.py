"""Plans for other programs: Graphviz's language and JSON, in the layout of VoxLogicA 2's exports.

The same plan gives the same text, byte for byte.
"""

from __future__ import annotations

import json
from typing import Any

from vox.encoding import Term
from vox.plan import Apply, Constant, Node, Plan


def to_dot(plan: Plan) -> str:
    """Return a plan as a directed graph, inputs first; goals are boxes of their own."""
    lines = ["digraph {"]
    for name, node in plan:
        lines.append(f'  "{name}" [label={_quoted(_label(node))}]')
        lines += [f'  "{source}" -> "{name}";' for source in plan.inputs(name)]
    for number, goal in enumerate(plan.goals):
        lines.append(f'  "goal:{number}" [shape=box, label={_quoted(f"{goal.kind} {goal.label}")}]')
        lines.append(f'  "{goal.wanted}" -> "goal:{number}";')
    return "\n".join([*lines, "}", ""])


def to_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as a JSON document: nodes, inputs first, and goals."""
    nodes: list[dict[str, Any]] = []
    for name, node in plan:
        row: dict[str, Any] = {"id": str(name), **_fields(node)}
        if name in plan.types:
            row["output_kind"] = str(plan.types[name])
        if name in plan.origins:
            row["span"] = plan.origins[name].to_json()
        nodes.append(row)
    goals = [
        {"operation": goal.kind, "id": str(goal.node), "name": goal.label, "type": str(goal.type)}
        | ({"file": str(goal.file)} if goal.file is not None else {})
        for goal in plan.goals
    ]
    return {"schema": 1, "nodes": nodes, "goals": goals}


def _fields(node: Node) -> dict[str, Any]:
    if isinstance(node, Constant):
        return {"type": "constant", "value": _plain(node.value)}
    if isinstance(node, Apply):
        return {
            "type": "operation",
            "operator": node.operator,
            "arguments": {str(number): str(name) for number, name in enumerate(node.inputs)},
            "attrs": {key: _plain(value) for key, value in sorted(node.parameters)},
        }
    return {"type": "source", "digest": str(node.digest)}


def _plain(value: Term) -> Any:
    """Return a term as JSON can hold it: it has no infinity, no nan and no bytes."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, float) and value - value != 0 else value


def _label(node: Node) -> str:
    if isinstance(node, Apply):
        return node.operator
    return f"const: {node.value!r}" if isinstance(node, Constant) else f"source: {node.digest.short}"


def _quoted(text: str) -> str:
    # A JSON string of printable characters is a DOT string.
    return json.dumps(text, ensure_ascii=False)
