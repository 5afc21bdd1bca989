"""The commands of the V2 dialect: what stands around its expressions."""

from __future__ import annotations

import re
from typing import NoReturn

from vox.imgql import codes
from vox.imgql.diagnostics import DIAGNOSTICS_MAX, Diagnostic, Note, did_you_mean, settle
from vox.imgql.scanner import Token
from vox.imgql.scanner2 import SYMBOLS, Scanner2, command_here, next_command
from vox.imgql.source import SourceText
from vox.imgql.syntax import Command, Expression, Import, Let, Load, Print, Program, Save, String

SYSTEM = ("$cwd", "$dir", "$file", "$filename", "$stem")
_VERBS = ("save", "print", "import")
_symbols = re.compile(rf"(?:[A-Z][A-Z0-9]*+)?[{re.escape(SYMBOLS)}]++").match


class Mistake(Exception):
    """Ends the reading of a command."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic


class Commands(Scanner2):
    """Reads commands; expressions are read by the class below."""

    def __init__(self, source: SourceText) -> None:
        super().__init__(source)
        self.brackets = 0

    def expression(self) -> Expression:
        """Read an expression."""
        raise NotImplementedError

    def program(self) -> tuple[Program, list[Diagnostic]]:
        """Read everything."""
        commands: list[Command] = []
        found: list[Diagnostic] = []
        self.at = self.last = 1 if self.text.startswith("\ufeff") else 0
        while self.peek():
            begin = self.at
            try:
                commands.append(self.command())
            except Mistake as mistake:
                found.append(mistake.diagnostic)
                if len(found) > DIAGNOSTICS_MAX:
                    break
                ahead = next_command(self.text, max(begin + 1, self.line_end(begin)))
                if ahead is None:
                    break
                self.at = self.last = ahead.end()
        return Program(self.source, tuple(commands), "v2"), settle(found)

    def line_end(self, at: int) -> int:
        """Return where the line ends."""
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def command(self) -> Command:
        """Read one command."""
        start = self.at
        here = command_here(self.text, start)
        token = self.operand()
        if here is None:
            self.not_a_command(token, start)
        head = self.text[start : here.end()]
        if token.text in _VERBS and head.endswith('"') and "=" not in head:
            label = self.string(f"a string after `{token.text}`")
            if token.text == "import":
                return Import(label, start, label.end)
            value = self.expression()
            kind: type[Save] | type[Print] = Save if token.text == "save" else Print
            return kind(label, value, start, value.end)
        if token.text == "load" and head.endswith("=") and head[4:5].isspace() and head[4:].strip() != "=":
            return self.load(start)
        bare = not (token.text == "let" and head.rstrip() == "let")
        if bare:
            self.at = self.last = start
        return self.let(start, bare)

    def let(self, start: int, bare: bool) -> Let:
        """Read a declaration from its name on."""
        name = self.name()
        formals: list[str] = []
        if self.peek() == "(":
            self.at += 1
            formals = self.formals()
        if self.peek() != "=":
            token = self.operator()
            self.expected(token, "`=`", "a declaration is `name = …` or `name(a, b) = …`")
        self.at = self.last = self.at + 1
        # A `let` on the next line begins an expression: something has to come here.
        if not self.peek() or (self.new_command() and not self.text.startswith("let", self.at)):
            nothing = Token("end", "", self.at, self.at)
            self.fail(nothing, f"`{name.text} =` has no right side", "nothing here", "", codes.NO_VALUE)
        value = self.expression()
        return Let(name.text, tuple(formals), value, name.start, start, value.end, bare)

    def name(self) -> Token:
        """Read the name of a declaration; an operator's ends before the `=` of the declaration."""
        self.peek()
        found = _symbols(self.text, self.at)
        if found is not None and self.text[self.at] != "$":
            text = found.group()
            if self.text[found.end() : found.end() + 1] not in ("(", " ", "\t") and text.endswith("="):
                text = text[:-1]
            token = Token("operator", text, self.at, self.at + len(text))
            self.at = self.last = token.end
            return token
        token = self.operand()
        if token.kind != "word":
            self.expected(token, "a name")
        self.not_reserved(token.text, token.start)
        return token

    def not_reserved(self, name: str, at: int) -> None:
        """Refuse to declare what the system declares."""
        if name.startswith("$") or name in ("true", "false"):
            what = "a system variable" if name.startswith("$") else "a value"
            message = f"`{name}` is {what} and cannot be declared"
            self.fail(Token("word", name, at, at + len(name)), message, "reserved", "", codes.RESERVED)

    def formals(self) -> list[str]:
        """Read the parameters of a function after its opening parenthesis."""
        formals: list[str] = []
        while True:
            formal = self.operand()
            if formal.kind != "word" or "." in formal.text:
                self.expected(formal, "the name of a parameter")
            self.not_reserved(formal.text, formal.start)
            if formal.text in formals:
                message = f"two parameters are called `{formal.text}`"
                self.fail(formal, message, "again", "give them different names", codes.FORMAL_TWICE)
            formals.append(formal.text)
            comma = self.operator()
            if comma.text == ")":
                return formals
            if comma.text != ",":
                self.expected(comma, "`,` or `)`")

    def load(self, start: int) -> Load:
        """Read `name = "path"`."""
        name = self.operand()
        self.peek()
        self.at += 1
        path = self.string("the path of an image, as a string")
        return Load(name.text, path, name.start, start, path.end)

    def string(self, what: str) -> String:
        """Read a string."""
        token = self.operand()
        if token.kind != "string":
            self.expected(token, what)
        return self.string_of(token)

    def string_of(self, token: Token) -> String:
        """Make a literal of a token."""
        return String(token.text[1:-1], token.start, token.end)

    # ------------------------------------------------------------------------------------------------ errors

    def not_a_command(self, token: Token, start: int) -> NoReturn:
        """Report that no command begins here."""
        verbs = ("let", "load", *_VERBS)
        if token.text in verbs:
            wanted = "a string" if token.text in _VERBS else "a name"
            self.expected(self.operand(), f"{wanted} after `{token.text}`")
        if token.text in (")", "]"):
            message = f"`{token.text}` closes nothing"
            self.fail(token, message, "no bracket is open", "", codes.CLOSING)
        help = did_you_mean(token.text, verbs) if token.kind == "word" else ""
        nearer = self.operator()
        if nearer.text == "==":
            help = "a declaration has one `=`"
        elif not help:
            help = "a command is `name = …`, `let`, `load`, `save`, `print` or `import`"
        self.at = start
        self.expected(token, "a command", help, code=codes.COMMAND)

    def called(self, token: Token) -> str:
        """Return what people call a token."""
        if token.kind == "end":
            done = token.start >= len(self.text)
            return "the end of the program" if done else "the next command"
        shown = token.text if len(token.text) <= 40 else f"{token.text[:40]}…"
        kinds = {
            "word": "the name ",
            "number": "the number ",
            "string": "the string ",
            "operator": "the operator ",
        }
        return f"{kinds.get(token.kind, '')}`{shown}`"

    def expected(
        self,
        token: Token,
        what: str,
        help: str = "",
        notes: tuple[Note, ...] = (),
        code: str = codes.SYNTAX,
    ) -> NoReturn:
        """Report that something else should stand here."""
        if token.kind == "open":
            end = self.line_end(token.start)
            span = self.source.span(token.start, end)
            message = "the string is never closed"
            help = 'add the closing `"`'
            raise Mistake(Diagnostic("error", codes.STRING_OPEN, message, span, "begins here", help))
        if token.kind == "other":
            shown = token.text if token.text.isprintable() else f"U+{ord(token.text):04X}"
            self.fail(token, f"`{shown}` means nothing here", f"expected {what}", help, codes.CHARACTER)
        if token.text == "=" and not help:
            help = "two values are compared with `==`; a declaration begins its own line"
            code = codes.EQUALS
        self.fail(
            token, f"expected {what}, found {self.called(token)}", f"expected {what}", help, code, notes
        )

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
        raise Mistake(Diagnostic("error", code, message, span, label, help, notes))
