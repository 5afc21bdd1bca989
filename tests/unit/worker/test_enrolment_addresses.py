"""Addresses as people write them, and as a coordinator that listens everywhere tells them."""

from __future__ import annotations

import pytest

from vox.errors import UsageError
from worker.enrolment import _at, normalise, own_address


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("head", "http://head:8700"),
        ("head:9000", "http://head:9000"),
        ("10.0.0.1", "http://10.0.0.1:8700"),
        ("https://head", "https://head:8700"),
        ("https://head:1/", "https://head:1"),
        ("http://[::1]:8700", "http://[::1]:8700"),
    ],
)
def test_an_address_is_completed(written: str, meant: str) -> None:
    assert normalise(written) == meant


@pytest.mark.parametrize("written", ["", "http://", "ftp://head", "head:x", "head:99999", "http://:80"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(UsageError):
        normalise(written)


@pytest.mark.parametrize(
    ("told", "host", "meant"),
    [
        ("tls://10.0.0.1:8786", "head", "tls://10.0.0.1:8786"),
        ("tls://0.0.0.0:8786", "head", "tls://head:8786"),
        ("tls://[::]:8786", "fe80::1", "tls://[fe80::1]:8786"),
        ("//0.0.0.0:77", "10.0.0.9", "//10.0.0.9:77"),
    ],
)
def test_everywhere_is_where_it_was_reached(told: str, host: str, meant: str) -> None:
    assert _at(told, host) == meant


def test_the_way_to_loopback_is_loopback() -> None:
    assert own_address("http://127.0.0.1:8700") == "127.0.0.1"
