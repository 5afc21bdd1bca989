"""The engine room: numpy and numba over bare arrays; nothing of the language is known here.

Importing this package imports neither. Its modules are loaded when they are first named
(`kernels.distance.signed(...)`), after numba has been told where it may keep compiled code.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vox.kernels import (
        balls,
        bits,
        compare,
        components,
        counting,
        distance,
        gradient,
        histograms,
        neighbours,
        parallel,
        ranks,
        squares,
        statistics,
        strips,
        texture,
        voxelwise,
    )

__all__ = [
    "balls",
    "bits",
    "compare",
    "components",
    "counting",
    "distance",
    "gradient",
    "histograms",
    "neighbours",
    "parallel",
    "ranks",
    "squares",
    "statistics",
    "strips",
    "texture",
    "voxelwise",
    "warm",
]

_COMPILED = ("compare", "components", "distance", "neighbours", "ranks", "strips", "texture")


# The modules whose import compiles, or loads, machine code.
_MACHINE_CODE = frozenset({*_COMPILED, "counting", "gradient", "histograms", "squares"})
_COLD_S = 20
log = logging.getLogger("vox.kernels")
_told = False


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    mark = _mark(name) if name in _MACHINE_CODE else None
    if mark is not None and not mark.exists():
        _tell()
    module = import_module(f"{__name__}.{name}")
    if mark is not None:
        with suppress(OSError):
            mark.touch()
    return module


def ready() -> bool:
    """Whether this machine has compiled the kernels of this installation before."""
    return all(_mark(name).exists() for name in _COMPILED)


def _mark(name: str) -> Path:
    """Return the file that says that a module, as it is now, has been compiled."""
    source = Path(__file__).with_name(f"{name}.py").stat()
    version = f"{name}-{source.st_size}-{source.st_mtime_ns}-{sys.implementation.cache_tag}"
    return Path(os.environ["NUMBA_CACHE_DIR"]) / f"vox-{version}"


def _tell() -> None:
    """Say once why the first program takes longer than the next ones."""
    global _told
    if not _told:
        _told = True
        log.warning("compiling kernels, once on this machine: up to %d seconds", _COLD_S)


def warm(report: Callable[[str, float], None] | None = None) -> float:
    """Compile or load every compiled kernel; return the seconds it took.

    Parameters
    ----------
    report
        Called after each module with its name and its seconds.
    """
    began = time.perf_counter()
    for name in _COMPILED:
        start = time.perf_counter()
        __getattr__(name).warm()
        if report is not None:
            report(name, time.perf_counter() - start)
    return time.perf_counter() - began


def _cache_directory() -> Path:
    """Return a directory of the user's that can be written, for compiled code."""
    root = os.environ.get("VOX_CACHE_DIR")
    if root:
        chosen = Path(root) / "numba"
    else:
        from platformdirs import user_cache_path

        chosen = user_cache_path("vox", appauthor=False) / "numba"
    try:
        chosen.mkdir(parents=True, exist_ok=True)
        if os.access(chosen, os.W_OK | os.X_OK):
            return chosen
    except OSError:
        pass
    # A read-only home must not stop a worker: its compiled code then lives as long as this process.
    return Path(tempfile.mkdtemp(prefix="vox-numba-"))


def _place_cache() -> None:
    """Tell numba where to keep compiled code, unless somebody has."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    os.environ["NUMBA_CACHE_DIR"] = str(_cache_directory())
    if "numba" in sys.modules:
        config = sys.modules["numba"].config
        if not config.CACHE_DIR:
            config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]


_place_cache()
