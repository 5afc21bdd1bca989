"""The HTTP door: one application, its gate, its health.

Everything under `/api/v1` is a thin translation to the engine, the store and the enrolment; each family of
calls has its own module.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from coordinator import api_blobs, api_cluster, api_executions, api_metrics
from coordinator.api_context import (
    BLOB_BYTES_MAX,
    BODY_BYTES_MAX,
    Context,
    on_bug,
    on_http_error,
    on_invalid,
    on_vox_error,
    problem,
)
from vox import __version__
from vox.errors import NotAllowed, UsageError, VoxError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

API = "/api/v1"
# Whoever joins has no API token yet: the first shows a public certificate, the second asks for a join token.
_OPEN = frozenset({"/healthz", "/readyz", f"{API}/cluster/ca", f"{API}/cluster/join"})
_BLOBS = f"{API}/blobs/"
# Nothing but our own pages may run here, and nobody may frame them.
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
)


class HostRefused(NotAllowed):
    """A browser was led here by somebody else's page."""

    code = "E0613"
    http_status = 403


class TooLarge(UsageError):
    """A body is larger than this call takes."""

    code = "E0102"
    http_status = 413


def create_app(context: Context) -> FastAPI:
    """Return the application that answers from `context`."""
    app = FastAPI(title="vox", version=__version__, docs_url=None, redoc_url=None)
    app.state.context = context
    app.add_exception_handler(VoxError, on_vox_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_bug)
    for family in (api_executions, api_blobs, api_cluster, api_metrics):
        app.include_router(family.router, prefix=API)
    app.get("/healthz")(_alive)
    app.get("/readyz")(_ready)
    app.get("/metrics")(api_metrics.metrics)
    app.get("/docs", include_in_schema=False)(_docs)
    app.add_middleware(Gate, context=context)
    return app


class Gate:
    """Refuses what should not come in: strange hosts, foreign pages, wrong tokens, endless bodies."""

    def __init__(self, app: Any, context: Context) -> None:
        self._app, self._context = app, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with what is wrong."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            limit = self._check(scope["path"], headers)
        except VoxError as error:
            await problem(error)(scope, receive, send)
            return
        received = 0

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)
            return message

        async def dressed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self._app(scope, bounded, dressed)

    def _check(self, path: str, headers: dict[bytes, str]) -> int:
        host = headers.get(b"host", "")
        if "*" not in self._context.hosts and _host_name(host) not in self._context.hosts:
            # A page whose name was re-pointed at this machine speaks to us under its own name.
            raise HostRefused("this server is not known under that name", hint="use the address it printed")
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise HostRefused("a page of another site may not use this server")
        # Where browsers say so themselves, also for what they send without an origin, like images.
        site = headers.get(b"sec-fetch-site", "none")
        if path.startswith(API) and site not in ("none", "same-origin"):
            raise HostRefused("a page of another site may not use this server")
        self._check_token(path, headers.get(b"authorization"))
        limit = BLOB_BYTES_MAX if path.startswith(_BLOBS) and path != f"{_BLOBS}missing" else BODY_BYTES_MAX
        declared = headers.get(b"content-length", "0")
        if not declared.isdigit() or int(declared) > limit:
            raise _too_large(limit)
        return limit

    def _check_token(self, path: str, authorization: str | None) -> None:
        if path in _OPEN or (authorization is None and not self._context.token_needed):
            return
        scheme, _, token = (authorization or "").partition(" ")
        if not hmac.compare_digest(scheme.lower().encode(), b"bearer") or not self._context.token(token):
            raise NotAllowed(
                "a token is needed here" if authorization is None else "the token is wrong",
                hint="`vox-coordinator token --api` prints one; give it as VOX_TOKEN",
            )


def _host_name(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "").lower()


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes", hint="send less, or in parts")


def _alive() -> JSONResponse:
    """Say that the process answers."""
    return JSONResponse({"status": "ok", "version": __version__})


def _ready(request: Request) -> JSONResponse:
    """Say whether submissions are taken."""
    context: Context = request.app.state.context
    ready = context.ready()
    return JSONResponse({"status": "ready" if ready else "stopping"}, 200 if ready else 503)


def _docs(request: Request) -> Response:
    """Return the list of calls as a page that loads nothing from anywhere."""
    from html import escape

    rows = []
    for path, methods in sorted(request.app.openapi()["paths"].items()):
        for method, call in methods.items():
            summary = escape(call.get("description") or call.get("summary", ""))
            rows.append(
                f"<tr><td>{method.upper()}</td><td><code>{escape(path)}</code></td><td>{summary}</td>"
            )
    return HTMLResponse(
        "<!doctype html><meta charset=utf-8><title>vox: calls</title><h1>vox</h1>"
        '<p>The same, for programs: <a href="/openapi.json">/openapi.json</a></p>'
        f"<table>{''.join(rows)}</table>"
    )
