from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import p2p.roster
from p2p.roster import ADDRESSES_MAX, MEMBERS_MAX, REST_MAX_S, Member, Roster
from vox.digest import PeerId

OWN, A, B = (PeerId.of(name) for name in (b"own", b"a", b"b"))


def member(peer: PeerId, *addresses: str, name: str = "") -> Member:
    return Member(peer, b"certificate of " + peer.sha256, addresses, name)


def test_only_this_machine_is_trusted_before_anybody_is_vouched_for() -> None:
    roster = Roster(OWN)
    roster.heard("a:1")
    roster.answered("a:1", A)
    assert roster.trusted == {OWN}
    assert roster.vouched(member(A))
    assert roster.trusted == {OWN, A}


def test_hearing_the_same_again_is_no_news_and_addresses_are_merged() -> None:
    roster = Roster(OWN)
    assert roster.vouched(member(A, "a:1", name="alpha"))
    assert not roster.vouched(member(A, "a:1"))
    assert roster.vouched(member(A, "a:2"))
    assert roster.members() == [member(A, "a:2", "a:1", name="alpha")]


def test_hints_come_first_then_those_that_answered_then_the_others() -> None:
    roster = Roster(OWN)
    for address in ("new:1", "old:1", "self:1"):
        roster.heard(address)
    roster.answered("old:1", A)
    roster.answered("self:1", OWN)
    assert roster.to_ask(0.0, ["hint:1"]) == ["hint:1", "old:1", "new:1"]


def test_a_machine_with_two_addresses_is_asked_once_and_by_the_other_when_one_rests() -> None:
    roster = Roster(OWN)
    roster.answered("a:1", A)
    roster.answered("a:2", A)
    assert roster.to_ask(0.0) == ["a:1"]
    roster.failed("a:1", 0.0)
    assert roster.to_ask(0.1) == ["a:2"]


def test_rests_double_up_to_a_limit_and_an_answer_ends_them() -> None:
    roster = Roster(OWN)
    roster.heard("a:1")
    now_s, rests = 0.0, []
    for _ in range(12):
        roster.failed("a:1", now_s)
        roster.failed("a:1", now_s)  # a second thread, at the same time
        begin_s = now_s
        while not roster.to_ask(now_s):
            now_s += 0.25
        rests.append(now_s - begin_s)
    assert rests[:4] == [0.5, 1.0, 2.0, 4.0]
    assert rests[-1] == REST_MAX_S
    roster.answered("a:1", A)
    roster.failed("a:1", now_s)
    assert roster.to_ask(now_s + 0.5) == ["a:1"]


def test_an_announcement_ends_a_rest_but_does_not_clear_a_liar() -> None:
    roster = Roster(OWN)
    roster.failed("a:1", 0.0)
    roster.returned("a:1")
    assert roster.to_ask(0.0) == ["a:1"]
    roster.answered("a:1", A)
    roster.lied("a:1")
    roster.returned("a:1")
    roster.answered("a:2", A)
    assert roster.to_ask(0.0, ["a:1", "a:2"]) == []


def test_a_goodbye_forgets_an_address_unless_a_person_listed_it() -> None:
    roster = Roster(OWN)
    roster.heard("a:1")
    roster.heard("b:1", listed=True)
    roster.left("a:1")
    roster.left("b:1")
    assert roster.to_ask(0.0) == ["b:1"]


def test_the_revoked_are_neither_trusted_nor_named_nor_asked() -> None:
    roster = Roster(OWN)
    roster.vouched(member(A, "a:1"))
    roster.answered("a:1", A)
    roster.revoked(A)
    assert roster.trusted == {OWN}
    assert roster.members() == []
    assert roster.to_ask(0.0, ["a:1"]) == []
    assert roster.is_revoked(A)


def test_floods_of_addresses_and_members_are_bounded_and_push_out_nobody_who_answers() -> None:
    roster = Roster(OWN)
    roster.answered("friend:1", A)
    for i in range(3 * ADDRESSES_MAX):
        roster.heard(f"10.0.0.1:{i}")
    asked = roster.to_ask(0.0)
    assert len(asked) == ADDRESSES_MAX
    assert asked[0] == "friend:1"
    roster.heard("listed:1", listed=True)
    assert "listed:1" in roster.to_ask(0.0)
    for i in range(MEMBERS_MAX + 10):
        roster.vouched(member(PeerId.of(str(i).encode())))
    assert len(roster.members()) == MEMBERS_MAX


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["heard", "listed", "returned", "left", "answered", "failed", "lied", "revoked"]),
        st.sampled_from(["a:1", "b:1", "c:1", "d:1"]),
        st.sampled_from([OWN, A, B]),
    ),
    max_size=40,
)


@given(EVENTS, st.lists(st.sampled_from(["a:1", "b:1", "e:1"]), max_size=3))
def test_whatever_happens_no_machine_is_asked_twice_and_no_liar_at_all(
    events: list[tuple[str, str, PeerId]], hints: list[str]
) -> None:
    roster = Roster(OWN)
    liars, now_s = set(), 0.0
    for kind, address, peer in events:
        now_s += 0.1
        match kind:
            case "heard":
                roster.heard(address)
            case "listed":
                roster.heard(address, listed=True)
            case "returned":
                roster.returned(address)
            case "left" if address not in liars:
                roster.left(address)
            case "answered":
                roster.answered(address, peer)
            case "failed":
                roster.failed(address, now_s)
            case "lied":
                roster.lied(address)
                liars.add(address)
            case "revoked" if peer != OWN:
                roster.revoked(peer)
    asked = roster.to_ask(now_s, hints)
    assert len(asked) == len(set(asked))
    assert not liars & set(asked)
    assert not [address for address in asked if roster.rests(address, now_s)]


def test_the_roster_is_pure() -> None:
    tree = ast.parse(Path(p2p.roster.__file__).read_text())
    names = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert not names & {"time", "random", "asyncio", "threading", "socket", "logging"}
