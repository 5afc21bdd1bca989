import gzip
import hashlib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from client.phantom import SHAPE, Case, make_case, nifti_bytes, read_shipped

DATA = Path(str(files("client"))) / "data"


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(
        read_shipped(DATA / "mni_gm_2mm.nii.gz"), read_shipped(DATA / "mni_wm_2mm.nii.gz"), 2019, 1
    )


def test_the_shipped_maps_are_read_as_other_readers_read_them() -> None:
    for name in ("t1", "gm", "wm"):
        path = DATA / f"mni_{name}_2mm.nii.gz"
        reference = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert np.array_equal(read_shipped(path), reference)


def test_a_seed_gives_the_same_voxels_on_every_machine(case: Case) -> None:
    found = [
        hashlib.sha256(voxels.astype("<i2").tobytes()).hexdigest() for voxels in (case.flair, case.truth)
    ]
    assert found == [
        "163fff0fd5497772c70059e152e1f0dc000163165f8435e3e29b50008ac0eb17",
        "eb0b59f245d97a72e9899f7517c5f8c758782501c4fc96a51cd054e4399154cc",
    ]


def test_other_numbers_and_seeds_give_other_cases(case: Case) -> None:
    grey, white = (read_shipped(DATA / f"mni_{name}_2mm.nii.gz") for name in ("gm", "wm"))
    assert not np.array_equal(make_case(grey, white, 2019, 2).truth, case.truth)
    assert not np.array_equal(make_case(grey, white, 2020, 1).truth, case.truth)


def test_a_case_has_the_size_of_a_clinical_one_and_lesions_of_a_plausible_size(case: Case) -> None:
    assert case.flair.shape == case.truth.shape == SHAPE == (155, 240, 240)
    assert case.flair.dtype == np.int16
    assert 1 <= case.lesions <= 3
    assert 5_000 < np.count_nonzero(case.truth) < 120_000
    assert set(np.unique(case.truth)) == {0, 1, 2}
    lesion, brain = (
        case.flair[case.truth > 0].mean(),
        case.flair[(case.truth == 0) & (case.flair > 300)].mean(),
    )
    assert lesion > 1.3 * brain


def test_the_same_voxels_give_the_same_file() -> None:
    voxels = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    data = nifti_bytes(voxels)
    assert nifti_bytes(voxels) == data
    raw = gzip.decompress(data)
    assert len(raw) == 352 + voxels.nbytes


def test_a_written_case_lies_centred_in_space(tmp_path: Path) -> None:
    voxels = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    (tmp_path / "a.nii.gz").write_bytes(nifti_bytes(voxels))
    image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(image), voxels)
    assert image.GetSpacing() == (1.0, 1.0, 1.0)
    assert image.TransformContinuousIndexToPhysicalPoint((1.5, 1.0, 0.5)) == (0.0, 0.0, 0.0)
