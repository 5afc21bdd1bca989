"""What the scheduler is told, and what it asks for: frozen data, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from coordinator.contract import DynamicExecutionConfig, GoalResult, NodeCounts, WorkerInfo
from coordinator.pages import Page
from vox.attest import Attestation
from vox.digest import Digest, NodeId
from vox.events import Event, State
from vox.fragment import Fragment, Report
from vox.plan import Plan


@dataclass(frozen=True, slots=True)
class Known:
    """A result that is there already: its blob, and the blob's bytes (0 when nobody counted)."""

    digest: Digest
    size: int = 0


@dataclass(frozen=True, slots=True)
class PlanSubmitted:
    """A plan is to be run. `known` are results found by walking down from its goals.

    `looked` says that the walk went down as far as there was anything to know.
    """

    execution: str
    plan: Plan
    config: DynamicExecutionConfig
    known: Mapping[NodeId, Known] = field(default_factory=dict)
    looked: bool = True


@dataclass(frozen=True, slots=True)
class WorkerArrived:
    """A worker takes fragments."""

    worker: WorkerInfo


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """A worker is gone, and the fragments it held."""

    worker: str


@dataclass(frozen=True, slots=True)
class FragmentReported:
    """A fragment ended. `known` are results found below the inputs that the report calls lost."""

    report: Report
    worker: str
    known: Mapping[NodeId, Known] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FragmentBroken:
    """A fragment ended without a report."""

    fragment: str
    worker: str
    message: str


@dataclass(frozen=True, slots=True)
class GoalsGathered:
    """Blobs of goals were brought here, or could not be. `known` as in FragmentReported."""

    execution: str
    here: tuple[NodeId, ...]
    nowhere: tuple[NodeId, ...] = ()
    known: Mapping[NodeId, Known] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Somebody wants the end; `error` says why when it was not a person (a timeout)."""

    execution: str
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """The time that `Later` asked for has passed."""

    token: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time goes by; said now and then while fragments are in workers' hands."""

    now_s: float


Notice: TypeAlias = (
    PlanSubmitted
    | WorkerArrived
    | WorkerGone
    | FragmentReported
    | FragmentBroken
    | GoalsGathered
    | CancelAsked
    | Due
    | Tick
)


@dataclass(frozen=True, slots=True)
class StartFragment:
    """Give a fragment to a worker."""

    fragment: Fragment
    worker: str


@dataclass(frozen=True, slots=True)
class CancelFragment:
    """Nobody wants a fragment any more; a report still comes."""

    fragment: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Write an event down and show it to whoever watches."""

    event: Event


@dataclass(frozen=True, slots=True)
class PublishPage:
    """The same for the events of many nodes."""

    page: Page


@dataclass(frozen=True, slots=True)
class Later:
    """Say `Due` after a while."""

    delay_s: float
    token: int


@dataclass(frozen=True, slots=True)
class Record:
    """Keep claims of a worker whose store is not the coordinator's."""

    attestations: tuple[Attestation, ...]


@dataclass(frozen=True, slots=True)
class Gather:
    """Bring blobs of goals into the coordinator's store, and say so with GoalsGathered."""

    execution: str
    blobs: tuple[tuple[NodeId, Digest], ...]
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """An execution has ended; the scheduler has forgotten it. `errors` are one per cause."""

    execution: str
    state: State
    nodes: NodeCounts
    goals: tuple[GoalResult, ...]
    errors: Sequence[dict[str, Any]]


Command: TypeAlias = StartFragment | CancelFragment | Publish | PublishPage | Later | Record | Gather | Finish
