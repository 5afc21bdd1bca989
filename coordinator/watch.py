"""Executions as they are watched: numbered events, progress, results; in memory, and from the ledger."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from coordinator.contract import DynamicExecutionConfig, ExecutionProgress, ExecutionResult, NodeCounts
from coordinator.ledger import Entry, Ledger
from coordinator.listeners import Listeners
from coordinator.metrics import Metrics
from coordinator.pages import NodesDone, NodesStarted, Page, count_of, events_of
from vox.clock import Clock
from vox.errors import ClusterError, ExecutionUnknown, VoxError
from vox.events import Event, State
from vox.plan import Plan

log = logging.getLogger("vox.coordinator")
# Events of a running execution that stay in memory when there is a ledger to read older ones from.
_EVENTS_MAX = 50_000
_READ_MAX = 5_000
ETA_GUESSES, ETA_FRACTION_MIN, ETA_S_MIN, ETA_SPREAD_MAX = 5, 0.05, 1.0, 0.2
# Finished executions whose events stay in memory, for whoever is about to look; the ledger has the others.
_FINISHED_MAX = 64


class Estimate:
    """When an execution will end, told only when the last guesses agree.

    A guess is what is left at the mean speed so far. The speed of the first moments says little, and a cost
    model that has not learnt yet jumps: guesses of the end must lie within a fifth of what they say is left.
    """

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=ETA_GUESSES)

    def eta_s(self, fraction: float, seconds: float) -> float | None:
        """Take a moment; return how many seconds are left, or None."""
        if not ETA_FRACTION_MIN <= fraction < 1.0 or seconds < ETA_S_MIN:
            return None
        left_s = seconds * (1.0 - fraction) / fraction
        self._ends.append(seconds + left_s)
        spread = max(self._ends) - min(self._ends)
        stable = len(self._ends) == ETA_GUESSES and spread <= ETA_SPREAD_MAX * max(left_s, 1.0)
        return left_s if stable else None


@dataclass(slots=True)
class Watched:
    """An execution of this process' life.

    Events are numbered from `first` + 1 on, over the whole life; `items` holds the last of them, from number
    `base` + 1 on, some as pages; the first `saved` of `items` are in the ledger.
    """

    execution: str
    plan: Plan
    config: DynamicExecutionConfig
    began: float
    began_monotonic: float
    first: int = 0
    items: list[Event | Page] = field(default_factory=list)
    base: int = 0
    last: int = 0
    saved: int = 0
    result: ExecutionResult | None = None
    ended: float = 0.0
    timer: threading.Timer | None = None
    estimate: Estimate = field(default_factory=Estimate)

    def __post_init__(self) -> None:
        self.base = self.last = self.first

    def add(self, item: Event | Page) -> None:
        """Take an event or a page of them."""
        self.items.append(item)
        self.last += count_of(item)

    def unsaved(self) -> tuple[str, int, list[Event | Page]]:
        """Return what is to be written: the number of its first event, and the items."""
        items = self.items[self.saved :]
        return self.execution, self.last - sum(map(count_of, items)) + 1, items

    def trim(self) -> None:
        """Forget events that the ledger has, so that memory does not grow with the plan."""
        gone = 0
        while gone < self.saved and self.last - self.base > _EVENTS_MAX:
            self.base += count_of(self.items[gone])
            gone += 1
        del self.items[:gone]
        self.saved -= gone

    def after(self, number: int) -> tuple[list[Event | Page], int]:
        """Return the items from the one that holds event `number` + 1 on, and how many events precede it."""
        before = self.last
        at = len(self.items)
        while at and before > number:
            at -= 1
            before -= count_of(self.items[at])
        return self.items[at:], before


class Watching:
    """All of them. `lock` guards everything; `changed` tells of events."""

    def __init__(self, ledger: Ledger | None, clock: Clock, lock: threading.RLock) -> None:
        self._ledger = ledger
        self._clock = clock
        self.changed = threading.Condition(lock)
        self.metrics = Metrics()
        self.listeners = Listeners()
        self._here: dict[str, Watched] = {}
        self._dirty: dict[str, Watched] = {}
        self._closed = False

    def add(self, watched: Watched) -> None:
        """Watch an execution from now on."""
        with self.changed:
            self._here[watched.execution] = watched

    def get(self, execution: str) -> Watched | None:
        """Return an execution of this life."""
        with self.changed:
            return self._here.get(execution)

    def running(self) -> list[Watched]:
        """Return those that have not ended."""
        with self.changed:
            return [watched for watched in self._here.values() if watched.result is None]

    def publish(self, item: Event | Page) -> None:
        """Take an event or a page; nobody sees it before `commit`."""
        watched = self._here[item.execution]
        if isinstance(item, NodesStarted | NodesDone):
            item.at_s = self._clock.monotonic() - watched.began_monotonic
        watched.add(item)
        self.metrics.take(item)
        self.listeners.take(item)
        self._dirty[item.execution] = watched

    def finish(self, result: ExecutionResult) -> None:
        """Take a result; nobody sees it before `commit`."""
        watched = self._here[result.execution]
        watched.result = result
        watched.ended = self._clock.now()
        if watched.timer is not None:
            watched.timer.cancel()

    def commit(self) -> None:
        """Write down what was taken, then show it; what cannot be written now is written with the next."""
        dirty = list(self._dirty.values())
        if not dirty:
            return
        if self._ledger is not None:
            batches = [w.unsaved() for w in dirty]
            ended = [(w.result, w.ended) for w in dirty if w.result is not None]
            try:
                self._ledger.append(batches, ended)
                self._dirty.clear()
            except VoxError as error:
                log.error("events are not written down: %s", error.message)
        else:
            self._dirty.clear()
        for watched in dirty:
            if watched.execution not in self._dirty:
                watched.saved = len(watched.items)
                if self._ledger is not None:
                    watched.trim()
        self._forget_old()
        self.changed.notify_all()

    def _forget_old(self) -> None:
        ended = [w for w in self._here.values() if w.result is not None and w.execution not in self._dirty]
        for watched in ended[:-_FINISHED_MAX] if self._ledger is not None else ():
            del self._here[watched.execution]

    def close(self) -> None:
        """Wake whoever waits; nothing more will come."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        self.listeners.close()

    def wait(self, execution: str, timeout_s: float | None) -> ExecutionResult:
        """Wait for a result."""
        with self.changed:
            watched = self._here.get(execution)
            if watched is None:
                entry = self._entry(execution)
                if entry.result is not None:
                    return entry.result
                raise _closed(execution)
            if not self.changed.wait_for(lambda: watched.result is not None or self._closed, timeout_s):
                raise TimeoutError(f"execution {execution} has not ended after {timeout_s} s")
            if watched.result is None:
                raise _closed(execution)
            return watched.result

    def events(self, execution: str, after: int) -> Iterator[tuple[int, Event]]:
        """Return an iterator of numbered events up to the end."""
        with self.changed:
            watched = self._here.get(execution)
            if watched is None:
                self._entry(execution)
        return self._follow(execution, watched, after)

    def _follow(self, execution: str, watched: Watched | None, after: int) -> Iterator[tuple[int, Event]]:
        position = after
        while True:
            if self._ledger is not None and (watched is None or position < watched.base):
                old = self._ledger.events(execution, position, _READ_MAX)
                yield from old
                if old:
                    position = old[-1][0]
                    continue
            if watched is None:
                return
            position = max(position, watched.base)
            with self.changed:
                while not (watched.last > position or watched.result or self._closed):
                    self.changed.wait()
                if position < watched.base:
                    continue  # forgotten meanwhile: the ledger has it
                items, before = watched.after(position)
                last = watched.result is not None or self._closed
            ended = False
            for number, event in enumerate(events_of(items), before + 1):
                if number > position:
                    position = number
                    yield number, event
                    ended = event.kind == "execution-finished"
            if last and (not items or ended):
                return

    def progress(self, watched: Watched, moment: ExecutionProgress | None) -> ExecutionProgress:
        """Return how far an execution is, from the scheduler's moment or from its result."""
        if watched.result is not None:
            return _progress_of(watched.result)
        seconds = self._clock.monotonic() - watched.began_monotonic
        if moment is None:
            counts = NodeCounts(total=len(watched.plan))
            return ExecutionProgress(watched.execution, State.RUNNING, counts, (), {}, seconds)
        eta_s = watched.estimate.eta_s(moment.fraction, seconds)
        return replace(moment, seconds=seconds, eta_s=eta_s)

    def past(self, execution: str) -> ExecutionProgress:
        """Return an execution that only the ledger knows."""
        return _of_entry(self._entry(execution))

    def past_all(self) -> list[ExecutionProgress]:
        """Return every execution of the ledger, newest first."""
        return [] if self._ledger is None else [_of_entry(entry) for entry in self._ledger.entries()]

    def here_all(self) -> list[Watched]:
        """Return executions of this life, newest first."""
        with self.changed:
            return list(reversed(self._here.values()))

    def items(self, execution: str) -> list[Event | Page]:
        """Return everything that happened, in pages where it came so."""
        with self.changed:
            watched = self._here.get(execution)
            here = [] if watched is None else list(watched.items)
            base = 0 if watched is None else watched.base
        if watched is None:
            self._entry(execution)
        if self._ledger is None or (watched is not None and base == 0):
            return here
        old = self._ledger.items(execution, base if watched is not None else 0)
        return [*old, *here]

    def plan(self, execution: str) -> Plan:
        """Return an execution's plan."""
        watched = self.get(execution)
        if watched is not None:
            return watched.plan
        if self._ledger is None:
            raise ExecutionUnknown(f"there is no execution {execution}")
        return self._ledger.plan(execution)

    def _entry(self, execution: str) -> Entry:
        entry = None if self._ledger is None else self._ledger.entry(execution)
        if entry is None:
            raise ExecutionUnknown(f"there is no execution {execution}", hint="see `vox list`")
        return entry


def _closed(execution: str) -> ClusterError:
    return ClusterError(
        f"the engine stopped before execution {execution} ended",
        hint="what was computed is kept: submit the program again",
        code="E0806",
    )


def _progress_of(result: ExecutionResult) -> ExecutionProgress:
    return ExecutionProgress(
        result.execution, result.state, result.nodes, result.goals, {}, result.seconds, 1.0
    )


def _of_entry(entry: Entry) -> ExecutionProgress:
    if entry.result is not None:
        return _progress_of(entry.result)
    return ExecutionProgress(entry.execution, State.RUNNING, NodeCounts(), (), {}, 0.0)
