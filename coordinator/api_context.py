"""What the HTTP API answers from, and how it says no."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from coordinator.contract import ExecutionCoordinator, WorkerInfo
from vox.digest import NodeId
from vox.errors import ProgramError, UsageError, VoxError
from vox.plan import Plan
from vox.preview import Known
from vox.store.contract import Neighbours, Store

log = logging.getLogger("vox.coordinator")

PROBLEM = "application/problem+json"
# A program with its imports is tens of kilobytes; a list of 10,000 digests is 800 KB.
BODY_BYTES_MAX = 16 * 2**20
# The largest blob that may be put: a scanner's series of many gigabytes is still one volume at a time.
BLOB_BYTES_MAX = 8 * 2**30
DIGESTS_MAX = 10_000
WATCHERS_MAX = 256


class Engine(ExecutionCoordinator, Protocol):
    """The engine of the daemon: the contract's, and the plans it keeps."""

    def plan(self, execution: str) -> Plan:
        """Return the plan of an execution. ExecutionUnknown if nobody knows the name."""

    def known(self, plan: Plan) -> Mapping[NodeId, Known]:
        """Return the results that a submission of `plan` would begin with."""

    def timeline(self, execution: str) -> dict[str, Any]:
        """Return what ran where and when."""

    def metrics(self) -> str:
        """Return counters in Prometheus' text form."""


class Enrolment(Protocol):
    """Who lets machines into the cluster: coordinator.enrolment.Enrolment."""

    def authority(self) -> dict[str, str]:
        """Return the authority's certificate and fingerprint."""

    def join(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a machine that shows a token."""

    def members(self) -> list[dict[str, Any]]:
        """Return who is in."""


@dataclass
class Context:
    """The parts of the daemon that requests reach.

    Attributes
    ----------
    token
        Whether a bearer token is good; None when none is asked for.
    hosts
        Names under which this server is spoken to; anything else in `Host` is refused.
    """

    engine: Engine
    store: Store
    neighbours: Neighbours
    enrolment: Enrolment
    workers: Callable[[], Sequence[WorkerInfo]]
    token: Callable[[str], bool]
    token_needed: bool
    hosts: frozenset[str]
    ready: Callable[[], bool] = lambda: True
    watchers: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(WATCHERS_MAX))


def context(request: Request) -> Context:
    """Return the context of the application that a request came to."""
    found: Context = request.app.state.context
    return found


def problem(error: VoxError) -> JSONResponse:
    """Return an error as RFC 9457 wants it, with the fields of `VoxError.to_json`."""
    status = error.http_status
    document = {
        "type": f"urn:vox:error:{error.code}",
        "title": type(error).__name__,
        "status": status,
        "detail": error.message,
        **error.to_json(),
    }
    if isinstance(error, ProgramError):
        document["diagnostics"] = [_diagnostic(item) for item in error.diagnostics]
    return JSONResponse(document, status, media_type=PROBLEM)


def _diagnostic(item: object) -> object:
    to_json = getattr(item, "to_json", None)
    return to_json() if callable(to_json) else str(item)


async def on_vox_error(_: Request, error: Exception) -> Response:
    """Answer with what a person can mend."""
    assert isinstance(error, VoxError)
    return problem(error)


async def on_http_error(_: Request, error: Exception) -> Response:
    """Answer what the framework refuses in the same form."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, VoxError):  # the gate spoke while a body was read
        return problem(error.__cause__)
    phrase = HTTPStatus(error.status_code).phrase
    document = {
        "type": "about:blank",
        "title": phrase,
        "status": error.status_code,
        "detail": str(error.detail),
        "code": UsageError.code,
        "message": str(error.detail),
        "hint": "see /docs",
        "spans": [],
    }
    return JSONResponse(document, error.status_code, media_type=PROBLEM, headers=error.headers)


async def on_invalid(_: Request, error: Exception) -> Response:
    """Answer a request of the wrong shape: which field, and what was expected."""
    found = error.errors() if hasattr(error, "errors") else []
    parts = [f"{'.'.join(str(key) for key in item['loc'])}: {item['msg']}" for item in found[:5]]
    return problem(UsageError("; ".join(parts) or "the request is not understood", hint="see /docs"))


async def on_bug(_: Request, error: Exception) -> Response:
    """Answer without a trace of the inside; the log has it."""
    log.error("a request broke the coordinator", exc_info=error)
    return problem(VoxError("the coordinator made a mistake", hint="its log says more"))


def to_event_line(number: int, document: Mapping[str, Any]) -> bytes:
    """Return one server-sent event."""
    data = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return f"id: {number}\nevent: {document['kind']}\ndata: {data}\n\n".encode()
