"""Executions over several workers that share nothing but a street."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.contract import DynamicExecutionConfig
from coordinator.executions import Executions
from coordinator.ledger import Ledger
from tests.support import programs
from tests.support.hands import ManyHands, Street
from tests.support.programs import TEST_CATALOGUE, Program, chain_plan, scalar_plan
from vox import sequential
from vox.digest import Digest
from vox.errors import SignerUnknown
from vox.events import State
from vox.operators.codec import decode_value, encode_value
from vox.operators.values import Geometry
from vox.plan import Plan, Source, Type
from vox.store.memory import MemoryStore

CONFIG = DynamicExecutionConfig()


class House:
    """A coordinator and its workers."""

    def __init__(self, ledger: Ledger | None = None, store: MemoryStore | None = None, **options) -> None:
        self.store = store or MemoryStore()
        self.stores: dict = {"": self.store}
        self.hands = ManyHands(self.stores)
        self.engine = Executions(
            self.store,
            self.hands,
            neighbours=Street(self.store, self.stores),
            ledger=ledger,
            address="home:1",
            catalogue=TEST_CATALOGUE,
            **options,
        )

    def run(self, plan: Plan, config: DynamicExecutionConfig = CONFIG):
        return self.engine.wait(self.engine.submit(plan, config), 60.0)


@pytest.fixture
def house():
    programs.calls.clear()
    programs._gates.clear()
    made = House()
    yield made
    for name in list(programs._gates):
        programs.gate(name).set()
    made.engine.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("seed", range(3))
def test_two_workers_give_the_digests_of_the_sequential_engine(house: House, seed: int) -> None:
    house.hands.join("a")
    house.hands.join("b")
    plan = scalar_plan(seed, 5000, goals=8, window=300)
    result = house.run(plan)
    assert result.state is State.SUCCEEDED
    expected = sequential.run(plan, lambda digest: b"", catalogue=TEST_CATALOGUE)
    assert [goal.digest for goal in result.goals] == [goal.digest for goal in expected]
    assert {worker for _, worker in house.hands.started} == {"a", "b"}
    assert not house.store.missing([goal.digest for goal in result.goals if goal.digest])


def test_claims_come_home_so_that_the_second_time_needs_no_worker(house: House) -> None:
    house.hands.join("a")
    plan = chain_plan(50)
    assert house.run(plan).nodes.computed == 50
    fragments = len(house.hands.started)
    house.hands.kill("a")
    assert house.run(plan).nodes.computed == 0
    assert len(house.hands.started) == fragments


def test_what_one_worker_computed_costs_the_other_nothing_even_after_a_restart(house: House) -> None:
    house.hands.join("a")
    house.run(chain_plan(30))
    fresh = House()
    fresh.stores["a"] = house.stores["a"]
    fresh.hands.join("b")
    result = fresh.run(chain_plan(30))
    assert (result.nodes.computed, result.state) == (0, State.SUCCEEDED)
    longer = fresh.run(chain_plan(32))
    assert longer.nodes.computed == 2
    fresh.engine.close()


def test_a_worker_that_dies_in_mid_run_is_replaced(house: House) -> None:
    program = Program()
    node = program.apply("counted@1", program.constant(1.0), name="before")
    node = program.apply("waits@1", node, name="gate")
    program.print("x", node)
    house.hands.join("a")
    execution = house.engine.submit(program.plan(), CONFIG)
    until(lambda: "gate" in programs.calls)
    house.hands.kill("a")
    house.hands.join("b")
    until(lambda: programs.calls["gate"] == 2)
    programs.gate("gate").set()
    result = house.engine.wait(execution, 20.0)
    assert result.state is State.SUCCEEDED
    kinds = [event.kind for _, event in house.engine.events(execution)]
    assert "worker-left" in kinds
    assert "worker-joined" in kinds


def test_results_that_died_with_their_worker_are_computed_again(house: House) -> None:
    program = Program()
    node = program.constant(1.0)
    for number in range(5):
        node = program.apply("counted@1", node, name=f"c{number}")
    before = program.plan()
    program.print("x", program.apply("waits@1", node, name="gate"))
    program.print("y", node)
    house.hands.join("a")
    # A print, so that the value of the chain's end comes home; the rest is lost with the worker.
    first = Program()
    first.nodes = dict(before.nodes)
    first.print("y", node)
    house.run(first.plan())
    house.hands.kill("a")
    until(lambda: not house.engine.workers())
    house.store.delete([goal.digest for goal in house.run(first.plan()).goals if goal.digest])
    house.hands.join("b")
    programs.gate("gate").set()
    result = house.run(program.plan())
    assert result.state is State.SUCCEEDED
    assert decode_value(house.store.read(result.goals[0].digest)) == 1.0
    assert programs.calls == {**{f"c{n}": 2 for n in range(5)}, "gate": 1}
    assert result.nodes.computed == 6


def test_a_source_that_is_nowhere_is_a_clear_error(house: House) -> None:
    program = Program()
    nowhere = program.add(Source(Digest.of(b"nowhere")))
    program.print("x", program.apply("geometry@1", nowhere), Type.GEOMETRY)
    house.hands.join("a")
    house.hands.join("b")
    result = house.run(program.plan())
    assert result.state is State.FAILED
    assert [error["code"] for error in result.errors] == ["E0505"]


def test_a_source_is_fetched_from_the_coordinator(house: House) -> None:
    geometry = Geometry((2, 2), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    digest = house.store.write([bytes(part) for part in encode_value(geometry)])
    program = Program()
    source = program.add(Source(digest))
    program.print("x", program.apply("tt@1", source), Type.MASK)
    house.hands.join("a")
    result = house.run(program.plan())
    assert result.state is State.SUCCEEDED
    (fragment, _), *_ = house.hands.started
    assert fragment.peers == ("home:1",)


def test_a_goal_whose_blob_is_nowhere_is_computed_again(house: House) -> None:
    house.hands.join("a")
    result = house.run(chain_plan(3))
    digest = result.goals[0].digest
    assert digest is not None
    house.stores["a"].delete([digest])
    house.store.delete([digest])
    again = house.run(chain_plan(3))
    assert again.goals == result.goals
    assert not house.store.missing([digest])


def test_no_more_fragments_at_a_time_than_asked(house: House) -> None:
    program = Program()
    for number in range(6):
        program.print(
            f"g{number}", program.apply("waits@1", program.constant(float(number)), name=f"w{number}")
        )
    house.hands.join("a", slots=3)
    execution = house.engine.submit(program.plan(), DynamicExecutionConfig(max_concurrent_nodes=1))
    until(lambda: programs.calls)
    assert len(house.hands.started) == 1
    for number in range(6):
        programs.gate(f"w{number}").set()
    assert house.engine.wait(execution, 20.0).state is State.SUCCEEDED


def test_claims_that_must_not_be_believed_are_not_recorded() -> None:
    def refuse(claim) -> None:
        raise SignerUnknown(claim.statement.issuer)

    house = House(accept=refuse)
    house.hands.join("a")
    plan = chain_plan(3)
    house.run(plan)
    assert not house.store.results(list(plan.nodes))
    house.engine.close()


def test_a_coordinator_that_comes_back_goes_on_where_it_was(tmp_path: Path) -> None:
    programs.calls.clear()
    programs._gates.clear()
    plan = chain_plan(10)
    first = House(Ledger(tmp_path / "ledger.sqlite"))
    execution = first.engine.submit(plan, CONFIG)  # no worker: it waits
    before = list(zip(range(1), first.engine.events(execution), strict=False))
    first.engine.close()
    second = House(Ledger(tmp_path / "ledger.sqlite"), first.store)
    assert second.engine.get_progress(execution).state is State.RUNNING
    second.hands.join("a")
    result = second.engine.wait(execution, 20.0)
    assert result.state is State.SUCCEEDED
    events = list(second.engine.events(execution))
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    assert events[0] == before[0][1]
    assert [p.execution for p in second.engine.executions()] == [execution]
    second.engine.close()
