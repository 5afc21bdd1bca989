"""`vox fmt`: a program's text in one layout, with its comments.

A command a line, one blank between tokens, fewest parentheses; comments and single empty lines stay. A
comment inside a command goes above it; one at the end of its line stays there.
"""

from __future__ import annotations

import re

from vox.imgql.printer import show_command
from vox.imgql.printer2 import show_command2
from vox.imgql.syntax import Program

# Longer lines are broken after each `in` and `do`.
_WIDTH = 90
_pieces = re.compile(r'"(?:[^"\\]++|\\.)*+"|(?P<comment>//[^\n]*+)', re.DOTALL).finditer
_pieces1 = re.compile(r'"[^"]*+"|(?P<comment>//[^\n]*+)').finditer


def format_program(program: Program) -> str:
    """Return the text of a program that was read without errors."""
    text = program.source.text
    find = _pieces if program.dialect == "v2" else _pieces1
    comments = [match.span("comment") for match in find(text) if match.group("comment")]
    lines: list[str] = []
    at, last = 0, 0
    for command in program.commands:
        trailing = ""
        above: list[tuple[int, int]] = []
        while at < len(comments) and comments[at][0] < command.end:
            above.append(comments[at])
            at += 1
        line_end = text.find("\n", command.end)
        line_end = len(text) if line_end < 0 else line_end
        if (
            at < len(comments)
            and comments[at][0] < line_end
            and not text[command.end : comments[at][0]].strip(" \t)")
        ):
            trailing = "  " + text[slice(*comments[at])].rstrip()
            at += 1
        last = _above(lines, text, above, last)
        _gap(lines, text, last, command.start)
        shown = show_command2(command, text) if program.dialect == "v2" else show_command(command, text)
        if len(shown) > _WIDTH and program.dialect == "v2":
            shown = show_command2(command, text, "\n  ")
        lines.append(shown + trailing)
        last = max(command.end, above[-1][1] if above else 0, comments[at - 1][1] if trailing else 0)
    _above(lines, text, comments[at:], last)
    return "".join(f"{line}\n" for line in lines)


def _above(lines: list[str], text: str, comments: list[tuple[int, int]], last: int) -> int:
    for start, end in comments:
        _gap(lines, text, last, start)
        lines.append(text[start:end].rstrip())
        last = end
    return last


def _gap(lines: list[str], text: str, last: int, start: int) -> None:
    """Keep one of the empty lines between two things."""
    if lines and last <= start and text.count("\n", last, start) > 1:
        lines.append("")
