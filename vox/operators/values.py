"""What a kernel takes and gives.

Importing this module does not import numpy: a cached answer is read and printed without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from vox.digest import Digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORD_BITS = 64
# Geometries closer than this (ITK's own tolerance, relative to the spacing) are the same place in space.
PLACE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where voxels are: x first in every tuple, lengths in millimetres.

    `direction` is row-major, `dimension` squared numbers.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.size)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the arrays; a 2D image is one plane."""
        x, y, *rest = self.size
        return (rest[0] if rest else 1, y, x)

    @property
    def voxels(self) -> int:
        """How many."""
        z, y, x = self.shape
        return z * y * x

    @property
    def words(self) -> int:
        """Words in one row of a mask."""
        return -(-self.size[0] // WORD_BITS)

    def same_place(self, other: Geometry) -> bool:
        """Whether voxel (i, j, k) is the same point of space in both, within ITK's tolerance."""
        if self.size != other.size:
            return False
        near = PLACE_TOLERANCE * max(self.spacing)
        lengths = zip(self.spacing + self.origin, other.spacing + other.origin, strict=True)
        turns = zip(self.direction, other.direction, strict=True)
        return all(abs(a - b) <= near for a, b in lengths) and all(
            abs(a - b) <= PLACE_TOLERANCE for a, b in turns
        )


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A set of voxels, one bit each.

    `words` is `uint64[z, y, ceil(x / 64)]`: bit j of word w is voxel x = 64 w + j; padding bits are zero.
    """

    geometry: Geometry
    words: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A number, or a few, at every voxel.

    `voxels` is C-ordered `[z, y, x]` or `[z, y, x, component]`; dtype float32, or the narrow integer type of
    the file it came from (uint8, int8, int16, uint16), whose values float32 holds exactly.
    """

    geometry: Geometry
    voxels: NDArray[Any]

    @property
    def components(self) -> int:
        """Numbers per voxel."""
        return 1 if self.voxels.ndim == 3 else int(self.voxels.shape[3])


@dataclass(frozen=True, slots=True)
class FileBytes:
    """An image file's bytes, as a save writes them; `media_type` is the IANA name."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Sequence:
    """Values in a row. Small ones stand in it; an image or a mask is named by its blob."""

    elements: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """Named values, by name in ascending order."""

    fields: tuple[tuple[str, Item], ...]


Item: TypeAlias = "bool | int | float | str | Digest | Sequence | Record | None"


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What the checker needs to know of an input before anything runs: its blob and its shape."""

    digest: Digest
    geometry: Geometry
    components: int
    dtype: str


Value: TypeAlias = "bool | int | float | str | Geometry | Mask | Image | FileBytes | Sequence | Record | None"
