"""Counters of the engine in the text form that Prometheus reads, fed from the stream of events."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from coordinator.pages import NodesDone, NodesStarted, Page
from coordinator.scheduler import Scheduler
from vox.events import Event, ExecutionFinished, ExecutionStarted, NodeFailed, NodeLost, NodeSkipped

# Seconds; the last bucket is everything.
_BUCKETS_S = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
_HELP = {
    "vox_executions_started_total": "Executions that began in this life of the coordinator.",
    "vox_executions_finished_total": "Executions that ended, by state.",
    "vox_nodes_started_total": "Nodes handed to workers.",
    "vox_nodes_done_total": "Nodes with a result, by how it came.",
    "vox_nodes_failed_total": "Failures of nodes, by code, and whether they were final.",
    "vox_nodes_skipped_total": "Nodes that will not run.",
    "vox_nodes_lost_total": "Results that were known and are gone.",
    "vox_result_bytes_total": "Bytes of results, by how they came.",
}


def gauges_of(scheduler: Scheduler) -> dict[str, float]:
    """Return what holds now."""
    workers = scheduler.workers.values()
    found = {
        "vox_workers": float(len(workers)),
        "vox_slots": float(sum(worker.info.slots for worker in workers)),
        "vox_fragments_running": float(len(scheduler.fragments)),
        "vox_executions_running": float(len(scheduler.graph.executions)),
        "vox_nodes_open": float(sum(e.open for e in scheduler.graph.executions.values())),
        "vox_duplicate_work_seconds": scheduler.stragglers.duplicate_ms / 1000.0,
    }
    error = scheduler.costs.error()
    return found if error is None else found | {"vox_cost_error_median": error}


class Metrics:
    """Counters since the start. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._buckets = [0] * (len(_BUCKETS_S) + 1)
        self._seconds = 0.0

    def take(self, item: Event | Page) -> None:
        """Count an event, or a page of them."""
        with self._lock:
            if isinstance(item, NodesDone):
                self._done(item)
            elif isinstance(item, NodesStarted):
                self._add("vox_nodes_started_total", "", len(item))
            elif isinstance(item, ExecutionStarted):
                self._add("vox_executions_started_total", "")
            elif isinstance(item, ExecutionFinished):
                self._add("vox_executions_finished_total", f'{{state="{item.state}"}}')
            elif isinstance(item, NodeFailed):
                final = "true" if item.final else "false"
                self._add("vox_nodes_failed_total", f'{{code="{item.code}",final="{final}"}}')
            elif isinstance(item, NodeSkipped):
                self._add("vox_nodes_skipped_total", "")
            elif isinstance(item, NodeLost):
                self._add("vox_nodes_lost_total", "")

    def _add(self, name: str, labels: str, count: int = 1) -> None:
        self._counts[name, labels] += count

    def _done(self, page: NodesDone) -> None:
        for how in set(page.hows):
            labels = f'{{how="{how}"}}'
            self._add("vox_nodes_done_total", labels, page.hows.count(how))
            size = sum(size for size, came in zip(page.sizes, page.hows, strict=True) if came is how)
            self._add("vox_result_bytes_total", labels, size)
        for wall_ms in page.walls_ms:
            seconds = wall_ms / 1000.0
            self._seconds += seconds
            self._buckets[sum(seconds > bound for bound in _BUCKETS_S)] += 1

    def text(self, gauges: Mapping[str, float]) -> str:
        """Return everything, with what is measured now."""
        lines = []
        with self._lock:
            for name, help_ in _HELP.items():
                lines += [f"# HELP {name} {help_}", f"# TYPE {name} counter"]
                found = sorted((labels, count) for (n, labels), count in self._counts.items() if n == name)
                lines += [f"{name}{labels} {count}" for labels, count in found or [("", 0)]]
            name = "vox_kernel_seconds"
            lines += [f"# HELP {name} What kernels took.", f"# TYPE {name} histogram"]
            total = 0
            for bound, count in zip((*map(str, _BUCKETS_S), "+Inf"), self._buckets, strict=True):
                total += count
                lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
            lines += [f"{name}_sum {self._seconds:.3f}", f"{name}_count {total}"]
        for name, value in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
