"""The nodes that executions need, and how they move from WAITING to an end. Pure, the scheduler's lower half.

It knows nothing of workers and fragments but the names that outcomes carry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coordinator.notices import Command, Finish, Known, Publish
from coordinator.records import Cost, ExecutionRecord, FragmentRecord, GoalRecord, NodeRecord, Stage
from vox.digest import NodeId
from vox.events import (
    Event,
    ExecutionFinished,
    NodeDone,
    NodeFailed,
    NodeLost,
    NodeSkipped,
    State,
)
from vox.fragment import Done, Failed, How, Lost
from vox.plan import Apply, Constant, Node, Source

# A result that vanishes as often as this will not stay.
LOSSES_MAX = 5
NO_OUTCOME = ("E0805", "its worker gave no outcome", "the worker may be of another version")
SOURCE_LOST = ("E0505", "an input image is in no store any more", "submit the program again from its files")
RESULT_LOST = ("E0506", "a result that it needs is lost again and again", "see `vox store check`")


class Graph:
    """Records of nodes, shared by executions of one realm; counters; what became of goals.

    Attributes
    ----------
    at
        Notices so far: the scheduler's only clock.
    commands
        What is to be done, in order; the scheduler takes it away.
    ending
        Executions whose goals are all settled.
    gathers
        Goals whose blobs are to be brought here.
    """

    def __init__(self, cost: Callable[[str], Cost]) -> None:
        self._cost = cost
        self._orders = 0
        self.at = 0
        self.executions: dict[str, ExecutionRecord] = {}
        self.realms: dict[str, dict[NodeId, NodeRecord]] = {}
        self.commands: list[Command] = []
        self.ending: dict[ExecutionRecord, None] = {}
        self.gathers: dict[ExecutionRecord, list[NodeRecord]] = {}

    def order(self) -> int:
        """Return the next number of an order of arrival."""
        self._orders += 1
        return self._orders

    def publish(self, event: Event) -> None:
        """Make a fact known."""
        self.commands.append(Publish(event))

    # What is needed

    def enlist(
        self, execution: ExecutionRecord, roots: Sequence[NodeId], known: Mapping[NodeId, Known]
    ) -> list[NodeRecord]:
        """Let an execution want `roots` and what they need; return the new open records, inputs first.

        The walk goes down and stops at results. The caller makes what is returned ready.
        """
        plan, new = execution.plan, []
        for root in roots:
            if root in execution.records:
                continue
            stack = [(root, iter(self._join(execution, root, known)))]
            while stack:
                name, inputs = stack[-1]
                below = next((i for i in inputs if i not in execution.records), None)
                if below is not None:
                    stack.append((below, iter(self._join(execution, below, known))))
                    continue
                stack.pop()
                record = execution.records[name]
                if record.open and record.inputs is None:
                    needed = dict.fromkeys(
                        execution.records[i]
                        for i in plan.inputs(name)
                        if not isinstance(plan.nodes[i], Constant)
                    )
                    record.inputs = tuple(needed)
                    for other in needed:
                        other.dependants[record] = None
                    if record.fragment is None:
                        new.append(record)
        return new

    def _join(
        self, execution: ExecutionRecord, name: NodeId, known: Mapping[NodeId, Known]
    ) -> Sequence[NodeId]:
        """Let an execution want one node; return the inputs that it needs for that."""
        plan = execution.plan
        realm = self.realms.setdefault(execution.realm, {})
        record = realm.get(name)
        if record is None or record.broken:
            record = realm[name] = self._new(realm, name, plan.nodes[name], known.get(name))
        if record.fragment is not None:
            if not record.wanted_by:  # it ran on after a cancel, and its inputs may have been dropped
                record.fragment.wanted += 1
                self._unlink(record)
            execution.running[name] = record.fragment.worker
        execution.records[name] = record
        record.wanted_by[execution] = How.REUSED
        if record.stage is Stage.DONE:
            return ()
        if record.stage is Stage.READY:
            execution.push(record)
        execution.tally["reused"] -= 1
        return [i for i in plan.inputs(name) if not isinstance(plan.nodes[i], Constant)]

    def _new(
        self, realm: dict[NodeId, NodeRecord], name: NodeId, node: Node, known: Known | None
    ) -> NodeRecord:
        cost: Cost = self._cost(node.operator) if isinstance(node, Apply) else "scalar"
        record = NodeRecord(name, node, self.order(), cost, realm)
        if known is None and isinstance(node, Source):
            known = Known(node.digest)
        if known is not None:
            record.stage = Stage.DONE
            record.digest, record.size = known.digest, known.size
        assert record.stage is Stage.DONE or isinstance(node, Apply)
        return record

    def make_ready(self, record: NodeRecord) -> None:
        """Count what a node waits for; with nothing to wait for it is ready."""
        assert record.inputs is not None
        record.waiting = sum(1 for needed in record.inputs if needed.stage is not Stage.DONE)
        record.stage = Stage.WAITING if record.waiting else Stage.READY
        if record.stage is Stage.READY:
            for execution in record.wanted_by:
                execution.push(record)

    def requeue(self, record: NodeRecord) -> None:
        """Put back a node that was RUNNING; or away, when nobody wants it or an input is broken."""
        record.fragment = None
        if not record.wanted_by:
            self.forget(record)
            return
        cause = next((needed for needed in record.inputs or () if needed.broken), None)
        if cause is None:
            self.make_ready(record)
        else:
            self._skip(record, cause.name)

    def forget(self, record: NodeRecord) -> None:
        """Drop a record that nobody wants."""
        self._unlink(record)
        if record.realm.get(record.name) is record:
            del record.realm[record.name]

    def _unlink(self, record: NodeRecord) -> None:
        for needed in record.inputs or ():
            needed.dependants.pop(record, None)
        record.inputs = None

    # Outcomes

    def done(self, record: NodeRecord, outcome: Done, worker: str) -> None:
        """Take a result."""
        record.stage = Stage.DONE
        record.fragment = None
        record.digest, record.size = outcome.digest, outcome.size
        record.where = (worker,)
        record.done_at = self.at
        record.forced = False
        record.attempts = 0
        for dependant in record.dependants:
            if dependant.stage is Stage.WAITING:
                dependant.waiting -= 1
                if dependant.waiting == 0:
                    self.make_ready(dependant)
        how, digest, size, wall_ms = outcome.how, outcome.digest, outcome.size, outcome.wall_ms
        for execution in record.wanted_by:
            execution.tally[how.value] += 1
            record.wanted_by[execution] = how
            event = NodeDone(execution.name, record.name, record.operator, digest, size, how, worker, wall_ms)
            self.publish(event)
            if record.name in execution.goals_by_node:
                self.want_blob(execution, record)
        if not record.wanted_by:
            self.forget(record)

    def failed(self, record: NodeRecord, outcome: Failed, worker: str) -> None:
        """Take an error: try again, or give up and skip what stands behind."""
        record.attempts += 1
        record.avoid = worker
        retries = max((execution.config.retries for execution in record.wanted_by), default=0)
        final = not outcome.retryable or record.attempts > retries
        code, message, hint = outcome.code, outcome.message, outcome.hint
        for execution in record.wanted_by:
            event = NodeFailed(
                execution.name, record.name, record.operator, code, message, hint, worker, final
            )
            self.publish(event)
        if not final or not record.wanted_by:
            self.requeue(record)
            return
        record.stage = Stage.FAILED
        record.fragment = None
        for execution in tuple(record.wanted_by):
            self._count_failure(execution, record, outcome)
        for dependant in tuple(record.dependants):
            if dependant.stage in (Stage.WAITING, Stage.READY):
                self._skip(dependant, record.name)

    def lost(
        self, record: NodeRecord, outcome: Lost, fragment: FragmentRecord, known: Mapping[NodeId, Known]
    ) -> None:
        """Take the news that an input's blob is nowhere."""
        needed = next((i for i in record.inputs or () if i.name == outcome.input), None)
        code, message, hint = NO_OUTCOME
        if needed is not None:
            if needed.stage is not Stage.DONE or needed.done_at > fragment.started_at:
                self.requeue(record)  # it is being computed again, or was since: old news
                return
            if isinstance(needed.node, Apply) and needed.losses < LOSSES_MAX:
                self.revive(needed, known)
                self.requeue(record)
                return
            code, message, hint = SOURCE_LOST if isinstance(needed.node, Source) else RESULT_LOST
        # A source may be found from another worker, or in a moment.
        retryable = needed is None or isinstance(needed.node, Source)
        self.failed(record, Failed(record.name, code, message, hint, retryable), fragment.worker)

    def revive(self, record: NodeRecord, known: Mapping[NodeId, Known]) -> None:
        """Forget a result; it is wanted again, and what it needs with it."""
        worker = record.where[0] if record.where else ""
        for execution, how in record.wanted_by.items():
            execution.tally[how.value] -= 1
            self.publish(NodeLost(execution.name, record.name, worker))
        record.losses += 1
        record.stage, record.forced = Stage.WAITING, True
        record.digest, record.where = None, ()
        # Its inputs may have been dropped since it was done, or never been looked at.
        self._unlink(record)
        new: dict[NodeRecord, None] = {}
        for execution in tuple(record.wanted_by):
            del execution.records[record.name]
            execution.tally["reused"] += 1  # which `enlist` takes away
            new |= dict.fromkeys(self.enlist(execution, [record.name], known))
        for dependant in record.dependants:
            if dependant.stage in (Stage.WAITING, Stage.READY):
                self.make_ready(dependant)
        for added in new:
            if added.open:
                self.requeue(added)

    def _count_failure(self, execution: ExecutionRecord, record: NodeRecord, outcome: Failed) -> None:
        execution.tally["failed"] += 1
        span = execution.plan.origins.get(record.name)
        error: dict[str, Any] = {"code": outcome.code, "message": f"{record.operator}: {outcome.message}"}
        error |= {"hint": outcome.hint, "spans": [] if span is None else [span.to_json()]}
        execution.errors.append(error)
        self.settle(execution, record.name, "failed")
        if not execution.config.keep_going:
            for name in execution.goals_by_node:
                self.settle(execution, name, "skipped")
            self.ending[execution] = None

    def _skip(self, first: NodeRecord, cause: NodeId) -> None:
        stack = [first]
        while stack:
            record = stack.pop()
            if record.broken:
                continue
            record.stage = Stage.SKIPPED
            for execution in tuple(record.wanted_by):
                execution.tally["skipped"] += 1
                self.publish(NodeSkipped(execution.name, record.name, cause))
                self.settle(execution, record.name, "skipped")
            stack += [d for d in record.dependants if d.stage in (Stage.WAITING, Stage.READY)]

    # Goals

    def want_blob(self, execution: ExecutionRecord, record: NodeRecord) -> None:
        """Ask for the blob of a goal that is not settled yet."""
        if any(goal.state == "running" for goal in execution.goals_by_node[record.name]):
            self.gathers.setdefault(execution, []).append(record)

    def settle(self, execution: ExecutionRecord, name: NodeId, state: Any) -> None:
        """End the goals that want a node, unless they have ended."""
        for goal in execution.goals_by_node.get(name, ()):
            if goal.state == "running":
                goal.state = state
                self._name_digests(execution, goal)
                execution.goals_open -= 1
        if execution.goals_open == 0:
            self.ending[execution] = None

    def give_up(self, execution: ExecutionRecord, record: NodeRecord) -> None:
        """End the goals that want a node whose blob cannot be had."""
        code, message, hint = RESULT_LOST if isinstance(record.node, Apply) else SOURCE_LOST
        span = execution.goals_by_node[record.name][0].goal.span
        error = {"code": code, "message": message, "hint": hint, "spans": [span.to_json()]}
        execution.errors.append(error)
        self.settle(execution, record.name, "failed")

    def _name_digests(self, execution: ExecutionRecord, goal: GoalRecord) -> None:
        value = execution.records.get(goal.goal.node)
        if value is not None and value.digest is not None:
            goal.digest = value.digest
        if goal.goal.file is not None and goal.state == "succeeded":
            goal.file = execution.records[goal.goal.file].digest

    def finish(self, execution: ExecutionRecord) -> list[FragmentRecord]:
        """Forget an execution; return the fragments that lost an interested one, once per node."""
        states = {goal.state for goal in execution.goals}
        if execution.state is State.RUNNING:
            if states <= {"succeeded"}:
                execution.state = State.SUCCEEDED
            else:
                execution.state = State.PARTIAL if "succeeded" in states else State.FAILED
        ended = sum(count for kind, count in execution.tally.items() if kind != "skipped")
        execution.tally["skipped"] = len(execution.plan) - ended
        del self.executions[execution.name]
        unwanted = []
        for record in execution.records.values():
            record.wanted_by.pop(execution, None)
            if not record.wanted_by:
                if record.fragment is None:
                    self.forget(record)
                else:
                    unwanted.append(record.fragment)
        if execution.realm:
            del self.realms[execution.realm]
        self.publish(ExecutionFinished(execution.name, execution.state))
        goals = tuple(goal.result() for goal in execution.goals)
        errors = tuple(execution.errors)
        self.commands.append(Finish(execution.name, execution.state, execution.counts(), goals, errors))
        return unwanted
