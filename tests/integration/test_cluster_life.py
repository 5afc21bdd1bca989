"""Coordinators and workers come and go: ports, tokens, run files, signals, doors."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
from pathlib import Path

import pytest

from tests.support.cluster import Cluster, running_cluster, wait_until


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory):
    """A coordinator without workers."""
    with running_cluster(tmp_path_factory.mktemp("head"), workers=()) as cluster:
        yield cluster


def test_a_second_start_of_the_same_user_is_refused(head: Cluster) -> None:
    done = head.run("coordinator.main", "start", "--port", "0", "--http-port", "0")
    assert done.returncode == 2
    assert "error[E0810]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("flag", ["--port", "--http-port"])
def test_a_port_in_use_is_named(head: Cluster, flag: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        ports = {"--port": "0", "--http-port": "0"} | {flag: str(holder.getsockname()[1])}
        arguments = [text for pair in ports.items() for text in pair]
        done = head.run("coordinator.main", "start", "--no-p2p", *arguments, machine=f"other{flag}")
    assert done.returncode == 2, done.stderr
    assert "error[E0803]" in done.stderr
    assert ports[flag] in done.stderr
    assert flag in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_written_is_named(head: Cluster) -> None:
    not_a_folder = head.folder / "file"
    not_a_folder.write_text("in the way")
    done = head.run(
        *("coordinator.main", "start", "--port", "0", "--http-port", "0", "--no-p2p"),
        *("--store", str(not_a_folder)),
        machine="no-store",
    )
    assert done.returncode == 2, done.stderr
    assert "error[E0504]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_that_is_not_this_machine_is_named(head: Cluster) -> None:
    done = head.run(
        *("coordinator.main", "start", "--host", "203.0.113.7", "--port", "0", "--http-port", "0"),
        machine="elsewhere-host",
    )
    assert done.returncode != 0
    assert "203.0.113.7" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_folder_that_cannot_be_written_is_named(head: Cluster) -> None:
    machine = head.folder / "no-state"
    machine.mkdir()
    (machine / "state").write_text("in the way")
    for command in (("coordinator.main", "start"), ("worker.main", "join", head.url, "--name", "x")):
        done = head.run(*command, machine="no-state")
        assert done.returncode == 2, done.stderr
        assert "error[E0504]" in done.stderr
        assert "Traceback" not in done.stderr


def test_status_tells_of_the_running_coordinator(head: Cluster) -> None:
    done = head.run("coordinator.main", "status", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["url"] == head.url


def test_the_run_file_is_private(head: Cluster) -> None:
    assert head.run_file.stat().st_mode & 0o077 == 0
    assert Path(head.document["token_file"]).stat().st_mode & 0o077 == 0


def join(head: Cluster, machine: str, *arguments: str):
    return head.run("worker.main", "join", *arguments, "--no-p2p", "--name", machine, machine=machine)


def test_a_wrong_token_is_refused(head: Cluster) -> None:
    good = head.token()
    wrong = good[: len("vox-join-")] + "a" * 26 + good[len("vox-join-") + 26 :]
    done = join(head, "wrong", head.url, "--token", wrong)
    assert done.returncode == 4, done.stderr
    assert "error[E0610]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_of_another_cluster_is_refused_before_it_is_sent(head: Cluster) -> None:
    token = head.token()
    done = join(head, "elsewhere", head.url, "--token", token[:-40] + "0" * 40)
    assert done.returncode == 4
    assert "another coordinator" in done.stderr
    assert head.call("GET", "/api/v1/cluster/members")[1]["members"] == []


def test_half_a_token_is_refused(head: Cluster) -> None:
    done = join(head, "half", head.url, "--token", head.token()[:30])
    assert done.returncode == 4
    assert "error[E0610]" in done.stderr


def test_a_machine_without_token_is_told_how_to_join(head: Cluster) -> None:
    done = join(head, "stranger", head.url)
    assert done.returncode == 4
    assert "vox-coordinator token" in done.stderr


def test_an_absent_coordinator_is_said_at_once(head: Cluster) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # held, but nobody listens
        address = f"http://127.0.0.1:{holder.getsockname()[1]}"
        done = join(head, "early", address, "--token", head.token())
    assert done.returncode == 3
    assert "error[E0802]" in done.stderr
    assert address in done.stderr
    assert "Traceback" not in done.stderr


def test_something_else_that_answers_is_not_a_coordinator(head: Cluster) -> None:
    done = join(head, "lost", f"127.0.0.1:{head.dask_port}", "--token", head.token())
    assert done.returncode in (1, 3), done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_none_is_a_usage_error(head: Cluster) -> None:
    done = join(head, "typo", "http://:x", "--token", head.token())
    assert done.returncode == 2
    assert "error[E0101]" in done.stderr


def test_the_dask_port_refuses_whoever_is_not_a_member(head: Cluster, tmp_path: Path) -> None:
    """Whoever got in could run code there: plain TCP and TLS without a certificate both end at once."""
    with socket.create_connection(("127.0.0.1", head.dask_port), timeout=10) as plain:
        plain.sendall(b"\x00" * 64)
        with contextlib.suppress(ConnectionError):
            while plain.recv(4096):  # a TLS alert at most, then the end
                pass
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    answer = b""
    with (
        contextlib.suppress(ssl.SSLError, ConnectionError),
        socket.create_connection(("127.0.0.1", head.dask_port), timeout=10) as raw,
        context.wrap_socket(raw) as tls,
    ):
        # With TLS 1.3 the refusal comes after the handshake seems done; Dask itself would speak first.
        answer = tls.recv(4096)
    assert answer == b""


def test_every_door_is_on_the_host_that_was_named(head: Cluster) -> None:
    pid = head.document["pid"]
    inodes = {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()}
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = line.split()[1], line.split()[3], line.split()[9]
            if state == "0A" and f"socket:[{inode}]" in inodes:
                listening.append(local.split(":")[0])
    # HTTP, Dask, peers; nothing else, above all not Dask's own HTTP server. 127.0.0.1, also as IPv4 in IPv6.
    assert len(listening) == 3
    assert set(listening) <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_a_worker_enrols_once_leaves_cleanly_and_comes_back_without_a_token(head: Cluster) -> None:
    token = head.token()
    first = head.spawn(
        *("worker.main", "join", head.url, "--token", token, "--name", "once", "--no-p2p"), machine="once"
    )
    head.workers["once"] = first
    head.wait_for_workers("once")
    members = head.call("GET", "/api/v1/cluster/members")[1]["members"]
    assert [member["name"] for member in members] == ["once"]

    again = join(head, "thief", head.url, "--token", token)
    assert again.returncode == 4
    assert "was used already" in again.stderr

    status = head.run("worker.main", "status", "--json", machine="once")
    assert json.loads(status.stdout)["workers"][0]["coordinator"] == head.url
    taken = head.run(
        *("worker.main", "join", head.url, "--token", head.token(), "--name", "once", "--no-p2p"),
        machine="namesake",
    )
    assert taken.returncode == 2
    assert "error[E0807]" in taken.stderr

    left = head.run("worker.main", "leave", machine="once")
    assert left.returncode == 0, left.stderr
    assert first.popen.wait(30) == 0
    assert "Traceback" not in first.said
    wait_until(lambda: head.call("GET", "/api/v1/workers")[1]["workers"] == [], "the worker is gone")

    # No address, no token: it remembers both the coordinator and its own certificate. And where a token was
    # written into a script, that it has been used does not keep a member out.
    for arguments in ([], [head.url, "--token", token]):
        back = head.spawn("worker.main", "join", *arguments, "--name", "once", "--no-p2p", machine="once")
        head.workers["once"] = back
        head.wait_for_workers("once")
        assert back.terminate() == 0
        assert "Traceback" not in back.said
        wait_until(lambda: head.call("GET", "/api/v1/workers")[1]["workers"] == [], "the worker is gone")


def test_a_killed_coordinator_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with running_cluster(tmp_path, workers=()) as cluster:
        assert cluster.coordinator is not None
        cluster.coordinator.kill()
        assert cluster.run_file.is_file()
        done = cluster.run("coordinator.main", "status")
        assert done.returncode == 3
        assert "error[E0802]" in done.stderr
        process = cluster.start()
        assert cluster.run("coordinator.main", "stop").returncode == 0
        assert process.popen.wait(30) == 0
        assert "Traceback" not in process.said
        assert not cluster.run_file.exists()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_start_goes_to_the_background_with_a_worker_that_ends_with_it(tmp_path: Path, how: str) -> None:
    cluster = Cluster(tmp_path)
    started = cluster.run(
        *("coordinator.main", "start", "--port", "0", "--http-port", "0", "--no-p2p", "--with-worker")
    )
    try:
        assert started.returncode == 0, started.stderr
        assert f"vox-worker join {cluster.url} --token vox-join-" in started.stdout
        wait_until(lambda: cluster.call("GET", "/api/v1/workers")[1]["workers"], "its worker joined")
        if how == "stopped":
            stopped = cluster.run("coordinator.main", "stop")
            assert stopped.returncode == 0, stopped.stderr
        else:
            os.kill(cluster.document["pid"], signal.SIGKILL)

        def workers() -> list[object]:
            done = cluster.run("worker.main", "status", "--json")
            found: list[object] = json.loads(done.stdout)["workers"]
            return found

        wait_until(lambda: workers() == [], "its worker ended too", 30)
    finally:
        with contextlib.suppress(OSError):
            os.kill(cluster.document["pid"], signal.SIGTERM)


def test_workers_started_at_once_without_names_find_names_of_their_own(head: Cluster) -> None:
    tokens = [head.token() for _ in range(2)]
    workers = [
        head.spawn(
            *("worker.main", "join", head.url, "--token", token, "--threads", "1", "--no-p2p"), machine="same"
        )
        for token in tokens
    ]

    def names() -> set[str]:
        assert all(worker.popen.poll() is None for worker in workers), [worker.said for worker in workers]
        return {worker["name"] for worker in head.call("GET", "/api/v1/workers")[1]["workers"]}

    wait_until(lambda: len(names()) == 2, "both have joined")
    assert head.run("worker.main", "leave", machine="same").returncode == 0
    assert [worker.popen.wait(30) for worker in workers] == [0, 0]


def test_a_member_of_one_cluster_is_told_that_another_s_coordinator_is_not_its_own(
    head: Cluster, tmp_path: Path
) -> None:
    worker = head.spawn(
        *("worker.main", "join", head.url, "--token", head.token(), "--name", "loyal", "--no-p2p"),
        machine="loyal",
    )
    head.workers["loyal"] = worker
    head.wait_for_workers("loyal")
    assert worker.terminate() == 0
    with running_cluster(tmp_path, workers=()) as other:
        done = join(head, "loyal", other.url)
        assert done.returncode == 4
        assert "error[E0614]" in done.stderr
        # With that one's token it changes sides.
        assert other.call("GET", "/api/v1/cluster/members")[1]["members"] == []
        moved = head.spawn(
            *("worker.main", "join", other.url, "--token", other.token(), "--name", "loyal", "--no-p2p"),
            machine="loyal",
        )
        other.workers["loyal"] = moved
        other.wait_for_workers("loyal")
        assert moved.terminate() == 0


def test_a_shared_machine_can_want_tokens_and_the_owner_s_commands_have_theirs(tmp_path: Path) -> None:
    with running_cluster(tmp_path, workers=(), arguments=("--require-token", "--host", "::1")) as cluster:
        assert cluster.url.startswith("http://[::1]:")
        status, problem = cluster.call("GET", "/api/v1/executions")
        assert (status, problem["code"]) == (401, "E0610")
        assert cluster.call("GET", "/healthz")[0] == 200
        token = {"Authorization": f"Bearer {cluster.token('--api')}"}
        assert cluster.call("GET", "/api/v1/executions", None, token)[0] == 200
        worker = cluster.join("six", wait=False)
        wait_until(lambda: "joined as six" in worker.said or worker.popen.poll() is not None, "it joined")
        assert "joined as six" in worker.said, worker.said
        done = cluster.run("coordinator.main", "status")
        assert "worker six" in done.stdout, done.stderr
        assert worker.terminate() == 0
