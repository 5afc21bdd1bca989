"""The runner: what it looks up, what it computes, what it keeps, what it says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support import programs
from tests.support.hands import Street
from tests.support.programs import (
    TEST_CATALOGUE,
    Program,
    ancestors,
    ball,
    chain_plan,
    image_plan,
    scalar_plan,
)
from vox.attest import Attestation, Signer, verify
from vox.digest import Digest, NodeId
from vox.errors import StoreFull, StoreUnusable
from vox.fragment import Done, Failed, Fragment, How, Lost, Report
from vox.operators.codec import decode_value, encode_value
from vox.plan import Apply, Plan, Source
from vox.store.contract import Blob, Store
from vox.store.memory import MemoryStore
from worker.runner import Runner


@pytest.fixture(autouse=True)
def no_calls():
    programs.calls.clear()


def runner_over(store: Store, signer: Signer | None = None, neighbours=None, **options) -> Runner:
    made = signer or Signer(Signer.generate())
    return Runner(store, made, neighbours, catalogue=TEST_CATALOGUE, **options)


def whole(plan: Plan, **options) -> Fragment:
    return Fragment("f", tuple(plan.nodes.items()), {}, **options)


def part(plan: Plan, names: Sequence[NodeId], known: dict[NodeId, Digest], **options) -> Fragment:
    return Fragment("f", tuple((name, plan.nodes[name]) for name in names), known, **options)


def hows(report: Report, plan: Plan) -> list[str]:
    return [o.how.value for o in report.outcomes if isinstance(plan.nodes[o.node], Apply)]


def test_everything_reported_is_durable_attested_and_found_again() -> None:
    plan, store = scalar_plan(1, 200), MemoryStore()
    report = runner_over(store).run(whole(plan))
    assert {o.node for o in report.outcomes} == set(plan.nodes)
    for outcome in report.outcomes:
        assert isinstance(outcome, Done)
        if isinstance(plan.nodes[outcome.node], Apply):
            assert outcome.attestation is not None
            verify(outcome.attestation)
            statement = outcome.attestation.statement
            assert (statement.output, statement.size) == (outcome.digest, outcome.size)
            assert not store.missing([outcome.digest])
            assert store.results([outcome.node])[outcome.node].digest == outcome.digest
        else:
            assert outcome.attestation is None
    again = runner_over(store).run(whole(plan))
    assert set(hows(again, plan)) == {"reused"}
    assert {(o.node, o.digest) for o in again.outcomes} == {(o.node, o.digest) for o in report.outcomes}


def test_the_same_fragment_gives_the_same_digests_on_every_machine() -> None:
    plan = scalar_plan(2, 150)
    reports = [runner_over(MemoryStore(), cache_bytes=size).run(whole(plan)) for size in (0, 10**8)]
    first, second = ({o.node: o.digest for o in report.outcomes} for report in reports)
    assert first == second


def test_an_action_that_ran_under_another_name_is_not_run_again_and_gets_the_name_too() -> None:
    store = MemoryStore()
    runner = runner_over(store)
    plans = []
    for number in (2.0, 3.0):
        program = Program()
        node = program.apply("sign@1", program.constant(number))
        program.print("x", program.apply("counted@1", node, name="below"))
        plans.append(program.plan())
    runner.run(whole(plans[0]))
    report = runner.run(whole(plans[1]))
    assert hows(report, plans[1]) == ["computed", "reused"]
    assert programs.calls["below"] == 1
    goal = plans[1].goals[0].node
    assert goal in store.results([goal])


def test_only_who_computed_vouches_for_another_name() -> None:
    store = MemoryStore()
    plans = []
    for number in (2.0, 3.0):
        program = Program()
        node = program.apply("sign@1", program.constant(number))
        program.print("x", program.apply("counted@1", node, name="below"))
        plans.append(program.plan())
    first, second = Signer(Signer.generate()), Signer(Signer.generate())
    runner_over(store, first).run(whole(plans[0]))
    report = runner_over(store, second).run(whole(plans[1]))
    (claim,) = [o.attestation for o in report.outcomes if o.node == plans[1].goals[0].node]
    assert claim.statement.issuer == first.peer
    assert programs.calls["below"] == 1


def test_without_reading_caches_everything_is_computed() -> None:
    plan, store = chain_plan(10), MemoryStore()
    runner = runner_over(store)
    runner.run(whole(plan))
    assert set(hows(runner.run(whole(plan, reads=False)), plan)) == {"computed"}


def test_without_writing_caches_blobs_are_kept_and_claims_are_not() -> None:
    plan, store = chain_plan(10), MemoryStore()
    report = runner_over(store).run(whole(plan, writes=False))
    assert not store.missing([o.digest for o in report.outcomes if o.attestation])
    assert not store.results(list(plan.nodes))


def test_results_and_blobs_of_neighbours_are_fetched() -> None:
    plan, there, here = chain_plan(10), MemoryStore(), MemoryStore()
    signer = Signer(Signer.generate())
    runner_over(there, signer).run(whole(plan))
    street = Street(here, {"there": there, "here": here})
    runner = runner_over(here, signer, street)
    assert set(hows(runner.run(whole(plan)), plan)) == {"fetched"}
    assert not here.stats().blobs, "a digest is enough to go on"
    longer = chain_plan(11)
    report = runner.run(whole(longer))
    assert hows(report, longer) == ["reused"] * 10 + ["computed"]
    assert here.stats().blobs == 2, "the one input that was read, and the result"


def test_hints_travel_to_the_neighbours() -> None:
    plan, there, here = chain_plan(2), MemoryStore(), MemoryStore()
    runner_over(there).run(whole(plan))
    applies = [name for name in plan.nodes if isinstance(plan.nodes[name], Apply)]
    constants = [name for name in plan.nodes if name not in applies]
    known = {applies[0]: there.results(applies)[applies[0]].digest}
    street = Street(here, {"there": there})
    fragment = part(plan, [*constants, applies[1]], known, reads=False, peers=("there:1",))
    report = runner_over(here, None, street).run(fragment)
    assert isinstance(report.outcomes[-1], Done)
    assert street.hinted == [("there:1",)]


def test_a_blob_that_is_nowhere_is_lost_and_what_stands_behind_is_left_out() -> None:
    plan = chain_plan(3)
    applies = [name for name in plan.nodes if isinstance(plan.nodes[name], Apply)]
    constants = [name for name in plan.nodes if name not in applies]
    known = {applies[0]: Digest.of(b"nowhere")}
    report = runner_over(MemoryStore()).run(part(plan, [*constants, *applies[1:]], known))
    outcomes = {outcome.node: outcome for outcome in report.outcomes}
    assert outcomes[applies[1]] == Lost(applies[1], applies[0])
    assert applies[2] not in outcomes


def test_a_source_that_is_nowhere_is_lost() -> None:
    program = Program()
    source = program.add(Source(Digest.of(b"gone")))
    node = program.apply("geometry@1", source)
    report = runner_over(MemoryStore()).run(part(program.plan(), [node], {source: Digest.of(b"gone")}))
    assert report.outcomes == (Lost(node, source),)


def test_a_result_whose_blob_is_gone_is_computed_again_when_it_is_needed() -> None:
    plan, store = chain_plan(30), MemoryStore()
    report = runner_over(store).run(whole(plan))
    store.delete([o.digest for o in report.outcomes])
    longer = chain_plan(31)
    again = runner_over(store).run(whole(longer))
    assert all(isinstance(o, Done) for o in again.outcomes)
    assert set(hows(again, longer)) == {"computed"}
    assert decode_value(store.read(again.outcomes[-1].digest)) == 32.0


def test_a_result_whose_blob_is_gone_stays_reused_when_nobody_needs_it() -> None:
    plan, store = chain_plan(30), MemoryStore()
    report = runner_over(store).run(whole(plan))
    store.delete([o.digest for o in report.outcomes])
    assert set(hows(runner_over(store).run(whole(plan)), plan)) == {"reused"}


def test_a_corrupt_blob_is_fetched_or_computed_again() -> None:
    plan, store = chain_plan(5), MemoryStore()
    runner_over(store).run(whole(plan))
    last = [name for name in plan.nodes if isinstance(plan.nodes[name], Apply)][-1]
    digest = store.results([last])[last].digest
    store._blobs[digest] = b"rubbish"
    longer = chain_plan(6)
    report = runner_over(store).run(whole(longer))
    assert hows(report, longer) == ["reused"] * 4 + ["computed"] * 2
    assert decode_value(store.read(digest)) == 6.0


@pytest.mark.parametrize(
    ("operator", "code", "retryable"),
    [
        ("refuses@1", "E0477", False),
        ("breaks@1", "E0499", False),
        ("hungry@1", "E0411", True),
        ("gone@1", "E0499", False),
        ("new@7", "E0410", False),
    ],
)
def test_failures_have_codes_and_one_line(operator: str, code: str, retryable: bool) -> None:
    program = Program()
    one = program.constant(1.0)
    bad = program.apply(operator, one)
    behind = program.apply("num_add@1", bad, one)
    good = program.apply("num_add@1", one, one)
    report = runner_over(MemoryStore()).run(whole(program.plan()))
    outcomes = {outcome.node: outcome for outcome in report.outcomes}
    failed = outcomes[bad]
    assert isinstance(failed, Failed)
    assert (failed.code, failed.retryable) == (code, retryable)
    assert "\n" not in failed.message
    assert behind not in outcomes
    assert isinstance(outcomes[good], Done)


def test_a_cancelled_fragment_stops_between_two_nodes_and_reports_what_is_done() -> None:
    plan = chain_plan(100)
    answers = iter([False] * 10 + [True] * 1000)
    report = runner_over(MemoryStore()).run(whole(plan), lambda: next(answers))
    assert 0 < len(report.outcomes) <= 10
    assert all(isinstance(outcome, Done) for outcome in report.outcomes)


class Full(MemoryStore):
    """A store on a full disk."""

    def put(self, blobs: Sequence[Blob], attestations: Sequence[Attestation]) -> None:
        raise StoreFull("no space left", hint="free some")


class Unreadable(MemoryStore):
    """A store that was taken away."""

    def results(self, nodes):
        raise StoreUnusable("it is gone")


def test_a_full_disk_is_an_error_of_the_node_and_nothing_is_claimed() -> None:
    plan = chain_plan(3)
    report = runner_over(Full()).run(whole(plan))
    failed = [outcome for outcome in report.outcomes if isinstance(outcome, Failed)]
    assert failed
    assert {(f.code, f.retryable) for f in failed} == {("E0503", False)}
    done = [o.node for o in report.outcomes if isinstance(o, Done)]
    assert not [name for name in done if isinstance(plan.nodes[name], Apply)]


def test_a_store_that_cannot_be_asked_is_one_error_not_one_for_each_node() -> None:
    report = runner_over(Unreadable()).run(whole(chain_plan(3)))
    assert [outcome.code for outcome in report.outcomes if isinstance(outcome, Failed)] == ["E0504"]


def test_equal_results_of_different_nodes_are_kept_once() -> None:
    program = Program()
    for a, b in ((1.0, 4.0), (2.0, 3.0)):
        program.print("x", program.apply("num_add@1", program.constant(a), program.constant(b)))
    store = MemoryStore()
    runner_over(store).run(whole(program.plan()))
    assert store.stats().blobs == 1
    assert store.stats().results == 2


def test_minus_zero_is_zero_kept_or_not() -> None:
    program = Program()
    zero = program.apply("num_mul@1", program.constant(-1.0), program.constant(0.0))
    program.print("x", program.apply("num_div@1", program.constant(1.0), zero))
    plan = program.plan()
    whole_digest = runner_over(MemoryStore()).run(whole(plan)).outcomes[-1].digest
    store = MemoryStore()
    runner = runner_over(store, cache_bytes=0)
    names = list(plan.nodes)
    first = runner.run(part(plan, names[:3], {}))
    known = {zero: first.outcomes[-1].digest}
    second = runner.run(part(plan, names[3:], known))
    assert second.outcomes[-1].digest == whole_digest
    assert {How.COMPUTED} == {o.how for o in second.outcomes}


class Narrow(MemoryStore):
    """A store in which nothing large has room."""

    def put(self, blobs: Sequence[Blob], attestations: Sequence[Attestation]) -> None:
        if any(blob.size > 4000 for blob in blobs):
            raise StoreFull("it does not fit", hint="make room")
        super().put(blobs, attestations)


def test_of_a_store_that_is_nearly_full_what_fits_is_kept_and_each_error_is_told_where_it_began() -> None:
    store = Narrow()
    plan = image_plan(store.write(encode_value(ball())))
    report = runner_over(store).run(whole(plan))
    failed = {o.node for o in report.outcomes if isinstance(o, Failed)}
    done = {o.node for o in report.outcomes if isinstance(o, Done)}
    assert {o.code for o in report.outcomes if isinstance(o, Failed)} == {"E0503"}
    assert failed
    for name in failed | done:
        assert not failed & ancestors(plan, plan.inputs(name))
    kept = [o for o in report.outcomes if isinstance(o, Done) and o.attestation is not None]
    assert kept
    assert not store.missing([o.digest for o in kept])
