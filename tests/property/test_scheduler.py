"""Histories of the scheduler: random plans, workers that come and go, failures, losses, cancels."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator import graph
from coordinator.contract import DynamicExecutionConfig
from tests.support.programs import Program, ancestors
from tests.support.simulation import World, digest_of_node
from vox.digest import Digest
from vox.plan import Apply, Plan, Source, Type


@contextmanager
def narrowed(open_max: int) -> Iterator[None]:
    """Let executions have few open nodes at a time."""
    kept = graph.OPEN_MAX, graph.REFILL
    graph.OPEN_MAX, graph.REFILL = open_max, open_max // 3
    try:
        yield
    finally:
        graph.OPEN_MAX, graph.REFILL = kept


def random_plan(rng: random.Random, size: int, shared: int = 5) -> Plan:
    """A DAG; those of one test have their first nodes in common."""
    program = Program()
    names = [program.constant(float(n)) for n in range(3)]
    names += [program.add(Source(Digest.of(bytes([n])))) for n in range(2)]
    for number in range(size):
        chooser = random.Random(number) if number < shared else rng
        window = names[-8:] if chooser.random() < 0.7 else names
        inputs = [chooser.choice(window) for _ in range(chooser.randint(1, 3))]
        names.append(program.apply(f"op{chooser.randrange(9)}@1", *inputs))
    made = [name for name in program.nodes if isinstance(program.nodes[name], Apply)]
    for number in range(rng.randint(1, 4)):
        node = rng.choice(made)
        if rng.random() < 0.5:
            program.print(f"p{number}", node)
        else:
            program.save(f"s{number}.nii", node, Type.MASK, program.apply("file_mask@1", node, format=".nii"))
    if rng.random() < 0.2:
        program.print("c", names[0])
    return program.plan()


def random_config(rng: random.Random) -> DynamicExecutionConfig:
    return DynamicExecutionConfig(
        max_concurrent_nodes=rng.choice((0, 0, 1, 2)),
        retries=rng.choice((0, 1, 2, 5)),
        keep_going=rng.random() < 0.8,
        reads=rng.random() < 0.8,
        writes=rng.random() < 0.9,
        priority=rng.choice((0, 0, 1, -1)),
    )


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_history_keeps_the_invariants_and_comes_to_an_end(seed: int) -> None:
    rng = random.Random(seed)
    with narrowed(rng.choice((3, 12, 20_000))):
        _history(rng, seed)


def _history(rng: random.Random, seed: int) -> None:
    world = World(seed, trouble=rng.choice((0.0, 0.1, 0.4)))
    executions = []
    for _ in range(rng.randint(20, 120)):
        chance = rng.random()
        if len(executions) < 4 and chance < 0.1:
            plan = random_plan(rng, rng.randint(1, 40))
            applies = [n for n in plan.nodes if isinstance(plan.nodes[n], Apply)]
            known = [n for n in applies if rng.random() < 0.1]
            executions.append(world.submit(plan, random_config(rng), known))
        elif chance < 0.25:
            world.mischief()
        elif executions and chance < 0.27:
            world.cancel(rng.choice(executions))
        else:
            world.turn()
    if not world.workers:
        world.join(2)
    world.settle()
    for execution in executions:
        world.check_end(execution)
    assert not world.scheduler.graph.executions
    assert not world.scheduler.fragments
    assert not any(world.scheduler.graph.realms.values()), "nothing is remembered of what is over"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_narrow_window_changes_nothing_but_what_is_in_memory(seed: int) -> None:
    rng = random.Random(seed)
    plans = [random_plan(rng, rng.randint(20, 80)) for _ in range(2)]
    ends = []
    for open_max in (6, 20_000):
        with narrowed(open_max):
            world = World(seed, trouble=0.0)
            world.join(2)
            executions = [world.submit(plan) for plan in plans]
            world.settle()
            ends.append([world.check_end(execution).goals for execution in executions])
    assert ends[0] == ends[1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_scheduler_that_begins_anew_after_any_prefix_of_a_history_comes_to_the_same_end(seed: int) -> None:
    rng = random.Random(seed)
    plan = random_plan(rng, rng.randint(5, 40))
    world = World(seed, trouble=0.2)
    world.join(2)
    first = world.submit(plan)
    for _ in range(rng.randint(0, 60)):
        world.turn() if rng.random() < 0.8 else world.mischief()
    # The crash: what is durable is what the stores hold; the ledger says what was accepted.
    after = World(seed + 1, trouble=0.0)
    after.stores[""] |= set().union(*world.stores.values())
    done = [n for n in plan.nodes if digest_of_node(n) in after.stores[""]]
    after.join(2)
    second = after.submit(plan, known=[n for n in done if isinstance(plan.nodes[n], Apply)])
    after.settle()
    finish = after.check_end(second)
    assert finish.state == "succeeded"
    assert not set(after.runs) & set(done), "what was durable is not computed again"
    if first in world.finished and world.finished[first].state == "succeeded":
        assert not after.runs


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_without_trouble_every_needed_node_runs_exactly_once(seed: int) -> None:
    rng = random.Random(seed)
    world = World(seed, trouble=0.0)
    for _ in range(rng.randint(1, 3)):
        world.join(rng.randint(1, 3))
    plans = [random_plan(rng, rng.randint(1, 60)) for _ in range(rng.randint(1, 3))]
    executions = [world.submit(plan) for plan in plans]
    world.settle()
    needed = set()
    for plan, execution in zip(plans, executions, strict=True):
        finish = world.check_end(execution)
        assert finish.state == "succeeded"
        assert {goal.state for goal in finish.goals} == {"succeeded"}
        needed |= {
            n for n in ancestors(plan, [g.wanted for g in plan.goals]) if isinstance(plan.nodes[n], Apply)
        }
    assert set(world.runs) == needed
    assert set(world.runs.values()) <= {1}


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_poisonous_node_fails_its_goals_and_no_others(seed: int) -> None:
    rng = random.Random(seed)
    plan = random_plan(rng, rng.randint(5, 50))
    victim = rng.choice([n for n in plan.nodes if isinstance(plan.nodes[n], Apply)])
    world = World(seed, trouble=0.0, poison=frozenset([victim]))
    world.join(2)
    world.join(1)
    execution = world.submit(plan)
    world.settle()
    finish = world.check_end(execution)
    for goal, result in zip(plan.goals, finish.goals, strict=True):
        behind = victim in ancestors(plan, [goal.wanted])
        assert (result.state == "succeeded") != behind
        if behind:
            assert result.state == ("failed" if goal.wanted == victim else "skipped")
    states = {result.state == "succeeded" for result in finish.goals}
    expected = {frozenset([True]): "succeeded", frozenset([False]): "failed"}.get(
        frozenset(states), "partial"
    )
    assert finish.state == expected
    assert len(finish.errors) == (1 if False in states else 0)
    assert world.runs.get(victim, 0) <= 3, "two retries"
