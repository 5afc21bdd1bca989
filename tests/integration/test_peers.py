"""Machines of one cluster as processes: on loopback, and on two hosts made of network namespaces."""

from __future__ import annotations

import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from p2p.peer import Peer
from tests.support.peers import SmallCluster, attested
from vox.digest import Digest
from vox.errors import PeerUnavailable
from vox.store.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 45.0


class Process:
    """A peer process whose lines are awaited with a time limit."""

    def __init__(
        self,
        folder: Path,
        host: str,
        wanted: Sequence[Digest] = (),
        netns: str = "",
        patience_s: float = 30.0,
    ) -> None:
        inside = ["ip", "netns", "exec", netns] if netns else []
        words = [str(folder), host, str(patience_s), *map(str, wanted)]
        command = [sys.executable, "-m", "tests.support.peer_process", *words]
        self.process = subprocess.Popen(
            [*inside, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(WAIT_S), "the process said nothing"
        return self.process.stdout.readline().strip()

    def stop(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for each in started:
        if each.process.poll() is None:
            each.kill()


def two_members(folder: Path) -> tuple[Path, Path, Digest]:
    """Two enrolled machines; the first holds a blob of several chunks."""
    cluster = SmallCluster(folder)
    identity, _ = cluster.machine("a")
    cluster.machine("b")
    store = SqliteStore(folder / "a" / "store")
    blobs, claims = attested(identity, ["x"], output=os.urandom(5_000_000))
    store.put(blobs, claims)
    store.close()
    return folder / "a", folder / "b", blobs[0].digest


def test_two_processes_find_each_other_and_share_also_after_a_restart(
    tmp_path: Path, processes: list[Process]
) -> None:
    a, b, digest = two_members(tmp_path)
    processes += [Process(a, "127.0.0.1"), Process(b, "127.0.0.1", [digest])]
    assert processes[0].line().startswith("serves 127.0.0.1:")
    assert processes[1].line().startswith("serves 127.0.0.1:")
    assert processes[1].line() == f"fetched {digest} True"
    assert [each.stop() for each in processes[:2]] == [0, 0]
    store = SqliteStore(b / "store")
    assert store.missing([digest]) == set()
    store.delete([digest])
    store.close()
    processes += [Process(b, "127.0.0.1", [digest]), Process(a, "127.0.0.1")]
    assert processes[2].line().startswith("serves")
    assert processes[2].line() == f"fetched {digest} True"


def run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=20, capture_output=True)


@pytest.fixture
def two_hosts() -> Iterator[tuple[str, str]]:
    """Two network namespaces on one wire, with no way out."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and `ip`")
    tag = secrets.token_hex(3)
    names = [f"vox-{tag}-a", f"vox-{tag}-b"]
    links = [f"v{tag}a", f"v{tag}b"]
    try:
        try:
            for name in names:
                run("ip", "netns", "add", name)
            run(
                *("ip", "link", "add", links[0], "netns", names[0]),
                *("type", "veth", "peer", "name", links[1], "netns", names[1]),
            )
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
        for place, (name, link) in enumerate(zip(names, links, strict=True)):
            run("ip", "-n", name, "addr", "add", f"10.77.0.{place + 1}/24", "dev", link)
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", link, "up")
        yield names[0], names[1]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=20)


def test_two_hosts_find_each_other_and_share(
    tmp_path: Path, processes: list[Process], two_hosts: tuple[str, str]
) -> None:
    a, b, digest = two_members(tmp_path)
    processes += [
        Process(a, "10.77.0.1", netns=two_hosts[0]),
        Process(b, "10.77.0.2", [digest], netns=two_hosts[1]),
    ]
    assert processes[0].line().startswith("serves 10.77.0.1:")
    assert processes[1].line().startswith("serves 10.77.0.2:")
    assert processes[1].line() == f"fetched {digest} True"
    assert [each.stop() for each in processes] == [0, 0]


def test_a_host_that_vanishes_costs_the_other_a_bounded_wait(
    tmp_path: Path, processes: list[Process], two_hosts: tuple[str, str]
) -> None:
    a, b, digest = two_members(tmp_path)
    nowhere = Digest.of(b"nobody has this")
    processes += [
        Process(a, "10.77.0.1", netns=two_hosts[0]),
        Process(b, "10.77.0.2", [digest, nowhere], netns=two_hosts[1], patience_s=5.0),
    ]
    processes[0].line()
    processes[1].line()
    assert processes[1].line() == f"fetched {digest} True"
    # The cable is pulled: no goodbye, no reset, packets vanish.
    run("ip", "-n", two_hosts[0], "link", "set", f"v{two_hosts[0].split('-')[1]}a", "down")
    begin = time.monotonic()
    assert processes[1].line() == "gave up"
    assert time.monotonic() - begin < 20
    assert processes[1].stop() == 0


@pytest.mark.slow
def test_a_machine_that_freezes_while_it_sends_is_given_up(tmp_path: Path, processes: list[Process]) -> None:
    cluster = SmallCluster(tmp_path)
    cluster.machine("a")
    _, membership = cluster.machine("b")
    store = SqliteStore(tmp_path / "a" / "store")
    digest = store.write([os.urandom(40 << 20)])
    store.close()
    processes.append(Process(tmp_path / "a", "127.0.0.1"))
    peer = Peer(processes[0].line().removeprefix("serves "), membership)
    pieces = peer.open(digest)
    next(pieces)
    processes[0].process.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    with pytest.raises(PeerUnavailable):
        for _ in pieces:
            pass
    # Far less than the deadline of a read, which is set for the slowest honest machine.
    assert time.monotonic() - begin < 60
    peer.close()
