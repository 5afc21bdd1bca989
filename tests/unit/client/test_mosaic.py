import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from client.mosaic import RESULT, TRUTH, draw_mosaic, png_bytes, write_mosaic
from vox.errors import InputError
from vox.operators.values import Geometry, Image

RAS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def volume(voxels: np.ndarray, direction: tuple[float, ...] = LPS) -> Image:
    z, y, x = voxels.shape
    return Image(Geometry((x, y, z), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), direction), voxels)


def head() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    z, y, x = np.ogrid[:30, :40, :40]
    base = (((x - 20) / 18) ** 2 + ((y - 20) / 18) ** 2 + ((z - 15) / 13) ** 2 < 1) * 500
    lesion = ((x - 12) ** 2 + (y - 14) ** 2 + (z - 16) ** 2) < 25
    larger = ((x - 12) ** 2 + (y - 14) ** 2 + (z - 16) ** 2) < 49
    return base.astype(np.int16), lesion.astype(np.uint8), larger.astype(np.uint8)


def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == np.array(colour, np.uint8)).all(axis=2).sum())


def test_the_result_is_orange_and_the_truth_sky_blue() -> None:
    base, lesion, larger = head()
    picture = draw_mosaic(volume(base), volume(lesion), volume(larger))
    assert count(picture, RESULT) > 200
    assert count(picture, TRUTH) > 200
    assert count(draw_mosaic(volume(base), volume(lesion)), TRUTH) == 0


def test_the_picture_shows_the_patient_the_same_way_whatever_way_the_file_counts() -> None:
    base, lesion, _ = head()
    picture = draw_mosaic(volume(base), volume(lesion))
    turned = draw_mosaic(volume(base[:, ::-1, ::-1].copy(), RAS), volume(lesion[:, ::-1, ::-1].copy(), RAS))
    # Only the indices written on the slices differ; they stand in the first rows of each tile.
    same = (picture == turned).all(axis=2)
    assert same[60:300].all()


def test_an_empty_result_still_gives_a_picture() -> None:
    base, lesion, _ = head()
    assert draw_mosaic(volume(base), volume(np.zeros_like(lesion))).ndim == 3


def test_a_flat_image_gives_one_row() -> None:
    pixels = np.zeros((1, 30, 50), np.uint8)
    pixels[0, 5:20, 5:20] = 200
    geometry = Geometry((50, 30), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    picture = draw_mosaic(Image(geometry, pixels), Image(geometry, (pixels > 0).astype(np.uint8)))
    assert count(picture, RESULT) > 50


def test_another_size_is_told() -> None:
    base, lesion, _ = head()
    with pytest.raises(InputError) as caught:
        draw_mosaic(volume(base), volume(lesion[:-1]))
    assert caught.value.code == "E0306"


def test_the_png_is_read_back_by_another_reader(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (7, 9, 3), np.uint8)
    data = png_bytes(pixels)
    assert struct.unpack(">II", data[16:24]) == (9, 7)
    (tmp_path / "a.png").write_bytes(data)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.png"))), pixels)
    assert zlib.crc32(b"IEND").to_bytes(4, "big") == data[-4:]


def test_a_mosaic_is_drawn_from_files(tmp_path: Path) -> None:
    base, lesion, larger = head()
    for name, voxels in (("base", base), ("mask", lesion), ("truth", larger)):
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / f"{name}.nii.gz"))
    paths = [tmp_path / f"{name}.nii.gz" for name in ("base", "mask", "truth")]
    write_mosaic(paths[0], paths[1], tmp_path / "out.png", paths[2])
    assert sitk.ReadImage(str(tmp_path / "out.png")).GetNumberOfComponentsPerPixel() == 3
