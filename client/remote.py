"""A coordinator somewhere else, spoken to over HTTP with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from client.problems import ToldError
from client.results import result_from_json
from vox.digest import Digest
from vox.errors import CoordinatorUnreachable, SettingsError, TrustError, UsageError, VoxError
from vox.events import Event, ExecutionFinished, from_json
from vox.submitted import Submitted

if TYPE_CHECKING:
    from client.request import Request
    from coordinator.contract import DynamicExecutionConfig, ExecutionResult, GoalResult
    from vox.plan import Plan

Buffer = bytes | memoryview
API = "/api/v1"
_CONNECT_S, _ANSWER_S = 5.0, 60.0
# The server sends a comment at least this often while nothing happens; half a minute more is a dead line.
_EVENT_S = 60.0
_RETRIES, _RETRY_FIRST_S, _RETRY_LAST_S = 8, 0.2, 5.0
_DIGESTS_PER_CALL = 5_000
_PIECE_BYTES = 1 << 20
_DROPPED = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Address:
    """Where a coordinator is, and what opens its door."""

    url: str
    token: str = ""
    ca_file: str = ""


class RemoteEngine:
    """The engine behind an address.

    Raises
    ------
    CoordinatorUnreachable
        From every method, when nobody answers.
    ToldError
        When the coordinator answers with an error.
    """

    def __init__(self, address: Address) -> None:
        parts = urlsplit(address.url if "//" in address.url else f"http://{address.url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"{address.url!r} is not the address of a coordinator", hint="write http://HOST:PORT"
            )
        if address.ca_file and not os.path.isfile(address.ca_file):
            raise SettingsError(
                f"there is no certificate at {address.ca_file}",
                key="http.ca_file",
                hint="check VOX_HTTP_CA_FILE",
            )
        self.address = address
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._secure, self._host = parts.scheme == "https", parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._headers = {"Accept": "application/json", "User-Agent": "vox"}
        if address.token:
            self._headers["Authorization"] = f"Bearer {address.token}"
        self._kept: http.client.HTTPConnection | None = None

    def answers(self, timeout_s: float = 2.0) -> bool:
        """Tell whether a coordinator answers there."""
        try:
            connection = self._connect(timeout_s)
            try:
                connection.request("GET", "/healthz", headers=self._headers)
                return connection.getresponse().status == 200
            finally:
                connection.close()
        except _DROPPED:
            return False

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are not there."""
        ordered, absent = list(digests), set[Digest]()
        for start in range(0, len(ordered), _DIGESTS_PER_CALL):
            names = [str(digest) for digest in ordered[start : start + _DIGESTS_PER_CALL]]
            answer = self.call("POST", "/blobs/missing", {"digests": names})
            absent |= {Digest.parse(name) for name in answer["missing"]}
        return absent

    def put(self, digest: Digest, parts: Sequence[Buffer]) -> None:
        """Send a blob."""
        size = sum(len(part) for part in parts)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._exchange("PUT", f"/blobs/{digest}", headers, lambda: _pieces(parts))

    def read(self, digest: Digest) -> Buffer:
        """Return a blob, verified."""
        data = self._exchange("GET", f"/blobs/{digest}", {})
        if Digest.of(data) != digest:
            raise CoordinatorUnreachable(f"{self.url} sent damaged bytes for {digest}", hint="try again")
        return data

    def submit(self, request: Request, config: DynamicExecutionConfig) -> str:
        """Submit a program whose inputs are there; return the execution's name."""
        answer = self.call("POST", "/executions", request.to_json(asdict(config)))
        return str(answer["execution"])

    def rerun(self, execution: str, config: DynamicExecutionConfig) -> str:
        """Run an execution's plan again; return the new one's name."""
        answer = self.call("POST", f"/executions/{quote(execution, safe='')}/rerun", asdict(config))
        return str(answer["execution"])

    def plan_of(self, execution: str) -> Plan:
        """Return an execution's plan."""
        from vox.imgql.export import from_json as plan_from_json

        document = self.call("GET", f"/executions/{quote(execution, safe='')}/plan")
        try:
            return plan_from_json(document)
        except ValueError as error:
            raise _stranger(str(error)) from error

    def submitted(self, execution: str) -> Submitted | None:
        """Return what an execution was submitted with; None when that is not kept."""
        try:
            return Submitted.from_json(self.call("GET", f"/executions/{quote(execution, safe='')}/submitted"))
        except ValueError as error:
            raise _stranger(str(error)) from error
        except ToldError as error:
            if error.code == "E0105":
                return None
            raise

    def provenance(self, execution: str, goal: GoalResult) -> dict[str, Any]:
        """Return the signed chain of steps that led to a goal."""
        name, label = quote(execution, safe=""), quote(goal.label)
        return self.call("GET", f"/executions/{name}/provenance/{label}?node={goal.node}")

    def plan(self, request: Request, config: DynamicExecutionConfig) -> dict[str, Any]:
        """Return what a submission would do."""
        return self.call("POST", "/plan", request.to_json(asdict(config)))

    def events(self, execution: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Yield numbered events up to the end; a broken line is taken up where it broke."""
        failures = 0
        while True:
            try:
                for number, event in self._stream(execution, after):
                    after, failures = number, 0
                    yield number, event
                    if isinstance(event, ExecutionFinished):
                        return
            except _DROPPED as error:
                self._give_up_or_wait(failures, error)
                failures += 1
            else:
                # The stream ended without an end: the server stopped, or a proxy cut it.
                self._give_up_or_wait(failures, None)
                failures += 1

    def wait(self, execution: str) -> ExecutionResult:
        """Return the end of an execution, waiting for it."""
        while True:
            result = result_from_json(self.show(execution))
            if result.state.final:
                return result
            for _ in self.events(execution):
                pass

    def show(self, execution: str) -> dict[str, Any]:
        """Return an execution as JSON."""
        return self.call("GET", f"/executions/{quote(execution, safe='')}")

    def timeline(self, execution: str) -> dict[str, Any]:
        """Return what ran where and when, in the form of Chrome's trace viewer."""
        return self.call("GET", f"/executions/{quote(execution, safe='')}/timeline")

    def executions(self) -> list[dict[str, Any]]:
        """Return every execution, newest first."""
        answer = self.call("GET", "/executions")
        return cast("list[dict[str, Any]]", answer["executions"])

    def cancel(self, execution: str) -> bool:
        """Ask for the end."""
        return bool(self.call("DELETE", f"/executions/{quote(execution, safe='')}").get("cancelled", True))

    def node(self, name: str) -> dict[str, Any]:
        """Return what is known of a node's result."""
        return self.call("GET", f"/nodes/{quote(name, safe='')}")

    def close(self) -> None:
        """Hang up. What was submitted goes on."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make one call with JSON on both sides."""
        headers, content = {}, b""
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        raw = self._exchange(method, path, headers, (lambda: [content]) if content else None)
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise _stranger("the answer is not understood")
        return answer

    def _connect(self, timeout_s: float = _CONNECT_S) -> http.client.HTTPConnection:
        if self._secure:
            trust = ssl.create_default_context(cafile=self.address.ca_file or None)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=trust
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: Any | None = None) -> bytes:
        """Send and receive; a line that was dropped while idle is dialled once more.

        Every call may be made twice: blobs are named by content, and a plan submitted twice computes once.
        """
        for attempt in (1, 2):
            try:
                if self._kept is None:
                    self._kept = self._connect()
                    self._kept.sock.settimeout(_ANSWER_S)
                content: Iterable[bytes] | None = body() if body else None
                self._kept.request(method, API + path, content, {**self._headers, **headers})
                response = self._kept.getresponse()
                data = response.read()
                break
            except _DROPPED as error:
                self.close()
                if attempt == 2 or isinstance(error, ssl.SSLCertVerificationError | ConnectionRefusedError):
                    raise self._unreachable(error) from error
        if response.status >= 400:
            raise _told(data, response.status)
        return data

    def _stream(self, execution: str, after: int) -> Iterator[tuple[int, Event]]:
        connection = self._connect()
        try:
            connection.sock.settimeout(_EVENT_S)
            headers = {**self._headers, "Accept": "text/event-stream", "Last-Event-ID": str(after)}
            connection.request("GET", f"{API}/executions/{quote(execution, safe='')}/events", headers=headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise _told(response.read(), response.status)
            yield from parse_events(response)
        finally:
            connection.close()

    def _give_up_or_wait(self, failures: int, error: Exception | None) -> None:
        if failures >= _RETRIES:
            raise self._unreachable(error) from error
        time.sleep(min(_RETRY_LAST_S, _RETRY_FIRST_S * 2**failures))

    def _unreachable(self, error: Exception | None) -> VoxError:
        reason = "the connection was closed"
        if isinstance(error, ssl.SSLCertVerificationError):
            return TrustError(
                f"the certificate of {self.url} is not trusted here: {error.verify_message}",
                hint="name the cluster's ca.pem, which `vox-coordinator start` prints: VOX_HTTP_CA_FILE=FILE",
                code="E0620",
            )
        if isinstance(error, OSError):
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        elif error is not None:
            reason = str(error) or type(error).__name__
        return CoordinatorUnreachable(
            f"no coordinator answers at {self.url}: {reason}",
            hint="start one with `vox-coordinator start`, or leave --coordinator out to compute here",
        )


def parse_events(lines: Iterable[bytes]) -> Iterator[tuple[int, Event]]:
    """Read server-sent events; comments and kinds that this version does not know are passed over."""
    number, data = 0, list[str]()
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.startswith("id:"):
            text = line[3:].strip()
            number = int(text) if text.isdigit() else number
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            event = _event("\n".join(data))
            data = []
            if event is not None:
                yield number, event


def _event(text: str) -> Event | None:
    try:
        return from_json(json.loads(text))
    except (KeyError, TypeError, ValueError):
        return None


def _pieces(parts: Sequence[Buffer]) -> Iterator[bytes]:
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), _PIECE_BYTES):
            yield bytes(view[start : start + _PIECE_BYTES])


def _told(data: bytes, status: int) -> VoxError:
    try:
        document = json.loads(data)
    except ValueError:
        document = {}
    if not isinstance(document, dict) or not isinstance(document.get("code"), str):
        return _stranger(f"it answered with status {status}")
    return ToldError(document, status)


def _stranger(reason: str) -> CoordinatorUnreachable:
    return CoordinatorUnreachable(
        f"what answers there is no coordinator of vox: {reason}", hint="check the address and the port"
    )
