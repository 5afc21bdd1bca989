"""The text of a program, and places in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from vox.errors import Span


@dataclass(frozen=True)
class SourceText:
    """A file's text under the name that people see.

    Offsets count characters from 0; lines and columns count from 1. A line ends at its line feed.
    """

    name: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        lengths = (len(line) + 1 for line in self.text.split("\n"))
        return [0, *accumulate(lengths)][:-1]

    def line_column(self, offset: int) -> tuple[int, int]:
        """Return the line and column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return a line without its end."""
        start = self._starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].removesuffix("\r")

    def span(self, start: int, end: int) -> Span:
        """Return the place from `start` up to, not including, `end`."""
        line, column = self.line_column(start)
        length = max(0, end - start)
        if line == len(self._starts) or start + length < self._starts[line]:
            return Span(self.name, line, column, line, column + length)
        return Span(self.name, line, column, *self.line_column(end))
