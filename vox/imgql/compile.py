"""Text in, plan out: what the rooms above call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vox.errors import InputError, Span
from vox.imgql import codes, dialect
from vox.imgql.check import Findings, compare_geometry, save_format
from vox.imgql.compile_parts import EMPTY_HELP, Parts
from vox.imgql.diagnostics import Diagnostic, program_error, settle
from vox.imgql.graph import Full, Graph
from vox.imgql.imports import PRELUDE, Bundle, decode_source, is_library
from vox.imgql.inputs import Inputs, Resolve
from vox.imgql.outside import pretended
from vox.imgql.parameters import Parameter, check_parameters
from vox.imgql.read import read as read_text
from vox.imgql.reduce import POISON, Reducer
from vox.imgql.scope import Environment, Scope
from vox.imgql.source import SourceText
from vox.imgql.syntax import Import, Let, Load, Print, Program, Save
from vox.imgql.vocabulary import v1_builtins
from vox.operators.catalogue import CATALOGUE
from vox.operators.values import SourceInfo
from vox.plan import Goal, Plan, Type

_PRINTED = (Type.NUMBER, Type.BOOLEAN, Type.STRING)
_SAVED = {Type.MODEL: "file_model", Type.IMAGE: "file_image", Type.MASK: "file_mask"}
_ALONE = (codes.DIALECT, codes.FAMILY)
_UNREAD = (
    codes.SYNTAX,
    codes.STRING_OPEN,
    codes.CHARACTER,
    codes.IMPORT_MISSING,
    codes.IMPORT_COMMAND,
    codes.DIALECT,
)


def parse_program(data: bytes | str, name: str, dialect: str = "auto") -> Program:
    """Read one program's text.

    Raises
    ------
    ProgramError
        With every syntax error, or because the bytes are not UTF-8.
    """
    program, diagnostics = read_text(decode_source(data, name), dialect)
    if diagnostics:
        raise program_error(diagnostics)
    return program


def compile_bundle(
    bundle: Bundle,
    resolve: Resolve,
    *,
    parameters: Mapping[str, Parameter] = {},
    inputs: Inputs | None = None,
) -> Plan:
    """Return the plan of a program.

    Parameters
    ----------
    bundle
        What `collect` gathered.
    resolve
        Tells the blob and the shape of an image by its path; raises `InputError` if there is none.
    parameters
        Values given from outside.
    inputs
        What a V2 program may ask besides: folders, texts, system variables; its `resolve` is the one above.

    Raises
    ------
    ProgramError
        With every error that was found.
    """
    plan, diagnostics = _compile(bundle, resolve, parameters, inputs)
    if plan is None:
        raise program_error(diagnostics)
    return plan


def check_bundle(
    bundle: Bundle,
    resolve: Resolve | None = None,
    *,
    parameters: Mapping[str, Parameter] = {},
    inputs: Inputs | None = None,
) -> list[Diagnostic]:
    """Return everything that is wrong or doubtful; without `resolve`, images are taken to be there."""
    return _compile(bundle, resolve, parameters, inputs)[1]


def _compile(
    bundle: Bundle, resolve: Resolve | None, parameters: Mapping[str, Parameter], inputs: Inputs | None
) -> tuple[Plan | None, list[Diagnostic]]:
    if not bundle.v2:
        return _Compiler(bundle, resolve, parameters).run()
    from vox.imgql.compile2 import Compiler2

    asked = Inputs() if inputs is None else inputs
    compiler = Compiler2(bundle, replace(asked, resolve=resolve), parameters)
    goals: list[Goal] = []
    try:
        goals = compiler.compile()
    except Full:
        compiler.findings.add([_too_large()])
    found = settle(compiler.findings.found, _ALONE)
    if any(d.severity == "error" for d in found):
        return None, found
    return compiler.graph.plan(goals, found), found


def _too_large() -> Diagnostic:
    message = "the program expands to more than a million nodes or ten million steps"
    help = "a function applied to its own results again and again grows without bound"
    return Diagnostic("error", codes.TOO_LARGE, message, help=help)


class _Compiler(Parts):
    """One compilation: declarations in order, then goals in order."""

    def __init__(self, bundle: Bundle, resolve: Resolve | None, parameters: Mapping[str, Parameter]) -> None:
        super().__init__(bundle, parameters, Graph(), Scope(), Findings())
        self.resolve = resolve
        self.goals: list[tuple[Save | Print, int]] = []
        self.infos: dict[str, SourceInfo | None] = {}
        self.geometry = POISON
        self.base: tuple[str, SourceInfo] | None = None

    def run(self) -> tuple[Plan | None, list[Diagnostic]]:
        """Return the plan, unless there are errors, and the findings."""
        goals: list[Goal] = []
        program = self.bundle.parsed(self.bundle.main.name)[0]
        try:
            self.declare(program)
            # Where declarations could not be read, names would only seem to be unknown.
            if not any(d.code in _UNREAD for d in self.findings.found):
                goals = self.reduce()
        except Full:
            self.findings.add([_too_large()])
        found = settle(self.findings.found, _ALONE)
        if any(d.severity == "error" for d in found):
            return None, found
        return self.graph.plan(goals, found), found

    # -------------------------------------------------------------------------------------- declarations

    def declare(self, program: Program) -> None:
        """Number all declarations: prelude, parameters, then the program with its imports in place."""
        findings, main = self.findings, program.source
        self.take_in(PRELUDE, seen := {PRELUDE, main.name})
        findings.add(self.bundle.parsed(main.name)[1])
        findings.add(check_parameters(program, self.parameters))
        if not program.commands and not findings.found:
            span = main.span(0, 0)
            findings.add([Diagnostic("error", codes.EMPTY, "the program is empty", span, help=EMPTY_HELP)])
        elif not findings.found and not any(isinstance(c, Save | Print) for c in program.commands):
            message, help = "the program has no goals: nothing would be computed", "add a `save` or a `print`"
            end = program.commands[-1]
            span = main.span(end.start, end.end)
            findings.add([Diagnostic("error", codes.NO_GOALS, message, span, "the program ends here", help)])
        self.fill(program)
        self.take_in(main.name, seen)

    def take_in(self, name: str, seen: set[str]) -> None:
        """Declare a file's commands, its imports where they stand."""
        files = [(name, iter(self.bundle.parsed(name)[0].commands))]
        while files:
            name, commands = files[-1]
            source = self.bundle.parsed(name)[0].source
            for command in commands:
                if isinstance(command, Import):
                    found = self.imported(command, source)
                    if found is not None and found not in seen:
                        seen.add(found)
                        program, errors = self.bundle.parsed(found)
                        self.findings.add(errors)
                        files.append((found, iter(program.commands)))
                        break
                elif isinstance(command, Let):
                    self.let(command, source, name)
                elif isinstance(command, Load):
                    at = command.path
                    self.load(command.name, self.load_path(command), source, at.start, at.end)
                else:
                    self.goals.append((command, self.scope.count))
            else:
                files.pop()

    def let(self, command: Let, source: SourceText, name: str) -> None:
        """Declare a `let`, its literal replaced if a parameter says so."""
        value = self.value_of(command, name)
        self.scope.declare(
            command.name,
            source,
            command.at,
            formals=command.formals,
            value=value,
            library=is_library(name),
        )

    def imported(self, command: Import, source: SourceText) -> str | None:
        """Return the file that an import became, or report that there is none."""
        asked = command.path.value
        found = self.bundle.imports.get((source.name, asked))
        if found is None and not is_library(source.name):
            start, end = command.path.start, command.path.end
            if asked in dialect.V2_NAMESPACES:
                marker = dialect.Marker("namespace", start, end)
                self.findings.add([dialect.v2_error(source, marker)])
                return None
            self.import_missing(command, source)
        return found

    # -------------------------------------------------------------------------------------------- inputs

    def load(self, name: str, path: str, source: SourceText, start: int, end: int) -> None:
        """Declare a loaded image; the first one gives all later ones and all constants their geometry."""
        if path.lower().endswith(".json"):
            self.findings.add([dialect.family_error(source, f'the model "{path}"', start, end)])
        span = source.span(start, end)
        info = self.info(path, span)
        node = POISON
        if info is not None:
            place = (source, start, end)
            node = self.graph.source(info.digest, place)
            if self.base is None:
                self.base = (path, info)
                self.geometry = self.graph.apply(CATALOGUE.named("geometry"), (node,), place)
            difference = compare_geometry(path, info, *self.base, span) if self.resolve else None
            if difference is not None:
                self.findings.add([difference])
                if difference.severity == "warning":
                    node = self.graph.apply(CATALOGUE.named("conform"), (node, self.geometry), place)
        self.scope.declare(name, source, start, node=node)

    def info(self, path: str, span: Span) -> SourceInfo | None:
        """Ask about an image, once; report that it is not there."""
        if self.resolve is None:
            return pretended(path)
        if path not in self.infos:
            self.infos[path] = None
            try:
                self.infos[path] = self.resolve(path, span)
            except InputError as error:
                diagnostic = Diagnostic("error", error.code, error.message, span, "loaded here", error.hint)
                self.findings.add([diagnostic])
        return self.infos[path]

    # --------------------------------------------------------------------------------------------- goals

    def reduce(self) -> list[Goal]:
        """Expand every goal; those with errors are reported and left out."""
        reducer = Reducer(self.graph, self.scope, v1_builtins(), self.findings, self.geometry)
        # A load that failed has been reported: what needs its size says nothing more.
        reducer.silent = any(d.severity == "error" for d in self.findings.found) and self.geometry == POISON
        source = self.bundle.main
        goals: list[Goal] = []
        written: set[str] = set()
        for command, number in self.goals:
            node = reducer.reduce(command.value, Environment(source, number))
            span = source.span(command.start, command.end)
            label = command.label.value
            if isinstance(command, Save):
                file = self.save(command, node)
                if label in written:
                    message = f'"{label}" is saved twice: the later save stays'
                    at = source.span(command.label.start, command.label.end)
                    self.findings.add([Diagnostic("warning", codes.SAVED_TWICE, message, at, "again")])
                written.add(label)
                if file != POISON:
                    kind, names = self.graph.types[node], self.graph.names
                    goals.append(Goal("save", label, names[node], span, kind, names[file]))
            elif node != POISON:
                kind = self.graph.types[node]
                if kind in _PRINTED:
                    goals.append(Goal("print", label, self.graph.names[node], span, kind))
                else:
                    self.findings.goal(command, source, kind)
        return goals

    def save(self, command: Save, node: int) -> int:
        """Return the node of a saved file's bytes."""
        source = self.bundle.main
        base = None if self.base is None or self.resolve is None else self.base[1].geometry
        at = source.span(command.label.start, command.label.end)
        chosen = save_format(command.label.value, at, base)
        if not isinstance(chosen, str):
            self.findings.add([chosen])
            return POISON
        if node == POISON:
            return POISON
        kind = self.graph.types[node]
        if kind not in _SAVED:
            self.findings.goal(command, source, kind)
            return POISON
        place = (source, command.start, command.end)
        return self.graph.apply(CATALOGUE.named(_SAVED[kind]), (node,), place, (("format", chosen),))
