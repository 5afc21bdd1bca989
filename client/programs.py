"""A program's questions to this machine: folders, texts, system variables, the cases of a data set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vox.errors import InputError, Span, UsageError
from vox.imgql.inputs import Inputs, listing_key

# A list of the lines of a table, and of the files of a data set.
LINES_MAX = 1_000_000
TEXT_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True)
class Asked:
    """What the command line says about how a program is read."""

    dialect: str = "auto"
    cases: str = ""
    layout: str = "brats"


PLAIN = Asked()


@dataclass
class Answers:
    """Answers from this machine, remembered, so that they can be sent with the program."""

    program: Path
    folders: Sequence[Path]
    listings: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def inputs(self) -> Inputs:
        """Return them as the compiler asks for them; images are asked for elsewhere."""
        return Inputs(None, self.list_folder, self.read_lines, self.system())

    def system(self) -> dict[str, str]:
        """Return the system variables."""
        name = self.program.name
        return {
            "$cwd": str(Path.cwd()),
            "$dir": str(self.program.resolve().parent),
            "$file": name,
            "$filename": name,
            "$stem": self.program.stem,
        }

    def list_folder(self, root: str, pattern: str, recursive: bool, full: bool, span: Span) -> list[str]:
        """Return the names in a folder by their own spelling; what a link points to does not move it."""
        key = listing_key(root, pattern, recursive, full)
        if key not in self.listings:
            folder = self._find(root, span)
            try:
                found = sorted(folder.rglob(pattern) if recursive else folder.glob(pattern))
            except (OSError, ValueError, NotImplementedError) as error:
                message = f"cannot list `{pattern}` in `{root}`: {error}"
                raise InputError(message, code="E0275", span=span) from error
            if len(found) > LINES_MAX:
                raise InputError(f"more than a million names in `{root}`", code="E0275", span=span)
            shown = (path if full else path.relative_to(folder) for path in found)
            self.listings[key] = [each.as_posix() for each in shown]
        return self.listings[key]

    def read_lines(self, path: str, span: Span) -> list[str]:
        """Return the lines of a text."""
        if path not in self.texts:
            file = self._find(path, span, folder=False)
            try:
                if file.stat().st_size > TEXT_BYTES_MAX:
                    raise InputError(f"`{path}` is too large for a table", code="E0304", span=span)
                self.texts[path] = file.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"cannot read `{path}`: {error}", code="E0303", span=span) from error
        return self.texts[path]

    def _find(self, text: str, span: Span, *, folder: bool = True) -> Path:
        given = Path(text).expanduser()
        tried = [given] if given.is_absolute() else [each / given for each in self.folders]
        for candidate in tried:
            if candidate.is_dir() if folder else candidate.is_file():
                return candidate
        what, code = ("folder", "E0275") if folder else ("file", "E0301")
        places = ", ".join(dict.fromkeys(str(path.parent) for path in tried))
        hint = f"looked in {places}; see --data DIR"
        raise InputError(f"no {what} `{text}`", hint=hint, code=code, span=span)


def bindings(
    asked: Asked, folders: Sequence[Path], wanted: Sequence[str], given: Mapping[str, object]
) -> dict[str, dict[str, str]]:
    """Return what the names that a program leaves open are in each case.

    Raises
    ------
    UsageError
        If there are no cases, or one of them lacks a file.
    """
    if not asked.cases:
        return {}
    from vox.imgql.cases import bind, find_cases

    layout = asked.layout
    if layout.startswith("glob:") and not layout.startswith(("glob:/", "glob:**/")):
        # The pattern is of the end of a path: where the data set lies is the business of --cases.
        layout = "glob:**/" + layout.removeprefix("glob:")
    cases = find_cases(_files(asked.cases, folders), layout)
    return {case.name: bind(case, wanted, given) for case in cases}


def _files(pattern: str, folders: Sequence[Path]) -> Iterator[str]:
    """Yield the files of a data set: of a folder and all below it, of folders that a pattern names."""
    given = Path(pattern).expanduser()
    for base in [Path(given.anchor)] if given.is_absolute() else folders:
        relative = str(given.relative_to(base)) if given.is_absolute() else str(given)
        found = sorted(base.glob(relative)) if relative != "." else [base]
        if found:
            break
    else:
        raise UsageError(
            f"nothing is called `{pattern}`", hint="--cases names a folder or a pattern", code="E0271"
        )
    for path in found:
        if path.is_file():
            yield str(path)
            continue
        for folder, _, names in os.walk(path, followlinks=True):
            yield from (os.path.join(folder, name) for name in names)
