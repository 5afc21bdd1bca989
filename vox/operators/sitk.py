"""Values as images of SimpleITK, for whoever goes on with that library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vox.operators.values import Image


def to_sitk(image: Image) -> Any:
    """Return a SimpleITK image with the voxels and the place of `image`."""
    import SimpleITK

    flat = image.geometry.dimension == 2
    voxels = image.voxels[0] if flat else image.voxels
    result = SimpleITK.GetImageFromArray(voxels, isVector=image.components > 1)
    result.SetSpacing(image.geometry.spacing)
    result.SetOrigin(image.geometry.origin)
    result.SetDirection(image.geometry.direction)
    return result
