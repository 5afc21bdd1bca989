"""From characters to tokens, one at a time, as the parser asks.

The language cannot be cut into tokens beforehand: `-1` is a number where an operand may stand and an
operator with its operand elsewhere, and the `=` of a declaration is not an operator.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from vox.imgql.source import SourceText

OPERATOR_CHARACTERS = "#;:_'.|!$%&/^=*+<>?@~\\`-"

# Possessive quantifiers keep every pattern linear whatever the text.
_SKIP = r"(?:[ \t\r\n]++|//[^\n]*+)*+"
# A lower-case letter first, as in V1. Beyond V1, underscores inside and before, if letters or digits follow.
_WORD = r"(?:[^\W\d_A-Z]|_++[^\W\d_A-Z])(?:_*+[^\W_])*+"
_OPERATOR = r"[A-Z" + re.escape(OPERATOR_CHARACTERS) + r"]++"
_NUMBER = (
    r"[+-]?(?:0[xX][0-9a-fA-F]++(?:\.[0-9a-fA-F]*+)?(?:[pP][+-]?[0-9]++)?"
    r"|[0-9]++(?:\.[0-9]*+)?(?:[eE][+-]?[0-9]++)?"
    r"|(?i:infinity|inf|nan)(?!\w))"
)
_STRING = r'"[^"]*+"'
_REST = r'(?P<punctuation>[()\[\],])|(?P<end>\Z)|(?P<open>")|(?P<other>.)'

_operand = re.compile(
    rf"{_SKIP}(?:(?P<number>{_NUMBER})|(?P<word>{_WORD})|(?P<string>{_STRING})|(?P<operator>{_OPERATOR})|{_REST})",
    re.DOTALL,
).match
_operator = re.compile(
    rf"{_SKIP}(?:(?P<operator>{_OPERATOR})|(?P<word>{_WORD})|(?P<string>{_STRING})|{_REST})", re.DOTALL
).match
_skip = re.compile(_SKIP).match
_blank = re.compile(r"[ \t\r\n]|//").match


class Token(NamedTuple):
    """A piece of the text: `number word string operator punctuation end open other`.

    `open` is a quote that is never closed, `other` a character that means nothing.
    """

    kind: str
    text: str
    start: int
    end: int


class Scanner:
    """A position in a text."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.text = source.text
        self.at = 0

    def operand(self) -> Token:
        """Read the token here, where an operand may stand."""
        return self._token(_operand(self.text, self.at))

    def operator(self) -> Token:
        """Read the token here, where an operator may stand: signs belong to operators."""
        return self._token(_operator(self.text, self.at))

    def peek(self) -> str:
        """Return the character after blanks and comments, nothing at the end; move up to it."""
        found = _skip(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return self.text[self.at : self.at + 1]

    def blank_here(self) -> bool:
        """Whether a blank or a comment stands right here."""
        return _blank(self.text, self.at) is not None

    def _token(self, match: re.Match[str] | None) -> Token:
        assert match is not None, "the patterns accept every text"
        kind = match.lastgroup or "end"
        start, end = match.span(kind)
        self.at = end
        text = match.group(kind)
        if kind in ("word", "operator") and not self.text.isascii():
            return self._foreign(kind, start, end)
        return Token(kind, text, start, end)

    def _foreign(self, kind: str, start: int, end: int) -> Token:
        """Mend a token among letters beyond ASCII: their capitals are operators, as `N` is."""
        text = self.text
        if kind == "word" and text[start:end].lstrip("_")[0].isupper():
            kind, end = "operator", start
        if kind == "operator":
            while end < len(text) and (
                text[end] in OPERATOR_CHARACTERS or (text[end].isalnum() and text[end].isupper())
            ):
                end += 1
        self.at = end
        return Token(kind, text[start:end], start, end)


def number_of(text: str) -> float:
    """Return the value of a number's text; beyond float64 it is infinite, hexadecimal or decimal."""
    if "x" in text or "X" in text:
        try:
            return float.fromhex(text)
        except OverflowError:
            return float("-inf") if text.startswith("-") else float("inf")
    return float(text)
