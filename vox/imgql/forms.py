"""What V2 does with sequences, while a program is reduced.

A sequence is known by its elements, which are nodes. Of a filtered one every candidate is an element, and a
flag beside it, a node too, says whether it belongs; so its length is bounded by what it was filtered from,
and nothing has to wait for a run (docs/adr/0007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from vox.imgql import codes
from vox.imgql.graph import Place
from vox.imgql.graph2 import GUARDED, Graph2, Scalar
from vox.imgql.lower import fit
from vox.plan import Parameters, Type

# What one loop goes over. `python -m benchmarks language` says what an element takes.
ELEMENTS_MAX = 1_000_000


class Trouble(Exception):
    """What is wrong with a form's arguments: code, sentence, advice."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


class Forms:
    """Operations on sequences over one graph. Methods take nodes and return a node."""

    def __init__(self, graph: Graph2) -> None:
        self.graph = graph

    def constant(self, value: Scalar, place: Place) -> int:
        """Return the node of a constant."""
        return self.graph.scalar(value, place)

    def elements(self, node: int, what: str) -> tuple[int, ...]:
        """Return the elements of a sequence that is known while reducing."""
        found = self.graph.elements.get(node)
        if found is not None:
            return found
        if self.graph.types[node] in (Type.SEQUENCE, Type.RECORD, Type.ANY):
            message = f"{what} needs a sequence whose elements are known before the program runs"
            raise Trouble(codes.OPAQUE, message, "a computed sequence can be printed and indexed")
        message = f"{what} needs a sequence, not {named(self.graph.types[node])}"
        raise Trouble(
            codes.NOT_A_SEQUENCE, message, "a sequence is `[a, b]`, `range(n)`, `dir(…)` or a `for`"
        )

    def whole(self, node: int, what: str, low: int | None = 0) -> int | None:
        """Return the value of a whole number, None if it is computed."""
        kind = self.graph.types[node]
        value = self.graph.values.get(self.graph.at_home(node))
        if kind is Type.BOOLEAN or kind not in (Type.NUMBER, Type.STRING, Type.ANY):
            raise Trouble(codes.INDEX_TYPE, f"{what} needs a whole number, not {named(kind)}")
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            number = 0.5
        if not number.is_integer() or (low is not None and number < low):
            wanted = "a whole number" if low is None else f"a whole number from {low}"
            raise Trouble(
                codes.INDEX_TYPE, f"{what} needs {wanted}, not {value!r}", "`floor(…)` makes it whole"
            )
        return int(number)

    # --------------------------------------------------------------------------------------- making sequences

    def range(self, arguments: Sequence[int], place: Place) -> int:
        """Return whole numbers from the first bound, or 0, up to, not including, the last."""
        bounds = [self.whole(each, "`range`", None) for each in arguments]
        known = [each for each in bounds if each is not None]
        if len(known) < len(bounds):
            message = "`range` needs bounds that are known before the program runs"
            raise Trouble(codes.RANGE_COMPUTED, message, "take a range that is large enough, and `filter` it")
        first, last = known if len(known) == 2 else (0, known[0])
        if last - first > ELEMENTS_MAX:
            raise Trouble(
                codes.TOO_MANY, f"a range of {last - first} numbers is too long", "a million is the most"
            )
        return self.graph.row([self.constant(each, place) for each in range(first, last)], place)

    def grid(self, arguments: Sequence[int], place: Place) -> int:
        """Return all combinations of the elements of some sequences, the last changing fastest."""
        axes = [
            self.elements(each, "`parameter_grid`")
            for each in self.elements(arguments[0], "`parameter_grid`")
        ]
        count = 1
        for axis in axes:
            count *= len(axis)
        if count > ELEMENTS_MAX:
            raise Trouble(codes.TOO_MANY, f"a grid of {count} points is too large", "a million is the most")
        return self.graph.row([self.graph.row(point, place) for point in product(*axes)], place)

    def gather(self, arguments: Sequence[int], place: Place) -> int:
        """Return the elements of the second sequence whose flag in the first is true."""
        flags, values = (self.elements(each, "`gather`") for each in arguments)
        if len(flags) != len(values):
            raise Trouble(codes.LENGTHS, f"`gather` has {len(flags)} flags for {len(values)} elements")
        return self.filtered(arguments[1], flags, place)

    def filtered(self, node: int, keep: Sequence[int], place: Place) -> int:
        """Return the elements of a sequence for which a condition holds."""
        graph = self.graph
        keep = [self.condition(each, "`filter`", place) for each in keep]
        if node in graph.flags:
            pairs = zip(graph.flags[node], keep, strict=True)
            keep = [graph.make("bool_and", pair, place) for pair in pairs]
        return graph.row(graph.elements[node], place, keep)

    def condition(self, node: int, what: str, place: Place) -> int:
        """Return a boolean."""
        kind = self.graph.types[node]
        if kind not in (Type.BOOLEAN, Type.NUMBER, Type.ANY):
            message = f"the condition of {what} is {named(kind)}, not a boolean"
            raise Trouble(codes.CONDITION, message, "compare it with something: `volume(m) > 0`")
        return fit(self.graph, node, Type.BOOLEAN, place)

    # -------------------------------------------------------------------------------------- taking them apart

    def index(self, arguments: Sequence[int], place: Place) -> int:
        """Return an element by its number."""
        graph, (row, number) = self.graph, arguments
        if graph.types[row] not in (Type.SEQUENCE, Type.RECORD, Type.STRING, Type.ANY):
            raise Trouble(codes.NOT_A_SEQUENCE, f"{named(graph.types[row])} has no elements")
        if row not in graph.elements:
            output = graph.item_types.get(row, Type.STRING if graph.types[row] is Type.STRING else None)
            return graph.make("item", (row, number), place, output=output)
        at, elements = self.whole(number, "an index"), graph.elements[row]
        flags = graph.flags.get(row, ())
        if not elements or (at is not None and at >= len(elements)):
            shown = "a computed index" if at is None else f"index {at}"
            message = f"{shown} of a sequence of {len(elements)}"
            raise Trouble(codes.INDEX_RANGE, message, "the first element has the number 0")
        if at is not None and not flags:
            return elements[at]
        return self.picked(number, elements, flags, place)

    def picked(self, number: int, elements: Sequence[int], flags: Sequence[int], place: Place) -> int:
        """Return the element with a computed number; of rows, a row of such elements."""
        graph = self.graph
        parameters: Parameters = GUARDED if flags else ()
        if not all(each in graph.elements for each in elements):
            kinds = {graph.types[each] for each in elements}
            output = kinds.pop() if len(kinds) == 1 else Type.ANY
            return graph.make("pick", (number, *flags, *elements), place, parameters, output)
        rows = [graph.elements[each] for each in elements]
        width = max(map(len, rows))
        if any(each in graph.flags for each in elements):
            raise Trouble(codes.OPAQUE, "a computed index into a list of filtered lists is not supported")
        columns = []
        for at in range(width):
            filled = [row[min(at, len(row) - 1)] if row else None for row in rows]
            given = next(each for each in filled if each is not None)
            column = [given if each is None else each for each in filled]
            columns.append(self.picked(number, column, flags, place))
        if len({len(row) for row in rows}) == 1:
            return graph.row(columns, place)
        lengths = [self.constant(float(len(row)), place) for row in rows]
        count = graph.make("pick", (number, *flags, *lengths), place, parameters, Type.NUMBER)
        numbers = [self.constant(float(at), place) for at in range(width)]
        return graph.row(columns, place, [graph.make("num_lt", (at, count), place) for at in numbers])

    def slice(self, arguments: Sequence[int | None], place: Place) -> int:
        """Return the elements from one number up to another; None is the end of the sequence."""
        graph, row = self.graph, arguments[0]
        assert row is not None
        elements, flags = self.elements(row, "a slice"), graph.flags.get(row, ())
        low, high = arguments[1], arguments[2]
        start = 0 if low is None else self.whole(low, "a slice", None)
        stop = len(elements) if high is None else self.whole(high, "a slice", None)
        if start is not None and stop is not None and not flags:
            return graph.row(elements[start:stop], place)
        if any(each is not None and each < 0 for each in (start, stop)):
            raise Trouble(
                codes.SLICE, "a filtered list cannot be sliced from its end", "count from its start"
            )
        one, zero, true = self.constant(1.0, place), self.constant(0.0, place), self.constant(True, place)
        count, keep = zero, []
        for flag in flags or [true] * len(elements):
            inside = flag
            if low is not None:
                inside = graph.make("bool_and", (inside, graph.make("num_geq", (count, low), place)), place)
            if high is not None:
                inside = graph.make("bool_and", (inside, graph.make("num_lt", (count, high), place)), place)
            keep.append(inside)
            step = one if flag == true else graph.make("num_mul", (one, flag), place)
            count = graph.make("num_add", (count, step), place)
        return graph.row(elements, place, keep)

    def subsequence(self, arguments: Sequence[int], place: Place) -> int:
        """Return the first elements, or those between two numbers."""
        zero = self.constant(0.0, place)
        start, stop = (zero, arguments[1]) if len(arguments) == 2 else (arguments[1], arguments[2])
        clamped = [zero if self.graph.values.get(each, 0.0) == 0 else each for each in (start, stop)]
        bounds = [self.whole(each, "`subsequence`", None) for each in clamped]
        kept = [zero if at is not None and at < 0 else each for at, each in zip(bounds, clamped, strict=True)]
        return self.slice((arguments[0], *kept), place)

    # --------------------------------------------------------------------------------------------- statistics

    def statistic(self, name: str) -> Callable[[Sequence[int], Place], int]:
        """Return the form that applies an operator to the elements of its one argument."""

        def form(arguments: Sequence[int], place: Place) -> int:
            graph, row = self.graph, arguments[0]
            if name == "length" and row not in graph.elements:
                return graph.make("held_length", (row,), place)
            elements, flags = self.elements(row, f"`{name}`"), graph.flags.get(row, ())
            if name == "length":
                if not flags:
                    return self.constant(len(elements), place)
                return graph.make(name, (*flags, *flags), place, GUARDED)
            for each in elements:
                if graph.types[each] not in (Type.NUMBER, Type.BOOLEAN, Type.ANY):
                    message = f"`{name}` needs numbers; here is {named(graph.types[each])}"
                    raise Trouble(
                        codes.STATISTIC, message, "take a number of each: `for m in ms do volume(m)`"
                    )
            if not elements and name not in ("stdev", "tally", "argsort"):
                raise Trouble(codes.NO_ELEMENTS, f"`{name}` of an empty sequence")
            node = graph.make(name, (*flags, *elements), place, GUARDED if flags else ())
            if name == "argsort" and not flags:
                numbers = [self.constant(float(at), place) for at in range(len(elements))]
                return graph.row(
                    [graph.make("item", (node, n), place, output=Type.NUMBER) for n in numbers], place
                )
            graph.item_types[node] = Type.NUMBER if name == "argsort" else Type.ANY
            return node

        return form

    def choice(self, condition: int, first: int, second: int, place: Place) -> int:
        """Return one of two values by a computed condition; of two rows, element by element."""
        graph = self.graph
        if first == second:
            return first
        kinds = {graph.types[first], graph.types[second]}
        ours, theirs = graph.elements.get(first), graph.elements.get(second)
        if ours is not None and theirs is not None and first not in graph.flags and second not in graph.flags:
            return self.picked(
                graph.make(
                    "choose",
                    (condition, self.constant(0.0, place), self.constant(1.0, place)),
                    place,
                    (),
                    Type.NUMBER,
                ),
                (first, second),
                (),
                place,
            )
        return graph.make(
            "choose", (condition, first, second), place, (), kinds.pop() if len(kinds) == 1 else Type.ANY
        )


def named(kind: Type) -> str:
    """Return a type with its article."""
    names = {
        Type.MODEL: "a loaded image",
        Type.IMAGE: "an image",
        Type.MASK: "a mask",
        Type.ANY: "something computed",
    }
    return names.get(kind, f"a {kind.value}")
