"""The plan: an immutable DAG of nodes, and the goals it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Literal, TypeAlias

from vox.digest import ActionId, Digest, NodeId
from vox.encoding import Term, encode
from vox.errors import Span

Scalar: TypeAlias = "bool | int | float | str | None"
# Pairs, not a mapping, so that nodes stay hashable; their order does not matter to any name.
Parameters: TypeAlias = tuple[tuple[str, Term], ...]

# The first item of everything that is hashed for a name: two record types never collide.
_CONSTANT, _SOURCE, _APPLY, _ACTION = "vox.constant.v1", "vox.source.v1", "vox.apply.v1", "vox.action.v1"


class Type(StrEnum):
    """What a value is, as JSON and people name it."""

    MODEL = "model"
    IMAGE = "image"
    MASK = "mask"
    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    GEOMETRY = "geometry"
    FILE = "file"
    SEQUENCE = "sequence"
    RECORD = "record"
    # Gradual: the checker cannot know; the kernel sees.
    ANY = "any"

    @property
    def v1(self) -> str:
        """The name in VoxLogicA 1's messages."""
        names = {Type.IMAGE: "valuation(number)", Type.MASK: "valuation(bool)", Type.BOOLEAN: "bool"}
        return names.get(self, self.value)


@dataclass(frozen=True, slots=True)
class Constant:
    """A scalar written in the program."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Source:
    """An input, named by the blob of its decoded voxels and geometry, never by its path."""

    digest: Digest


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator (`name@version`) applied to nodes, in order, with parameters that are not nodes."""

    operator: str
    inputs: tuple[NodeId, ...]
    parameters: Parameters = ()


Node: TypeAlias = Constant | Source | Apply


def node_id(node: Node) -> NodeId:
    """Return the name of a node: the SHA-256 of its canonical encoding."""
    if isinstance(node, Apply):
        return NodeId(_application(_APPLY, node.operator, node.inputs, node.parameters))
    if isinstance(node, Constant):
        return NodeId.of(encode([_CONSTANT, node.value]))
    return NodeId.of(encode([_SOURCE, node.digest.sha256]))


def action_id(operator: str, inputs: tuple[Digest, ...], parameters: Parameters = ()) -> ActionId:
    """Return the name of an operator applied to results: same inputs, same action, whatever led to them."""
    return ActionId(_application(_ACTION, operator, inputs, parameters))


def _application(
    kind: str, operator: str, inputs: tuple[NodeId, ...] | tuple[Digest, ...], parameters: Parameters
) -> bytes:
    """Return the SHA-256 of `encode([kind, operator, [input…], {parameter…}])`.

    Written out by hand, because every node of every plan passes here: a quarter of the time of `encode`.
    """
    if len(inputs) >= _SHORT_ARRAY:
        names = [name.sha256 for name in inputs]
        return sha256(encode([kind, operator, names, dict(parameters)])).digest()
    parts = [_application_head(kind, operator), _ARRAY_HEADS[len(inputs)]]
    for name in inputs:
        parts += (_NAME_HEAD, name.sha256)
    parts.append(encode(dict(parameters)) if parameters else _EMPTY_MAP)
    return sha256(b"".join(parts)).digest()


@lru_cache(maxsize=4096)
def _application_head(kind: str, operator: str) -> bytes:
    return _ARRAY_HEADS[4] + encode(kind) + encode(operator)


# CBOR heads (RFC 8949, section 3): arrays of fewer than 24 items, 32 bytes, the empty map.
_SHORT_ARRAY = 24
_ARRAY_HEADS = tuple(bytes((0x80 | count,)) for count in range(_SHORT_ARRAY))
_NAME_HEAD, _EMPTY_MAP = b"\x58\x20", b"\xa0"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a `save` or a `print` asks for.

    `file` is the node of the bytes that a save writes; it is None for a print.
    """

    kind: Literal["save", "print"]
    label: str
    node: NodeId
    span: Span
    type: Type
    file: NodeId | None = None

    @property
    def wanted(self) -> NodeId:
        """The node whose result the effect needs."""
        return self.node if self.file is None else self.file


@dataclass(frozen=True)
class Plan:
    """Nodes and goals. Iterates inputs first.

    `origins` and `types` are for people: where the program first asks for a node, and what it is. They are
    not part of any name.

    Notes
    -----
    Invariant: every input of a node stands before it in `nodes`.
    """

    nodes: Mapping[NodeId, Node]
    goals: tuple[Goal, ...]
    origins: Mapping[NodeId, Span] = field(default_factory=dict)
    types: Mapping[NodeId, Type] = field(default_factory=dict)
    warnings: tuple[object, ...] = ()

    def __iter__(self) -> Iterator[tuple[NodeId, Node]]:
        return iter(self.nodes.items())

    def __len__(self) -> int:
        return len(self.nodes)

    def inputs(self, name: NodeId) -> tuple[NodeId, ...]:
        """Return what a node is applied to; nothing for a constant or a source."""
        node = self.nodes[name]
        return node.inputs if isinstance(node, Apply) else ()
