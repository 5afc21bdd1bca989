"""Truth values, and masks as sets of voxels. Importing this module does not import numpy."""

from __future__ import annotations

from vox import kernels
from vox.operators.agreement import common_geometry
from vox.operators.values import Mask


def bool_and(a: bool, b: bool) -> bool:
    """Return a and b."""
    return bool(a) and bool(b)


def bool_or(a: bool, b: bool) -> bool:
    """Return a or b."""
    return bool(a) or bool(b)


def bool_not(a: bool) -> bool:
    """Return not a."""
    return not a


def mask_and(a: Mask, b: Mask) -> Mask:
    """Return the intersection."""
    return Mask(common_geometry("and", a, b), a.words & b.words)


def mask_or(a: Mask, b: Mask) -> Mask:
    """Return the union."""
    return Mask(common_geometry("or", a, b), a.words | b.words)


def mask_not(a: Mask) -> Mask:
    """Return the complement."""
    return Mask(a.geometry, kernels.bits.complement(a.words, a.geometry.size[0]))


def volume(a: Mask) -> float:
    """Return the number of voxels that are true (not their volume in mm3)."""
    return float(kernels.bits.count(a.words))
