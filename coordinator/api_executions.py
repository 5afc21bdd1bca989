"""HTTP calls about executions: ask, watch, look, stop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from coordinator.api_blobs import blob_response, fetch_if_missing
from coordinator.api_context import WATCHERS_MAX, Context, context, to_event_line
from coordinator.api_documents import (
    GRAPH_NODES_MAX,
    execution_document,
    preview_document,
    summary_document,
)
from coordinator.api_models import ConfigModel, DynamicSubmission, Submission
from coordinator.contract import ExecutionProgress, ExecutionResult, GoalResult
from vox.digest import Digest
from vox.errors import ClusterError, StoreError, UsageError
from vox.events import to_json
from vox.imgql.export import to_dot
from vox.imgql.export import to_json as plan_to_json
from vox.plan import Plan, Source
from vox.preview import outline, warnings
from vox.provenance import provenance
from vox.submitted import Submitted, key_of

router = APIRouter(tags=["executions"])

# A comment this often keeps proxies and watchers from giving up.
KEEPALIVE_S = 15.0
_BEHIND_MAX = 4096


class SourcesMissing(UsageError):
    """Inputs of the program have not been put here."""

    code = "E0104"
    http_status = 409

    def __init__(self, digests: list[Digest]) -> None:
        super().__init__(
            f"{len(digests)} inputs are not here: " + ", ".join(map(str, digests[:3])),
            hint="PUT them to /api/v1/blobs/{digest} and submit again",
        )


class Busy(ClusterError):
    """The coordinator does as much of this at once as it will."""

    code = "E0811"
    retryable = True
    http_status = 503


class GoalUnknown(UsageError):
    """An execution has no such goal, or no result for it."""

    code = "E0105"
    http_status = 404


@router.post("/executions", status_code=201)
def submit(request: Request, body: Submission) -> Response:
    """Run a program; `dry_run` only tells what would be done."""
    here = context(request)
    plan = body.plan()
    if body.dry_run:
        return JSONResponse(preview_document(here, plan, reads=body.config.reads))
    return _begun(request, plan, body.config, body.submitted())


@router.post("/execute-dynamic", status_code=201)
def execute_dynamic(request: Request, body: DynamicSubmission) -> Response:
    """Run a program: the same call in VoxLogicA-2's words."""
    return submit(request, body.submission())


@router.post("/executions/{execution}/rerun", status_code=201)
def rerun(request: Request, execution: str, body: ConfigModel) -> Response:
    """Run the plan of an execution again: the same program on the same inputs, whatever the files are now."""
    here = context(request)
    return _begun(request, here.engine.plan(execution), body, _submitted(here, execution))


@router.post("/check")
def check(body: Submission) -> dict[str, Any]:
    """Parse and type-check a program; every finding comes back at once."""
    return outline(body.plan())


@router.post("/plan")
def preview(request: Request, body: Submission) -> Response:
    """Tell what would be computed and what is known."""
    return JSONResponse(preview_document(context(request), body.plan(), reads=body.config.reads))


@router.get("/executions")
def executions(request: Request, limit: int = Query(100, ge=1, le=10_000)) -> dict[str, Any]:
    """List executions, newest first."""
    found = context(request).engine.executions()[:limit]
    return {"schema": 1, "executions": [summary_document(moment) for moment in found]}


@router.get("/executions/{execution}")
def execution(request: Request, execution: str) -> dict[str, Any]:
    """Return an execution as `vox submit --json` prints it."""
    here = context(request)
    return execution_document(here, _moment(here, execution))


@router.delete("/executions/{execution}")
def cancel(request: Request, execution: str) -> dict[str, Any]:
    """Ask for the end of an execution; `cancelled` is false when it has come already."""
    asked = context(request).engine.cancel_execution(execution)
    return {"schema": 1, "execution": execution, "cancelled": asked}


@router.get("/executions/{execution}/events")
def events(request: Request, execution: str, after: int = Query(0, ge=0)) -> Response:
    """Stream an execution's events, from the one after `Last-Event-ID` to the end."""
    here = context(request)
    here.engine.get_progress(execution)
    last = request.headers.get("last-event-id", "")
    if not here.watchers.acquire(blocking=False):
        raise Busy(f"{WATCHERS_MAX} streams of events are open", hint="close some, or ask for the state")
    here.watchers.release()  # taken for good by the thread that waits
    lines = _watch(here, execution, int(last) if last.isdigit() else after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type="text/event-stream", headers=headers)


@router.get("/executions/{execution}/plan")
def plan(request: Request, execution: str, format: str = Query("json", pattern="^(json|dot)$")) -> Response:
    """Return an execution's plan as JSON or as a Graphviz graph."""
    found = context(request).engine.plan(execution)
    if len(found) > GRAPH_NODES_MAX:
        raise UsageError(f"a plan of {len(found)} nodes is too large to draw")
    if format == "dot":
        return PlainTextResponse(to_dot(found), media_type="text/vnd.graphviz")
    return JSONResponse(plan_to_json(found))


@router.get("/executions/{execution}/submitted")
def submitted(request: Request, execution: str) -> dict[str, Any]:
    """Return the texts, parameters and input names that an execution was submitted with."""
    here = context(request)
    here.engine.get_progress(execution)
    found = _submitted(here, execution)
    if found is None:
        raise GoalUnknown(f"what execution {execution} was submitted with is not kept")
    return found.to_json()


@router.get("/executions/{execution}/provenance/{label:path}")
def goal_provenance(request: Request, execution: str, label: str, node: str = "") -> dict[str, Any]:
    """Return the signed chain of steps that led to a goal; `node` chooses among goals of one label."""
    here = context(request)
    moment, plan = _moment(here, execution), here.engine.plan(execution)
    for found, goal in zip(moment.goals, plan.goals, strict=False):
        if found.label == label and node in ("", str(found.node)):
            digest = found.digest if found.file is None else found.file
            if digest is None:
                raise GoalUnknown(f"goal {label[:200]!r} has no result: {found.state}")
            return provenance(plan, goal, digest, here.store, _submitted(here, execution))
    raise GoalUnknown(f"execution {execution} has no goal {label[:200]!r}")


@router.get("/executions/{execution}/goals/{label:path}")
def goal(request: Request, execution: str, label: str) -> Response:
    """Return a goal: the document of a print, the file of a save (`.nii.gz` as the `.nii` inside it)."""
    here = context(request)
    document = execution_document(here, moment := _moment(here, execution))
    for found, entry in zip(moment.goals, document["goals"], strict=True):
        if found.label == label:
            return _goal_response(request, here, found, entry)
    raise GoalUnknown(f"execution {execution} has no goal {label[:200]!r}")


def _begun(request: Request, plan: Plan, config: ConfigModel, kept: Submitted | None) -> Response:
    """Submit a plan, and keep what it was made of for those who ask later."""
    here = context(request)
    absent = here.store.missing([node.digest for _, node in plan if isinstance(node, Source)])
    if absent:
        absent -= here.neighbours.fetch(absent)
    if absent:
        raise SourcesMissing(sorted(absent))
    execution = here.engine.submit(plan, config.value())
    data = None if kept is None else kept.to_bytes()
    if data is not None:
        with contextlib.suppress(StoreError):  # the execution is worth more than what is told about it
            here.store.remember(key_of(execution), data)
    document = execution_document(here, here.engine.get_progress(execution))
    document["warnings"] = warnings(plan)
    base = request.url.path.partition("/execut")[0]
    return JSONResponse(document, 201, headers={"Location": f"{base}/executions/{quote(execution)}"})


def _submitted(here: Context, execution: str) -> Submitted | None:
    key = key_of(execution)
    data = here.store.recall([key]).get(key)
    try:
        return None if data is None else Submitted.from_bytes(data)
    except ValueError:
        return None


def _moment(here: Context, execution: str) -> ExecutionProgress | ExecutionResult:
    progress = here.engine.get_progress(execution)
    return here.engine.wait(execution, 5.0) if progress.state.final else progress


def _goal_response(request: Request, here: Context, found: GoalResult, entry: dict[str, Any]) -> Response:
    wanted = found.digest if found.file is None else found.file
    if wanted is None:
        raise GoalUnknown(f"goal {found.label!r} has no result: {found.state}")
    if found.file is None:
        return JSONResponse(entry) if "value" in entry else blob_response(request, here, wanted)
    from vox.operators.codec import decode_value
    from vox.operators.values import FileBytes

    fetch_if_missing(here, wanted)
    file = decode_value(here.store.read(wanted))
    assert isinstance(file, FileBytes)
    return Response(file.data, media_type=file.media_type)


async def _watch(here: Context, execution: str, after: int) -> AsyncIterator[bytes]:
    """Yield events as they happen; a thread of its own waits for each watcher."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[bytes | None]()
    gone, room = threading.Event(), threading.Semaphore(_BEHIND_MAX)

    def pump() -> None:
        # Taken by the thread, not by the connection: it ends with the first event after its watcher has
        # gone. And the loop may close first when the daemon stops: nobody listens then.
        with contextlib.suppress(RuntimeError), here.watchers:
            try:
                for number, event in here.engine.events(execution, after):
                    while not room.acquire(timeout=KEEPALIVE_S):
                        if gone.is_set():
                            return
                    if gone.is_set():
                        return
                    loop.call_soon_threadsafe(lines.put_nowait, to_event_line(number, to_json(event)))
            finally:
                loop.call_soon_threadsafe(lines.put_nowait, None)

    try:
        threading.Thread(target=pump, name="vox-watch", daemon=True).start()
        while True:
            try:
                line = await asyncio.wait_for(lines.get(), KEEPALIVE_S)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if line is None:
                return
            room.release()
            yield line
    finally:
        gone.set()
