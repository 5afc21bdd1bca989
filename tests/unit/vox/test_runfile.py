"""Run files: found while their process lives, and only then."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vox import runfile
from vox.errors import StoreUnusable

HOLDER = """
import sys, time
from pathlib import Path
from vox import runfile
path = Path(sys.argv[1])
with runfile.held(path, "a test"):
    runfile.write(path, {"pid": 1})
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "thing.json"


def test_it_is_read_while_it_is_held_and_gone_afterwards(path: Path) -> None:
    assert runfile.read(path) is None
    with runfile.held(path, "a test"):
        assert runfile.read(path) is None
        runfile.write(path, {"url": "http://x"})
        assert path.stat().st_mode & 0o077 == 0
        assert runfile.read(path) == {"url": "http://x"}
    assert runfile.read(path) is None
    assert not path.exists()


def test_only_one_process_holds_it_and_a_killed_one_holds_nothing(path: Path) -> None:
    root = str(Path(runfile.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, env={"PYTHONPATH": root}
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert runfile.read(path) == {"pid": 1}
        with pytest.raises(runfile.AlreadyRunning, match="a test is running"), runfile.held(path, "a test"):
            pass
        holder.kill()
        holder.wait(10)
    assert path.is_file()
    assert runfile.read(path) is None
    with runfile.held(path, "a test"):
        assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"half": '])
def test_a_damaged_one_is_none(path: Path, content: bytes) -> None:
    with runfile.held(path, "a test"):
        path.write_bytes(content)
        assert runfile.read(path) is None


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusable), runfile.held(tmp_path / "file" / "x.json", "a test"):
        pass


def test_where_the_coordinator_s_is_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOX_STATE_DIR", str(tmp_path))
    assert runfile.coordinator_file() == tmp_path / "coordinator.json"
    with runfile.held(runfile.coordinator_file(), "a test"):
        runfile.write(runfile.coordinator_file(), {"a": 1})
        assert json.loads((tmp_path / "coordinator.json").read_text()) == {"a": 1}
