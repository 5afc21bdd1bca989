"""Programs in the style of the published gallery, run from the command line on a synthetic volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.cli import Shell
from tests.support.volumes import geometry, image
from vox.operators.files import file_image, read_image

THRESHOLD = """
// no import is needed
img = ReadImage("t1.nii")
range_of = MinimumMaximum(img)
lo = index(range_of, 0)
hi = index(range_of, 1)
mask = BinaryThreshold(img, lo + (hi-lo) / 3, hi, 255, 0)
stats = Statistics(mask)
print "max" index(stats, 1)
print "count" stats[6]
print "share" stats[2] / 255
"""
SMOOTH = """
import "simpleitk"
import "strings"
img = ReadImage("t1.nii")
smooth = CurvatureFlow(img, 0.05, 5)
out = concat("made/", $stem, "-smooth.nii.gz")
let _ = WriteImage(smooth, out)
print "less" Statistics(smooth)[3] < Statistics(img)[3]
"""
SLICE = """
import "simpleitk"
flair = ReadImage("t1.nii")
seg = flair > 60
size = [max(x) + 1, max(y) + 1]
best = argmax(for zi in range(0, max(z) + 1) do volume(and(seg, eq_sv(zi, z(flair)))))
plane = Extract(flair, vector_uint32([20, 16, 0]), vector_uint32([0, 0, best]))
print "best" best
let _ = WriteImage(Cast(RescaleIntensity(plane, 0, 255), GetPixelIDValueFromString("sitkUInt8")), "best.png")
save "plane.nii.gz" plane
"""
METRICS = """
img = ReadImage("t1.nii")
truth = img > 60
predicted = Median(img, 1) > 60
pixel_accuracy = arrays.pixel_accuracy(predicted, truth)
dice = arrays.dice_score(predicted, truth)
print "accuracy" index(pixel_accuracy, "accuracy")
print "dice" dice["dice_score"]
print "by hand" 2 * volume(and(predicted, truth)) / (volume(predicted) + volume(truth))
print "surface" [hd95(predicted, truth), nsd(predicted, truth, 1)]
save "metrics.json" [pixel_accuracy, dice]
"""
DRAWN = """
paper = geom.blank(32, 48)
drawn = regular_polygon(circle(paper, 12, 16, 8, 1), 36, 16, 9, 6, 2)
print "ones" count_pixels(drawn, 1)
print "parts" max(ConnectedComponent(drawn > 0))
save "drawn.png" drawn * 100
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    place = geometry((20, 16, 12), (1.0, 1.0, 2.0), (3.0, 4.0, 5.0))
    z, y, x = np.indices(place.shape)
    away = np.sqrt((x - 10) ** 2 + (y - 8) ** 2 + 4 * (z - 7) ** 2)
    noise = (np.arange(place.voxels).reshape(place.shape) * 7919) % 23
    voxels = np.clip(100 - 10 * away + noise, 0, 255).astype(np.float32)
    (tmp_path / "t1.nii").write_bytes(file_image(image(place, voxels), ".nii").data)
    return Shell(tmp_path)


def run(shell: Shell, name: str, text: str) -> dict[str, str]:
    (shell.folder / f"{name}.imgql").write_text(text)
    lines = shell.ok("submit", f"{name}.imgql").splitlines()
    assert shell.ok("submit", f"{name}.imgql").splitlines() == lines
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_sitk_threshold(shell: Shell) -> None:
    said = run(shell, "sitk-threshold", THRESHOLD)
    assert (said["max"], said["count"]) == ("255.0", "3840")
    assert 0 < float(said["share"]) < 1


def test_sitk_smooth(shell: Shell) -> None:
    assert run(shell, "sitk-smooth", SMOOTH) == {"less": "True"}
    made = read_image(shell.folder / "made" / "sitk-smooth-smooth.nii.gz")
    assert made.geometry == read_image(shell.folder / "t1.nii").geometry


def test_best_axial_slice(shell: Shell) -> None:
    assert run(shell, "best_axial_slice", SLICE) == {"best": "7"}
    plane = read_image(shell.folder / "plane.nii.gz")
    np.testing.assert_array_equal(plane.voxels[0], read_image(shell.folder / "t1.nii").voxels[7])
    picture = read_image(shell.folder / "best.png")
    assert (picture.geometry.size, int(picture.voxels.max())) == ((20, 16), 255)


def test_arrays_metrics(shell: Shell) -> None:
    said = run(shell, "arrays-metrics", METRICS)
    assert float(said["dice"]) == float(said["by hand"]) > 0.5
    assert 0.5 < float(said["accuracy"]) < 1
    assert (shell.folder / "metrics.json").exists()


def test_drawings_without_any_input(shell: Shell) -> None:
    said = run(shell, "drawn", DRAWN)
    assert (said["ones"], said["parts"]) == ("197", "2.0")
    assert (shell.folder / "drawn.png").exists()
