"""`vox store …` and `vox audit` from the shell."""

from pathlib import Path

import pytest

from tests.support.cli import PROGRAM, Shell, write_image


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    write_image(tmp_path / "image.nii.gz")
    made = Shell(tmp_path)
    made.write("p.imgql", PROGRAM)
    return made


def blobs(shell: Shell) -> int:
    count: int = shell.document("store", "stats")["blobs"]
    return count


def test_what_was_computed_is_backed_up_collected_and_restored(shell: Shell) -> None:
    shell.ok("submit", "p.imgql")
    before = blobs(shell)
    assert before > 0
    shell.ok("store", "backup", "copy")
    assert shell.vox("store", "backup", "copy").returncode == 2
    would = shell.document("store", "collect", "--to", "1MB", "--dry-run")
    assert blobs(shell) == before
    shell.ok("store", "collect", "--to", "1KB")
    left = blobs(shell)
    assert left <= before - (1 if would["collected"] else 0)
    told = shell.document("store", "restore", "copy")
    assert told["before"]
    assert blobs(shell) == before
    assert shell.document("store", "check")["corrupt"] == []
    assert [entry["verb"] for entry in shell.document("audit")["entries"]][-1] == "restore"
    assert shell.vox("store", "restore", "nowhere").returncode == 2
    assert shell.document("submit", "p.imgql")["nodes"]["computed"] == 0


def test_an_execution_is_taken_back_and_computed_again(shell: Shell) -> None:
    first = shell.document("submit", "p.imgql")
    computed = first["nodes"]["computed"]
    assert shell.document("submit", "p.imgql")["nodes"]["computed"] == 0
    marks = [mark["name"] for mark in shell.document("store", "rollback", "--list")["marks"]]
    assert first["execution"] in marks
    assert shell.document("store", "rollback", first["execution"])["withdrawn"] > 0
    assert shell.document("submit", "p.imgql")["nodes"]["computed"] == computed
    assert shell.vox("store", "rollback", "never").returncode == 2
    audit = shell.document("audit", "--verb", "rollback")
    assert audit["intact"]
    assert len(audit["entries"]) == 1


@pytest.mark.parametrize("backend", ["hybrid", "filesystem"])
def test_a_store_is_exported_encrypted_and_used(shell: Shell, backend: str) -> None:
    digests = [goal["digest"] for goal in shell.document("submit", "p.imgql")["goals"]]
    shell.ok("store", "key", "key")
    told = shell.document("store", "export", "closed", "--backend", backend, "--key", "file:key")
    assert told["blobs"] == blobs(shell)
    locked = {"VOX_STORE_PATH": str(shell.folder / "closed"), "VOX_STORE_BACKEND": backend}
    done = Shell(shell.folder, locked).vox("store", "check")
    assert done.returncode == 2
    assert "E0507" in done.stderr
    opened = Shell(shell.folder, {**locked, "VOX_STORE_KEY": f"file:{shell.folder / 'key'}"})
    assert opened.document("store", "check")["corrupt"] == []
    again = opened.document("submit", "p.imgql")
    assert [goal["digest"] for goal in again["goals"]] == digests
    assert again["nodes"]["computed"] == 0
    opened.ok("store", "key", "new", "--rotate")
    assert opened.vox("store", "stats").returncode == 2
