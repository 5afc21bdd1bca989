"""Where voxels are to one another: neighbours, components, distances."""

from __future__ import annotations

from vox import kernels
from vox.operators.agreement import common_geometry
from vox.operators.values import Image, Mask


def near(a: Mask) -> Mask:
    """Return the voxels of a mask and their neighbours, 26 in 3D and 8 in 2D."""
    return Mask(a.geometry, kernels.neighbours.near(a.words, a.geometry.size[0]))


def interior(a: Mask) -> Mask:
    """Return the voxels of a mask whose neighbours inside the image are all in it."""
    return Mask(a.geometry, kernels.neighbours.interior(a.words, a.geometry.size[0]))


def through(a: Mask, b: Mask) -> Mask:
    """Return the components of `b`, fully connected, that hold a voxel of `a`."""
    geometry = common_geometry("through", a, b)
    return Mask(geometry, kernels.components.through(a.words, b.words))


def lcc(a: Mask) -> Image:
    """Return the components' numbers, from 1 in raster order of their first voxels; 0 outside."""
    return Image(a.geometry, kernels.components.labels(a.words, a.geometry.size[0]))


def maxvol(a: Mask) -> Mask:
    """Return the component with most voxels, or all of those; nothing of nothing."""
    return Mask(a.geometry, kernels.components.largest(a.words))


def dt(a: Mask) -> Image:
    """Return the Euclidean distance in mm to the mask's outermost layer, negative inside.

    The layer is made of the voxels that have a neighbour inside the image, 26 in 3D and 8 in 2D, out of the
    mask; on it the distance is zero. The sides of the image do not count. Of an empty mask, and of a full
    one, it is +1.8446743e19 and -1.8446743e19 everywhere.
    """
    x, y, *rest = a.geometry.spacing
    spacing = (x, y, rest[0] if rest else 1.0)
    return Image(a.geometry, kernels.distance.signed(a.words, a.geometry.size[0], spacing))
