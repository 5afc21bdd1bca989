"""The length of the gradient of an image, as ITK has it: central differences, edges repeated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.kernels import parallel
from vox.kernels.jit import OPTIONS, array, njit, types, view

U = np.uint64
F = np.float64
_F32, _F64, _I64 = types.float32, types.float64, types.int64


@njit(types.void(view(_F32, 3), _F64, _F64, _F64, array(_F32, 3), _I64, _I64), **OPTIONS)
def _magnitude(voxels: Any, half_x: Any, half_y: Any, half_z: Any, out: Any, start: Any, stop: Any) -> None:
    """Write planes start..stop; a half is 1 / (2 * spacing)."""
    depth, height, width = voxels.shape
    for z in range(start, stop):
        before, behind = U(max(z - 1, 0)), U(min(z + 1, depth - 1))
        for y in range(height):
            above, below = U(max(y - 1, 0)), U(min(y + 1, height - 1))
            plane, row = U(z), U(y)
            for x in range(1, width - 1):
                dx = (F(voxels[plane, row, U(x + 1)]) - F(voxels[plane, row, U(x - 1)])) * half_x
                dy = (F(voxels[plane, below, U(x)]) - F(voxels[plane, above, U(x)])) * half_y
                dz = (F(voxels[behind, row, U(x)]) - F(voxels[before, row, U(x)])) * half_z
                out[plane, row, U(x)] = np.float32(np.sqrt(dx * dx + dy * dy + dz * dz))
            for x in (0, width - 1):
                right, left = U(min(x + 1, width - 1)), U(max(x - 1, 0))
                dx = (F(voxels[plane, row, right]) - F(voxels[plane, row, left])) * half_x
                dy = (F(voxels[plane, below, U(x)]) - F(voxels[plane, above, U(x)])) * half_y
                dz = (F(voxels[behind, row, U(x)]) - F(voxels[before, row, U(x)])) * half_z
                out[plane, row, U(x)] = np.float32(np.sqrt(dx * dx + dy * dy + dz * dz))


def magnitude(voxels: NDArray[Any], spacing: tuple[float, float, float]) -> NDArray[np.float32]:
    """Return |gradient| per millimetre: float64 in between, float32 in the end.

    Parameters
    ----------
    spacing
        Millimetres between voxels along x, y, z.
    """
    single = np.require(voxels, np.float32, ["C", "A"])
    halves = [0.5 / step for step in spacing]
    out = np.empty(voxels.shape, np.float32)
    parallel.slabs(lambda start, stop: _magnitude(single, *halves, out, start, stop), len(single))
    return out


def warm() -> None:
    """Run everything once, on a voxel."""
    magnitude(np.zeros((1, 1, 1), np.float32), (1.0, 1.0, 1.0))
