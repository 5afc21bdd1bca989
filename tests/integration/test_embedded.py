"""The engine in one process, over real stores."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from client.embedded import EmbeddedEngine
from coordinator.contract import DynamicExecutionConfig, ExecutionResult
from coordinator.ledger import Ledger
from tests.support import programs
from tests.support.programs import TEST_CATALOGUE, Program, ball, chain_plan, image_plan, scalar_plan
from vox import sequential
from vox.errors import ExecutionUnknown, VoxError
from vox.events import State
from vox.operators.codec import decode_value, digest_of, encode_value
from vox.plan import Plan
from vox.store.memory import MemoryStore
from vox.store.sqlite import SqliteStore

CONFIG = DynamicExecutionConfig()


@pytest.fixture
def engine(tmp_path: Path):
    made = engine_over(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_calls():
    programs.calls.clear()
    programs._gates.clear()


def engine_over(path: Path, **options) -> EmbeddedEngine:
    options.setdefault("catalogue", TEST_CATALOGUE)
    return EmbeddedEngine(SqliteStore(path / "store"), threads=2, identity_path=path / "identity", **options)


def run(engine: EmbeddedEngine, plan: Plan, config: DynamicExecutionConfig = CONFIG) -> ExecutionResult:
    return engine.wait(engine.submit(plan, config), 60.0)


def oracle(plan: Plan) -> list:
    found = sequential.run(plan, lambda digest: b"", catalogue=TEST_CATALOGUE)
    return [goal.digest for goal in found]


@pytest.mark.parametrize("seed", range(5))
def test_it_gives_the_digests_of_the_sequential_engine(tmp_path: Path, seed: int) -> None:
    plan = scalar_plan(seed, 200)
    with engine_over(tmp_path) as engine:
        result = run(engine, plan)
    assert result.state is State.SUCCEEDED
    assert [goal.digest for goal in result.goals] == oracle(plan)


def test_images_have_the_digests_of_the_sequential_engine_whatever_the_cache(tmp_path: Path) -> None:
    parts = [bytes(part) for part in encode_value(ball())]
    results = []
    for number, cache_bytes in enumerate((10**9, 0)):
        with engine_over(tmp_path / str(number), cache_bytes=cache_bytes) as engine:
            plan = image_plan(engine.store.write(parts))
            expected = sequential.run(plan, engine.store.read)
            results.append(run(engine, plan))
            assert run(engine, plan).nodes.computed == 0
            changed = run(engine, image_plan(digest_of(parts), threshold=0.6))
            assert 0 < changed.nodes.computed < results[-1].nodes.computed
    for result in results:
        assert result.state is State.SUCCEEDED, result.errors
        assert [goal.digest for goal in result.goals] == [goal.digest for goal in expected]
        assert [goal.file for goal in result.goals] == [goal.file_digest for goal in expected]


def test_a_second_submission_computes_nothing_and_starts_nothing(tmp_path: Path) -> None:
    plan = scalar_plan(1, 300)
    with engine_over(tmp_path) as engine:
        first = run(engine, plan)
    assert first.nodes.computed > 0
    with engine_over(tmp_path) as engine:
        threads = threading.active_count()
        second = run(engine, plan)
        assert threading.active_count() == threads
        assert second.nodes.computed == second.nodes.fetched == 0
        assert second.nodes.reused == second.nodes.total == len(plan)
        assert second.goals == first.goals


def test_a_cached_submission_imports_nothing_heavy(tmp_path: Path) -> None:
    plan = scalar_plan(2, 100)
    with engine_over(tmp_path) as engine:
        run(engine, plan)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from client.embedded import embedded\n"
        "from coordinator.contract import DynamicExecutionConfig\n"
        "from tests.support.programs import scalar_plan\n"
        "with embedded(Path(sys.argv[1])) as engine:\n"
        "    result = engine.execute_dag(scalar_plan(2, 100), DynamicExecutionConfig())\n"
        "assert result.state == 'succeeded' and not result.nodes.computed, result\n"
        "heavy = ('numpy', 'numba', 'SimpleITK', 'distributed', 'grpc', 'zeroconf', 'fastapi')\n"
        "assert not [name for name in heavy if name in sys.modules], sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "store"], check=True, timeout=60, cwd=Path.cwd())


def test_a_longer_program_computes_only_what_is_new(engine: EmbeddedEngine) -> None:
    run(engine, chain_plan(20))
    assert run(engine, chain_plan(25)).nodes.computed == 5


def test_same_results_end_the_work_below_them(engine: EmbeddedEngine) -> None:
    def plan(threshold: float) -> Plan:
        program = Program()
        node = program.apply("sign@1", program.constant(threshold))
        for step in range(3):
            node = program.apply("counted@1", node, name=f"c{step}")
        program.print("x", node)
        return program.plan()

    assert run(engine, plan(2.0)).nodes.computed == 4
    second = run(engine, plan(3.0))
    assert (second.nodes.computed, second.nodes.reused) == (1, 4)
    assert programs.calls == {"sign": 2, "c0": 1, "c1": 1, "c2": 1}
    assert run(engine, plan(3.0)).nodes.computed == 0, "and the new names are remembered"


def test_a_node_that_fails_in_passing_is_tried_again(engine: EmbeddedEngine) -> None:
    program = Program()
    program.print("x", program.apply("flaky@1", program.constant(1.0), name="f", failures=2))
    result = run(engine, program.plan())
    assert result.state is State.SUCCEEDED
    assert programs.calls["f"] == 3
    events = [event for _, event in engine.events(result.execution)]
    assert [event.final for event in events if event.kind == "node-failed"] == [False, False]


def test_it_gives_up_after_the_retries(engine: EmbeddedEngine) -> None:
    program = Program()
    program.print("x", program.apply("flaky@1", program.constant(1.0), name="f", failures=9))
    result = run(engine, program.plan(), DynamicExecutionConfig(retries=1))
    assert result.state is State.FAILED
    assert programs.calls["f"] == 2


@pytest.mark.parametrize(
    ("operator", "code"),
    [
        ("refuses@1", "E0477"),
        ("breaks@1", "E0499"),
        ("hungry@1", "E0411"),
        ("gone@1", "E0499"),
        ("new@7", "E0410"),
    ],
)
def test_each_failure_has_its_code_and_spoils_nothing_else(
    engine: EmbeddedEngine, operator: str, code: str
) -> None:
    program = Program()
    one = program.constant(1.0)
    bad = program.apply(operator, one)
    program.print("bad", bad)
    program.print("behind", program.apply("num_add@1", bad, one))
    program.print("good", program.apply("num_add@1", one, one))
    result = run(engine, program.plan())
    assert result.state is State.PARTIAL
    assert [goal.state for goal in result.goals] == ["failed", "skipped", "succeeded"]
    (error,) = result.errors
    assert error["code"] == code
    assert "\n" not in error["message"]
    assert error["spans"]
    assert (result.nodes.failed, result.nodes.skipped) == (1, 1)


def test_fail_fast_ends_at_the_first_failure(engine: EmbeddedEngine) -> None:
    program = Program()
    one = program.constant(1.0)
    program.print("bad", program.apply("refuses@1", one))
    program.print("slow", program.apply("waits@1", one, name="never"))
    execution = engine.submit(program.plan(), DynamicExecutionConfig(keep_going=False))
    result = engine.wait(execution, 20.0)
    programs.gate("never").set()
    assert result.state is State.FAILED
    assert [goal.state for goal in result.goals] == ["failed", "skipped"]


def test_a_cancelled_execution_ends_at_once_and_keeps_what_it_has(engine: EmbeddedEngine) -> None:
    program = Program()
    node = program.apply("counted@1", program.constant(1.0), name="before")
    node = program.apply("waits@1", node, name="gate")
    node = program.apply("counted@1", node, name="after")
    program.print("x", node)
    execution = engine.submit(program.plan(), CONFIG)
    while "gate" not in programs.calls:
        assert engine.get_progress(execution).state is State.RUNNING
    assert engine.cancel_execution(execution)
    result = engine.wait(execution, 5.0)
    assert result.state is State.CANCELLED
    assert [goal.state for goal in result.goals] == ["cancelled"]
    assert not engine.cancel_execution(execution)
    programs.gate("gate").set()
    again = run(engine, program.plan())
    assert again.state is State.SUCCEEDED
    assert programs.calls["before"] == 1


def test_an_execution_ends_when_its_time_is_over(engine: EmbeddedEngine) -> None:
    program = Program()
    program.print("x", program.apply("waits@1", program.constant(1.0), name="gate"))
    execution = engine.submit(program.plan(), DynamicExecutionConfig(timeout_s=0.1))
    result = engine.wait(execution, 10.0)
    programs.gate("gate").set()
    assert result.state is State.CANCELLED
    assert result.errors[0]["code"] == "E1001"


def test_executions_at_the_same_time_compute_shared_nodes_once(engine: EmbeddedEngine) -> None:
    program = Program()
    node = program.apply("waits@1", program.constant(1.0), name="gate")
    node = program.apply("counted@1", node, name="shared")
    program.print("x", node)
    names = [engine.submit(program.plan(), CONFIG) for _ in range(8)]
    programs.gate("gate").set()
    assert {engine.wait(name, 20.0).state for name in names} == {State.SUCCEEDED}
    assert programs.calls == {"gate": 1, "shared": 1}


def test_without_reading_caches_everything_is_computed_again(engine: EmbeddedEngine) -> None:
    plan = chain_plan(30)
    first = run(engine, plan)
    again = run(engine, plan, DynamicExecutionConfig(reads=False))
    assert again.nodes.computed == first.nodes.computed == 30
    assert again.goals == first.goals


def test_without_writing_caches_the_next_one_finds_nothing(engine: EmbeddedEngine) -> None:
    plan = chain_plan(30)
    result = run(engine, plan, DynamicExecutionConfig(writes=False))
    assert not engine.store.missing([goal.digest for goal in result.goals if goal.digest])
    assert run(engine, plan).nodes.computed == 30


def test_a_goal_whose_blob_is_gone_is_computed_again(engine: EmbeddedEngine) -> None:
    plan = chain_plan(10)
    first = run(engine, plan)
    digest = first.goals[0].digest
    assert digest is not None
    engine.store.delete([digest])
    second = run(engine, plan)
    assert second.goals == first.goals
    assert second.nodes.computed == 1, "its input is still there"
    assert decode_value(engine.store.read(digest)) == 11.0


def test_results_that_lost_all_their_blobs_are_computed_again(engine: EmbeddedEngine) -> None:
    plan = chain_plan(10)
    done = [e for _, e in engine.events(run(engine, plan).execution) if e.kind == "node-done"]
    engine.store.delete([event.digest for event in done])
    longer = run(engine, chain_plan(12))
    assert longer.state is State.SUCCEEDED
    assert decode_value(engine.store.read(longer.goals[0].digest)) == 13.0


def test_goals_that_are_constants_need_no_worker(engine: EmbeddedEngine) -> None:
    program = Program()
    for value in (3, 3.5, "text", True, None):
        program.print(repr(value), program.constant(value))
    result = run(engine, program.plan())
    assert result.state is State.SUCCEEDED
    assert [decode_value(engine.store.read(g.digest)) for g in result.goals] == [3, 3.5, "text", True, None]
    assert result.nodes.reused == 5


def test_a_plan_without_goals_succeeds_at_once(engine: EmbeddedEngine) -> None:
    assert run(engine, Program().plan()).state is State.SUCCEEDED


def test_ten_thousand_nodes(engine: EmbeddedEngine) -> None:
    plan = scalar_plan(7, 10_000, goals=50, window=200)
    result = run(engine, plan)
    assert result.state is State.SUCCEEDED
    assert [goal.digest for goal in result.goals] == oracle(plan)
    assert (
        len([e for _, e in engine.events(result.execution) if e.kind == "node-done"]) >= result.nodes.computed
    )


def test_a_chain_of_five_thousand_nodes_is_not_too_deep(engine: EmbeddedEngine) -> None:
    assert run(engine, chain_plan(5000)).state is State.SUCCEEDED
    assert run(engine, chain_plan(5001)).nodes.computed == 1


def test_events_are_numbered_and_can_be_taken_up_again(engine: EmbeddedEngine) -> None:
    result = run(engine, chain_plan(5))
    events = list(engine.events(result.execution))
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    assert events[0][1].kind == "execution-started"
    assert events[-1][1].kind == "execution-finished"
    assert list(engine.events(result.execution, after=4)) == events[4:]
    assert list(engine.events(result.execution, after=len(events))) == []


def test_an_unknown_execution_is_an_error_on_every_door(engine: EmbeddedEngine) -> None:
    for door in (engine.events, engine.wait, engine.get_progress, engine.cancel_execution, engine.plan):
        with pytest.raises(ExecutionUnknown):
            door("nothing")


def test_waiting_has_a_limit(engine: EmbeddedEngine) -> None:
    program = Program()
    program.print("x", program.apply("waits@1", program.constant(1.0), name="gate"))
    execution = engine.submit(program.plan(), CONFIG)
    with pytest.raises(TimeoutError):
        engine.wait(execution, 0.05)
    assert engine.get_progress(execution).running
    programs.gate("gate").set()
    assert engine.wait(execution, 10.0).state is State.SUCCEEDED


def test_closing_ends_kernels_and_wakes_who_waits(tmp_path: Path) -> None:
    engine = engine_over(tmp_path)
    program = Program()
    node = program.apply("waits@1", program.constant(1.0), name="gate")
    program.print("x", program.apply("counted@1", node, name="after"))
    execution = engine.submit(program.plan(), CONFIG)
    while "gate" not in programs.calls:
        pass
    caught: list[VoxError] = []

    def wait() -> None:
        try:
            engine.wait(execution, 20.0)
        except VoxError as error:
            caught.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    threading.Timer(0.1, programs.gate("gate").set).start()
    engine.close()
    waiter.join(10.0)
    assert [error.code for error in caught] == ["E0806"]
    with pytest.raises(VoxError):
        engine.submit(program.plan(), CONFIG)


def test_the_ledger_remembers_executions_of_another_life(tmp_path: Path) -> None:
    with engine_over(tmp_path, ledger=Ledger(tmp_path / "ledger.sqlite")) as engine:
        first = run(engine, chain_plan(5))
        events = list(engine.events(first.execution))
    with engine_over(tmp_path, ledger=Ledger(tmp_path / "ledger.sqlite")) as engine:
        (entry,) = engine.executions()
        assert entry.execution == first.execution
        assert entry.nodes == first.nodes
        assert engine.wait(first.execution) == first
        assert list(engine.events(first.execution, after=2)) == events[2:]
        assert engine.plan(first.execution) == chain_plan(5)


def test_everything_in_memory_works_too(tmp_path: Path) -> None:
    with EmbeddedEngine(MemoryStore(), identity_path=tmp_path) as engine:
        result = run(engine, scalar_plan(3, 50))
    assert result.state is State.SUCCEEDED


def test_the_sequential_engine_keeps_no_results(engine: EmbeddedEngine) -> None:
    plan = scalar_plan(4, 80)
    config = DynamicExecutionConfig(execution_engine="sequential")
    first, second = run(engine, plan, config), run(engine, plan, config)
    assert first.nodes == second.nodes
    assert first.nodes.computed > 0
    assert [goal.digest for goal in first.goals] == oracle(plan)
    assert not engine.store.missing([goal.digest for goal in first.goals if goal.digest])


def test_the_sequential_engine_tells_failures_as_the_others_do(engine: EmbeddedEngine) -> None:
    program = Program()
    one = program.constant(1.0)
    bad = program.apply("refuses@1", one)
    program.print("bad", bad)
    program.print("behind", program.apply("num_add@1", bad, one))
    program.print("good", program.apply("num_add@1", one, one))
    ours = run(engine, program.plan())
    theirs = run(engine, program.plan(), DynamicExecutionConfig(execution_engine="sequential"))
    assert (theirs.state, theirs.goals, theirs.errors) == (ours.state, ours.goals, ours.errors)
    assert theirs.nodes == ours.nodes


def test_the_sequential_engine_can_be_cancelled(engine: EmbeddedEngine) -> None:
    program = Program()
    node = program.apply("waits@1", program.constant(1.0), name="gate")
    program.print("x", program.apply("counted@1", node, name="after"))
    execution = engine.submit(program.plan(), DynamicExecutionConfig(execution_engine="sequential"))
    assert engine.cancel_execution(execution)
    assert engine.wait(execution, 10.0).state is State.CANCELLED
    programs.gate("gate").set()
