"""The engine: the pure scheduler between a store, workers, and those who ask and watch.

One lock guards the scheduler. `submit` and `cancel_execution` do their part in the caller's thread, so that a
submission whose goals are all known is answered on the spot; what workers report goes through an inbox to a
thread that starts with the first report.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from queue import SimpleQueue

from coordinator.contract import (
    DynamicExecutionConfig,
    ExecutionProgress,
    ExecutionResult,
    Hands,
    WorkerInfo,
)
from coordinator.costs import class_by
from coordinator.keepsakes import keep, learn, record
from coordinator.ledger import Entry, Ledger
from coordinator.lookup import LOOK_MAX, LookUp
from coordinator.notices import (
    CancelAsked,
    CancelFragment,
    Command,
    Due,
    Finish,
    FragmentBroken,
    FragmentReported,
    Gather,
    GoalsGathered,
    Known,
    Later,
    Notice,
    PlanSubmitted,
    Publish,
    PublishPage,
    Record,
    StartFragment,
    Tick,
    WorkerArrived,
    WorkerGone,
)
from coordinator.oracle import Interpreted, Oracle
from coordinator.scheduler import Scheduler
from coordinator.views import Views
from coordinator.watch import Watched, Watching
from vox.attest import Attestation
from vox.clock import Clock, SystemClock
from vox.digest import Digest, NodeId
from vox.errors import ClusterError, VoxError
from vox.fragment import Lost, Report
from vox.operators.catalogue import CATALOGUE
from vox.operators.registry import Registry
from vox.plan import Plan
from vox.store.contract import Neighbours, Nobody, Store
from vox.store.holds import Holds

log = logging.getLogger("vox.coordinator")
# How often late fragments are looked for.
TICK_S = 1.0


class Executions(Views):
    """A `coordinator.contract.ExecutionCoordinator`, and the listener of its hands.

    Parameters
    ----------
    store
        The coordinator's own; goals' blobs end there.
    hands
        Workers. Workers without a peer address share `store`.
    neighbours
        How blobs and results of other machines come here.
    ledger
        Where executions are written down; None keeps them in memory.
    resume
        Whether executions that the ledger calls unfinished go on now. Only for who owns the ledger alone.
    address
        `host:port` of the coordinator's own peer service, for workers to fetch from.
    accept
        Raises TrustError for a claim that must not be believed; None believes the workers.
    """

    def __init__(
        self,
        store: Store,
        hands: Hands,
        *,
        neighbours: Neighbours | None = None,
        ledger: Ledger | None = None,
        resume: bool = True,
        address: str = "",
        accept: Callable[[Attestation], None] | None = None,
        catalogue: Registry = CATALOGUE,
        clock: Clock | None = None,
    ) -> None:
        self.store = store
        self._holds = Holds(store)
        self._hands = hands
        self._neighbours = neighbours or Nobody()
        self._look = LookUp(store, self._neighbours)
        self._ledger = ledger
        self._accept = accept
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._watching = Watching(ledger, self._clock, self._lock)
        self._scheduler = Scheduler(f"f{secrets.token_hex(4)}", address, class_by(catalogue))
        self._oracle = Oracle(store, catalogue, self._tell)
        self._inbox: SimpleQueue[Notice | Interpreted | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._gathering: set[threading.Thread] = set()
        self._learnt = False
        self._ticking = False
        self._open = True
        self._closing = False
        self._connecting = True
        hands.connect(self)
        self._connecting = False
        while not self._inbox.empty():
            notice = self._inbox.get()
            assert notice is not None
            self._process(notice)
        if ledger is not None and resume:
            for entry in ledger.unfinished():
                self._resume(ledger, entry)

    # The face

    def submit(self, plan: Plan, config: DynamicExecutionConfig) -> str:
        """Accept a plan durably; return the execution's name."""
        if not self._open:
            raise ClusterError("the engine is stopping", hint="try again in a moment", code="E0806")
        execution = secrets.token_hex(8)
        now, monotonic = self._clock.now(), self._clock.monotonic()
        known = self._look.plan(plan, config)
        if not self._learnt and not all(goal.wanted in known for goal in plan.goals):
            self._learnt = True
            with self._lock:
                learn(self.store, self._scheduler.costs)
        if self._ledger is not None:
            self._ledger.begin(execution, plan, config, now)
        self._admit(Watched(execution, plan, config, now, monotonic), known)
        return execution

    def execute_dag(self, plan: Plan, config: DynamicExecutionConfig) -> ExecutionResult:
        """Submit and wait."""
        return self.wait(self.submit(plan, config))

    def get_progress(self, execution: str) -> ExecutionProgress:
        """Return this moment's. ExecutionUnknown if nobody knows the name."""
        with self._lock:
            watched = self._watching.get(execution)
            if watched is not None:
                return self._watching.progress(watched, self._scheduler.progress(execution))
        return self._watching.past(execution)

    def cancel_execution(self, execution: str) -> bool:
        """Ask for the end; False when it has already come."""
        watched = self._watching.get(execution)
        if watched is None:
            self._watching.past(execution)
            return False
        with self._lock:
            if watched.result is not None:
                return False
            self._process(CancelAsked(execution))
        return True

    def executions(self) -> list[ExecutionProgress]:
        """Return every execution there is, newest first."""
        here = {watched.execution: watched for watched in self._watching.here_all()}
        if self._ledger is None:
            return [self.get_progress(name) for name in here]
        past = self._watching.past_all()
        return [self.get_progress(p.execution) if p.execution in here else p for p in past]

    def known(self, plan: Plan) -> Mapping[NodeId, Known]:
        """Return the results that a submission of `plan` would begin with."""
        return self._look.plan(plan, DynamicExecutionConfig())

    def close(self) -> None:
        """Stop accepting, let running kernels end, write everything down. Unfinished executions stay so."""
        self._open = False
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._oracle.close()
            for name in self._scheduler.fragments:
                self._hands.cancel(name)
            for watched in self._watching.running():
                if watched.timer is not None:
                    watched.timer.cancel()
        self._hands.close()
        for thread in tuple(self._gathering):
            thread.join(timeout=30.0)
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join(timeout=60.0)
        self._holds.close()
        self._watching.close()

    # What workers say

    def worker_joined(self, worker: WorkerInfo) -> None:
        """It takes fragments now."""
        self._tell(WorkerArrived(worker))

    def worker_left(self, worker: str) -> None:
        """It is gone, and with it every fragment it held."""
        self._tell(WorkerGone(worker))

    def fragment_reported(self, report: Report, worker: str) -> None:
        """A fragment ended."""
        self._tell(FragmentReported(report, worker))

    def fragment_failed(self, fragment: str, worker: str, message: str) -> None:
        """A fragment ended without a report."""
        self._tell(FragmentBroken(fragment, worker, message))

    def _tell(self, notice: Notice | Interpreted) -> None:
        self._inbox.put(notice)
        if self._thread is None and not self._connecting:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._listen, name="vox-executions", daemon=True)
                    self._thread.start()

    def _listen(self) -> None:
        while (notice := self._inbox.get()) is not None:
            try:
                if isinstance(notice, FragmentReported):
                    notice = self._look_below(notice)
                self._process(notice)
            except Exception:
                log.exception("a %s could not be handled", type(notice).__name__)

    def _look_below(self, notice: FragmentReported) -> FragmentReported:
        """Find what is known below the inputs that a report calls lost."""
        lost = [outcome.input for outcome in notice.report.outcomes if isinstance(outcome, Lost)]
        with self._lock:
            fragment = self._scheduler.fragments.get(notice.report.fragment)
        if not lost or fragment is None or not fragment.owner.config.reads:
            return notice
        return replace(notice, known=self._look.below(fragment.owner.plan, lost))

    # The scheduler's commands

    def _process(self, first: Notice | Interpreted) -> None:
        with self._lock:
            queue = [first]
            try:
                while queue:
                    for command in self._decide(queue.pop(0)):
                        queue += self._perform(command)
            finally:
                self._watching.commit()

    def _decide(self, notice: Notice | Interpreted) -> Sequence[Command]:
        if isinstance(notice, CancelAsked):
            error = None if notice.error is None else dict(notice.error)
            notice = self._oracle.cancel(notice.execution, error) or notice
        return notice.commands if isinstance(notice, Interpreted) else self._scheduler.handle(notice)

    def _perform(self, command: Command) -> Sequence[Notice]:
        match command:
            case Publish(event):
                self._watching.publish(event)
            case PublishPage(page):
                self._watching.publish(page)
            case Later(delay_s, token):
                self._later(delay_s, Due(token))
            case StartFragment(fragment, worker):
                if not self._closing:
                    if not self._ticking and len(self._scheduler.workers) > 1:
                        self._ticking = True
                        self._at(TICK_S, self._tick)
                    try:
                        self._hands.start(fragment, worker)
                    except VoxError as error:
                        return (FragmentBroken(fragment.name, worker, error.message),)
            case CancelFragment(fragment_name):
                self._hands.cancel(fragment_name)
            case Record(attestations):
                record(self.store, attestations, self._accept)
            case Gather():
                return self._gather(command)
            case Finish(execution, state, nodes, goals, errors):
                watched = self._watching.get(execution)
                assert watched is not None
                seconds = self._clock.monotonic() - watched.began_monotonic
                self._watching.finish(ExecutionResult(execution, state, seconds, nodes, goals, errors))
                if nodes.computed:
                    keep(self.store, self._scheduler.costs)
                self._holds.release_later(execution)
        return ()

    def _tick(self) -> None:
        """Tell the scheduler the time as long as anything runs on one of several workers."""
        with self._lock:
            self._ticking = False
            several = len(self._scheduler.workers) > 1
            if several and self._scheduler.fragments and not self._closing:
                self._ticking = True
                self._at(TICK_S, self._tick)
                self._tell(Tick(self._clock.monotonic()))

    def _later(self, delay_s: float, notice: Notice) -> None:
        self._at(delay_s, lambda: self._tell(notice))

    def _at(self, delay_s: float, action: Callable[[], None]) -> None:
        timer = threading.Timer(delay_s, action)
        timer.daemon = True
        timer.start()

    def _gather(self, command: Gather) -> Sequence[Notice]:
        # Who asked has yet to read them; with a quota something else could take their place.
        self._holds.hold(command.execution, [digest for _, digest in command.blobs])
        absent = self.store.missing([digest for _, digest in command.blobs])
        if not absent:
            return (GoalsGathered(command.execution, tuple(name for name, _ in command.blobs)),)
        thread = threading.Thread(target=self._fetch, args=(command, absent), name="vox-gather", daemon=True)
        self._gathering.add(thread)
        thread.start()
        return ()

    def _fetch(self, command: Gather, absent: set[Digest]) -> None:
        try:
            here = self._neighbours.fetch(absent, command.peers)
            gone = absent - here
            nowhere = tuple(name for name, digest in command.blobs if digest in gone)
            found = tuple(name for name, digest in command.blobs if digest not in gone)
            known: Mapping[NodeId, Known] = {}
            watched = self._watching.get(command.execution)
            if nowhere and watched is not None and watched.config.reads:
                known = self._look.below(watched.plan, nowhere)
            self._tell(GoalsGathered(command.execution, found, nowhere, known))
        except Exception as error:
            log.exception("goals could not be gathered")
            problem = VoxError(f"goals could not be gathered: {error}").to_json()
            self._tell(CancelAsked(command.execution, problem))
        finally:
            self._gathering.discard(threading.current_thread())

    # Plans

    def _admit(self, watched: Watched, known: Mapping[NodeId, Known]) -> None:
        config = watched.config
        with self._lock:
            self._watching.add(watched)
            if config.timeout_s > 0:
                left_s = config.timeout_s - (self._clock.now() - watched.began)
                watched.timer = threading.Timer(max(0.0, left_s), self._time_out, (watched.execution,))
                watched.timer.daemon = True
                watched.timer.start()
            if config.execution_engine == "sequential":
                self._process(self._oracle.start(watched.execution, watched.plan))
            else:
                looked = len(watched.plan) <= LOOK_MAX
                self._process(PlanSubmitted(watched.execution, watched.plan, config, known, looked))

    def _resume(self, ledger: Ledger, entry: Entry) -> None:
        log.info("execution %s goes on", entry.execution)
        plan = ledger.plan(entry.execution)
        first = ledger.last_number(entry.execution)
        monotonic = self._clock.monotonic() - max(0.0, self._clock.now() - entry.began)
        watched = Watched(entry.execution, plan, entry.config, entry.began, monotonic, first)
        self._admit(watched, self._look.plan(plan, entry.config))

    def _time_out(self, execution: str) -> None:
        watched = self._watching.get(execution)
        limit = 0.0 if watched is None else watched.config.timeout_s
        hint = "what was computed is kept: submit it again, or allow more with --timeout"
        error = VoxError(f"it took longer than {limit:g} s", hint=hint, code="E1001")
        self._tell(CancelAsked(execution, error.to_json()))
