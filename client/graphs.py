"""Plans drawn: the files of `--save-task-graph-as-dot` and `--save-task-graph-as-json`."""

from __future__ import annotations

from typing import Any

from vox.digest import NodeId
from vox.encoding import Term
from vox.plan import Apply, Constant, Plan


def plan_dot(plan: Plan) -> str:
    """Return a plan as a Graphviz graph: one node per node, inputs first, goals as ellipses."""
    lines = ["digraph {"]
    for name in plan.nodes:
        lines.append(f"  {_quoted(str(name))} [label={_quoted(_label(plan, name))}]")
        lines += [f"  {_quoted(str(each))} -> {_quoted(str(name))};" for each in plan.inputs(name)]
    for index, goal in enumerate(plan.goals):
        lines.append(f"  goal{index} [shape=ellipse, label={_quoted(f'{goal.kind} {goal.label}')}]")
        lines.append(f"  {_quoted(str(goal.node))} -> goal{index};")
    return "\n".join([*lines, "}", ""])


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON, in the words of VoxLogicA 2: nodes with numbered arguments, and goals."""
    nodes: list[dict[str, Any]] = []
    for name, node in plan:
        entry: dict[str, Any] = {"id": str(name)}
        if isinstance(node, Constant):
            entry |= {"type": "constant", "value": node.value}
        elif isinstance(node, Apply):
            entry |= {
                "type": "operation",
                "operator": node.operator,
                "arguments": {str(at): str(each) for at, each in enumerate(node.inputs)},
                "attrs": {key: _plain(value) for key, value in node.parameters},
            }
        else:
            entry |= {"type": "source", "digest": str(node.digest)}
        if name in plan.types:
            entry["output_kind"] = str(plan.types[name])
        if name in plan.origins:
            entry["span"] = plan.origins[name].to_json()
        nodes.append(entry)
    goals = [{"operation": goal.kind, "id": str(goal.node), "name": goal.label} for goal in plan.goals]
    return {"schema": 1, "nodes": nodes, "goals": goals}


def _label(plan: Plan, name: NodeId) -> str:
    node = plan.nodes[name]
    if isinstance(node, Apply):
        return node.operator
    return f"const: {node.value!r}" if isinstance(node, Constant) else f"source {node.digest.short}"


def _plain(value: Term) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
