"""The grammar of V2 as the language reference gives it, for a parser generator; nothing of ours.

It knows lines only as blanks, so declarations of the texts it reads begin with `let`, and folds have two
parts or end before a bracket.
"""

from __future__ import annotations

import lark

GRAMMAR = r"""
start: command*
?command: "let" name formals? "=" expr -> let
        | "load" IDE "=" STRING -> load
        | "import" STRING -> import
        | "save" STRING expr -> save
        | "print" STRING expr -> print
name: IDE | OP
formals: "(" IDE ("," IDE)* ")"
?expr: "let" IDE "=" expr "in" expr -> letin
     | "for" IDE "in" expr "do" expr -> for
     | "filter" IDE "in" expr "do" expr -> filter
     | "fold" foldop expr expr? -> fold
     | opexpr
foldop: OP | MAX | MIN
?opexpr: opexpr OP prefix -> infix
       | prefix
?prefix: OP prefix -> unary
       | postfix
?postfix: NUMBER -> number
        | indexed
?indexed: primary
        | indexed "[" expr "]" -> index
        | indexed "[" bound COLON bound "]" -> slice
bound: expr?
?primary: BOOLEAN -> boolean
        | STRING -> string
        | "(" expr ")"
        | "[" [expr ("," expr)*] "]" -> list
        | IDE -> name_only
        | IDE CALL [expr ("," expr)*] ")" -> call
        | OP CALL [expr ("," expr)*] ")" -> call
MAX: "max"
MIN: "min"
COLON.3: ":"
CALL.3: "("
IDE: /(?!(?:let|save|print|import|for|in|do|filter|fold|true|false)(?!\w))\$?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?/
OP.1: /(?!\/\/)[#;'.|!%&\/^=*\-+<>?@~\\`]+/
NUMBER.2: /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/
BOOLEAN.2: /(?:true|false)(?!\w)/
STRING: /"(?:[^"\\]|\\.)*"/
%ignore /[ \t\r\n]+/
%ignore /\/\/[^\n]*/
"""
_lark = lark.Lark(GRAMMAR, parser="earley", lexer="dynamic", maybe_placeholders=False, ambiguity="resolve")


def outline2(text: str) -> list[tuple[object, ...]]:
    """Return what a text says, in the rows of `vox.imgql.syntax.outline`."""
    rows: list[tuple[object, ...]] = []

    def expression(tree: lark.Tree[lark.Token]) -> None:
        kind, items = str(tree.data), [item for item in tree.children if not _punctuation(item)]
        if kind == "unary" and _is_signed(items):
            # A sign glued to digits where an operand stands belongs to the number.
            rows.append(("number", repr(float(f"{items[0]}{items[1].children[0]}"))))
            return
        if kind in ("number", "boolean", "string"):
            raw = str(items[0])
            value = {"number": float, "boolean": lambda s: s == "true", "string": lambda s: s[1:-1]}[kind](
                raw
            )
            rows.append((kind, repr(value)))
            return
        if kind in ("letin", "for", "filter"):
            rows.append((kind, str(items[0])))
        elif kind == "fold":
            rows.append(("fold", str(items[0].children[0]), len(items) == 3))
        elif kind == "bound":
            if not items:
                rows.append(("null", "None"))
        elif kind == "list":
            rows.append(("call", "[]", len(items)))
        elif kind in ("index", "slice"):
            rows.append(("call", "[i]" if kind == "index" else "[:]", len(items)))
        elif kind == "infix":
            rows.append(("call", str(items.pop(1)), 2))
        else:
            rows.append(("call", str(items[0]), len(items) - 1))
        for item in items:
            if isinstance(item, lark.Tree) and item.data != "foldop":
                expression(item)

    for command in _lark.parse(text).children:
        kind, items = str(command.data), command.children
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


def _is_signed(items: list[lark.Tree[lark.Token]]) -> bool:
    sign, operand = items
    if str(sign) not in ("+", "-") or operand.data != "number":
        return False
    digits = operand.children[0]
    return sign.end_pos == digits.start_pos and str(digits)[0] not in "+-"


def _punctuation(item: object) -> bool:
    return isinstance(item, lark.Token) and item.type in ("CALL", "COLON")
