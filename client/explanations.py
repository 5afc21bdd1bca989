"""What error codes mean: the words of `vox explain`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from vox.errors import VoxError

# Modules whose errors have codes of their own, and what cheap ones do not import themselves.
_MODULES = ("vox.errors", "vox.runfile")
# Codes that one class uses for several causes.
_CAUSES = {
    "E0302": "A directory stands where an image file is needed.",
    "E0303": "An input file cannot be opened, is damaged, or is not an image.",
    "E0304": "An image of a kind that vox does not know: its dimensions, components or numbers.",
    "E0305": "An input file changed while it was read; what was read is not used.",
    "E0306": "Images that are to be drawn on one another have different sizes.",
    "E0321": "A directory stands where a result should be written.",
    "E0322": "A result may not be written there.",
    "E0323": "The disk is full; nothing half-written is left, and nothing has to be computed again.",
}


def explanation(code: str) -> str:
    """Return what a code means; nothing for a code that no error has."""
    from vox.imgql.codes import CODES

    if code in CODES:
        return CODES[code]
    if code in _CAUSES:
        return _CAUSES[code]
    for module in _MODULES:
        import_module(module)
    for kind in _kinds(VoxError):
        if kind.code == code:
            return " ".join((kind.__doc__ or "").split())
    return ""


def _kinds(kind: type[VoxError]) -> Iterator[type[VoxError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
