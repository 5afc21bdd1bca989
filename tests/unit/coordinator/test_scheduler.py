"""The scheduler, one decision at a time."""

from __future__ import annotations

import pytest

from coordinator.contract import DynamicExecutionConfig, WorkerInfo
from coordinator.needs import known_results
from coordinator.notices import (
    CancelAsked,
    CancelFragment,
    Due,
    Finish,
    FragmentBroken,
    FragmentReported,
    Gather,
    GoalsGathered,
    Known,
    Later,
    PlanSubmitted,
    Publish,
    StartFragment,
    WorkerArrived,
    WorkerGone,
)
from coordinator.partition import NODES_MAX, NODES_RETRIED_MAX
from coordinator.scheduler import Scheduler
from tests.support.programs import Program, chain_plan, scalar_plan
from vox.digest import Digest
from vox.fragment import Done, Failed, Fragment, How, Lost, Report
from vox.plan import Apply, Constant, Plan, Source, Type

CONFIG = DynamicExecutionConfig()
COSTS = {"heavy@1": "heavy", "image@1": "image", "mask@1": "mask"}


class Desk:
    """A scheduler whose commands are collected, and which is checked after every notice."""

    def __init__(self) -> None:
        self.scheduler = Scheduler("f", "home:1", lambda identity: COSTS.get(identity, "scalar"))  # type: ignore[arg-type,return-value]

    def tell(self, notice) -> list:
        commands = self.scheduler.handle(notice)
        self.scheduler.check()
        for later in only(Later, commands):
            commands += self.tell(Due(later.token))
        return commands

    def join(self, name: str, slots: int = 1) -> list:
        return self.tell(WorkerArrived(WorkerInfo(name, slots, f"{name}:1")))

    def submit(self, plan: Plan, name: str = "e", config: DynamicExecutionConfig = CONFIG, known=()) -> list:
        return self.tell(PlanSubmitted(name, plan, config, {k: Known(digest(k), 1) for k in known}))

    def done(self, start: StartFragment) -> list:
        return self.tell(FragmentReported(all_done(start.fragment), start.worker))


def digest(name) -> Digest:
    return Digest.of(b"result", name.sha256)


def all_done(fragment: Fragment) -> Report:
    outcomes = tuple(Done(name, digest(name), 1, How.COMPUTED, 1, None) for name, _ in fragment.nodes)
    return Report(fragment.name, outcomes)


def only(kind, commands) -> list:
    return [command for command in commands if isinstance(command, kind)]


def events(commands) -> list:
    return [command.event.kind for command in only(Publish, commands)]


def applies(fragment: Fragment) -> list:
    return [name for name, node in fragment.nodes if isinstance(node, Apply)]


def fan(operator: str, width: int) -> Plan:
    program = Program()
    for number in range(width):
        program.print(f"g{number}", program.apply(operator, program.constant(float(number))))
    return program.plan()


def test_a_known_goal_ends_everything_without_a_worker() -> None:
    desk, plan = Desk(), chain_plan(10)
    goal = plan.goals[0].node
    commands = desk.submit(plan, known=[goal])
    assert events(commands) == ["execution-started"]
    (gather,) = only(Gather, commands)
    assert gather.blobs == ((goal, digest(goal)),)
    (finish,) = only(Finish, desk.tell(GoalsGathered("e", (goal,))))
    assert finish.state == "succeeded"
    assert finish.nodes.reused == finish.nodes.total == len(plan)


def test_a_file_that_is_known_needs_no_value() -> None:
    program = Program()
    value = program.apply("mask@1", program.constant(1.0))
    file = program.apply("file_mask@1", value, format=".nii")
    program.save("o.nii", value, Type.MASK, file)
    desk = Desk()
    desk.join("a")
    commands = desk.submit(program.plan(), known=[file, value])
    assert not only(StartFragment, commands)
    (finish,) = only(Finish, desk.tell(GoalsGathered("e", (file,))))
    assert (finish.goals[0].file, finish.goals[0].digest) == (digest(file), digest(value))


def test_only_what_is_below_unknown_results_runs() -> None:
    plan = chain_plan(10)
    names = [name for name in plan.nodes if isinstance(plan.nodes[name], Apply)]
    desk = Desk()
    desk.join("a")
    (start,) = only(StartFragment, desk.submit(plan, known=[names[6]]))
    assert applies(start.fragment) == names[7:]
    assert start.fragment.known == {names[6]: digest(names[6])}


def test_a_chain_of_cheap_nodes_is_one_fragment_with_its_constants() -> None:
    desk, plan = Desk(), chain_plan(100)
    desk.join("a")
    (start,) = only(StartFragment, desk.submit(plan))
    assert {name for name, _ in start.fragment.nodes} == set(plan.nodes)
    assert not start.fragment.known


def test_no_fragment_is_larger_than_the_limit() -> None:
    desk, plan = Desk(), chain_plan(2 * NODES_MAX + 1)
    desk.join("a")
    sizes, commands = [], desk.submit(plan)
    while starts := only(StartFragment, commands):
        sizes.append(len(applies(starts[0].fragment)))
        commands = desk.done(starts[0])
    assert sizes == [NODES_MAX, NODES_MAX, 1]


def test_heavy_nodes_run_alone_and_on_all_workers() -> None:
    desk = Desk()
    desk.join("a", 2)
    desk.join("b", 2)
    starts = only(StartFragment, desk.submit(fan("heavy@1", 6)))
    assert [len(applies(start.fragment)) for start in starts] == [1, 1, 1, 1]
    assert sorted(start.worker for start in starts) == ["a", "a", "b", "b"]


def test_two_workers_share_independent_branches_of_images() -> None:
    desk = Desk()
    desk.join("a")
    desk.join("b")
    starts = only(StartFragment, desk.submit(fan("image@1", 4)))
    assert [len(applies(start.fragment)) for start in starts] == [2, 2]


def test_cheap_nodes_ride_along_with_heavy_ones() -> None:
    program = Program()
    node = program.apply("heavy@1", program.constant(1.0))
    for _ in range(5):
        node = program.apply("num_add@1", node, program.constant(2.0))
    program.print("x", program.apply("heavy@1", node))
    desk = Desk()
    desk.join("a")
    (start,) = only(StartFragment, desk.submit(program.plan()))
    assert len(applies(start.fragment)) == 6


def test_work_goes_where_its_inputs_are() -> None:
    program = Program()
    first, second = (program.apply("heavy@1", program.constant(float(n))) for n in (1, 2))
    program.print("x", program.apply("heavy@1", first))
    program.print("y", program.apply("heavy@1", second))
    desk = Desk()
    desk.join("a")
    desk.join("b")
    starts = only(StartFragment, desk.submit(program.plan()))
    where = {applies(start.fragment)[0]: start.worker for start in starts}
    later = [start for first in starts for start in only(StartFragment, desk.done(first))]
    for start in later:
        assert start.worker == where[next(iter(start.fragment.known))]
        assert start.fragment.peers == ("home:1",)


def test_a_worker_elsewhere_is_told_whom_to_ask() -> None:
    program = Program()
    first = program.apply("heavy@1", program.constant(1.0))
    program.print("x", program.apply("heavy@1", first))
    program.print("y", program.apply("heavy@1", first, program.constant(2.0)))
    desk = Desk()
    desk.join("a")
    (start,) = only(StartFragment, desk.submit(program.plan()))
    desk.join("b")
    peers = {s.worker: s.fragment.peers for s in only(StartFragment, desk.done(start))}
    assert peers == {"a": ("home:1",), "b": ("a:1", "home:1")}


def test_a_higher_priority_runs_first() -> None:
    desk = Desk()
    desk.submit(fan("heavy@1", 3), "low")
    desk.submit(chain_plan(3, 9.0), "high", DynamicExecutionConfig(priority=1))
    (start,) = only(StartFragment, desk.join("a"))
    assert len(applies(start.fragment)) == 3


def test_executions_of_one_priority_take_turns() -> None:
    desk = Desk()
    desk.submit(fan("heavy@1", 3), "one")
    other = Program()
    other.print("x", other.apply("heavy@1", other.constant(77.0)))
    desk.submit(other.plan(), "two")
    starts = only(StartFragment, desk.join("a", 2))
    assert {desk.scheduler.fragments[s.fragment.name].owner.name for s in starts} == {"one", "two"}


def test_two_executions_share_a_node_and_a_cancel_of_one_spares_it() -> None:
    desk, plan = Desk(), chain_plan(5)
    desk.join("a")
    (start,) = only(StartFragment, desk.submit(plan, "one"))
    assert not only(StartFragment, desk.submit(plan, "two"))
    assert not only(CancelFragment, desk.tell(CancelAsked("one")))
    commands = desk.done(start)
    assert {gather.execution for gather in only(Gather, commands)} == {"two"}


def test_a_cancel_stops_what_nobody_else_wants() -> None:
    desk = Desk()
    desk.join("a")
    (start,) = only(StartFragment, desk.submit(chain_plan(5)))
    commands = desk.tell(CancelAsked("e"))
    assert only(CancelFragment, commands) == [CancelFragment(start.fragment.name)]
    (finish,) = only(Finish, commands)
    assert finish.state == "cancelled"
    assert finish.nodes.skipped == 5
    desk.tell(FragmentReported(Report(start.fragment.name, ()), "a"))
    assert not desk.scheduler.graph.realms[""]


def test_fresh_executions_share_nothing() -> None:
    desk, plan = Desk(), chain_plan(5)
    desk.join("a")
    desk.join("b")
    fresh = DynamicExecutionConfig(reads=False)
    for name in ("one", "two"):
        (start,) = only(StartFragment, desk.submit(plan, name, fresh))
        assert not start.fragment.reads


def test_a_broken_fragment_is_tried_in_smaller_pieces_and_at_last_node_by_node() -> None:
    desk, plan = Desk(), chain_plan(100)
    desk.join("a")
    desk.join("b")
    (start,) = only(StartFragment, desk.submit(plan))
    commands = desk.tell(FragmentBroken(start.fragment.name, start.worker, "it fell"))
    (second,) = only(StartFragment, commands)
    assert second.worker != start.worker
    assert len(applies(second.fragment)) == NODES_RETRIED_MAX
    commands = desk.tell(FragmentBroken(second.fragment.name, second.worker, "it fell"))
    (third,) = only(StartFragment, commands)
    assert len(applies(third.fragment)) == 1
    commands = desk.tell(FragmentBroken(third.fragment.name, third.worker, "it fell"))
    (finish,) = only(Finish, commands)
    assert finish.state == "failed"
    assert (finish.nodes.failed, finish.nodes.skipped) == (1, 99)
    assert finish.errors[0]["code"] == "E0801"


def test_a_worker_that_comes_back_under_its_name_has_lost_what_it_held() -> None:
    desk = Desk()
    desk.join("a")
    desk.submit(chain_plan(3))
    commands = desk.join("a")
    assert {"worker-left", "worker-joined", "node-failed"} <= set(events(commands))
    assert only(StartFragment, commands)


def test_an_old_report_changes_nothing() -> None:
    desk = Desk()
    desk.join("a")
    (start,) = only(StartFragment, desk.submit(chain_plan(3)))
    desk.tell(WorkerGone("a"))
    assert desk.tell(FragmentReported(all_done(start.fragment), "a")) == []
    assert desk.tell(FragmentReported(all_done(start.fragment), "b")) == []


def test_a_lost_input_runs_again_without_believing_caches_and_what_it_needs_is_wanted() -> None:
    plan = chain_plan(3)
    one, two, three = (name for name in plan.nodes if isinstance(plan.nodes[name], Apply))
    desk = Desk()
    desk.join("a")
    (start,) = only(StartFragment, desk.submit(plan, known=[two]))
    report = Report(start.fragment.name, (Lost(three, two),))
    commands = desk.tell(FragmentReported(report, "a", {one: Known(digest(one), 1)}))
    assert "node-lost" in events(commands)
    (again,) = only(StartFragment, commands)
    assert applies(again.fragment) == [two]
    assert again.fragment.known == {one: digest(one)}
    assert not again.fragment.reads
    (last,) = only(StartFragment, desk.done(again))
    assert applies(last.fragment) == [three]
    assert last.fragment.reads
    desk.done(last)
    (finish,) = only(Finish, desk.tell(GoalsGathered("e", (three,))))
    assert (finish.nodes.computed, finish.nodes.reused) == (2, len(plan) - 2)


def test_a_result_that_is_lost_again_and_again_is_given_up() -> None:
    plan = chain_plan(2)
    one, two = (name for name in plan.nodes if isinstance(plan.nodes[name], Apply))
    desk = Desk()
    desk.join("a")
    commands = desk.submit(plan, known=[one])
    for _ in range(50):
        starts = only(StartFragment, commands)
        if not starts:
            break
        if applies(starts[0].fragment) == [two]:
            report = Report(starts[0].fragment.name, (Lost(two, one),))
            commands = desk.tell(FragmentReported(report, "a"))
        else:
            commands = desk.done(starts[0])
    (finish,) = only(Finish, commands)
    assert [error["code"] for error in finish.errors] == ["E0506"]


def test_a_lost_source_is_tried_elsewhere_and_then_a_final_failure() -> None:
    program = Program()
    source = program.add(Source(Digest.of(b"s")))
    node = program.apply("image@1", source)
    program.print("x", node)
    desk = Desk()
    desk.join("a")
    desk.join("b")
    commands, workers = desk.submit(program.plan()), []
    while starts := only(StartFragment, commands):
        workers.append(starts[0].worker)
        report = Report(starts[0].fragment.name, (Lost(node, source),))
        commands = desk.tell(FragmentReported(report, starts[0].worker))
    assert set(workers) == {"a", "b"}
    (finish,) = only(Finish, commands)
    assert [error["code"] for error in finish.errors] == ["E0505"]


def test_a_worker_that_says_nothing_of_a_node_does_not_go_on_for_ever() -> None:
    desk = Desk()
    desk.join("a")
    commands, rounds = desk.submit(chain_plan(1)), 0
    while starts := only(StartFragment, commands):
        rounds += 1
        commands = desk.tell(FragmentReported(Report(starts[0].fragment.name, ()), "a"))
    assert rounds == 3
    assert only(Finish, commands)[0].errors[0]["code"] == "E0805"


@pytest.mark.parametrize(("retries", "runs"), [(0, 1), (2, 3)])
def test_a_retryable_failure_is_tried_as_often_as_asked(retries: int, runs: int) -> None:
    desk = Desk()
    desk.join("a")
    plan = chain_plan(1)
    commands, seen = desk.submit(plan, config=DynamicExecutionConfig(retries=retries)), 0
    while starts := only(StartFragment, commands):
        seen += 1
        failed = Failed(plan.goals[0].node, "E0411", "no memory", "", True)
        commands = desk.tell(FragmentReported(Report(starts[0].fragment.name, (failed,)), "a"))
    assert seen == runs


def test_what_is_known_is_found_in_few_look_ups() -> None:
    plan = chain_plan(1000)
    asked: list[int] = []

    def nothing(names):
        asked.append(len(names))
        return {}

    assert known_results(plan, [plan.goals[0].node], nothing) == {}
    assert sum(asked) == 1000
    assert len(asked) <= 11
    assert asked[0] == 1


@pytest.mark.parametrize("seed", range(5))
def test_what_is_known_is_what_a_walk_finds(seed: int) -> None:
    plan = scalar_plan(seed, 400, goals=3)
    everything = {
        n: n.sha256[0] for n in plan.nodes if isinstance(plan.nodes[n], Apply) and n.sha256[0] % 7 == 0
    }
    roots = [goal.node for goal in plan.goals]
    found = known_results(plan, roots, lambda names: {n: everything[n] for n in names if n in everything})
    stack, seen = list(roots), set()
    while stack:
        name = stack.pop()
        if name in seen or isinstance(plan.nodes[name], Constant):
            continue
        seen.add(name)
        if name in everything:
            assert name in found
        else:
            stack += plan.inputs(name)
