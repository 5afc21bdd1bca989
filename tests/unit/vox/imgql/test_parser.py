from __future__ import annotations

import math

import pytest

from vox.imgql import parse_program
from vox.imgql.parser import parse
from vox.imgql.printer import show_expression, show_program
from vox.imgql.source import SourceText
from vox.imgql.syntax import Call, Expression, Let, Number, Program, outline


def expression(text: str) -> Expression:
    command = parse_program(f"let it = {text}", "test").commands[0]
    assert isinstance(command, Let)
    return command.value


def shape(text: str) -> str:
    """Write an expression with every application as a call."""

    def write(found: Expression) -> str:
        if not isinstance(found, Call):
            return show_expression(found)
        return f"{found.name}({', '.join(map(write, found.arguments))})" if found.arguments else found.name

    return write(expression(text))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a + b - c", "+(a, -(b, c))"),
        ("a & b | c", "&(a, |(b, c))"),
        ("!a & b", "!(&(a, b))"),
        ("N(a) | b", "N(|(a, b))"),
        ("a & !b | c", "&(a, !(|(b, c)))"),
        ("a ~> N b", "~>(a, N(b))"),
        ("f(a) OP b", "OP(f(a), b)"),
        ("(!a) & b", "&(!(a), b)"),
        ("a ZZ b ZZ c", "ZZ(a, ZZ(b, c))"),
        ("a ~[5, 100] b", "~(a, b, 5.0, 100.0)"),
        ("a ~[f(x) + 1] b & c", "~(a, &(b, c), +(f(x), 1.0))"),
        ("f (a, b)", "f(a, b)"),
        ("f()", "f"),
        ("((a))", "a"),
        ("N N I x", "N(N(I(x)))"),
        ("in & let", "&(in, let)"),
        (".5", ".(5.0)"),
        ("3.-x", "-(3.0, x)"),
        ("3 .- x", ".-(3.0, x)"),
        ("a -1", "-(a, 1.0)"),
        ("a - -1", "-(a, -1.0)"),
        ("-3 + -a", "+(-3.0, -(a))"),
        ("a &//b", "&//(a, b)"),
        ("a // comment\n & b", "&(a, b)"),
        ("a_b & c_1d", "&(a_b, c_1d)"),
        ("a _ b", "_(a, b)"),
        ("trueMask & falsehood", "&(trueMask, falsehood)"),
        ("nano & infinite & inf", "&(nano, &(infinite, inf))"),
        ("è & ñandú", "&(è, ñandú)"),
        ("a É b", "É(a, b)"),
    ],
)
def test_an_expression_reads_as_v1_reads_it(text: str, meaning: str) -> None:
    assert shape(text) == meaning


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3.0),
        ("1.", 1.0),
        ("+2.5e-3", 0.0025),
        ("1.e2", 100.0),
        ("0x1.8p3", 12.0),
        ("-0xff", -255.0),
        ("1e999", math.inf),
        ("0x1p99999", math.inf),
        ("-0x1p99999", -math.inf),
        ("Infinity", math.inf),
        ("-INF", -math.inf),
    ],
)
def test_a_number_has_the_value_that_v1_gives_it(text: str, value: float) -> None:
    found = expression(text)
    assert isinstance(found, Number)
    assert found.value == value


def test_nan_is_a_number_in_any_case_of_letters() -> None:
    found = expression("NaN")
    assert isinstance(found, Number)
    assert math.isnan(found.value)


@pytest.mark.parametrize(
    "text", ["let x=-1", "let f(a)=!a", "let +(a,b) = and(a,b)", "let ++ = 3", 'load x="a"']
)
def test_the_equals_sign_of_a_declaration_is_no_operator(text: str) -> None:
    assert parse_program(text, "test").commands


def test_a_string_may_run_over_several_lines_and_has_no_escapes() -> None:
    program = parse_program('print "a\\n\nb" 1', "test")
    assert outline(program)[0] == ("print", "a\\n\nb")


def test_commands_need_no_line_ends_between_them() -> None:
    program = parse_program('let a=1 let b=a print"x"b', "test")
    assert len(program.commands) == 3


def test_a_byte_order_mark_is_skipped() -> None:
    assert len(parse_program("\ufeff".encode() + b"let a = 1", "test").commands) == 1


def test_several_errors_are_found_in_one_run() -> None:
    text = 'let a = \nlet b = (1\nprint "x" 1 2\nlet ok = 3\nsave 3 ok\nprnt "x" ok\nlet z = §\n'
    program, errors = parse(SourceText("test", text))
    # `let a`, `let b`, what follows the 1, `save`, and `let z`: on to the next line that begins a command.
    assert [e.span.line for e in errors if e.span] == [2, 3, 3, 5, 7]
    assert [c.name for c in program.commands if isinstance(c, Let)] == ["ok"]


def test_a_misspelt_command_gets_a_suggestion() -> None:
    _, errors = parse(SourceText("test", 'let a = 1\nprnt "x" a'))
    assert "did you mean `print`?" in errors[0].help


def test_an_unclosed_parenthesis_is_shown_where_it_opens() -> None:
    _, errors = parse(SourceText("test", "let a = f(b, (c & d)\nlet e = 1"))
    span = errors[0].notes[0].span
    assert span is not None
    assert (span.line, span.column) == (1, 9)


def test_a_missing_quote_is_suspected_in_the_string_that_swallowed_a_line() -> None:
    _, errors = parse(SourceText("test", 'print "a 1\nprint "b" 2'))
    assert "closing" in errors[0].notes[0].text


def test_a_name_glued_to_the_equals_sign_is_explained() -> None:
    _, errors = parse(SourceText("test", "let ++=3"))
    assert "put a space before `=`" in errors[0].help


def test_printing_drops_comments_and_needless_parentheses() -> None:
    program = parse_program('let f(a,b)=((a)+(b)) // sum\nprint "x" (f(1,2)) + (1 - (2))', "test")
    assert show_program(program) == 'let f(a, b) = a + b\nprint "x" f(1.0, 2.0) + 1.0 - 2.0\n'


@pytest.mark.parametrize(
    "text",
    [
        "let x = " + "(" * 100_000 + "1" + ")" * 100_000,
        "let x = " + "N " * 100_000 + "a",
        "let x = " + "f(" * 100_000 + "a" + ")" * 100_000,
        "let x = " + "a & " * 100_000 + "a",
        "let x = " + "a ~[" * 100_000 + "1" + "] b" * 100_000,
    ],
    ids=["parentheses", "prefixes", "calls", "chain", "brackets"],
)
def test_nesting_a_hundred_thousand_deep_is_parsed_and_printed(text: str) -> None:
    program, errors = parse(SourceText("deep", text))
    assert not errors
    again, _ = parse(SourceText("again", show_program(program)))
    assert outline(again) == outline(program)


@pytest.mark.parametrize(
    "text",
    [
        "let x = (\n" * 100_000,
        '"\n' * 100_000,
        "(" * 100_000,
        "_" * 100_000,
        "let x = 1" + " " * 1_000_000 + "§",
    ],
    ids=["unclosed", "quotes", "open", "underscores", "blanks"],
)
def test_a_hundred_thousand_errors_do_not_crawl(text: str) -> None:
    program, errors = parse(SourceText("bad", text))
    assert isinstance(program, Program)
    assert 1 <= len(errors) <= 101
