"""The parser and the printer are each other's inverse, and an independent grammar agrees with the parser."""

from __future__ import annotations

import lark
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.imgql import PROGRAMS, findings_of
from vox.imgql.parser import parse
from vox.imgql.printer import show_program
from vox.imgql.source import SourceText
from vox.imgql.syntax import Program, outline

# The grammar of V1 as the language reference gives it, for a parser generator: nothing in common with ours.
GRAMMAR = r"""
start: command*
?command: "let" name formals? "=" expr -> let
        | "load" IDE "=" STRING -> load
        | "import" STRING -> import
        | "save" STRING expr -> save
        | "print" STRING expr -> print
name: IDE | OP
formals: "(" IDE ("," IDE)* ")"
?expr: operand OP extras? expr -> infix
     | OP expr -> prefix
     | operand
extras: "[" expr ("," expr)* "]"
?operand: NUMBER -> number
        | BOOLEAN -> boolean
        | STRING -> string
        | IDE ["(" [expr ("," expr)*] ")"] -> call
        | "(" expr ")"
IDE: /(?![A-ZÉ])[^\W\d_](?:_*[^\W_])*/
OP.-1: /[A-ZÉ#;:_'.|!$%&\/^=*\-+<>?@~\\`]+/
NUMBER.2: /[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|(?:inf|nan)(?!\w))/
BOOLEAN.2: /(?:true|false)(?!\w)/
STRING: /"[^"]*"/
%ignore /[ \t\r\n]+/
"""
_lark = lark.Lark(GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=False)


def lark_outline(text: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []

    def expression(tree: lark.Tree[lark.Token]) -> None:
        kind, items = tree.data, tree.children
        if kind in ("number", "boolean", "string"):
            raw = str(items[0])
            value = {"number": float, "boolean": lambda s: s == "true", "string": lambda s: s[1:-1]}[kind](
                raw
            )
            rows.append((kind, repr(value)))
            return
        if kind == "infix":
            left, operator, *rest = items
            extras = rest[0].children if len(rest) == 2 else []
            arguments = [left, rest[-1], *extras]
        elif kind == "prefix":
            operator, arguments = items[0], items[1:]
        else:
            operator, arguments = items[0], items[1:]
        rows.append(("call", str(operator), len(arguments)))
        for argument in arguments:
            expression(argument)

    for command in _lark.parse(text).children:
        kind, items = command.data, command.children
        if kind == "let":
            formals = tuple(str(name) for name in items[1].children) if len(items) == 3 else ()
            rows.append(("let", str(items[0].children[0]), formals))
            expression(items[-1])
        elif kind == "load":
            rows.append(("load", str(items[0]), str(items[1])[1:-1]))
        elif kind == "import":
            rows.append(("import", str(items[0])[1:-1]))
        else:
            rows.append((kind, str(items[0])[1:-1]))
            expression(items[1])
    return rows


@given(PROGRAMS)
def test_what_is_printed_is_parsed_as_what_it_was(program: Program) -> None:
    text = show_program(program)
    again, errors = parse(SourceText("printed", text))
    assert not errors
    assert outline(again) == outline(program)


@given(PROGRAMS)
@settings(max_examples=60)
def test_an_independent_grammar_reads_programs_the_same_way(program: Program) -> None:
    text = show_program(program)
    assert lark_outline(text) == outline(parse(SourceText("printed", text))[0])


@given(st.text(max_size=200))
@example("let x = Ⅷ _É ² ǅ")
@example('print "a" 0x1p99999 + 1e999 - nanx')
@example("\ufefflet")
def test_no_text_crashes_the_parser(text: str) -> None:
    program, errors = parse(SourceText("random", text))
    again, _ = parse(SourceText("random", show_program(program)))
    assert errors or outline(again) == outline(program)


_WORDS = [
    "x",
    "y",
    "f",
    "(",
    ")",
    "[",
    "]",
    ",",
    "=",
    "+",
    "N",
    "3",
    "-1",
    "intensity(",
    "true",
    "touch",
    "border",
    "(",
    ")",
    "x",
    "y",
]
_PIECES = [
    "let ",
    '"s"',
    '"',
    "print ",
    "save ",
    "load ",
    "\n",
    "// c\n",
    'import "stdlib.imgql"\n',
    "for x in y do ",
]
_FRAGMENTS = st.sampled_from([*(f"{word} " for word in _WORDS), *_PIECES])


@given(st.lists(_FRAGMENTS, max_size=40).map("".join))
def test_no_program_crashes_the_compiler(text: str) -> None:
    for diagnostic in findings_of(text):
        assert diagnostic.code
        assert diagnostic.message
