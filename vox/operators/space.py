"""Images made of a place alone: constants, coordinates, borders; and moving an image to another place."""

from __future__ import annotations

import numpy as np

from vox import kernels
from vox.errors import OperatorError
from vox.operators.values import Geometry, Image, Mask


def geometry(model: Image) -> Geometry:
    """Return where the voxels of an image are."""
    return model.geometry


def conform(model: Image, place: Geometry) -> Image:
    """Return the same voxels at another place.

    Raises
    ------
    OperatorError
        E0401 if the place has another size.
    """
    if model.geometry.size != place.size:
        mine, theirs = ("x".join(map(str, g.size)) for g in (model.geometry, place))
        raise OperatorError(
            f"an image of {mine} voxels cannot be put on a grid of {theirs}",
            operator="conform",
            code="E0401",
            hint="resample one image to the grid of the other",
        )
    return Image(place, model.voxels)


def tt(place: Geometry) -> Mask:
    """Return every voxel."""
    return bconstant(True, place)


def ff(place: Geometry) -> Mask:
    """Return no voxel."""
    return bconstant(False, place)


def bconstant(value: bool, place: Geometry) -> Mask:
    """Return every voxel or none."""
    return Mask(place, kernels.bits.constant(place.shape, value))


def constant(number: float, place: Geometry) -> Image:
    """Return one number, rounded to float32, everywhere."""
    return Image(place, np.full(place.shape, kernels.voxelwise.single(number)))


def border(place: Geometry) -> Mask:
    """Return the voxels whose index is the first or the last in some dimension."""
    return Mask(place, kernels.neighbours.border(place.shape, place.dimension))


def x(place: Geometry) -> Image:
    """Return the first index of each voxel, from 0."""
    return Image(place, kernels.voxelwise.index(place.shape, 2))


def y(place: Geometry) -> Image:
    """Return the second index of each voxel, from 0."""
    return Image(place, kernels.voxelwise.index(place.shape, 1))


def z(place: Geometry) -> Image:
    """Return the third index of each voxel, from 0; 0 in 2D."""
    return Image(place, kernels.voxelwise.index(place.shape, 0))
