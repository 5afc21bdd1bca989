"""The head: what has happened goes in, what is to be done comes out. No clock, no threads, no sockets.

Several executions share nodes: a node that two of them want runs once. Work per notice is in proportion to
the nodes that the notice changes, never to the plan. `check` asserts every invariant; tests call it after
each notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from coordinator import partition
from coordinator.contract import ExecutionProgress, WorkerInfo
from coordinator.costs import CostModel
from coordinator.invariants import check
from coordinator.notices import (
    CancelAsked,
    CancelFragment,
    Command,
    Due,
    FragmentBroken,
    FragmentReported,
    Gather,
    GoalsGathered,
    Notice,
    PlanSubmitted,
    Record,
    StartFragment,
    Tick,
    WorkerArrived,
    WorkerGone,
)
from coordinator.outcomes import LOSSES_MAX, NO_OUTCOME, Outcomes
from coordinator.pages import NodesStarted
from coordinator.records import Cost, ExecutionRecord, FragmentRecord, NodeRecord, Stage, WorkerRecord
from coordinator.stragglers import Stragglers, hand_over, part, retire
from coordinator.window import Window
from vox.digest import NodeId
from vox.events import ExecutionStarted, State, WorkerJoined, WorkerLeft
from vox.fragment import Done, Failed, Fragment, Lost, Outcome
from vox.plan import Apply, Node

# Addresses that travel with a fragment: enough to find a blob, few enough to ask in turn.
PEERS_MAX = 8
WORKER_LOST = ("E0801", "its worker was lost", "see the worker's log; the machine may lack memory")


class Scheduler:
    """Decides what runs where.

    Parameters
    ----------
    prefix
        Makes names of fragments unique among coordinators that use the same Dask scheduler.
    home
        Address of the coordinator's own peer service; empty when there is none.
    cost
        The class of an operator, by identity.
    """

    def __init__(
        self, prefix: str = "f", home: str = "", cost: Callable[[str], Cost] = lambda _: "image"
    ) -> None:
        self._prefix = prefix
        self._home = home
        self._fragments_named = 0
        self.costs = CostModel(cost)
        self.graph = Outcomes(self.costs)
        self.stragglers = Stragglers()
        self.workers: dict[str, WorkerRecord] = {}
        self.fragments: dict[str, FragmentRecord] = {}

    def handle(self, notice: Notice) -> list[Command]:
        """Take one notice; return what is to be done because of it, in order."""
        graph = self.graph
        graph.at += 1
        match notice:
            case PlanSubmitted():
                self._submit(notice)
            case WorkerArrived():
                self._worker_arrived(notice.worker)
            case WorkerGone():
                self._worker_gone(notice.worker)
            case FragmentReported():
                self._report(notice)
            case FragmentBroken():
                self._broken(notice)
            case GoalsGathered():
                self._gathered(notice)
            case CancelAsked():
                self._cancel(notice)
            case Tick(now_s):
                self._tick(now_s)
            case Due(token):
                graph.due(token)
        for execution in graph.executions.values():
            graph.fill(execution)
        self._gather()
        for execution in tuple(graph.ending):
            graph.finish(execution)
        graph.ending.clear()
        for fragment in graph.unwanted:
            self._unwant(fragment)
        graph.unwanted.clear()
        graph.rest()
        self._dispatch()
        graph.rest()
        commands, graph.commands = graph.commands, []
        return commands

    def progress(self, execution: str) -> ExecutionProgress | None:
        """Return how far a running execution is; None when it is not running."""
        record = self.graph.executions.get(execution)
        if record is None:
            return None
        goals = tuple(goal.result() for goal in record.goals)
        running = {
            node.name: fragment.worker
            for fragment in self.fragments.values()
            for node in fragment.records
            if record in node.wanted_by
        }
        fraction = record.fraction
        return ExecutionProgress(execution, record.state, record.counts(), goals, running, 0.0, fraction)

    def check(self) -> None:
        """Assert every invariant. Looks at everything: for tests."""
        check(self.graph, self.workers, self.fragments)

    # Notices

    def _submit(self, notice: PlanSubmitted) -> None:
        graph = self.graph
        assert notice.execution not in graph.executions
        plan, known = notice.plan, notice.known
        window = Window(plan, [goal.wanted for goal in plan.goals], known, self.costs.expected_ms)
        order = graph.order()
        execution = ExecutionRecord(notice.execution, plan, notice.config, order, window, known)
        execution.looked = notice.looked
        graph.executions[notice.execution] = execution
        graph.publish(ExecutionStarted(execution.name, len(plan), execution.tally["reused"]))
        for goal in execution.goals:
            found = known.get(goal.goal.node)
            goal.digest = None if found is None else found.digest
        graph.fill(execution)
        if not execution.goals:
            graph.ending[execution] = None

    def _worker_arrived(self, info: WorkerInfo) -> None:
        if info.name in self.workers:
            self._worker_gone(info.name)
        self.workers[info.name] = WorkerRecord(info, self.graph.order())
        for execution in self.graph.executions.values():
            self.graph.publish(WorkerJoined(execution.name, info.name))

    def _worker_gone(self, name: str) -> None:
        worker = self.workers.pop(name, None)
        if worker is None:
            return
        for execution in self.graph.executions.values():
            self.graph.publish(WorkerLeft(execution.name, name))
        for fragment in tuple(worker.fragments.values()):
            del self.fragments[fragment.name]
            if not self._goes_on_elsewhere(fragment):
                self._fragment_lost(fragment, WORKER_LOST[1])

    def _broken(self, notice: FragmentBroken) -> None:
        fragment = self._take_back(notice.fragment, notice.worker)
        if fragment is not None and not self._goes_on_elsewhere(fragment):
            self._fragment_lost(fragment, notice.message)

    def _fragment_lost(self, fragment: FragmentRecord, message: str) -> None:
        self._release(fragment)
        code, _, hint = WORKER_LOST
        for record in fragment.records:
            behind = any(needed.broken for needed in record.inputs or ())
            if fragment.cancelled or behind or not record.wanted_by:
                self.graph.requeue(record)
            else:
                self.graph.failed(record, Failed(record.name, code, message, hint, True), fragment.worker)

    def _report(self, notice: FragmentReported) -> None:
        fragment = self._take_back(notice.report.fragment, notice.worker)
        if fragment is None:
            return  # old news: what was computed is in the worker's store, and will be found there
        outcomes = {outcome.node: outcome for outcome in notice.report.outcomes}
        self._keep_claims(outcomes.values(), fragment)
        if not all(isinstance(outcomes.get(record.name), Done) for record in fragment.records):
            if self._goes_on_elsewhere(fragment):
                return
        elif (twin := part(fragment)) is not None:
            retire(twin)
            self.graph.commands.append(CancelFragment(twin.name))
        self._release(fragment)
        quiet = not fragment.cancelled and all(isinstance(o, Done) for o in outcomes.values())
        left_out: list[NodeRecord] = []
        for record in fragment.records:
            outcome = outcomes.get(record.name)
            if isinstance(outcome, Done):
                self.stragglers.work_ms += outcome.wall_ms
                self.graph.done(record, outcome, fragment.worker)
            elif isinstance(outcome, Failed):
                self.graph.failed(record, outcome, fragment.worker)
            elif isinstance(outcome, Lost):
                self.graph.lost(record, outcome, fragment, notice.known)
            else:
                left_out.append(record)
        code, message, hint = NO_OUTCOME
        for record in left_out:
            if quiet and record.wanted_by:
                self.graph.failed(record, Failed(record.name, code, message, hint, True), fragment.worker)
            else:
                self.graph.requeue(record)

    def _keep_claims(self, outcomes: Iterable[Outcome], fragment: FragmentRecord) -> None:
        # A worker without an address shares the coordinator's store: its claims are there.
        if not fragment.owner.config.writes or not self.workers[fragment.worker].info.peer:
            return
        claims = tuple(o.attestation for o in outcomes if isinstance(o, Done) and o.attestation is not None)
        if claims:
            self.graph.commands.append(Record(claims))

    def _gathered(self, notice: GoalsGathered) -> None:
        execution = self.graph.executions.get(notice.execution)
        if execution is None:
            return
        for name in (*notice.here, *notice.nowhere):
            record = execution.records[name]
            goal_open = any(goal.state == "running" for goal in execution.goals_by_node[name])
            if record.stage is not Stage.DONE or not goal_open:
                continue  # it is being computed again, and will be gathered again
            if name in notice.here:
                self.graph.settle(execution, name, "succeeded")
            elif isinstance(record.node, Apply) and record.losses < LOSSES_MAX:
                self.graph.revive(record, notice.known)
            else:
                self.graph.give_up(execution, record)

    def _cancel(self, notice: CancelAsked) -> None:
        execution = self.graph.executions.get(notice.execution)
        if execution is None:
            return
        if notice.error is not None:
            execution.errors.append(dict(notice.error))
        for name in execution.goals_by_node:
            self.graph.settle(execution, name, "cancelled")
        execution.state = State.CANCELLED

    def _expected_ms(self, record: NodeRecord) -> float:
        """Return what a node will probably take, by the bytes of those of its inputs that are known."""
        if record.light:
            return 0.0
        return self.costs.expected_ms(record.operator, sum(i.size for i in record.inputs or ()))

    # Fragments

    def _take_back(self, name: str, worker: str) -> FragmentRecord | None:
        """Return a fragment that `worker` really holds; what others say of it is old news."""
        fragment = self.fragments.get(name)
        if fragment is None or fragment.worker != worker:
            return None
        del self.fragments[name]
        del self.workers[worker].fragments[name]
        self.workers[worker].light -= fragment.light
        return fragment

    def _release(self, fragment: FragmentRecord) -> None:
        fragment.owner.fragments_running -= 1
        for record in fragment.records:
            record.fragment = None

    def _unwant(self, fragment: FragmentRecord) -> None:
        fragment.wanted -= 1
        if fragment.wanted == 0 and not fragment.cancelled:
            for one in (fragment, fragment.twin):
                if one is not None:
                    one.cancelled = True
                    self.graph.commands.append(CancelFragment(one.name))

    def _gather(self) -> None:
        graph = self.graph
        for execution, records in graph.gathers.items():
            done = [r for r in records if r.stage is Stage.DONE and execution not in graph.ending]
            if done:
                blobs = tuple((r.name, r.digest) for r in done if r.digest is not None)
                graph.commands.append(Gather(execution.name, blobs, self._addresses(done)))
        graph.gathers.clear()

    def _dispatch(self) -> None:
        free = [worker for worker in self.workers.values() if worker.free > 0]
        while free:
            light = [worker for worker in free if not worker.light]
            # Executions are few; each `head` is at hand.
            best = min(
                (e for e in self.graph.executions.values() if e.room and self._seed(e, bool(light))),
                key=lambda e: (-e.config.priority, e.fragments_running, e.order),
                default=None,
            )
            if best is None:
                return
            seed = self._seed(best, bool(light))
            assert seed is not None
            able = light if seed.light else free
            slots = len(able) if seed.light else sum(worker.free for worker in able)
            self._start(best, seed, partition.choose_worker(seed, able), slots)
            free = [worker for worker in free if worker.free > 0]

    def _seed(self, execution: ExecutionRecord, light: bool) -> NodeRecord | None:
        """Return the node that an execution's next fragment begins with."""
        heavy = execution.head(execution.heap)
        return heavy or (execution.head(execution.light_heap) if light else None)

    def _start(
        self, execution: ExecutionRecord, seed: NodeRecord, worker: WorkerRecord, slots_free: int
    ) -> None:
        records = partition.grow(execution, seed, slots_free)
        self._fragments_named += 1
        name, holder = f"{self._prefix}-{self._fragments_named}", worker.info.name
        fragment = FragmentRecord(name, holder, execution, records, self.graph.at, len(records), seed.light)
        fragment.expected_ms = sum(self._expected_ms(record) for record in records)
        self.fragments[name] = worker.fragments[name] = fragment
        worker.light += fragment.light
        execution.fragments_running += 1
        pages: dict[ExecutionRecord, NodesStarted] = {}
        for record in records:
            record.stage = Stage.RUNNING
            record.fragment = fragment
            for wanting in record.wanted_by:
                page = pages.get(wanting)
                if page is None:
                    page = pages[wanting] = self.graph.page_of_started(wanting, holder)
                page.add(record.name, record.operator)
        self.graph.commands.append(StartFragment(self._spell_out(fragment), holder))

    def _goes_on_elsewhere(self, fragment: FragmentRecord) -> bool:
        """Leave a fragment that came to nothing to its twin, if it has one."""
        twin = part(fragment)
        if twin is None:
            return False
        hand_over(fragment, twin)
        fragment.owner.fragments_running -= 1
        return True

    def _tick(self, now_s: float) -> None:
        self._dispatch()
        free = [worker for worker in self.workers.values() if worker.free > 0]
        late = self.stragglers.late(now_s, tuple(self.fragments.values()), free)
        if late is not None:
            fragment, worker = late
            self._fragments_named += 1
            name, holder = f"{self._prefix}-{self._fragments_named}", worker.info.name
            twin = replace(fragment, name=name, worker=holder, seen_s=now_s, twin=fragment, copy=True)
            fragment.twin = twin
            self.fragments[name] = worker.fragments[name] = twin
            worker.light += twin.light
            twin.owner.fragments_running += 1
            self.graph.commands.append(StartFragment(self._spell_out(twin), holder))

    def _spell_out(self, fragment: FragmentRecord) -> Fragment:
        plan, config = fragment.owner.plan, fragment.owner.config
        nodes: dict[NodeId, Node] = {}
        outside: dict[NodeId, NodeRecord] = {}
        for record in fragment.records:
            for name in record.constants:
                nodes[name] = plan.nodes[name]
            for needed in record.inputs or ():
                if needed.digest is not None:
                    outside[needed.name] = needed
            nodes[record.name] = record.node
        known = {name: needed.digest for name, needed in outside.items() if needed.digest is not None}
        assert len(known) == len(outside)
        peers = self._addresses(outside.values(), fragment.worker)
        reads = config.reads and not fragment.records[0].forced
        seed = fragment.records[0]
        # Looked up when the plan was taken, in the same store: nobody has to ask again.
        shared = fragment.owner.looked and not (seed.attempts or seed.forced)
        shared = shared and not self.workers[fragment.worker].info.peer
        return Fragment(fragment.name, tuple(nodes.items()), known, peers, reads, config.writes, shared)

    def _addresses(self, records: Iterable[NodeRecord], asking: str = "") -> tuple[str, ...]:
        """Return where the blobs of `records` are likely to be; for a worker that asks, not itself."""
        holders = dict.fromkeys(name for r in records for name in r.where if name != asking)
        found = [self.workers[name].info.peer for name in holders if name in self.workers]
        if asking:
            found.append(self._home)
        return tuple(dict.fromkeys(peer for peer in found if peer))[:PEERS_MAX]
