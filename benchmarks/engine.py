"""The engine at any size: cheap nodes from plan to durable results, side by side, with memory.

`python -m benchmarks.engine [--large] [--dask-nodes N] [--skip-dask] [--counts 10000,100000]`

Every row runs in a process of its own, so that its memory is its own. `cold` begins with an empty store,
`cached` submits the same plan again. Nodes are sums and products of numbers, which cost about a microsecond:
what is measured is the engine. `peak` is the resident memory beyond that of the process once it has built the
plan and is warm; `plan` is what the plan itself takes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COUNTS = (10_000, 100_000)
LARGE = 1_000_000
DASK_NODES = 2_000
SHAPES = ("random", "tree", "chain")


def rss_mb() -> float:
    """Return the resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def make_plan(nodes: int, seed: int = 1, shape: str = "random", goals: int = 5) -> Any:
    """Return a plan of `nodes` sums and products of numbers, all of which its goals need."""
    from vox.errors import Span
    from vox.plan import Apply, Constant, Goal, Node, Plan, Type, node_id

    rng = random.Random(seed)
    made: dict[Any, Node] = {}

    def add(node: Node) -> Any:
        name = node_id(node)
        made.setdefault(name, node)
        return name

    # Many factors, so that no two ways lead to one number: each node is an action of its own.
    factors = [add(Constant(rng.uniform(0.3, 0.9))) for _ in range(min(1000, nodes // 20))]
    first = [add(Constant(rng.uniform(1, 9))) for _ in range(8)]
    if shape == "chain":
        last = first[0]
        while len(made) < nodes:
            last = add(Apply("num_mul@1", (add(Apply("num_add@1", (last, first[1]))), rng.choice(factors))))
        roots = [last]
    else:
        # A heap of open ends: each step joins two of the last ones, and every end is joined some day.
        ends = [add(Apply("num_add@1", (rng.choice(first), add(Constant(float(n)))))) for n in range(32)]
        while len(made) < nodes - 2 * len(ends):
            at = rng.randrange(len(ends)) if shape == "random" else 0
            other = ends[rng.randrange(len(ends))]
            joined = add(Apply(rng.choice(("num_add@1", "num_sub@1")), (ends.pop(at), other)))
            ends.append(add(Apply("num_mul@1", (joined, rng.choice(factors)))))
        roots = ends[:goals]
        for end in ends[goals:]:
            roots[0] = add(Apply("num_add@1", (roots[0], end)))
    span = Span("bench.imgql", 1, 1, 1, 2)
    wanted = tuple(Goal("print", f"goal {n}", name, span, Type.NUMBER) for n, name in enumerate(roots))
    return Plan(made, wanted)


def embedded_row(nodes: int, shape: str) -> dict[str, Any]:
    """Run one plan cold and cached in this process."""
    from client.embedded import embedded
    from coordinator.contract import DynamicExecutionConfig

    config = DynamicExecutionConfig()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VOX_STATE_DIR"] = folder
        engine = embedded(Path(folder) / "store", ledger_path=Path(folder) / "ledger.sqlite")
        engine.execute_dag(make_plan(300, seed=2), config)
        before = rss_mb()
        plan = make_plan(nodes, shape=shape)
        gc.collect()
        with_plan = rss_mb()
        row: dict[str, Any] = {"nodes": len(plan), "shape": shape, "plan_mb": with_plan - before}
        for name in ("cold", "cached"):
            began, cpu = time.perf_counter(), time.process_time()
            result = engine.execute_dag(plan, config)
            row[name + "_s"] = time.perf_counter() - began
            row[name + "_cpu_s"] = time.process_time() - cpu
            assert result.state == "succeeded", result.errors
            if name == "cold":
                row["computed"] = result.nodes.computed
                row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 - with_plan
        engine.close()
    return row


def dask_row(nodes: int) -> dict[str, Any]:
    """Run the same plan with one Dask task for each node, on two threads of this process' cluster."""
    from dask._task_spec import Task, TaskRef
    from distributed import Client, LocalCluster

    from vox.operators.catalogue import CATALOGUE
    from vox.plan import Apply, Constant

    plan = make_plan(nodes)
    graph: dict[str, Any] = {}
    for name, node in plan:
        if isinstance(node, Apply):
            kernel = CATALOGUE.of(node.operator).load()
            graph[str(name)] = Task(str(name), kernel, *(TaskRef(str(i)) for i in node.inputs))
        elif isinstance(node, Constant):
            graph[str(name)] = Task(str(name), float, node.value)
    wanted = [str(goal.wanted) for goal in plan.goals]
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        Client(cluster) as client,
    ):
        client.submit(float, 1).result()
        began = time.perf_counter()
        client.get(graph, wanted)
        seconds = time.perf_counter() - began
    return {"nodes": len(plan), "dask_s": seconds, "ms_per_node": 1000 * seconds / len(plan)}


def cluster_row(nodes: int) -> dict[str, Any]:
    """Run a plan cold on two worker processes through this project's fragments."""
    from benchmarks.engine_cluster import measure

    return measure(nodes)


def restart_row(nodes: int) -> dict[str, Any]:
    """Begin anew over a ledger with an unfinished execution all of whose nodes are done."""
    from client.embedded import ThreadHands, embedded
    from coordinator.contract import DynamicExecutionConfig
    from coordinator.executions import Executions
    from coordinator.ledger import Ledger
    from vox.store.sqlite import SqliteStore

    with tempfile.TemporaryDirectory() as folder:
        os.environ["VOX_STATE_DIR"] = folder
        home, plan, config = Path(folder), make_plan(nodes), DynamicExecutionConfig()
        engine = embedded(home / "store", ledger_path=home / "ledger.sqlite")
        engine.execute_dag(plan, config)
        engine.close()
        # All but the last tenth of its goals' way is known: the walk has to go down to where it is.
        longer = make_plan(nodes + nodes // 10)
        ledger = Ledger(home / "ledger.sqlite")
        ledger.begin("unfinished", longer, config, time.time())
        ledger.close()
        began = time.perf_counter()
        store, ledger = SqliteStore(home / "store"), Ledger(home / "ledger.sqlite")
        hands = ThreadHands(lambda: _no_runner(), 1)
        again = Executions(store, hands, ledger=ledger)
        seconds = time.perf_counter() - began
        reused = again.get_progress("unfinished").nodes.reused
        again.close()
    return {"nodes": len(longer), "reused": reused, "restart_s": seconds}


def _no_runner() -> Any:
    from vox.errors import ClusterError

    raise ClusterError("the benchmark ends before anything runs")


ROWS = {
    "restart": lambda a: restart_row(int(a[0])),
    "embedded": lambda a: embedded_row(int(a[0]), a[1]),
    "dask": lambda a: dask_row(int(a[0])),
    "cluster": lambda a: cluster_row(int(a[0])),
}


def in_a_process(*arguments: str) -> dict[str, Any]:
    """Measure one row in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.engine", "--row", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=900)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine")
    parser.add_argument("--large", action="store_true", help=f"also {LARGE:,} nodes")
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)))
    parser.add_argument("--dask-nodes", type=int, default=DASK_NODES)
    parser.add_argument("--skip-dask", action="store_true")
    parser.add_argument("--row", nargs="+", help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()
    if options.row:
        print(json.dumps(ROWS[options.row[0]](options.row[1:])))
        return
    counts = [int(text) for text in options.counts.split(",")] + ([LARGE] if options.large else [])
    columns = ("cold s", "cpu s", "µs/node", "cached s", "plan MB", "peak MB")
    print(f"{'embedded':<22}" + "".join(f"{column:>10}" for column in columns))
    cold = {}
    for count in counts:
        for shape in SHAPES if count == counts[0] else SHAPES[:1]:
            row = in_a_process("embedded", str(count), shape)
            cold[count] = cold.get(count, row["cold_s"])
            figures = (
                f"{row['cold_s']:10.3f}{row['cold_cpu_s']:10.3f}{1e6 * row['cold_s'] / row['nodes']:10.1f}"
                f"{row['cached_s']:10.4f}{row['plan_mb']:10.0f}{row['peak_mb']:10.0f}"
            )
            print(f"{row['nodes']:>10,} {shape:<11}{figures}", flush=True)
    row = in_a_process("restart", str(counts[-1] if counts[-1] < LARGE else counts[-2]))
    print(
        f"restart: {row['reused']:,} of {row['nodes']:,} nodes done, running after {row['restart_s']:.2f} s"
    )
    if options.skip_dask:
        return
    row = in_a_process("dask", str(options.dask_nodes))
    per_node_s = row["dask_s"] / row["nodes"]
    print(f"one Dask task per node: {row['nodes']:,} nodes {row['dask_s']:.2f} s, {1e3 * per_node_s:.2f} ms")
    ours = cold[counts[0]] / counts[0]
    print(f"  embedded is {per_node_s / ours:.0f} times as fast per node")
    for count in counts:
        row = in_a_process("cluster", str(count))
        print(
            f"{row['nodes']:>10,} on two workers: {row['cold_s']:.2f} s, again {row['cached_s']:.3f} s;"
            f" coordinator {row['coordinator_mb']:.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
