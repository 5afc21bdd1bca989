"""What is wrong with a program: for a person with a caret under the place, for a program as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from vox.errors import ProgramError, Span
from vox.imgql.source import SourceText

# What a person reads before giving up; the rest is counted.
DIAGNOSTICS_MAX = 100
# A line of a generated program can be megabytes long: a window of it is shown.
_WINDOW = 160
_COLORS = {"error": "\033[1;31m", "warning": "\033[1;33m"}
_BLUE, _BOLD, _RESET = "\033[1;34m", "\033[1m", "\033[0m"


@dataclass(frozen=True, slots=True)
class Note:
    """A remark, with or without a place."""

    text: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    `label` stands beside the caret, `help` says what to do, `notes` tell how the program came here,
    innermost first.
    """

    severity: Literal["error", "warning"]
    code: str
    message: str
    span: Span | None = None
    label: str = ""
    help: str = ""
    notes: tuple[Note, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the error object of the interfaces: code, message, hint, spans."""
        spans = [self.span, *(note.span for note in self.notes)]
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "hint": self.help,
            "spans": [span.to_json() for span in spans if span is not None],
        }

    def to_lsp(self) -> dict[str, object]:
        """Return the finding as the Language Server Protocol's `Diagnostic`: lines and columns from 0."""
        severities = {"error": 1, "warning": 2}
        document: dict[str, object] = {
            "range": _range(self.span),
            "severity": severities[self.severity],
            "code": self.code,
            "source": "vox",
            "message": self.message + (f"\nhelp: {self.help}" if self.help else ""),
        }
        related = [
            {"location": {"uri": note.span.file, "range": _range(note.span)}, "message": note.text}
            for note in self.notes
            if note.span is not None
        ]
        return {**document, "relatedInformation": related} if related else document

    def render(self, sources: Mapping[str, SourceText], color: bool = False) -> str:
        """Return the finding as people read it, the place underlined."""
        paint = _painter(color)
        head = paint(_COLORS[self.severity], f"{self.severity}[{self.code}]") + paint(
            _BOLD, f": {self.message}"
        )
        lines = [head]
        width = len(str(self.span.line)) if self.span else 1
        if self.span is not None:
            lines += self._excerpt(self.span, sources.get(self.span.file), width, paint)
        gutter = " " * (width + 1)
        for note in self.notes:
            place = f" ({place_of(note.span)})" if note.span else ""
            lines.append(f"{gutter}{paint(_BLUE, '=')} note: {note.text}{place}")
        if self.help:
            lines.append(f"{gutter}{paint(_BLUE, '=')} help: {self.help}")
        return "\n".join(lines)

    def _excerpt(self, span: Span, source: SourceText | None, width: int, paint: _Painter) -> list[str]:
        blank = " " * width
        lines = [f"{blank}{paint(_BLUE, '-->')} {place_of(span)}"]
        if source is None:
            return lines
        text = source.line(span.line)
        end = span.end_column if span.end_line == span.line else len(text) + 1
        first = max(0, span.column - 1 - _WINDOW // 2) if len(text) > _WINDOW else 0
        shown = text[first : first + _WINDOW]
        # Tabs stay tabs in the padding, so that the caret stands under its character.
        before = "".join("\t" if c == "\t" else " " for c in text[first : span.column - 1])
        carets = "^" * max(1, min(end - span.column, _WINDOW - (span.column - 1 - first)))
        under = f"{before}{paint(_COLORS[self.severity], f'{carets} {self.label}'.rstrip())}"
        bar = paint(_BLUE, "|")
        return [
            *lines,
            f"{blank} {bar}",
            f"{paint(_BLUE, str(span.line))} {bar} {shown}",
            f"{blank} {bar} {under}",
        ]


def _range(span: Span | None) -> dict[str, dict[str, int]]:
    if span is None:
        return {edge: {"line": 0, "character": 0} for edge in ("start", "end")}
    return {
        "start": {"line": span.line - 1, "character": span.column - 1},
        "end": {"line": span.end_line - 1, "character": span.end_column - 1},
    }


class _Painter:
    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, color: str, text: str) -> str:
        return f"{color}{text}{_RESET}" if self.on and text else text


def _painter(on: bool) -> _Painter:
    return _Painter(on)


def place_of(span: Span) -> str:
    """Return `file:line:column`."""
    return f"{span.file}:{span.line}:{span.column}"


def render_all(diagnostics: Iterable[object], sources: Mapping[str, SourceText], color: bool = False) -> str:
    """Return every finding, a blank line between them."""
    return "\n\n".join(d.render(sources, color) for d in diagnostics if isinstance(d, Diagnostic))


def program_error(diagnostics: Sequence[Diagnostic]) -> ProgramError:
    """Make the exception that carries the findings; it speaks with the voice of the first error."""
    errors = [d for d in diagnostics if d.severity == "error"]
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    where = f"{place_of(first.span)}: " if first.span else ""
    message = f"{where}{first.message}{more}"
    return ProgramError(message, diagnostics=diagnostics, hint=first.help, code=first.code)


def settle(diagnostics: Iterable[Diagnostic], alone: Sequence[str] = ()) -> list[Diagnostic]:
    """Drop repetitions and keep a number that can be read.

    If an error with one of the codes `alone` is among them, it is the whole story: what else was found is
    its consequence.
    """
    found = list(dict.fromkeys(diagnostics))
    for code in alone:
        for diagnostic in found:
            if diagnostic.code == code:
                return [diagnostic]
    errors = [d for d in found if d.severity == "error"]
    warnings = [d for d in found if d.severity == "warning"]
    shown = (errors + warnings)[:DIAGNOSTICS_MAX]
    if len(found) > len(shown):
        shown.append(Diagnostic("warning", "W0252", f"{len(found) - len(shown)} more findings are not shown"))
    return shown


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question with the nearest known name, or nothing.

    Names beyond any sensible length, or too many of them, are not searched: the search is quadratic.
    """
    if len(name) > 64:
        return ""
    candidates = sorted({k for k in known if k != name and abs(len(k) - len(name)) <= 3})[:5000]
    near = get_close_matches(name, candidates, n=1, cutoff=0.75)
    return f"did you mean `{near[0]}`?" if near else ""
