"""The facts of an execution's life.

The same facts drive the scheduler, are the ledger's journal, are what people watch over SSE, and are the log
line. An event that exists is legal; it is frozen, and `to_json` / `from_json` are inverse.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

from vox.digest import Digest, NodeId
from vox.fragment import How


class State(StrEnum):
    """Where an execution stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self is not State.RUNNING


@dataclass(frozen=True, slots=True)
class ExecutionStarted:
    """A plan was accepted: `total` nodes, of which `reused` are known or stand behind something known."""

    kind: ClassVar[str] = "execution-started"
    execution: str
    total: int
    reused: int


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A worker holds the node."""

    kind: ClassVar[str] = "node-started"
    execution: str
    node: NodeId
    operator: str
    worker: str


@dataclass(frozen=True, slots=True)
class NodeDone:
    """A node has a result."""

    kind: ClassVar[str] = "node-done"
    execution: str
    node: NodeId
    operator: str
    digest: Digest
    size: int
    how: How
    worker: str
    wall_ms: int


@dataclass(frozen=True, slots=True)
class NodeFailed:
    """A node has an error; after `final` it is not tried again."""

    kind: ClassVar[str] = "node-failed"
    execution: str
    node: NodeId
    operator: str
    code: str
    message: str
    hint: str
    worker: str
    final: bool


@dataclass(frozen=True, slots=True)
class NodeSkipped:
    """A node will not run because `cause` failed."""

    kind: ClassVar[str] = "node-skipped"
    execution: str
    node: NodeId
    cause: NodeId


@dataclass(frozen=True, slots=True)
class NodeLost:
    """A result that was known is gone, or its worker is; it will be computed again."""

    kind: ClassVar[str] = "node-lost"
    execution: str
    node: NodeId
    worker: str


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker takes fragments."""

    kind: ClassVar[str] = "worker-joined"
    execution: str
    worker: str


@dataclass(frozen=True, slots=True)
class WorkerLeft:
    """A worker is gone."""

    kind: ClassVar[str] = "worker-left"
    execution: str
    worker: str


@dataclass(frozen=True, slots=True)
class ExecutionFinished:
    """The end: every goal has a result, an error, or was cancelled."""

    kind: ClassVar[str] = "execution-finished"
    execution: str
    state: State


Event: TypeAlias = (
    ExecutionStarted
    | NodeStarted
    | NodeDone
    | NodeFailed
    | NodeSkipped
    | NodeLost
    | WorkerJoined
    | WorkerLeft
    | ExecutionFinished
)
_KINDS: dict[str, type[Any]] = {
    kind.kind: kind
    for kind in (
        ExecutionStarted,
        NodeStarted,
        NodeDone,
        NodeFailed,
        NodeSkipped,
        NodeLost,
        WorkerJoined,
        WorkerLeft,
        ExecutionFinished,
    )
}
_READERS: dict[str, Any] = {"NodeId": NodeId.parse, "Digest": Digest.parse, "How": How, "State": State}


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object with its `kind`."""
    document: dict[str, Any] = {"kind": event.kind}
    for item in fields(event):
        value = getattr(event, item.name)
        document[item.name] = str(value) if isinstance(value, NodeId | Digest) else value
    return document


def from_json(document: dict[str, Any]) -> Event:
    """Read `to_json`'s form; unknown kinds are a KeyError, unknown fields a TypeError."""
    values = dict(document)
    kind = _KINDS[values.pop("kind")]
    readers = {item.name: _READERS.get(str(item.type), lambda value: value) for item in fields(kind)}
    event: Event = kind(**{name: readers[name](value) for name, value in values.items()})
    return event
