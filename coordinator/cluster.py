"""The Dask door of the coordinator: the cluster's workers as `Hands`.

The scheduler lives in a thread of its own. It carries one Dask task per fragment, pinned to the worker that
the coordinator chose; what to run, where, and again after a loss is decided above, never by Dask.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, TypeVar

from distributed import Client, Scheduler
from distributed.diagnostics.plugin import SchedulerPlugin

from coordinator.contract import HandsListener, WorkerInfo
from p2p.identity import Membership
from vox.errors import AddressInUse, ClusterError, VoxError
from vox.fragment import Fragment, Report
from worker.plugin import CANCEL, LEAVING, bracketed, configure_dask, run_fragment, security_of

log = logging.getLogger("vox.coordinator")

_T = TypeVar("_T")
# Opening a port and a TLS connection to oneself takes well under a second; a busy machine gets more.
START_S = 60.0
CLOSE_S = 15.0
CANCEL_S = 5.0


class QuietScheduler(Scheduler):  # type: ignore[misc]
    """A Dask scheduler that opens its TLS port and nothing else."""

    def start_http_server(self, *args: Any, **kwargs: Any) -> None:
        """Open no HTTP server: Dask's is unauthenticated, and there even with `dashboard=False`."""
        self.http_server = None


@dataclass
class _Hand:
    """A worker: its Dask address, and the fragments sent to it that have not come back."""

    info: WorkerInfo
    address: str
    leaving: bool = False
    held: dict[str, asyncio.Task[None] | None] = field(default_factory=dict)


class _Watcher(SchedulerPlugin):  # type: ignore[misc]
    """Tells of workers that come and go; runs in the scheduler's loop."""

    name = "vox-watcher"

    def __init__(self, joined: Callable[[Any], None], left: Callable[[str], None]) -> None:
        self._joined, self._left = joined, left

    def add_worker(self, scheduler: Any, worker: str) -> None:
        """Tell of a worker that came."""
        self._joined(scheduler.workers[worker])

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        """Tell of a worker that went, in whatever way."""
        self._left(worker)


class DaskHands:
    """The workers that joined this cluster, through Dask.

    Parameters
    ----------
    host, port
        Where the scheduler listens; port 0 takes a free one.
    membership
        The coordinator's place in its own cluster.

    Raises
    ------
    AddressInUse
        If another process holds the port.
    """

    def __init__(self, host: str, port: int, membership: Membership) -> None:
        configure_dask()
        self._security = security_of(membership)
        self._listener: HandsListener | None = None
        self._hands: dict[str, _Hand] = {}
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="vox-dask", daemon=True)
        self._thread.start()
        try:
            self._call(self._open(host, port), START_S)
        except BaseException:
            self._stop_loop()
            raise

    @property
    def address(self) -> str:
        """Where workers connect: `tls://host:port`."""
        return str(self._scheduler.address)

    @property
    def workers(self) -> list[WorkerInfo]:
        """Who is here now."""
        return [hand.info for hand in list(self._hands.values())]

    def connect(self, listener: HandsListener) -> None:
        """Name the listener, who is told at once of the workers that are there."""

        def tell() -> None:
            self._listener = listener
            for hand in self._hands.values():
                listener.worker_joined(hand.info)

        self._in_loop(tell)

    def start(self, fragment: Fragment, worker: str) -> None:
        """Send a fragment to a worker; returns at once."""
        name, data = fragment.name, fragment.to_bytes()
        self._in_loop(lambda: self._start(name, data, worker))

    def cancel(self, fragment: str) -> None:
        """Stop a queued fragment at once and a running one between two nodes; a report still comes."""
        self._in_loop(lambda: self._spawn(self._cancel(fragment)))

    def close(self) -> None:
        """Let the workers go; running kernels end first, for `CLOSE_S` at most."""
        if self._closing:
            return
        self._closing = True
        try:
            self._call(self._shut(), 2 * CLOSE_S)
        except TimeoutError:
            log.warning("the Dask scheduler did not close in %.0f s", 2 * CLOSE_S)
        finally:
            self._stop_loop()

    # -- everything below runs in the loop's thread

    async def _open(self, host: str, port: int) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduler = QuietScheduler(
            host=bracketed(host),
            port=port,
            protocol="tls",
            dashboard=False,
            security=self._security,
            plugins=[_Watcher(self._joined, self._left)],
        )
        self._scheduler.handlers[LEAVING] = self._on_leaving
        try:
            await self._scheduler
            self._client = await Client(
                self._scheduler.address, security=self._security, asynchronous=True, set_as_default=False
            )
        except (OSError, RuntimeError) as error:
            raise _opening_error(error, host, port) from error

    async def _shut(self) -> None:
        running = [task for hand in self._hands.values() for task in hand.held.values() if task is not None]
        for hand in self._hands.values():
            hand.leaving = True
            for name in hand.held:
                self._spawn(self._cancel(name))
        if running:
            await asyncio.wait(running, timeout=CLOSE_S)
        self._listener = None
        for task in running:
            task.cancel()
        await self._client.close(timeout=2)
        await self._scheduler.close(reason="coordinator-stops")

    def _joined(self, state: Any) -> None:
        extra = (state.extra or {}).get("vox") or {}
        info = WorkerInfo(str(state.name), int(state.nthreads), str(extra.get("peer", "")))
        self._hands[info.name] = _Hand(info, state.address)
        log.info("worker %s joined with %d threads", info.name, info.slots)
        if self._listener is not None:
            self._listener.worker_joined(info)

    def _left(self, address: str) -> None:
        name = next((name for name, hand in self._hands.items() if hand.address == address), None)
        if name is None:
            return
        hand = self._hands.pop(name)
        for task in hand.held.values():
            if task is not None:
                task.cancel()
        log.info("worker %s left, holding %d fragments", name, len(hand.held))
        if self._listener is not None:
            self._listener.worker_left(name)

    def _on_leaving(self, address: str) -> None:
        """Send a worker that says goodbye nothing more; what it still runs may be reported."""
        hand = next((hand for hand in self._hands.values() if hand.address == address), None)
        if hand is not None:
            hand.leaving = True
            self._let_go(hand)

    def _let_go(self, hand: _Hand) -> None:
        """Count a leaving worker out once nothing runs on it: nobody has to wait for its last breath."""
        if hand.leaving and not self._closing and not any(hand.held.values()):
            self._left(hand.address)

    def _start(self, name: str, data: bytes, worker: str) -> None:
        hand = self._hands.get(worker)
        if hand is None:
            # It left a moment ago; the listener was told, or is about to be.
            self._failed(name, worker, f"worker {worker} is not here")
        elif hand.leaving:
            hand.held[name] = None  # gone with the worker
        else:
            hand.held[name] = self._spawn(self._follow(name, data, hand))

    async def _follow(self, name: str, data: bytes, hand: _Hand) -> None:
        future = self._client.submit(
            run_fragment,
            data,
            key=name,
            workers=[hand.address],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        try:
            report = Report.from_bytes(await future)
        except asyncio.CancelledError:
            if hand.held.pop(name, None) is not None and self._hands.get(hand.info.name) is hand:
                # Dask let go of it although the worker is there and nobody here asked for that.
                self._failed(name, hand.info.name, "the fragment was dropped")
            return
        except Exception as error:
            # Only what broke on the way or in the runner comes here; a node's error is an outcome.
            if hand.held.pop(name, None) is not None and self._hands.get(hand.info.name) is hand:
                self._failed(name, hand.info.name, f"{type(error).__name__}: {error}")
            return
        finally:
            # Dask forgets results that nobody holds: durable is what the stores keep.
            future.release()
        if hand.held.pop(name, None) is not None:
            self._reported(report, hand.info.name)
            self._let_go(hand)

    async def _cancel(self, fragment: str) -> None:
        hand = next((hand for hand in self._hands.values() if fragment in hand.held), None)
        if hand is None:
            return
        try:
            running = await asyncio.wait_for(
                getattr(self._scheduler.rpc(hand.address), CANCEL)(fragment=fragment), CANCEL_S
            )
        except (OSError, TimeoutError) as error:
            log.warning("worker %s does not take a cancel: %s", hand.info.name, error)
            return
        if not running and fragment in hand.held:
            task = hand.held.pop(fragment)
            if task is not None:
                task.cancel()
            self._reported(Report(fragment, ()), hand.info.name)
            self._let_go(hand)

    def _reported(self, report: Report, worker: str) -> None:
        if self._listener is not None:
            self._listener.fragment_reported(report, worker)

    def _failed(self, fragment: str, worker: str, message: str) -> None:
        log.warning("fragment %s failed on %s: %s", fragment, worker, message)
        if self._listener is not None:
            self._listener.fragment_failed(fragment, worker, message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- from any thread

    def _in_loop(self, action: Callable[[], object]) -> None:
        if self._loop.is_closed():
            raise ClusterError("the coordinator has stopped")
        self._loop.call_soon_threadsafe(action)

    def _call(self, work: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
        future: Future[_T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(timeout_s)

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()


def _opening_error(error: BaseException, host: str, port: int) -> VoxError:
    """Say what keeps the scheduler from listening; Dask wraps the system's error several times."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
            return AddressInUse(
                f"port {port} on {host} is held by another process",
                hint="choose another --port, or stop the process that holds it",
            )
        cause = cause.__cause__ or cause.__context__
    return ClusterError(f"cannot listen on {host}:{port}: {error}", hint="check --host and --port")
