"""Everything a person can get wrong: one clear error with code, place and hint; nothing left half-done."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Shell, write_image
from tests.support.cluster import running_cluster

GOOD = 'load f = "image.nii.gz"\nlet i = intensity(f)\nprint "max" max(i)\nsave "s.nii.gz" i >. 150\n'


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    write_image(tmp_path / "image.nii.gz")
    made = Shell(tmp_path)
    made.write("p.imgql", GOOD)
    return made


def refused(shell: Shell, code: str, status: int, *arguments: str, place: str = "", hint: bool = True) -> str:
    """Run `vox`, and hold what it says to the rules; return its standard error."""
    before = left(shell)
    done = shell.vox(*arguments)
    assert done.returncode == status, done.stderr
    headings = re.findall(r"^error\[(E\d{4})\]: .+", done.stderr, re.MULTILINE)
    assert headings == [code], done.stderr
    assert "Traceback" not in done.stderr
    if hint:
        assert "= help: " in done.stderr
    if place:
        assert f"--> {place}" in done.stderr
    assert left(shell) == before
    document = json.loads(shell.vox(*arguments, "--json").stdout)
    assert [error["code"] for error in document["errors"]] == [code]
    assert bool(document["errors"][0]["spans"]) == bool(place)
    return done.stderr


def left(shell: Shell) -> set[str]:
    """Return the files of a folder, but for what commands keep for themselves."""
    return {
        str(path.relative_to(shell.folder))
        for path in shell.folder.rglob("*")
        if not {".home", "disk", "cluster"} & set(path.parts) and path.is_file()
    }


# Inputs ----------------------------------------------------------------------------------------------


def test_an_image_that_is_missing(shell: Shell) -> None:
    shell.write("p.imgql", GOOD.replace("image.nii.gz", "imgae.nii.gz"))
    refused(shell, "E0301", 2, "submit", "p.imgql", place="p.imgql:1:10")


def test_an_image_that_is_a_directory(shell: Shell) -> None:
    (shell.folder / "folder").mkdir()
    shell.write("p.imgql", GOOD.replace("image.nii.gz", "folder"))
    refused(shell, "E0302", 2, "submit", "p.imgql", place="p.imgql:1:10")


@pytest.mark.parametrize("damage", ["text", "short", "empty"])
def test_an_image_that_cannot_be_read(shell: Shell, damage: str) -> None:
    whole = (shell.folder / "image.nii.gz").read_bytes()
    contents = {"text": b"I am no image", "short": whole[: len(whole) // 2], "empty": b""}
    (shell.folder / "image.nii.gz").write_bytes(contents[damage])
    refused(shell, "E0303", 2, "submit", "p.imgql", place="p.imgql:1:10")


def test_an_image_that_may_not_be_read(shell: Shell) -> None:
    (shell.folder / "image.nii.gz").chmod(0)
    if os.access(shell.folder / "image.nii.gz", os.R_OK):
        pytest.skip("whoever runs this may read everything")
    refused(shell, "E0303", 2, "submit", "p.imgql", place="p.imgql:1:10")


def test_an_image_of_another_size(shell: Shell) -> None:
    write_image(shell.folder / "other.nii.gz", size=(9, 10, 8))
    shell.write(
        "p.imgql",
        'load f = "image.nii.gz"\nload g = "other.nii.gz"\nprint "max" max(intensity(f) + intensity(g))\n',
    )
    said = refused(shell, "E0217", 2, "submit", "p.imgql", place="p.imgql:2:10", hint=False)
    assert "image.nii.gz" in said
    assert "other.nii.gz" in said


# Programs --------------------------------------------------------------------------------------------


def test_a_program_that_is_missing(shell: Shell) -> None:
    refused(shell, "E0301", 2, "submit", "q.imgql")


def test_a_program_that_is_a_directory(shell: Shell) -> None:
    (shell.folder / "q.imgql").mkdir()
    refused(shell, "E0301", 2, "submit", "q.imgql")


def test_a_program_that_is_not_utf8(shell: Shell) -> None:
    (shell.folder / "p.imgql").write_bytes(GOOD.encode() + 'print "caf\xe9" 1\n'.encode("latin-1"))
    refused(shell, "E0205", 2, "submit", "p.imgql", place="p.imgql:5:11")


@pytest.mark.parametrize("text", ["", "  \n\n// nothing but words\n"])
def test_a_program_that_is_empty(shell: Shell, text: str) -> None:
    shell.write("p.imgql", text)
    refused(shell, "E0206", 2, "submit", "p.imgql", place="p.imgql:1:1")


def test_a_program_without_goals(shell: Shell) -> None:
    shell.write("p.imgql", 'load f = "image.nii.gz"\nlet i = intensity(f)\n')
    refused(shell, "E0207", 2, "submit", "p.imgql", place="p.imgql:2:")


def test_a_program_with_an_unknown_name_or_operator(shell: Shell) -> None:
    shell.write("p.imgql", GOOD.replace("max(i)", "maxx(i)"))
    assert "did you mean `max" in refused(shell, "E0201", 2, "submit", "p.imgql", place="p.imgql:3:13")
    shell.write("p.imgql", GOOD.replace("i >. 150", "i >>. 150"))
    refused(shell, "E0223", 2, "submit", "p.imgql", place="p.imgql:4:19")


def test_every_finding_is_told_not_just_the_first(shell: Shell) -> None:
    shell.write("p.imgql", 'load f = "nope.nii"\nprint "a" maxx(1)\nprint "b" nothing\n')
    done = shell.vox("check", "p.imgql")
    assert done.returncode == 2
    assert re.findall(r"error\[(\w+)\]", done.stderr) == ["E0301", "E0201", "E0201"]


@pytest.mark.parametrize(
    "arguments",
    [["submit"], ["submit", "p.imgql", "--set", "x"], ["submit", "p.imgql", "--timeout", "soon"], ["sumbit"]],
)
def test_a_command_line_that_makes_no_sense(shell: Shell, arguments: list[str]) -> None:
    done = shell.vox(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "rror" in done.stderr


# Outputs ---------------------------------------------------------------------------------------------


def test_a_directory_where_a_save_goes(shell: Shell) -> None:
    (shell.folder / "s.nii.gz").mkdir()
    refused(shell, "E0321", 1, "submit", "p.imgql")
    assert shell.vox("submit", "p.imgql").stdout.startswith("max=")


def test_a_file_where_the_folder_of_a_save_should_be(shell: Shell) -> None:
    (shell.folder / "results").write_text("in the way")
    refused(shell, "E0320", 1, "submit", "p.imgql", "--out", "results")


def mount(*arguments: str) -> bool:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, timeout=30).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)):
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=30)


def test_a_full_disk_where_a_save_goes(shell: Shell, disk: Path) -> None:
    (disk / "ballast").write_bytes(bytes(2 * 2**20 - 16 * 4096))
    write_image(shell.folder / "image.nii.gz", size=(100, 100, 50))
    shell.write("p.imgql", GOOD.replace("s.nii.gz", "s.nii"))
    refused(shell, "E0323", 1, "submit", "p.imgql", "--out", str(disk))
    assert os.listdir(disk) == ["ballast"]
    (disk / "ballast").unlink()
    again = shell.document("submit", "p.imgql", "--out", str(disk))
    assert again["nodes"]["computed"] == 0
    assert (disk / "s.nii").stat().st_size > 500_000


def test_a_save_folder_that_is_read_only(shell: Shell, disk: Path) -> None:
    assert mount("-o", "remount,ro", str(disk))
    refused(shell, "E0322", 1, "submit", "p.imgql", "--out", str(disk))


# The store -------------------------------------------------------------------------------------------


def test_a_full_disk_under_the_store(shell: Shell, disk: Path) -> None:
    shell.settings["VOX_STORE_PATH"] = str(disk / "store")
    write_image(shell.folder / "image.nii.gz", size=(200, 150, 100), kind="float32")
    done = shell.vox("submit", "p.imgql")
    assert done.returncode == 1, done.stderr
    assert "error[E0503]" in done.stderr
    assert "= help: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (shell.folder / "s.nii.gz").exists()
    shell.settings.clear()
    assert shell.vox("submit", "p.imgql").returncode == 0


def test_a_store_that_is_read_only(shell: Shell, disk: Path) -> None:
    assert mount("-o", "remount,ro", str(disk))
    shell.settings["VOX_STORE_PATH"] = str(disk / "store")
    refused(shell, "E0504", 2, "submit", "p.imgql")


def test_a_store_whose_folder_is_a_file(shell: Shell) -> None:
    (shell.folder / "store").write_text("not a store")
    shell.settings["VOX_STORE_PATH"] = str(shell.folder / "store")
    refused(shell, "E0504", 2, "submit", "p.imgql")


def test_a_store_of_a_later_version(shell: Shell) -> None:
    shell.ok("submit", "p.imgql")
    shutil.rmtree(shell.folder / ".home" / "state")
    (file,) = (shell.folder / ".home" / "store").glob("*.sqlite3")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    assert "999" in refused(shell, "E0504", 2, "submit", "p.imgql")


def test_a_folder_that_holds_something_else_than_a_store(shell: Shell) -> None:
    shell.ok("store", "stats")
    (file,) = (shell.folder / ".home" / "store").glob("*.sqlite3")
    for rest in file.parent.iterdir():
        rest.unlink()
    file.write_bytes(b"something else entirely" * 1000)
    refused(shell, "E0504", 2, "submit", "p.imgql")


# Settings and the coordinator ------------------------------------------------------------------------


def test_a_setting_that_does_not_exist(shell: Shell) -> None:
    (shell.folder / "vox.toml").write_text('[store]\npaht = "x"\n')
    assert "store.path" in refused(shell, "E0900", 2, "submit", "p.imgql")


def test_a_coordinator_that_is_not_there(shell: Shell) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    refused(shell, "E0802", 3, "submit", "p.imgql", "--coordinator", url)
    shell.settings["VOX_HTTP_COORDINATOR"] = url
    refused(shell, "E0802", 3, "submit", "p.imgql")
    assert not (shell.folder / "s.nii.gz").exists()


def test_a_coordinator_that_is_something_else(shell: Shell) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "http.server",
                "--bind",
                "127.0.0.1",
                "0",
                "--directory",
                str(shell.folder),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            text=True,
        )
        try:
            assert process.stdout is not None
            port = re.search(r"port (\d+)", process.stdout.readline())
            assert port is not None
            url = f"http://127.0.0.1:{port.group(1)}"
            refused(shell, "E0802", 3, "submit", "p.imgql", "--coordinator", url)
        finally:
            process.kill()
            process.wait(30)
    refused(shell, "E0101", 2, "submit", "p.imgql", "--coordinator", "ftp://somewhere")


def test_a_coordinator_that_left_its_run_file_is_not_asked(shell: Shell) -> None:
    folder = shell.folder / ".home" / "state"
    folder.mkdir(parents=True)
    (folder / "coordinator.json").write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    assert shell.vox("submit", "p.imgql").returncode == 0


def test_a_wrong_token_and_a_port_in_use(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    with running_cluster(tmp_path / "cluster", workers=()) as cluster:
        shell = Shell(tmp_path, {"VOX_TOKEN": "vox-api-wrong"})
        write_image(tmp_path / "image.nii.gz")
        shell.write("p.imgql", GOOD)
        refused(shell, "E0610", 4, "submit", "p.imgql", "--coordinator", cluster.url)
        port = cluster.url.rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-m", "coordinator.main", "start", "--http-port", port, "--port", "0"],
            env=shell.environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 2
        assert "error[E0803]" in done.stderr
        assert "Traceback" not in done.stderr
