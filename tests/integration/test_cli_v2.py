"""Programs of V2 from the command line: cases, folders, formatting, the prompt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.cli import Shell
from tests.support.volumes import geometry, image
from vox.operators.files import file_image

PROGRAM = """
import "simpleitk"
bg = touch(flair < 5, border)
print "dice" 2 * volume(bg) / (volume(bg) + volume(seg > 0))
print "levels" for t in range(2) do volume(flair > t)
save "bg.nii.gz" bg
save "levels.json" [1, "a"]
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    place = geometry((6, 5, 4), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))
    for case, step in (("P1", 1), ("P2", 2)):
        folder = tmp_path / "data" / case
        folder.mkdir(parents=True)
        for name, voxels in (("flair", np.arange(120) * step), ("seg", np.arange(120) < 6)):
            data = file_image(image(place, voxels.astype(np.float32)), ".nii").data
            (folder / f"{case}_{name}.nii").write_bytes(data)
    (tmp_path / "program.imgql").write_text(PROGRAM)
    return Shell(tmp_path)


def test_one_program_runs_over_all_cases_in_one_execution(shell: Shell) -> None:
    document = shell.document(
        *("submit", "program.imgql", "--cases", "data/*", "--out", "out", "--table", "out/cases.csv")
    )
    values = {goal["label"]: goal.get("value") for goal in document["goals"]}
    assert values["P1/levels"] == [119.0, 118.0]
    assert values["P2/levels"] == [119.0, 119.0]
    assert values["P1/dice"] == pytest.approx(10 / 11)
    table = (shell.folder / "out" / "cases.csv").read_text().splitlines()
    assert table[0] == "case,dice,levels"
    assert [line.split(",")[0] for line in table[1:]] == ["P1", "P2"]
    assert (shell.folder / "out" / "P2" / "bg.nii.gz").exists()
    assert json.loads((shell.folder / "out" / "P2" / "levels.json").read_text()) == [1.0, "a"]
    again = shell.document("submit", "program.imgql", "--cases", "data", "--out", "out")
    assert again["nodes"]["computed"] == 0


def test_a_case_without_a_file_is_told_before_anything_runs(shell: Shell) -> None:
    (shell.folder / "data" / "P2" / "P2_seg.nii").unlink()
    done = shell.vox("submit", "program.imgql", "--cases", "data/*")
    assert done.returncode == 2
    assert "E0272" in done.stderr
    assert "P2" in done.stderr


def test_a_folder_is_listed_when_a_program_is_submitted(shell: Shell) -> None:
    text = 'import "simpleitk"\nfs = dir("data", "*_flair.nii", true)\nprint "n" length(fs)\nprint "a" fs\n'
    text += 'f(p) = max(ReadImage(strings.concat("data/", p)))\nprint "m" map(f, fs)\n'
    (shell.folder / "list.imgql").write_text(text)
    lines = shell.ok("submit", "list.imgql").splitlines()
    assert lines == ["n=2", "a=['P1/P1_flair.nii', 'P2/P2_flair.nii']", "m=[119.0, 238.0]"]
    (shell.folder / "data" / "P1" / "P1_flair.nii").unlink()
    assert shell.ok("submit", "list.imgql").splitlines()[0] == "n=1"


def test_the_dialect_can_be_said(shell: Shell) -> None:
    (shell.folder / "both.imgql").write_text('print "a" 1 .-. 2 .-. 3\n')
    assert shell.ok("run", "both.imgql") == "a=2.0\n"
    assert shell.ok("run", "both.imgql", "--dialect", "v2") == "a=-4.0\n"


def test_programs_are_laid_out(shell: Shell) -> None:
    path = shell.folder / "ugly.imgql"
    path.write_text('//@card\na=1+(2*3)  // why\n\n\n\nprint "a"   a\n')
    assert shell.vox("fmt", "--check", "ugly.imgql").returncode == 1
    shell.ok("fmt", "ugly.imgql")
    assert path.read_text() == '//@card\na = 1 + (2 * 3)  // why\n\nprint "a" a\n'
    assert shell.vox("fmt", "--check", "ugly.imgql").returncode == 0


def test_the_prompt_answers_and_goes_on_after_a_mistake(shell: Shell) -> None:
    said = "x = 3\nx + 4\nnosuch\n[1, 2] * x\n:show\n:quit\n"
    done = subprocess.run(
        [sys.executable, "-m", "client.main", "repl"],
        cwd=shell.folder,
        env=shell.environment,
        input=said,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0
    for answer in ("7.0", "[3.0, 6.0]", "x = 3"):
        assert answer in done.stdout
    assert "unknown name `nosuch`" in done.stderr
