"""Many clients with one program: each node is computed once. Cancels and priorities in between."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from client.embedded import EmbeddedEngine
from coordinator.contract import DynamicExecutionConfig
from tests.support import programs
from tests.support.programs import TEST_CATALOGUE, Program
from vox.plan import Plan
from vox.store.sqlite import SqliteStore

CONFIG = DynamicExecutionConfig()
NODES = 150


def counted_plan() -> Plan:
    program = Program()
    name = program.constant(1.0)
    one = program.constant(1.0)
    for number in range(NODES):
        name = program.apply("counted@1", program.apply("num_add@1", name, one), name=f"c{number}")
    program.print("end", name)
    return program.plan()


def test_eight_clients_with_one_program_compute_each_node_once(tmp_path: Path) -> None:
    programs.calls.clear()
    plan = counted_plan()
    with EmbeddedEngine(
        SqliteStore(tmp_path / "store"), threads=4, identity_path=tmp_path / "id", catalogue=TEST_CATALOGUE
    ) as engine:
        start = threading.Barrier(8)
        results = []

        def client(delay_s: float) -> None:
            start.wait(10.0)
            time.sleep(delay_s)
            results.append(engine.execute_dag(plan, CONFIG))

        clients = [threading.Thread(target=client, args=(0.02 * n,)) for n in range(8)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join(60.0)
        assert len(results) == 8
        assert len({result.goals[0].digest for result in results}) == 1
        assert {programs.calls[f"c{n}"] for n in range(NODES)} == {1}


def test_a_cancel_ends_at_once_and_what_was_computed_is_kept(tmp_path: Path) -> None:
    programs.calls.clear()
    programs._gates.clear()
    program = Program()
    first = program.apply("counted@1", program.constant(1.0), name="first")
    program.print("x", program.apply("waits@1", program.apply("sign@1", first), name="held"))
    with EmbeddedEngine(
        SqliteStore(tmp_path / "store"), threads=1, identity_path=tmp_path / "id", catalogue=TEST_CATALOGUE
    ) as engine:
        execution = engine.submit(program.plan(), CONFIG)
        deadline = time.monotonic() + 20.0
        while not programs.calls.get("held"):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        began = time.monotonic()
        assert engine.cancel_execution(execution)
        assert engine.wait(execution, 5.0).state == "cancelled"
        assert time.monotonic() - began < 5.0
        programs.gate("held").set()
        again = engine.execute_dag(program.plan(), CONFIG)
        assert again.state == "succeeded"
        assert programs.calls["first"] == 1
