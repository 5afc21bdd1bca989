"""Text in, plan out: what the rooms above call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vox.digest import Digest
from vox.errors import InputError, Span
from vox.imgql import codes, dialect
from vox.imgql.check import Findings, compare_geometry, save_format
from vox.imgql.diagnostics import Diagnostic, program_error, settle
from vox.imgql.graph import Full, Graph
from vox.imgql.imports import PRELUDE, Bundle, decode_source, is_library
from vox.imgql.parameters import Parameter, check_parameters, image_path, literal_of, replacement
from vox.imgql.parser import parse
from vox.imgql.reduce import POISON, Reducer
from vox.imgql.scope import Environment, Scope
from vox.imgql.source import SourceText
from vox.imgql.syntax import Boolean, Import, Let, Load, Number, Print, Program, Save, String
from vox.imgql.vocabulary import v1_builtins
from vox.operators.catalogue import CATALOGUE
from vox.operators.values import SourceInfo
from vox.plan import Goal, Plan, Type

Resolve = Callable[[str, Span], SourceInfo]
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


def parse_program(data: bytes | str, name: str) -> Program:
    """Read one program's text.

    Raises
    ------
    ProgramError
        With every syntax error, or because the bytes are not UTF-8.
    """
    program, diagnostics = parse(decode_source(data, name))
    if diagnostics:
        raise program_error(diagnostics)
    return program


def compile_bundle(bundle: Bundle, resolve: Resolve, *, parameters: Mapping[str, Parameter] = {}) -> Plan:
    """Return the plan of a program.

    Parameters
    ----------
    bundle
        What `collect` gathered.
    resolve
        Tells the blob and the shape of an image by its path; raises `InputError` if there is none.
    parameters
        Values given from outside.

    Raises
    ------
    ProgramError
        With every error that was found.
    """
    plan, diagnostics = _Compiler(bundle, resolve, parameters).run()
    if plan is None:
        raise program_error(diagnostics)
    return plan


def check_bundle(
    bundle: Bundle, resolve: Resolve | None = None, *, parameters: Mapping[str, Parameter] = {}
) -> list[Diagnostic]:
    """Return everything that is wrong or doubtful; without `resolve`, images are taken to be there."""
    return _Compiler(bundle, resolve, parameters).run()[1]


class _Compiler:
    """One compilation: declarations in order, then goals in order."""

    def __init__(self, bundle: Bundle, resolve: Resolve | None, parameters: Mapping[str, Parameter]) -> None:
        self.bundle = bundle
        self.resolve = resolve
        self.parameters = parameters
        self.graph = Graph()
        self.scope = Scope()
        self.findings = Findings()
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
            message = "the program expands to more than a million nodes or ten million steps"
            help = "a function applied to its own results again and again grows without bound"
            self.findings.add([Diagnostic("error", codes.TOO_LARGE, message, help=help)])
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
            span, help = (
                main.span(0, 0),
                'a program loads, declares, and saves or prints: `print "two" 1 .+. 1`',
            )
            findings.add([Diagnostic("error", codes.EMPTY, "the program is empty", span, help=help)])
        elif not findings.found and not any(isinstance(c, Save | Print) for c in program.commands):
            message, help = "the program has no goals: nothing would be computed", "add a `save` or a `print`"
            end = program.commands[-1]
            span = main.span(end.start, end.end)
            findings.add([Diagnostic("error", codes.NO_GOALS, message, span, "the program ends here", help)])
        self.fill(program)
        self.take_in(main.name, seen)

    def fill(self, program: Program) -> None:
        """Declare the parameters that stand for names the program leaves open."""
        declared = {c.name for c in program.commands if isinstance(c, Let | Load)}
        for name, value in self.parameters.items():
            if name in declared:
                continue
            path = image_path(value)
            if path is not None:
                self.load(name, path, program.source, 0, 0)
                continue
            literal = literal_of(value)
            kind = Boolean if isinstance(literal, bool) else String if isinstance(literal, str) else Number
            self.scope.declare(name, program.source, 0, value=kind(literal, 0, 0))  # type: ignore[arg-type]

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
                    given = self.parameters.get(command.name)
                    path = None if given is None else image_path(given)
                    at = command.path
                    self.load(command.name, at.value if path is None else path, source, at.start, at.end)
                else:
                    self.goals.append((command, self.scope.count))
            else:
                files.pop()

    def let(self, command: Let, source: SourceText, name: str) -> None:
        """Declare a `let`, its literal replaced if a parameter says so."""
        value = command.value
        given = self.parameters.get(command.name) if name == self.bundle.main.name else None
        if given is not None and not command.formals and isinstance(value, Number | Boolean | String):
            changed = replacement(command, given)
            if changed is not None:
                value = type(value)(changed, value.start, value.end)  # type: ignore[arg-type]
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
            message, label = f'import "{asked}" not found', "no such file"
            help = "it is looked for beside this file, in the working folder and in the library"
            span = source.span(start, end)
            self.findings.add([Diagnostic("error", codes.IMPORT_MISSING, message, span, label, help)])
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
            return _pretended(path)
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
        base = None if self.base is None or self.resolve is None else self.base[1]
        chosen = save_format(command, source, base)
        if isinstance(chosen, Diagnostic):
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


def _pretended(path: str) -> SourceInfo:
    from vox.operators.values import Geometry

    geometry = Geometry((1, 1), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    return SourceInfo(Digest.of(path.encode()), geometry, 1, "float32")
