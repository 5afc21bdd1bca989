"""A fragment: the nodes that one worker runs in one go; and the report that comes back.

Both travel as bytes: a few hundred for a fragment of images, never a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from vox.attest import Attestation
from vox.digest import Digest, NodeId
from vox.encoding import Term, decode, encode
from vox.plan import Apply, Constant, Node, Source


class How(StrEnum):
    """How a result came to be here."""

    COMPUTED = "computed"
    REUSED = "reused"
    FETCHED = "fetched"


@dataclass(frozen=True, slots=True)
class Fragment:
    """Nodes to run, inputs first, and the results that they need from outside.

    Attributes
    ----------
    name
        Unique within the coordinator's life; the Dask key.
    nodes
        What to run, in order.
    known
        Results of inputs that are not in `nodes`.
    peers
        Addresses (`host:port`) where the blobs in `known` are likely to be.
    reads, writes
        Whether caches may be read (else everything is computed) and results kept for later executions.
    shared
        The worker's store is the coordinator's, where the nodes have just been looked up: none is known.
    """

    name: str
    nodes: tuple[tuple[NodeId, Node], ...]
    known: Mapping[NodeId, Digest]
    peers: tuple[str, ...] = ()
    reads: bool = True
    writes: bool = True
    shared: bool = False

    def to_bytes(self) -> bytes:
        """Return the form that travels."""
        nodes: list[Term] = [[name.sha256, _node_term(node)] for name, node in self.nodes]
        known: list[Term] = [[name.sha256, digest.sha256] for name, digest in self.known.items()]
        return encode([self.name, nodes, known, list(self.peers), self.reads, self.writes, self.shared])

    @classmethod
    def from_bytes(cls, data: bytes) -> Fragment:
        """Read `to_bytes`' form."""
        term: Any = decode(data)
        name, nodes, known, peers, reads, writes, shared = term
        return cls(
            name,
            tuple((NodeId(n), _node_from_term(t)) for n, t in nodes),
            {NodeId(n): Digest(d) for n, d in known},
            tuple(peers),
            reads,
            writes,
            shared,
        )


@dataclass(frozen=True, slots=True)
class Done:
    """A node has a result. `attestation` is None for constants."""

    node: NodeId
    digest: Digest
    size: int
    how: How
    wall_ms: int
    attestation: Attestation | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A node has an error, in the words a person will read."""

    node: NodeId
    code: str
    message: str
    hint: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """A blob that a node needs is nowhere to be found: `input` has to be computed again."""

    node: NodeId
    input: NodeId


Outcome: TypeAlias = Done | Failed | Lost


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a fragment's nodes. Nodes behind a failed or lost one are left out."""

    fragment: str
    outcomes: tuple[Outcome, ...]

    def to_bytes(self) -> bytes:
        """Return the form that travels."""
        return encode([self.fragment, [_outcome_term(outcome) for outcome in self.outcomes]])

    @classmethod
    def from_bytes(cls, data: bytes) -> Report:
        """Read `to_bytes`' form."""
        term: Any = decode(data)
        fragment, outcomes = term
        return cls(fragment, tuple(_outcome_from_term(outcome) for outcome in outcomes))


def _node_term(node: Node) -> Term:
    if isinstance(node, Apply):
        return ["apply", node.operator, [name.sha256 for name in node.inputs], dict(node.parameters)]
    if isinstance(node, Constant):
        return ["constant", node.value]
    return ["source", node.digest.sha256]


def _node_from_term(term: Any) -> Node:
    match term:
        case ["apply", operator, inputs, parameters]:
            return Apply(operator, tuple(NodeId(name) for name in inputs), tuple(parameters.items()))
        case ["constant", value]:
            return Constant(value)
        case ["source", digest]:
            return Source(Digest(digest))
    raise ValueError("not a node")


def _outcome_term(outcome: Outcome) -> Term:
    if isinstance(outcome, Done):
        attestation = None if outcome.attestation is None else outcome.attestation.to_bytes()
        return [
            "done",
            outcome.node.sha256,
            outcome.digest.sha256,
            outcome.size,
            outcome.how.value,
            outcome.wall_ms,
            attestation,
        ]
    if isinstance(outcome, Failed):
        return ["failed", outcome.node.sha256, outcome.code, outcome.message, outcome.hint, outcome.retryable]
    return ["lost", outcome.node.sha256, outcome.input.sha256]


def _outcome_from_term(term: Any) -> Outcome:
    match term:
        case ["done", node, digest, size, how, wall_ms, attestation]:
            signed = None if attestation is None else Attestation.from_bytes(attestation)
            return Done(NodeId(node), Digest(digest), size, How(how), wall_ms, signed)
        case ["failed", node, code, message, hint, retryable]:
            return Failed(NodeId(node), code, message, hint, retryable)
        case ["lost", node, needed]:
            return Lost(NodeId(node), NodeId(needed))
    raise ValueError("not an outcome")
