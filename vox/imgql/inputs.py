"""What a program asks of the world while it is compiled: images, folders, texts.

The language opens nothing itself. Whoever compiles gives one of these; what it answers is part of the
program's meaning, and is sent with it to a coordinator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vox.errors import InputError, Span
from vox.operators.values import SourceInfo

Resolve = Callable[[str, Span], SourceInfo]


def listing_key(root: str, pattern: str, recursive: bool, full_paths: bool) -> str:
    """Return the name under which the listing of a folder is sent."""
    return "\n".join(
        (root, pattern, "recursive" if recursive else "flat", "full" if full_paths else "relative")
    )


@dataclass(frozen=True)
class Inputs:
    """Answers to a program's questions.

    Attributes
    ----------
    resolve
        The blob and shape of an image by its path; None takes every image to be there.
    list_folder
        The names in a folder, sorted: root, pattern, recursive, full paths, where it is asked.
    read_lines
        The lines of a text file.
    system
        `$cwd`, `$dir`, `$file`, `$filename`, `$stem`.
    """

    resolve: Resolve | None = None
    list_folder: Callable[[str, str, bool, bool, Span], Sequence[str]] | None = None
    read_lines: Callable[[str, Span], Sequence[str]] | None = None
    system: Mapping[str, str] = field(default_factory=dict)


def recorded(
    resolve: Resolve,
    listings: Mapping[str, Sequence[str]],
    texts: Mapping[str, Sequence[str]],
    system: Mapping[str, str],
) -> Inputs:
    """Return answers that were given elsewhere and sent along."""

    def list_folder(root: str, pattern: str, recursive: bool, full: bool, span: Span) -> Sequence[str]:
        found = listings.get(listing_key(root, pattern, recursive, full))
        if found is None:
            raise InputError(f"the folder {root!r} was not listed with the program", code="E0307", span=span)
        return found

    def read_lines(path: str, span: Span) -> Sequence[str]:
        if path not in texts:
            raise InputError(f"the text {path!r} was not sent with the program", code="E0307", span=span)
        return texts[path]

    return Inputs(resolve, list_folder, read_lines, system)
