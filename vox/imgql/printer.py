"""From tree to text: `parse(show(program))` says what `program` says."""

from __future__ import annotations

import math

from vox.imgql.syntax import (
    Boolean,
    Call,
    Command,
    Expression,
    Import,
    Let,
    Load,
    Number,
    Program,
    Save,
    String,
    is_word,
)


def show_program(program: Program) -> str:
    """Return a program's text in one canonical layout: a command a line, fewest parentheses, no comments."""
    if program.dialect == "v2":
        from vox.imgql.printer2 import show_command2

        return "".join(f"{show_command2(command)}\n" for command in program.commands)
    return "".join(f"{show_command(command)}\n" for command in program.commands)


def show_command(command: Command, text: str = "") -> str:
    """Return one command on one line; numbers as `text`, its source, has them."""
    match command:
        case Let(name, formals, value):
            head = f"{name}({', '.join(formals)})" if formals else name
            return f"let {head} = {show_expression(value, text)}"
        case Load(name, path):
            return f'load {name} = "{path.value}"'
        case Import(path):
            return f'import "{path.value}"'
        case _:
            verb = "save" if isinstance(command, Save) else "print"
            return f'{verb} "{command.label.value}" {show_expression(command.value, text)}'


def show_expression(expression: Expression, text: str = "") -> str:
    """Return an expression's text.

    An operator takes all that follows it, so only its left side is ever closed in.
    """
    out: list[str] = []
    todo: list[str | Expression] = [expression]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            out.append(item)
        elif isinstance(item, Call):
            todo.extend(reversed(_pieces(item)))
        else:
            assert isinstance(item, Number | Boolean | String), "V1 has nothing else"
            out.append(_literal(item, text))
    return "".join(out)


def _pieces(call: Call) -> list[str | Expression]:
    if is_word(call.name):
        return [call.name, "(", *_separated(call.arguments), ")"] if call.arguments else [call.name]
    if len(call.arguments) == 1:
        return [f"{call.name} ", call.arguments[0]]
    left, right, *extras = call.arguments
    closed = isinstance(left, Call) and not is_word(left.name)
    bracketed: list[str | Expression] = ["[", *_separated(tuple(extras)), "]"] if extras else []
    return [*(["(", left, ")"] if closed else [left]), f" {call.name}", *bracketed, " ", right]


def _separated(expressions: tuple[Expression, ...]) -> list[str | Expression]:
    pieces: list[str | Expression] = []
    for expression in expressions:
        pieces += [", ", expression] if pieces else [expression]
    return pieces


def _literal(literal: Number | Boolean | String, text: str) -> str:
    if isinstance(literal, Boolean):
        return "true" if literal.value else "false"
    if isinstance(literal, String):
        return f'"{literal.value}"'
    written = text[literal.start : literal.end]
    if written:
        return written
    if math.isfinite(literal.value):
        return repr(literal.value)
    return "nan" if math.isnan(literal.value) else "inf" if literal.value > 0 else "-inf"
