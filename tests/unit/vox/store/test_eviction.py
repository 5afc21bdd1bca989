"""Who goes first, and who never: pure functions."""

from hypothesis import given, settings
from hypothesis import strategies as st

from vox.digest import Digest
from vox.store.eviction import Held, Recipe, admits, alarming, choose, recomputable, worth
from vox.store.persistence import Persist, keeps


def name(text: str) -> Digest:
    return Digest.of(text.encode())


S, A, B, C, K = map(name, "SABCK")
CHAIN = {A: [Recipe((S, K), 10.0)], B: [Recipe((A,), 100.0)], C: [Recipe((B,), 1000.0)]}


def test_what_stands_on_an_input_that_is_here_can_be_computed_again() -> None:
    assert recomputable({S, A, B, C}, set(), CHAIN) == {A, B, C}


def test_an_input_is_never_recomputable_and_what_stands_on_a_lost_one_is_not_either() -> None:
    assert recomputable({A}, {S, B, C}, CHAIN) == {B, C}
    assert recomputable({A, B, C}, {S}, CHAIN) == {B, C}, "A stays, and the others stand on it"
    assert recomputable({B}, {S, A, C}, CHAIN) == {C}
    assert recomputable(set(), {S, A, B}, CHAIN) == set()
    assert recomputable({B, C, S}, {A}, CHAIN) == {A, B, C}


def test_constants_of_programs_were_never_here_and_do_not_count_as_lost() -> None:
    assert A in recomputable({S, A}, set(), {A: [Recipe((S, K), 1.0)]})


def test_of_two_claims_that_explain_each_other_one_has_to_stay() -> None:
    ways = {A: [Recipe((B,), 1.0)], B: [Recipe((A,), 1.0)]}
    assert recomputable({A, B}, set(), ways) == {max(A, B)}
    assert recomputable(set(), {A, B}, ways) == set()


def test_a_claim_whose_result_is_its_own_input_explains_nothing() -> None:
    """The intensity of a one-component image is that image: it must not look like it could be made."""
    ways = {S: [Recipe((S,), 1.0)], **CHAIN}
    assert recomputable({S, A, B, C}, set(), ways) == {A, B, C}
    assert recomputable({S, C}, {A, B}, ways) == {A, B, C}
    assert recomputable({C}, {S, A, B}, ways) == set()
    assert recomputable({S, A}, set(), {S: [Recipe((S,), 1.0), Recipe((K,), 1.0)], **CHAIN}) == {S, A, B, C}


def test_the_cheap_large_and_forgotten_go_first() -> None:
    held = [Held(A, 1000), Held(B, 1000), Held(C, 10)]
    choice = choose(held, CHAIN, {A, B, C}, 1500, 0.0)
    assert [item.digest for item in choice.victims] == [A, B]
    assert choice.freed_bytes == 2000
    assert choice.clock == max(worth(item, CHAIN) for item in choice.victims)


def test_hits_and_the_clock_save_a_blob() -> None:
    assert choose([Held(A, 1000, hits=50), Held(B, 1000)], CHAIN, {A, B}, 1, 0.0).victims[0].digest == B
    assert choose([Held(A, 1000, clock=9.0), Held(B, 1000)], CHAIN, {A, B}, 1, 0.0).victims[0].digest == B


def test_who_costs_less_than_what_would_go_for_it_is_not_admitted() -> None:
    choice = choose([Held(B, 1000)], CHAIN, {B}, 1000, 0.0)
    assert not admits(Held(A, 1000), 10.0, choice, CHAIN)
    assert admits(Held(A, 1000), 200.0, choice, CHAIN)
    assert admits(Held(A, 1000, hits=20), 10.0, choice, CHAIN)


def test_the_alarm_needs_both_a_ratio_and_an_amount() -> None:
    assert not alarming(10.0, 20.0)
    assert alarming(2000.0, 20_000.0)
    assert not alarming(2000.0, 200_000.0)


digests = st.integers(0, 9).map(lambda number: name(str(number)))
plans = st.dictionaries(
    digests,
    st.lists(st.builds(Recipe, st.lists(digests, max_size=3).map(tuple), st.floats(0, 100)), max_size=2),
)


@given(plans, st.sets(digests), st.sets(digests), st.integers(0, 5000))
@settings(max_examples=200, deadline=None)
def test_after_any_eviction_everything_that_went_can_still_be_computed(
    ways: dict[Digest, list[Recipe]], here: set[Digest], gone: set[Digest], wanted: int
) -> None:
    gone -= here
    may_go = recomputable(here, gone, ways)
    choice = choose([Held(digest, 1000) for digest in sorted(here)], ways, may_go, wanted, 0.0)
    went = {item.digest for item in choice.victims}
    assert went <= may_go & here
    assert went <= recomputable(here - went, gone | went, ways)


def test_persist_keeps_goals_always_and_the_dear_if_adaptive() -> None:
    dear, cheap = {"cost_ms": 500.0, "blob_bytes": 10**6}, {"cost_ms": 0.01, "blob_bytes": 10**7}
    assert keeps(Persist.ALL, goal=False, **cheap)
    assert all(keeps(way, goal=True, **cheap) for way in Persist)
    assert not keeps(Persist.GOALS, goal=False, **dear)
    assert keeps(Persist.ADAPTIVE, goal=False, **dear)
    assert not keeps(Persist.ADAPTIVE, goal=False, **cheap)
    assert keeps(Persist.ADAPTIVE, goal=False, uses=2, **cheap)
