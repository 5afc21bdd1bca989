"""The Dask door of the worker: what Dask calls, and how it is tamed.

Dask carries control only: a fragment's bytes in, a report's bytes out. Every connection is mutual TLS inside
the cluster's own authority, on loopback too, because whoever reaches a Dask port can run code there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock
from typing import Any, Protocol

import dask
from distributed import Security, Worker, WorkerPlugin, get_worker

from p2p.identity import Membership
from vox.fragment import Fragment, Report

log = logging.getLogger("vox.worker")

NAME = "vox-runner"
CANCEL = "vox_cancel"
LEAVING = "vox_leaving"
CONNECT_S = 20.0
GOODBYE_S = 3.0
# A cancel may overtake its fragment; this many are remembered, far more than a worker is ever sent ahead.
_CANCELLED_MAX = 4096

# Memory is bounded by the runner, values never enter Dask; what is off here only costs time or surprises.
DASK_SETTINGS: dict[str, Any] = {
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.no-workers-timeout": "10s",
    # Looked at every so often, so a machine that froze is given up after this long, or twice it.
    "distributed.scheduler.worker-ttl": "30s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.worker-saturation": "inf",
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.preload": [],
    "distributed.scheduler.preload": [],
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.low-level-log-length": 0,
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.timeouts.tcp": "30s",
    "distributed.comm.retry.count": 0,
}


class FragmentRunner(Protocol):
    """What runs fragments: worker.runner.Runner."""

    def run(self, fragment: Fragment, cancelled: Callable[[], bool]) -> Report:
        """Run a fragment; look at `cancelled` between two nodes."""


def configure_dask() -> None:
    """Set what both sides of the cluster rely on, whatever the user's Dask configuration says."""
    dask.config.set(DASK_SETTINGS)
    # Dask installs handlers of its own on import; its lines belong in the daemon's log with all others.
    for name in ("distributed", "distributed.client", "bokeh", "tornado", "tornado.application"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING if name != "distributed.client" else logging.ERROR)


def bracketed(host: str) -> str:
    """Return a host as Dask wants it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def security_of(membership: Membership) -> Security:
    """Return mutual TLS 1.3 for every part that a member of the cluster can play."""
    import ssl

    pair = (str(membership.certificate_file), str(membership.key_file))
    return Security(
        require_encryption=True,
        tls_ca_file=str(membership.ca_file),
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        **{f"tls_{part}_cert": pair[0] for part in ("scheduler", "worker", "client")},
        **{f"tls_{part}_key": pair[1] for part in ("scheduler", "worker", "client")},
    )


class QuietWorker(Worker):  # type: ignore[misc]
    """A Dask worker that opens its TLS port and nothing else."""

    def start_http_server(self, *args: Any, **kwargs: Any) -> None:
        """Open no HTTP server: Dask's is unauthenticated, and there even with `dashboard=False`."""
        self.http_server = None


class RunnerPlugin(WorkerPlugin):  # type: ignore[misc]
    """Ties a runner to a Dask worker: fragments in, reports out, cancels in between."""

    name = NAME

    def __init__(self, runner: FragmentRunner) -> None:
        self._runner = runner
        self._lock = Lock()
        self._running: dict[str, Event] = {}
        self._cancelled: deque[str] = deque(maxlen=_CANCELLED_MAX)
        self._draining = False

    def setup(self, worker: Any) -> None:
        """Take cancels from the coordinator."""
        worker.handlers[CANCEL] = self.cancel

    def teardown(self, worker: Any) -> None:
        """Stop fragments that nobody waits for any more; what they computed so far is kept."""
        self.drain()

    @property
    def running(self) -> int:
        """How many fragments are being run."""
        with self._lock:
            return len(self._running)

    def run(self, data: bytes) -> bytes:
        """Run a fragment; a cancelled one gives the report of the nodes that were done before."""
        fragment = Fragment.from_bytes(data)
        stop = Event()
        with self._lock:
            if self._draining or fragment.name in self._cancelled:
                return Report(fragment.name, ()).to_bytes()
            self._running[fragment.name] = stop
        try:
            return self._runner.run(fragment, stop.is_set).to_bytes()
        finally:
            with self._lock:
                del self._running[fragment.name]

    def cancel(self, fragment: str) -> bool:
        """Stop a fragment between two nodes; False when it is not running here (it will not start either)."""
        with self._lock:
            stop = self._running.get(fragment)
            if stop is None:
                self._cancelled.append(fragment)
                return False
        stop.set()
        return True

    def drain(self) -> None:
        """Stop every fragment between two nodes and start no other."""
        with self._lock:
            self._draining = True
            stops = list(self._running.values())
        for stop in stops:
            stop.set()


def create_worker(
    scheduler: str,
    membership: Membership,
    plugin: RunnerPlugin,
    *,
    name: str,
    host: str,
    threads: int,
    peer: str,
    scratch: Path,
) -> Any:
    """Return a Dask worker that is about to connect; `await` it, in a running loop.

    `peer` is the address of the machine's peer service, which the coordinator learns from here.
    """
    return QuietWorker(
        scheduler,
        name=name,
        host=bracketed(host),
        nthreads=threads,
        security=security_of(membership),
        plugins=(plugin,),
        startup_information={"vox": lambda _: {"peer": peer}},
        memory_limit=0,
        local_directory=str(scratch),
        death_timeout=CONNECT_S,
    )


async def say_goodbye(worker: Any) -> None:
    """Ask the coordinator to send this worker nothing more; silent when nobody is there to be asked."""
    with contextlib.suppress(OSError, TimeoutError, AttributeError):
        await asyncio.wait_for(getattr(worker.scheduler, LEAVING)(address=worker.address), GOODBYE_S)


async def drained(worker: Any, plugin: RunnerPlugin, timeout_s: float) -> bool:
    """Stop fragments between two nodes and wait until their reports were taken; False when time is up."""
    plugin.drain()
    deadline = time.monotonic() + timeout_s
    # A report is taken from the worker by its reader; Dask forgets it here once that has happened.
    while plugin.running or worker.state.tasks:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def run_fragment(data: bytes) -> bytes:
    """Run a fragment on the worker that Dask calls this on: the one function that Dask knows of."""
    plugin: RunnerPlugin = get_worker().plugins[NAME]
    try:
        return plugin.run(data)
    except Exception as error:
        # Dask would pickle it; the coordinator needs only a sentence, the log needs the rest.
        log.exception("a fragment broke the runner")
        raise RuntimeError(f"{type(error).__name__}: {error}") from None
