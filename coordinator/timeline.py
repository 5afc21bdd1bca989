"""An execution as a timeline that `chrome://tracing` and Perfetto open: a row for each worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coordinator.pages import NodesDone, NodesStarted, Page
from vox.events import Event, ExecutionFinished, NodeFailed


def timeline(items: Iterable[Event | Page]) -> dict[str, Any]:
    """Return the trace: fragments as they were held, and in them the nodes, one after the other.

    When a node began is not known, only what it took and when its fragment came back: nodes are laid out
    backwards from that moment.
    """
    rows: dict[str, int] = {}
    trace: list[dict[str, Any]] = []
    begun_s: dict[bytes, float] = {}

    def row(worker: str) -> int:
        if worker not in rows:
            rows[worker] = len(rows) + 1
            name = {"name": worker or "nobody"}
            trace.append({"name": "thread_name", "ph": "M", "pid": 1, "tid": rows[worker], "args": name})
        return rows[worker]

    now_s = 0.0
    for item in items:
        if isinstance(item, NodesStarted | NodesDone):
            now_s = item.at_s
        if isinstance(item, NodesStarted):
            for node in item.nodes:
                begun_s[node.sha256] = item.at_s
        elif isinstance(item, NodesDone):
            tid = row(item.worker)
            starts = [begun_s.pop(node.sha256, item.at_s) for node in item.nodes]
            first_s = min(starts, default=item.at_s)
            label = f"{len(item)} nodes"
            trace.append(_slice(label, first_s, item.at_s - first_s, tid, {"nodes": len(item)}))
            end_s = item.at_s
            for at in range(len(item) - 1, -1, -1):
                took_s = item.walls_ms[at] / 1000.0
                if took_s <= 0.0:
                    continue  # thousands of them would hide the others
                args = {"node": str(item.nodes[at]), "how": str(item.hows[at]), "bytes": item.sizes[at]}
                trace.append(_slice(item.operators[at], end_s - took_s, took_s, tid, args))
                end_s -= took_s
        elif isinstance(item, NodeFailed):
            args = {"node": str(item.node), "code": item.code, "message": item.message}
            trace.append(
                {"name": f"failed {item.operator}", "ph": "i", "s": "t", "pid": 1, "tid": row(item.worker)}
                | {"ts": round(1e6 * now_s), "args": args}
            )
        elif isinstance(item, ExecutionFinished):
            trace.append({"name": str(item.state), "ph": "M", "pid": 1, "args": {"name": item.execution}})
    return {"displayTimeUnit": "ms", "traceEvents": trace}


def _slice(name: str, start_s: float, took_s: float, tid: int, args: dict[str, Any]) -> dict[str, Any]:
    times = {"ts": round(1e6 * max(0.0, start_s)), "dur": max(1, round(1e6 * took_s))}
    return {"name": name, "ph": "X", "pid": 1, "tid": tid, "args": args} | times
