"""What the scheduler remembers of nodes, executions, fragments and workers."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

from coordinator.contract import DynamicExecutionConfig, GoalResult, NodeCounts, WorkerInfo
from coordinator.window import Window
from vox.digest import Digest, NodeId
from vox.events import State
from vox.fragment import How
from vox.plan import Apply, Goal, Node, Plan

Cost = Literal["scalar", "mask", "image", "heavy"]


class Stage(IntEnum):
    """Where a node stands."""

    WAITING = 0  # for an input
    READY = 1
    RUNNING = 2  # in a fragment that a worker holds
    DONE = 3
    FAILED = 4  # for good
    SKIPPED = 5  # behind a failed one


class NodeRecord:
    """A node that some execution needs, or a known result right below such a node.

    Attributes
    ----------
    inputs
        Records of the inputs that are not constants; None until somebody needs the node to run.
    wanted_by
        Executions that need it, and, when it is DONE, how each counted it.
    constants
        Inputs that are constants: they have no records, and travel with every fragment.
    waiting
        Inputs that are not DONE, and one more while `delayed`. Counted only while WAITING or READY.
    delayed
        It failed, and is not tried again before some time has passed.
    expected_ms, light
        What a run will probably take; whether that is known to be nothing worth speaking of.
    rank_ms
        How long the longest way from here to a goal is expected to take: critical paths go first.
    attempts, losses
        Runs that failed; results that were lost. Both are bounded, so that nothing goes round for ever.
    forced
        The result was known and its blob is gone: caches must not be believed.
    avoid
        The worker of the last failure.
    where
        Workers whose stores hold the blob.
    realm
        The records it is one of.
    done_at
        The scheduler's count of notices when it was done: older fragments cannot have lost this result.
    """

    __slots__ = (
        "attempts",
        "avoid",
        "constants",
        "cost",
        "delayed",
        "dependants",
        "digest",
        "done_at",
        "expected_ms",
        "forced",
        "fragment",
        "inputs",
        "light",
        "losses",
        "name",
        "node",
        "operator",
        "order",
        "rank_ms",
        "realm",
        "size",
        "stage",
        "waiting",
        "wanted_by",
        "where",
    )

    def __init__(
        self, name: NodeId, node: Node, order: int, cost: Cost, realm: dict[NodeId, NodeRecord]
    ) -> None:
        self.realm = realm
        self.name = name
        self.node = node
        self.order = order
        self.operator = node.operator if isinstance(node, Apply) else type(node).__name__.lower()
        self.cost: Cost = cost
        self.expected_ms = 0.0
        self.light = False
        self.rank_ms = 0.0
        self.delayed = False
        self.constants: tuple[NodeId, ...] = ()
        self.stage = Stage.WAITING
        self.inputs: tuple[NodeRecord, ...] | None = None
        self.dependants: dict[NodeRecord, None] = {}
        self.wanted_by: dict[ExecutionRecord, How] = {}
        self.waiting = 0
        self.attempts = 0
        self.losses = 0
        self.forced = False
        self.avoid = ""
        self.fragment: FragmentRecord | None = None
        self.digest: Digest | None = None
        self.size = 0
        self.where: tuple[str, ...] = ()
        self.done_at = 0

    @property
    def open(self) -> bool:
        """Whether it has yet to end."""
        return self.stage < Stage.DONE

    @property
    def broken(self) -> bool:
        """Whether it will never have a result."""
        return self.stage > Stage.DONE

    def __repr__(self) -> str:
        return f"<{self.operator} {self.name.short} {self.stage.name.lower()}>"


@dataclass(slots=True)
class GoalRecord:
    """A goal on its way."""

    goal: Goal
    state: Literal["running", "succeeded", "failed", "skipped", "cancelled"] = "running"
    digest: Digest | None = None
    file: Digest | None = None

    def result(self) -> GoalResult:
        """Return it as people see it."""
        goal = self.goal
        return GoalResult(goal.kind, goal.label, self.state, goal.node, goal.type, self.digest, self.file)


class ExecutionRecord:
    """One execution: what it needs, how far it is.

    Attributes
    ----------
    window, known
        What has no records yet, and the results that were known of it.
    records, uses
        The nodes that have, and for each how many nodes that need it have not ended. A node that nobody uses
        any more is forgotten, unless it is `pinned` by a goal.
    open
        Nodes with records that have yet to end.
    tally
        Nodes that have ended, and those that never had to begin. Together with `open` and what is open in the
        window it is the whole plan.
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        config: DynamicExecutionConfig,
        order: int,
        window: Window,
        known: Mapping[NodeId, Any],
    ) -> None:
        self.name = name
        self.plan = plan
        self.config = config
        self.order = order
        # Executions that may read and write caches share nodes; the others run on their own.
        self.realm = "" if config.reads and config.writes else name
        self.window = window
        self.known = known
        self.looked = True
        self.records: dict[NodeId, NodeRecord] = {}
        self.uses: dict[NodeRecord, int] = {}
        self.open = 0
        self.goals = [GoalRecord(goal) for goal in plan.goals]
        self.goals_by_node: dict[NodeId, list[GoalRecord]] = {}
        for goal in self.goals:
            self.goals_by_node.setdefault(goal.goal.wanted, []).append(goal)
        self.pinned = self.goals_by_node.keys() | {goal.node for goal in plan.goals}
        self.goals_open = len(self.goals)
        # Ready nodes: those on scalars apart, because a worker runs one fragment of them at a time.
        self.heap: list[tuple[float, int, NodeRecord]] = []
        self.light_heap: list[tuple[float, int, NodeRecord]] = []
        self.fragments_running = 0
        # Progress is measured by what nodes were expected to take when the plan came.
        self.expected_ms = window.expected_ms
        self.ended_ms = 0.0
        self.tally = dict.fromkeys(("computed", "reused", "fetched", "failed", "skipped"), 0)
        self.tally["reused"] = len(plan) - window.open
        self.errors: list[dict[str, Any]] = []
        self.shared_errors: set[tuple[str, str]] = set()
        self.state = State.RUNNING

    @property
    def room(self) -> bool:
        """Whether it may have one more fragment in workers' hands."""
        limit = self.config.max_concurrent_nodes
        return limit <= 0 or self.fragments_running < limit

    @property
    def fraction(self) -> float:
        """How much of the expected cost is done; of the nodes, when none is expected to cost anything."""
        if self.expected_ms > 0.0:
            return min(1.0, self.ended_ms / self.expected_ms)
        left = self.open + self.window.open
        return 1.0 - left / max(1, len(self.plan))

    def counts(self) -> NodeCounts:
        """Return the counters."""
        return NodeCounts(total=len(self.plan), **self.tally)

    def push(self, record: NodeRecord) -> None:
        """Remember that a node is ready."""
        heapq.heappush(self.heap_of(record), (-record.rank_ms, record.order, record))

    def heap_of(self, record: NodeRecord) -> list[tuple[float, int, NodeRecord]]:
        """Return where a node stands when it is ready."""
        return self.light_heap if record.light else self.heap

    def head(self, heap: list[tuple[float, int, NodeRecord]]) -> NodeRecord | None:
        """Return the first ready node; entries whose node has moved on are thrown away here."""
        while heap:
            record = heap[0][2]
            if record.stage is Stage.READY and self in record.wanted_by:
                return record
            heapq.heappop(heap)
        return None


@dataclass(slots=True, eq=False)
class FragmentRecord:
    """Nodes in a worker's hands. `wanted` counts those that somebody still wants.

    `light` says that it began with a light node: such hold the interpreter's lock all the time. `twin` runs
    the same nodes elsewhere; `copy` is true of the later one.
    """

    name: str
    worker: str
    owner: ExecutionRecord
    records: list[NodeRecord]
    started_at: int
    wanted: int
    light: bool = False
    expected_ms: float = 0.0
    cancelled: bool = False
    seen_s: float | None = None
    twin: FragmentRecord | None = None
    copy: bool = False


@dataclass(slots=True)
class WorkerRecord:
    """A worker and what it holds."""

    info: WorkerInfo
    order: int
    fragments: dict[str, FragmentRecord] = field(default_factory=dict)
    light: int = 0

    @property
    def free(self) -> int:
        """Fragments that it could take now."""
        return self.info.slots - len(self.fragments)
