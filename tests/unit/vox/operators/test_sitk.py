"""Functions of SimpleITK as operators: what goes in, what comes out, what is said when they refuse."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK

from tests.golden import regenerate_sitk
from tests.support.imgql2 import findings2, run2
from tests.support.volumes import geometry, image, mask
from vox.errors import OperatorError
from vox.operators import sitk, sitk_signatures, sitk_table
from vox.operators.catalogue import CATALOGUE
from vox.operators.values import Sequence

READ = 'img = ReadImage("flat.nii")\ncube = ReadImage("cube.nii")\n'
PLACE = geometry((9, 8, 4), (1.0, 2.0, 3.0), (5.0, 6.0, 7.0))
RAMP = image(PLACE, np.arange(PLACE.voxels))


def answer(expression: str) -> str:
    return run2(f'{READ}print "a" {expression}', dialect="v2")[0].removeprefix("a=")


@pytest.mark.skipif(
    SimpleITK.Version.VersionString() != sitk_table.VERSION, reason="the table is of another version"
)
def test_the_table_is_what_the_library_says_of_itself():
    assert regenerate_sitk.TABLE.read_text() == regenerate_sitk.table()


def test_every_function_of_the_library_is_an_operator_or_known_to_be_none():
    names = {name for name, _ in regenerate_sitk.functions()} - regenerate_sitk.OWN_FORMS
    assert len(names - sitk_signatures.UNUSABLE) >= 290
    for name in names - sitk_signatures.UNUSABLE:
        assert callable(CATALOGUE.named(f"simpleitk.{name}").load())


def test_a_program_is_checked_without_loading_the_library():
    text = (
        "import sys; from vox.imgql import SourceText, collect, check_bundle\n"
        'text = \'img = ReadImage("a.nii")\\nprint "a" max(Median(img, 1))\'\n'
        "print(check_bundle(collect(SourceText('a', text), lambda a, b: None)), 'SimpleITK' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[] False", done.stderr


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("Statistics(BinaryThreshold(img, 10, 19, 255, 0))[5]", "2550.0"),
        ("max(Median(img, 1)) - max(Median(img, [1, 1]))", "0.0"),
        ("max(Extract(cube, vector_uint32([5, 5, 0]), [0, 0, 2]))", "74.0"),
        ("max(x(Extract(cube, [3, 5, 0], [0, 0, 2])))", "2.0"),
        ('max(Cast(RescaleIntensity(img, 0, 255), GetPixelIDValueFromString("sitkUInt16")))', "255.0"),
        ('GetPixelIDValueAsString(GetPixelIDValueFromString("sitkInt8"))', "8-bit signed integer"),
        ("volume(BinaryDilate(img == 24, [1, 1]))", "9.0"),
        ("max(ConnectedComponent(img > 40))", "1.0"),
        ("max(Add(img, img > 3))", "49.0"),
        ("max(Mask(img, img < 10))", "9.0"),
        ("volume(ConnectedThreshold(img, [[3, 3]], 20, 30))", "11.0"),
        ("max(ChangeLabel(img > 3, [[1, 5]]))", "5.0"),
        ("volume(touch(CurvatureFlow(img, 0.01, 3) > 40, border))", "8.0"),
        ("avg(img, OtsuThreshold(img, 0, 1))", "36.5"),
        ("max(red(Compose(img, img + 1, img)))", "48.0"),
        ("max(VectorMagnitude(Gradient(img))) > 7", "True"),
        ("max(Gradient(img))", "E0405"),
        ("max(BinaryImageToLabelMap(img > 3))", "1.0"),
        ("max(ComplexToModulus(ForwardFFT(cube)))", "E0432"),
        ("max(Median(img, 1.5))", "E0430"),
        ('max(Median(img, ["a"]))', "E0430"),
        ("max(Extract(cube, [9, 9, 9], [0, 0, 0]))", "E0431"),
        ("max(N4BiasFieldCorrection(img + 1, img >= 0, 0.001, [2])) > 0", "True"),
    ],
)
def test_functions_take_what_programs_have(expression: str, printed: str):
    assert answer(expression) == printed


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("Median(3)", "E0209"),
        ("Median(img, 1, 1)", "E0208"),
        ("simpleitk.Medain(img)", "E0259"),
        ("simpleitk.ReadTransform(3)", "E0260"),
        # Without a seed it would be another image each time.
        ("ShotNoise(img)", "E0208"),
        ("max(Median(cube) + img)", "E0217"),
    ],
)
def test_mistakes_are_found_before_anything_runs(expression: str, code: str):
    assert [each.code for each in findings2(f'{READ}print "a" {expression}', dialect="v2")] == [code]


def test_a_failure_has_the_words_of_the_library_and_the_signatures():
    with pytest.raises(OperatorError) as caught:
        sitk.call("Extract", RAMP, Sequence((99.0, 1.0, 1.0)))
    assert caught.value.message.startswith("`Extract` failed: ")
    assert "0x" not in caught.value.message
    assert caught.value.hint == "it takes (image, [integers]?, [integers]?, enumeration?)"


def test_results_keep_their_place_and_become_types_that_images_have():
    for function, dtype in (("Median", "float32"), ("Sqrt", "float32"), ("ConnectedComponent", "uint16")):
        given = mask(PLACE, np.arange(PLACE.voxels) % 5 > 2) if dtype == "uint16" else RAMP
        result = sitk.call(function, given)
        assert (result.geometry, result.voxels.dtype.name) == (PLACE, dtype)
    wide = SimpleITK.Cast(sitk.to_sitk(RAMP), SimpleITK.sitkInt32) * 100_003
    assert sitk.value_of("Multiply", wide).voxels.max() == np.float32((PLACE.voxels - 1) * 100_003)
    small = sitk.value_of("Multiply", wide // 100_003 - 5).voxels
    assert (small.dtype.name, small.min()) == ("int16", -5)


def test_what_the_table_says_of_places_is_so():
    for name, signature in sitk_signatures.SIGNATURES.items():
        plain = any(letters.partition("?")[0] == "I" for letters in signature.overloads)
        if not plain or not signature.same_place or signature.result != "M":
            continue
        try:
            result = sitk.call(name, RAMP)
        except OperatorError:
            continue
        assert result.geometry.same_place(PLACE), name
