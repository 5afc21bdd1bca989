"""Errors, by who can mend them.

Every error has a stable `code` (docs/errors.md), a sentence, a `hint`, and says whether trying again can
help. Foreign exceptions are translated at the door where they appear and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from vox.digest import ActionId, Digest, NodeId, PeerId


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a program: one-based line and column; `end_column` is one past the last character."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def to_json(self) -> dict[str, str | int]:
        """Return the form that every JSON document and problem report uses."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "end_column": self.end_column,
        }


class VoxError(Exception):
    """The root: a sentence for a person, a code for a program."""

    code: ClassVar[str] = "E0001"
    retryable: ClassVar[bool] = False
    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code  # type: ignore[misc]

    @property
    def spans(self) -> Sequence[Span]:
        """Places in the program that the error is about, the main one first."""
        return ()

    def to_json(self) -> dict[str, object]:
        """Return the form that `--json` prints and the HTTP API answers with."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "spans": [span.to_json() for span in self.spans],
        }


class UsageError(VoxError):
    """The caller asked for something that makes no sense."""

    code = "E0101"
    exit_status = 2
    http_status = 400


class ProgramError(VoxError):
    """The author: the program is wrong. `diagnostics` holds every finding (vox.imgql.diagnostics)."""

    code = "E0200"
    exit_status = 2
    http_status = 422

    def __init__(
        self, message: str, *, diagnostics: Sequence[object] = (), hint: str = "", code: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.diagnostics = tuple(diagnostics)

    @property
    def spans(self) -> Sequence[Span]:
        """Where the findings are, in their order."""
        places = (getattr(diagnostic, "span", None) for diagnostic in self.diagnostics)
        return tuple(place for place in places if isinstance(place, Span))


class InputError(VoxError):
    """An input file is missing, unreadable, or not what the program needs."""

    code = "E0301"
    exit_status = 2
    http_status = 422

    def __init__(
        self, message: str, *, hint: str = "", code: str | None = None, span: Span | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.span = span

    @property
    def spans(self) -> Sequence[Span]:
        """Where the program names the file."""
        return () if self.span is None else (self.span,)


class OutputError(VoxError):
    """A result cannot be written where the program wants it."""

    code = "E0320"


class OperatorError(VoxError):
    """The author: an operator refuses its values. `node` and `span` say where."""

    code = "E0400"
    http_status = 422

    def __init__(
        self,
        message: str,
        *,
        operator: str = "",
        node: NodeId | None = None,
        span: Span | None = None,
        hint: str = "",
        code: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.operator = operator
        self.node = node
        self.span = span

    @property
    def spans(self) -> Sequence[Span]:
        """Where the program applies the operator."""
        return () if self.span is None else (self.span,)


class StoreError(VoxError):
    """The machine's disk or the store on it."""

    code = "E0500"


class BlobMissing(StoreError):
    """A blob is not here; somebody else may have it."""

    code = "E0501"
    retryable = True
    http_status = 404

    def __init__(self, digest: Digest) -> None:
        super().__init__(f"{digest} is not in the store", hint="it is fetched from a peer or computed again")
        self.digest = digest


class BlobCorrupt(StoreError):
    """Bytes are not what their name says."""

    code = "E0502"
    retryable = True

    def __init__(self, wanted: Digest, found: Digest) -> None:
        super().__init__(
            f"the bytes kept for {wanted} have the digest {found}",
            hint="the blob is set aside and computed or fetched again",
        )
        self.wanted = wanted
        self.found = found


class StoreFull(StoreError):
    """No space, or the quota is reached."""

    code = "E0503"


class StoreUnusable(StoreError):
    """The store's path is read-only, not a store, or held by another version."""

    code = "E0504"
    exit_status = 2


class TrustError(VoxError):
    """A claim that may not be believed."""

    code = "E0600"
    exit_status = 4
    http_status = 403


class SignerUnknown(TrustError):
    """Signed by somebody who is not in the roster."""

    code = "E0601"

    def __init__(self, issuer: PeerId) -> None:
        super().__init__(f"{issuer} is not trusted here", hint="see `vox peers list`")
        self.issuer = issuer


class SignatureInvalid(TrustError):
    """A signature does not fit what it signs."""

    code = "E0602"


class ResultsDisagree(TrustError):
    """Two trusted machines got different results for one action."""

    code = "E0603"

    def __init__(self, action: ActionId, digests: Sequence[Digest]) -> None:
        super().__init__(
            f"{action} has {len(digests)} different results",
            hint="the result is computed here; both claims are kept",
        )
        self.action = action
        self.digests = tuple(digests)


class NotAllowed(TrustError):
    """A token, certificate or role is missing or wrong."""

    code = "E0610"
    http_status = 401


class PeerError(VoxError):
    """Another machine."""

    code = "E0700"


class PeerUnavailable(PeerError):
    """It does not answer."""

    code = "E0701"
    retryable = True


class PeerProtocol(PeerError):
    """It answers what the protocol forbids: they erred, not we."""

    code = "E0702"


class ClusterError(VoxError):
    """The coordinator or its workers."""

    code = "E0800"


class WorkerLost(ClusterError):
    """A worker vanished while it held a fragment."""

    code = "E0801"
    retryable = True


class CoordinatorUnreachable(ClusterError):
    """Nobody answers at the coordinator's address."""

    code = "E0802"
    retryable = True
    exit_status = 3
    http_status = 503


class AddressInUse(ClusterError):
    """A port that should be opened is held by another process."""

    code = "E0803"
    exit_status = 2


class ExecutionUnknown(ClusterError):
    """No execution has that name."""

    code = "E0804"
    exit_status = 2
    http_status = 404


class SettingsError(VoxError):
    """A setting is unknown or wrong: `path` and `key` say where, the message what was expected."""

    code = "E0900"
    exit_status = 2

    def __init__(self, message: str, *, path: str = "", key: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.key = key


class Cancelled(VoxError):
    """Somebody asked for the end."""

    code = "E1000"
    exit_status = 5
