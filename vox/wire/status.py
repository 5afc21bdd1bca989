"""Between vox's errors and the status of a call.

A status travels as gRPC's own name for it, a sentence, and metadata with vox's error code, so that a machine
that does not know the code still knows what to do. This module names gRPC's statuses and does not import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vox.digest import SHA256_BYTES, Digest
from vox.errors import (
    BlobCorrupt,
    BlobMissing,
    NotAllowed,
    PeerProtocol,
    PeerUnavailable,
    TrustError,
    VoxError,
)

CODE_KEY = "vox-code"
FOUND_KEY = "vox-found-bin"
MESSAGE_CHARACTERS_MAX = 400
# How often a caller asks a silent connection for a sign of life; the service permits twice as many.
KEEPALIVE_MS = 10_000


class PeerBusy(PeerUnavailable):
    """It answers others first; waiting a moment helps."""

    code = "E0703"


@dataclass(frozen=True, slots=True)
class Status:
    """How a call ended, as it travels: `name` is a member of grpc.StatusCode."""

    name: str
    message: str
    metadata: tuple[tuple[str, str | bytes], ...] = ()


def to_status(error: VoxError) -> Status:
    """Return what to answer for an error of ours."""
    if isinstance(error, BlobCorrupt):
        found = (FOUND_KEY, error.found.sha256)
        return Status("DATA_LOSS", "the blob is corrupt here", ((CODE_KEY, error.code), found))
    if isinstance(error, BlobMissing):
        name = "NOT_FOUND"
    elif isinstance(error, TrustError):
        name = "PERMISSION_DENIED"
    elif isinstance(error, PeerProtocol):
        name = "INVALID_ARGUMENT"
    elif isinstance(error, PeerBusy):
        name = "RESOURCE_EXHAUSTED"
    else:
        # Messages of other errors may name paths of this machine, which are nobody else's business.
        return Status("INTERNAL", "the peer has a problem of its own", ((CODE_KEY, error.code),))
    return Status(name, error.message[:MESSAGE_CHARACTERS_MAX], ((CODE_KEY, error.code),))


def to_error(
    name: str,
    message: str,
    metadata: Mapping[str, str | bytes],
    *,
    address: str,
    digest: Digest | None = None,
) -> VoxError:
    """Return the error that a status of the peer at `address` means here."""
    said = "".join(c if c.isprintable() else " " for c in message[:MESSAGE_CHARACTERS_MAX])
    if name == "NOT_FOUND" and digest is not None:
        return BlobMissing(digest)
    if name == "DATA_LOSS" and digest is not None:
        found = metadata.get(FOUND_KEY)
        if isinstance(found, bytes) and len(found) == SHA256_BYTES:
            return BlobCorrupt(digest, Digest(found))
    if name in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return NotAllowed(
            f"{address} refuses: {said}", hint="this machine may have been taken out of the cluster"
        )
    if name == "RESOURCE_EXHAUSTED":
        return PeerBusy(f"{address} is busy: {said}", hint="try again in a moment")
    if name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL"):
        return PeerUnavailable(
            f"{address} does not answer ({name.lower().replace('_', ' ')}: {said})",
            hint="is it running, reachable, of the same cluster, and is its clock right?",
        )
    return PeerProtocol(f"{address} answered {name.lower().replace('_', ' ')}: {said}")
