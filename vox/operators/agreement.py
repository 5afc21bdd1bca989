"""What operators ask of their values before they compute."""

from __future__ import annotations

import math

from vox.errors import OperatorError
from vox.operators.values import Geometry, Image, Mask


def common_geometry(operator: str, first: Image | Mask | Geometry, *others: Image | Mask) -> Geometry:
    """Return the geometry of a result: the first value's.

    Raises
    ------
    OperatorError
        E0401 if another value has another size, E0402 if its voxels are at other points of space.
    """
    mine = first if isinstance(first, Geometry) else first.geometry
    for other in others:
        theirs = other.geometry
        if mine is theirs or mine.same_place(theirs):
            continue
        if mine.size != theirs.size:
            raise OperatorError(
                f"`{operator}` needs images of one size; these have {_size(mine)} and {_size(theirs)} voxels",
                operator=operator,
                code="E0401",
                hint="resample one image to the grid of the other",
            )
        raise OperatorError(
            f"`{operator}` needs images of one place in space; {_difference(mine, theirs)}",
            operator=operator,
            code="E0402",
            hint="resample or register one image to the other, or correct its header",
        )
    return mine


def one_component(operator: str, *images: Image) -> None:
    """Refuse colour images where one number per voxel is needed (E0405)."""
    for image in images:
        if image.components != 1:
            raise OperatorError(
                f"`{operator}` needs one number per voxel; this image has {image.components}",
                operator=operator,
                code="E0405",
                hint="take `intensity`, `red`, `green` or `blue` of it first",
            )


def whole(operator: str, name: str, number: float, low: int, high: int) -> int:
    """Return a number cut to an integer.

    Raises
    ------
    OperatorError
        E0404 if it is not within low..high.
    """
    if math.isfinite(number) and low <= math.trunc(number) <= high:
        return math.trunc(number)
    raise OperatorError(
        f"`{operator}` needs {name} from {low} to {high}, not {number:g}",
        operator=operator,
        code="E0404",
    )


def _size(geometry: Geometry) -> str:
    return "x".join(str(n) for n in geometry.size)


def _difference(mine: Geometry, theirs: Geometry) -> str:
    """Say what differs, the first thing first."""
    for name in ("spacing", "origin", "direction"):
        a, b = getattr(mine, name), getattr(theirs, name)
        if Geometry(mine.size, **{**_place(mine), name: b}).same_place(mine):
            continue
        return f"their {name} differs: {_numbers(a)} and {_numbers(b)}"
    return "their places differ"


def _place(geometry: Geometry) -> dict[str, tuple[float, ...]]:
    return {
        "spacing": geometry.spacing,
        "origin": geometry.origin,
        "direction": geometry.direction,
    }


def _numbers(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{v:.9g}" for v in values) + ")"
