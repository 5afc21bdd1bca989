"""vox: declarative medical image analysis, shared and verifiable.

The library package. Importing it costs nothing: the Python face (`vox.submit`, `vox.connect`) is
resolved on first use, because it lives in the room above this one.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "connect", "submit"]


def __getattr__(name: str) -> Any:
    if name in ("submit", "connect"):
        # By name and late: the library knows no room above it, the face is looked up only when called for.
        from importlib import import_module

        return getattr(import_module("client.session"), name)
    raise AttributeError(f"module 'vox' has no attribute {name!r}")
