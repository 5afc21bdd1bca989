"""From tree to text in V2: `parse2(show(program))` says what `program` says."""

from __future__ import annotations

import math

from vox.imgql.scanner2 import SYMBOLS
from vox.imgql.syntax import (
    INDEX,
    LIST,
    SLICE,
    Boolean,
    Call,
    Command,
    Expression,
    Fold,
    Import,
    Let,
    LetIn,
    Load,
    Loop,
    Null,
    Number,
    Save,
    String,
)

_Item = "str | tuple[str, Expression]"
# Where an expression stands: what must be closed in there.
_WHOLE, _LEFT, _OPERAND, _PRIMARY = "whole", "left", "operand", "primary"


def is_symbol(name: str) -> bool:
    """Whether a name is written between or before operands."""
    return name not in (LIST, INDEX, SLICE) and name[-1:] in SYMBOLS


def show_command2(command: Command, text: str = "", apart: str = " ") -> str:
    """Return one command; numbers as `text`, its source, has them; `apart` stands after `in` and `do`."""
    match command:
        case Let(name, formals, value):
            head = f"{name}({', '.join(formals)})" if formals else name
            word = "" if command.bare else "let "
            return f"{word}{head} = {show_expression2(value, text, apart)}"
        case Load(name, path):
            return f'load {name} = "{path.value}"'
        case Import(path):
            return f'import "{path.value}"'
        case _:
            verb = "save" if isinstance(command, Save) else "print"
            return f'{verb} "{command.label.value}" {show_expression2(command.value, text, apart)}'


def show_expression2(expression: Expression, text: str = "", apart: str = " ") -> str:
    """Return an expression's text, with as few parentheses as can be."""
    out: list[str] = []
    todo: list[str | tuple[str, Expression]] = [(_WHOLE, expression)]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            out.append(item)
            continue
        where, inner = item
        if _closed(where, inner):
            todo += [")", (_WHOLE, inner), "("]
        else:
            todo.extend(reversed(_pieces(inner, text, apart)))
    return "".join(out)


def _closed(where: str, inner: Expression) -> bool:
    if where == _WHOLE:
        return False
    if isinstance(inner, LetIn | Loop | Fold):
        return True
    if isinstance(inner, Call) and is_symbol(inner.name):
        count = len(inner.arguments)
        if count == 2:
            return where != _LEFT
        return where == _PRIMARY and count == 1
    return where == _PRIMARY and isinstance(inner, Number)


def _pieces(inner: Expression, text: str, apart: str) -> list[str | tuple[str, Expression]]:
    match inner:
        case LetIn(name, value, body):
            return [f"let {name} = ", (_WHOLE, value), f" in{apart}", (_WHOLE, body)]
        case Loop(kind, name, sequence, body):
            return [f"{kind} {name} in ", (_WHOLE, sequence), f" do{apart}", (_WHOLE, body)]
        case Fold(operator, initial, sequence):
            pieces: list[str | tuple[str, Expression]] = [f"fold {operator} "]
            if initial is not None:
                pieces += [*_apart(initial, isinstance(initial, Number)), " "]
            plain = isinstance(sequence, Call) and not sequence.arguments and sequence.name != LIST
            plain = plain and not is_symbol(sequence.name) if isinstance(sequence, Call) else False
            return pieces + _apart(sequence, plain and initial is None)
        case Call():
            return _call(inner)
        case Null():
            return [""]
    return [_literal(inner, text)]


def _apart(inner: Expression, plain: bool) -> list[str | tuple[str, Expression]]:
    return [(_WHOLE, inner)] if plain else ["(", (_WHOLE, inner), ")"]


def _call(call: Call) -> list[str | tuple[str, Expression]]:
    name, arguments = call.name, call.arguments
    if name == LIST:
        return ["[", *_separated(arguments), "]"]
    if name == INDEX:
        return [(_PRIMARY, arguments[0]), "[", (_WHOLE, arguments[1]), "]"]
    if name == SLICE:
        base, low, high = arguments
        return [(_PRIMARY, base), "[", (_WHOLE, low), ":", (_WHOLE, high), "]"]
    if not is_symbol(name):
        return [name, "(", *_separated(arguments), ")"] if arguments else [name]
    if len(arguments) == 2:
        return [(_LEFT, arguments[0]), f" {name} ", (_OPERAND, arguments[1])]
    if len(arguments) == 1:
        (argument,) = arguments
        if _opens(argument):
            # A parenthesis after an operator would hold all its arguments.
            return [f"{name}(", (_WHOLE, argument), ")"]
        glued = isinstance(argument, Call) and (not is_symbol(argument.name) or len(argument.arguments) == 2)
        return [name if glued else f"{name} ", (_OPERAND, argument)]
    return [name, "(", *_separated(arguments), ")"]


def _opens(inner: Expression) -> bool:
    """Whether the text of an element or a part of something begins with a parenthesis."""
    base = inner
    while isinstance(base, Call) and base.name in (INDEX, SLICE):
        base = base.arguments[0]
    return base is not inner and _closed(_PRIMARY, base)


def _separated(expressions: tuple[Expression, ...]) -> list[str | tuple[str, Expression]]:
    pieces: list[str | tuple[str, Expression]] = []
    for expression in expressions:
        if pieces:
            pieces.append(", ")
        pieces.append((_WHOLE, expression))
    return pieces


def _literal(literal: Number | Boolean | String, text: str) -> str:
    if isinstance(literal, Boolean):
        return "true" if literal.value else "false"
    if isinstance(literal, String):
        return f'"{literal.value}"'
    written = text[literal.start : literal.end]
    if written:
        return written
    if math.isinf(literal.value):
        return "1e999" if literal.value > 0 else "-1e999"
    return repr(literal.value)
