"""Reading image files, and the files that saves write."""

import gzip
import itertools
import struct
from contextlib import suppress

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from tests.support.volumes import flags, geometry, image, mask, voxels
from vox.digest import Digest
from vox.errors import InputError, OperatorError
from vox.operators import files, intensity, nifti, space
from vox.operators.values import Geometry, Image

RNG = np.random.default_rng(2)


def refusal(path):
    with pytest.raises(InputError) as caught:
        files.read_image(path)
    assert str(path) in caught.value.message
    return caught.value


def turned(size, seed):
    """A geometry as scanners have it: oblique, any handedness, far from the origin."""
    rng = np.random.default_rng(seed)
    n = len(size)
    rotation = np.linalg.qr(rng.normal(size=(n, n)))[0]
    spacing, origin = rng.random(n) + 0.3, rng.normal(size=n) * 100
    return Geometry(size, *(tuple(float(v) for v in a.reshape(-1)) for a in (spacing, origin, rotation)))


def as_sitk(value):
    array = value.voxels if value.geometry.dimension == 3 else value.voxels[0]
    out = sitk.GetImageFromArray(array, isVector=value.components > 1)
    out.SetSpacing(value.geometry.spacing)
    out.SetOrigin(value.geometry.origin)
    out.SetDirection(value.geometry.direction)
    return out


# -- reading


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16"])
def test_narrow_integers_stay_as_they_are(tmp_path, dtype):
    value = image(geometry((5, 4, 3)), RNG.integers(0, 100, 60), dtype)
    sitk.WriteImage(as_sitk(value), str(tmp_path / "i.nrrd"))
    read = files.read_image(tmp_path / "i.nrrd")
    assert read.voxels.dtype == dtype
    assert (read.voxels == value.voxels).all()


@pytest.mark.parametrize("dtype", ["int32", "uint32", "float64", "int64"])
def test_wide_numbers_become_float32(tmp_path, dtype):
    array = RNG.integers(0, 1000, (3, 4, 5)).astype(dtype)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "i.mha"))
    read = files.read_image(str(tmp_path / "i.mha"))
    assert read.voxels.dtype == np.float32
    assert (read.voxels == array).all()


def test_dimensions_of_one_voxel_are_dropped(tmp_path):
    array = RNG.integers(0, 100, (1, 4, 5)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "flat.nii.gz"))
    read = files.read_image(tmp_path / "flat.nii.gz")
    assert read.geometry.size == (5, 4)
    assert (read.voxels == array).all()
    upright = sitk.GetImageFromArray(array.reshape(5, 1, 4))
    upright.SetSpacing((2.0, 3.0, 4.0))
    sitk.WriteImage(upright, str(tmp_path / "upright.nii.gz"))
    assert files.read_image(tmp_path / "upright.nii.gz").geometry.spacing == (2.0, 4.0)


@pytest.mark.parametrize("size", [(1, 1, 1), (7, 1, 1), (1, 1, 7)])
def test_a_line_and_a_point_keep_two_dimensions(tmp_path, size):
    sitk.WriteImage(sitk.Image(size, sitk.sitkUInt8), str(tmp_path / "thin.mha"))
    read = files.read_image(tmp_path / "thin.mha")
    assert read.geometry.dimension == 2
    assert read.geometry.voxels == max(size)


@pytest.mark.parametrize("components", [3, 4])
def test_colour_pictures_keep_their_components(tmp_path, components):
    array = RNG.integers(0, 255, (4, 5, components)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(tmp_path / "c.png"))
    read = files.read_image(tmp_path / "c.png")
    assert read.components == components
    assert (read.voxels[0] == array).all()


def test_two_components_and_time_series_are_refused(tmp_path):
    pair = sitk.GetImageFromArray(np.zeros((4, 5, 2), np.float32), isVector=True)
    sitk.WriteImage(pair, str(tmp_path / "pair.mha"))
    assert refusal(tmp_path / "pair.mha").code == "E0304"
    series = sitk.Image((3, 3, 3, 3), sitk.sitkUInt8)
    sitk.WriteImage(series, str(tmp_path / "series.mha"))
    assert refusal(tmp_path / "series.mha").code == "E0304"


def test_a_missing_file_is_named_with_one_like_it(tmp_path):
    (tmp_path / "flair.nii.gz").write_bytes(b"")
    error = refusal(tmp_path / "flaire.nii.gz")
    assert error.code == "E0301"
    assert "flair.nii.gz" in error.hint


def test_a_directory_is_not_an_image(tmp_path):
    assert refusal(tmp_path).code == "E0302"


@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "a.png", "a.jpg", "a.nrrd", "a.mha", "a.txt", "a", "a.tif"]
)
@pytest.mark.parametrize(
    "content", [b"", b"no image" * 100, b"\x1f\x8b broken", b"\xff\xd8\xff\xe0" + b"j" * 50]
)
def test_what_is_no_image_is_refused_and_nothing_is_printed(tmp_path, capfd, name, content):
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).code == "E0303"
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_an_image_cut_short_is_refused(tmp_path, ending):
    sitk.WriteImage(
        as_sitk(image(geometry((30, 20, 10)), RNG.normal(size=6000))), str(tmp_path / f"i{ending}")
    )
    whole = (tmp_path / f"i{ending}").read_bytes()
    for part in (0.1, 0.5, 0.99):
        (tmp_path / f"cut{ending}").write_bytes(whole[: int(len(whole) * part)])
        assert refusal(tmp_path / f"cut{ending}").code == "E0303"


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        *((f"i{ending}", f"i{ending}") for ending in (".mha", ".nrrd", ".tif", ".vtk", ".gipl")),
        *((f"p{ending}", f"p{ending}") for ending in (".png", ".jpg", ".bmp")),
        ("i.hdr", "i.img"),
    ],
)
def test_a_file_of_any_format_cut_short_is_refused_and_nothing_is_printed(
    tmp_path, capfd, name, data, compressed
):
    shape = (40, 50) if name.startswith("p") else (6, 40, 50)
    original = sitk.GetImageFromArray(RNG.integers(0, 255, shape).astype(np.uint8))
    sitk.WriteImage(original, str(tmp_path / name), compressed)
    read = files.read_image(tmp_path / name)
    assert read.geometry.voxels == np.prod(shape)
    whole = (tmp_path / data).read_bytes()
    for part in (0.02, 0.4, 0.9):
        (tmp_path / data).write_bytes(whole[: int(len(whole) * part)])
        assert refusal(tmp_path / name).code == "E0303"
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


@pytest.mark.parametrize("at", range(0, 200, 7))
def test_a_damaged_picture_never_does_worse_than_an_error(tmp_path, at):
    part = sitk.GetImageFromArray(RNG.integers(0, 255, (3, 8, 8)).astype(np.uint8))
    sitk.WriteImage(part, str(tmp_path / "i.tif"))
    damaged = bytearray((tmp_path / "i.tif").read_bytes())
    damaged[at % 8 if at % 2 else -1 - at] ^= 0xFF
    (tmp_path / "i.tif").write_bytes(damaged)
    with suppress(InputError):
        assert files.read_image(tmp_path / "i.tif").geometry.voxels > 0


def meta_image(**fields):
    """A MetaImage file of 100 bytes of zeros with some fields another."""
    described = {"NDims": "2", "DimSize": "10 10", "ElementType": "MET_UCHAR", **fields}
    lines = ["ObjectType = Image", *(f"{k} = {v}" for k, v in described.items()), "ElementDataFile = LOCAL\n"]
    return "\n".join(lines).encode() + bytes(100)


def nifti_file(**fields):
    """A NIfTI file of 60 ones with other bytes at some places: f40=("h", 0) is a short 0 at byte 40."""
    made = bytearray(files.file_mask(space.tt(geometry((5, 4, 3))), ".nii").data)
    for place, (layout, number) in fields.items():
        struct.pack_into("<" + layout, made, int(place[1:]), number)
    return bytes(made)


HOSTILE = {
    "empty.mha": meta_image(DimSize="0 10"),
    "negative.mha": meta_image(DimSize="-5 10"),
    "huge.mha": meta_image(NDims="3", DimSize="60000 60000 60000"),
    "nine.mha": meta_image(NDims="9", DimSize="1 1 1 1 1 1 1 10 10"),
    "spacing.mha": meta_image(ElementSpacing="0 -1"),
    "empty.nrrd": b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 0 4\nencoding: raw\n\n" + bytes(9),
    "dimension.nii": nifti_file(f40=("h", 0)),
    "negative.nii": nifti_file(f42=("h", -5)),
    "zero.nii": nifti_file(f42=("h", 0)),
    "matrix.nii": nifti_file(f280=("f", np.nan)),
    "offset.nii": nifti_file(f268=("f", np.inf)),
    "type.nii": nifti_file(f70=("h", 1536)),
    "start.nii": nifti_file(f108=("f", -1.0)),
    "far.nii": nifti_file(f108=("f", np.inf)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_that_makes_no_sense_is_refused_and_nothing_is_printed(tmp_path, capfd, name):
    (tmp_path / name).write_bytes(HOSTILE[name])
    assert refusal(tmp_path / name).code == "E0303"
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


def test_complex_numbers_are_of_an_unknown_kind(tmp_path):
    (tmp_path / "c.nii").write_bytes(nifti_file(f70=("h", 32), f72=("h", 64)) + bytes(480))
    error = refusal(tmp_path / "c.nii")
    assert error.code == "E0304"
    assert "complex" in error.message


def test_numbers_scaled_by_the_header_are_read_scaled(tmp_path):
    (tmp_path / "s.nii").write_bytes(nifti_file(f112=("f", 2.5), f116=("f", -1.0)))
    read = files.read_image(tmp_path / "s.nii")
    assert read.voxels.dtype == np.float32
    assert (read.voxels == 1.5).all()


def test_a_nifti_file_is_read_whether_its_name_tells_the_truth_about_compression_or_not(tmp_path):
    value = image(geometry((6, 5, 4)), RNG.normal(size=120))
    (tmp_path / "plain.nii.gz").write_bytes(files.file_image(value, ".nii").data)
    assert (files.read_image(tmp_path / "plain.nii.gz").voxels == value.voxels).all()


def test_a_damaged_byte_in_a_compressed_image_is_found(tmp_path):
    sitk.WriteImage(as_sitk(image(geometry((30, 20, 10)), RNG.normal(size=6000))), str(tmp_path / "i.nii.gz"))
    damaged = bytearray((tmp_path / "i.nii.gz").read_bytes())
    damaged[len(damaged) // 2] ^= 0x10
    (tmp_path / "i.nii.gz").write_bytes(damaged)
    assert refusal(tmp_path / "i.nii.gz").code == "E0303"


def test_a_path_that_no_system_allows_is_an_input_error():
    assert refusal("a\0b.nii").code == "E0303"


def test_every_nan_of_a_file_is_the_same_nan(tmp_path):
    array = np.frombuffer(np.uint32([0x7FC00001, 0xFFC00000, 0x7FC00000, 0]).tobytes(), np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(array.reshape(2, 2)), str(tmp_path / "n.mha"))
    raw = files.read_image(tmp_path / "n.mha").voxels.view(np.uint32).ravel()
    assert raw.tolist() == [0x7FC00000] * 3 + [0]


def test_source_info_tells_the_checker_what_it_needs():
    value = image(geometry((5, 4)), np.zeros(20), "int16")
    info = files.source_info(Digest(bytes(32)), value)
    assert (info.geometry, info.components, info.dtype) == (value.geometry, 1, "int16")


# -- writing

CASES = [
    (size, components, seed)
    for seed, (size, components) in enumerate(
        itertools.product([(6, 5, 4), (6, 5), (2, 3), (3, 1, 2)], [1, 3, 4])
    )
]


@pytest.mark.parametrize(("size", "components", "seed"), CASES)
def test_a_saved_model_is_read_back_identically(tmp_path, size, components, seed):
    place = turned(size, seed)
    shape = place.shape if components == 1 else (*place.shape, components)
    value = Image(place, RNG.normal(size=shape).astype(np.float32))
    saved = files.file_model(value, ".nii")
    (tmp_path / "m.nii").write_bytes(saved.data)
    again = sitk.ReadImage(str(tmp_path / "m.nii"))
    assert (sitk.GetArrayFromImage(again).reshape(shape) == value.voxels).all()
    assert again.GetNumberOfComponentsPerPixel() == components
    n = place.dimension
    # NIfTI keeps float32; what is beyond the dimensions of the image has one voxel.
    for got, wanted in (
        (again.GetSize()[:n], place.size),
        (again.GetSpacing()[:n], place.spacing),
        (again.GetOrigin()[:n], place.origin),
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
    d = again.GetDimension()
    direction = np.array(again.GetDirection()).reshape(d, d)[:n, :n].ravel()
    np.testing.assert_allclose(direction, place.direction, atol=1e-6)
    np.testing.assert_allclose(
        nibabel.load(str(tmp_path / "m.nii")).affine, nifti.affine(place), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_two_transforms_of_a_saved_file_agree(tmp_path, seed):
    place = turned((4, 3, 2), seed)
    (tmp_path / "m.nii").write_bytes(files.file_mask(space.tt(place), ".nii").data)
    header = nibabel.load(str(tmp_path / "m.nii")).header
    np.testing.assert_allclose(header.get_qform(), header.get_sform(), rtol=1e-4, atol=1e-4)
    assert header.get_xyzt_units()[0] == "mm"
    assert int(header["qform_code"]) == int(header["sform_code"]) == 1


def test_a_saved_file_is_where_itks_own_file_is(tmp_path):
    for seed in range(6):
        value = Image(turned((6, 5, 4), seed), RNG.normal(size=(4, 5, 6)).astype(np.float32))
        (tmp_path / "ours.nii").write_bytes(files.file_image(value, ".nii").data)
        sitk.WriteImage(as_sitk(value), str(tmp_path / "theirs.nii"))
        ours, theirs = (files.read_image(tmp_path / f"{name}.nii") for name in ("ours", "theirs"))
        assert ours.geometry.same_place(theirs.geometry)
        assert ours.voxels.tobytes() == theirs.voxels.tobytes()


def test_masks_are_saved_as_zeros_and_ones(tmp_path):
    chosen = RNG.random((4, 5, 70)) < 0.5
    place = geometry((70, 5, 4), (0.5, 1.0, 2.0))
    saved = files.file_mask(mask(place, chosen), ".nii")
    (tmp_path / "m.nii.gz").write_bytes(gzip.compress(saved.data))
    read = files.read_image(tmp_path / "m.nii.gz")
    assert read.voxels.dtype == np.uint8
    assert read.geometry == place
    assert (read.voxels == chosen).all()


def test_the_header_is_the_standards(tmp_path):
    saved = files.file_image(image(geometry((6, 5, 4)), np.zeros(120), "int16"), ".nii")
    assert len(saved.data) == 352 + 4 * 120
    (tmp_path / "i.nii").write_bytes(saved.data)
    header = nibabel.load(str(tmp_path / "i.nii")).header
    assert header.get_data_dtype() == np.float32
    assert list(header["dim"]) == [3, 6, 5, 4, 1, 1, 1, 1]
    assert bytes(header["magic"].item()).rstrip(b"\0") == b"n+1"


@pytest.mark.parametrize("ending", [".png", ".bmp"])
def test_pictures_of_masks_are_black_and_white(tmp_path, ending):
    chosen = RNG.random((1, 5, 70)) < 0.5
    saved = files.file_mask(mask(geometry((70, 5)), chosen), ending)
    (tmp_path / f"m{ending}").write_bytes(saved.data)
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"m{ending}")))
    # A BMP is read as three equal colours.
    assert (read.reshape(5, 70, -1) == chosen[0][..., None] * 255).all()


def test_pictures_of_numbers_are_rounded_and_clamped(tmp_path):
    values = [2.5, 3.5, 254.6, 256, 300, -1.5, np.nan, np.inf, -np.inf, 0.4]
    saved = files.file_image(image(geometry((10, 1)), values), ".png")
    (tmp_path / "n.png").write_bytes(saved.data)
    assert files.read_image(tmp_path / "n.png").voxels.ravel().tolist() == [
        2,
        4,
        255,
        255,
        255,
        0,
        0,
        255,
        0,
        0,
    ]


def test_colour_pictures_are_read_back(tmp_path):
    part = image(geometry((8, 6)), RNG.integers(0, 255, 48))
    for colour in (intensity.rgb(part, part, part), intensity.rgba(part, part, part, part)):
        (tmp_path / "c.png").write_bytes(files.file_model(colour, ".png").data)
        assert (files.read_image(tmp_path / "c.png").voxels == colour.voxels).all()
    jpeg = files.file_model(intensity.rgb(part, part, part), ".jpg")
    assert jpeg.media_type == "image/jpeg"
    assert jpeg.data.startswith(b"\xff\xd8")


@pytest.mark.parametrize("encode", [files.file_mask, files.file_image, files.file_model])
def test_the_same_value_gives_the_same_bytes(encode):
    place = geometry((8, 6))
    value = space.border(place) if encode is files.file_mask else space.x(place)
    for ending in (".nii", ".png", ".jpg", ".bmp"):
        assert encode(value, ending) == encode(value, ending)


def test_volumes_are_not_pictures():
    with pytest.raises(OperatorError, match=r"More than 2 dimensions.*\.png") as caught:
        files.file_mask(space.tt(geometry((3, 3, 3))), ".png")
    assert caught.value.code == "E0406"


def test_formats_without_room_for_a_value_are_refused():
    part = space.x(geometry((3, 3)))
    four = intensity.rgba(part, part, part, part)
    for ending, value in ((".jpg", four), (".bmp", four), (".gif", part)):
        with pytest.raises(OperatorError) as caught:
            files.file_model(value, ending)
        assert caught.value.code == "E0406"
    with pytest.raises(OperatorError, match="32767"):
        files.file_mask(space.ff(geometry((40000, 1))), ".nii")


def test_what_is_saved_of_a_threshold_is_the_threshold(tmp_path):
    ramp = space.x(geometry((65, 2, 2)))
    (tmp_path / "t.nii").write_bytes(files.file_mask(intensity.geq_sv(30.0, ramp), ".nii").data)
    read = files.read_image(tmp_path / "t.nii")
    assert (read.voxels == (voxels(ramp) >= 30)).all()
    assert flags(intensity.geq_sv(1.0, read)).sum() == 35 * 4


PLAIN = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"]


@pytest.mark.parametrize("dtype", PLAIN)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("shape", "ending"),
    [((5, 3), ".nii"), ((5, 3, 4), ".nii.gz"), ((5, 3, 4, 1), ".nii"), ((1, 3, 1), ".nii")],
)
def test_files_of_the_usual_kind_are_read_as_simpleitk_reads_them(
    tmp_path, monkeypatch, dtype, order, shape, ending
):
    path = tmp_path / f"image{ending}"
    array = (RNG.normal(size=shape) * 50).astype(dtype)
    affine = nifti.affine(turned((5, 3, 4), 5))
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    nibabel.Nifti1Image(array, affine, header).to_filename(path)
    taken = []
    fast = files._plain
    monkeypatch.setattr(files, "_plain", lambda named: taken.append(fast(named)) or taken[0])
    quick = files.read_image(path)
    assert quick is taken[0]
    monkeypatch.setattr(files, "_plain", lambda _: None)
    slow = files.read_image(path)
    assert quick.geometry == slow.geometry
    assert quick.voxels.dtype == slow.voxels.dtype
    assert quick.voxels.tobytes() == slow.voxels.tobytes()


def test_scaled_values_and_vectors_take_the_long_way(tmp_path):
    path = tmp_path / "scaled.nii"
    plain = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    plain.header.set_slope_inter(0.5, 3.0)
    plain.to_filename(path)
    assert files._plain(str(path)) is None
    assert files.read_image(path).voxels.dtype == np.float32
    several = tmp_path / "several.nii"
    several.write_bytes(nifti.file_bytes(geometry((4, 3, 2)), np.zeros((2, 3, 4, 3), np.float32)))
    assert files._plain(str(several)) is None
    assert files.read_image(several).components == 3


def test_what_is_not_one_whole_stream_takes_the_long_way(tmp_path):
    path = tmp_path / "image.nii.gz"
    content = nifti.file_bytes(geometry((40, 30, 20)), RNG.random((20, 30, 40)) < 0.5)
    packed = gzip.compress(content)
    path.write_bytes(packed)
    assert files._plain(str(path)) is not None
    damaged = bytearray(packed)
    damaged[-6] ^= 1
    for bad in (packed[:-9], packed[:400], bytes(damaged), packed[:20]):
        path.write_bytes(bad)
        assert files._plain(str(path)) is None
        assert refusal(path).code == "E0303"
    path.write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]))
    assert files._plain(str(path)) is None
    assert files.read_image(path).geometry.size == (40, 30, 20)
