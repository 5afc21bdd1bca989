"""HTTP calls about the cluster: who is in, how to get in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from coordinator.api_context import context
from coordinator.api_models import JoinRequest

router = APIRouter(tags=["cluster"])


@router.get("/workers")
def workers(request: Request) -> dict[str, Any]:
    """List the workers that take fragments now."""
    found = context(request).workers()
    return {
        "schema": 1,
        "workers": [{"name": each.name, "slots": each.slots, "peer": each.peer} for each in found],
    }


@router.get("/cluster/ca")
def authority(request: Request) -> dict[str, Any]:
    """Return the cluster's certificate, its fingerprint, and where its doors are."""
    return context(request).enrolment.authority()


@router.post("/cluster/join", status_code=201)
def join(request: Request, body: JoinRequest) -> dict[str, Any]:
    """Make a member of a machine that shows a join token and proves its key."""
    return context(request).enrolment.join(body.model_dump())


@router.get("/cluster/members")
def members(request: Request) -> dict[str, Any]:
    """List the machines that were let in."""
    return {"schema": 1, "members": context(request).enrolment.members()}


@router.get("/peers")
def peers(request: Request) -> dict[str, Any]:
    """List the machines that the coordinator has heard of, and the addresses it would ask now."""
    here = context(request)
    known = [
        {"peer": str(each.peer), "name": each.name, "addresses": list(each.addresses)}
        for each in getattr(here.neighbours, "members", list)()
    ]
    addresses = list(getattr(here.neighbours, "addresses", list)())
    return {"schema": 1, "peers": known, "addresses": addresses}
