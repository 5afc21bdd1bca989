"""From text to tree, in one pass, for the V1 dialect.

V1 has no precedence: after an operand an operator takes the whole rest of the expression, and so does an
operator before an operand. So an expression is a row of unfinished applications and one last operand, folded
from the right. Parentheses and argument lists are frames on a stack of ours: nesting is bounded by memory
only, and time is linear.

After an error the parser goes on at the next line that begins a command, so one run finds many errors.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from vox.imgql import codes, dialect
from vox.imgql.diagnostics import DIAGNOSTICS_MAX, Diagnostic, Note, did_you_mean, settle
from vox.imgql.dialect import COMMANDS, Marker
from vox.imgql.scanner import Scanner, Token, number_of
from vox.imgql.source import SourceText
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

_IDE = r"(?!(?:let|load|save|print|import)\b)[^\W\d_A-Z]\w*+"
_BLANKS = r"(?:[ \t\r\n]|//[^\n]*+\n)"
# What can only be a command: no expression of V1 goes on like this, so an operand is missing before it.
_command_ahead = re.compile(
    rf"(?:let{_BLANKS}++{_IDE}{_BLANKS}*+[=(]|load{_BLANKS}++{_IDE}{_BLANKS}*+=|(?:save|print|import){_BLANKS}*+\")"
).match
# Where to go on after an error.
_next_command = re.compile(
    r'^[ \t]*+(?=(?:let|load)[ \t]|(?:save|print|import)[ \t]*+")', re.MULTILINE
).search
_sequence_ahead = re.compile(
    rf"(?:for|filter){_BLANKS}++{_IDE}{_BLANKS}++in\b|fold{_BLANKS}++(?:max|min)\b"
).match


class _Pending(NamedTuple):
    """An unfinished application: it waits for its last operand.

    `left` is None for a prefix operator; `extras` are an infix one's bracketed arguments.
    """

    name: str
    at: int
    start: int
    left: Expression | None
    extras: tuple[Expression, ...]


class _Mistake(Exception):
    def __init__(self, diagnostic: Diagnostic, at: int) -> None:
        self.diagnostic = diagnostic
        self.at = at


class _Frame:
    """The whole expression, or an open parenthesis, argument list or bracketed list inside it."""

    __slots__ = ("at", "done", "kind", "left", "name", "pending", "start")

    def __init__(
        self, kind: str, name: str = "", at: int = 0, start: int = 0, left: Expression | None = None
    ):
        self.kind = kind
        self.name = name
        self.at = at
        self.start = start
        self.left = left
        self.done: list[Expression] = []
        self.pending: list[_Pending] = []


def parse(source: SourceText, imported: bool = False) -> tuple[Program, list[Diagnostic]]:
    """Read a program or, if `imported`, a file of declarations.

    The program holds the commands that could be read; without diagnostics, all of them.
    """
    return _Parser(source, imported).program()


class _Parser(Scanner):
    def __init__(self, source: SourceText, imported: bool) -> None:
        super().__init__(source)
        self.imported = imported
        self.long_string: Token | None = None
        # Where the operand read last begins and ends, parentheses included.
        self.operand_start = self.operand_end = 0

    def program(self) -> tuple[Program, list[Diagnostic]]:
        commands: list[Command] = []
        found: list[Diagnostic] = []
        self.at = 1 if self.text.startswith("\ufeff") else 0
        while self.peek():
            start = self.at
            try:
                commands.append(self.command())
            except _Mistake as mistake:
                found.append(mistake.diagnostic)
                if len(found) > DIAGNOSTICS_MAX:
                    break
                match = _next_command(self.text, max(mistake.at, start + 1))
                self.at = match.end() if match else len(self.text)
        if found and not dialect.is_v1(self.text):
            marker = dialect.v2_marker(self.text)
            if marker is not None:
                found = [dialect.v2_error(self.source, marker)]
        return Program(self.source, tuple(commands)), settle(found, (codes.DIALECT,))

    # ------------------------------------------------------------------------------------------ commands

    def command(self) -> Command:
        word = self.operand()
        if word.kind != "word" or word.text not in COMMANDS:
            self.not_a_command(word)
        if self.imported and word.text not in ("let", "import"):
            self.fail(
                word,
                f"`{word.text}` is not allowed in an imported file",
                "not in an imported file",
                "an imported file may only `import` and `let`; move this to the program",
                codes.IMPORT_COMMAND,
            )
        if word.text in ("let", "load") and not self.blank_here():
            self.expected(self.operand(), f"a blank after `{word.text}`")
        if word.text == "let":
            return self.let(word.start)
        if word.text == "load":
            return self.load(word.start)
        label = self.string(f"a string after `{word.text}`")
        if word.text == "import":
            return Import(label, word.start, label.end)
        value = self.expression()
        kind: type[Save] | type[Print] = Save if word.text == "save" else Print
        return kind(label, value, word.start, value.end)

    def not_a_command(self, word: Token) -> NoReturn:
        if word.kind == "word":
            self.at = word.end
            marker = dialect.v2_marker(self.text[word.start : self.text.find("\n", word.end) + 1 or None])
            if marker is not None and marker.construct == "bare" and marker.start == 0:
                self.v2("bare", word)
        help = did_you_mean(word.text, COMMANDS) if word.kind == "word" else ""
        help = help or "a command begins with `let`, `load`, `save`, `print` or `import`"
        self.expected(word, "an operator or the next command", help)

    def let(self, start: int) -> Let:
        name = self.operator()
        if name.kind not in ("word", "operator"):
            self.expected(name, "a name after `let`")
        formals: list[str] = []
        if self.peek() == "(":
            self.at += 1
            while True:
                formal = self.operand()
                if formal.kind != "word":
                    self.expected(formal, "the name of a parameter")
                formals.append(formal.text)
                comma = self.operator()
                if comma.text == ")":
                    break
                if comma.text != ",":
                    self.expected(comma, "`,` or `)`")
        self.equals(name)
        value = self.expression()
        return Let(name.text, tuple(formals), value, name.start, start, value.end)

    def equals(self, name: Token) -> None:
        if self.peek() != "=":
            glued = name.kind == "operator" and name.text.endswith("=")
            help = f"`{name.text}` is read as one name: put a space before `=`" if glued else ""
            self.expected(self.operator(), "`=`", help)
        self.at += 1

    def load(self, start: int) -> Load:
        name = self.operand()
        if name.kind != "word":
            self.expected(name, "a name after `load`")
        self.equals(name)
        path = self.string("the path of an image, as a string")
        return Load(name.text, path, name.start, start, path.end)

    def string(self, what: str) -> String:
        token = self.operand()
        if token.kind != "string":
            self.expected(token, what)
        return self.string_of(token)

    def string_of(self, token: Token) -> String:
        if "\n" in token.text:
            self.long_string = token
        return String(token.text[1:-1], token.start, token.end)

    # --------------------------------------------------------------------------------------- expressions

    def expression(self) -> Expression:
        frames = [_Frame("")]
        while True:
            operand = self.begin(frames)
            while operand is not None:
                operand = self.go_on(frames, operand)
                if not frames:
                    assert operand is not None
                    return operand

    def begin(self, frames: list[_Frame]) -> Expression | None:
        """Read where an operand may stand. None: it is still to come."""
        token = self.operand()
        self.operand_start, self.operand_end = token.start, token.end
        if token.kind == "number":
            return Number(number_of(token.text), token.start, token.end)
        if token.kind == "string":
            return self.string_of(token)
        if token.kind == "operator":
            frames[-1].pending.append(_Pending(token.text, token.start, token.start, None, ()))
            return None
        if token.kind == "word":
            return self.word(frames, token)
        if token.text != "(":
            self.no_operand(frames, token)
        frames.append(_Frame("(", "", token.start, token.start))
        return None

    def word(self, frames: list[_Frame], token: Token) -> Expression | None:
        if token.text in ("true", "false"):
            return Boolean(token.text == "true", token.start, token.end)
        if token.text in COMMANDS and _command_ahead(self.text, token.start):
            line_start = self.text.rfind("\n", 0, token.start) + 1
            if token.text == "let" and self.text[line_start : token.start].strip():
                self.v2("let-in", token)
            self.no_operand(frames, token)
        if token.text in ("for", "filter", "fold") and _sequence_ahead(self.text, token.start):
            self.v2("fold" if token.text == "fold" else "loop", token)
        if self.peek() != "(":
            return Call(token.text, (), token.start, token.start, token.end)
        self.at += 1
        if self.peek() == ")":
            self.at += 1
            self.operand_end = self.at
            return Call(token.text, (), token.start, token.start, self.at)
        frames.append(_Frame("call", token.text, token.start, token.start))
        return None

    def go_on(self, frames: list[_Frame], operand: Expression) -> Expression | None:
        """Read what may follow an operand. None: another operand must follow; no frames left: the end."""
        frame = frames[-1]
        here = self.at
        token = self.operator()
        if token.kind == "operator":
            if self.peek() == "[":
                self.at += 1
                frames.append(_Frame("[", token.text, token.start, self.operand_start, operand))
            else:
                frame.pending.append(_Pending(token.text, token.start, self.operand_start, operand, ()))
            return None
        if token.text == "[":
            self.v2("index", token)
        value = self.fold(frame.pending, operand)
        if not frame.kind:
            self.at = here
            frames.pop()
            return value
        close = "]" if frame.kind == "[" else ")"
        if token.text == "," and frame.kind != "(":
            frame.done.append(value)
            return None
        if token.text != close:
            self.unclosed(frames, token, close)
        frames.pop()
        self.operand_end = token.end
        if frame.kind == "[":
            extras = (*frame.done, value)
            frames[-1].pending.append(_Pending(frame.name, frame.at, frame.start, frame.left, extras))
            return None
        self.operand_start = frame.start
        if frame.kind == "(":
            return value
        return Call(frame.name, (*frame.done, value), frame.at, frame.start, token.end)

    def fold(self, pending: list[_Pending], operand: Expression) -> Expression:
        """Apply the row of unfinished applications, the last one first; empty it."""
        end = self.operand_end
        while pending:
            name, at, start, left, extras = pending.pop()
            arguments = (operand,) if left is None else (left, operand, *extras)
            operand = Call(name, arguments, at, start, end)
        return operand

    # -------------------------------------------------------------------------------------------- errors

    def no_operand(self, frames: list[_Frame], token: Token) -> NoReturn:
        if token.text == "[":
            self.v2("array", token)
        pending = frames[-1].pending
        self.expected(token, f"an expression after `{pending[-1].name}`" if pending else "an expression")

    def unclosed(self, frames: list[_Frame], token: Token, close: str) -> NoReturn:
        frame = frames[-1]
        before = frames[-2].pending[-1] if len(frames) > 1 and frames[-2].pending else None
        if frame.kind == "(" and token.text == "," and before is not None and before.left is None:
            self.v2("call", Token("operator", before.name, before.at, before.at + len(before.name)))
        wanted = "an operator" if frame.kind == "(" else "an operator, `,`"
        opened = Note(
            "the list begins here" if frame.kind != "(" else "the parenthesis is opened here",
            self.source.span(frame.at, frame.at + 1),
        )
        self.expected(token, f"{wanted} or `{close}`", note=opened)

    def expected(self, token: Token, what: str, help: str = "", note: Note | None = None) -> NoReturn:
        """Report that another token should stand here."""
        names = {
            "number": "the number",
            "word": "the name",
            "string": "the string",
            "operator": "the operator",
        }
        if token.kind == "open":
            self.string_open(token)
        if token.kind == "other" and token.text.isdecimal():
            self.at = token.start
            token = self.operand()
        if token.kind == "other":
            shown = token.text if token.text.isprintable() else f"U+{ord(token.text):04X}"
            self.fail(token, f"`{shown}` means nothing here", f"expected {what}", help, codes.CHARACTER)
        found = "the end of the program" if token.kind == "end" else f"`{_short(token.text)}`"
        kind = "the command" if token.text in COMMANDS else names.get(token.kind, "")
        found = f"{kind} {found}".lstrip()
        notes = (() if note is None else (note,)) + self.about_strings(token)
        self.fail(token, f"expected {what}, found {found}", f"expected {what}", help, notes=notes)

    def about_strings(self, token: Token) -> tuple[Note, ...]:
        """Suspect a string over several lines: a missing quote shows only where a later string begins."""
        if self.long_string is None or token.start < self.long_string.end:
            return ()
        span = self.source.span(self.long_string.start, self.long_string.end)
        return (Note('this string runs over several lines: is its closing `"` missing?', span),)

    def string_open(self, token: Token) -> NoReturn:
        end = self.text.find("\n", token.start)
        end = len(self.text) if end < 0 else end
        span = self.source.span(token.start, end)
        message, help = "the string is never closed", 'add the closing `"`'
        notes = self.about_strings(token)
        raise _Mistake(Diagnostic("error", codes.STRING_OPEN, message, span, "begins here", help, notes), end)

    def fail(
        self,
        token: Token,
        message: str,
        label: str,
        help: str = "",
        code: str = codes.SYNTAX,
        notes: tuple[Note, ...] = (),
    ) -> NoReturn:
        """Give up on this command."""
        span = self.source.span(token.start, token.end)
        raise _Mistake(Diagnostic("error", code, message, span, label, help, notes), token.start)

    def v2(self, construct: str, token: Token) -> NoReturn:
        """Give up on this command because it is written in V2."""
        marker = Marker(construct, token.start, token.end)
        raise _Mistake(dialect.v2_error(self.source, marker), token.start)


def _short(text: str) -> str:
    line = text.split("\n", 1)[0]
    return text if len(text) <= 40 and line == text else f"{line[:40]}…"
