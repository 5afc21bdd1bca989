"""The engine in this process: the same coordinator, scheduler and runner, on a pool of threads.

No socket, no port, no Dask. Nothing of numpy, numba or cryptography is imported before something has to be
computed: a submission whose results are all in the store is answered by look-ups.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from coordinator.contract import DynamicExecutionConfig, HandsListener, WorkerInfo
from coordinator.executions import Executions
from coordinator.ledger import Ledger
from vox.errors import StoreError, VoxError
from vox.fragment import Fragment, Report
from vox.operators.catalogue import CATALOGUE
from vox.operators.registry import Registry
from vox.plan import Plan
from vox.settings import Settings, state_dir
from vox.store.contract import Store

NAME = "embedded"
log = logging.getLogger("vox.embedded")


class _FragmentRunner(Protocol):
    def run(self, fragment: Fragment, cancelled: Callable[[], bool]) -> Report: ...


class ThreadHands:
    """`coordinator.contract.Hands` made of threads of this process, which look like one worker.

    Parameters
    ----------
    make_runner
        Called when the first fragment starts.
    slots
        Fragments at a time.
    """

    def __init__(self, make_runner: Callable[[], _FragmentRunner], slots: int) -> None:
        self._make_runner = make_runner
        self._slots = slots
        self._lock = threading.Lock()
        self._runner: _FragmentRunner | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._listener: HandsListener | None = None
        self._held: dict[str, tuple[Future[None], threading.Event]] = {}

    def connect(self, listener: HandsListener) -> None:
        """Name the listener, who is told at once of the one worker."""
        self._listener = listener
        listener.worker_joined(WorkerInfo(NAME, self._slots))

    def start(self, fragment: Fragment, worker: str) -> None:
        """Queue a fragment; returns at once."""
        assert worker == NAME
        stop = threading.Event()
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._slots, thread_name_prefix="vox-worker")
            self._held[fragment.name] = (self._pool.submit(self._run, fragment, stop), stop)

    def cancel(self, fragment: str) -> None:
        """Stop a queued fragment at once and a running one between two nodes; a report still comes."""
        with self._lock:
            held = self._held.get(fragment)
        if held is None:
            return
        future, stop = held
        stop.set()
        if future.cancel():
            self._report(Report(fragment, ()))

    def close(self) -> None:
        """Stop between two nodes; wait for kernels that run."""
        with self._lock:
            held, pool = list(self._held.values()), self._pool
        for _, stop in held:
            stop.set()
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, fragment: Fragment, stop: threading.Event) -> None:
        assert self._listener is not None
        try:
            report = self._the_runner().run(fragment, stop.is_set)
        except VoxError as error:
            self._forget(fragment.name)
            self._listener.fragment_failed(fragment.name, NAME, error.message)
        except Exception as error:
            log.exception("a fragment broke")
            self._forget(fragment.name)
            said = f"internal error: {type(error).__name__}: {error}"
            self._listener.fragment_failed(fragment.name, NAME, said)
        else:
            self._report(report)

    def _report(self, report: Report) -> None:
        assert self._listener is not None
        self._forget(report.fragment)
        self._listener.fragment_reported(report, NAME)

    def _forget(self, fragment: str) -> None:
        with self._lock:
            self._held.pop(fragment, None)

    def _the_runner(self) -> _FragmentRunner:
        with self._lock:
            if self._runner is None:
                self._runner = self._make_runner()
            return self._runner


class EmbeddedEngine(Executions):
    """An `ExecutionCoordinator` on threads of this process. It owns its store and ledger.

    Parameters
    ----------
    store
        Where everything is kept.
    threads
        Fragments at a time, and threads that kernels share; 0 means one for each processor.
    identity_path
        Folder of the machine's keys, made when something is computed for the first time.
    """

    def __init__(
        self,
        store: Store,
        *,
        threads: int = 0,
        identity_path: Path | None = None,
        ledger: Ledger | None = None,
        catalogue: Registry = CATALOGUE,
        cache_bytes: int = 512 * 10**6,
    ) -> None:
        folder = identity_path or state_dir() / "identity"

        def make_runner() -> _FragmentRunner:
            from p2p.identity import Identity
            from worker.runner import Runner

            signer = Identity.load_or_create(folder).signer
            return Runner(store, signer, catalogue=catalogue, threads=count, cache_bytes=cache_bytes)

        count = threads or _cores()
        self._owned_ledger = ledger
        self._begun: dict[str, int] = {}
        # Several processes may write to one ledger; what another of them began is not ours to go on with.
        super().__init__(
            store, ThreadHands(make_runner, count), ledger=ledger, resume=False, catalogue=catalogue
        )

    def submit(self, plan: Plan, config: DynamicExecutionConfig) -> str:
        """Begin an execution; `vox store rollback EXECUTION` takes back what it will have computed."""
        self._mark()
        # Not every kind of store can go back.
        store: Any = self.store if hasattr(self.store, "position") and config.writes else None
        position = store.position() if store else 0
        execution = super().submit(plan, config)
        if store:
            self._begun[execution] = position
        return execution

    def _mark(self) -> None:
        """Write down where executions began that computed something; the others must not cost a write."""
        begun, self._begun = self._begun, {}
        store: Any = self.store
        for execution, position in begun.items():
            with suppress(StoreError):
                if store.position() > position:
                    store.mark(execution, position)

    def close(self) -> None:
        """Let running kernels end, then close ledger and store."""
        super().close()
        self._mark()
        if self._owned_ledger is not None:
            self._owned_ledger.close()
        self.store.close()

    def __enter__(self) -> EmbeddedEngine:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


def embedded(
    store_path: Path | None, settings: Settings | None = None, *, ledger_path: Path | None = None
) -> EmbeddedEngine:
    """Return an engine over the store in the folder `store_path`; None keeps everything in memory."""
    settings = settings or Settings()
    from vox.store import open_store
    from vox.store.backends import options_of

    backend = "memory" if store_path is None else settings.store.backend
    store = open_store(backend, store_path, options_of(settings.store))
    return EmbeddedEngine(
        store,
        threads=settings.engine.threads,
        ledger=None if ledger_path is None else Ledger(ledger_path),
        cache_bytes=settings.store.cache_bytes,
    )


def _cores() -> int:
    from vox.kernels import parallel

    return parallel.cores()
