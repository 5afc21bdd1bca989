"""From text to tree, in one pass, for the V2 dialect.

Operators are left associative without precedence, prefix operators bind tighter. `let … in`, `for`, `filter`
and `fold` stand where a whole expression is expected and reach as far right as they can. Nothing ends a
command but what cannot continue it: a new line that begins as a command does is one.

Every open bracket or block is a frame on a stack of ours, so nesting is bounded by memory only and time is
linear. After an error the parser goes on at the next line that begins a command.
"""

from __future__ import annotations

import re
from typing import NoReturn

from vox.imgql import codes
from vox.imgql.commands2 import Commands
from vox.imgql.diagnostics import Diagnostic, Note
from vox.imgql.scanner import Token, number_of
from vox.imgql.scanner2 import IDENT, command_here
from vox.imgql.source import SourceText
from vox.imgql.syntax import (
    INDEX,
    LIST,
    SLICE,
    Boolean,
    Call,
    Expression,
    Fold,
    LetIn,
    Loop,
    Null,
    Number,
    Program,
)

_B = r"(?:[ \t\r\n]|//[^\n]*+\n)"
_let_ahead = re.compile(rf"let{_B}++({IDENT}){_B}*+=(?!=)").match
_loop_ahead = re.compile(rf"(for|filter){_B}++({IDENT}){_B}++(in\b|do\b|$)").match
_fold_ahead = re.compile(rf"fold{_B}++(?:max\b|min\b|[-+*/&|<>=!~%^]++(?=[ \t\r\n\[(\w\"$]))").match
_KEYWORDS_AFTER = ("in", "do")
FOLDS = ("+", "-", "*", "/", "&&", "||", "max", "min", "&", "|")
_BRACKETS = {"(": ")", "call": ")", "[": "]", "index": "]"}
# Frames whose value is the whole value of the frame below: they end where it ends.
_BODIES = ("let body", "loop body", "fold sequence")


class _Frame:
    """A place where an expression stands: the whole one, or inside an open bracket or block."""

    __slots__ = ("at", "base", "done", "kind", "left", "name", "op", "op_at", "prefixes", "start")

    def __init__(self, kind: str, name: str = "", at: int = 0, start: int = 0) -> None:
        self.kind = kind
        self.name = name
        self.at = at
        self.start = start
        self.left: Expression | None = None
        self.op = ""
        self.op_at = 0
        self.prefixes: list[tuple[str, int]] = []
        self.done: list[Expression] = []
        self.base: Expression | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing of its expression has been read."""
        return self.left is None and not self.prefixes


class Parser2(Commands):
    """Reads one file of V2."""

    def expression(self) -> Expression:
        """Read an expression."""
        self.brackets = 0
        frames = [_Frame("")]
        while True:
            operand = self.begin(frames)
            while operand is not None:
                operand = self.go_on(frames, operand)
                if len(frames) == 1 and frames[0].kind == "end":
                    assert frames[0].left is not None
                    return frames[0].left

    # -------------------------------------------------------------------------- where an operand may stand

    def begin(self, frames: list[_Frame]) -> Expression | None:
        """Read an operand, or what stands before or around one; None: an operand is still to come."""
        frame = frames[-1]
        if frame.kind == "index" and frame.whole and not frame.done and self.peek() == ":":
            self.at += 1
            frame.done.append(Null(self.at, self.at))
            return self.open_end(frames)
        if not self.brackets and not frame.whole and self.new_command():
            self.no_operand(frame, self.operand())
        token = self.operand()
        if token.kind == "number":
            return Number(number_of(token.text), token.start, token.end)
        if token.kind == "string":
            return self.string_of(token)
        if token.kind == "operator":
            return self.prefix(frames, token)
        if token.kind == "word":
            return self.word(frames, token)
        if token.text == "(":
            self.opened(frames, _Frame("(", "", token.start, token.start))
            return None
        if token.text != "[":
            self.no_operand(frame, token)
        if self.peek() == "]":
            self.at = self.last = self.at + 1
            return Call(LIST, (), token.start, token.start, self.at)
        self.opened(frames, _Frame("[", LIST, token.start, token.start))
        return None

    def opened(self, frames: list[_Frame], frame: _Frame) -> None:
        """Go into a bracket."""
        self.brackets += frame.kind in _BRACKETS
        frames.append(frame)

    def prefix(self, frames: list[_Frame], token: Token) -> Expression | None:
        """Read an operator before an operand, or called as a function."""
        if not self.call_next():
            frames[-1].prefixes.append((token.text, token.start))
            return None
        return self.call(frames, token)

    def call(self, frames: list[_Frame], token: Token) -> Expression | None:
        """Begin the arguments of a call; without any, it is whole."""
        self.peek()
        self.at = self.last = self.at + 1
        if self.peek() == ")":
            self.at = self.last = self.at + 1
            return Call(token.text, (), token.start, token.start, self.at)
        self.opened(frames, _Frame("call", token.text, token.start, token.start))
        return None

    def word(self, frames: list[_Frame], token: Token) -> Expression | None:
        """Read what a word begins: a literal, a block, a call, a name."""
        text = token.text
        if text in ("true", "false"):
            return Boolean(text == "true", token.start, token.end)
        if text in ("let", "for", "filter", "fold"):
            match = {"let": _let_ahead, "fold": _fold_ahead}.get(text, _loop_ahead)(self.text, token.start)
            if match is not None:
                self.block(frames, token, match)
                return None
        if text in _KEYWORDS_AFTER and self.waits_for(frames, text):
            self.no_operand(frames[-1], token)
        if text in self.prefixes and not self.call_next() and self.operand_next():
            frames[-1].prefixes.append((text, token.start))
            return None
        if self.call_next() and not (not self.brackets and self.new_command()):
            return self.call(frames, token)
        return Call(text, (), token.start, token.start, token.end)

    def block(self, frames: list[_Frame], token: Token, match: re.Match[str]) -> None:
        """Begin a `let … in`, `for`, `filter` or `fold`."""
        if not frames[-1].whole:
            message = f"`{token.text} …` cannot stand in the middle of an expression"
            help = "put parentheses around it: everything up to the end belongs to it"
            self.fail(token, message, "begins here", help, codes.BLOCK_INSIDE)
        if token.text == "fold":
            self.at = token.end
            operator = self.operator()
            if operator.text not in FOLDS:
                help = f"`fold` knows {' '.join(FOLDS)}"
                message = f"`fold {operator.text}` is not supported"
                self.fail(operator, message, "this operator", help, codes.FOLD_OPERATOR)
            frames.append(_Frame("fold", operator.text, operator.start, token.start))
            return
        name = match.group(1) if token.text == "let" else match.group(2)
        at = match.start(1) if token.text == "let" else match.start(2)
        self.at = self.last = match.end()
        if token.text == "let":
            self.not_reserved(name, at)
            frames.append(_Frame("let", name, at, token.start))
            return
        if match.group(3) != "in":
            end = Token("word", match.group(3), match.start(3), match.end(3))
            help = f"write `{token.text} {name} in sequence do …`"
            self.fail(end, f"`in` is missing after `{token.text} {name}`", "`in`", help, codes.LOOP_IN)
        frames.append(_Frame(token.text, name, at, token.start))

    def waits_for(self, frames: list[_Frame], word: str) -> bool:
        """Whether an open `let` waits for its `in`, or a loop for its `do`."""
        kinds = ("let",) if word == "in" else ("for", "filter")
        for frame in reversed(frames[-64:]):
            if frame.kind in kinds:
                return True
            if frame.kind in _BRACKETS:
                return False
        return False

    def operand_next(self) -> bool:
        """Whether an operand begins next, and not a command."""
        here, last = self.at, self.last
        if not self.brackets and self.new_command():
            return False
        token = self.operand()
        self.at, self.last = here, last
        if token.kind == "word":
            return token.text not in _KEYWORDS_AFTER and token.text not in self.infixes
        return token.kind in ("number", "string") or token.text in ("(", "[")

    # --------------------------------------------------------------------------- what may follow an operand

    def go_on(self, frames: list[_Frame], operand: Expression) -> Expression | None:
        """Read on after an operand. None: another one must follow; else a bracket closed and is one."""
        frame = frames[-1]
        bare_number = isinstance(operand, Number) and self.last == operand.end
        indexed = self.peek() == "[" and not bare_number
        if indexed and (self.brackets or not self.new_command()):
            opening = self.at
            self.at = self.last = opening + 1
            inner = _Frame("index", INDEX, opening, operand.start)
            inner.base = operand
            self.opened(frames, inner)
            return None
        for name, at in reversed(frame.prefixes):
            operand = Call(name, (operand,), at, at, operand.end)
        frame.prefixes.clear()
        if frame.op:
            assert frame.left is not None
            operand = Call(frame.op, (frame.left, operand), frame.op_at, frame.left.start, operand.end)
        frame.left, frame.op = operand, ""
        return self.follow(frames)

    def follow(self, frames: list[_Frame]) -> Expression | None:
        """Read an infix operator, or close what ends here."""
        while True:
            frame = frames[-1]
            here, last = self.at, self.last
            new = not self.brackets and self.new_command()
            token = Token("end", "", self.at, self.at) if new else self.operator()
            colon = token.kind == "operator" and token.text[0] == ":" and _in_index(frames)
            if colon and frame.kind == "index":
                self.at = self.last = token.start + 1
                return self.colon(frames, token)
            if (token.kind == "operator" and not colon) or (
                token.kind == "word" and token.text in self.infixes
            ):
                frame.op, frame.op_at = token.text, token.start
                return None
            value = frame.left
            assert value is not None
            if frame.kind in _BRACKETS:
                return self.close(frames, token, value)
            self.at, self.last = here, last
            if not frame.kind:
                frame.kind = "end"
                return value
            if frame.kind in _BODIES or (frame.kind == "fold" and (new or not self.operand_next())):
                frames.pop()
                frames[-1].left = self.finished(frame, value)
                continue
            self.next_part(frames, frame, value)
            return None

    def next_part(self, frames: list[_Frame], frame: _Frame, value: Expression) -> None:
        """Go from the first part of a block to its second."""
        frame.done.append(value)
        frame.left = None
        if frame.kind == "fold":
            frame.kind = "fold sequence"
            return
        wanted = "in" if frame.kind == "let" else "do"
        token = self.operator()
        if token.text != wanted:
            head = f"`{frame.kind} {frame.name} …`"
            code = codes.LET_IN if wanted == "in" else codes.LOOP_DO
            note = Note(f"{head} begins here", self.source.span(frame.start, frame.at + len(frame.name)))
            help = f"`let {frame.name} = … in …`" if wanted == "in" else f"`for {frame.name} in … do …`"
            what = self.called(token)
            message = f"{head} needs `{wanted}` here, found {what}"
            self.fail(token, message, f"`{wanted}`", help, code, (note,))
        frame.base = Boolean(frame.kind == "filter", 0, 0)
        frame.kind = "let body" if wanted == "in" else "loop body"

    def finished(self, frame: _Frame, value: Expression) -> Expression:
        """Return the expression of a block that ends here."""
        if frame.kind == "let body":
            return LetIn(frame.name, frame.done[0], value, frame.at, frame.start, value.end)
        if frame.kind == "loop body":
            assert isinstance(frame.base, Boolean)
            kind = "filter" if frame.base.value else "for"
            return Loop(kind, frame.name, frame.done[0], value, frame.at, frame.start, value.end)  # type: ignore[arg-type]
        initial = frame.done[0] if frame.done else None
        return Fold(frame.name, initial, value, frame.at, frame.start, value.end)

    def close(self, frames: list[_Frame], token: Token, value: Expression) -> Expression | None:
        """Read a comma or the closing bracket."""
        frame = frames[-1]
        if token.text == "," and frame.kind in ("call", "["):
            frame.done.append(value)
            frame.left = None
            return None
        if token.text != _BRACKETS[frame.kind]:
            self.unclosed(frame, token)
        frames.pop()
        self.brackets -= 1
        arguments = (*frame.done, value)
        if frame.kind == "(":
            return value
        if frame.kind == "index":
            assert frame.base is not None
            name = SLICE if frame.done else INDEX
            return Call(name, (frame.base, *arguments), frame.at, frame.start, token.end)
        return Call(frame.name, arguments, frame.at, frame.start, token.end)

    def colon(self, frames: list[_Frame], token: Token) -> Expression | None:
        """Read the colon of a slice."""
        frame = frames[-1]
        if frame.done:
            self.fail(token, "a slice has one colon", "the second one", "write `xs[start:stop]`")
        assert frame.left is not None
        frame.done.append(frame.left)
        frame.left = None
        return self.open_end(frames)

    def open_end(self, frames: list[_Frame]) -> Expression | None:
        """Close a slice that says nothing after its colon."""
        if self.peek() != "]":
            return None
        self.at = self.last = self.at + 1
        frame = frames.pop()
        self.brackets -= 1
        assert frame.base is not None
        arguments = (frame.base, *frame.done, Null(self.at, self.at))
        return Call(SLICE, arguments, frame.at, frame.start, self.at)

    # ------------------------------------------------------------------------------------------------ errors

    def no_operand(self, frame: _Frame, token: Token) -> NoReturn:
        """Report that an operand is missing."""
        after = frame.prefixes[-1][0] if frame.prefixes else frame.op
        what = f"an expression after `{after}`" if after else "an expression"
        if token.text in (",", ")", "]") and frame.kind in _BRACKETS and (frame.done or token.text == ","):
            help = "remove the comma" if token.text != "," else "an argument is missing before it"
            self.fail(token, f"expected {what}, found `{token.text}`", "nothing here", help, codes.ARGUMENT)
        if token.text in (")", "]"):
            help = (
                "it closes nothing"
                if frame.kind not in _BRACKETS
                else "there is nothing between the brackets"
            )
            self.fail(
                token, f"expected {what}, found `{token.text}`", f"expected {what}", help, codes.CLOSING
            )
        self.expected(token, what)

    def unclosed(self, frame: _Frame, token: Token) -> NoReturn:
        """Report an open bracket that does not end here."""
        close = _BRACKETS[frame.kind]
        span = self.source.span(frame.at, frame.at + 1)
        note = Note(f"`{close}` of the bracket that is opened here is missing", span)
        if token.text in (")", "]"):
            message = f"`{token.text}` closes what `{close}` should close"
            self.fail(token, message, f"expected `{close}`", "", codes.CLOSING, (note,))
        if token.kind == "word" and command_here(self.text, token.start):
            message = f"a command begins before the bracket is closed: expected `{close}`"
            self.fail(token, message, f"expected `{close}`", "", codes.UNCLOSED, (note,))
        self.expected(token, f"an operator, `,` or `{close}`", "", (note,), codes.UNCLOSED)


def _in_index(frames: list[_Frame]) -> bool:
    """Whether the nearest open bracket is that of an index."""
    nearest = next((frame.kind for frame in reversed(frames) if frame.kind in _BRACKETS), "")
    return nearest == "index"


def parse2(source: SourceText) -> tuple[Program, list[Diagnostic]]:
    """Read a file of V2: the commands that could be read, and what is wrong."""
    return Parser2(source).program()
