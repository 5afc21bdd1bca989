"""One program over the cases of a data set: one execution, a table, files by case."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.support.cli import Shell, write_image

PROGRAM = """
let image = intensity(flair)
print "volume" volume(image >. 150)
print "largest" max(image)
save "bright.nii.gz" image >. 150
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    for at, name in enumerate(("one", "two")):
        (tmp_path / "data" / name).mkdir(parents=True)
        write_image(tmp_path / "data" / name / f"{name}_flair.nii.gz", seed=at)
        write_image(tmp_path / f"{name}-flair.nii.gz", seed=at)
    made = Shell(tmp_path)
    made.write("p.imgql", PROGRAM)
    return made


def test_all_cases_run_in_one_execution_and_end_as_a_table(shell: Shell) -> None:
    words = ("submit", "p.imgql", "--cases", "data", "--out", "o", "--table")
    lines = shell.ok(*words, "t/t.csv").splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["case", "one", "two"]
    with (shell.folder / "t/t.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["case"] for row in rows] == ["one", "two"]
    done = shell.document(*words, "t.tsv")
    values = {goal["label"]: goal.get("value") for goal in done["goals"]}
    assert {f"{row['case']}/volume": float(row["volume"]) for row in rows} == {
        label: value for label, value in values.items() if label.endswith("volume")
    }
    assert (shell.folder / "t.tsv").read_text().splitlines()[0].split("\t") == ["case", "volume", "largest"]
    for name in ("one", "two"):
        assert shell.document("verify", f"o/{name}/bright.nii.gz")["holds"]
    shell.ok("report", done["execution"], "-o", "r.html")
    assert "mean ± sd" in (shell.folder / "r.html").read_text(encoding="utf-8")


def test_a_glob_layout_is_about_the_end_of_paths(shell: Shell) -> None:
    document = shell.document(
        "submit", "p.imgql", "--cases", "*.nii.gz", "--layout", "glob:{case}-{name}.nii.gz"
    )
    assert {goal["label"].partition("/")[0] for goal in document["goals"]} == {"one", "two"}
    assert not list(shell.folder.glob("cases.*"))
    missing = shell.vox("submit", "p.imgql", "--cases", "nowhere")
    assert missing.returncode == 2
    assert "E0271" in missing.stderr
