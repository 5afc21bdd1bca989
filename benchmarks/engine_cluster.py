"""A program of cheap nodes on a real coordinator and two worker processes, over HTTP, TLS and Dask."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any


def program(nodes: int, seed: int = 1) -> str:
    """Return sums and products of numbers; the print needs nearly all of them."""
    rng = random.Random(seed)
    lines = [f"let v{n} = {rng.uniform(1, 9):.6f}" for n in range(8)]
    ends = list(range(8))
    number = 8
    for _ in range(nodes // 2):
        at = rng.randrange(len(ends))
        other = ends[rng.randrange(len(ends))]
        lines.append(f"let v{number} = (v{ends[at]} .+. v{other}) .*. 0.5")
        ends[at] = number
        number += 1
    total = " .+. ".join(f"v{end}" for end in ends)
    return "\n".join([*lines, f'print "sum" {total}'])


def measure(nodes: int) -> dict[str, Any]:
    """Run a program cold and cached on two workers of one thread each; times are the coordinator's."""
    from tests.support.cluster import running_cluster

    with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder)) as cluster:
        assert cluster.coordinator is not None
        cluster.finished(cluster.submit(program(1_000, seed=2)))
        text = program(nodes)
        row: dict[str, Any] = {}
        before = _rss_mb(cluster.coordinator.popen.pid)
        for name in ("cold", "cached"):
            began = time.perf_counter()
            document = cluster.finished(cluster.submit(text), timeout_s=300.0)
            assert document["state"] == "succeeded", document["errors"]
            row[name + "_s"] = document["seconds"]
            row[name + "_http_s"] = time.perf_counter() - began
            row["nodes"] = document["nodes"]["total"]
        row["coordinator_mb"] = _rss_mb(cluster.coordinator.popen.pid) - before
        return row


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1e3
