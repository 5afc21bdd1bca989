"""Short ways to compile a program in a test, and programs made at random."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from vox.digest import Digest, NodeId
from vox.errors import InputError, ProgramError, Span
from vox.imgql import Bundle, Diagnostic, SourceText, check_bundle, collect, compile_bundle
from vox.imgql.parameters import Parameter
from vox.imgql.syntax import (
    Boolean,
    Call,
    Command,
    Expression,
    Import,
    Let,
    Load,
    Number,
    Print,
    Program,
    Save,
    String,
)
from vox.operators.values import Geometry, SourceInfo
from vox.plan import Apply, Constant, Plan

CUBE = Geometry((4, 5, 6), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
MOVED = Geometry(CUBE.size, CUBE.spacing, (9.0, 0.0, 0.0), CUBE.direction)
SMALL = Geometry((4, 5, 5), CUBE.spacing, CUBE.origin, CUBE.direction)
FLAT = Geometry((7, 7), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
IMAGES = {"moved.nii": MOVED, "small.nii": SMALL, "flat.png": FLAT}


def resolve(path: str, span: Span) -> SourceInfo:
    """Any path is a cube, but for those in IMAGES; what is called missing is missing."""
    if path.startswith("missing"):
        raise InputError(f"{path} is not there", code="E0301", hint="look again", span=span)
    return SourceInfo(Digest.of(path.encode()), IMAGES.get(path, CUBE), 1, "float32")


def bundle(
    text: str, files: Mapping[str, str] = {}, parameters: Mapping[str, Parameter] = {}, dialect: str = "v1"
) -> Bundle:
    def read(importing: str, asked: str) -> SourceText | None:
        name = next((n for n in (asked, f"{asked}.imgql") if n in files), None)
        return SourceText(name, files[name]) if name else None

    return collect(SourceText("main.imgql", text), read, parameters=parameters, dialect=dialect)


def plan_of(text: str, files: Mapping[str, str] = {}, **parameters: Parameter) -> Plan:
    return compile_bundle(bundle(text, files, parameters), resolve, parameters=parameters)


def findings_of(text: str, files: Mapping[str, str] = {}, **parameters: Parameter) -> list[Diagnostic]:
    return check_bundle(bundle(text, files, parameters), resolve, parameters=parameters)


def error_of(text: str, files: Mapping[str, str] = {}, **parameters: Parameter) -> ProgramError:
    try:
        plan_of(text, files, **parameters)
    except ProgramError as error:
        return error
    raise AssertionError("no error")


def term(plan: Plan, name: NodeId) -> object:
    """Write a small plan out as a nested tuple: operator without version, then inputs."""
    node = plan.nodes[name]
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Apply):
        head = node.operator.partition("@")[0]
        return (head, *(term(plan, each) for each in node.inputs), *(v for _, v in node.parameters))
    return "source"


def printed(text: str, **parameters: Parameter) -> list[object]:
    """Return what the goals of a program are, written out."""
    plan = plan_of(text, **parameters)
    return [term(plan, goal.node) for goal in plan.goals]


WORDS = [
    "a",
    "b",
    "f",
    "x1",
    "in",
    "let",
    "load",
    "print",
    "save",
    "import",
    "trueMask",
    "nano",
    "info",
    "è",
    "a_b",
]
OPERATORS = ["+", "-", ".<=", ">.", "&", "|", "!", "N", "ZZ", "B+", "~>", "\\", "_", ".", "=", "/.", "É"]
_texts = st.text(st.characters(blacklist_characters='"', blacklist_categories=("Cs",)), max_size=8)
_words = st.sampled_from(WORDS)
_operators = st.sampled_from(OPERATORS)
_literals = st.one_of(
    st.floats().map(lambda value: Number(value, 0, 0)),
    st.booleans().map(lambda value: Boolean(value, 0, 0)),
    _texts.map(lambda value: String(value, 0, 0)),
)


def _call(name: str, arguments: list[Expression]) -> Expression:
    return Call(name, tuple(arguments), 0, 0, 0)


EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(_literals, _words.map(lambda name: _call(name, []))),
    lambda inner: st.one_of(
        st.builds(_call, _words, st.lists(inner, max_size=3)),
        st.builds(_call, _operators, st.lists(inner, min_size=1, max_size=4)),
    ),
    max_leaves=20,
)
_string = _texts.map(lambda value: String(value, 0, 0))
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        lambda name, formals, value: Let(name, tuple(formals), value, 0, 0, 0),
        st.one_of(_words, _operators),
        st.lists(_words, max_size=3),
        EXPRESSIONS,
    ),
    st.builds(lambda name, path: Load(name, path, 0, 0, 0), _words, _string),
    st.builds(lambda path: Import(path, 0, 0), _string),
    st.builds(lambda label, value: Save(label, value, 0, 0), _string, EXPRESSIONS),
    st.builds(lambda label, value: Print(label, value, 0, 0), _string, EXPRESSIONS),
)
PROGRAMS = st.lists(COMMANDS, max_size=6).map(
    lambda commands: Program(SourceText("random", ""), tuple(commands))
)
