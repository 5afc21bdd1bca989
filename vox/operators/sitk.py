"""SimpleITK's functions as operators, and values as its images. The other door to SimpleITK.

What a program gives is made to fit the signature: whole floats become integers, one number stands for a
vector of the image's dimension, masks are images of 0 and 1. What comes back keeps its pixel type if that is
uint8, int8, int16 or uint16; wider integers become uint16 or int16 if all of them fit, and everything else
is rounded to float32, so that an integer beyond 2^24 is the nearest one that float32 has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Sequence as Row
from functools import partial
from typing import TYPE_CHECKING, Any

from vox.errors import OperatorError
from vox.operators import sitk_signatures
from vox.operators.values import Geometry, Image, Mask, Sequence, Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEPT = ("float32", "uint8", "int8", "int16", "uint16")
_NARROWER = ("uint16", "int16")


def __getattr__(name: str) -> Callable[..., Value]:
    """Return the kernel of a function: `vox.operators.sitk:itk_Median`."""
    head, _, function = name.partition("itk_")
    if not head and function in sitk_signatures.SIGNATURES:
        return partial(call, function)
    raise AttributeError(name)


def to_sitk(image: Image | Mask) -> Any:
    """Return a SimpleITK image with the voxels and the place of `image`; a mask is 0 and 1."""
    import SimpleITK

    if isinstance(image, Mask):
        from vox import kernels

        image = Image(image.geometry, kernels.bits.unpack(image.words, image.geometry.size[0]).view("uint8"))
    flat = image.geometry.dimension == 2
    voxels = image.voxels[0] if flat else image.voxels
    result = SimpleITK.GetImageFromArray(voxels, isVector=image.components > 1)
    result.SetSpacing(image.geometry.spacing)
    result.SetOrigin(image.geometry.origin)
    result.SetDirection(image.geometry.direction)
    return result


def call(name: str, *values: Value) -> Value:
    """Apply a function of SimpleITK, with one thread.

    Raises
    ------
    OperatorError
        E0430 the arguments do not fit · E0431 the function failed · E0432 its result is no value of ours.
    """
    given = [to_sitk(value) if isinstance(value, Image | Mask) else value for value in values]
    if name in _OWN:
        return _OWN[name](*given)
    letters = _overload(name, values)
    dimension = next((v.geometry.dimension for v in values if isinstance(v, Image | Mask)), 3)
    arguments = [
        _argument(name, at, kind, value, dimension)
        for at, (kind, value) in enumerate(zip(letters, given, strict=False))
    ]
    return value_of(name, _called(name, arguments))


def bias_corrected(image: Image, mask: Mask) -> Value:
    """Return an image without the slow change of brightness that N4 finds inside a mask."""
    single = Image(image.geometry, image.voxels.astype("float32"))
    return call("N4BiasFieldCorrection", single, mask)


def extract(image: Image | Mask, size: Value, index: Value) -> Value:
    """Return a part of an image; a size of 0 leaves an axis out."""
    return call("Extract", image, size, index)


# ------------------------------------------------------------------------------------------------- arguments


def _overload(name: str, values: Row[Value]) -> str:
    """Return the letters of the first signature that takes these values."""
    for letters in sitk_signatures.SIGNATURES[name].overloads:
        required = letters.partition("?")[0]
        every = letters.replace("?", "")
        if len(required) <= len(values) <= len(every) and all(map(_takes, every, values)):
            return every
    raise OperatorError(
        f"`{name}` does not take {_listed(values)}",
        operator=f"simpleitk.{name}",
        code="E0430",
        hint=f"it takes {sitk_signatures.shown(name)}",
    )


def _takes(kind: str, value: Value) -> bool:
    if kind == "I":
        return isinstance(value, Image | Mask)
    if kind == "s":
        return isinstance(value, str)
    if kind in "niebUDB" and isinstance(value, bool | int | float):
        return True
    return kind in "UDBLVP" and isinstance(value, Sequence)


def _listed(values: Row[Value]) -> str:
    names = [type(value).__name__.lower().replace("float", "number") for value in values]
    return f"({', '.join(names)})" if names else "no arguments"


def _argument(name: str, at: int, kind: str, value: Any, dimension: int) -> Any:
    """Return a value as an argument of this kind."""
    if kind in "Is":
        return value
    if kind == "b":
        return bool(value)
    if kind == "n":
        return float(value)
    if kind in "ie":
        return _whole(name, at, value)
    items = list(value.elements) if isinstance(value, Sequence) else [value] * dimension
    if kind in "LPV":
        parts = [list(each.elements) if isinstance(each, Sequence) else [each] for each in items]
        if kind == "L":
            return [[_whole(name, at, number) for number in part] for part in parts]
        if kind == "P" and all(len(part) == 2 for part in parts):
            return {_number(name, at, key): _number(name, at, new) for key, new in parts}
        raise _misfit(name, at, "pairs of numbers" if kind == "P" else "images one by one, not in a sequence")
    convert = {"U": _whole, "D": _number, "B": lambda *given: bool(_number(*given))}[kind]
    return [convert(name, at, each) for each in items]


def _number(name: str, at: int, value: Any) -> float:
    if isinstance(value, bool | int | float):
        return float(value)
    raise _misfit(name, at, "numbers")


def _whole(name: str, at: int, value: Any) -> int:
    number = _number(name, at, value)
    if number.is_integer():
        return int(number)
    raise _misfit(name, at, f"a whole number, not {number:g}")


def _misfit(name: str, at: int, wanted: str) -> OperatorError:
    return OperatorError(
        f"argument {at + 1} of `{name}` must be {wanted}",
        operator=f"simpleitk.{name}",
        code="E0430",
        hint=f"it takes {sitk_signatures.shown(name)}",
    )


# --------------------------------------------------------------------------------------------- calls, results


def _called(name: str, arguments: list[Any]) -> Any:
    """Call the function; if it refuses images of unlike pixel types, once more with all of them float32."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    # Sums over threads depend on how many there are.
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    function = getattr(SimpleITK, name, None)
    if function is None:
        raise OperatorError(
            f"the SimpleITK that is installed here has no `{name}`",
            operator=f"simpleitk.{name}",
            code="E0431",
        )
    try:
        return function(*arguments)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        images = [each for each in arguments if isinstance(each, SimpleITK.Image)]
        first = error
        if len({each.GetPixelID() for each in images}) > 1:
            single = SimpleITK.sitkFloat32
            alike = [
                SimpleITK.Cast(each, single)
                if isinstance(each, SimpleITK.Image) and each.GetNumberOfComponentsPerPixel() == 1
                else each
                for each in arguments
            ]
            try:
                return function(*alike)
            except (RuntimeError, TypeError, ValueError, OverflowError):
                pass
    raise _translated(name, first)


def _translated(name: str, error: Exception) -> Exception:
    text = str(error)
    if "allocate" in text and "memory" in text.lower():
        return MemoryError()
    if not isinstance(error, RuntimeError):
        text = "its arguments are out of range or of another kind"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = next((line for line in lines if "ERROR: " in line), lines[-1] if lines else "no reason given")
    said = re.sub(r"\(0x[0-9a-f]+\)", "", said.partition("ERROR: ")[2] or said)
    return OperatorError(
        f"`{name}` failed: {said[:300]}",
        operator=f"simpleitk.{name}",
        code="E0431",
        hint=f"it takes {sitk_signatures.shown(name)}",
    )


def value_of(name: str, result: Any) -> Value:
    """Return what a function gave as a value of ours (E0432: there is none)."""
    import SimpleITK

    if isinstance(result, SimpleITK.Image):
        return _image(name, result)
    if isinstance(result, tuple | list):
        return Sequence(tuple(float(each) if isinstance(each, float) else int(each) for each in result))
    if result is None or isinstance(result, bool | int | float | str):
        return result
    raise _no_value(name, f"a {type(result).__name__}")


def _image(name: str, image: Any) -> Image:
    import SimpleITK

    kind = image.GetPixelIDTypeAsString()
    if "label" in kind.lower():
        image = SimpleITK.LabelMapToLabel(image)
    if "complex" in kind:
        raise _no_value(name, "complex numbers")
    components, size = image.GetNumberOfComponentsPerPixel(), image.GetSize()
    if components > 4:
        raise _no_value(name, f"{components} numbers per voxel")
    if len(size) not in (2, 3) or 0 in size:
        raise _no_value(name, f"an image of {'x'.join(map(str, size))} voxels")
    # There is no -0.0 in a place.
    place = [
        tuple(float(number) + 0.0 for number in numbers)
        for numbers in (image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    ]
    geometry = Geometry(tuple(size), *place)
    voxels = _narrowed(SimpleITK.GetArrayFromImage(image))
    shape = geometry.shape if components == 1 else (*geometry.shape, components)
    return Image(geometry, voxels.reshape(shape))


def _narrowed(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return voxels of a type that images have."""
    import numpy as np

    from vox import kernels

    if voxels.dtype.kind in "iu" and voxels.dtype.name not in _KEPT:
        low, high = int(voxels.min()), int(voxels.max())
        for name in _NARROWER:
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return voxels.astype(name)
    if voxels.dtype.name in _KEPT[1:]:
        return voxels
    with np.errstate(over="ignore"):
        single: NDArray[Any] = voxels.astype(np.float32, copy=False)
    kernels.voxelwise.one_nan(single)
    return single


def _no_value(name: str, what: str) -> OperatorError:
    return OperatorError(
        f"`{name}` gives {what}, which this language has no values for",
        operator=f"simpleitk.{name}",
        code="E0432",
        hint="images of two or three dimensions with one to four real numbers per voxel are understood",
    )


# ------------------------------------------------------------------------------- functions written for V2


def _statistics(image: Any) -> Value:
    """Return minimum, maximum, mean, sigma, variance, sum and count of an image."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    found = SimpleITK.StatisticsImageFilter()
    try:
        found.Execute(image)
    except RuntimeError as error:
        raise _translated("Statistics", error) from None
    names = ("Minimum", "Maximum", "Mean", "Sigma", "Variance", "Sum")
    numbers = [float(getattr(found, f"Get{name}")()) for name in names]
    return Sequence((*numbers, int(image.GetNumberOfPixels())))


def _same(image: Any, *_: Any) -> Value:
    """Return the image: arrays are images here."""
    return value_of("GetArrayFromImage", image)


_OWN: dict[str, Callable[..., Value]] = {
    "Statistics": _statistics,
    "GetArrayFromImage": _same,
    "GetArrayViewFromImage": _same,
    "GetImageFromArray": _same,
}
