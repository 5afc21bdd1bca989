"""What a statement says of the machine that computed: library versions and instruction set."""

from __future__ import annotations

import platform
import sys
from functools import lru_cache
from importlib import metadata

from vox import __version__
from vox.digest import Digest
from vox.encoding import encode

# The libraries whose code makes results.
_LIBRARIES = ("numpy", "numba", "llvmlite", "SimpleITK")


def describe() -> dict[str, str]:
    """Return the versions, without importing the libraries."""
    found = {"vox": __version__, "machine": platform.machine(), "python": platform.python_version()}
    found["system"] = sys.platform
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


@lru_cache(maxsize=1)
def environment() -> Digest:
    """Return the digest of `describe`."""
    return Digest.of(encode(describe()))
