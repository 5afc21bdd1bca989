"""What people ask of the engine while it works, and afterwards: nothing here changes anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from coordinator.contract import ExecutionResult, WorkerInfo
from coordinator.listeners import Listener
from coordinator.metrics import gauges_of
from coordinator.scheduler import Scheduler
from coordinator.timeline import timeline
from coordinator.watch import Watching
from vox.events import Event
from vox.plan import Plan


class Views:
    """The looking half of `coordinator.executions.Executions`."""

    _lock: threading.RLock
    _watching: Watching
    _scheduler: Scheduler

    def wait(self, execution: str, timeout_s: float | None = None) -> ExecutionResult:
        """Wait for the end. TimeoutError when it does not come in time."""
        return self._watching.wait(execution, timeout_s)

    def events(self, execution: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Yield numbered events from the one after `after`, as they happen, up to the end."""
        return self._watching.events(execution, after)

    def plan(self, execution: str) -> Plan:
        """Return the plan of an execution. ExecutionUnknown if nobody knows the name."""
        return self._watching.plan(execution)

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that are there."""
        with self._lock:
            return [worker.info for worker in self._scheduler.workers.values()]

    def timeline(self, execution: str) -> dict[str, Any]:
        """Return what ran where and when, in the form of Chrome's trace viewer."""
        return timeline(self._watching.items(execution))

    def metrics(self) -> str:
        """Return counters and gauges in Prometheus' text form."""
        with self._lock:
            gauges = gauges_of(self._scheduler)
        return self._watching.metrics.text(gauges)

    def load_listeners(self) -> None:
        """Let installed packages hear every event: entry points of the group `vox.listeners`."""
        self._watching.listeners.load()

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every event from now on, from a thread of its own."""
        self._watching.listeners.add(listener)
