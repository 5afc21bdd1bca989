"""Plans for other programs: Graphviz's language and JSON, in the layout of VoxLogicA 2's exports.

The same plan gives the same text, byte for byte. `from_json` reads a plan back: names, shape, places.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vox.digest import Digest, NodeId
from vox.encoding import Term
from vox.errors import Span
from vox.plan import Apply, Constant, Goal, Node, Plan, Source, Type


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
        | {"span": goal.span.to_json()}
        for goal in plan.goals
    ]
    return {"schema": 1, "nodes": nodes, "goals": goals}


def from_json(document: Mapping[str, Any]) -> Plan:
    """Read `to_json`'s form. Values that JSON has no word for stay texts; names are as they were.

    Raises
    ------
    ValueError
        If it is not one.
    """
    try:
        nodes: dict[NodeId, Node] = {}
        origins, types = dict[NodeId, Span](), dict[NodeId, Type]()
        for row in document["nodes"]:
            name = NodeId.parse(row["id"])
            nodes[name] = _node(row)
            if "span" in row:
                origins[name] = Span(**row["span"])
            if "output_kind" in row:
                types[name] = Type(row["output_kind"])
        goals = tuple(_goal(row) for row in document["goals"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a plan: {error}") from error
    return Plan(nodes, goals, origins, types)


def _node(row: Mapping[str, Any]) -> Node:
    if row["type"] == "constant":
        return Constant(row["value"])
    if row["type"] == "source":
        return Source(Digest.parse(row["digest"]))
    arguments = row["arguments"]
    inputs = tuple(NodeId.parse(arguments[str(number)]) for number in range(len(arguments)))
    return Apply(str(row["operator"]), inputs, tuple(row["attrs"].items()))


def _goal(row: Mapping[str, Any]) -> Goal:
    file = NodeId.parse(row["file"]) if "file" in row else None
    return Goal(
        row["operation"],
        str(row["name"]),
        NodeId.parse(row["id"]),
        Span(**row["span"]),
        Type(row["type"]),
        file,
    )


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
