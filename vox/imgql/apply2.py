"""Names of V2 applied to nodes."""

from __future__ import annotations

from collections.abc import Sequence

from vox.errors import InputError
from vox.imgql import codes
from vox.imgql.check import Findings
from vox.imgql.forms import Trouble, named
from vox.imgql.graph import Place
from vox.imgql.graph2 import IMAGES, Graph2, Misplaced
from vox.imgql.inputs import Inputs
from vox.imgql.lower import BROADCAST, PLACED, Overload, choose, fit, fits, overloads
from vox.imgql.names2 import Names, Special
from vox.imgql.reduce import POISON
from vox.imgql.scope import Environment, Scope
from vox.imgql.syntax import INDEX, LIST, SLICE, Call, Null
from vox.operators.registry import Operator
from vox.plan import Constant, Type

_DEPTH_MAX = 64
_FIRST = {"+": 0.0, "-": 0.0, "*": 1.0, "&&": True, "&": True, "||": False, "|": False}


class Applier(Names):
    """Makes nodes."""

    def __init__(self, graph: Graph2, scope: Scope, findings: Findings, inputs: Inputs) -> None:
        super().__init__(graph, scope, findings, inputs)
        self.specials = self._specials()
        self.chosen: dict[tuple[str, tuple[Type, ...]], Overload | None] = {}

    def _specials(self) -> dict[str, Special]:
        forms, outside = self.forms, self.outside
        many = 1 << 30
        table = {
            LIST: Special(0, many, lambda n, p: self.graph.row(n, p)),
            "sequence": Special(0, many, lambda n, p: self.graph.row(n, p)),
            INDEX: Special(2, 2, forms.index),
            "index": Special(2, 2, forms.index),
            SLICE: Special(1, 3, forms.index),
            "slice": Special(3, 3, forms.slice),
            "subsequence": Special(2, 3, forms.subsequence),
            "range": Special(1, 2, forms.range),
            "parameter_grid": Special(1, 1, forms.grid),
            "gather": Special(2, 2, forms.gather),
            "overlay": Special(1, many, lambda n, p: self.graph.row(n, p)),
            "map": Special(2, 2, forms.index),
            "filter": Special(2, 2, forms.index),
            "if": Special(3, 3, forms.index),
            "MinimumMaximum": Special(1, 1, self.minimum_maximum),
            "vector_uint32": Special(1, 1, lambda n, p: n[0]),
            "vector_double": Special(1, 1, lambda n, p: n[0]),
            "split": Special(1, 2, self.split),
            "equals": Special(2, 2, lambda n, p: self.graph.make("equals", n, p)),
            "dir": Special(1, 4, outside.folder),
            "load": Special(1, 1, outside.load),
            "ReadImage": Special(1, 2, outside.read_image),
            "WriteImage": Special(2, 4, outside.write_image),
            "print_primitive": Special(2, 2, outside.shown),
        }
        for name in ("length", "argmax", "mean", "median", "stdev", "tally", "argsort"):
            table[name] = Special(1, 1, forms.statistic(name))
        return table

    # ------------------------------------------------------------------------------------------- application

    def apply(self, call: Call, meaning: object, arguments: list[int], environment: Environment) -> int:
        """Return the node of a built-in name applied to nodes."""
        place = self.place(call, environment)
        try:
            if isinstance(meaning, Special):
                if not meaning.low <= len(arguments) <= meaning.high:
                    return self._count(call, meaning.low, meaning.high, len(arguments), environment)
                return meaning.form(arguments, place)
            if isinstance(meaning, Operator):
                return self._operator(call, meaning, arguments, environment)
            return self._overloaded(call, str(meaning), arguments, environment)
        except (Trouble, Misplaced, InputError) as trouble:
            return self.trouble(trouble, call, environment)

    def _overloaded(self, call: Call, name: str, arguments: list[int], environment: Environment) -> int:
        graph, place = self.graph, self.place(call, environment)
        if name in BROADCAST and len(arguments) == 2 and any(each in graph.elements for each in arguments):
            return self._broadcast(call, name, arguments, environment, 0)
        if name in ("max", "min") and len(arguments) == 1 and arguments[0] in graph.elements:
            return self.folded(call, None, arguments[0], environment)
        if name in PLACED and len(arguments) == PLACED[name] + 1:
            return self._placed(call, name, arguments, environment)
        if name in ("-", "+") and len(arguments) == 1:
            zero = graph.scalar(0.0, place)
            return self._overloaded(call, name, [zero, arguments[0]], environment)
        meanings = overloads()[name]
        given = tuple(graph.types[each] for each in arguments)
        key = (name, given)
        chosen = self.chosen[key] if key in self.chosen else choose(meanings, given)
        self.chosen[key] = chosen
        if chosen is None:
            return self._misfit(call, name, arguments, environment)
        pairs = zip(arguments, chosen.inputs, strict=True)
        return chosen.build(graph, [fit(graph, each, wanted, place) for each, wanted in pairs], place)

    def _placed(self, call: Call, name: str, arguments: list[int], environment: Environment) -> int:
        """Make a constant image at the place of the image that is given."""
        graph, (*values, image) = self.graph, arguments
        place = self.place(call, environment)
        if graph.types[image] is Type.ANY and image not in graph.where:
            graph.located(image, None, place)
        if graph.types[image] not in (*IMAGES, Type.ANY):
            kind = named(graph.types[image])
            message = f"`{name}` takes the size of an image; this is {kind}"
            return self.findings.error(codes.TYPE, message, call, environment, "no image")
        wanted = overloads()[name][0].inputs
        values = [fit(graph, each, kind, place) for each, kind in zip(values, wanted, strict=True)]
        return graph.make(name, (*values, graph.where[image]), place)

    def _operator(
        self, call: Call, operator: Operator, arguments: list[int], environment: Environment
    ) -> int:
        graph, place = self.graph, self.place(call, environment)
        wanted = operator.inputs
        low = len(wanted) - operator.optional - operator.variadic
        high = 1 << 30 if operator.variadic else len(wanted)
        if not low <= len(arguments) <= high:
            return self._count(call, low, high, len(arguments), environment)
        fitted = []
        for number, each in enumerate(arguments):
            kind = wanted[min(number, len(wanted) - 1)]
            as_it_is = operator.masks and kind is Type.MODEL and graph.types[each] is Type.MASK
            if graph.types[each] is not kind and kind is not Type.ANY and not as_it_is:
                if not fits(graph.types[each], kind):
                    wished = Type.IMAGE if operator.masks and kind is Type.MODEL else kind
                    return self._wrong(call, number, wished, graph.types[each], environment)
                each = fit(graph, each, kind, place)
            fitted.append(each)
        node = graph.make(operator, fitted, place)
        if operator.moves and graph.types[node] in IMAGES and node not in graph.open:
            graph.where.pop(node, None)
            graph.located(node, None, place)
        return node

    def _broadcast(
        self, call: Call, name: str, arguments: Sequence[int], environment: Environment, depth: int
    ) -> int:
        """Apply an operator to sequences element by element; what is none stands for each element."""
        graph = self.graph
        if depth == _DEPTH_MAX:
            raise Trouble(codes.DEPTH, f"sequences are nested more than {_DEPTH_MAX} deep")
        rows = [graph.elements.get(each) for each in arguments]
        flagged = [each for each in arguments if each in graph.flags]
        lengths = {len(row) for row in rows if row is not None}
        if len(lengths) > 1 and lengths != {0}:
            shown = " and ".join(str(len(row)) for row in rows if row is not None)
            message = f"`{name}` goes through two sequences of different lengths: {shown}"
            raise Trouble(codes.LENGTHS, message, "cut one of them: `xs[0:n]`")
        if len(flagged) == 2 and graph.flags[flagged[0]] != graph.flags[flagged[1]]:
            message = f"`{name}` goes through two lists that were filtered differently"
            raise Trouble(codes.LENGTHS, message)
        results = []
        for at in range(lengths.pop()):
            pair = [each if row is None else row[at] for each, row in zip(arguments, rows, strict=True)]
            if any(each in graph.elements for each in pair):
                results.append(self._broadcast(call, name, pair, environment, depth + 1))
            else:
                results.append(self._overloaded(call, name, pair, environment))
            if results[-1] == POISON:
                return POISON
        flags = graph.flags[flagged[0]] if flagged else ()
        return graph.row(results, self.place(call, environment), flags)

    def folded(self, call: Call, initial: int | None, row: int, environment: Environment) -> int:
        """Combine the elements of a sequence from the left."""
        graph, place, name = self.graph, self.place(call, environment), call.name
        elements, flags = self.forms.elements(row, f"`fold {name}`"), graph.flags.get(row, ())
        if initial is None and name in _FIRST:
            initial = graph.scalar(_FIRST[name], place)
        total, have = initial, None
        for at, element in enumerate(elements):
            flag = flags[at] if flags else None
            if total is None:
                total, have = element, flag
                continue
            combined = self._combined(call, name, total, element, environment)
            if combined == POISON:
                return POISON
            if flag is not None and have is not None:
                combined = self.forms.choice(have, combined, element, place)
                have = graph.make("bool_or", (have, flag), place)
            total = combined if flag is None else self.forms.choice(flag, combined, total, place)
        if total is None:
            raise Trouble(codes.FOLD_EMPTY, f"`fold {name}` of an empty sequence", f"`fold {name} first xs`")
        if have is not None:
            zero = graph.scalar(0.0, place)
            return self.forms.picked(zero, (total,), (have,), place)
        return total

    def _combined(self, call: Call, name: str, left: int, right: int, environment: Environment) -> int:
        types = self.graph.types
        if name in ("max", "min") and {types[left], types[right]} <= {Type.NUMBER, Type.BOOLEAN, Type.ANY}:
            return self._overloaded(call, f"num_{name}", [left, right], environment)
        if name in ("max", "min"):
            raise Trouble(codes.STATISTIC, f"`{name}` compares numbers, not {named(types[right])}")
        name = {"&": "and", "|": "or"}.get(name, name)
        return self._overloaded(call, name, [left, right], environment)

    def sliced(self, call: Call, arguments: list[int], environment: Environment) -> int:
        """Return the node of `xs[start:stop]`; open bounds are not among the arguments."""
        rest = iter(arguments[1:])
        bounds = [None if isinstance(each, Null) else next(rest) for each in call.arguments[1:]]
        try:
            return self.forms.slice((arguments[0], *bounds), self.place(call, environment))
        except Trouble as trouble:
            return self.trouble(trouble, call, environment)

    def minimum_maximum(self, nodes: Sequence[int], place: Place) -> int:
        """Return the smallest and the largest value of an image."""
        image = fit(self.graph, nodes[0], Type.IMAGE, place)
        return self.graph.row([self.graph.make(name, (image,), place) for name in ("min", "max")], place)

    def split(self, nodes: Sequence[int], place: Place) -> int:
        """Return the parts of a text; of a known text, known parts."""
        graph = self.graph
        known = [graph.values.get(each) for each in nodes]
        if all(isinstance(each, str) for each in known):
            text, separator = str(known[0]), str(known[1]) if len(known) == 2 else ","
            if separator:
                return graph.row([graph.scalar(part, place) for part in text.split(separator)], place)
        node = graph.make("strings.split", nodes, place)
        graph.item_types[node] = Type.STRING
        return node

    def settled(self, node: int, arguments: Sequence[object], place: Place) -> int:
        """Put what has no place yet where the arguments lie, if they lie at one."""
        graph = self.graph
        if node not in graph.open:
            return node
        places = graph.places(each for each in arguments if isinstance(each, int))
        return graph.close(node, places[0], place) if len(places) == 1 else node

    def anything(self, place: Place) -> int:
        """Return a node of which nothing is known."""
        graph = self.graph
        node = graph._keep(("anything",), lambda: Constant(None), Type.ANY, place)
        graph.where[node] = graph.hole
        return node
