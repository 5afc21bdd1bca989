"""What the names of V2 mean where they stand, and what is said when they mean nothing or do not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vox.errors import InputError
from vox.imgql import codes, dialect, namespaces
from vox.imgql.check import Findings
from vox.imgql.commands2 import SYSTEM
from vox.imgql.diagnostics import did_you_mean
from vox.imgql.forms import Forms, Trouble, named
from vox.imgql.graph import Place
from vox.imgql.graph2 import Graph2, Misplaced
from vox.imgql.inputs import Inputs
from vox.imgql.lower import PLACED, fits, overloads
from vox.imgql.outside import Outside
from vox.imgql.scope import Declaration, Environment, Scope
from vox.imgql.syntax import INDEX, LIST, SLICE, Call, Expression, is_word
from vox.operators.registry import Operator
from vox.plan import Type

Form = Callable[[Sequence[int], Place], int]


class Special(NamedTuple):
    """A name with a rule of its own: how many arguments it takes, and the rule."""

    low: int
    high: int
    form: Form


class Names:
    """Looks names up in scope, namespaces and tables."""

    def __init__(self, graph: Graph2, scope: Scope, findings: Findings, inputs: Inputs) -> None:
        self.graph = graph
        self.scope = scope
        self.findings = findings
        self.inputs = inputs
        self.forms = Forms(graph)
        self.outside = Outside(graph, self.forms, inputs, findings)
        self.imported: dict[str, int] = {}
        self.specials: dict[str, Special] = {}

    @property
    def effects(self) -> list[tuple[str, str, int, Place]] | None:
        """Saves and prints that expressions ask for: kind, label, node, place; None while only checking."""
        return self.outside.effects

    @effects.setter
    def effects(self, value: list[tuple[str, str, int, Place]] | None) -> None:
        self.outside.effects = value

    # --------------------------------------------------------------------------------------------- look-up

    def meaning(self, call: Call, environment: Environment) -> Declaration | Operator | Special | str | None:
        """Return what a name means; None after reporting that it means nothing."""
        name = call.name
        if name.startswith("$"):
            return self._system(call, environment)
        found = self.scope.find(name, environment.before)
        if found is not None and not (found.library and self._in_imported(name, environment.before)):
            return found
        space, dot, member = name.rpartition(".")
        if dot and space in namespaces.NAMESPACES and member:
            return self._member(call, space, member, environment)
        known = self._known(name, environment.before)
        if known is None:
            self._unknown(call, environment)
        return known

    def _known(self, name: str, before: int) -> Operator | Special | str | None:
        home = HOMES.get(name)
        if name in self.specials and (home is None or self.imported.get(home, before + 1) <= before):
            return self.specials[name]
        if name in overloads():
            return name
        return self._in_imported(name, before) or self._elsewhere(name)

    def _in_imported(self, name: str, before: int) -> Operator | None:
        """Look in the imported namespaces, the first import first."""
        for space, at in self.imported.items():
            if at <= before and space not in namespaces.ALWAYS:
                found = namespaces.operator(space, name)
                if found is not None:
                    return found
        return None

    def _elsewhere(self, name: str) -> Operator | Special | None:
        """Look in the namespaces that are not imported, in the order of the alphabet."""
        for space in sorted({*namespaces.NAMESPACES} - {*namespaces.ALWAYS}):
            if HOMES.get(name) == space:
                return self.specials[name]
            found = namespaces.operator(space, name)
            if found is not None:
                return found
        return None

    def _member(
        self, call: Call, space: str, member: str, environment: Environment
    ) -> Operator | Special | str | None:
        if space in namespaces.ALWAYS and member in overloads():
            return member
        if member in self.specials and HOMES.get(member, "default") == space:
            return self.specials[member]
        found = namespaces.operator(space, member)
        if found is not None and space not in namespaces.ALWAYS:
            return found
        if member in namespaces.PLANNED.get(space, ()):
            self._no_kernel(call, space, environment)
            return None
        known = {*namespaces.members(space), *(n for n, home in HOMES.items() if home == space)}
        if space in namespaces.ALWAYS:
            known |= {each for each in (*overloads(), *self.specials) if is_word(each)}
        help = did_you_mean(member, known)
        message = f"`{space}` has no function `{member}`"
        self.findings.error(codes.MEMBER, message, call, environment, "not in this namespace", help)
        return None

    def _no_kernel(self, call: Call, space: str, environment: Environment) -> None:
        if space in namespaces.EXTRAS:
            message = f"`{call.name}` needs {namespaces.EXTRAS[space]}, which are not installed"
            help = f"install {namespaces.EXTRAS[space]}"
            self.findings.error(codes.EXTRA, message, call, environment, "not here", help)
            return
        message = f"`{call.name}` is known, but this version of vox cannot compute it"
        self.findings.error(codes.NO_KERNEL, message, call, environment, "no kernel")

    def _unknown(self, call: Call, environment: Environment) -> None:
        name = call.name
        planned = namespaces.planned(name)
        if planned is not None:
            self._no_kernel(call, planned, environment)
        elif name in dialect.FAMILY_NAMES and call.arguments:
            self.findings.family(call, environment)
        elif name == "=":
            help = "two values are compared with `==`"
            self.findings.error(codes.EQUALS, "`=` only declares", call, environment, "not here", help)
        else:
            words = {
                each: None for each in (*overloads(), *self.specials) if each not in (LIST, INDEX, SLICE)
            }
            others = (each for each in namespaces.NAMESPACES if each not in namespaces.ALWAYS)
            words |= {name: None for space in others for name in namespaces.members(space)}
            self.findings.unknown(call, environment, self.scope, words)  # type: ignore[arg-type]

    def _system(self, call: Call, environment: Environment) -> Declaration | None:
        value = self.inputs.system.get(call.name, "")
        if call.name not in SYSTEM:
            help = did_you_mean(call.name, SYSTEM) or f"there are {', '.join(SYSTEM)}"
            message = f"there is no system variable `{call.name}`"
            self.findings.error(codes.SYSTEM, message, call, environment, "unknown", help)
            return None
        node = self.graph.scalar(value, self.place(call, environment))
        return Declaration(-1, call.name, (), None, node, environment.source, False, call.at)

    def function_of(self, call: Call, environment: Environment) -> object | None:
        """Return the function that a `map` names; None after reporting that it names none."""
        first = call.arguments[0 if call.name == "map" else 1]
        if not isinstance(first, Call) or first.arguments or first.name in environment.arguments:
            message = f"`{call.name}` needs the name of a function"
            help = f"declare one: `f(x) = …`, then `{call.name}(f, xs)`; or write `for x in xs do …`"
            self.findings.error(codes.MAP_FUNCTION, message, call, environment, "no function", help)
            return None
        meaning = self.meaning(first, environment)
        if isinstance(meaning, Declaration) and len(meaning.formals) != 1:
            message = (
                f"`{call.name}` needs a function of one parameter; `{first.name}` has {len(meaning.formals)}"
            )
            self.findings.error(codes.MAP_ARITY, message, first, environment, "this function")
            return None
        return meaning

    def place(self, expression: Expression, environment: Environment) -> Place:
        """Return where an expression stands, or the use of the library that led there."""
        return environment.site or (environment.source, expression.start, expression.end)

    # ------------------------------------------------------------------------------------------------ errors

    def trouble(self, trouble: Exception, call: Call, environment: Environment) -> int:
        """Report what a form refused."""
        if isinstance(trouble, Trouble):
            return self.findings.error(trouble.code, trouble.message, call, environment, "", trouble.help)
        if isinstance(trouble, InputError):
            return self.findings.error(trouble.code, trouble.message, call, environment, "", trouble.hint)
        assert isinstance(trouble, Misplaced)
        first, second = trouble.first, trouble.second
        if first.size != second.size:
            sizes = ["×".join(map(str, each.size)) for each in (first, second)]
            message = f"`{call.name}` combines images of {sizes[0]} and {sizes[1]} voxels"
            help = "resample one of the two"
            return self.findings.error(codes.GEOMETRY, message, call, environment, "different sizes", help)
        message = f"`{call.name}` combines images that lie at different places in space"
        help = "resample or register one of them, or correct its header"
        return self.findings.error(codes.PLACE, message, call, environment, "different places", help)

    def not_a_function(self, call: Call, environment: Environment) -> int:
        """Report a call of a value."""
        message = f"`{call.name}` is no function: it takes no arguments"
        return self.findings.error(codes.NOT_A_FUNCTION, message, call, environment, "called here")

    def arity_of(self, call: Call, meaning: Declaration, environment: Environment) -> int:
        """Report a wrong number of arguments for a declared function."""
        shown = f"`{call.name}({', '.join(meaning.formals)})`"
        if not call.arguments:
            message = f"`{call.name}` is a function, and a function is no value"
            help = f"call it: {shown}"
            return self.findings.error(
                codes.FUNCTION_VALUE, message, call, environment, "used as a value", help
            )
        wanted = len(meaning.formals)
        return self._count(
            call, wanted, wanted, len(call.arguments), environment, f"it is declared as {shown}"
        )

    def _count(
        self, call: Call, low: int, high: int, given: int, environment: Environment, help: str = ""
    ) -> int:
        wanted = str(low) if low == high else f"at least {low}" if high > 1000 else f"{low} to {high}"
        plural = "" if wanted == "1" else "s"
        message = f"`{call.name}` requires {wanted} argument{plural}, got {given}"
        return self.findings.error(codes.ARITY, message, call, environment, f"{wanted} wanted", help)

    def _wrong(self, call: Call, number: int, wanted: Type, got: Type, environment: Environment) -> int:
        message = f"argument {number + 1} of `{call.name}` is {named(got)}, not {named(wanted)}"
        return self.findings.error(codes.TYPE, message, call, environment, f"needs {named(wanted)}")

    def _misfit(self, call: Call, name: str, arguments: list[int], environment: Environment) -> int:
        """Report that no meaning of a name takes these arguments."""
        graph, meanings = self.graph, overloads()[name]
        counts = sorted({len(each.inputs) for each in meanings})
        if len(arguments) not in counts:
            high = PLACED[name] + 1 if name in PLACED else counts[-1]
            return self._count(call, counts[0], high, len(arguments), environment)
        given = [graph.types[each] for each in arguments]
        if len(meanings) == 1:
            wanted = meanings[0].inputs
            number = next(n for n, pair in enumerate(zip(given, wanted, strict=True)) if not fits(*pair))
            return self._wrong(call, number, wanted[number], given[number], environment)
        shown = " and ".join(named(each) for each in given)
        if Type.SEQUENCE in given:
            message = f"`{name}` does not go through sequences: it is given {shown}"
            help = "write a loop: `for x in xs do …`"
            return self.findings.error(codes.BROADCAST, message, call, environment, "a sequence", help)
        message = (
            f"`{name}` does not combine {shown}" if len(given) > 1 else f"`{name}` does not take {shown}"
        )
        return self.findings.error(codes.OVERLOAD, message, call, environment, "these types")


# Names with rules of their own that belong to a namespace other than `default`.
HOMES = {
    "MinimumMaximum": "simpleitk",
    "ReadImage": "simpleitk",
    "WriteImage": "simpleitk",
    "vector_uint32": "arrays",
    "vector_double": "arrays",
    "split": "strings",
    "equals": "strings",
}
