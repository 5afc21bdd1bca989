"""HTTP calls for looking at the engine from outside: counters, and an execution's timeline."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from coordinator.api_context import context

router = APIRouter(tags=["executions"])
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/executions/{execution}/timeline")
def timeline(request: Request, execution: str) -> dict[str, Any]:
    """Return what ran where and when, for chrome://tracing and Perfetto."""
    found: dict[str, Any] = context(request).engine.timeline(execution)
    return found


def metrics(request: Request) -> PlainTextResponse:
    """Return counters and gauges in Prometheus' text form."""
    return PlainTextResponse(context(request).engine.metrics(), media_type=METRICS_TYPE)
