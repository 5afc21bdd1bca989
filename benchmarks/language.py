"""Text to plan, against a loop that only hashes: what the language costs beyond the names of its nodes.

Every program has as many nodes as the loop beside it. The loop does what no plan can do without: one SHA-256
over an operator's name and the names of its inputs for each node. `vox check` is measured as a process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from vox.imgql import SourceText, collect, compile_bundle
from vox.imgql.outside import pretended

NODES = 100_000


def merkle(count: int) -> None:
    """Name a chain of nodes, and nothing else."""
    name = sha256(b"first").digest()
    other = sha256(b"other").digest()
    for _ in range(count):
        name = sha256(b"vox.apply.v1num_add@1" + name + other).digest()


def chain_v1(count: int) -> str:
    """Return a V1 program of so many sums."""
    lines = [f"let a{n} = a{n - 1} .+. {n % 7}" for n in range(1, count)]
    return "\n".join(["let a0 = 1", *lines, f'print "x" a{count - 1}'])


def chain_v2(count: int) -> str:
    """Return the same program in V2."""
    lines = [f"a{n} = a{n - 1} + {n % 7}" for n in range(1, count)]
    return "\n".join(["a0 = 1", *lines, f'print "x" a{count - 1}'])


def loop_v2(count: int) -> str:
    """Return a V2 program that makes as many nodes in a loop."""
    return f'print "x" fold + (for i in range({count // 4}) do i * 2 + 1)'


def compiled(text: str) -> Callable[[], int]:
    """Return the compilation of a program."""

    def work() -> int:
        bundle = collect(SourceText("main.imgql", text), lambda _, __: None)
        return len(compile_bundle(bundle, lambda path, _: pretended(path)))

    return work


def seconds(work: Callable[[], object]) -> float:
    """Return the least CPU time of three runs."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def check_cpu(lines: int) -> float:
    """Return the CPU time of `vox check` on a program of so many lines, as a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.imgql"
        program.write_text(chain_v1(lines), encoding="utf-8")
        command = [sys.executable, "-m", "client.main", "check", str(program)]
        best = float("inf")
        for _ in range(4):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return best


def main() -> None:
    """Print one JSON document."""
    loop = seconds(lambda: merkle(NODES))
    report: dict[str, object] = {"nodes": NODES, "merkle_us_per_node": round(1e6 * loop / NODES, 3)}
    for make in (chain_v1, chain_v2, loop_v2):
        work = compiled(make(NODES))
        count, spent = work(), seconds(work)
        report[make.__name__] = {
            "nodes": count,
            "us_per_node": round(1e6 * spent / count, 2),
            "ratio_to_merkle": round(spent / count / (loop / NODES), 1),
        }
    curve = {}
    for elements in (1000, 10_000, 100_000):
        work = compiled(f'print "x" length(for i in range({elements}) do i + 1)')
        began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        spent = seconds(work)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began
        curve[elements] = {"us_per_element": round(1e6 * spent / elements, 1), "peak_grown_kb": grown}
    report["loop_elements"] = curve
    report["check_200_lines_cpu_ms"] = round(1000 * check_cpu(200))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
