"""The built-in names of V1, and which operator of the catalogue each one is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from vox.operators.catalogue import CATALOGUE
from vox.operators.registry import Operator
from vox.plan import Type

# Names spelt differently in the catalogue. The dot stands on the scalar's side; `n .<= i` is n <= i(v).
_SPELLINGS = {
    "./.": "num_div",
    ".*.": "num_mul",
    ".+.": "num_add",
    ".-.": "num_sub",
    ".=.": "num_eq",
    ".<=.": "num_leq",
    ".<.": "num_lt",
    ".>=.": "num_geq",
    ".>.": "num_gt",
    ".&.": "bool_and",
    ".|.": "bool_or",
    "!.": "bool_not",
    ".=": "eq_sv",
    ".<=": "geq_sv",
    ".>=": "leq_sv",
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "+.": "add_vs",
    "-.": "sub_vs",
    "*.": "mul_vs",
    "/.": "div_vs",
    ".-": "sub_sv",
    "./": "div_sv",
}
_SAME = [
    "tt",
    "ff",
    "bconstant",
    "constant",
    "not",
    "and",
    "or",
    "between",
    "abs",
    "max",
    "min",
    "mask",
    "avg",
    "volume",
    "border",
    "x",
    "y",
    "z",
    "intensity",
    "red",
    "green",
    "blue",
    "alpha",
    "rgb",
    "rgba",
    "near",
    "interior",
    "through",
    "lcc",
    "maxvol",
    "dt",
    "percentiles",
    "otsu",
    "crossCorrelation",
]


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in name: its operator, and whether the base image's geometry is added as last input."""

    name: str
    operator: Operator
    inputs: tuple[Type, ...]
    geometry: bool


@cache
def v1_builtins() -> dict[str, Builtin]:
    """Return every built-in of V1 by its name in programs."""
    names = {**_SPELLINGS, **{name: name for name in _SAME}}
    table: dict[str, Builtin] = {}
    for name, operator_name in names.items():
        operator = CATALOGUE.named(operator_name)
        geometry = bool(operator.inputs) and operator.inputs[-1] is Type.GEOMETRY
        inputs = operator.inputs[:-1] if geometry else operator.inputs
        table[name] = Builtin(name, operator, inputs, geometry)
    return table
