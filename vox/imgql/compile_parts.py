"""What the compilations of both dialects have in common: declarations with parameters put in their place."""

from __future__ import annotations

from collections.abc import Mapping

from vox.imgql import codes
from vox.imgql.check import Findings
from vox.imgql.diagnostics import Diagnostic
from vox.imgql.graph import Graph
from vox.imgql.imports import Bundle
from vox.imgql.parameters import Parameter, image_path, literal_of, replacement
from vox.imgql.scope import Scope
from vox.imgql.source import SourceText
from vox.imgql.syntax import Boolean, Expression, Import, Let, Load, Number, Program, String

EMPTY_HELP = 'a program loads, declares, and saves or prints: `print "two" 1 .+. 1`'


class Parts:
    """Declares what a program is given from outside."""

    def __init__(
        self,
        bundle: Bundle,
        parameters: Mapping[str, Parameter],
        graph: Graph,
        scope: Scope,
        findings: Findings,
    ) -> None:
        self.bundle = bundle
        self.parameters = parameters
        self.graph = graph
        self.scope = scope
        self.findings = findings

    def load(self, name: str, path: str, source: SourceText, start: int, end: int) -> None:
        """Declare a loaded image."""
        raise NotImplementedError

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

    def load_path(self, command: Load) -> str:
        """Return the path of a `load`, a parameter's if one is given."""
        given = self.parameters.get(command.name)
        path = None if given is None else image_path(given)
        return command.path.value if path is None else path

    def value_of(self, command: Let, name: str) -> Expression:
        """Return the right side of a declaration, its literal replaced if a parameter says so."""
        value = command.value
        given = self.parameters.get(command.name) if name == self.bundle.main.name else None
        if given is not None and not command.formals and isinstance(value, Number | Boolean | String):
            changed = replacement(command, given)
            if changed is not None:
                value = type(value)(changed, value.start, value.end)  # type: ignore[arg-type]
        return value

    def import_missing(self, command: Import, source: SourceText) -> None:
        """Report an import that is nowhere."""
        message, label = f'import "{command.path.value}" not found', "no such file"
        help = "it is looked for beside this file, in the working folder and in the library"
        span = source.span(command.path.start, command.path.end)
        self.findings.add([Diagnostic("error", codes.IMPORT_MISSING, message, span, label, help)])
