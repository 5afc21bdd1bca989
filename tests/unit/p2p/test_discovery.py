from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from p2p.discovery import PEER_TYPE, Announcer, Browser, find_coordinators, interfaces_of
from vox.digest import PeerId

LOOPBACK = ["127.0.0.1"]
WAIT_S = 10.0


def cluster() -> str:
    """A name that nobody else on this loopback uses, however many tests run at a time."""
    return secrets.token_hex(32)


class Ear:
    """What a browser told."""

    def __init__(self) -> None:
        self.now: set[str] = set()
        self.changed = threading.Condition()

    def seen(self, address: str) -> None:
        with self.changed:
            self.now.add(address)
            self.changed.notify_all()

    def gone(self, address: str) -> None:
        with self.changed:
            self.now.discard(address)
            self.changed.notify_all()

    def hears(self, what: Callable[[set[str]], bool]) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: what(self.now), WAIT_S)


def test_peers_on_one_network_find_each_other_and_notice_a_goodbye() -> None:
    name, a, b = cluster(), PeerId.of(b"a"), PeerId.of(b"b")
    ear = Ear()
    browser = Browser(name, b, LOOPBACK)
    browser.start(ear.seen, ear.gone)
    early = Announcer.of_peer(a, name, 7001, LOOPBACK)
    second_of_the_same_machine = Announcer.of_peer(a, name, 7002, LOOPBACK)
    try:
        assert early.start()
        assert second_of_the_same_machine.start()
        assert ear.hears(lambda now: now == {"127.0.0.1:7001", "127.0.0.1:7002"}), ear.now
        early.close()
        assert ear.hears(lambda now: now == {"127.0.0.1:7002"}), ear.now
    finally:
        early.close()
        second_of_the_same_machine.close()
        browser.close()


def test_oneself_other_clusters_other_protocols_and_far_addresses_are_not_taken_up() -> None:
    name, a, b = cluster(), PeerId.of(b"a"), PeerId.of(b"b")
    txt = {"v": "1", "id": "x", "cl": name, "p": "1-1"}
    announcers = [
        Announcer.of_peer(b, name, 7001, LOOPBACK),
        Announcer.of_peer(a, cluster(), 7002, LOOPBACK),
        Announcer(PEER_TYPE, f"future-{name[:8]}", 7003, {**txt, "p": "2-9"}, LOOPBACK),
        Announcer(PEER_TYPE, f"odd-{name[:8]}", 7004, {**txt, "p": "\u00b2-x"}, LOOPBACK),
        Announcer(PEER_TYPE, f"silent-{name[:8]}", 7005, {}, LOOPBACK),
        Announcer(PEER_TYPE, f"far-{name[:8]}", 7006, txt, ["203.0.113.7"]),
        Announcer.of_peer(a, name, 7009, LOOPBACK),
    ]
    announcers[5]._interfaces = LOOPBACK  # it speaks from here about an address elsewhere
    ear = Ear()
    browser = Browser(name, b, LOOPBACK)
    try:
        with ThreadPoolExecutor(len(announcers)) as pool:
            assert all(pool.map(Announcer.start, announcers))
        browser.start(ear.seen, ear.gone)
        assert ear.hears(lambda now: "127.0.0.1:7009" in now)
        assert not threading.Event().wait(0.5)
        assert ear.now == {"127.0.0.1:7009"}
    finally:
        with ThreadPoolExecutor(len(announcers) + 1) as pool:
            list(pool.map(lambda each: each.close(), [browser, *announcers]))


def test_a_worker_without_an_address_finds_the_coordinator() -> None:
    name, a = cluster(), PeerId.of(b"a")
    announcer = Announcer.of_coordinator(a, name, 8765, LOOPBACK, {"scheme": "https"})
    try:
        assert announcer.start()
        (found,) = find_coordinators(WAIT_S, LOOPBACK, name[:40])
        assert find_coordinators(0.5, LOOPBACK, "no such cluster") == []
    finally:
        announcer.close()
    assert found.address == "127.0.0.1:8765"
    assert name.startswith(found.fingerprint)
    assert found.properties["scheme"] == "https"


@pytest.mark.parametrize("interfaces", [[], ["203.0.113.9"]])
def test_no_network_is_no_error(interfaces: list[str]) -> None:
    ear = Ear()
    browser = Browser(cluster(), PeerId.of(b"b"), interfaces)
    browser.start(ear.seen, ear.gone)
    announcer = Announcer.of_peer(PeerId.of(b"a"), cluster(), 7001, interfaces)
    assert not announcer.start()
    assert find_coordinators(0.1, interfaces) == []
    announcer.close()
    browser.close()


def test_a_service_is_announced_where_it_listens() -> None:
    assert interfaces_of("127.0.0.1") == LOOPBACK
    assert interfaces_of("no.such.host.invalid") == []
    assert interfaces_of("0.0.0.0")
