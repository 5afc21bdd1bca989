from pathlib import Path

import numpy as np
import SimpleITK as sitk

from vox.operators.files import read_image


def test_a_file_beside_another_of_almost_the_same_name_is_read_from_itself(tmp_path: Path) -> None:
    for name, value in (("a.nii.gz", 7), ("a.nii", 9)):
        sitk.WriteImage(sitk.GetImageFromArray(np.full((2, 3, 4), value, np.int16)), str(tmp_path / name))
    assert int(read_image(tmp_path / "a.nii.gz").voxels.max()) == 7
    assert int(read_image(tmp_path / "a.nii").voxels.max()) == 9
