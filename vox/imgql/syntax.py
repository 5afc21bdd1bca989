"""The tree of a program: the same for every dialect.

Every application is a `Call`: `a + b` is `Call("+", (a, b))`, a bare name a call without arguments. Places
are character offsets into the program's `SourceText`. Trees can be hundred thousands of calls deep, so
nothing here compares, prints or walks them by recursion; that is also why nodes compare by identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from vox.imgql.source import SourceText


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A literal number, always float64."""

    value: float
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Boolean:
    """`true` or `false`."""

    value: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class String:
    """A literal string, without its quotes."""

    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call:
    """A name or operator applied to expressions; `at` is where the name itself stands."""

    name: str
    arguments: tuple[Expression, ...]
    at: int
    start: int
    end: int

    def __repr__(self) -> str:
        return f"Call({self.name!r}, <{len(self.arguments)}>)"


@dataclass(frozen=True, slots=True, eq=False)
class Null:
    """The bound that a slice leaves open."""

    start: int
    end: int
    value: None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LetIn:
    """`let name = value in body`; `at` is where the name stands."""

    name: str
    value: Expression
    body: Expression
    at: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Loop:
    """`for name in sequence do body`, or `filter`."""

    kind: Literal["for", "filter"]
    name: str
    sequence: Expression
    body: Expression
    at: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fold:
    """`fold operator initial sequence`; without `initial` the operator says where to begin."""

    operator: str
    initial: Expression | None
    sequence: Expression
    at: int
    start: int
    end: int


# Names of calls that are written with brackets: a list, an element of one, a part of one.
LIST, INDEX, SLICE = "[]", "[i]", "[:]"

Expression: TypeAlias = Number | Boolean | String | Null | Call | LetIn | Loop | Fold


@dataclass(frozen=True, slots=True, eq=False)
class Let:
    """`let name(formals) = value`; `bare` without its `let`, as V2 has it."""

    name: str
    formals: tuple[str, ...]
    value: Expression
    at: int
    start: int
    end: int
    bare: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """`load name = "path"`."""

    name: str
    path: String
    at: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Import:
    """`import "path"`."""

    path: String
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Save:
    """`save "path" value`."""

    label: String
    value: Expression
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """`print "label" value`."""

    label: String
    value: Expression
    start: int
    end: int


Command: TypeAlias = Let | Load | Import | Save | Print


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A file: its commands in order, and the dialect it is written in."""

    source: SourceText
    commands: tuple[Command, ...]
    dialect: Literal["v1", "v2"] = "v1"


def is_word(name: str) -> bool:
    """Whether a name is an identifier; the others are operators, written before or between operands."""
    first = name.lstrip("_")[:1]
    return first.isalnum() and not first.isupper()


def parts(expression: Expression) -> tuple[Expression, ...]:
    """Return the expressions directly inside one."""
    match expression:
        case Call():
            return expression.arguments
        case LetIn():
            return (expression.value, expression.body)
        case Loop():
            return (expression.sequence, expression.body)
        case Fold():
            first = () if expression.initial is None else (expression.initial,)
            return (*first, expression.sequence)
    return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and everything in it, outermost and leftmost first."""
    stack = [expression]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(reversed(parts(found)))


def outline(program: Program) -> list[tuple[object, ...]]:
    """Return what a program says without where it says it: equal outlines, equal programs."""
    rows: list[tuple[object, ...]] = []
    for command in program.commands:
        match command:
            case Let(name, formals, value):
                rows.append(("let", name, formals))
                rows.extend(map(_row, walk(value)))
            case Load(name, path):
                rows.append(("load", name, path.value))
            case Import(path):
                rows.append(("import", path.value))
            case Save(label, value) | Print(label, value):
                rows.append((type(command).__name__.lower(), label.value))
                rows.extend(map(_row, walk(value)))
    return rows


def _row(expression: Expression) -> tuple[object, ...]:
    match expression:
        case Call():
            return ("call", expression.name, len(expression.arguments))
        case LetIn():
            return ("letin", expression.name)
        case Loop():
            return (expression.kind, expression.name)
        case Fold():
            return ("fold", expression.operator, expression.initial is not None)
    # repr tells nan from nan no better than it tells -0.0 from 0.0: exactly as well as needed.
    return (type(expression).__name__.lower(), repr(expression.value))
