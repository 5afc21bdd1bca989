"""A program and everything it imports, gathered into one parcel that can be sent away and compiled there.

An import is looked for beside the importing file, then in the working folder, then in the library of the
language, each with and without `.imgql`. Every file is taken in once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from vox.errors import InputError, ProgramError, Span
from vox.imgql import codes
from vox.imgql.diagnostics import Diagnostic, program_error
from vox.imgql.parameters import Parameter, image_path
from vox.imgql.read import read as read_text
from vox.imgql.source import SourceText
from vox.imgql.syntax import Import, Load, Program

SUFFIX = ".imgql"
# A hand-written program is kilobytes, a generated one megabytes.
SOURCE_BYTES_MAX = 64 * 1024 * 1024
IMPORTS_MAX = 1000
NAMESPACES = ("default", "vox1", "simpleitk", "arrays", "strings", "geom", "nnunet", "test")
_LIBRARY = Path(__file__).parent / "stdlib"
_LIBRARY_PREFIX = "<library>/"
PRELUDE = f"{_LIBRARY_PREFIX}stdlib{SUFFIX}"

# (importing file, text of the import) -> the file, or None if there is none.
Read = Callable[[str, str], "SourceText | None"]
Parsed = tuple[Program, list[Diagnostic]]


@dataclass(frozen=True)
class Bundle:
    """A program with the text of all it imports.

    Attributes
    ----------
    main
        The program.
    sources
        Imported files by name; those of the library are not among them.
    imports
        What each import became: `(importing file, text of the import)` to the name of a file.
    loads
        The paths of all images that the program loads, parameters' included, and where it names them.
    dialect
        `auto`, `v1` or `v2`: for every file.
    """

    main: SourceText
    sources: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[tuple[str, str], str] = field(default_factory=dict)
    loads: tuple[tuple[str, Span], ...] = ()
    dialect: str = "auto"
    _parsed: dict[str, Parsed] = field(default_factory=dict, compare=False, repr=False)

    def parsed(self, name: str) -> Parsed:
        """Return the tree and the syntax errors of one of the files; it is parsed once."""
        main = name == self.main.name
        if is_library(name) and not main:
            return _library(name)
        if name not in self._parsed:
            source = self.main if main else SourceText(name, self.sources[name])
            self._parsed[name] = read_text(source, self.dialect, imported=not main)
        return self._parsed[name]

    @property
    def v2(self) -> bool:
        """Whether the program, or a file that it imports, is written in V2."""
        return any(self.parsed(name)[0].dialect == "v2" for name in (self.main.name, *self.sources))

    def texts(self) -> dict[str, SourceText]:
        """Return every file by name, the library's too: what diagnostics are rendered with."""
        texts = {name: SourceText(name, text) for name, text in self.sources.items()}
        texts |= {_LIBRARY_PREFIX + p.name: library_source(_LIBRARY_PREFIX + p.name) for p in library_files()}
        return texts | {self.main.name: self.main}

    def to_json(self) -> dict[str, object]:
        """Return the form that is posted to a coordinator."""
        return {
            "filename": self.main.name,
            "program": self.main.text,
            "sources": dict(self.sources),
            "imports": [[file, text, name] for (file, text), name in self.imports.items()],
            "dialect": self.dialect,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object], parameters: Mapping[str, Parameter] = {}) -> Bundle:
        """Read what `to_json` made. It comes from outside: everything is checked.

        Raises
        ------
        ProgramError
            If the document is not a bundle.
        """
        name, text = document.get("filename", "program.imgql"), document.get("program")
        sources, rows = document.get("sources", {}), document.get("imports", [])
        try:
            if not isinstance(name, str) or not isinstance(text, str) or not isinstance(rows, list):
                raise TypeError("filename, program and imports")
            if not isinstance(sources, dict) or not all(isinstance(s, str) for s in sources.values()):
                raise TypeError("sources")
            imports = {(str(file), str(asked)): str(found) for file, asked, found in rows}
        except (TypeError, ValueError) as error:
            raise ProgramError(f"not a program with its imports: {error}") from error

        def read(file: str, asked: str) -> SourceText | None:
            found = imports.get((file, asked), "")
            return SourceText(found, sources[found]) if found in sources else None

        dialect = str(document.get("dialect", "auto"))
        return collect(SourceText(name, text), read, parameters=parameters, dialect=dialect)


def collect(
    main: SourceText, read: Read, *, parameters: Mapping[str, Parameter] = {}, dialect: str = "auto"
) -> Bundle:
    """Gather a program's imports and list what it loads. Errors in the texts are left to `compile_bundle`."""
    sources: dict[str, str] = {}
    imports: dict[tuple[str, str], str] = {}
    parsed: dict[str, Parsed] = {main.name: read_text(main, dialect)}
    waiting = [main.name]
    while waiting:
        name = waiting.pop()
        for command in parsed[name][0].commands:
            if not isinstance(command, Import) or (name, command.path.value) in imports:
                continue
            asked = command.path.value
            if asked in NAMESPACES and parsed[name][0].dialect == "v2":
                continue
            found = read(name, asked)
            # A file from outside cannot pass for the library's.
            if found is None or is_library(found.name):
                found = library(asked)
            if found is None or len(imports) >= IMPORTS_MAX:
                continue
            imports[name, asked] = found.name
            if found.name not in parsed and not is_library(found.name):
                sources[found.name] = found.text
                parsed[found.name] = read_text(found, dialect, parsed[name][0].dialect, imported=True)
                waiting.append(found.name)
    return Bundle(main, sources, imports, _loads(parsed[main.name][0], parameters), dialect, parsed)


def _loads(program: Program, parameters: Mapping[str, Parameter]) -> tuple[tuple[str, Span], ...]:
    source = program.source
    own = [command for command in program.commands if isinstance(command, Load)]
    # A parameter takes the place of the load of that name.
    found = [
        (image_path(parameters[c.name]) or c.path.value if c.name in parameters else c.path.value, c)
        for c in own
    ]
    loads = [(path, source.span(c.path.start, c.path.end)) for path, c in found]
    start = source.span(0, 0)
    names = {command.name for command in own}
    return (
        *(
            (path, start)
            for name, value in parameters.items()
            if name not in names and (path := image_path(value))
        ),
        *loads,
    )


def decode_source(data: bytes | str, name: str) -> SourceText:
    """Make a source of bytes.

    Raises
    ------
    ProgramError
        If they are not UTF-8, or too many.
    """
    if len(data) > SOURCE_BYTES_MAX:
        limit = f"the program is larger than {SOURCE_BYTES_MAX >> 20} MiB"
        raise program_error([Diagnostic("error", codes.TOO_LARGE, f"{name}: {limit}")])
    if isinstance(data, str):
        return SourceText(name, data)
    try:
        return SourceText(name, data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        diagnostic = Diagnostic(
            "error",
            codes.NOT_UTF8,
            f"the program is not UTF-8 text: byte 0x{data[error.start]:02x}",
            Span(name, line, column, line, column + 1),
            help="save the file as UTF-8 plain text",
        )
        raise program_error([diagnostic]) from error


def read_source(path: str | Path, name: str | None = None) -> SourceText:
    """Read a program's file.

    Raises
    ------
    InputError
        If it is missing, a folder, or unreadable.
    ProgramError
        If it is not UTF-8.
    """
    name = str(path) if name is None else name
    try:
        with open(path, "rb") as file:
            return decode_source(file.read(SOURCE_BYTES_MAX + 1), name)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise InputError(
            f"the program {name} cannot be read: {reason}", hint="give a file of ImgQL text"
        ) from error


def read_beside(importing: str, asked: str) -> SourceText | None:
    """Look for an import on disk: beside the importing file, then in the working folder."""
    for folder in (os.path.dirname(importing), ""):
        for ending in ("", SUFFIX):
            path = os.path.normpath(os.path.join(folder, asked + ending))
            if os.path.isfile(path):
                # One file, one name: relative where it is below the working folder.
                relative = os.path.relpath(path)
                return read_source(path, os.path.abspath(path) if relative.startswith("..") else relative)
    return None


def library(asked: str) -> SourceText | None:
    """Look for an import in the library."""
    names = {path.name for path in library_files()}
    for name in (asked, asked + SUFFIX):
        if name in names:
            return library_source(_LIBRARY_PREFIX + name)
    return None


@cache
def library_files() -> tuple[Path, ...]:
    """Return the files of the library."""
    return tuple(sorted(_LIBRARY.glob(f"*{SUFFIX}")))


@cache
def library_source(name: str) -> SourceText:
    """Return a file of the library by the name that `library` gave it."""
    files = {_LIBRARY_PREFIX + path.name: path for path in library_files()}
    return SourceText(name, files[name].read_text(encoding="utf-8"))


def is_library(name: str) -> bool:
    """Whether a file belongs to the library."""
    return name.startswith(_LIBRARY_PREFIX)


@cache
def _library(name: str) -> Parsed:
    return read_text(library_source(name), "v1", imported=True)
