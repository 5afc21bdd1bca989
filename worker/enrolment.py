"""How a machine becomes a member of a cluster: the worker's side, over HTTP.

The join token carries the fingerprint of the cluster's certificate. So the first, unverified call fetches
that certificate, and nothing secret is said before it has been recognised.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from p2p.authority import parse_token
from p2p.identity import Identity, Membership, fingerprint
from vox.errors import ClusterError, CoordinatorUnreachable, NotAllowed, UsageError

HTTP_PORT = 8700
TIMEOUT_S = 20.0
# A certificate and a few addresses are a few kilobytes.
ANSWER_BYTES_MAX = 1 << 20
_PREFIX = "/api/v1/cluster"


@dataclass(frozen=True, slots=True)
class Doors:
    """Where a cluster's scheduler (a Dask address) and the coordinator's shelf are, and who serves that."""

    scheduler: str
    peer: str
    coordinator: bytes


def normalise(address: str) -> str:
    """Return `http://host:port` of what a person wrote; a bare host gets the usual port.

    Raises
    ------
    UsageError
        If it is not an address.
    """
    parts = urlsplit(address if "//" in address else f"http://{address}")
    try:
        port = parts.port or HTTP_PORT
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or not port:
        raise UsageError(f"{address!r} is not an address", hint="for example http://127.0.0.1:8700")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def own_address(coordinator: str) -> str:
    """Return the address of this machine that the coordinator can reach: that of the way to it."""
    parts = urlsplit(coordinator)
    assert parts.hostname is not None
    try:
        family, _, _, _, target = socket.getaddrinfo(parts.hostname, parts.port or 1)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)  # sends nothing: it only chooses an interface
            return str(probe.getsockname()[0])
    except OSError as error:
        raise _unreachable(coordinator, error) from error


def doors(coordinator: str, membership: Membership) -> Doors:
    """Ask a coordinator where its doors are.

    Raises
    ------
    CoordinatorUnreachable
        If nobody answers.
    NotAllowed
        If it is another cluster's coordinator than the one that made this machine a member.
    """
    answer = _call(coordinator, "GET", "/ca", None, membership.ca_pem)
    if answer.get("fingerprint") != membership.cluster:
        raise NotAllowed(
            f"{coordinator} is the coordinator of another cluster than the one joined before",
            hint="join it with a token: `vox-coordinator token --join` prints one",
            code="E0614",
        )
    return _doors(coordinator, answer)


def enrol(coordinator: str, token: str, identity: Identity, name: str) -> Membership:
    """Become a member of a cluster with a one-time token; keep the certificate beside the identity.

    Raises
    ------
    CoordinatorUnreachable
        If nobody answers.
    NotAllowed
        If the token is wrong, used or expired, or made for another coordinator.
    """
    wanted = parse_token(token)
    answer = _call(coordinator, "GET", "/ca", None, None)
    authority = str(answer.get("certificate", "")).encode()
    if not wanted.recognises(fingerprint(authority)):
        raise NotAllowed(
            f"the token is for another coordinator than {coordinator}",
            hint="copy address and token from the same line",
        )
    body = {
        "token": token,
        "request": identity.csr().decode(),
        "public_key": identity.signer.public_key.hex(),
        "proof": identity.proof().hex(),
        "name": name,
    }
    answer = _call(coordinator, "POST", "/join", body, authority)
    return Membership.create(identity, authority, str(answer.get("member", "")).encode())


def _doors(coordinator: str, answer: dict[str, Any]) -> Doors:
    host = urlsplit(coordinator).hostname or ""
    return Doors(
        _at(str(answer["scheduler"]), host),
        _at(f"//{answer['peer']}", host).removeprefix("//"),
        str(answer["coordinator"]).encode(),
    )


def _at(address: str, host: str) -> str:
    """Return an address with the host under which the coordinator was reached.

    It may listen everywhere, and cannot know by which of its names this machine sees it.
    """
    parts = urlsplit(address)
    if parts.hostname and not _is_wildcard(parts.hostname):
        return address
    shown = f"[{host}]" if ":" in host else host
    return SplitResult(parts.scheme, f"{shown}:{parts.port}", "", "", "").geturl()


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _call(
    coordinator: str, method: str, path: str, body: dict[str, Any] | None, authority: bytes | None
) -> dict[str, Any]:
    parts = urlsplit(coordinator)
    assert parts.hostname is not None
    connection = _connection(parts, authority)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, _PREFIX + path, data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read(ANSWER_BYTES_MAX))
    except ssl.SSLError as error:
        raise NotAllowed(
            f"{coordinator} does not show the certificate of its cluster: {error.reason or error}",
            hint="check the address; join again with a new token",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(coordinator, error) from error
    except ValueError as error:
        raise ClusterError(f"{coordinator} is not a coordinator of vox", hint="check the address") from error
    finally:
        connection.close()
    if not isinstance(answer, dict):
        raise ClusterError(f"{coordinator} is not a coordinator of vox", hint="check the address")
    if response.status in (401, 403):
        raise NotAllowed(
            str(answer.get("message", "refused")),
            hint=str(answer.get("hint", "")),
            code=str(answer.get("code", NotAllowed.code)),
        )
    if response.status >= 400:
        raise ClusterError(f"{coordinator} answers {response.status}: {answer.get('message', '')}")
    return answer


def _connection(parts: SplitResult, authority: bytes | None) -> http.client.HTTPConnection:
    assert parts.hostname is not None
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Members of a cluster are recognised by its certificate; a host may have many names.
    context.check_hostname = False
    if authority is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=authority.decode())
    return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_S, context=context)


def _unreachable(coordinator: str, error: Exception) -> CoordinatorUnreachable:
    return CoordinatorUnreachable(
        f"nobody answers at {coordinator} ({error})",
        hint="is the coordinator started? `vox-coordinator start` prints the line to join with",
    )
