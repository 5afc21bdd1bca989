"""What the coordinator promises to its clients, and what it asks of its workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from vox.digest import Digest, NodeId
from vox.events import Event, State
from vox.fragment import Fragment, Report
from vox.plan import Plan, Type


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as the scheduler sees it.

    `slots` is how many fragments it runs at a time; `peer` is the `host:port` of its peer service, empty for
    the threads of the embedded engine.
    """

    name: str
    slots: int
    peer: str = ""


class HandsListener(Protocol):
    """Who is told what workers do. Called from any thread, in order per fragment; must not block."""

    def worker_joined(self, worker: WorkerInfo) -> None:
        """It takes fragments now."""

    def worker_left(self, worker: str) -> None:
        """It is gone, and with it every fragment it held."""

    def fragment_reported(self, report: Report, worker: str) -> None:
        """A fragment ended; each of its nodes has an outcome or stands behind a failed one."""

    def fragment_failed(self, fragment: str, worker: str, message: str) -> None:
        """A fragment ended without a report: the worker or the transport broke, not a node."""


class Hands(Protocol):
    """Workers: Dask's, or the threads of this process."""

    def connect(self, listener: HandsListener) -> None:
        """Name the listener, who is told at once of the workers that are there."""

    def start(self, fragment: Fragment, worker: str) -> None:
        """Send a fragment to a worker; returns at once."""

    def cancel(self, fragment: str) -> None:
        """Stop a queued fragment at once and a running one between two nodes; a report still comes."""

    def close(self) -> None:
        """Let the workers go; running kernels end first."""


@dataclass(frozen=True, slots=True)
class DynamicExecutionConfig:
    """How one execution runs.

    Attributes
    ----------
    max_concurrent_nodes
        Fragments at a time over all workers; 0 means as many as the workers have slots.
    retries
        How often a node is tried again after a retryable error or a lost worker.
    keep_going
        Whether other goals go on when one has failed.
    reads, writes
        `--no-read-cache`, `--no-write-cache`; `--fresh` is reads=False.
    priority
        Higher runs first.
    timeout_s
        Cancel after this long; 0 means never.
    """

    execution_engine: Literal["dynamic", "sequential"] = "dynamic"
    max_concurrent_nodes: int = 0
    retries: int = 2
    keep_going: bool = True
    reads: bool = True
    writes: bool = True
    priority: int = 0
    timeout_s: float = 0.0


@dataclass(frozen=True, slots=True)
class GoalResult:
    """What became of one goal. `digest` is the value's blob, `file` that of the bytes a save writes."""

    kind: Literal["save", "print"]
    label: str
    state: Literal["running", "succeeded", "failed", "skipped", "cancelled"]
    node: NodeId
    type: Type
    digest: Digest | None = None
    file: Digest | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a goal as INTERFACES writes it, without what depends on where it is shown (value, path)."""
        file = {} if self.file is None else {"file": str(self.file)}
        return {
            "kind": self.kind,
            "label": self.label,
            "state": self.state,
            "node": str(self.node),
            "digest": None if self.digest is None else str(self.digest),
            "type": str(self.type),
            **file,
        }


@dataclass(frozen=True, slots=True)
class NodeCounts:
    """One source of every number that people see: at the end, `total` is the sum of the others."""

    total: int = 0
    computed: int = 0
    reused: int = 0
    fetched: int = 0
    failed: int = 0
    skipped: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the `nodes` object of INTERFACES."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ExecutionProgress:
    """A moment in an execution. `running` holds what is in workers' hands.

    `fraction` is the part of the expected cost that is done; `eta_s` how long the rest will take, None while
    nobody can say.
    """

    execution: str
    state: State
    nodes: NodeCounts
    goals: tuple[GoalResult, ...]
    running: Mapping[NodeId, str] = field(default_factory=dict)
    seconds: float = 0.0
    fraction: float = 0.0
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """The end of an execution. Blobs of succeeded goals are in the coordinator's store.

    `errors` are JSON objects as `VoxError.to_json` makes them, one per cause.
    """

    execution: str
    state: State
    seconds: float
    nodes: NodeCounts
    goals: tuple[GoalResult, ...]
    errors: Sequence[dict[str, Any]] = ()


class ExecutionCoordinator(Protocol):
    """The face of the engine, the same embedded and in the daemon. Safe to call from any thread."""

    def submit(self, plan: Plan, config: DynamicExecutionConfig) -> str:
        """Accept a plan durably; return the execution's name. Everything else happens by itself."""

    def execute_dag(self, plan: Plan, config: DynamicExecutionConfig) -> ExecutionResult:
        """Submit and wait."""

    def wait(self, execution: str, timeout_s: float | None = None) -> ExecutionResult:
        """Wait for the end. TimeoutError when it does not come in time."""

    def events(self, execution: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Yield numbered events from the one after `after`, as they happen, up to the end."""

    def get_progress(self, execution: str) -> ExecutionProgress:
        """Return this moment's. ExecutionUnknown if nobody knows the name."""

    def cancel_execution(self, execution: str) -> bool:
        """Ask for the end; False when it has already come."""

    def executions(self) -> list[ExecutionProgress]:
        """Return every execution the ledger holds, newest first."""

    def close(self) -> None:
        """Stop accepting, let running kernels end, write everything down."""
