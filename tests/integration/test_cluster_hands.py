"""The cluster as hands: fragments out, reports back, losses told, nobody else let in."""

from __future__ import annotations

import queue
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.cluster import DaskHands
from coordinator.contract import WorkerInfo
from p2p.authority import ClusterAuthority
from p2p.identity import Identity, Membership
from vox.errors import AddressInUse
from vox.fragment import Fragment, Report

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0


class Listener:
    """Puts what it is told in a queue."""

    def __init__(self) -> None:
        self.told: queue.Queue[tuple[Any, ...]] = queue.Queue()

    def worker_joined(self, worker: WorkerInfo) -> None:
        self.told.put(("joined", worker.name))

    def worker_left(self, worker: str) -> None:
        self.told.put(("left", worker))

    def fragment_reported(self, report: Report, worker: str) -> None:
        self.told.put(("reported", report.fragment, worker))

    def fragment_failed(self, fragment: str, worker: str, message: str) -> None:
        self.told.put(("failed", fragment, worker, message))

    def next(self) -> tuple[Any, ...]:
        return self.told.get(timeout=WAIT_S)


class Stage:
    """Hands, a listener, and worker processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.membership = member(folder, folder / "head")
        self.hands = DaskHands("127.0.0.1", 0, self.membership)
        self.listener = Listener()
        self.hands.connect(self.listener)
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.members = 0

    def join(self, name: str) -> subprocess.Popen[bytes]:
        self.members += 1
        directory = self.folder / f"identity-{self.members}"
        member(self.folder, directory)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.hand_process", self.hands.address, str(directory), name],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        self.workers[name] = process
        assert self.listener.next() == ("joined", name)
        return process

    def ready(self, *names: str) -> None:
        """Begin a test with these workers, whatever the one before did to them."""
        for name in names:
            if name not in {info.name for info in self.hands.workers}:
                self.join(name)
        assert self.listener.told.empty()

    def start(self, name: str, worker: str) -> None:
        self.hands.start(Fragment(name, (), {}), worker)

    def close(self) -> None:
        self.hands.close()
        for worker in self.workers.values():
            worker.kill()
            worker.wait(WAIT_S)


def member(authority: Path, directory: Path) -> Membership:
    """Make a member of the cluster whose authority is kept in a folder."""
    identity = Identity.load_or_create(directory)
    issuer = ClusterAuthority.load_or_create(authority)
    certificate = issuer.issue(identity.csr(), identity.proof(), identity.signer.public_key)
    return Membership.create(identity, issuer.certificate_pem, certificate)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("hands"))
    yield stage
    stage.close()


def test_fragments_go_where_they_were_sent_and_reports_come_back(stage: Stage) -> None:
    stage.ready("a", "b")
    assert {(info.name, info.slots, info.peer) for info in stage.hands.workers} == {
        ("a", 2, "a:1"),
        ("b", 2, "b:1"),
    }
    for number in range(20):
        stage.start(f"now-{number}", "ab"[number % 2])
    told = {stage.listener.next() for _ in range(20)}
    assert told == {("reported", f"now-{number}", "ab"[number % 2]) for number in range(20)}


def test_a_late_listener_is_told_who_is_there(stage: Stage) -> None:
    stage.ready("a", "b")
    late = Listener()
    stage.hands.connect(late)
    assert {late.next(), late.next()} == {("joined", "a"), ("joined", "b")}
    stage.hands.connect(stage.listener)
    assert {stage.listener.next(), stage.listener.next()} == {("joined", "a"), ("joined", "b")}


def test_a_broken_runner_is_told_and_does_not_stop_the_worker(stage: Stage) -> None:
    stage.ready("a")
    stage.start("boom", "a")
    kind, fragment, worker, message = stage.listener.next()
    assert (kind, fragment, worker) == ("failed", "boom", "a")
    assert "the runner broke" in message
    stage.start("now", "a")
    assert stage.listener.next() == ("reported", "now", "a")


def test_running_and_waiting_fragments_are_cancelled_and_still_reported(stage: Stage) -> None:
    stage.ready("a")
    for name in ("wait-1", "wait-2", "wait-3"):  # the third waits for a free thread
        stage.start(name, "a")
    stage.hands.cancel("wait-3")
    assert stage.listener.next() == ("reported", "wait-3", "a")
    stage.hands.cancel("wait-1")
    assert stage.listener.next() == ("reported", "wait-1", "a")
    stage.hands.cancel("wait-2")
    assert stage.listener.next() == ("reported", "wait-2", "a")
    stage.hands.cancel("nobody knows this one")
    stage.start("now", "a")
    assert stage.listener.next() == ("reported", "now", "a")


def test_a_killed_worker_is_told_once_for_all_its_fragments(stage: Stage) -> None:
    stage.ready("a", "b")
    victim = stage.workers["a"]
    for number in range(4):
        stage.start(f"wait-{number}", "a")
    stage.start("wait-other", "b")
    victim.kill()
    assert stage.listener.next() == ("left", "a")
    stage.hands.cancel("wait-other")
    assert stage.listener.next() == ("reported", "wait-other", "b")
    assert stage.listener.told.empty()
    stage.start("now", "a")
    assert stage.listener.next()[:3] == ("failed", "now", "a")


def test_a_fragment_that_kills_its_worker_harms_no_other(stage: Stage) -> None:
    stage.ready("a", "b")
    stage.start("wait-b", "b")
    stage.start("die", "a")
    assert stage.listener.next() == ("left", "a")
    stage.hands.cancel("wait-b")
    assert stage.listener.next() == ("reported", "wait-b", "b")


def test_a_worker_comes_back_under_its_name(stage: Stage) -> None:
    for _ in range(2):
        stage.ready("a")
        process = stage.workers["a"]
        stage.start("wait-until-killed", "a")
        process.kill()
        assert stage.listener.next() == ("left", "a")
    stage.join("a")


def test_a_stranger_s_certificate_is_refused(stage: Stage, tmp_path: Path) -> None:
    stranger = member(tmp_path / "other-authority", tmp_path / "stranger")
    host, _, port = stage.hands.address.removeprefix("tls://").rpartition(":")
    assert is_let_in(host, int(port), stage.membership)
    assert not is_let_in(host, int(port), stranger)


def is_let_in(host: str, port: int, membership: Membership) -> bool:
    """Tell whether a Dask port speaks to somebody with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(membership.certificate_file, membership.key_file)
    try:
        with socket.create_connection((host, port), 10) as raw, context.wrap_socket(raw) as tls:
            # With TLS 1.3 the refusal comes after the handshake seems done; Dask itself speaks first.
            return tls.recv(1) != b""
    except (ssl.SSLError, ConnectionError):
        return False


def test_a_taken_port_is_said_and_closing_frees_it(stage: Stage, tmp_path: Path) -> None:
    port = int(stage.hands.address.rpartition(":")[2])
    with pytest.raises(AddressInUse, match=str(port)):
        DaskHands("127.0.0.1", port, stage.membership)
    other = DaskHands("127.0.0.1", 0, stage.membership)
    port = int(other.address.rpartition(":")[2])
    other.close()
    DaskHands("127.0.0.1", port, stage.membership).close()


def test_closing_ends_workers_and_reports_what_they_had_done(stage: Stage) -> None:
    stage.ready("a")
    process = stage.workers["a"]
    stage.start("wait", "a")
    stage.start("now", "a")
    assert stage.listener.next() == ("reported", "now", "a")
    stage.hands.close()
    assert stage.listener.next() == ("reported", "wait", "a")
    assert process.wait(WAIT_S) == 0
    stage.hands.close()
