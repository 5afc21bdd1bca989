"""HTTP calls about blobs and results: streams both ways, named by content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio.from_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from coordinator.api_context import Context, context
from coordinator.api_models import Digests, parse_digest
from vox.digest import Digest, NodeId
from vox.errors import BlobCorrupt, BlobMissing, StoreError, UsageError
from vox.store.contract import Result

router = APIRouter(tags=["blobs"])

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
# A header of encoding v1 fits many times; a scalar's text may be as long as a page.
_SCALAR_BYTES_MAX = 1 << 20


class NodeUnknown(StoreError):
    """No result is known under that name."""

    code = "E0510"
    http_status = 404


class DigestWrong(UsageError):
    """What was sent is not what it was called."""

    code = "E0103"
    http_status = 422


class _Mismatch(BlobCorrupt):
    """Raised inside a write, so that the store keeps nothing."""


@router.post("/blobs/missing")
def missing(request: Request, body: Digests) -> dict[str, list[str]]:
    """Tell which of some blobs are not here."""
    absent = context(request).store.missing([parse_digest(text) for text in body.digests])
    return {"missing": sorted(str(digest) for digest in absent)}


@router.get("/blobs/{digest}")
def get_blob(request: Request, digest: str) -> Response:
    """Stream a blob; `Range` asks for a part, `If-None-Match` for nothing new."""
    return blob_response(request, context(request), parse_digest(digest))


@router.put("/blobs/{digest}")
async def put_blob(request: Request, digest: str) -> Response:
    """Take a blob, and keep it only if it is what it is called."""
    wanted, store = parse_digest(digest), context(request).store
    if not await run_in_threadpool(store.missing, [wanted]):
        return JSONResponse({"digest": str(wanted), "size": await run_in_threadpool(store.size, wanted)}, 200)
    chunks = request.stream()

    def write() -> Digest:
        return store.write(_checked(chunks, wanted))

    try:
        await run_in_threadpool(write)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it, and nothing was kept
    except _Mismatch as error:
        raise DigestWrong(
            f"what was sent has the digest {error.found}, not {wanted}", hint="send it again"
        ) from error
    return JSONResponse({"digest": str(wanted), "size": await run_in_threadpool(store.size, wanted)}, 201)


@router.get("/nodes/{node}")
def get_node(request: Request, node: str) -> dict[str, Any]:
    """Return what is known of a node's result."""
    result = _result(context(request), node)
    return {
        "schema": 1,
        "node": str(result.node),
        "action": None if result.action is None else str(result.action),
        "digest": str(result.digest),
        "size": result.size,
        "here": not context(request).store.missing([result.digest]),
    }


@router.get("/nodes/{node}/value")
def get_value(request: Request, node: str) -> Response:
    """Return a node's value: a scalar as JSON, anything else as its blob."""
    here = context(request)
    result = _result(here, node)
    if result.size <= _SCALAR_BYTES_MAX:
        fetch_if_missing(here, result.digest)
        value = scalar(here, result.digest)
        if value is not None:
            return JSONResponse({"schema": 1, "node": str(result.node), **value})
    return blob_response(request, here, result.digest)


def blob_response(request: Request, here: Context, digest: Digest) -> Response:
    """Stream a blob with its validators, whole or in part."""
    fetch_if_missing(here, digest)
    size = here.store.size(digest)
    etag = f'"{digest.sha256.hex()}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    part = _range(request.headers.get("range"), size)
    first, last = (0, size - 1) if part is None else part
    if first > last and part is not None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    if part is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    headers["Content-Length"] = str(last + 1 - first)
    body = _part(here.store.open(digest, first), last + 1 - first)
    return StreamingResponse(
        body, 200 if part is None else 206, headers, media_type="application/octet-stream"
    )


def fetch_if_missing(here: Context, digest: Digest) -> None:
    """Bring a blob here from a peer; BlobMissing when nobody has it."""
    if here.store.missing([digest]) and not here.neighbours.fetch([digest]):
        raise BlobMissing(digest)


def scalar(here: Context, digest: Digest) -> dict[str, Any] | None:
    """Return the type and value of a scalar's blob; None for anything larger than a scalar."""
    from vox.operators.codec import decode_value, read_header

    blob = here.store.read(digest)
    kind, _, _ = read_header(blob)
    if kind not in ("null", "boolean", "integer", "number", "string"):
        return None
    return {"type": kind, "value": decode_value(blob)}


def _result(here: Context, text: str) -> Result:
    try:
        node = NodeId.parse(text if ":" in text else f"node:{text}")
    except ValueError as error:
        raise UsageError(f"{text[:80]!r} is not the name of a node") from error
    found = here.store.results([node]) or here.neighbours.results([node])
    if node not in found:
        raise NodeUnknown(f"nothing is known of {node}", hint="submit the program that asks for it")
    return found[node]


def _checked(chunks: AsyncIterator[bytes], wanted: Digest) -> Iterator[bytes]:
    """Yield what arrives, from a thread of the pool; raise at the end if it is not `wanted`."""
    hasher = hashlib.sha256()

    async def following() -> bytes | None:
        return await anext(chunks, None)

    while (chunk := anyio.from_thread.run(following)) is not None:
        hasher.update(chunk)
        if chunk:
            yield chunk
    found = Digest(hasher.digest())
    if found != wanted:
        raise _Mismatch(wanted, found)


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return first and last byte, None for the whole, (1, 0) when there is no such part."""
    match = None if header is None else _RANGE.fullmatch(header.strip())
    if match is None or match.group(1) == match.group(2) == "":
        # No range, several, or another unit: the whole is a legal answer to each.
        return None
    first, last = match.groups()
    if first == "":
        return (max(0, size - int(last)), size - 1) if int(last) and size else (1, 0)
    begin = int(first)
    end = min(int(last), size - 1) if last else size - 1
    return (begin, end) if begin <= end else (1, 0)


def _part(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:count]
        count -= len(piece)
        if count <= 0:
            return
