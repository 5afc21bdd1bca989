"""The command line on its own: results, JSON, exit statuses, and what it costs to answer from the store."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.cli import HEAVY, PROGRAM, SLOW, Shell, write_image


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    write_image(tmp_path / "image.nii.gz")
    made = Shell(tmp_path)
    made.write("p.imgql", PROGRAM)
    return made


def test_help_and_version_load_no_more_than_click(tmp_path: Path) -> None:
    for words in (["--help"], ["--version"]):
        loaded = Shell(tmp_path).modules(*words)
        assert not loaded & (HEAVY | {"sqlite3", "ssl", "http.client", "logging", "vox.plan"})


def test_every_command_explains_itself_with_an_example(tmp_path: Path) -> None:
    from click import Group
    from click.testing import CliRunner

    from client.main import COMMANDS, cli

    for name in COMMANDS:
        page = CliRunner().invoke(cli, [name, "--help"])
        assert page.exit_code == 0
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert isinstance(command, Group) or "Example" in page.output


def test_a_program_is_run_and_its_results_come_in_program_order(shell: Shell) -> None:
    done = shell.vox("submit", "p.imgql", "--out", "results")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1:] == ["is large=true", 'name="ball"']
    assert lines[0].startswith("volume=")
    assert lines[0].endswith(".0")
    assert (shell.folder / "results/out/bright.nii.gz").is_file()
    assert (shell.folder / "results/image.nii").is_file()
    assert "saved results/image.nii" in done.stderr


def test_json_is_one_document_with_every_goal(shell: Shell) -> None:
    first = shell.document("submit", "p.imgql")
    assert first["state"] == "succeeded"
    assert first["errors"] == []
    goals = {goal["label"]: goal for goal in first["goals"]}
    assert [goal["kind"] for goal in first["goals"]] == ["print", "save", "print", "print", "save"]
    assert goals["is large"]["value"] is True
    assert goals["name"]["value"] == "ball"
    assert goals["out/bright.nii.gz"]["path"] == "out/bright.nii.gz"
    assert (goals["volume"]["type"], goals["out/bright.nii.gz"]["type"]) == ("number", "mask")
    assert all(goal["digest"].startswith("blob:") for goal in first["goals"])
    nodes = first["nodes"]
    assert nodes["total"] == sum(nodes[name] for name in nodes if name != "total")
    assert nodes["computed"] > 0
    second = shell.document("submit", "p.imgql")
    assert (second["nodes"]["computed"], second["nodes"]["reused"]) == (0, nodes["total"])
    assert [goal["digest"] for goal in second["goals"]] == [goal["digest"] for goal in first["goals"]]


def test_a_cached_submission_writes_its_files_again_and_loads_nothing_heavy(shell: Shell) -> None:
    time.sleep(0.2)  # a file that was written this instant is not remembered
    first = shell.ok("submit", "p.imgql")
    saved = (shell.folder / "out/bright.nii.gz").read_bytes()
    (shell.folder / "out/bright.nii.gz").unlink()
    loaded = shell.modules("submit", "p.imgql")
    assert not loaded & HEAVY
    assert (shell.folder / "out/bright.nii.gz").read_bytes() == saved
    assert shell.ok("submit", "p.imgql") == first


def test_a_plan_says_beforehand_what_a_submission_then_does(shell: Shell) -> None:
    for _ in range(2):
        planned = shell.document("plan", "p.imgql")
        assert planned == shell.document("submit", "-n", "p.imgql")
        done = shell.document("submit", "p.imgql")
        assert planned["nodes"]["to_compute"] == done["nodes"]["computed"]
        assert planned["nodes"]["total"] == done["nodes"]["total"]
    assert planned["nodes"]["to_compute"] == 0


def test_a_change_that_changes_nothing_stops_there(shell: Shell) -> None:
    shell.ok("submit", "p.imgql")
    planned = shell.document("plan", "p.imgql", "--set", "level=200")["nodes"]["to_compute"]
    computed = shell.document("submit", "p.imgql", "--set", "level=200")["nodes"]["computed"]
    assert 0 < computed < planned


def test_parameters_and_data_folders_are_heard(shell: Shell) -> None:
    low, high = (
        shell.document("submit", "p.imgql", "--set", f"level={n}")["goals"][0]["value"] for n in (50, 250)
    )
    assert low > high
    (shell.folder / "elsewhere").mkdir()
    (shell.folder / "image.nii.gz").rename(shell.folder / "elsewhere" / "image.nii.gz")
    assert shell.vox("submit", "p.imgql").returncode == 2
    assert shell.ok("submit", "p.imgql", "--data", "elsewhere")


def test_fresh_computes_again_and_no_write_cache_keeps_nothing(shell: Shell) -> None:
    assert shell.document("submit", "p.imgql", "--no-write-cache")["state"] == "succeeded"
    assert shell.document("plan", "p.imgql")["nodes"]["to_compute"] > 0
    computed = shell.document("submit", "p.imgql")["nodes"]["computed"]
    assert shell.document("submit", "p.imgql", "--fresh")["nodes"]["computed"] == computed


def test_both_engines_and_both_stores_of_run_give_the_same(shell: Shell) -> None:
    digests = [
        [goal["digest"] for goal in shell.document("run", "p.imgql", *words)["goals"]]
        for words in (
            ["--execution-engine", "sequential"],
            ["--execution-engine", "dynamic", "--no-cache"],
            ["--storage-backend", "memory"],
            ["--storage-backend", "sqlite"],
            ["--storage-backend", "hybrid"],
            ["--storage-backend", "tiered"],
        )
    ]
    assert all(each == digests[0] for each in digests)


def test_what_is_not_available_yet_is_said(shell: Shell) -> None:
    done = shell.vox("run", "p.imgql", "--storage-backend", "cloud")
    assert done.returncode == 2
    assert "error[E0101]" in done.stderr
    assert "cloud" in done.stderr
    assert shell.vox("run", "p.imgql", "--persist", "all").returncode == 2


def test_the_plan_is_saved_as_graph_json_and_text(shell: Shell) -> None:
    shell.ok(
        *("run", "p.imgql", "--save-task-graph-as-dot", "g.dot"),
        *("--save-task-graph-as-json", "g.json", "--save-syntax", "s.imgql"),
    )
    assert (shell.folder / "g.dot").read_text().startswith("digraph {")
    graph = json.loads((shell.folder / "g.json").read_text())
    known: set[str] = set()
    for node in graph["nodes"]:
        assert set(node.get("arguments", {}).values()) <= known
        known.add(node["id"])
    assert {goal["id"] for goal in graph["goals"]} <= known
    shell.write("s2.imgql", (shell.folder / "s.imgql").read_text())
    assert shell.document("plan", "s2.imgql")["nodes"]["to_compute"] == 0


def test_one_failing_goal_leaves_the_others_and_exits_with_one(shell: Shell) -> None:
    shell.write(
        "f.imgql",
        'load f = "image.nii.gz"\nlet i = intensity(f)\nlet none = i >. 100000\n'
        'print "before" max(i)\nprint "mean" avg(i, none)\nsave "after.nii.gz" i >. 150\n',
    )
    done = shell.vox("submit", "f.imgql")
    assert done.returncode == 1
    assert done.stdout.startswith("before=")
    assert (shell.folder / "after.nii.gz").is_file()
    assert "error[E0" in done.stderr
    assert "f.imgql:5" in done.stderr
    assert "Traceback" not in done.stderr
    document = json.loads(shell.vox("submit", "f.imgql", "--json").stdout)
    assert document["state"] == "partial"
    assert [goal["state"] for goal in document["goals"]] == ["succeeded", "failed", "succeeded"]
    assert document["errors"][0]["code"].startswith("E04")
    assert document["errors"][0]["spans"][0]["line"] == 5


def test_executions_are_listed_and_their_values_fetched(shell: Shell) -> None:
    done = shell.document("submit", "p.imgql")
    name = done["execution"]
    assert shell.document("list")["executions"][0]["execution"] == name
    assert shell.document("show", name)["state"] == "succeeded"
    assert "volume" in shell.ok("show", name)
    value = shell.ok("get", f"{name}:volume")
    assert float(value) == done["goals"][0]["value"]
    shell.ok("get", f"{name}:out/bright.nii.gz", "-o", "copy.nii.gz")
    assert (shell.folder / "copy.nii.gz").read_bytes() == (shell.folder / "out/bright.nii.gz").read_bytes()
    shell.ok("get", done["goals"][1]["node"], "-o", "again.nii.gz")
    assert (shell.folder / "again.nii.gz").read_bytes() == (shell.folder / "out/bright.nii.gz").read_bytes()
    assert shell.vox("show", "nothing").returncode == 2


def test_helpers_answer(shell: Shell) -> None:
    assert shell.document("store", "stats")["blobs"] == 0
    shell.ok("submit", "p.imgql")
    assert shell.document("store", "stats")["blobs"] > 0
    assert shell.document("store", "check")["corrupt"] == []
    assert len(shell.document("operators")["operators"]) > 50
    assert "percentiles" in shell.ok("operators", "percentiles")
    assert "name" in shell.ok("explain", "E0201")
    assert shell.vox("explain", "E9999").returncode == 2
    assert all(finding["ok"] for finding in shell.document("doctor")["findings"])
    for kind in ("bash", "zsh", "fish"):
        assert "_VOX_COMPLETE" in shell.ok("completion", kind)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_cleanly_and_goes_on_where_it_was(tmp_path: Path, number: int) -> None:
    write_image(tmp_path / "big.nii.gz", size=(160, 160, 100))
    shell = Shell(tmp_path)
    shell.write("slow.imgql", SLOW)
    running = shell.start("submit", "slow.imgql")
    deadline = time.monotonic() + 120
    assert running.stderr is not None
    while "computed" not in running.stderr.readline():
        assert running.poll() is None
        assert time.monotonic() < deadline
    os.kill(running.pid, number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part")) + list(tmp_path.glob("c*"))
    planned = shell.document("plan", "slow.imgql")["nodes"]
    assert 0 < planned["to_compute"] < planned["total"] - 10
    assert shell.document("store", "check")["corrupt"] == []
