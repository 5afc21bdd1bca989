"""A picture a person can check a result with: slices of an image, the result on it, the truth's outline.

One row of axial slices through the result, one with the other two planes. Radiological orientation (the
patient's right on the left, marked R). Orange and sky blue stay apart for every kind of colour vision, and
the truth is only ever a line, the result only ever an area with a line.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vox.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vox.operators.values import Geometry, Image

RESULT, TRUTH = (230, 159, 0), (86, 180, 233)
_BACK, _TEXT = 12, (235, 235, 235)
_TILE_PX, _GAP_PX, _TILES = 320, 8, 4
# Voxels of air that stay around the head.
_MARGIN = 6
# Letters of 3 x 5 dots, five rows from the top, one octal digit per row.
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.=-:/ "
_ROWS = (
    "7555726227717477171755711747177475771222757577571725755656563444365556746477464434553557557222711152"
    "5565544447577556555525552656442556365655342167222255557555525577555255552227124700002070700070002020"
    "1124400000"
)
_FONT = {letter: _ROWS[5 * at : 5 * at + 5] for at, letter in enumerate(_LETTERS)}
assert len(_ROWS) == 5 * len(_LETTERS)


@dataclass
class _Volumes:
    """Arrays turned to left, posterior, superior; `names` are the file's own indices along each axis."""

    base: NDArray[np.float32]
    mask: NDArray[np.bool_]
    truth: NDArray[np.bool_] | None
    names: list[NDArray[np.int64]]
    spacing: tuple[float, float, float]


def draw_mosaic(base: Image, mask: Image, truth: Image | None = None) -> NDArray[np.uint8]:
    """Return the picture as `[row, column, rgb]`. A voxel of `mask` and `truth` counts when it is not 0.

    Raises
    ------
    InputError
        If the images do not have the same size.
    """
    import numpy as np

    for other, name in ((mask, "mask"), (truth, "truth")):
        if other is not None and other.geometry.size != base.geometry.size:
            raise InputError(
                f"the {name} has {_size(other.geometry)} voxels, the base image {_size(base.geometry)}",
                hint="a mosaic needs images of the same size",
                code="E0306",
            )
    volumes = _turned(base, mask, truth)
    marked = volumes.mask if volumes.mask.any() or volumes.truth is None else volumes.truth
    axial = [_slice(volumes, 0, at) for at in _spread(marked, _TILES)]
    rows = [axial]
    if base.geometry.dimension == 3:
        rows.append([_slice(volumes, axis, at) for axis in (1, 2) for at in _spread(marked, 2, axis)])
    else:
        rows = [axial[:1]]
    drawn = [_row(row) for row in rows]
    width = max(420, *(row.shape[1] for row in drawn))
    drawn = [_widened(row, width) for row in drawn]
    return np.concatenate([*drawn, _legend(width, volumes)])


def write_mosaic(base: Path, mask: Path, out: Path, truth: Path | None = None) -> None:
    """Read the images and write the mosaic as PNG."""
    from client.saves import write_file
    from vox.operators.files import read_image

    images = [read_image(path) for path in (base, mask)]
    picture = draw_mosaic(images[0], images[1], None if truth is None else read_image(truth))
    write_file(out, [png_bytes(picture)])


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Encode `[row, column, rgb]` as PNG."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + pixels[row].tobytes() for row in range(height))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _size(geometry: Geometry) -> str:
    return " x ".join(str(n) for n in geometry.size)


def _turned(base: Image, mask: Image, truth: Image | None) -> _Volumes:
    """Turn everything so that x runs to the patient's left, y to the back, z to the head."""
    import numpy as np

    geometry = base.geometry
    order, flips = [0, 1, 2], [False, False, False]
    if geometry.dimension == 3:
        matrix = np.array(geometry.direction).reshape(3, 3)
        # Column j is where index j leads; each patient axis takes the index that follows it best.
        taken: list[int] = []
        for patient in range(3):
            best = max((j for j in range(3) if j not in taken), key=lambda j: abs(matrix[patient, j]))
            taken.append(best)
            flips[patient] = bool(matrix[patient, best] < 0)
        order = taken
    spacing = (*geometry.spacing, 1.0)[:3]
    axes = tuple(2 - order[patient] for patient in (2, 1, 0))
    names = []
    for patient in (2, 1, 0):
        indices = np.arange((*geometry.size, 1)[order[patient]])
        names.append(indices[::-1] if flips[patient] else indices)

    def turn(voxels: NDArray[Any]) -> NDArray[Any]:
        plain = voxels if voxels.ndim == 3 else voxels.mean(axis=3)
        turned: NDArray[Any] = np.transpose(plain, axes)
        steps = tuple(slice(None, None, -1 if flips[patient] else 1) for patient in (2, 1, 0))
        return np.ascontiguousarray(turned[steps])

    values = turn(base.voxels).astype(np.float32)
    lit = values[values > values.mean() * np.float32(0.2)] if values.any() else values
    low, high = np.percentile(lit, [0.5, 99.95]) if lit.size else (0.0, 1.0)
    grey = np.clip((values - min(low, values.mean())) / max(high - min(low, values.mean()), 1e-6), 0, 1)
    turned = _Volumes(
        grey.astype(np.float32),
        turn(mask.voxels) != 0,
        None if truth is None else turn(truth.voxels) != 0,
        names,
        (spacing[order[2]], spacing[order[1]], spacing[order[0]]),
    )
    return _cropped(turned)


def _cropped(volumes: _Volumes) -> _Volumes:
    """Leave out the air around the head: what is looked at should fill the tiles."""
    import numpy as np

    seen = (volumes.base > np.float32(0.15)) | volumes.mask
    if volumes.truth is not None:
        seen |= volumes.truth
    box = []
    for axis in range(3):
        # Lines and specks of noise are not the head: at least a thousandth of the plane has to be lit.
        others = tuple(other for other in range(3) if other != axis)
        areas = seen.sum(axis=others)
        lit = np.flatnonzero(areas * 1000 > seen.size // seen.shape[axis])
        first, last = (int(lit[0]), int(lit[-1])) if lit.size else (0, seen.shape[axis] - 1)
        box.append(slice(max(0, first - _MARGIN), min(seen.shape[axis], last + 1 + _MARGIN)))
    cut = tuple(box)
    return _Volumes(
        volumes.base[cut],
        volumes.mask[cut],
        None if volumes.truth is None else volumes.truth[cut],
        [names[part] for names, part in zip(volumes.names, box, strict=True)],
        volumes.spacing,
    )


def _spread(mask: NDArray[np.bool_], count: int, axis: int = 0) -> list[int]:
    """Choose slices that part the mask along an axis into equal volumes: each goes through some of it."""
    import numpy as np

    others = tuple(other for other in range(3) if other != axis)
    volumes = np.cumsum(mask.sum(axis=others))
    size, total = mask.shape[axis], int(volumes[-1])
    if not total:
        return sorted({min(size - 1, size * (step + 1) // (count + 1)) for step in range(count)})
    return sorted({int(np.searchsorted(volumes, total * (step + 0.5) / count)) for step in range(count)})


def _slice(volumes: _Volumes, axis: int, at: int) -> NDArray[np.uint8]:
    """Draw one slice at a common scale, labelled with its plane and index."""
    import numpy as np

    def cut(volume: NDArray[Any]) -> NDArray[Any]:
        plane: NDArray[Any] = np.take(volume, at, axis)
        return plane if axis == 0 else plane[::-1]

    rows_axis, columns_axis = ((1, 2), (0, 2), (0, 1))[axis]
    heights = volumes.base.shape[rows_axis] * volumes.spacing[rows_axis]
    widths = volumes.base.shape[columns_axis] * volumes.spacing[columns_axis]
    largest = max(n * s for n, s in zip(volumes.base.shape, volumes.spacing, strict=True))
    height, width = (max(1, round(_TILE_PX * extent / largest)) for extent in (heights, widths))

    def zoom(plane: NDArray[Any]) -> NDArray[Any]:
        rows = (np.arange(height) * plane.shape[0]) // height
        columns = (np.arange(width) * plane.shape[1]) // width
        zoomed: NDArray[Any] = plane[rows][:, columns]
        return zoomed

    grey = zoom(cut(volumes.base)) * np.float32(255)
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    inside = zoom(cut(volumes.mask))
    picture[inside] = picture[inside] * 0.75 + np.array(RESULT) * 0.25
    picture[_outline(inside)] = RESULT
    if volumes.truth is not None:
        picture[_outline(zoom(cut(volumes.truth)))] = TRUTH
    tile = picture.astype(np.uint8)
    _write(tile, f"{('AXIAL Z', 'CORONAL Y', 'SAGITTAL X')[axis]}={volumes.names[axis][at]}", 6, 6)
    if axis != 2:
        _write(tile, "R", height // 2, 6)
    return tile


def _outline(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of an area that have a neighbour outside."""
    import numpy as np

    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~core


def _row(tiles: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    import numpy as np

    height = max(tile.shape[0] for tile in tiles)
    width = sum(tile.shape[1] + _GAP_PX for tile in tiles) + _GAP_PX
    row = np.full((height + _GAP_PX, width, 3), _BACK, np.uint8)
    left = _GAP_PX
    for tile in tiles:
        row[_GAP_PX // 2 : _GAP_PX // 2 + tile.shape[0], left : left + tile.shape[1]] = tile
        left += tile.shape[1] + _GAP_PX
    return row


def _widened(row: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    import numpy as np

    wide = np.full((row.shape[0], width, 3), _BACK, np.uint8)
    left = (width - row.shape[1]) // 2
    wide[:, left : left + row.shape[1]] = row
    return wide


def _legend(width: int, volumes: _Volumes) -> NDArray[np.uint8]:
    import numpy as np

    bar = np.full((30, width, 3), _BACK, np.uint8)
    entries = [(RESULT, "RESULT")]
    note = ""
    if volumes.truth is not None:
        entries.append((TRUTH, "TRUTH"))
        both = int((volumes.mask & volumes.truth).sum())
        total = int(volumes.mask.sum()) + int(volumes.truth.sum())
        note = f"DICE {2 * both / total:.3f}" if total else ""
    left = _GAP_PX
    for colour, text in entries:
        bar[9:21, left : left + 12] = colour
        left = _write(bar, text, 10, left + 20) + 24
    _write(bar, note, 10, left)
    return bar


def _write(picture: NDArray[np.uint8], text: str, top: int, left: int) -> int:
    """Write with dots of 2 x 2 pixels on a dark ground; return the column after the text."""
    for letter in text:
        if left + 8 > picture.shape[1] or top + 10 > picture.shape[0]:
            break
        picture[max(0, top - 2) : top + 12, max(0, left - 2) : left + 8] //= 3
        for row, bits in enumerate(_FONT[letter]):
            for column in range(3):
                if int(bits) & (4 >> column):
                    x, y = left + 2 * column, top + 2 * row
                    picture[y : y + 2, x : x + 2] = _TEXT
        left += 8
    return left
