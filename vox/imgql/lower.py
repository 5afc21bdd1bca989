"""Overloaded names of V2: which operator a name is for given types, and how arguments are made to fit.

Whatever fits without change comes first, then what needs the fewest changes. A loaded image is its
intensity where numbers are wanted, a mask is 0 and 1, an image is a mask where it is not 0, a boolean is a
number where one is wanted. What the checker cannot know (`any`) fits everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from vox.imgql.graph import Place
from vox.imgql.graph2 import Graph2
from vox.imgql.vocabulary import v1_builtins
from vox.operators.catalogue import CATALOGUE
from vox.plan import Constant, Type

_B, _N, _S = Type.BOOLEAN, Type.NUMBER, Type.STRING
_I, _M, _V, _A = Type.IMAGE, Type.MASK, Type.MODEL, Type.ANY

Build = Callable[[Graph2, Sequence[int], Place], int]
# From, to: how much a change is minded.
_COSTS = {
    (_V, _I): 1,
    (_I, _V): 1,
    (_M, _I): 3,
    (_M, _V): 4,
    (_I, _M): 6,
    (_V, _M): 7,
    (_B, _N): 2,
    (_N, _B): 8,
}


@dataclass(frozen=True, slots=True)
class Overload:
    """One meaning of a name: the types it takes, and what it makes of nodes of these types."""

    inputs: tuple[Type, ...]
    build: Build


def cost(given: Type, wanted: Type) -> int | None:
    """Return how far a type is from the one that is wanted; None if it cannot become it."""
    if given is wanted:
        return 0
    if wanted is _A:
        return 9
    if given is _A:
        return 1
    return _COSTS.get((given, wanted))


def fits(given: Type, wanted: Type) -> bool:
    """Whether a type is, or can become, the one that is wanted."""
    return wanted is _A or cost(given, wanted) is not None


def choose(overloads: Sequence[Overload], given: Sequence[Type]) -> Overload | None:
    """Return the nearest overload."""
    best: tuple[int, Overload] | None = None
    for overload in overloads:
        if len(overload.inputs) != len(given):
            continue
        costs = [cost(mine, wanted) for mine, wanted in zip(given, overload.inputs, strict=True)]
        if None not in costs:
            total = sum(each for each in costs if each is not None)
            if best is None or total < best[0]:
                best = (total, overload)
    return None if best is None else best[1]


def fit(graph: Graph2, node: int, wanted: Type, place: Place) -> int:
    """Return a node as what is wanted; its type can become that."""
    given = graph.types[node]
    if wanted is _N and given is _N:
        made = graph.nodes[node]
        if isinstance(made, Constant) and type(made.value) is int:
            return graph.scalar(float(made.value), place)
        return node
    if given is wanted or wanted in (_A, _V) or (given in (_A, _B) and wanted is not _M):
        return number_image(graph, node, place) if wanted is _V and given is _M else node
    if wanted is _I:
        return number_image(graph, node, place)
    if wanted is _M:
        numbers = number_image(graph, node, place)
        zero = graph.scalar(0.0, place)
        return graph.make("not", (graph.make("eq_sv", (zero, numbers), place),), place)
    if wanted is _B:
        zero = graph.scalar(0.0, place)
        return graph.make("bool_not", (graph.make("num_eq", (node, zero), place),), place)
    return node


def number_image(graph: Graph2, node: int, place: Place) -> int:
    """Return an image, a model or a mask as an image of numbers."""
    kind = graph.types[node]
    if kind is _V:
        return graph.make("intensity", (node,), place)
    if kind is _M:
        one = graph.make("constant", (graph.scalar(1.0, place), graph.where[node]), place)
        return graph.make("mask", (one, node), place)
    return node


# ------------------------------------------------------------------------------------------------ the tables


def _plain(name: str, inputs: tuple[Type, ...] | None = None) -> Overload:
    operator = CATALOGUE.named(name)
    return Overload(operator.inputs if inputs is None else inputs, lambda g, n, p: g.make(operator, n, p))


def _swapped(name: str, inputs: tuple[Type, ...]) -> Overload:
    operator = CATALOGUE.named(name)
    return Overload(inputs, lambda g, n, p: g.make(operator, (n[1], n[0]), p))


def _strict(below: str) -> Build:
    """Voxels that fulfil a comparison with a number and are not equal to it."""

    def build(g: Graph2, n: Sequence[int], p: Place) -> int:
        other = g.make("not", (g.make("eq_sv", n, p),), p)
        return g.make("and", (g.make(below, n, p), other), p)

    return build


def _turned(build: Build) -> Build:
    return lambda g, n, p: build(g, (n[1], n[0]), p)


def _negated(build: Build, name: str) -> Build:
    return lambda g, n, p: g.make(name, (build(g, n, p),), p)


def _difference(build: Build) -> Build:
    """Compare two images by comparing 0 with their difference."""

    def made(g: Graph2, n: Sequence[int], p: Place) -> int:
        return build(g, (g.scalar(0.0, p), g.make("subtract", (n[1], n[0]), p)), p)

    return made


def _compared(number: str, voxelwise: Build) -> tuple[Overload, ...]:
    """Return the overloads of a comparison; `voxelwise` is that of a number with an image."""
    turned = {"num_lt": _GT, "num_leq": _GEQ, "num_gt": _LT, "num_geq": _LEQ, "num_eq": _EQ}[number]
    return (
        _plain(number),
        Overload((_N, _I), voxelwise),
        Overload((_I, _N), _turned(turned)),
        Overload((_I, _I), _difference(voxelwise)),
    )


def _make(name: str) -> Build:
    return lambda g, n, p: g.make(name, n, p)


# n < i and so on, of a number and an image: the order of the operators' inputs.
_LEQ, _GEQ, _EQ = _make("geq_sv"), _make("leq_sv"), _make("eq_sv")
_LT, _GT = _strict("geq_sv"), _strict("leq_sv")


def _arithmetic(number: str, images: str, right: str, left: str, swapped: bool) -> tuple[Overload, ...]:
    with_left = _swapped(left, (_N, _I)) if swapped else _plain(left, (_N, _I))
    return (_plain(number), _plain(images), _plain(right), with_left)


@cache
def overloads() -> dict[str, tuple[Overload, ...]]:
    """Return the meanings of every overloaded or plain name of `default` and `vox1`."""
    table: dict[str, tuple[Overload, ...]] = {name: (_of_builtin(name),) for name in v1_builtins()}
    plus = _arithmetic("num_add", "add", "add_vs", "add_vs", True)
    minus = _arithmetic("num_sub", "subtract", "sub_vs", "sub_sv", False)
    times = _arithmetic("num_mul", "multiply", "mul_vs", "mul_vs", True)
    over = _arithmetic("division", "divide", "div_vs", "div_sv", False)
    groups = {
        "+ +. .+ .+. addition num_add add_vs": plus,
        "- -. .- .-. subtraction num_sub sub_vs sub_sv": minus,
        "* *. .* .*. multiplication num_mul mul_vs": times,
        "/ /. ./ ./. division num_div div_vs div_sv": over,
        "< .<. num_lt": _compared("num_lt", _LT),
        "<= .<=. num_leq": _compared("num_leq", _LEQ),
        "> .>. num_gt": _compared("num_gt", _GT),
        ">= .>=. num_geq": _compared("num_geq", _GEQ),
        "geq_sv": (_plain("geq_sv"),),
        "leq_sv": (_plain("leq_sv"),),
        "eq_sv": (_plain("eq_sv"),),
    }
    texts = Overload((_S, _S), _make("equals")), Overload((_B, _B), _make("equals"))
    equal = (*_compared("num_eq", _EQ), *texts, Overload((_A, _A), _make("equals")))
    groups["== .=. num_eq"] = equal
    groups["!= num_neq"] = tuple(
        Overload(o.inputs, _negated(o.build, "not" if _I in o.inputs else "bool_not")) for o in equal
    )
    both = {"and": ("bool_and", "and"), "or": ("bool_or", "or")}
    for names, kind in (("&& and .&. bool_and_scalar", "and"), ("|| or .|. bool_or_scalar", "or")):
        groups[names] = tuple(_plain(each) for each in both[kind])
    groups["not !. not_compat bool_not_scalar"] = (_plain("bool_not"), _plain("not"))
    for names, meanings in groups.items():
        table |= dict.fromkeys(names.split(), meanings)
    table |= {"vol": table["volume"], "Lcc": table["lcc"]}
    for name in ("intensity", "red", "green", "blue", "alpha"):
        table[name] = (_plain(name),)
    extra = ("gradient", "avg0", "hd95", "nsd", "n4", "extract")
    for name in ("floor", "num_max", "num_min", *extra):
        table[name] = (_plain(name),)
    return table


def _of_builtin(name: str) -> Overload:
    builtin = v1_builtins()[name]
    operator = builtin.operator
    if not builtin.geometry:
        return Overload(builtin.inputs, lambda g, n, p: g.make(operator, n, p))
    return Overload(builtin.inputs, lambda g, n, p: g.make(operator, (*n, g.hole), p))


# Names that work element by element where a sequence stands.
_BROADCAST = (
    "+ - * / addition subtraction multiplication division < <= > >= == != num_add num_sub num_mul num_div"
    " +. -. *. /. .+. .-. .*. ./."
)
BROADCAST = frozenset(_BROADCAST.split())
# Names that take the place of an image given to them: `border(img)`.
PLACED = {"border": 0, "tt": 0, "ff": 0, "x": 0, "y": 0, "z": 0, "constant": 1, "bconstant": 1}
