"""Image files: reading them into values, and values as the bytes of a file. The door to SimpleITK."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vox import kernels
from vox.digest import Digest
from vox.errors import InputError, OperatorError
from vox.operators import integrity, nifti
from vox.operators.values import FileBytes, Geometry, Image, Mask, SourceInfo

if TYPE_CHECKING:
    import SimpleITK

# What stays as it is in the file; every other number becomes float32.
_KEPT = ("uint8", "int8", "int16", "uint16")
_MEDIA_TYPES = {
    ".nii": "application/x-nifti",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".bmp": "image/bmp",
}
_FORMATS_HINT = "vox reads NIfTI, NRRD, MetaImage, PNG, JPEG, BMP, TIFF and what else SimpleITK knows"
_terminal = threading.Lock()


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read an image file.

    Images of more than two dimensions lose those of size 1. One component keeps its type if it is a narrow
    integer, else becomes float32; three or four components make a colour image.

    Raises
    ------
    InputError
        E0301 missing · E0302 a directory · E0303 not readable as an image · E0304 an image of a kind that
        vox does not know.
    """
    named = os.fspath(path)
    _check_file(named)
    plain = _plain(named)
    if plain is not None:
        return plain
    integrity.check(named)
    sitk = _simpleitk()
    try:
        with _silence(named), _alone(named) as alone:
            image = sitk.ReadImage(alone)
    except RuntimeError as error:
        raise InputError(f"`{named}` cannot be read as an image", hint=_FORMATS_HINT, code="E0303") from error
    pixels = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel()
    integrity.check_voxels(named, pixels * image.GetSizeOfPixelComponent())
    return _value(named, image)


def source_info(digest: Digest, image: Image) -> SourceInfo:
    """Return what the checker needs to know of an image with this name."""
    return SourceInfo(digest, image.geometry, image.components, image.voxels.dtype.name)


def file_model(model: Image, format: str) -> FileBytes:
    """Return an image file of one, three or four components per voxel."""
    return _file(model.geometry, model.voxels, format)


def file_image(image: Image, format: str) -> FileBytes:
    """Return an image file: float32 in `.nii`; rounded and clamped to 0..255 in the picture formats."""
    return _file(image.geometry, image.voxels, format)


def file_mask(mask: Mask, format: str) -> FileBytes:
    """Return an image file: 0 and 1 in `.nii`; 0 and 255 in the picture formats."""
    return _file(mask.geometry, kernels.bits.unpack(mask.words, mask.geometry.size[0]), format)


def _simpleitk() -> Any:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


def _plain(named: str) -> Image | None:
    """Read a NIfTI file of the usual kind: inflated once, its voxels as they lie in it.

    The header is SimpleITK's to understand, so that a place is the same whoever reads the voxels. None of
    anything unusual or damaged, for which there is the long way.
    """
    if not named.lower().endswith((".nii", ".nii.gz")):
        return None
    data = integrity.nifti_bytes(named)
    voxels = None if data is None else nifti.plain_voxels(data)
    if data is None or voxels is None or not nifti.says_where(data[: nifti.HEADER_BYTES]):
        return None
    reader = _simpleitk().ImageFileReader()
    try:
        with _alone(named) as alone:
            reader.SetFileName(alone)
            reader.ReadImageInformation()
    except RuntimeError:
        return None
    # Axes of one voxel at the end are left out by some.
    extents = [[n for n in size if n > 1] for size in (reader.GetSize()[::-1], voxels.shape)]
    if reader.GetNumberOfComponents() != 1 or extents[0] != extents[1]:
        return None
    kept = voxels.astype(voxels.dtype.newbyteorder("="), copy=False)
    axes = _axes(named, reader.GetSize())
    geometry = _geometry(named, reader, axes)
    return Image(geometry, _narrowed(kept).reshape(geometry.shape))


def _check_file(named: str) -> None:
    path = Path(named)
    try:
        if path.is_dir():
            raise InputError(
                f"`{named}` is a directory, not an image file",
                hint="name one file; a DICOM series is converted to NIfTI first",
                code="E0302",
            )
        with path.open("rb"):
            return
    except FileNotFoundError:
        near = _similar(path)
        hint = f"did you mean `{near}`?" if near else "check the name and the directory you are in"
        raise InputError(f"there is no file `{named}`", hint=hint, code="E0301") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"`{named}` cannot be opened: {reason}", code="E0303") from error


def _similar(path: Path) -> str:
    """Return the name of a file beside a missing one that looks like it."""
    from difflib import get_close_matches

    try:
        names = [entry.name for entry in os.scandir(path.parent)][:10_000]
    except OSError:
        return ""
    found = get_close_matches(path.name, names, 1)
    return str(path.with_name(found[0])) if found else ""


@contextmanager
def _alone(named: str) -> Iterator[str]:
    """Give a NIfTI file a folder of its own while it is read.

    Where `a.nii` lies beside `a.nii.gz`, the library takes the header of the one that was named and the
    voxels of the other.
    """
    lower = named.lower()
    ending = next((ending for ending in (".nii.gz", ".nii") if lower.endswith(ending)), "")
    if not ending:
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="vox-") as folder:
        link = Path(folder) / f"image{ending}"
        link.symlink_to(Path(named).absolute())
        yield str(link)


@contextmanager
def _silence(named: str) -> Iterator[None]:
    """Keep what C libraries print about a bad file off the terminal.

    libjpeg, MetaIO and their like write to the file descriptors of stdout and stderr on their own, and for
    that moment nobody else can write there. NIfTI, which is read most, has been checked before and needs no
    such thing; ITK's own warnings are switched off.
    """
    if named.lower().endswith((".nii", ".nii.gz")):
        yield
        return
    with _terminal, ExitStack() as stack:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nowhere)
        for stream in (1, 2):
            with suppress(OSError):  # a daemon may have closed it
                kept = os.dup(stream)
                stack.callback(os.close, kept)
                stack.callback(os.dup2, kept, stream)
                os.dup2(nowhere, stream)
        yield


def _value(named: str, image: SimpleITK.Image) -> Image:
    """Return what SimpleITK read as a value."""
    components = image.GetNumberOfComponentsPerPixel()
    if "complex" in image.GetPixelIDTypeAsString():
        raise _unsupported(named, "complex numbers", "save its real part or its magnitude")
    if components not in (1, 3, 4):
        raise _unsupported(named, f"{components} numbers per voxel", "one, three or four are understood")
    size = image.GetSize()
    if 0 in size:
        raise InputError(f"`{named}` has no voxels", code="E0303")
    axes = _axes(named, size)
    geometry = _geometry(named, image, axes)
    voxels = _simpleitk().GetArrayFromImage(image)
    shape = geometry.shape if components == 1 else (*geometry.shape, components)
    return Image(geometry, _narrowed(voxels).reshape(shape))


def _axes(named: str, size: tuple[int, ...]) -> list[int]:
    """Return the two or three axes of an image that stay."""
    axes = list(range(len(size)))
    if len(size) > 2:
        axes = [axis for axis in axes if size[axis] > 1]
        # A line or a point is still an image of two dimensions.
        axes = sorted(axes + [axis for axis in range(len(size)) if axis not in axes][: max(0, 2 - len(axes))])
    if len(axes) not in (2, 3):
        raise _unsupported(
            named, f"{len(axes)} dimensions of more than one voxel", "split a time series into its volumes"
        )
    return axes


def _narrowed(voxels: NDArray[Any]) -> NDArray[Any]:
    if voxels.dtype.name in _KEPT:
        return voxels
    with np.errstate(over="ignore"):
        single = voxels.astype(np.float32, copy=False)
    kernels.voxelwise.one_nan(single)
    return single


def _geometry(named: str, image: SimpleITK.Image | SimpleITK.ImageFileReader, axes: list[int]) -> Geometry:
    """Return the place of the kept axes. A direction that collapses with the others becomes the identity."""
    dimension = image.GetDimension()
    full = np.array(image.GetDirection()).reshape(dimension, dimension)
    direction = full[np.ix_(axes, axes)]
    if np.isfinite(direction).all() and abs(float(np.linalg.det(direction))) < 1e-9:
        direction = np.eye(len(axes))
    spacing, origin = ([float(v[a]) for a in axes] for v in (image.GetSpacing(), image.GetOrigin()))
    turns = [float(v) + 0.0 for v in direction.reshape(-1)]  # there is no -0.0 in a place
    if not np.isfinite([*spacing, *origin, *turns]).all() or min(spacing) <= 0:
        raise InputError(
            f"`{named}` does not say where its voxels are: its header has no usable spacing or origin",
            hint="correct the header, for instance with `SimpleITK.Image.SetSpacing`",
            code="E0303",
        )
    size = image.GetSize()
    return Geometry(tuple(size[a] for a in axes), tuple(spacing), tuple(origin), tuple(turns))


def _unsupported(named: str, what: str, hint: str) -> InputError:
    return InputError(f"`{named}` has {what}", hint=hint, code="E0304")


def _file(geometry: Geometry, voxels: NDArray[Any], format: str) -> FileBytes:
    if format == ".nii":
        return FileBytes(_MEDIA_TYPES[format], nifti.file_bytes(geometry, voxels))
    if format not in _MEDIA_TYPES:
        known = ", ".join(_MEDIA_TYPES)
        raise OperatorError(
            f"`{format}` is not a format that can be saved", hint=f"use {known}", code="E0406"
        )
    if geometry.dimension != 2:
        raise OperatorError(
            f"More than 2 dimensions are not supported with type: {format}",
            hint="save it as .nii.gz",
            code="E0406",
        )
    if voxels.ndim == 4 and voxels.shape[3] == 4 and format != ".png":
        raise OperatorError(
            f"{format} has no room for four components", hint="save it as .png or .nii.gz", code="E0406"
        )
    return FileBytes(_MEDIA_TYPES[format], _picture(_bytes_of(voxels)[0], format))


def _bytes_of(voxels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return 0 and 255 of booleans; numbers rounded, half to even, and clamped. NaN is 0."""
    if voxels.dtype == np.bool_:
        return voxels.astype(np.uint8) * np.uint8(255)
    clamped = np.clip(np.rint(np.nan_to_num(voxels.astype(np.float32), nan=0.0)), 0, 255)
    return clamped.astype(np.uint8)


def _picture(pixels: NDArray[np.uint8], format: str) -> bytes:
    """Return the bytes of a picture `[y, x]` or `[y, x, component]`."""
    sitk = _simpleitk()
    image = sitk.GetImageFromArray(pixels, isVector=pixels.ndim == 3)
    with tempfile.TemporaryDirectory(prefix="vox-") as directory:
        target = Path(directory) / f"picture{format}"
        try:
            with _silence(format):
                sitk.WriteImage(image, str(target))
        except RuntimeError as error:
            raise OperatorError(f"the picture cannot be written as {format}", code="E0406") from error
        return target.read_bytes()
