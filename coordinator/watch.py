"""Executions as they are watched: numbered events, progress, results; in memory, and from the ledger."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from coordinator.contract import DynamicExecutionConfig, ExecutionProgress, ExecutionResult, NodeCounts
from coordinator.ledger import Entry, Ledger
from vox.clock import Clock
from vox.errors import ClusterError, ExecutionUnknown, VoxError
from vox.events import Event, State
from vox.plan import Plan

log = logging.getLogger("vox.coordinator")
# Finished executions whose events stay in memory, for whoever is about to look; the ledger has the others.
_FINISHED_MAX = 64


@dataclass(slots=True)
class Watched:
    """An execution of this process' life. Events are numbered from `first` + 1 on."""

    execution: str
    plan: Plan
    config: DynamicExecutionConfig
    began: float
    began_monotonic: float
    first: int = 0
    events: list[Event] = field(default_factory=list)
    saved: int = 0
    result: ExecutionResult | None = None
    ended: float = 0.0
    timer: threading.Timer | None = None


class Watching:
    """All of them. `lock` guards everything; `changed` tells of events."""

    def __init__(self, ledger: Ledger | None, clock: Clock, lock: threading.RLock) -> None:
        self._ledger = ledger
        self._clock = clock
        self.changed = threading.Condition(lock)
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

    def publish(self, event: Event) -> None:
        """Take an event; nobody sees it before `commit`."""
        watched = self._here[event.execution]
        watched.events.append(event)
        self._dirty[event.execution] = watched

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
            batches = [(w.execution, w.first + w.saved + 1, w.events[w.saved :]) for w in dirty]
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
                watched.saved = len(watched.events)
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
        if self._ledger is not None and (watched is None or position < watched.first):
            for number, event in self._ledger.events(execution, after):
                if watched is not None and number > watched.first:
                    break
                position = number
                yield number, event
        if watched is None:
            return
        position = max(position, watched.first)
        while True:
            with self.changed:
                while not (len(watched.events) > position - watched.first or watched.result or self._closed):
                    self.changed.wait()
                batch = watched.events[position - watched.first :]
                last = watched.result is not None or self._closed
            for event in batch:
                position += 1
                yield position, event
            if last and (not batch or event_ends(batch)):
                return

    def progress(self, watched: Watched, moment: ExecutionProgress | None) -> ExecutionProgress:
        """Return how far an execution is, from the scheduler's moment or from its result."""
        if watched.result is not None:
            return _progress_of(watched.result)
        seconds = self._clock.monotonic() - watched.began_monotonic
        if moment is None:
            counts = NodeCounts(total=len(watched.plan))
            return ExecutionProgress(watched.execution, State.RUNNING, counts, (), {}, seconds)
        return ExecutionProgress(
            moment.execution, moment.state, moment.nodes, moment.goals, moment.running, seconds
        )

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


def event_ends(batch: Sequence[Event]) -> bool:
    """Return whether the last event of a batch is an execution's last."""
    return batch[-1].kind == "execution-finished"


def _closed(execution: str) -> ClusterError:
    return ClusterError(
        f"the engine stopped before execution {execution} ended",
        hint="what was computed is kept: submit the program again",
        code="E0806",
    )


def _progress_of(result: ExecutionResult) -> ExecutionProgress:
    return ExecutionProgress(result.execution, result.state, result.nodes, result.goals, {}, result.seconds)


def _of_entry(entry: Entry) -> ExecutionProgress:
    if entry.result is not None:
        return _progress_of(entry.result)
    return ExecutionProgress(entry.execution, State.RUNNING, NodeCounts(), (), {}, 0.0)
