"""The ledger: what was accepted is there after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator.contract import DynamicExecutionConfig, ExecutionResult, GoalResult, NodeCounts
from coordinator.journal import plan_from_bytes, plan_to_bytes
from coordinator.ledger import Ledger
from tests.support.programs import SPAN, Program, chain_plan, scalar_plan
from vox.digest import Digest, NodeId
from vox.errors import ExecutionUnknown, StoreUnusable
from vox.events import ExecutionFinished, ExecutionStarted, NodeSkipped, State
from vox.plan import Plan, Source, Type

CONFIG = DynamicExecutionConfig(retries=7, timeout_s=1.5, priority=-2)
A, B = NodeId.of(b"a"), NodeId.of(b"b")


def rich_plan() -> Plan:
    program = Program()
    for value in (None, True, 3, 3.0, "tèxt"):
        program.constant(value)
    source = program.add(Source(Digest.of(b"s")))
    value = program.apply("intensity@1", source)
    file = program.apply("file_image@1", value, format=".nii")
    program.save("out.nii", value, Type.IMAGE, file)
    program.print("v", program.constant(3))
    plan = program.plan()
    return Plan(plan.nodes, plan.goals, {value: SPAN}, {value: Type.IMAGE})


@pytest.mark.parametrize("plan", [rich_plan(), scalar_plan(1, 50), Plan({}, ())])
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    again = plan_from_bytes(plan_to_bytes(plan))
    assert again == plan
    assert list(again.nodes) == list(plan.nodes)


def test_an_execution_comes_back_as_it_was(tmp_path: Path) -> None:
    events = [ExecutionStarted("x", 3, 1), NodeSkipped("x", A, B), ExecutionFinished("x", State.PARTIAL)]
    goal = GoalResult("save", "o.nii", "succeeded", A, Type.MASK, Digest.of(b"v"), Digest.of(b"f"))
    counts = NodeCounts(3, 1, 1, 0, 0, 1)
    result = ExecutionResult("x", State.PARTIAL, 1.25, counts, (goal,), ({"code": "E1", "spans": []},))
    ledger = Ledger(tmp_path / "deep" / "ledger.sqlite")
    ledger.begin("x", chain_plan(3), CONFIG, 10.0)
    ledger.begin("y", chain_plan(4), CONFIG, 11.0)
    ledger.append([("x", 1, events[:2])])
    ledger.append([("x", 3, events[2:])], [(result, 12.0)])
    ledger.close()
    ledger = Ledger(tmp_path / "deep" / "ledger.sqlite")
    assert ledger.events("x") == list(enumerate(events, 1))
    assert ledger.events("x", after=1) == [(2, events[1]), (3, events[2])]
    assert ledger.last_number("x") == 3
    assert ledger.last_number("y") == 0
    entry = ledger.entry("x")
    assert entry is not None
    assert (entry.config, entry.began, entry.ended, entry.result) == (CONFIG, 10.0, 12.0, result)
    assert ledger.plan("x") == chain_plan(3)
    assert [entry.execution for entry in ledger.entries()] == ["y", "x"]
    assert [entry.execution for entry in ledger.unfinished()] == ["y"]
    with pytest.raises(ExecutionUnknown):
        ledger.plan("z")
    ledger.close()


def test_what_was_accepted_survives_a_kill(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from coordinator.contract import DynamicExecutionConfig\n"
        "from coordinator.ledger import Ledger\n"
        "from tests.support.programs import chain_plan\n"
        "from vox.events import ExecutionStarted\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "for number in range(1000):\n"
        "    ledger.begin(f'e{number}', chain_plan(3), DynamicExecutionConfig(), 1.0)\n"
        "    ledger.append([(f'e{number}', 1, [ExecutionStarted(f'e{number}', 5, 2)])])\n"
        "    print(number, flush=True)\n"
    )
    path = tmp_path / "ledger.sqlite"
    child = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(20)]
    os.kill(child.pid, signal.SIGKILL)
    rest = child.communicate(timeout=20)[0].split()
    last = int([*said, *rest][-1])
    ledger = Ledger(path)
    names = {entry.execution for entry in ledger.unfinished()}
    assert names >= {f"e{number}" for number in range(last + 1)}
    assert ledger.last_number(f"e{last}") == 1
    ledger.close()


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be read as one" * 20])
def test_what_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreUnusable):
        Ledger(path)


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreUnusable, match="99"):
        Ledger(tmp_path / "ledger.sqlite")
