"""Values given from outside: `--set name=value`.

A parameter replaces a top-level `let` of a literal, or the path of a `load`, or fills a name that the program
uses and nobody defines. A text that fills a name is a number, a boolean or an image's path if it looks like
one; with `@` before it, it is a path whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from vox.imgql import codes
from vox.imgql.diagnostics import Diagnostic, did_you_mean
from vox.imgql.syntax import Boolean, Call, Let, Load, Number, Print, Program, Save, String, walk

Parameter: TypeAlias = "str | float | bool"

_IMAGE_ENDINGS = (
    ".nii",
    ".nii.gz",
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".tif",
    ".tiff",
    ".mha",
    ".mhd",
    ".nrrd",
    ".nhdr",
    ".hdr",
    ".img",
    ".img.gz",
    ".mnc",
    ".dcm",
)
_number = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|inf(?:inity)?|nan)", re.IGNORECASE
).fullmatch


def image_path(value: Parameter) -> str | None:
    """Return the path that a parameter names, if it names an image."""
    if not isinstance(value, str):
        return None
    if value.startswith("@"):
        return value[1:]
    return value if value.lower().endswith(_IMAGE_ENDINGS) else None


def literal_of(value: Parameter) -> float | bool | str:
    """Return what a text given on a command line means where nothing says its type."""
    if not isinstance(value, str):
        return value if isinstance(value, bool) else float(value)
    if value in ("true", "false"):
        return value == "true"
    return float(value) if _number(value) else value


def replacement(let: Let, value: Parameter) -> float | bool | str | None:
    """Return the value that takes the place of a `let`'s literal, None if it does not fit."""
    if isinstance(let.value, String):
        return value if isinstance(value, str) else None
    meant = literal_of(value)
    wanted = bool if isinstance(let.value, Boolean) else float
    return meant if type(meant) is wanted else None


def check_parameters(program: Program, parameters: Mapping[str, Parameter]) -> list[Diagnostic]:
    """Return what is wrong with the parameters of a program."""
    if not parameters:
        return []
    lets: dict[str, list[Let]] = {}
    loads: dict[str, Load] = {}
    used: set[str] = set()
    for command in program.commands:
        if isinstance(command, Let):
            lets.setdefault(command.name, []).append(command)
        elif isinstance(command, Load):
            loads[command.name] = command
        if isinstance(command, Let | Save | Print):
            used.update(e.name for e in walk(command.value) if isinstance(e, Call) and not e.arguments)
    found: list[Diagnostic] = []
    for name, value in parameters.items():
        if name in lets:
            found += _check_lets(program, lets[name], value)
        elif name in loads:
            if image_path(value) is None:
                at = loads[name].path
                message = f"the parameter `{name}` replaces a `load`: its value must be an image's path"
                span = program.source.span(at.start, at.end)
                found.append(Diagnostic("error", codes.PARAMETER_VALUE, message, span, "loaded here"))
        elif name not in used:
            message = f"the program has no use for a parameter `{name}`"
            help = did_you_mean(name, [*lets, *loads, *used])
            found.append(Diagnostic("error", codes.PARAMETER_UNKNOWN, message, help=help))
    return found


def _check_lets(program: Program, lets: list[Let], value: Parameter) -> list[Diagnostic]:
    literal = [let for let in lets if not let.formals and isinstance(let.value, Number | Boolean | String)]
    source = program.source
    if not literal:
        span = source.span(lets[0].at, lets[0].at + len(lets[0].name))
        message = f"the parameter `{lets[0].name}` cannot replace this declaration"
        label, help = (
            "not a literal",
            "only a `let` whose right side is a number, `true`, `false` or a string",
        )
        return [Diagnostic("error", codes.PARAMETER_VALUE, message, span, label, help)]
    wrong = [let for let in literal if replacement(let, value) is None]
    return [
        Diagnostic(
            "error",
            codes.PARAMETER_VALUE,
            f"the parameter `{let.name}` is {value!r}, which is no {type(let.value).__name__.lower()}",
            source.span(let.value.start, let.value.end),
            "replaces this",
        )
        for let in wrong
    ]
