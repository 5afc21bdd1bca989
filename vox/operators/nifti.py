"""NIfTI-1 as bytes: the same value gives the same file, on any machine.

ITK's axes point left, posterior and superior; NIfTI's point right, anterior and superior. Both the
quaternion (qform) and the matrix (sform) are written, with the scanner's code, as ITK itself does.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vox.errors import OperatorError
from vox.operators.values import Geometry

HEADER_BYTES = 348
# The header, and four zeros for "no extensions".
DATA_OFFSET = 352
_HEADER_2_BYTES = 540

_UINT8, _FLOAT32 = 2, 16
_VECTOR_INTENT = 1007
_PLAIN = {2: "u1", 256: "i1", 4: "i2", 512: "u2", 8: "i4", 768: "u4", 16: "f4", 64: "f8"}
_SCANNER, _MILLIMETRES = 1, 2
# dim[] are int16.
_EXTENT_MAX = 2**15 - 1

# The fields of the standard's nifti1.h in their order: 348 bytes.
_LAYOUT = struct.Struct("<i10s18sihcB8h3fhhhh8ffffhBBffffii80s24shh6f4f4f4f16s4s")
assert _LAYOUT.size == HEADER_BYTES


def file_bytes(geometry: Geometry, voxels: NDArray[Any]) -> bytes:
    """Return a `.nii` file.

    Parameters
    ----------
    voxels
        `[z, y, x]` or `[z, y, x, component]`; bool becomes uint8 0/1, everything else float32.

    Raises
    ------
    OperatorError
        E0406 if an axis is longer than the format can say.
    """
    if max(geometry.size) > _EXTENT_MAX:
        raise OperatorError(
            f"a .nii file has at most {_EXTENT_MAX} voxels along an axis, not {max(geometry.size)}",
            code="E0406",
        )
    flags = voxels.dtype == np.bool_
    stored = voxels.astype("u1" if flags else "<f4", order="C", copy=False)
    components = 1
    if stored.ndim == 4:
        # The format keeps each component as an image of its own, one after the other.
        components = stored.shape[3]
        stored = np.moveaxis(stored, 3, 0)
    header = _header(geometry, components, _UINT8 if flags else _FLOAT32, stored.itemsize)
    return header + bytes(DATA_OFFSET - HEADER_BYTES) + stored.tobytes()


def affine(geometry: Geometry) -> NDArray[np.float64]:
    """Return the 4x4 matrix from voxel indices to NIfTI's millimetres."""
    d = geometry.dimension
    matrix = np.eye(4)
    matrix[:d, :d] = np.array(geometry.direction).reshape(d, d) * np.array(geometry.spacing)
    matrix[:d, 3] = geometry.origin
    matrix[:2] *= -1
    return matrix + 0.0


def announced_bytes(header: bytes) -> int | None:
    """Return how long a file with this header is at least.

    None if it is no header of NIfTI-1, NIfTI-2 or Analyze; 0 if its voxels are in another file.
    """
    if len(header) < HEADER_BYTES:
        return None
    for order in "<>":
        length = struct.unpack_from(order + "i", header)[0]
        if length == _HEADER_2_BYTES:
            dimensions = struct.unpack_from(order + "8q", header, 16)
            bits = struct.unpack_from(order + "h", header, 14)[0]
            offset = struct.unpack_from(order + "q", header, 168)[0]
        elif length == HEADER_BYTES:
            dimensions = struct.unpack_from(order + "8h", header, 40)
            bits = struct.unpack_from(order + "h", header, 72)[0]
            offset = struct.unpack_from(order + "f", header, 108)[0]
            if header[344:348] == b"ni1\0":
                return 0
        else:
            continue
        if not 1 <= dimensions[0] <= 7 or dimensions[1] < 1 or not 0 <= offset < 2**62:
            return None
        voxels = math.prod(max(1, extent) for extent in dimensions[1 : 1 + dimensions[0]])
        return int(offset + voxels * bits // 8)
    return None


def says_where(header: bytes) -> bool:
    """Whether the transforms that a NIfTI-1 header claims to have are numbers."""
    for order in "<>":
        if struct.unpack_from(order + "i", header)[0] == HEADER_BYTES:
            qform, sform = struct.unpack_from(order + "2h", header, 252)
            quaternion = struct.unpack_from(order + "6f", header, 256)
            matrix = struct.unpack_from(order + "12f", header, 280)
            used = (*(quaternion if qform > 0 else ()), *(matrix if sform > 0 else ()))
            return all(map(math.isfinite, used))
    return True


def plain_voxels(data: bytes) -> NDArray[Any] | None:
    """Return the voxels `[..., z, y, x]` of a NIfTI-1 file of one number per voxel, as a view of its bytes.

    None of anything unusual: another format, scaled values, too few bytes. Numbers are in the file's order.
    """
    if len(data) < HEADER_BYTES or data[344:348] != b"n+1\0":
        return None
    order = next((o for o in "<>" if struct.unpack_from(o + "i", data)[0] == HEADER_BYTES), None)
    if order is None:
        return None
    rank, *extents = struct.unpack_from(order + "8h", data, 40)
    intent, kind = struct.unpack_from(order + "2h", data, 68)
    offset, slope, intercept = struct.unpack_from(order + "3f", data, 108)
    scaled = slope not in (0.0, 1.0) or intercept != 0.0
    if (
        not 1 <= rank <= 7
        or min(extents[:rank]) < 1
        or kind not in _PLAIN
        or intent == _VECTOR_INTENT
        or scaled
    ):
        return None
    dtype = np.dtype(order + _PLAIN[kind])
    count = math.prod(extents[:rank])
    if (
        not DATA_OFFSET <= offset < len(data)
        or offset != int(offset)
        or len(data) < offset + count * dtype.itemsize
    ):
        return None
    return np.frombuffer(data, dtype, count, int(offset)).reshape(extents[:rank][::-1])


def _header(geometry: Geometry, components: int, datatype: int, item_bytes: int) -> bytes:
    size = list(geometry.size)
    if components > 1:
        extents = [5, *size, *[1] * (4 - len(size)), components]
    else:
        extents = [len(size), *size]
    extents += [1] * (8 - len(extents))
    matrix = affine(geometry)
    b, c, d, handedness = _quaternion(matrix[:3, :3])
    spacing = [handedness, *geometry.spacing]
    spacing += [1.0] * (8 - len(spacing))
    return _LAYOUT.pack(
        *(HEADER_BYTES, b"", b"", 0, 0, b"r", 0),
        *extents,
        *(0.0, 0.0, 0.0, _VECTOR_INTENT if components > 1 else 0),
        *(datatype, 8 * item_bytes, 0),
        *spacing,
        *(float(DATA_OFFSET), 1.0, 0.0),
        *(0, 0, _MILLIMETRES),
        *(0.0, 0.0, 0.0, 0.0, 0, 0),
        *(b"vox", b"", _SCANNER, _SCANNER),
        *(b, c, d, *matrix[:3, 3]),
        *matrix[0],
        *matrix[1],
        *matrix[2],
        *(b"", b"n+1\0"),
    )


def _quaternion(matrix: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return b, c, d of the unit quaternion a + bi + cj + dk with a >= 0, and the handedness, 1 or -1."""
    lengths = np.sqrt((matrix**2).sum(axis=0))
    r = matrix / np.where(lengths > 0, lengths, 1)
    handedness = -1.0 if np.linalg.det(r) < 0 else 1.0
    r = r * np.array([1.0, 1.0, handedness])
    # Four times the squares of a, b, c, d; the largest is a safe divisor.
    squares = [
        1 + r[0, 0] + r[1, 1] + r[2, 2],
        1 + r[0, 0] - r[1, 1] - r[2, 2],
        1 - r[0, 0] + r[1, 1] - r[2, 2],
        1 - r[0, 0] - r[1, 1] + r[2, 2],
    ]
    differences = [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]]
    sums = [r[1, 0] + r[0, 1], r[0, 2] + r[2, 0], r[2, 1] + r[1, 2]]
    rows = [
        [squares[0], *differences],
        [differences[0], squares[1], sums[0], sums[1]],
        [differences[1], sums[0], squares[2], sums[2]],
        [differences[2], sums[1], sums[2], squares[3]],
    ]
    best = max(range(4), key=lambda i: float(squares[i]))
    scale = 2 * math.sqrt(max(float(squares[best]), 1e-300))
    a, b, c, d = (float(v) / scale for v in rows[best])
    sign = -1.0 if a < 0 else 1.0
    return sign * b + 0.0, sign * c + 0.0, sign * d + 0.0, handedness
