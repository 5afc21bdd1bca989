"""What became of goals, and the events and commands that come of it: the lowest part of the scheduler."""

from __future__ import annotations

from typing import Any

from coordinator.notices import Command, Finish, Publish, PublishPage
from coordinator.pages import NodesDone, NodesStarted
from coordinator.records import ExecutionRecord, GoalRecord, NodeRecord
from vox.digest import NodeId
from vox.events import Event, ExecutionFinished, State
from vox.fragment import Failed
from vox.plan import Apply

RESULT_LOST = ("E0506", "a result that it needs is lost again and again", "see `vox store check`")
SOURCE_LOST = ("E0505", "an input image is in no store any more", "submit the program again from its files")


class Goals:
    """Executions and their goals.

    Attributes
    ----------
    commands
        What is to be done, in order; the scheduler takes it away.
    ending
        Executions whose goals are all settled.
    gathers
        Goals whose blobs are to be brought here.
    """

    def __init__(self) -> None:
        self.executions: dict[str, ExecutionRecord] = {}
        self.commands: list[Command] = []
        self.ending: dict[ExecutionRecord, None] = {}
        self.gathers: dict[ExecutionRecord, list[NodeRecord]] = {}
        self._done_pages: dict[ExecutionRecord, NodesDone] = {}

    def publish(self, event: Event) -> None:
        """Make a fact known."""
        self._done_pages.clear()
        self.commands.append(Publish(event))

    def page_of_done(self, execution: ExecutionRecord, worker: str) -> NodesDone:
        """Return the page that takes results of an execution now."""
        page = self._done_pages.get(execution)
        if page is None or page.worker != worker:
            page = self._done_pages[execution] = NodesDone(execution.name, worker)
            self.commands.append(PublishPage(page))
        return page

    def page_of_started(self, execution: ExecutionRecord, worker: str) -> NodesStarted:
        """Return a new page for the nodes of a fragment."""
        page = NodesStarted(execution.name, worker)
        self._done_pages.clear()
        self.commands.append(PublishPage(page))
        return page

    def close_pages(self) -> None:
        """Begin new pages from now on."""
        self._done_pages.clear()

    def count_failure(self, execution: ExecutionRecord, record: NodeRecord, outcome: Failed) -> None:
        """Take the final error of a node; one that many nodes have is told once."""
        execution.tally["failed"] += 1
        span = execution.plan.origins.get(record.name)
        error: dict[str, Any] = {"code": outcome.code, "message": f"{record.operator}: {outcome.message}"}
        error |= {"hint": outcome.hint, "spans": [] if span is None else [span.to_json()]}
        same = (outcome.code, outcome.message) in execution.shared_errors
        if not same:
            if outcome.code in _SHARED:
                execution.shared_errors.add((outcome.code, outcome.message))
            execution.errors.append(error)
        self.settle(execution, record.name, "failed")
        if not execution.config.keep_going:
            for name in execution.goals_by_node:
                self.settle(execution, name, "skipped")
            self.ending[execution] = None

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

    def end(self, execution: ExecutionRecord) -> None:
        """Write the end of an execution down."""
        states = {goal.state for goal in execution.goals}
        if execution.state is State.RUNNING:
            if states <= {"succeeded"}:
                execution.state = State.SUCCEEDED
            else:
                execution.state = State.PARTIAL if "succeeded" in states else State.FAILED
        ended = sum(count for kind, count in execution.tally.items() if kind != "skipped")
        execution.tally["skipped"] = len(execution.plan) - ended
        del self.executions[execution.name]
        self.publish(ExecutionFinished(execution.name, execution.state))
        goals = tuple(goal.result() for goal in execution.goals)
        errors = tuple(execution.errors)
        self.commands.append(Finish(execution.name, execution.state, execution.counts(), goals, errors))


# Trouble of a machine, not of a node: whatever many nodes say of it, it is one thing.
_SHARED = frozenset({"E0503", "E0504"})
