"""The command line with a coordinator and a worker: the same results, and ways to leave and come back."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.remote import Address, RemoteEngine
from client.session import connect
from tests.support.cli import HEAVY, PROGRAM, SLOW, Shell, write_image
from tests.support.cluster import Cluster, running_cluster
from tests.support.cutting_proxy import cutting_proxy
from vox.digest import Digest


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), workers=("a",)) as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path, cluster: Cluster) -> Shell:
    write_image(tmp_path / "image.nii.gz")
    made = Shell(tmp_path, {"VOX_HTTP_COORDINATOR": cluster.url})
    made.write("p.imgql", PROGRAM)
    return made


def test_a_submission_gives_the_same_files_and_digests_as_one_without_a_coordinator(shell: Shell) -> None:
    remote = shell.document("submit", "p.imgql", "--out", "remote")
    alone = shell.document("run", "p.imgql", "--out", "alone")
    assert [goal["digest"] for goal in remote["goals"]] == [goal["digest"] for goal in alone["goals"]]
    assert [goal.get("value") for goal in remote["goals"]] == [goal.get("value") for goal in alone["goals"]]
    for name in ("out/bright.nii.gz", "image.nii"):
        ours, theirs = (shell.folder / where / name for where in ("remote", "alone"))
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_cached_submission_computes_nothing_and_loads_nothing_heavy(shell: Shell) -> None:
    time.sleep(0.2)
    shell.ok("submit", "p.imgql")
    planned = shell.document("plan", "p.imgql")["nodes"]
    assert planned["to_compute"] == 0
    assert not shell.modules("submit", "p.imgql") & HEAVY
    assert shell.document("submit", "p.imgql")["nodes"]["computed"] == 0


def test_imports_travel_with_the_program(shell: Shell) -> None:
    (shell.folder / "lib").mkdir()
    shell.write(
        "lib/one.imgql", 'import "two"\nlet half(a) = a *. 0.5 *. two\n'.replace("*. 0.5 *. two", "*. two")
    )
    shell.write("lib/two.imgql", "let two = 2\n")
    shell.write(
        "i.imgql",
        'import "lib/one.imgql"\nload f = "image.nii.gz"\nprint "m" max(half(intensity(f))) ./. 2\n',
    )
    remote, alone = shell.ok("submit", "i.imgql"), shell.ok("run", "i.imgql")
    assert remote == alone


def test_executions_are_listed_shown_and_their_values_fetched(shell: Shell) -> None:
    done = shell.document("submit", "p.imgql")
    assert done["execution"] in [each["execution"] for each in shell.document("list")["executions"]]
    assert shell.document("show", done["execution"])["state"] == "succeeded"
    assert "succeeded" in shell.ok("watch", done["execution"])
    assert float(shell.ok("get", f"{done['execution']}:volume")) == done["goals"][0]["value"]
    shell.ok("get", f"{done['execution']}:out/bright.nii.gz", "-o", "copy.nii.gz")
    assert (shell.folder / "copy.nii.gz").read_bytes() == (shell.folder / "out/bright.nii.gz").read_bytes()
    assert shell.vox("show", "nothing").returncode == 2


def test_a_failing_goal_is_told_with_its_place(shell: Shell) -> None:
    shell.write(
        "f.imgql",
        'load f = "image.nii.gz"\nlet i = intensity(f)\nprint "ok" max(i)\nprint "m" avg(i, i >. 9999)\n',
    )
    done = shell.vox("submit", "f.imgql")
    assert done.returncode == 1
    assert done.stdout.startswith("ok=")
    assert "f.imgql:4" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_coordinator_of_this_user_is_found_without_being_named(shell: Shell, cluster: Cluster) -> None:
    del shell.settings["VOX_HTTP_COORDINATOR"]
    shell.settings["VOX_STATE_DIR"] = str(cluster.folder / "head" / "state")
    name = shell.document("submit", "p.imgql")["execution"]
    status, _ = cluster.call("GET", f"/api/v1/executions/{name}")
    assert status == 200


def test_leaving_does_not_stop_an_execution_and_insisting_cancels_it(shell: Shell, cluster: Cluster) -> None:
    write_image(shell.folder / "big.nii.gz", size=(160, 160, 100))
    shell.write("slow.imgql", SLOW)
    running = shell.start("submit", "slow.imgql")
    assert running.stderr is not None
    while "computed" not in running.stderr.readline():
        assert running.poll() is None
    os.kill(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in said
    (name,) = {line.split()[2] for line in said.splitlines() if "vox watch" in line}
    assert cluster.call("GET", f"/api/v1/executions/{name}")[1]["state"] == "running"
    watching = shell.start("watch", name)
    assert watching.stderr is not None
    watching.stderr.readline()
    os.kill(watching.pid, signal.SIGINT)
    time.sleep(0.5)
    os.kill(watching.pid, signal.SIGINT)
    _, said = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert "cancelled" in said
    assert cluster.finished(name)["state"] == "cancelled"
    done = shell.vox("watch", name)
    assert done.returncode == 5
    assert json.loads(shell.vox("cancel", name, "--json").stdout)["cancelled"] is False


def test_a_timeout_cancels(shell: Shell) -> None:
    write_image(shell.folder / "big.nii.gz", size=(160, 160, 100), seed=3)
    shell.write("slow.imgql", SLOW)
    done = shell.vox("submit", "slow.imgql", "--timeout", "1s", "--json")
    assert done.returncode in (1, 5), done.stderr
    assert json.loads(done.stdout)["state"] in ("cancelled", "partial", "failed")


def test_a_line_that_breaks_is_taken_up_where_it_broke(shell: Shell, cluster: Cluster) -> None:
    shell.write("fresh.imgql", PROGRAM.replace("let level = 150", "let level = 117"))
    name = shell.document("submit", "fresh.imgql")["execution"]
    whole = list(RemoteEngine(Address(cluster.url)).events(name))
    assert [number for number, _ in whole] == list(range(1, len(whole) + 1))
    with cutting_proxy(cluster.url, 1500) as (url, cuts):
        assert list(RemoteEngine(Address(url)).events(name)) == whole
        assert len(cuts) > 2


def test_an_input_is_sent_once_and_read_back_as_it_was(shell: Shell, cluster: Cluster) -> None:
    with connect(cluster.url) as session:
        request = session.prepare(shell.folder / "p.imgql")
        (found,) = request.inputs.values()
        session.submit(request).result()
        assert session.engine.missing([found.info.digest]) == set()
        assert Digest.of(bytes(session.engine.read(found.info.digest))) == found.info.digest


def test_a_coordinator_answers_what_looks_back(shell: Shell, cluster: Cluster) -> None:
    first = shell.document("submit", "p.imgql", "--set", "level=90", "--out", "here")
    second = shell.document("submit", "p.imgql", "--set", "level=91")
    found = shell.document("why", f"{second['execution']}:volume", "--against", first["execution"])
    assert found["differences"][0]["text"] == "90 -> 91"
    assert "let level = 150" in shell.ok("why", f"{second['execution']}:volume")
    again = shell.document("rerun", first["execution"])
    assert [goal["digest"] for goal in again["goals"]] == [goal["digest"] for goal in first["goals"]]
    assert "finished: succeeded" in shell.ok("logs", first["execution"])
    proof = shell.document("verify", "here/out/bright.nii.gz")
    assert [each["name"] for each in proof["inputs"]] == ["image.nii.gz"]
    members = shell.document("peers", "list")
    assert proof["signers"][0] in [member["peer"] for member in members["members"]]
    assert members["workers"]
    assert shell.document("peers", "discover")["peers"]
