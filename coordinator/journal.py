"""How plans, configurations and results are written down: canonical CBOR and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from coordinator.contract import DynamicExecutionConfig, ExecutionResult, GoalResult, NodeCounts
from vox.digest import Digest, NodeId
from vox.encoding import Term, decode, encode, head
from vox.errors import Span
from vox.events import State
from vox.plan import Apply, Constant, Goal, Node, Plan, Source, Type, node_id

_MAGIC = "vox.plan.v1"
_ARRAY = 4


def plan_to_bytes(plan: Plan) -> bytes:
    """Return a plan as one canonical term.

    Inputs are written as positions, names of nodes not at all: they follow from the content.
    """
    at = {name: position for position, name in enumerate(plan.nodes)}
    goals: list[Term] = [
        [
            goal.kind,
            goal.label,
            at[goal.node],
            _span_term(goal.span),
            goal.type.value,
            None if goal.file is None else at[goal.file],
        ]
        for goal in plan.goals
    ]
    # `encode([_MAGIC, nodes, goals, origins, types])`, piece by piece: plans have a million nodes.
    out = bytearray(b"\x85" + encode(_MAGIC) + head(_ARRAY, len(plan)))
    for node in plan.nodes.values():
        out += _node_bytes(node, at)
    out += encode(goals)
    origins = [(at[name], span) for name, span in plan.origins.items() if name in at]
    out += head(_ARRAY, len(origins))
    for position, span in origins:
        out += b"\x82" + encode(position) + _span_bytes(span)
    types = [(at[name], type_) for name, type_ in plan.types.items() if name in at]
    out += head(_ARRAY, len(types))
    for position, type_ in types:
        out += b"\x82" + encode(position) + _text_bytes(type_)
    return bytes(out)


def plan_from_bytes(data: bytes) -> Plan:
    """Read `plan_to_bytes`' form.

    Raises
    ------
    ValueError
        If it is not one.
    """
    term: Any = decode(data)
    magic, node_terms, goal_terms, origins, types = term
    if magic != _MAGIC:
        raise ValueError("not a plan of version 1")
    names: list[NodeId] = []
    nodes: dict[NodeId, Node] = {}
    for node_term in node_terms:
        node = _node_from_term(node_term, names)
        names.append(node_id(node))
        nodes[names[-1]] = node
    goals = tuple(
        Goal(kind, label, names[node], Span(*span), Type(type_), None if file is None else names[file])
        for kind, label, node, span, type_, file in goal_terms
    )
    return Plan(
        nodes,
        goals,
        {names[position]: Span(*span) for position, span in origins},
        {names[position]: Type(type_) for position, type_ in types},
    )


def config_to_json(config: DynamicExecutionConfig) -> str:
    """Return a configuration as JSON."""
    return json.dumps(asdict(config))


def config_from_json(text: str) -> DynamicExecutionConfig:
    """Read `config_to_json`'s form."""
    return DynamicExecutionConfig(**json.loads(text))


def result_to_json(result: ExecutionResult) -> str:
    """Return a result as JSON."""
    goals = [
        [
            goal.kind,
            goal.label,
            goal.state,
            str(goal.node),
            goal.type.value,
            None if goal.digest is None else str(goal.digest),
            None if goal.file is None else str(goal.file),
        ]
        for goal in result.goals
    ]
    return json.dumps(
        {
            "execution": result.execution,
            "state": result.state.value,
            "seconds": result.seconds,
            "nodes": result.nodes.to_json(),
            "goals": goals,
            "errors": list(result.errors),
        }
    )


def result_from_json(text: str) -> ExecutionResult:
    """Read `result_to_json`'s form."""
    document = json.loads(text)
    goals = tuple(
        GoalResult(
            kind,
            label,
            state,
            NodeId.parse(node),
            Type(type_),
            None if digest is None else Digest.parse(digest),
            None if file is None else Digest.parse(file),
        )
        for kind, label, state, node, type_, digest, file in document["goals"]
    )
    return ExecutionResult(
        document["execution"],
        State(document["state"]),
        document["seconds"],
        NodeCounts(**document["nodes"]),
        goals,
        tuple(document["errors"]),
    )


def _span_term(span: Span) -> Term:
    return [span.file, span.line, span.column, span.end_line, span.end_column]


@lru_cache(maxsize=4096)
def _span_bytes(span: Span) -> bytes:
    return encode(_span_term(span))


@lru_cache(maxsize=4096)
def _text_bytes(text: str) -> bytes:
    return encode(str(text))


@lru_cache(maxsize=4096)
def _apply_head(operator: str) -> bytes:
    return b"\x84" + encode("apply") + encode(operator)


def _node_bytes(node: Node, at: dict[NodeId, int]) -> bytes:
    if isinstance(node, Apply):
        return b"".join(
            (
                _apply_head(node.operator),
                head(_ARRAY, len(node.inputs)),
                *[head(0, at[name]) for name in node.inputs],
                encode(dict(node.parameters)) if node.parameters else b"\xa0",
            )
        )
    if isinstance(node, Constant):
        return encode(["constant", node.value])
    return encode(["source", node.digest.sha256])


def _node_from_term(term: Any, names: list[NodeId]) -> Node:
    match term:
        case ["apply", str(operator), list(inputs), dict(parameters)]:
            return Apply(operator, tuple(names[position] for position in inputs), tuple(parameters.items()))
        case ["constant", value]:
            return Constant(value)
        case ["source", bytes(digest)]:
            return Source(Digest(digest))
    raise ValueError("not a node")
