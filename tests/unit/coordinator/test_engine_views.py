"""What is seen of the engine: pages, metrics, timelines, listeners, what it learnt of costs, what is left."""

from __future__ import annotations

import importlib
import json
import threading
from pathlib import Path

import pytest

from coordinator.contract import DynamicExecutionConfig, WorkerInfo
from coordinator.costs import CLASS_MS, CostModel
from coordinator.executions import Executions
from coordinator.ledger import Ledger
from coordinator.listeners import Listeners
from coordinator.notices import (
    CancelFragment,
    FragmentReported,
    PlanSubmitted,
    StartFragment,
    Tick,
    WorkerArrived,
)
from coordinator.pages import NodesDone, NodesStarted, events_of, from_document, to_document
from coordinator.policy import DELAY_S_MAX, retry_delay_s
from coordinator.scheduler import Scheduler
from coordinator.watch import Estimate
from tests.support.hands import ManyHands
from tests.support.programs import TEST_CATALOGUE, Program, scalar_plan
from vox.digest import Digest, NodeId
from vox.events import ExecutionFinished, State
from vox.fragment import Done, Fragment, How, Report
from vox.plan import Apply
from vox.store.memory import MemoryStore


def page() -> NodesDone:
    made = NodesDone("x", "w")
    for number in range(5):
        name = NodeId.of(bytes([number]))
        made.add(name, f"op{number % 2}@1", Digest.of(bytes([number])), number, How.COMPUTED, 10 * number)
    return made


def test_a_page_is_its_events_before_and_after_the_journal() -> None:
    started = NodesStarted("x", "w")
    for number in range(5):
        started.add(NodeId.of(bytes([number])), "op@1")
    for item in (page(), started):
        again = from_document(json.loads(json.dumps(to_document(item))))
        assert list(events_of([again])) == list(events_of([item]))
        assert len(again) == 5  # type: ignore[arg-type]


@pytest.fixture
def engine(tmp_path: Path):
    store = MemoryStore()
    hands = ManyHands({"": store})
    made = Executions(store, hands, ledger=Ledger(tmp_path / "l"), address="home:1", catalogue=TEST_CATALOGUE)
    hands.join("a", store=store)
    yield made
    made.close()


def test_metrics_timeline_and_listeners_tell_of_every_node(engine: Executions) -> None:
    heard: list[str] = []
    ended = threading.Event()

    def listener(event) -> None:
        heard.append(event.kind)
        if event.kind == "execution-finished":
            ended.set()
            raise RuntimeError("a bad listener")

    engine.listen(listener)
    result = engine.execute_dag(scalar_plan(1, 500), DynamicExecutionConfig())
    assert ended.wait(10.0)
    assert heard.count("node-done") == result.nodes.computed > 300
    text = engine.metrics()
    assert f'vox_nodes_done_total{{how="computed"}} {result.nodes.computed}' in text
    assert 'vox_executions_finished_total{state="succeeded"} 1' in text
    assert "vox_workers 1" in text
    trace = engine.timeline(result.execution)
    assert sum(e["args"].get("nodes", 0) for e in trace["traceEvents"]) == result.nodes.computed
    assert all(e["dur"] > 0 for e in trace["traceEvents"] if e["ph"] == "X")


def test_costs_are_learnt_by_operator_and_size_and_kept() -> None:
    costs = CostModel(lambda _: "image")
    assert costs.expected_ms("blur@1", 1000) == CLASS_MS["image"]
    for _ in range(20):
        costs.note("blur@1", 1 << 20, 40)
        costs.note("blur@1", 1 << 24, 640)
    again = CostModel(lambda _: "image")
    again.learn(costs.to_bytes())
    for model in (costs, again):
        assert model.expected_ms("blur@1", 1 << 20) == pytest.approx(40, rel=0.01)
        assert model.expected_ms("blur@1", 1 << 24) == pytest.approx(640, rel=0.01)
        assert model.expected_ms("blur@1", 1 << 26) == pytest.approx(2560, rel=0.01)
    assert costs.error() is not None
    assert costs.error() < 0.5
    again.learn(b"rubbish")


def test_waiting_grows_with_attempts_and_depends_on_the_error() -> None:
    assert retry_delay_s("E0801", 1) == 0.0
    assert retry_delay_s("E0411", 2) == 2 * retry_delay_s("E0411", 1) > 0.0
    assert retry_delay_s("E0478", 100) == DELAY_S_MAX


def test_the_time_left_is_told_only_when_guesses_agree() -> None:
    wild, steady = Estimate(), Estimate()
    assert all(wild.eta_s(f, 10.0 * n) is None for n, f in enumerate((0.5, 0.1, 0.9, 0.2, 0.8, 0.3), 1))
    told = [steady.eta_s(n / 100, float(n)) for n in range(10, 20)]
    assert told[0] is None
    assert told[-1] == pytest.approx(81.0)


def all_done(fragment: Fragment) -> Report:
    made = (Done(n, Digest.of(n.sha256), 1, How.COMPUTED, 100, None) for n, _ in fragment.nodes)
    return Report(fragment.name, tuple(made))


def starts(commands) -> list[StartFragment]:
    return [command for command in commands if isinstance(command, StartFragment)]


@pytest.mark.parametrize("first", ["the copy", "the original"])
def test_a_late_fragment_runs_elsewhere_too_and_the_first_report_counts(first: str) -> None:
    program = Program()
    for number in range(60):
        program.print(f"g{number}", program.apply("heavy@1", program.constant(float(number))))
    plan = program.plan()
    scheduler = Scheduler(cost=lambda _: "heavy")

    def tell(notice) -> list:
        commands = scheduler.handle(notice)
        scheduler.check()
        return commands

    for name in ("a", "b"):
        tell(WorkerArrived(WorkerInfo(name, 1, f"{name}:1")))
    slow, other = starts(tell(PlanSubmitted("e", plan, DynamicExecutionConfig())))
    tell(Tick(0.0))
    while others := starts(tell(FragmentReported(all_done(other.fragment), other.worker))):
        (other,) = others
    assert not starts(tell(Tick(1.0))), "it is given time"
    (copy,) = starts(tell(Tick(100.0)))
    assert copy.worker != slow.worker
    assert copy.fragment.nodes == slow.fragment.nodes
    assert not starts(tell(Tick(200.0))), "once"
    winner, loser = (copy, slow) if first == "the copy" else (slow, copy)
    commands = tell(FragmentReported(all_done(winner.fragment), winner.worker))
    assert CancelFragment(loser.fragment.name) in commands
    assert all(scheduler.graph.executions["e"].records[g.node].digest for g in plan.goals)
    tell(FragmentReported(all_done(loser.fragment), loser.worker))
    assert not scheduler.fragments
    counts = scheduler.graph.executions["e"].counts()
    assert counts.computed == sum(isinstance(node, Apply) for node in plan.nodes.values())
    assert scheduler.stragglers.duplicate_ms <= 0.05 * scheduler.stragglers.work_ms


def test_an_installed_package_names_a_listener_and_a_broken_one_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ear.py").write_text("heard = []\nlisten = heard.append\n")
    about = tmp_path / "ear-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ear\nVersion: 1.0\n")
    points = "[vox.listeners]\near = ear:listen\nbroken = ear:nothing\n"
    (about / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    listeners = Listeners()
    listeners.load()
    listeners.take(ExecutionFinished("e", State.SUCCEEDED))
    listeners.close()
    assert importlib.import_module("ear").heard == [ExecutionFinished("e", State.SUCCEEDED)]
    assert "broken" in caplog.text
