"""From characters to tokens in the V2 dialect, one at a time, as the parser asks.

Names may be dotted and begin with a capital; operators are made of symbols only, but for those that a program
declares (`B+`). Where two operators are written together (`a+-b`) they are taken apart at the first that is
known, if a sign or a known operator follows.
"""

from __future__ import annotations

import re
from functools import lru_cache

from vox.imgql.scanner import Token
from vox.imgql.source import SourceText

SYMBOLS = "#;:'.|!$%&/^=*+<>?@~\\`-"
_SKIP = r"(?:[ \t\r\n]++|//[^\n]*+)*+"
IDENT = r"[^\W\d]\w*+"
_WORD = rf"\$?{IDENT}(?:\.{IDENT})?"
# No operator is longer; a bound keeps rows of symbols linear.
_OPERATOR = rf"(?:(?!//)[{re.escape(SYMBOLS)}]){{1,64}}+"
_NUMBER = r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?"
_STRING = r'"(?:[^"\\]++|\\.)*+"'
_REST = r'(?P<punctuation>[()\[\],])|(?P<end>\Z)|(?P<open>")|(?P<other>.)'

_operand = re.compile(
    rf"{_SKIP}(?:(?P<number>{_NUMBER})|(?P<word>{_WORD})|(?P<string>{_STRING})|(?P<operator>{_OPERATOR})"
    rf"|{_REST})",
    re.DOTALL,
).match
_operator = re.compile(
    rf"{_SKIP}(?:(?P<operator>{_OPERATOR})|(?P<word>{_WORD})|(?P<string>{_STRING})|(?P<number>{_NUMBER})"
    rf"|{_REST})",
    re.DOTALL,
).match
_skip = re.compile(_SKIP).match
_call_next = re.compile(rf"{_SKIP}\(").match

# Operators that exist whatever a program declares.
_KNOWN = (
    "+ - * / < <= > >= == != && || ! & | \\ ~ ~> .<= .>= .= .< .> <. <=. >. >=. =. +. -. *. /. .+ .- .* ./"
    " .+. .-. .*. ./. .=. .<=. .<. .>=. .>. .&. .|. !. B+"
)
KNOWN = frozenset(_KNOWN.split())
_SIGNS = ("-", "+", "!")

_FORMALS = rf"\({_SKIP}{IDENT}{_SKIP}(?:,{_SKIP}{IDENT}{_SKIP})*+\){_SKIP}"
_LHS_WORD = rf"\$?{IDENT}(?:\.{IDENT})?"
_LHS_SYMBOLS = rf"(?:[A-Z][A-Z0-9]*+)?[{re.escape(SYMBOLS)}]++"
# What begins a command: `let` and `load` with a name, a verb with its string, a declaration without `let`.
COMMAND = (
    rf"(?:let[ \t\r\n]++(?=[\w{re.escape(SYMBOLS)}])|load{_SKIP}{IDENT}{_SKIP}="
    rf"|(?:save|print|import){_SKIP}\""
    rf"|{_LHS_WORD}{_SKIP}(?:{_FORMALS})?=(?!=)|{_LHS_SYMBOLS}{_FORMALS}=(?!=))"
)
command_here = re.compile(COMMAND).match
next_command = re.compile(rf"^[ \t]*+(?={COMMAND})", re.MULTILINE).search
_declared = re.compile(
    rf"^[ \t]*+(?:let[ \t]++)?(?P<name>{_LHS_SYMBOLS}(?=[ \t]*\()|{_LHS_WORD})[ \t]*+"
    r"\((?P<formals>[^()\n]*+)\)[ \t]*+=(?!=)",
    re.MULTILINE,
).finditer


class Scanner2:
    """A position in a text of V2."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.text = source.text
        self.at = 0
        # Where the token read last ends.
        self.last = 0
        self.known, self.prefixes, self.infixes = _declarations(self.text)

    def operand(self) -> Token:
        """Read the token here, where an operand may stand: a sign before digits belongs to them."""
        token = self._token(_operand(self.text, self.at))
        return self._glued(token) if token.kind == "word" else token

    def operator(self) -> Token:
        """Read the token here, where an operator may stand."""
        token = self._token(_operator(self.text, self.at))
        return self._glued(token) if token.kind == "word" else token

    def peek(self) -> str:
        """Return the character after blanks and comments, nothing at the end; move up to it."""
        found = _skip(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return self.text[self.at : self.at + 1]

    def call_next(self) -> bool:
        """Whether an opening parenthesis comes next."""
        return _call_next(self.text, self.at) is not None

    def new_command(self) -> bool:
        """Whether a new line begins here, and with it a command."""
        self.peek()
        return "\n" in self.text[self.last : self.at] and command_here(self.text, self.at) is not None

    def _token(self, match: re.Match[str] | None) -> Token:
        assert match is not None, "the patterns accept every text"
        kind = match.lastgroup or "end"
        start, end = match.span(kind)
        if kind == "operator":
            end = self._apart(start, end)
        self.at = self.last = end
        return Token(kind, self.text[start:end], start, end)

    def _glued(self, token: Token) -> Token:
        """Read `B+` as one operator if it is one."""
        end = token.end
        while end < len(self.text) and self.text[end] in SYMBOLS:
            end += 1
            if end - token.end > 8:
                break
        while end > token.end:
            if self.text[token.start : end] in self.known:
                self.at = self.last = end
                return Token("operator", self.text[token.start : end], token.start, end)
            end -= 1
        return token

    def _apart(self, start: int, end: int) -> int:
        """Return the end of the first operator of a row of symbols."""
        run = self.text[start:end]
        if len(run) == 1 or run in self.known:
            return end
        for cut in range(min(len(run) - 1, 8), 0, -1):
            rest = run[cut:]
            if run[:cut] in self.known and (rest in self.known or rest in _SIGNS or rest.strip("!-+") == ""):
                return start + cut
            # The point of a number that begins with it.
            if run[:cut] in self.known and rest == "." and self.text[end : end + 1].isdigit():
                return start + cut
        return end


@lru_cache(maxsize=8)
def _declarations(text: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the operators a text knows, and its own words for use before and between operands."""
    known, prefixes, infixes = set(KNOWN), set(), set()
    for match in _declared(text):
        name, count = match.group("name"), match.group("formals").count(",") + 1
        if name[-1:] in SYMBOLS and name:
            known.add(name)
        elif name.isupper() and count == 1:
            prefixes.add(name)
        elif name.isupper() and count == 2:
            infixes.add(name)
    return frozenset(known), frozenset(prefixes), frozenset(infixes)
