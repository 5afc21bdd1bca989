"""From tree to plan: every name replaced by what it means, every application made a node once.

V1 evaluates by name: a `let` without formals is expanded at each use. As every name's meaning depends only on
its declaration and its arguments' nodes, each is worked out once per tuple of arguments and remembered; so
the work is linear in what there is to see, not in what an expansion would write out. The stack is a list of
ours: chains of declarations may be as long as the memory allows.
"""

from __future__ import annotations

from vox.imgql import codes, dialect
from vox.imgql.check import Findings
from vox.imgql.graph import Full, Graph, Place
from vox.imgql.scope import Declaration, Environment, Scope
from vox.imgql.syntax import Boolean, Call, Expression, Number, String, is_word
from vox.imgql.vocabulary import Builtin

# What an expression with an error becomes: applied to anything it stays what it is, and nothing more is said.
POISON = -1
# Ten times as many steps as a plan may have nodes: about a minute.
STEPS_MAX = 10_000_000

_EVALUATE, _APPLY, _ENTER, _KEEP = range(4)
_Task = tuple[int, object, object, Environment]


class Reducer:
    """Expands expressions over one scope into one graph."""

    def __init__(
        self, graph: Graph, scope: Scope, builtins: dict[str, Builtin], findings: Findings, geometry: int
    ) -> None:
        self.graph = graph
        self.scope = scope
        self.builtins = builtins
        self.findings = findings
        self.geometry = geometry
        self.steps = 0
        # Whether a missing base image has been reported already, as an image that cannot be read.
        self.silent = False
        self.known: dict[tuple[object, ...], int] = {}

    def reduce(self, expression: Expression, environment: Environment) -> int:
        """Return the node of an expression, or POISON after reporting what is wrong.

        Raises
        ------
        Full
            If the plan or the work outgrows its limit.
        """
        tasks: list[_Task] = [(_EVALUATE, expression, None, environment)]
        nodes: list[int] = []
        while tasks:
            kind, subject, meaning, environment = tasks.pop()
            if kind == _EVALUATE:
                self.steps += 1
                if self.steps > STEPS_MAX:
                    raise Full
                if isinstance(subject, Call):
                    self._call(subject, environment, tasks, nodes)
                else:
                    assert isinstance(subject, Number | Boolean | String)
                    nodes.append(self.graph.constant(subject.value, self._place(subject, environment)))
            elif kind == _KEEP:
                assert isinstance(subject, tuple)
                self.known[subject] = nodes[-1]
            else:
                assert isinstance(subject, Call)
                first = len(nodes) - len(subject.arguments)
                arguments = nodes[first:]
                del nodes[first:]
                if POISON in arguments:
                    nodes.append(POISON)
                elif isinstance(meaning, Builtin):
                    nodes.append(self._apply(subject, meaning, arguments, environment))
                else:
                    assert isinstance(meaning, Declaration)
                    self._enter(subject, meaning, arguments, environment, tasks, nodes)
        return nodes[0]

    def _call(self, call: Call, environment: Environment, tasks: list[_Task], nodes: list[int]) -> None:
        """Find out what a name means and put its evaluation, or its node, on the stacks."""
        name, given = call.name, len(call.arguments)
        bound = environment.arguments.get(name)
        if bound is not None:
            nodes.append(bound if not given else self._arity(call, 0, environment))
            return
        meaning: Declaration | Builtin | None = self.scope.find(name, environment.before)
        if meaning is None:
            meaning = self.builtins.get(name)
        if meaning is None:
            nodes.append(self._unknown(call, environment))
            return
        wanted = len(meaning.inputs if isinstance(meaning, Builtin) else meaning.formals)
        if wanted != given:
            nodes.append(self._arity(call, wanted, environment))
        elif given:
            tasks.append((_ENTER if isinstance(meaning, Declaration) else _APPLY, call, meaning, environment))
            tasks.extend((_EVALUATE, argument, None, environment) for argument in reversed(call.arguments))
        elif isinstance(meaning, Builtin):
            nodes.append(self._apply(call, meaning, [], environment))
        elif meaning.value is None:
            nodes.append(meaning.node)
        else:
            self._enter(call, meaning, [], environment, tasks, nodes)

    def _enter(
        self,
        call: Call,
        meaning: Declaration,
        arguments: list[int],
        environment: Environment,
        tasks: list[_Task],
        nodes: list[int],
    ) -> None:
        """Evaluate a declaration's body for these arguments, unless it has been done."""
        key = (meaning.number, *arguments)
        node = self.known.get(key)
        if node is not None:
            nodes.append(node)
            return
        assert meaning.value is not None
        inside = Environment(
            meaning.source,
            meaning.number,
            meaning,
            dict(zip(meaning.formals, arguments, strict=True)) if arguments else None,
            environment,
            (call.start, call.end),
        )
        tasks.append((_KEEP, key, None, environment))
        tasks.append((_EVALUATE, meaning.value, None, inside))

    def _apply(self, call: Call, builtin: Builtin, arguments: list[int], environment: Environment) -> int:
        """Make the node of a built-in operator, if the types fit."""
        given = tuple(self.graph.types[node] for node in arguments)
        if given != builtin.inputs:
            return self.findings.types(call, builtin, given, environment)
        if builtin.geometry:
            if self.geometry == POISON:
                return POISON if self.silent else self.findings.no_model(call, environment)
            arguments = [*arguments, self.geometry]
        return self.graph.apply(builtin.operator, arguments, self._place(call, environment))

    def _place(self, expression: Expression, environment: Environment) -> Place:
        return environment.site or (environment.source, expression.start, expression.end)

    def _arity(self, call: Call, wanted: int, environment: Environment) -> int:
        given = len(call.arguments)
        message = f"`{call.name}` requires {wanted} argument{'s' * (wanted != 1)}, got {given}"
        declaration = self.scope.find(call.name, environment.before)
        help = ""
        if declaration is not None and declaration.formals and call.name not in environment.arguments:
            help = f"it is declared as `{call.name}({', '.join(declaration.formals)})`"
        elif not is_word(call.name) and given == 1 and wanted == 2 and call.name == "-":
            help = "there is no sign before a name: write `0 .-. a` for numbers, `0 .- a` for images"
        label = f"{wanted} wanted"
        return self.findings.error(codes.ARITY, message, call, environment, label, help)

    def _unknown(self, call: Call, environment: Environment) -> int:
        text, end = environment.source.text, call.at + len(call.name)
        name = call.name
        if not is_word(name):
            # `ReadImage` is read as the operator R before eadImage, `$cwd` as $ before cwd.
            rest = end
            while rest < len(text) and (text[rest].isalnum() or text[rest] == "_"):
                rest += 1
            if name == "$" and rest > end:
                return self.findings.v2("system", call.at, rest, environment)
            if name == "." and text[call.at - 1 : call.at].isalnum() and rest > end:
                return self.findings.v2("dotted", call.at, rest, environment)
            if name.isalpha() and rest > end and text[end].islower():
                return self.findings.v2("name", call.at, rest, environment)
        elif name in dialect.FAMILY_NAMES and call.arguments:
            return self.findings.family(call, environment)
        elif name in dialect.V2_NAMES:
            return self.findings.v2("name", call.at, end, environment)
        return self.findings.unknown(call, environment, self.scope, self.builtins)
