"""V2: parser and printer are each other's inverse, a grammar made by others agrees, and nothing crashes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.grammar2 import outline2
from tests.support.imgql2 import findings2
from vox.imgql.formatter import format_program
from vox.imgql.parser2 import parse2
from vox.imgql.printer import show_program
from vox.imgql.read import read
from vox.imgql.source import SourceText
from vox.imgql.syntax import (
    INDEX,
    LIST,
    SLICE,
    Boolean,
    Call,
    Expression,
    Fold,
    Let,
    LetIn,
    Loop,
    Null,
    Number,
    Print,
    Program,
    String,
    outline,
)

CORPUS = sorted((Path(__file__).parents[1] / "corpus" / "imgql").glob("*.imgql"))
WORDS = ["a", "b", "f", "x1", "load", "ReadImage", "N", "ns.f", "_", "a_b", "max", "$stem", "info"]
OPERATORS = ["+", "-", "*", "/", "<=", "==", "&&", "!", ".<=", ">.", "&", "|", "~>", "/."]
_words = st.sampled_from(WORDS)
_names = st.sampled_from([word for word in WORDS if word[0] != "$" and "." not in word])
_literals = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Number(value, 0, 0)),
    st.booleans().map(lambda value: Boolean(value, 0, 0)),
    st.text("ab ;é", max_size=4).map(lambda value: String(value, 0, 0)),
)


def _call(name: str, arguments: list[Expression]) -> Expression:
    return Call(name, tuple(arguments), 0, 0, 0)


def _blocks(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    bounds = st.one_of(inner, st.just(Null(0, 0)))
    return st.one_of(
        st.builds(_call, _words, st.lists(inner, max_size=3)),
        st.builds(_call, st.sampled_from(OPERATORS), st.lists(inner, min_size=1, max_size=3)),
        st.builds(_call, st.just(LIST), st.lists(inner, max_size=3)),
        st.builds(lambda a, b: _call(INDEX, [a, b]), inner, inner),
        st.builds(lambda a, b, c: _call(SLICE, [a, b, c]), inner, bounds, bounds),
        st.builds(lambda n, v, b: LetIn(n, v, b, 0, 0, 0), _names, inner, inner),
        st.builds(
            lambda k, n, s, b: Loop(k, n, s, b, 0, 0, 0),
            st.sampled_from(["for", "filter"]),
            _names,
            inner,
            inner,
        ),
        st.builds(
            lambda o, i, s: Fold(o, i, s, 0, 0, 0),
            st.sampled_from(["+", "*", "max", "&&"]),
            st.one_of(st.none(), inner),
            inner,
        ),
    )


EXPRESSIONS = st.recursive(
    st.one_of(_literals, _words.map(lambda name: _call(name, []))), _blocks, max_leaves=15
)
_COMMANDS = st.one_of(
    st.builds(
        lambda n, f, v, b: Let(n, tuple(f), v, 0, 0, 0, b),
        _names,
        st.lists(_names, max_size=3, unique=True),
        EXPRESSIONS,
        st.booleans(),
    ),
    st.builds(lambda v: Print(String("label", 0, 0), v, 0, 0), EXPRESSIONS),
)
PROGRAMS = st.lists(_COMMANDS, max_size=4).map(
    lambda commands: Program(SourceText("random", ""), tuple(commands), "v2")
)


@given(PROGRAMS)
def test_what_is_printed_is_parsed_as_what_it_was(program: Program) -> None:
    text = show_program(program)
    again, errors = parse2(SourceText("printed", text))
    assert not errors, text
    assert outline(again) == outline(program), text


@given(EXPRESSIONS)
@settings(max_examples=25, deadline=None)
def test_an_independent_grammar_reads_expressions_the_same_way(expression: Expression) -> None:
    program = Program(SourceText("random", ""), (Print(String("a", 0, 0), expression, 0, 0),), "v2")
    text = show_program(program)
    assert outline2(text) == outline(parse2(SourceText("printed", text))[0]), text


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_an_independent_grammar_reads_the_corpus_the_same_way(path: Path) -> None:
    program, errors = read(SourceText(path.name, path.read_text(encoding="utf-8")))
    assert not errors
    assert program.dialect == "v2"
    lets = [Let(c.name, c.formals, c.value, 0, 0, 0) if isinstance(c, Let) else c for c in program.commands]
    text = show_program(Program(program.source, tuple(lets), "v2"))
    assert outline2(text) == outline(program)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_formatting_keeps_meaning_and_comments_and_is_done_once(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    program, _ = read(SourceText(path.name, text))
    done = format_program(program)
    again, errors = read(SourceText(path.name, done))
    assert not errors
    assert outline(again) == outline(program)
    assert format_program(again) == done
    for line in text.splitlines():
        assert line[line.index("//") :] in done if "//" in line else True


@given(st.text(max_size=200))
def test_no_text_crashes_the_parser(text: str) -> None:
    parse2(SourceText("random", text))


_FRAGMENTS = st.sampled_from(
    [
        *(
            "a",
            "b",
            "f(",
            "(",
            ")",
            "[",
            "]",
            ",",
            "=",
            "+",
            "- ",
            "!",
            "3",
            "-1",
            "true",
            "border",
            "x",
            ":",
        ),
        *(
            " in ",
            " do ",
            "for i in ",
            "filter v in ",
            "fold + ",
            "let q = ",
            "range(3)",
            "[1,2]",
            "max(",
            "\n",
        ),
        *(
            "\na = ",
            "\nf(x) = ",
            '\nprint "p" ',
            'ReadImage("flat.nii")',
            '\nimport "simpleitk"\n',
            "img",
            "i",
        ),
        *(
            "map(f, ",
            "if(",
            "mean(",
            "volume(",
            "percentiles(",
            "strings.concat(",
            "$stem",
            '"s"',
            "// c\n",
            "&&",
        ),
    ]
)


@given(st.lists(_FRAGMENTS, max_size=40).map("".join))
@settings(deadline=None)
def test_no_program_crashes_the_compiler(text: str) -> None:
    for diagnostic in findings2('import "simpleitk"\nimg = ReadImage("flat.nii")\n' + text, dialect="v2"):
        assert diagnostic.code
        assert diagnostic.message


@pytest.mark.parametrize("depth", [5000])
@pytest.mark.parametrize(
    ("before", "after"),
    [("(", ")"), ("[", "]"), ("f(", ")"), ("! ", ""), ("let y = 1 in ", ""), ("for y in [1] do ", "")],
)
def test_nesting_is_bounded_by_memory_only(depth: int, before: str, after: str) -> None:
    text = f'f(x) = x\na = {before * depth}true{after * depth}\nprint "a" length([a])'
    assert not [found for found in findings2(text, dialect="v2") if found.severity == "error"]
