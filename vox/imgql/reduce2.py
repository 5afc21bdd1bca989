"""From tree to plan for V2: loops unrolled, branches chosen where they can be, every application a node once.

As in V1, each name's meaning is worked out once for each tuple of arguments and remembered, and the stack is
a list of ours. Declarations without parameters are reduced where they stand; functions where they are called.
"""

from __future__ import annotations

from typing import NamedTuple

from vox.imgql import codes
from vox.imgql.apply2 import Applier
from vox.imgql.check import Findings
from vox.imgql.diagnostics import Diagnostic
from vox.imgql.forms import Trouble
from vox.imgql.graph import Full
from vox.imgql.graph2 import Graph2, Misplaced
from vox.imgql.inputs import Inputs
from vox.imgql.reduce import POISON, STEPS_MAX
from vox.imgql.scope import Declaration, Environment, Scope
from vox.imgql.syntax import SLICE, Boolean, Call, Expression, Fold, LetIn, Loop, Null, Number, String


class _Task(NamedTuple):
    """What is to be done next, innermost last."""

    kind: str
    subject: object
    meaning: object
    environment: Environment


class _Iteration:
    """A loop on its way: `function` is set for a `map`."""

    __slots__ = ("at", "elements", "function", "keeps", "loop", "results", "row", "saved")

    def __init__(
        self, loop: Loop | Call, row: int, elements: tuple[int, ...], function: object, keeps: bool
    ) -> None:
        self.loop = loop
        self.row = row
        self.elements = elements
        self.function = function
        self.keeps = keeps
        self.at = 0
        self.results: list[int] = []
        self.saved: int | None = None


class Reducer2(Applier):
    """Expands expressions over one scope into one graph."""

    def __init__(self, graph: Graph2, scope: Scope, findings: Findings, inputs: Inputs) -> None:
        super().__init__(graph, scope, findings, inputs)
        self.steps = 0
        self.known: dict[tuple[object, ...], int] = {}

    def reduce(self, expression: Expression, environment: Environment) -> int:
        """Return the node of an expression, or POISON after reporting what is wrong.

        Raises
        ------
        Full
            If the plan or the work outgrows its limit.
        """
        tasks = [_Task("evaluate", expression, None, environment)]
        nodes: list[int] = []
        while tasks:
            task = tasks.pop()
            self.steps += 1
            if self.steps > STEPS_MAX:
                raise Full
            getattr(self, f"_{task.kind}")(task, tasks, nodes)
        return nodes[0]

    # ------------------------------------------------------------------------------------------- expressions

    def _evaluate(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        expression, environment = task.subject, task.environment
        match expression:
            case Call():
                self._call(expression, environment, tasks, nodes)
            case Number() | Boolean() | String():
                nodes.append(self.graph.scalar(expression.value, self.place(expression, environment)))
            case LetIn():
                tasks.append(_Task("bind", expression, None, environment))
                tasks.append(_Task("evaluate", expression.value, None, environment))
            case Loop():
                tasks.append(_Task("loop", expression, None, environment))
                tasks.append(_Task("evaluate", expression.sequence, None, environment))
            case Fold():
                tasks.append(_Task("fold", expression, None, environment))
                tasks.append(_Task("evaluate", expression.sequence, None, environment))
                if expression.initial is not None:
                    tasks.append(_Task("evaluate", expression.initial, None, environment))
            case _:
                raise AssertionError(expression)

    def _bind(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        """Give a name the value on the stack while a body is evaluated."""
        expression, environment = task.subject, task.environment
        assert isinstance(expression, LetIn)
        saved = environment.arguments.get(expression.name)
        environment.arguments[expression.name] = nodes.pop()
        at = self.place(expression, environment)
        tasks.append(_Task("unbind", expression.name, (saved, at), environment))
        tasks.append(_Task("evaluate", expression.body, None, environment))

    def _unbind(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        """End a body; what has no place yet takes that of the value it was made with."""
        environment, name = task.environment, str(task.subject)
        bound = environment.arguments[name]
        if POISON not in (bound, nodes[-1]) and nodes[-1] in self.graph.open:
            expression = task.meaning
            assert isinstance(expression, tuple)
            nodes[-1] = self.settled(nodes[-1], (bound,), expression[1])
        assert isinstance(task.meaning, tuple)
        self._restore(environment, name, task.meaning[0])

    def _restore(self, environment: Environment, name: str, saved: object) -> None:
        if saved is None:
            environment.arguments.pop(name, None)
        else:
            assert isinstance(saved, int)
            environment.arguments[name] = saved

    # ------------------------------------------------------------------------------------------------- loops

    def _loop(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        """Begin to go over the sequence on the stack."""
        loop, environment = task.subject, task.environment
        assert isinstance(loop, Loop | Call)
        row = nodes.pop()
        if row == POISON:
            nodes.append(POISON)
            return
        word = loop.kind if isinstance(loop, Loop) else loop.name
        try:
            elements = self.forms.elements(row, f"`{word}`")
        except Trouble as trouble:
            at = Call(word, (), loop.start, loop.start, loop.end)
            nodes.append(self.trouble(trouble, at, environment))
            return
        keeps = (isinstance(loop, Loop) and loop.kind == "filter") or word == "filter"
        iteration = _Iteration(loop, row, elements, task.meaning, keeps)
        if isinstance(loop, Loop):
            iteration.saved = environment.arguments.get(loop.name)
        if not elements and isinstance(loop, Loop):
            span = environment.source.span(loop.sequence.start, loop.sequence.end)
            message = f"this `{loop.kind}` goes over an empty sequence"
            self.findings.add([Diagnostic("warning", codes.NO_STEPS, message, span, "nothing")])
            self._rehearse(loop, environment)
        tasks.append(_Task("step", iteration, None, environment))

    def _rehearse(self, loop: Loop, environment: Environment) -> None:
        """Check the body of a loop that has no steps: its element may be anything."""
        saved = environment.arguments.get(loop.name)
        environment.arguments[loop.name] = self.anything(self.place(loop, environment))
        effects, self.effects = self.effects, None
        self.reduce(loop.body, environment)
        self.effects = effects
        self._restore(environment, loop.name, saved)

    def _step(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        """Take the result of one step from the stack, begin the next."""
        iteration, environment = task.subject, task.environment
        assert isinstance(iteration, _Iteration)
        loop, elements = iteration.loop, iteration.elements
        if iteration.at:
            element = elements[iteration.at - 1]
            result = nodes.pop()
            if result != POISON:
                result = self.settled(result, (element,), self.place(loop, environment))
            iteration.results.append(result)
        # One step with an error is enough: the next would say the same.
        failed = iteration.results and iteration.results[-1] == POISON
        if iteration.at < len(elements) and not failed:
            element = elements[iteration.at]
            iteration.at += 1
            tasks.append(task)
            if isinstance(loop, Loop):
                environment.arguments[loop.name] = element
                tasks.append(_Task("evaluate", loop.body, None, environment))
            else:
                one = Call(iteration.loop.name, (loop,), loop.at, loop.start, loop.end)
                nodes.append(element)
                tasks.append(_Task("apply", self.mapped(loop, one), iteration.function, environment))
            return
        if isinstance(loop, Loop):
            self._restore(environment, loop.name, iteration.saved)
        nodes.append(POISON if failed else self._ended(iteration, environment))

    def _ended(self, iteration: _Iteration, environment: Environment) -> int:
        loop, graph = iteration.loop, self.graph
        place = self.place(loop, environment)
        try:
            if iteration.keeps:
                return self.forms.filtered(iteration.row, iteration.results, place)
            return graph.row(iteration.results, place, graph.flags.get(iteration.row, ()))
        except Trouble as trouble:
            return self.trouble(trouble, Call("filter", (), loop.start, loop.start, loop.end), environment)

    def mapped(self, loop: Call, one: Call) -> Call:
        """Return the call that a step of a `map` is."""
        named = loop.arguments[0]
        assert isinstance(named, Call)
        return Call(named.name, one.arguments, named.at, named.start, named.end)

    def _fold(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        """Combine the elements of the sequence on the stack, from the left."""
        fold, environment = task.subject, task.environment
        assert isinstance(fold, Fold)
        row = nodes.pop()
        initial = None if fold.initial is None else nodes.pop()
        call = Call(fold.operator, (fold, fold), fold.at, fold.start, fold.end)
        if POISON in (row, initial):
            nodes.append(POISON)
            return
        try:
            nodes.append(self.folded(call, initial, row, environment))
        except Trouble as trouble:
            nodes.append(self.trouble(trouble, call, environment))

    # ------------------------------------------------------------------------------------------------- calls

    def _call(self, call: Call, environment: Environment, tasks: list[_Task], nodes: list[int]) -> None:
        """Find out what a name means, and put its evaluation or its node on the stacks."""
        name, given = call.name, len(call.arguments)
        bound = environment.arguments.get(name)
        if bound is not None:
            nodes.append(bound if not given else self.not_a_function(call, environment))
            return
        meaning = self.meaning(call, environment)
        if meaning is None:
            nodes.append(POISON)
            return
        if isinstance(meaning, Declaration):
            self._declared(call, meaning, environment, tasks, nodes)
        elif name in ("map", "filter") and given == 2:
            function = self.function_of(call, environment)
            if function is None:
                nodes.append(POISON)
                return
            # V2 writes `map(f, xs)`, and `filter(xs, f)` by hand.
            at = 1 if name == "map" else 0
            ordered = call if at else Call(name, call.arguments[::-1], call.at, call.start, call.end)
            tasks.append(_Task("loop", ordered, function, environment))
            tasks.append(_Task("evaluate", call.arguments[at], None, environment))
        elif name == "if" and given == 3:
            tasks.append(_Task("branch", call, None, environment))
            tasks.append(_Task("evaluate", call.arguments[0], None, environment))
        else:
            arguments = [each for each in call.arguments if not isinstance(each, Null)]
            tasks.append(_Task("apply", call, meaning, environment))
            tasks.extend(_Task("evaluate", each, None, environment) for each in reversed(arguments))

    def _declared(
        self,
        call: Call,
        meaning: Declaration,
        environment: Environment,
        tasks: list[_Task],
        nodes: list[int],
    ) -> None:
        given, wanted = len(call.arguments), len(meaning.formals)
        if meaning.value is None or (wanted == 0 and given):
            nodes.append(meaning.node if not given else self.not_a_function(call, environment))
        elif given != wanted:
            nodes.append(self.arity_of(call, meaning, environment))
        else:
            tasks.append(_Task("apply", call, meaning, environment))
            tasks.extend(_Task("evaluate", each, None, environment) for each in reversed(call.arguments))

    def _branch(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        """Choose a branch if the condition is known, else evaluate both."""
        call, environment = task.subject, task.environment
        assert isinstance(call, Call)
        condition = nodes.pop()
        if condition == POISON:
            nodes.append(POISON)
            return
        place = self.place(call, environment)
        try:
            condition = self.forms.condition(condition, "`if`", place)
        except Trouble as trouble:
            nodes.append(self.trouble(trouble, call, environment))
            return
        known = self.graph.values.get(condition)
        if known is not None:
            tasks.append(_Task("evaluate", call.arguments[1 if known else 2], None, environment))
            return
        tasks.append(_Task("decide", call, condition, environment))
        tasks.extend(_Task("evaluate", each, None, environment) for each in reversed(call.arguments[1:]))

    def _decide(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        call, condition = task.subject, task.meaning
        assert isinstance(call, Call) and isinstance(condition, int)  # noqa: PT018
        second, first = nodes.pop(), nodes.pop()
        if POISON in (first, second):
            nodes.append(POISON)
            return
        place = self.place(call, task.environment)
        try:
            nodes.append(self.forms.choice(condition, first, second, place))
        except (Trouble, Misplaced) as trouble:
            nodes.append(self.trouble(trouble, call, task.environment))

    def _apply(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        """Apply a name to the nodes on the stack."""
        call, meaning, environment = task.subject, task.meaning, task.environment
        assert isinstance(call, Call)
        count = sum(not isinstance(each, Null) for each in call.arguments)
        first = len(nodes) - count
        arguments = nodes[first:]
        del nodes[first:]
        if POISON in arguments:
            nodes.append(POISON)
        elif isinstance(meaning, Declaration):
            self._enter(call, meaning, arguments, environment, tasks, nodes)
        elif call.name == SLICE:
            nodes.append(self.sliced(call, arguments, environment))
        else:
            nodes.append(self.apply(call, meaning, arguments, environment))

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
            dict(zip(meaning.formals, arguments, strict=True)),
            environment,
            (call.start, call.end),
        )
        tasks.append(_Task("keep", key, call, environment))
        tasks.append(_Task("evaluate", meaning.value, None, inside))

    def _keep(self, task: _Task, tasks: list[_Task], nodes: list[int]) -> None:
        """Remember what a function gave for its arguments; what has no place yet takes theirs."""
        key, call = task.subject, task.meaning
        assert isinstance(key, tuple) and isinstance(call, Call)  # noqa: PT018
        if nodes[-1] != POISON:
            nodes[-1] = self.settled(nodes[-1], key[1:], self.place(call, task.environment))
        self.known[key] = nodes[-1]
