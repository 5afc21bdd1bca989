"""What in a text belongs to another dialect of the language, or to a logic of other models."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from vox.imgql.codes import DIALECT, FAMILY
from vox.imgql.diagnostics import Diagnostic
from vox.imgql.source import SourceText

COMMANDS = ("let", "load", "save", "print", "import")

# Names that exist in V2 only, lower-case ones and those that V1 reads as an operator glued to a name.
V2_NAMES = frozenset(
    [
        "addition",
        "subtraction",
        "multiplication",
        "division",
        "sequence",
        "index",
        "slice",
        "subsequence",
        "range",
        "for_loop",
        "map",
        "filter",
        "fold",
        "argmax",
        "dir",
        "overlay",
        "print_primitive",
        "gradient",
        "avg0",
        "vol",
        "extract",
        "mean",
        "median",
        "stdev",
        "tally",
        "argsort",
        "floor",
        "gather",
        "combine",
        "keep",
        "parameter_grid",
        "contralateral_asymmetry",
        "geq_sv",
        "leq_sv",
        "eq_sv",
        "div_sv",
        "sub_sv",
        "div_vs",
        "sub_vs",
        "add_vs",
        "mul_vs",
        "num_add",
        "num_sub",
        "num_mul",
        "num_div",
        "num_eq",
        "num_neq",
        "num_leq",
        "num_lt",
        "num_geq",
        "num_gt",
        "bool_and_scalar",
        "bool_or_scalar",
        "bool_not_scalar",
        "not_compat",
        "concat",
        "format_string",
        "pixel_accuracy",
        "confusion_matrix",
        "dice_score",
        "jaccard_index",
        "count_pixels",
        "threshold_equal",
        "array_stats",
        "compare_arrays",
        "vector_uint32",
        "vector_double",
        "blank",
        "circle",
        "regular_polygon",
        "for",
        "in",
        "do",
    ]
)
V2_NAMESPACES = frozenset(["default", "vox1", "simpleitk", "arrays", "strings", "geom", "nnunet", "test"])
FAMILY_NAMES = frozenset(["ap", "eta", "gamma", "bnear", "frame", "until"])

_IN_QUOTES = r'//[^\n]*+|"[^"]*+"'
_V2 = re.compile(
    rf"""{_IN_QUOTES}
    |^[ \t]*+(?P<bare>(?!(?:{"|".join(COMMANDS)})\b)[A-Za-z_][\w.]*+
        [ \t]*+(?:\([^()"\n]*+\)[ \t]*+)?=(?![=>.+*/<!&|-]))
    |(?P<loop>\b(?:for|filter)[ \t]+\w++[ \t]+in\b)
    |(?P<fold>\bfold[ \t]++(?:max|min|[-+*/&|]++)[ \t])
    |(?P<system>\$[a-z]\w*+)
    |(?P<dotted>\b(?:{"|".join(sorted(V2_NAMESPACES))})\.[A-Za-z_])
    """,
    re.VERBOSE | re.MULTILINE,
)
_V1 = re.compile(rf"{_IN_QUOTES}|^[ \t]*+(?P<load>load[ \t]++\w++[ \t]*+=)", re.MULTILINE)
_CONSTRUCTS = {
    "bare": ("a declaration without `let`", "in V1 write `let` before it"),
    "loop": ("a `for` or `filter` over a sequence", "V1 has no sequences"),
    "fold": ("a `fold` over a sequence", "V1 has no sequences"),
    "system": ("a system variable", "V1 has no system variables; give a value with `--set name=value`"),
    "dotted": ("a name of a namespace", "V1 has no namespaces"),
    "let-in": ("a `let … in …` inside an expression", "in V1 declare it with a `let` of its own"),
    "array": ("a list in square brackets", "V1 has no sequences"),
    "index": ("an index or slice in square brackets", "V1 has no sequences"),
    "call": ("an operator called as a function, as in `+(a, b)`", "in V1 write it between its arguments"),
    "block": ("a `let … in …` inside an expression", "in V1 declare it with a `let` of its own"),
    "name": ("this name", "V1 does not have it"),
    "namespace": ("the import of a namespace", "V1 has one library, stdlib, which is always there"),
}


_NAMES = "|".join(sorted(V2_NAMES - {"for", "in", "do"}))
# What only V2 has, wherever it stands.
_STRONG = re.compile(
    rf"""^[ \t]*+(?P<namespace>import[ \t]*+"(?:{"|".join(sorted(V2_NAMESPACES))})")
    |(?P<list>"[^"\n]*+"[ \t]*+\[)
    |{_IN_QUOTES}
    |(?P<array>(?:[=(,\[]|\b(?:do|in|max|min))[ \t\r\n]*+\[)
    |(?P<index>[a-z0-9_)\]]\[)
    |(?P<block>[=(,][ \t]*+let[ \t]++\w++[ \t]*+=)
    """,
    re.VERBOSE | re.MULTILINE,
)
# What V2 has and a V1 program without errors has not.
_WEAK = re.compile(
    rf"""{_IN_QUOTES}
    |(?P<name>\b(?:{_NAMES})[ \t]*+\()
    |(?P<capital>(?<![\w"])[A-Z][A-Z0-9]*[a-z]\w*+[ \t]*+\()
    |(?P<call>(?:^|[=(,])[ \t]*+[-+*/<>=!&|]++\([^()\n]*+,)
    |(?P<numbers>[0-9.]++[ \t]++(?:[-+*/<>]|<=|>=|==|!=|&&)[ \t]++[0-9])
    |(?P<logic>\b(?:true|false)[ \t]++(?:&&|\|\||==|!=))
    """,
    re.VERBOSE | re.MULTILINE,
)
_DOTS = re.compile(r"[\w)][ \t]++(?:\.[-+*/=<>&|]=?\.|\.[<>=]|[<>=]=?\.)[ \t]")
_STDLIB = re.compile(r'^[ \t]*+import[ \t]*+"(?:stdlib|RegionCalculus)', re.MULTILINE)

Dialect = Literal["v1", "v2"]


def choose(text: str, otherwise: Dialect = "v1") -> Dialect:
    """Return the dialect that a text is written in; `otherwise` if nothing in it tells."""
    if v2_marker(text) is not None or _first(_STRONG, text):
        return "v2"
    if is_v1(text) or _STDLIB.search(text):
        return "v1"
    if otherwise == "v1" and _DOTS.search(text):
        return "v1"
    return "v2" if _first(_WEAK, text) else otherwise


def _first(pattern: re.Pattern[str], text: str) -> bool:
    return any(match.lastgroup is not None for match in pattern.finditer(text))


class Marker(NamedTuple):
    """A construct of V2 and where it stands."""

    construct: str
    start: int
    end: int


def is_v1(text: str) -> bool:
    """Whether a text says by a `load` command that it is written in V1."""
    return any(match.group("load") for match in _V1.finditer(text))


def v2_marker(text: str) -> Marker | None:
    """Return the first construct that only V2 has, outside comments and strings."""
    for match in _V2.finditer(text):
        if match.lastgroup is not None:
            start, end = match.span(match.lastgroup)
            return Marker(match.lastgroup, start, end)
    return None


def v2_error(source: SourceText, marker: Marker) -> Diagnostic:
    """Say that a construct is V2's."""
    construct, instead = _CONSTRUCTS[marker.construct]
    return Diagnostic(
        "error",
        DIALECT,
        f"{construct} belongs to the V2 dialect, which this version does not run",
        source.span(marker.start, marker.end),
        "only in V2",
        instead,
    )


def family_error(source: SourceText, what: str, start: int, end: int) -> Diagnostic:
    """Say that a program is about other models than images."""
    return Diagnostic(
        "error",
        FAMILY,
        f"{what} belongs to programs about graphs, polyhedra or posets, not images",
        source.span(start, end),
        "another kind of model",
        "run it with the VoxLogicA variant it was written for",
    )
