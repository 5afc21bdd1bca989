from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from p2p.tokens import ApiTokens, JoinTokens, parse_token
from vox.errors import NotAllowed

FINGERPRINT = "ab" * 32


@dataclass
class HandClock:
    time_s: float = 1000.0

    def now(self) -> float:
        return self.time_s

    def monotonic(self) -> float:
        return self.time_s


def test_a_join_token_is_good_once(tmp_path: Path) -> None:
    tokens = JoinTokens(tmp_path, FINGERPRINT)
    text = tokens.mint()
    tokens.redeem(text)
    with pytest.raises(NotAllowed) as caught:
        tokens.redeem(text)
    assert caught.value.code == "E0610"
    assert caught.value.hint


def test_of_many_machines_with_one_token_one_gets_in(tmp_path: Path) -> None:
    text = JoinTokens(tmp_path, FINGERPRINT).mint()

    def attempt(_: int) -> bool:
        try:
            JoinTokens(tmp_path, FINGERPRINT).redeem(text)
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1


def test_a_restart_keeps_unused_tokens_and_forgets_none_that_were_used(tmp_path: Path) -> None:
    used, unused = (JoinTokens(tmp_path, FINGERPRINT).mint() for _ in range(2))
    JoinTokens(tmp_path, FINGERPRINT).redeem(used)
    again = JoinTokens(tmp_path, FINGERPRINT)
    with pytest.raises(NotAllowed):
        again.redeem(used)
    again.redeem(unused)


def test_an_expired_token_is_refused(tmp_path: Path) -> None:
    clock = HandClock()
    tokens = JoinTokens(tmp_path, FINGERPRINT, clock)
    text = tokens.mint(lifetime_s=60.0)
    clock.time_s += 60.0
    with pytest.raises(NotAllowed, match="expired"):
        tokens.redeem(text)


@pytest.mark.parametrize("cut", [1, 5, 39, 40, 41, 60, 75])
def test_a_truncated_token_is_refused(tmp_path: Path, cut: int) -> None:
    tokens = JoinTokens(tmp_path, FINGERPRINT)
    text = tokens.mint()
    with pytest.raises(NotAllowed):
        tokens.redeem(text[:-cut])
    tokens.redeem(text)


@pytest.mark.parametrize("text", ["", "vox-join-", "vox-join-a-b", "täken", "vox-api-" + "a" * 26, "-" * 80])
def test_rubbish_is_not_a_token(tmp_path: Path, text: str) -> None:
    with pytest.raises(NotAllowed):
        parse_token(text)
    with pytest.raises(NotAllowed):
        JoinTokens(tmp_path, FINGERPRINT).redeem(text)


def test_a_wrong_secret_and_a_wrong_coordinator_are_refused(tmp_path: Path) -> None:
    tokens = JoinTokens(tmp_path / "a", FINGERPRINT)
    with pytest.raises(NotAllowed):
        tokens.redeem(JoinTokens(tmp_path / "b", FINGERPRINT).mint())
    with pytest.raises(NotAllowed, match="another coordinator"):
        tokens.redeem(JoinTokens(tmp_path / "c", "cd" * 32).mint())


def test_a_token_pasted_with_line_breaks_and_capitals_is_understood(tmp_path: Path) -> None:
    tokens = JoinTokens(tmp_path, FINGERPRINT)
    text = tokens.mint()
    tokens.redeem(f"  {text[:30].upper()}\n{text[30:]} ")


def test_a_token_carries_the_fingerprint_of_the_authority(tmp_path: Path) -> None:
    token = parse_token(JoinTokens(tmp_path, FINGERPRINT).mint())
    assert token.recognises(FINGERPRINT)
    assert not token.recognises("cd" * 32)


def test_the_file_holds_no_secret(tmp_path: Path) -> None:
    text = JoinTokens(tmp_path, FINGERPRINT).mint()
    secret = text.split("-")[2]
    assert secret not in (tmp_path / "join-tokens.json").read_text()


def test_an_api_token_is_good_many_times_and_tells_its_role(tmp_path: Path) -> None:
    text = ApiTokens(tmp_path).mint("submit")
    assert [ApiTokens(tmp_path).verify(text) for _ in range(3)] == ["submit"] * 3
    for wrong in ("", text[:-1], text + "a", "vox-api-" + "b" * 26):
        with pytest.raises(NotAllowed):
            ApiTokens(tmp_path).verify(wrong)
