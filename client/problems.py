"""Errors that were told by somebody else: read back from the JSON in which they travel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vox.errors import Span, VoxError

_STATUS_BY_HTTP = {401: 4, 403: 4, 503: 3, 502: 3, 504: 3, 400: 2, 404: 2, 413: 2, 422: 2}


class ToldError(VoxError):
    """An error that a coordinator or a worker reported; code, words and places are theirs."""

    def __init__(self, document: Mapping[str, Any], http_status: int = 0) -> None:
        message = str(document.get("message") or document.get("detail") or "an error without words")
        super().__init__(
            message, hint=str(document.get("hint") or ""), code=str(document.get("code") or "E0001")
        )
        self.document = dict(document)
        self._spans = tuple(_spans(document.get("spans") or ()))
        known = {kind.code: kind.exit_status for kind in _kinds(VoxError)}
        self.exit_status = known.get(self.code) or _STATUS_BY_HTTP.get(http_status, 1)  # type: ignore[misc]

    @property
    def spans(self) -> Sequence[Span]:
        """Places in the program that the error is about."""
        return self._spans

    @property
    def diagnostics(self) -> Sequence[Mapping[str, Any]]:
        """What a checker elsewhere found, as JSON."""
        found = self.document.get("diagnostics")
        return found if isinstance(found, list) else ()


def _kinds(kind: type[VoxError]) -> Iterator[type[VoxError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def _spans(items: Sequence[Any]) -> Iterator[Span]:
    for item in items:
        try:
            yield Span(
                str(item["file"]),
                int(item["line"]),
                int(item["column"]),
                int(item["end_line"]),
                int(item["end_column"]),
            )
        except (KeyError, TypeError, ValueError):
            continue
