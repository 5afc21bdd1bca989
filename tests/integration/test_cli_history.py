"""Looking back: why, rerun, logs, provenance beside every save, settings, peers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.cli import HEAVY, PROGRAM, Shell, write_image


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    write_image(tmp_path / "image.nii.gz")
    made = Shell(tmp_path)
    made.write("p.imgql", PROGRAM)
    return made


def test_why_names_the_literal_the_input_or_says_that_nothing_is_to_be_done(shell: Shell) -> None:
    never = shell.document("why", "p.imgql:volume")
    assert (never["cause"], never["against"]) == ("never-computed-here", None)
    first = shell.document("submit", "p.imgql")["execution"]
    same = shell.document("why", "p.imgql:volume")
    assert (same["cause"], same["against"], same["differences"]) == (None, first, [])
    shell.write("p.imgql", "// a remark\n" + PROGRAM.replace("let bright", "let   bright"))
    assert shell.document("why", "p.imgql:volume")["cause"] is None
    changed = shell.document("why", "p.imgql:volume", "--set", "level=200")
    assert changed["cause"] == "constant-changed"
    (found,) = changed["differences"]
    assert (found["text"], found["span"]["line"], found["old_span"]["line"]) == ("150 -> 200", 5, 4)
    time.sleep(0.2)
    write_image(shell.folder / "image.nii.gz", seed=2)
    assert shell.document("why", "p.imgql:volume")["cause"] == "input-changed"
    assert "load file" in shell.ok("why", "p.imgql:volume")


def test_why_compares_executions_with_each_other(shell: Shell) -> None:
    names = [shell.document("submit", "p.imgql", "--set", f"level={n}")["execution"] for n in (100, 150, 200)]
    newest = shell.document("why", "volume")
    assert (newest["of"], newest["against"]) == (names[2], names[1])
    oldest = shell.document("why", f"{names[2]}:volume", "--against", names[0])
    assert oldest["differences"][0]["text"] == "100 -> 200"
    for wrong in (["nothing"], ["volume", "--against", "nothing"], ["p.imgql:nothing"]):
        assert shell.vox("why", *wrong).returncode == 2


def test_a_rerun_does_the_same_on_the_inputs_of_then(shell: Shell) -> None:
    first = shell.document("submit", "p.imgql")
    (shell.folder / "image.nii.gz").unlink()
    again = shell.document("rerun", first["execution"], "--out", "again", "--fresh")
    assert again["execution"] != first["execution"]
    assert again["nodes"]["computed"] == first["nodes"]["computed"]
    assert [goal["digest"] for goal in again["goals"]] == [goal["digest"] for goal in first["goals"]]
    one, other = (shell.folder / "out/bright.nii.gz", shell.folder / "again/out/bright.nii.gz")
    assert one.read_bytes() == other.read_bytes()
    assert shell.vox("rerun", first["execution"], "--set", "level=3").returncode == 2
    assert shell.vox("rerun", "nothing").returncode == 2


def test_logs_tell_every_event_in_lines_and_as_json(shell: Shell) -> None:
    name = shell.document("submit", "p.imgql")["execution"]
    events = [json.loads(line) for line in shell.ok("logs", name, "--json").splitlines()]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["kind"], events[-1]["kind"]) == ("execution-started", "execution-finished")
    lines = shell.ok("logs", name).splitlines()
    assert len(lines) == len(events)
    assert any("computed in" in line and "p.imgql:" in line for line in lines)
    assert lines[-1].endswith("finished: succeeded")
    assert len(shell.ok("logs", name, "--after", "3").splitlines()) == len(events) - 3


def test_a_save_comes_with_its_provenance_which_is_verified_offline(shell: Shell) -> None:
    done = shell.document("submit", "p.imgql")
    paths = [goal["provenance"] for goal in done["goals"] if goal["kind"] == "save"]
    assert paths == ["out/bright.nii.gz.vox.json", "image.nii.vox.json"]
    found = shell.document("verify", "out/bright.nii.gz")
    assert found["holds"] is True
    assert [each["name"] for each in found["inputs"]] == ["image.nii.gz"]
    assert len(found["signers"]) == 1
    # Nothing is asked of the store or the machine's keys.
    elsewhere = {"VOX_STORE_PATH": str(shell.folder / "no"), "VOX_STATE_DIR": str(shell.folder / "none")}
    assert Shell(shell.folder, elsewhere).document("verify", "out/bright.nii.gz") == found
    assert not (shell.folder / "no").exists()
    assert shell.vox("verify", "out/bright.nii.gz", "--signer", found["signers"][0]).returncode == 0
    assert shell.vox("verify", "out/bright.nii.gz", "--signer", "peer:" + "0" * 64).returncode == 1


def test_a_changed_file_or_a_missing_sidecar_is_told(shell: Shell) -> None:
    shell.ok("submit", "p.imgql")
    path = shell.folder / "out/bright.nii.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    wrong = shell.vox("verify", "out/bright.nii.gz")
    assert wrong.returncode == 1
    assert "error[E0630]" in wrong.stderr
    assert shell.vox("verify", "image.nii").returncode == 0
    (shell.folder / "image.nii.vox.json").unlink()
    assert shell.vox("verify", "image.nii").returncode == 2


def test_provenance_can_be_left_out_and_does_not_vouch_for_what_nobody_signed(shell: Shell) -> None:
    shell.ok("submit", "p.imgql", "--no-provenance")
    assert not list(shell.folder.rglob("*.vox.json"))
    shell.ok("run", "p.imgql", "--execution-engine", "sequential", "--storage-backend", "memory")
    document = json.loads((shell.folder / "image.nii.vox.json").read_text())
    assert document["complete"] is False
    assert "gap" in shell.vox("verify", "image.nii").stderr


def test_a_cached_submission_with_provenance_loads_nothing_heavy(shell: Shell) -> None:
    time.sleep(0.2)
    shell.ok("submit", "p.imgql")
    first = (shell.folder / "out/bright.nii.gz.vox.json").read_bytes()
    (shell.folder / "out/bright.nii.gz.vox.json").unlink()
    assert not shell.modules("submit", "p.imgql") & HEAVY
    assert (shell.folder / "out/bright.nii.gz.vox.json").read_bytes() == first


def test_an_execution_becomes_one_page(shell: Shell) -> None:
    name = shell.document("submit", "p.imgql")["execution"]
    assert shell.document("report", name, "-o", "r/report.html")["path"] == "r/report.html"
    text = (shell.folder / "r/report.html").read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 2
    assert "out/bright.nii.gz on image.nii.gz" in text
    assert "let bright = image &gt;. level" in text
    assert "all attested" in text
    assert "<script" not in text
    assert shell.vox("report", "nothing").returncode == 2


def test_settings_are_shown_with_where_they_came_from(shell: Shell) -> None:
    shell.write("vox.toml", "[engine]\nretries = 5\n")
    rows = {row["key"]: row for row in shell.document("config", "show")["settings"]}
    assert (rows["engine.retries"]["value"], rows["engine.retries"]["origin"]) == (
        5,
        str(shell.folder / "vox.toml"),
    )
    assert rows["store.path"]["origin"] == "environment"
    assert rows["p2p.enabled"]["origin"] == "default"
    assert "engine.retries" in shell.ok("config", "show")


def test_peers_without_a_coordinator_say_what_is_missing(shell: Shell) -> None:
    for verb in ("list", "discover"):
        done = shell.vox("peers", verb)
        assert done.returncode == 3
        assert "coordinator" in done.stderr
