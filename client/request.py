"""A submission on the client's side: a program with its imports, its inputs and its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client.programs import PLAIN, Answers, Asked, bindings
from client.sources import Input, Sources, folders_for, to_json
from vox.errors import Span, UsageError, VoxError
from vox.operators.values import SourceInfo
from vox.plan import Plan
from vox.submitted import Submitted

if TYPE_CHECKING:
    from vox.imgql.imports import Bundle
    from vox.imgql.source import SourceText
    from vox.store.contract import Store

Parameter = bool | int | float | str


@dataclass(frozen=True)
class Request:
    """What is submitted.

    Attributes
    ----------
    imports
        Texts by the names in the program's imports.
    inputs
        Resolved files by the paths in the program's loads.
    texts
        Every file of the program by the name that spans use.
    """

    program: str
    filename: str
    imports: Mapping[str, str]
    parameters: Mapping[str, Parameter]
    inputs: Mapping[str, Input]
    sources: Sources
    plan: Plan
    texts: Mapping[str, SourceText]
    dialect: str = "auto"
    v2: bool = False
    answers: Answers | None = None
    cases: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)

    def to_json(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of `POST /executions`."""
        return {
            "program": self.program,
            "filename": self.filename,
            "imports": dict(self.imports),
            "parameters": dict(self.parameters),
            "sources": {text: to_json(found.info) for text, found in self.inputs.items()},
            "config": dict(config),
            **self._asked(),
        }

    def _asked(self) -> dict[str, Any]:
        """Return what programs of V2 and cases need besides; nothing for others, as ever."""
        document: dict[str, Any] = {} if self.dialect == "auto" else {"dialect": self.dialect}
        if self.cases:
            document["cases"] = {name: dict(bound) for name, bound in self.cases.items()}
        if self.v2 and self.answers is not None:
            document |= {
                "listings": self.answers.listings,
                "texts": self.answers.texts,
                "system": self.answers.system(),
            }
        return document

    def submitted(self) -> Submitted:
        """Return what is kept of the submission beside the execution."""
        from vox.imgql.imports import is_library

        texts = {name: text.text for name, text in self.texts.items() if not is_library(name)}
        inputs = {path: found.info.digest for path, found in self.inputs.items()}
        return Submitted(self.filename, texts, self.parameters, inputs)

    def printed(self) -> str:
        """Return the program as the printer writes it."""
        from vox.imgql.printer import show_program
        from vox.imgql.read import read
        from vox.imgql.source import SourceText

        return show_program(read(SourceText(self.filename, self.program), self.dialect)[0])


def prepare(
    program: Path,
    parameters: Mapping[str, Parameter],
    data: Sequence[Path],
    facts: Store | None,
    asked: Asked = PLAIN,
) -> Request:
    """Read a program's file, its imports and its inputs, and check it.

    Raises
    ------
    ProgramError, InputError
        With the files' texts in `sources`, so that places can be shown.
    UsageError
        E0106 if two files are imported under one name.
    """
    from vox.imgql.compile_cases import compile_cases, open_names
    from vox.imgql.imports import collect, read_beside, read_source

    main = read_source(program)
    bundle = collect(main, read_beside, parameters=parameters, dialect=asked.dialect)
    folders = folders_for(program, data)
    sources = Sources(folders, facts)
    answers = Answers(program, folders)
    wanted = open_names(bundle) if asked.cases else ()
    cases = bindings(asked, folders, wanted, parameters)
    inputs: dict[str, Input] = {}

    def resolve(text: str, span: Span) -> SourceInfo:
        inputs[text] = sources.resolve(text, span)
        return inputs[text].info

    try:
        plan = compile_cases(bundle, resolve, cases=cases, parameters=parameters, inputs=answers.inputs())
    except VoxError as error:
        error.__dict__["sources"] = bundle.texts()
        raise
    imports = _imports(bundle)
    return Request(
        *(main.text, main.name, imports, parameters, inputs, sources, plan, bundle.texts()),
        dialect=asked.dialect,
        v2=bundle.v2,
        answers=answers,
        cases=cases,
    )


def _imports(bundle: Bundle) -> dict[str, str]:
    """Return the imported texts by the names under which they are imported, as the HTTP API takes them."""
    texts: dict[str, str] = {}
    for (_, asked), name in bundle.imports.items():
        text = bundle.sources.get(name)
        if text is not None and texts.setdefault(asked, text) != text:
            raise UsageError(
                f"two different files are imported under the name {asked!r}",
                hint="give them different names",
                code="E0106",
            )
    return texts
