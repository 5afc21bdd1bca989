"""The whole of the coordinator: store, engine, cluster, shelf for peers, and the HTTP server in front."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from coordinator.api import create_app
from coordinator.api_context import Context
from coordinator.helper import Helper
from coordinator.parts import Parts, open_parts
from coordinator.settings import CoordinatorSettings, names_of, shown_host
from p2p.authority import ApiTokens
from p2p.files import write_file
from p2p.service import join_address
from vox import runfile
from vox.daemons import configure_logs
from vox.errors import AddressInUse, ClusterError, NotAllowed

log = logging.getLogger("vox.coordinator")

# Streams of events are cut after this long when the daemon stops; watchers come back elsewhere.
HTTP_CLOSE_S = 3.0
ENGINE_CLOSE_S = 30.0
HTTP_START_S = 30.0
BACKLOG = 512


class CoordinatorDaemon:
    """A coordinator's life.

    Parameters
    ----------
    on_ready
        Called once submissions are taken.
    """

    def __init__(self, settings: CoordinatorSettings, on_ready: Callable[[], None]) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._stop = threading.Event()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; running work ends first, within bounds.

        Raises
        ------
        AlreadyRunning, AddressInUse, StoreUnusable
            If it cannot start.
        """
        settings = self._settings
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        with runfile.held(settings.run_file, "a coordinator"), contextlib.ExitStack() as stack:
            configure_logs(settings.log_file, show=not settings.detached)
            # The port first: it is what goes wrong most, and fastest to tell.
            listener = stack.enter_context(_listening(settings.host, settings.http_port))
            parts = open_parts(settings, listener.getsockname()[1])
            stack.callback(parts.close)
            own_token(settings)
            server = stack.enter_context(self._serving(listener, parts))
            url = self._url(listener)
            runfile.write(settings.run_file, self._document(url, parts))
            if settings.with_worker:
                helper = Helper(url, parts.enrolment.tokens.mint(), settings)
                stack.callback(helper.close)
            log.info("ready at %s", url)
            if not settings.detached:
                self._on_ready()
            self._wait(server)
            log.info("stopping")
            parts.stop_accepting()
            _bounded(parts.engine.close, ENGINE_CLOSE_S, "executions")
        log.info("stopped")

    def _wait(self, server: _Server) -> None:
        while not self._stop.wait(0.5):
            if not server.is_alive():
                raise ClusterError("the HTTP server died", hint=f"see {self._settings.log_file}")

    @contextlib.contextmanager
    def _serving(self, listener: socket.socket, parts: Parts) -> Iterator[_Server]:
        settings = self._settings
        tokens = ApiTokens(settings.directory)

        def is_good(token: str) -> bool:
            try:
                return bool(tokens.verify(token))
            except NotAllowed:
                return False

        app = create_app(
            Context(
                engine=parts.engine,
                store=parts.store,
                neighbours=parts.presence.neighbours,
                enrolment=parts.enrolment,
                workers=lambda: parts.hands.workers,
                token=is_good,
                token_needed=settings.token_needed,
                hosts=names_of(settings.host),
                ready=lambda: parts.accepting,
            )
        )
        files = (parts.membership.certificate_file, parts.membership.key_file) if settings.tls else None
        server = _Server(app, listener, files)
        server.start()
        try:
            yield server
        finally:
            server.close()

    def _url(self, listener: socket.socket) -> str:
        scheme = "https" if self._settings.tls else "http"
        return f"{scheme}://{join_address(shown_host(self._settings.host), listener.getsockname()[1])}"

    def _document(self, url: str, parts: Parts) -> dict[str, Any]:
        settings = self._settings
        return {
            "schema": 1,
            "pid": os.getpid(),
            "url": url,
            "token_file": str(settings.api_token_file),
            "ca_file": str(parts.membership.ca_file) if settings.tls else "",
            "token_needed": settings.token_needed,
            "scheduler": parts.hands.address,
            "peer": parts.presence.address,
            "store": str(settings.store),
            "log": str(settings.log_file),
        }


class _Server:
    """uvicorn in a thread of its own, on a socket that is open already."""

    def __init__(self, app: Any, listener: socket.socket, files: tuple[Path, Path] | None) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ssl_certfile=None if files is None else str(files[0]),
            ssl_keyfile=None if files is None else str(files[1]),
            timeout_graceful_shutdown=int(HTTP_CLOSE_S),
            timeout_keep_alive=30,
            limit_concurrency=1000,
        )
        config.load()
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="vox-http", daemon=True
        )

    def start(self) -> None:
        """Serve; return once requests are answered."""
        self._thread.start()
        for _ in range(int(HTTP_START_S / 0.02)):
            if self._server.started or not self._thread.is_alive():
                break
            self._thread.join(0.02)
        if not self._server.started:
            raise ClusterError("the HTTP server does not start", hint="the log says more")

    def is_alive(self) -> bool:
        """Tell whether it still serves."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Answer what was asked, cut what streams, and end."""
        self._server.should_exit = True
        self._thread.join(2 * HTTP_CLOSE_S + 5.0)


def own_token(settings: CoordinatorSettings) -> str:
    """Return the token kept for this user's own commands, making it where there is none that works."""
    tokens, path = ApiTokens(settings.directory), settings.api_token_file
    with contextlib.suppress(OSError, NotAllowed):
        kept = path.read_text(encoding="utf-8").strip()
        tokens.verify(kept)
        return kept
    made = tokens.mint()
    write_file(path, made.encode())
    return made


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            raise _cannot_listen(error, host, port) from error
        yield listener
    finally:
        listener.close()


def _cannot_listen(error: OSError, host: str, port: int) -> ClusterError:
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"port {port} on {host} is held by another process",
            hint="choose another --http-port, or stop the process that holds it",
        )
    return ClusterError(f"cannot listen on {host}:{port}: {error.strerror}", hint="check --host")


def _bounded(action: Callable[[], None], timeout_s: float, what: str) -> None:
    """Do something that should end soon; go on without it when it does not."""
    thread = threading.Thread(target=action, name=f"vox-close-{what}", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        log.warning("%s did not end in %.0f s", what, timeout_s)
