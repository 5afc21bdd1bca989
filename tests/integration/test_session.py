"""The Python face: submit, watch, and take results in the form one needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

import vox
from client.engines import open_local
from client.session import Session
from tests.support.cli import write_image
from vox.errors import ProgramError, UsageError
from vox.events import ExecutionFinished, ExecutionStarted
from vox.settings import Settings, StoreSettings

PROGRAM = """
let level = 150
let image = intensity(picture)
print "largest" max(image)
print "level" level
save "out/bright.nii.gz" image >. level
save "image.nii" image
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("VOX_STATE_DIR", str(tmp_path / "state"))
    write_image(tmp_path / "case.nii.gz", size=(70, 9, 6))
    (tmp_path / "p.imgql").write_text(PROGRAM)
    with open_local(Settings(store=StoreSettings(path=str(tmp_path / "store")))) as opened:
        yield opened


def test_results_come_as_numpy_simpleitk_nibabel_and_values(session: Session, tmp_path: Path) -> None:
    execution = session.submit(tmp_path / "p.imgql", {"picture": "case.nii.gz", "level": 200})
    events = list(execution)
    assert isinstance(events[0], ExecutionStarted)
    assert isinstance(events[-1], ExecutionFinished)
    read = sitk.ReadImage(str(tmp_path / "case.nii.gz"))
    voxels = sitk.GetArrayFromImage(read)
    assert execution.goal("largest").value == voxels.max()
    assert execution.goal("level").value == 200
    mask = execution.goal("bright")
    assert mask.to_numpy().dtype == np.bool_
    assert np.array_equal(mask.to_numpy(), voxels > 200)
    assert np.array_equal(sitk.GetArrayFromImage(mask.to_sitk()), voxels > 200)
    image = execution.goal("image.nii")
    assert np.array_equal(image.to_numpy(), voxels)
    assert image.to_sitk().GetOrigin() == read.GetOrigin()
    ours, theirs = image.to_nibabel(), nibabel.load(tmp_path / "case.nii.gz")
    assert np.allclose(ours.affine, theirs.affine)
    assert np.array_equal(ours.get_fdata(), theirs.get_fdata())


def test_a_goal_that_does_not_exist_is_told_with_those_that_do(session: Session, tmp_path: Path) -> None:
    execution = session.submit(tmp_path / "p.imgql", {"picture": str(tmp_path / "case.nii.gz")})
    with pytest.raises(UsageError) as caught:
        execution.goal("nothing")
    assert "largest" in caught.value.hint
    with pytest.raises(UsageError, match="not an image"):
        execution.goal("largest").to_numpy()


def test_a_wrong_program_is_an_exception_with_its_findings(session: Session, tmp_path: Path) -> None:
    (tmp_path / "q.imgql").write_text('print "a" nothing\nprint "b" nowhere\n')
    with pytest.raises(ProgramError) as caught:
        session.submit(tmp_path / "q.imgql")
    assert len(caught.value.diagnostics) == 2


def test_the_package_itself_submits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VOX_STORE_PATH", str(tmp_path / "store"))
    (tmp_path / "p.imgql").write_text('print "two" 1 .+. 1\n')
    from client import engines

    try:
        assert vox.submit(tmp_path / "p.imgql").goal("two").value == 2
        assert vox.submit(tmp_path / "p.imgql").result().nodes.computed == 0
    finally:
        engines.close_shared()
