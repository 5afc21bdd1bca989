"""Outcomes: what results, errors and losses do to the nodes. Pure, between the graph and the scheduler."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.costs import CostModel
from coordinator.goals import RESULT_LOST, SOURCE_LOST
from coordinator.graph import Graph
from coordinator.notices import Known, Later
from coordinator.policy import retry_delay_s
from coordinator.records import ExecutionRecord, FragmentRecord, NodeRecord, Stage
from vox.digest import NodeId
from vox.events import NodeFailed, NodeLost
from vox.fragment import Done, Failed, How, Lost
from vox.plan import Apply, Source

# A result that vanishes as often as this will not stay.
LOSSES_MAX = 5
NO_OUTCOME = ("E0805", "its worker gave no outcome", "the worker may be of another version")


class Outcomes(Graph):
    """The graph, and what happens to it."""

    def __init__(self, costs: CostModel) -> None:
        super().__init__(costs)
        self._tokens = 0
        self._delays: dict[float, int] = {}
        self.delayed: dict[int, list[NodeRecord]] = {}

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
        how = outcome.how
        if how is How.COMPUTED and not (record.light and outcome.wall_ms == 0):
            input_bytes = 0
            for needed in record.inputs or ():
                input_bytes += needed.size
            self.costs.note(record.operator, input_bytes, outcome.wall_ms)
        for execution in record.wanted_by:
            execution.tally[how.value] += 1
            record.wanted_by[execution] = how
            page = self.page_of_done(execution, worker)
            page.add(record.name, record.operator, outcome.digest, outcome.size, how, outcome.wall_ms)
            if record.name in execution.goals_by_node:
                self.want_blob(execution, record)
        self._ended(record, record.name)
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
            if record.wanted_by:
                self._delay(record, retry_delay_s(code, record.attempts))
            self.requeue(record)
            return
        record.stage = Stage.FAILED
        record.fragment = None
        for execution in tuple(record.wanted_by):
            self.count_failure(execution, record, outcome)
        dependants = [d for d in record.dependants if d.stage in (Stage.WAITING, Stage.READY)]
        self._ended(record, record.name)
        for dependant in dependants:
            self._skip(dependant, record.name)

    def _delay(self, record: NodeRecord, delay_s: float) -> None:
        if delay_s <= 0.0:
            return
        token = self._delays.get(delay_s)
        if token is None:
            self._tokens += 1
            token = self._delays[delay_s] = self._tokens
            self.commands.append(Later(delay_s, token))
        record.delayed = True
        self.delayed.setdefault(token, []).append(record)

    def rest(self) -> None:
        """End the handling of a notice: what comes next belongs to other pages, and other delays."""
        self._delays.clear()
        self.close_pages()

    def lost(
        self, record: NodeRecord, outcome: Lost, fragment: FragmentRecord, known: Mapping[NodeId, Known]
    ) -> None:
        """Take the news that an input's blob is nowhere."""
        if not record.wanted_by:
            self.requeue(record)
            return
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
        record.losses += 1
        record.stage, record.forced = Stage.WAITING, True
        record.digest, record.where = None, ()
        for execution, how in tuple(record.wanted_by.items()):
            self._uncount(execution, how)
            execution.open += 1
            self.publish(NodeLost(execution.name, record.name, worker))
        for dependant in tuple(record.dependants):
            if dependant.stage in (Stage.WAITING, Stage.READY):
                self.make_ready(dependant)
        # Its inputs may have been dropped since it was done, or never been looked at.
        new = []
        for execution in tuple(record.wanted_by):
            new += self._enlist(execution, record, known)
        self._begin(new)

    def finish(self, execution: ExecutionRecord) -> None:
        """Forget an execution and what only it wants."""
        for record in execution.records.values():
            del record.wanted_by[execution]
            if not record.wanted_by:
                if record.fragment is None:
                    self.forget(record)
                else:
                    self.unwanted.append(record.fragment)
        if execution.realm:
            self.realms.pop(execution.realm, None)
        self.end(execution)

    def due(self, token: int) -> None:
        """Let nodes be tried again whose time of waiting is over."""
        for record in self.delayed.pop(token, ()):
            record.delayed = False
            if record.stage is Stage.WAITING and record.inputs is not None and record.wanted_by:
                self.make_ready(record)
