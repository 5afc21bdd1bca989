"""Synthetic FLAIR-like heads with lesions whose extent is known exactly.

A case is made from the shipped tissue maps: scaled and moved, tissues mixed to FLAIR's contrast, lesions
with a core and a halo put into the white matter, then an intensity field, texture and noise. The same seed
gives the same voxels on every machine: random integers of PCG64, elementary float32 arithmetic one operation
at a time, no transcendental function, no reduction whose order a library may choose.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHAPE = (155, 240, 240)
_HEADER = struct.Struct("<i10s18sihbb8h3f4h8f3fhbb4f2i80s24s2h6f4f4f4f16s4s")
_DTYPES = {"uint8": (2, 8), "int16": (4, 16)}
# Mean intensities of a bright lesion-free FLAIR slice, in the arbitrary units of a 12-bit scanner.
_WHITE, _GREY, _FLUID = 520.0, 640.0, 170.0
_NOISE = 26.0
_LABEL_CORE, _LABEL_HALO = 1, 2


@dataclass(frozen=True)
class Case:
    """A volume and its truth (1 core, 2 halo, 0 elsewhere), both `[z, y, x]` at 1 mm."""

    flair: NDArray[np.int16]
    truth: NDArray[np.uint8]
    lesions: int


def read_shipped(path: Path) -> NDArray[np.uint8]:
    """Read one of the shipped uint8 NIfTI images as `[z, y, x]`."""
    import numpy as np

    with gzip.open(path, "rb") as stream:
        data = stream.read()
    x, y, z = struct.unpack_from("<3h", data, 42)
    start = int(struct.unpack_from("<f", data, 108)[0])
    return np.frombuffer(data, np.uint8, x * y * z, start).reshape(z, y, x)


def nifti_bytes(voxels: NDArray[Any]) -> bytes:
    """Return `[z, y, x]` voxels as a 1 mm `.nii.gz` file, right-anterior-superior, centred on the volume."""
    code, bits = _DTYPES[voxels.dtype.name]
    z, y, x = voxels.shape
    origin = [-(n - 1) / 2.0 for n in (x, y, z)]
    header = _HEADER.pack(
        *(348, b"", b"", 0, 0, ord("r"), 0),
        *(3, x, y, z, 1, 1, 1, 1, 0.0, 0.0, 0.0, 0, code, bits, 0),
        *(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 352.0, 1.0, 0.0, 0, 0, 2, 0.0, 0.0, 0.0, 0.0, 0, 0),
        *(b"synthetic case, derived from MNI ICBM152 2009a (see NOTICE-MNI.txt)", b"", 1, 1),
        *(0.0, 0.0, 0.0, *origin),
        *(1.0, 0.0, 0.0, origin[0], 0.0, 1.0, 0.0, origin[1], 0.0, 0.0, 1.0, origin[2]),
        *(b"", b"n+1\0"),
    )
    little = voxels.astype(voxels.dtype.newbyteorder("<"), copy=False)
    # Level 3: noise does not get smaller, however long one tries.
    return gzip.compress(header + bytes(4) + little.tobytes(), 3, mtime=0)


def make_case(grey: NDArray[np.uint8], white: NDArray[np.uint8], seed: int, number: int) -> Case:
    """Make case `number` of a seed's series from the tissue maps at 2 mm."""
    import numpy as np

    random = np.random.Generator(np.random.PCG64([seed, number]))
    scales = [_uniform(random, 0.93, 1.0) for _ in range(3)]
    moves = [_uniform(random, -6.0, 6.0), _uniform(random, -6.0, 6.0), _uniform(random, -2.0, 2.0)][::-1]
    grids = [_positions(n, m, s, d) for n, m, s, d in zip(SHAPE, grey.shape, scales, moves, strict=True)]
    # Bottom of the brain near the first slice, whatever the scale: the maps start at their first plane.
    below = np.float32(1 + moves[0] / 4)
    grids[0] = np.arange(SHAPE[0], dtype=np.float32) / np.float32(2 * scales[0]) - below
    g, w = (_resample(tissue, grids) / np.float32(255) for tissue in (grey, white))
    inside = np.minimum(g + w, np.float32(1))
    fluid = _resample((_filled(grey, white) * 255).astype(np.uint8), grids) / np.float32(255) - inside
    signal = g * np.float32(_GREY) + w * np.float32(_WHITE) + np.maximum(fluid, 0) * np.float32(_FLUID)
    signal += (_field(random, (20, 30, 30)) * np.float32(55)) * inside
    count = 1 + int(random.integers(0, 3))
    truth = np.zeros(SHAPE, np.uint8)
    for _ in range(count):
        _add_lesion(random, signal, truth, inside, w)
    signal *= np.float32(1) + np.float32(0.12) * _field(random, (3, 3, 3))
    flair = np.abs(signal + _noise(random) * np.float32(_NOISE))
    return Case(np.rint(flair).astype(np.int16), truth, count)


def _uniform(random: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * int(random.integers(0, 1 << 20)) / (1 << 20)


def _positions(size: int, source: int, scale: float, move: float) -> NDArray[np.float32]:
    import numpy as np

    centred = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2 + move)
    return centred / np.float32(2 * scale) + np.float32((source - 1) / 2)


def _resample(volume: NDArray[Any], grids: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Interpolate linearly, axis by axis; zero outside."""
    import numpy as np

    values = volume.astype(np.float32)
    for axis, at in enumerate(grids):
        size = values.shape[axis]
        low = np.floor(at).astype(np.int64)
        share = at - low.astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = at.size
        parts = []
        for index, weight in ((low, np.float32(1) - share), (low + 1, share)):
            known = ((index >= 0) & (index < size)).astype(np.float32) * weight
            parts.append(np.take(values, np.clip(index, 0, size - 1), axis) * known.reshape(shape))
        values = parts[0] + parts[1]
    return values


def _field(random: np.random.Generator, coarse: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return a smooth field in [-1, 1] from a coarse grid of random numbers."""
    import numpy as np

    knots = random.integers(-1000, 1001, coarse, dtype=np.int32).astype(np.float32) / np.float32(1000)
    grids = [
        np.arange(n, dtype=np.float32) * np.float32((c - 1) / n) for n, c in zip(SHAPE, coarse, strict=True)
    ]
    return _resample(knots, grids)


def _noise(random: np.random.Generator) -> NDArray[np.float32]:
    """Return noise of unit variance: the sum of four random bytes is bell-shaped enough."""
    import numpy as np

    words = random.integers(0, 1 << 32, SHAPE, dtype=np.uint32)
    total = np.zeros(SHAPE, np.uint32)
    for shift in (0, 8, 16, 24):
        total += (words >> np.uint32(shift)) & np.uint32(255)
    # Four bytes: mean 4 * 127.5, variance 4 * (256^2 - 1) / 12 = 147.8^2.
    return (total.astype(np.float32) - np.float32(510)) / np.float32(147.8)


def _filled(grey: NDArray[np.uint8], white: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the brain with its ventricles: tissue between the first and the last along every axis."""
    import numpy as np

    tissue = (grey.astype(np.int32) + white) > 100
    hull = np.ones(tissue.shape, bool)
    for axis in range(3):
        after = np.logical_or.accumulate(tissue, axis)
        before = np.flip(np.logical_or.accumulate(np.flip(tissue, axis), axis), axis)
        hull &= after & before
    return hull.astype(np.float32)


def _add_lesion(
    random: np.random.Generator,
    signal: NDArray[np.float32],
    truth: NDArray[np.uint8],
    inside: NDArray[np.float32],
    white: NDArray[np.float32],
) -> None:
    """Brighten a bumpy ellipsoid around a place of deep white matter, and write it into the truth."""
    import numpy as np

    deep = np.flatnonzero((white > np.float32(0.9)).reshape(-1))
    centre = np.unravel_index(int(deep[int(random.integers(0, deep.size))]), SHAPE)
    radii = [_uniform(random, 11.0, 24.0) for _ in range(3)]
    level = np.zeros(SHAPE, np.float32)
    for axis, (middle, radius) in enumerate(zip(centre, radii, strict=True)):
        shape = [1, 1, 1]
        shape[axis] = SHAPE[axis]
        offset = (np.arange(SHAPE[axis], dtype=np.float32) - np.float32(middle)) / np.float32(radius)
        level += (offset * offset).reshape(shape)
    # 0 at the centre, 1 at the edge; the bumps move the edge by a few millimetres.
    level = np.sqrt(level) + np.float32(0.28) * _field(random, (16, 24, 24))
    size = _uniform(random, 0.45, 0.6)
    # Oedema fades out over several millimetres, the core ends sharply.
    halo_edge = np.clip((np.float32(1) - level) * np.float32(2.5) + np.float32(0.25), 0, 1)
    core_edge = np.clip((np.float32(size) - level) * np.float32(8) + np.float32(0.5), 0, 1)
    gain = np.float32(_uniform(random, 270.0, 340.0)) * halo_edge
    gain += np.float32(_uniform(random, 150.0, 250.0)) * core_edge
    signal += gain * inside
    brain = inside > np.float32(0.5)
    truth[(level < np.float32(1)) & brain & (truth != _LABEL_CORE)] = _LABEL_HALO
    truth[(level < np.float32(size)) & brain] = _LABEL_CORE
