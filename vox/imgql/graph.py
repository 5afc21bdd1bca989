"""The plan while it grows: nodes made once, numbered as they come, inputs before what uses them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from vox.digest import Digest, NodeId
from vox.errors import Span
from vox.imgql.source import SourceText
from vox.operators.registry import Operator
from vox.plan import Apply, Constant, Goal, Node, Parameters, Plan, Source, Type, node_id

# A bound on memory. The largest published program expands to some ten thousand nodes.
NODES_MAX = 1_000_000

# Where something stands: a text and two offsets. It becomes a Span only for a node that is new.
Place = tuple[SourceText, int, int]


class Full(Exception):
    """The plan would be larger than NODES_MAX."""


class Graph:
    """Hash-consed nodes. A node is named here by its number; its NodeId is made when the node is."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.names: list[NodeId] = []
        self.types: list[Type] = []
        self.origins: list[Span] = []
        self._known: dict[tuple[object, ...], int] = {}

    def constant(self, value: float | bool | str, place: Place) -> int:
        """Return the node of a literal. What is written differently but means the same is one node."""
        if isinstance(value, str):
            value, kind = unicodedata.normalize("NFC", value), Type.STRING
        elif isinstance(value, bool):
            kind = Type.BOOLEAN
        else:
            value, kind = value + 0.0, Type.NUMBER  # -0.0 is 0.0
        key = (kind, repr(value))
        return self._keep(key, lambda: Constant(value), kind, place)

    def source(self, digest: Digest, place: Place) -> int:
        """Return the node of an input."""
        return self._keep((digest,), lambda: Source(digest), Type.MODEL, place)

    def apply(
        self, operator: Operator, inputs: Sequence[int], place: Place, parameters: Parameters = ()
    ) -> int:
        """Return the node of an operator applied to nodes; inputs of a commutative one are sorted."""
        names = self.names
        if operator.commutative:
            inputs = sorted(inputs, key=lambda number: names[number].sha256)
        key = (operator.name, *inputs, *parameters)
        return self._keep(
            key,
            lambda: Apply(operator.identity, tuple(names[number] for number in inputs), parameters),
            operator.output,
            place,
        )

    def _keep(self, key: tuple[object, ...], make: Callable[[], Node], kind: Type, place: Place) -> int:
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self.nodes)
            if number >= NODES_MAX:
                raise Full
            node = make()
            self.nodes.append(node)
            self.names.append(node_id(node))
            self.types.append(kind)
            source, start, end = place
            self.origins.append(source.span(start, end))
        return number

    def plan(self, goals: Sequence[Goal], warnings: Sequence[object]) -> Plan:
        """Return the plan of exactly the nodes that the goals need."""
        numbers = {name: number for number, name in enumerate(self.names)}
        needed = bytearray(len(self.nodes))
        for goal in goals:
            needed[numbers[goal.node]] = needed[numbers[goal.wanted]] = 1
        for number in range(len(self.nodes) - 1, -1, -1):
            node = self.nodes[number]
            if needed[number] and isinstance(node, Apply):
                for name in node.inputs:
                    needed[numbers[name]] = 1
        kept = [number for number, wanted in enumerate(needed) if wanted]
        return Plan(
            nodes={self.names[n]: self.nodes[n] for n in kept},
            goals=tuple(goals),
            origins={self.names[n]: self.origins[n] for n in kept},
            types={self.names[n]: self.types[n] for n in kept},
            warnings=tuple(warnings),
        )
