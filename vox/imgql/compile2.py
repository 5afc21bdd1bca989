"""From a program with files of V2 to its plan: commands one after the other, each reduced where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vox.errors import InputError, Span
from vox.imgql import codes
from vox.imgql.check import Findings, save_format
from vox.imgql.compile_parts import EMPTY_HELP, Parts
from vox.imgql.diagnostics import Diagnostic
from vox.imgql.graph import Place
from vox.imgql.graph2 import IMAGES, Graph2
from vox.imgql.imports import NAMESPACES, PRELUDE, Bundle, is_library
from vox.imgql.inputs import Inputs
from vox.imgql.parameters import Parameter, check_parameters
from vox.imgql.reduce import POISON
from vox.imgql.reduce2 import Reducer2
from vox.imgql.scope import Environment, Scope
from vox.imgql.source import SourceText
from vox.imgql.syntax import Import, Let, Load, Print, Program, Save, String
from vox.operators.catalogue import CATALOGUE
from vox.plan import Goal, Type

_FILES = {Type.MODEL: "file_model", Type.IMAGE: "file_image", Type.MASK: "file_mask"}


class _Wish(NamedTuple):
    """A goal before its node has a place."""

    kind: str
    label: str
    node: int
    place: Place
    span: Span
    label_span: Span


class Compiler2(Parts):
    """One compilation."""

    def __init__(self, bundle: Bundle, inputs: Inputs, parameters: Mapping[str, Parameter]) -> None:
        self.graph2 = Graph2()
        super().__init__(bundle, parameters, self.graph2, Scope(), Findings())
        self.inputs = inputs
        self.reducer = Reducer2(self.graph2, self.scope, self.findings, inputs)
        self.wishes: list[_Wish] = []
        self.seen: set[str] = set()

    def compile(self) -> list[Goal]:
        """Reduce every command; return the goals."""
        program = self.bundle.parsed(self.bundle.main.name)[0]
        self.seen = {PRELUDE, program.source.name}
        self.take_in(PRELUDE)
        self.findings.add(self.bundle.parsed(program.source.name)[1])
        self.findings.add(check_parameters(program, self.parameters))
        self.fill(program)
        self.take_in(program.source.name)
        goals = self.goals()
        self._nothing(program, goals)
        return goals

    def _nothing(self, program: Program, goals: list[Goal]) -> None:
        if self.findings.failed or goals or self.wishes:
            return
        if not program.commands:
            span = program.source.span(0, 0)
            found = Diagnostic("error", codes.EMPTY, "the program is empty", span, help=EMPTY_HELP)
        else:
            end = program.commands[-1]
            message = "the program has no goals: nothing would be computed"
            help = "add a `save` or a `print`"
            span = program.source.span(end.start, end.end)
            found = Diagnostic("error", codes.NO_GOALS, message, span, "the program ends here", help)
        self.findings.add([found])

    # ---------------------------------------------------------------------------------------------- commands

    def take_in(self, name: str) -> None:
        """Go through a file's commands, its imports where they stand."""
        files = [(name, iter(self.bundle.parsed(name)[0].commands))]
        while files:
            name, commands = files[-1]
            program = self.bundle.parsed(name)[0]
            for command in commands:
                if isinstance(command, Import):
                    found = self.imported(command, program)
                    if found is not None and found not in self.seen:
                        self.seen.add(found)
                        inner, errors = self.bundle.parsed(found)
                        self.findings.add(errors)
                        files.append((found, iter(inner.commands)))
                        break
                elif isinstance(command, Let):
                    self.let2(command, program, name)
                elif isinstance(command, Load):
                    path = self.load_path(command)
                    span = command.path
                    self.load(command.name, path, program.source, span.start, span.end)
                else:
                    self.goal(command, program.source)
            else:
                files.pop()

    def imported(self, command: Import, program: Program) -> str | None:
        """Return the file that an import became; a namespace is only remembered."""
        asked, source = command.path.value, program.source
        found = self.bundle.imports.get((source.name, asked))
        if asked in NAMESPACES and found is None:
            self.reducer.imported.setdefault(asked, self.scope.count)
            return None
        if found is None and not is_library(source.name):
            if "." in asked or "/" in asked:
                self.import_missing(command, source)
            else:
                from vox.imgql.diagnostics import did_you_mean

                span = source.span(command.path.start, command.path.end)
                message = f'"{asked}" is neither a namespace nor a file'
                help = did_you_mean(asked, NAMESPACES) or f"the namespaces are {', '.join(NAMESPACES)}"
                found_ = Diagnostic("error", codes.NAMESPACE, message, span, "unknown", help)
                self.findings.add([found_])
        return found

    def let2(self, command: Let, program: Program, name: str) -> None:
        """Declare; what has no parameters is reduced at once, if its file is written in V2."""
        value = self.value_of(command, name)
        library = is_library(name)
        eager = program.dialect == "v2" and not command.formals
        node = POISON
        if eager:
            environment = Environment(program.source, self.scope.count, arguments={})
            node = self.reducer.reduce(value, environment)
            self._effects(program.source)
        self.scope.declare(
            command.name,
            program.source,
            command.at,
            formals=command.formals,
            value=None if eager else value,
            node=node,
            library=library,
        )

    def load(self, name: str, path: str, source: SourceText, start: int, end: int) -> None:
        """Declare a loaded image."""
        place = (source, start, end)
        try:
            node = self.reducer.outside.image(path, place)
        except InputError as error:
            span = source.span(start, end)
            self.findings.add(
                [Diagnostic("error", error.code, error.message, span, "loaded here", error.hint)]
            )
            node = POISON
        self.scope.declare(name, source, start, node=node)

    # ------------------------------------------------------------------------------------------------- goals

    def goal(self, command: Save | Print, source: SourceText) -> None:
        """Reduce what a `save` or a `print` asks for."""
        node = self.reducer.reduce(command.value, Environment(source, self.scope.count, arguments={}))
        self._effects(source)
        if node != POISON:
            kind = "save" if isinstance(command, Save) else "print"
            self._wish(kind, command.label.value, node, (source, command.start, command.end), command.label)

    def _wish(self, kind: str, label: str, node: int, place: Place, at: String | None) -> None:
        source, start, end = place
        span = source.span(start, end)
        label_span = span if at is None else source.span(at.start, at.end)
        self.wishes.append(_Wish(kind, label, node, place, span, label_span))

    def _effects(self, source: SourceText) -> None:
        """Take over the goals that expressions asked for."""
        effects = self.reducer.effects
        if effects:
            for kind, label, node, place in effects:
                self._wish(kind, label, node, place, None)
            effects.clear()

    def goals(self) -> list[Goal]:
        """Return the goals, what has no place yet at the only one there is."""
        goals: list[Goal] = []
        written: set[str] = set()
        sizes = list(dict.fromkeys(self.graph2.sizes.values()))
        firsts = [next(n for n, g in self.graph2.sizes.items() if g == size) for size in sizes[:1]]
        for wish in self.wishes:
            node = wish.node
            if node in self.graph2.open:
                if len(sizes) != 1:
                    self._no_place(wish, len(sizes))
                    continue
                node = self.graph2.close(node, firsts[0], wish.place)
            goal = self._goal(wish, node)
            if goal is not None:
                goals.append(goal)
                if wish.kind == "save" and wish.label in written:
                    message = f'"{wish.label}" is saved twice: the later save stays'
                    found = Diagnostic("warning", codes.SAVED_TWICE, message, wish.label_span, "again")
                    self.findings.add([found])
                written.add(wish.label)
        return goals

    def _goal(self, wish: _Wish, node: int) -> Goal | None:
        kind, names = self.graph2.types[node], self.graph2.names
        if wish.kind == "print" or kind not in IMAGES:
            if wish.kind == "save" and isinstance(save_format(wish.label, wish.label_span, None), str):
                if kind is not Type.ANY:
                    self.findings.add([self._not_an_image(wish, kind)])
                    return None
                return self._saved(wish, node, Type.IMAGE)
            return Goal(wish.kind, wish.label, names[node], wish.span, kind)  # type: ignore[arg-type]
        return self._saved(wish, node, kind)

    def _saved(self, wish: _Wish, node: int, kind: Type) -> Goal | None:
        geometry = self.graph2.sizes.get(self.graph2.where.get(node, -1))
        if self.inputs.resolve is None:
            geometry = None
        chosen = save_format(wish.label, wish.label_span, geometry)
        if isinstance(chosen, Diagnostic):
            self.findings.add([chosen])
            return None
        assert isinstance(chosen, str)
        file = self.graph2.apply(CATALOGUE.named(_FILES[kind]), (node,), wish.place, (("format", chosen),))
        names = self.graph2.names
        return Goal("save", wish.label, names[node], wish.span, kind, names[file])

    def _not_an_image(self, wish: _Wish, kind: Type) -> Diagnostic:
        message = f'saving an expression of type {kind.value} to file "{wish.label}" is not supported'
        help = "a name that ends in .json or .txt holds numbers, texts and sequences"
        return Diagnostic("error", codes.SAVE_TYPE, message, wish.span, f"a {kind.value}", help)

    def _no_place(self, wish: _Wish, count: int) -> None:
        if count == 0:
            help = 'load an image first: `img = ReadImage("file.nii.gz")`'
            message = "no image says what size this has"
            found = Diagnostic("error", codes.NO_MODEL, message, wish.span, "needs an image's size", help)
        else:
            message = f"this has no size of its own, and the program has images of {count} sizes"
            help = "say which: `border(img)`, `x(img)`, `constant(1, img)`"
            found = Diagnostic("error", codes.AMBIGUOUS, message, wish.span, "of which size?", help)
        self.findings.add([found])
