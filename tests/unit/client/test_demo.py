from pathlib import Path

import pytest

from client.demo import NOTICE, PROGRAMS, program_text, write_demo
from vox.errors import OutputError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def test_the_demo_writes_the_examples_the_images_with_their_notice_and_the_cases(tmp_path: Path) -> None:
    written = write_demo(tmp_path / "demo", cases=1, seed=5)
    names = {path.name for path in written}
    assert {*PROGRAMS, NOTICE, "mni_t1_2mm.nii.gz", "case001_flair.nii.gz", "case001_seg.nii.gz"} <= names
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == sorted(names)
    assert "Montreal Neurological Institute" in (tmp_path / "demo" / NOTICE).read_text()
    first = {path.name: path.read_bytes() for path in written}
    assert {path.name: path.read_bytes() for path in write_demo(tmp_path / "demo", cases=1, seed=5)} == first


def test_every_example_is_shipped_and_nothing_else() -> None:
    assert sorted(PROGRAMS) == sorted(path.name for path in EXAMPLES.glob("*.imgql"))
    for name in PROGRAMS:
        assert program_text(name) == (EXAMPLES / name).read_text()


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("in the way")
    with pytest.raises(OutputError, match="is a file"):
        write_demo(tmp_path / "demo")
