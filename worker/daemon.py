"""The whole of a worker: its store, its shelf for others, its runner, and the cluster it works for.

A worker outlives its coordinator: when that goes, the worker keeps serving its shelf, and joins again when
the coordinator is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from p2p.authority import parse_token
from p2p.identity import Identity, Membership
from vox import runfile
from vox.daemons import configure_logs
from vox.errors import ClusterError, CoordinatorUnreachable, NotAllowed, VoxError
from worker import enrolment
from worker.parts import Parts, open_parts
from worker.settings import WorkerSettings

log = logging.getLogger("vox.worker")

# What a kernel that runs when the worker is told to leave may still take.
DRAIN_S = 20.0
CLOSE_S = 10.0
RETRY_FIRST_S = 0.2
RETRY_MAX_S = 10.0


class NameTaken(ClusterError):
    """Another worker of the cluster has this one's name."""

    code = "E0807"
    exit_status = 2


class WorkerDaemon:
    """A worker's life, from joining to leaving.

    Parameters
    ----------
    find
        Looks for a coordinator when none is named, given the first digits of its cluster's fingerprint;
        returns its URL or raises.
    """

    def __init__(self, settings: WorkerSettings, find: Callable[[str], str]) -> None:
        self._settings = settings
        self._find = find
        self._joined_once = False

    def run(self) -> None:
        """Join, work, and leave when told to by SIGTERM or SIGINT.

        Raises
        ------
        CoordinatorUnreachable, NotAllowed
            If the first joining fails; later the worker tries until it succeeds.
        """
        settings = self._settings
        with runfile.held(settings.run_file, f"a worker called {settings.name}"):
            configure_logs(settings.log_file)
            identity = Identity.load_or_create(settings.directory / "identity")
            coordinator, membership = self._become_member(identity)
            host = settings.host or enrolment.own_address(coordinator)
            with contextlib.closing(open_parts(settings, identity, membership, host)) as parts:
                self._write_run_file(coordinator, parts)
                threading.Thread(target=warm_kernels, name="vox-warm", daemon=True).start()
                asyncio.run(self._serve(coordinator, membership, parts, host))
        log.info("left")

    def _become_member(self, identity: Identity) -> tuple[str, Membership]:
        """Return the coordinator and the place in its cluster, enrolling where that is needed."""
        token = self._settings.token
        membership = Membership.load(identity.directory)
        wanted = parse_token(token) if token else None
        if membership is not None and wanted is not None and not wanted.recognises(membership.cluster):
            membership = None  # told to go elsewhere
        cluster = wanted.fingerprint if wanted is not None else membership.cluster if membership else ""
        coordinator = self._settings.coordinator or self._remembered(membership) or self._find(cluster)
        if wanted is None and membership is None:
            raise NotAllowed(
                "this machine is not a member of that cluster yet",
                hint="join with --token; `vox-coordinator token --join` prints one",
                code="E0615",
            )
        if wanted is not None:
            membership = self._enrol(coordinator, identity, membership)
        assert membership is not None
        return coordinator, membership

    def _enrol(self, coordinator: str, identity: Identity, membership: Membership | None) -> Membership:
        """Get a certificate; a member whose token was used already keeps the one it has."""
        try:
            made = enrolment.enrol(coordinator, self._settings.token, identity, self._settings.name)
        except (NotAllowed, CoordinatorUnreachable) as error:
            if membership is None:
                raise
            log.info("not enrolled again (%s): this machine is a member", error.message)
            return membership
        log.info("enrolled in cluster %s", made.cluster[:12])
        return made

    def _remembered(self, membership: Membership | None) -> str:
        if membership is None or not self._address_file.is_file():
            return ""
        return self._address_file.read_text(encoding="utf-8").strip()

    @property
    def _address_file(self) -> Path:
        return self._settings.directory / "coordinator"

    def _write_run_file(self, coordinator: str, parts: Parts) -> None:
        self._address_file.write_text(coordinator + "\n", encoding="utf-8")
        document = {
            "schema": 1,
            "pid": os.getpid(),
            "name": self._settings.name,
            "coordinator": coordinator,
            "peer": parts.address,
            "store": str(self._settings.store),
            "threads": self._settings.threads,
        }
        runfile.write(self._settings.run_file, document)

    async def _serve(self, coordinator: str, membership: Membership, parts: Parts, host: str) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        parent = asyncio.create_task(_outlived(self._settings.parent, stop))
        delay = RETRY_FIRST_S
        while not stop.is_set():
            began = time.monotonic()
            try:
                doors = await asyncio.to_thread(enrolment.doors, coordinator, membership)
                await self._work(doors, membership, parts, host, stop)
            except (CoordinatorUnreachable, ClusterError) as error:
                if not self._joined_once and not isinstance(error, CoordinatorUnreachable):
                    raise
                log.warning("%s; trying again", error.message)
            except NotAllowed as error:
                if not self._joined_once:
                    raise
                log.warning("%s; trying again", error.message)
            if time.monotonic() - began > RETRY_MAX_S:
                delay = RETRY_FIRST_S
            with contextlib.suppress(TimeoutError):
                # Workers of one cluster should not all come back in the same instant.
                await asyncio.wait_for(stop.wait(), delay * random.uniform(0.5, 1.5))
            delay = min(2 * delay, RETRY_MAX_S)
        parent.cancel()

    async def _work(
        self,
        doors: enrolment.Doors,
        membership: Membership,
        parts: Parts,
        host: str,
        stop: asyncio.Event,
    ) -> None:
        """Be one of the cluster's workers until the coordinator goes or this worker is told to leave."""
        from worker import plugin

        plugin.configure_dask()
        parts.presence.neighbours.introduce(doors.coordinator, (doors.peer,), "coordinator")
        hand = plugin.RunnerPlugin(parts.runner)
        with tempfile.TemporaryDirectory(prefix="dask-", dir=self._settings.directory) as scratch:
            worker = plugin.create_worker(
                doors.scheduler,
                membership,
                hand,
                name=self._settings.name,
                host=host,
                threads=self._settings.threads,
                peer=parts.address,
                scratch=Path(scratch),
            )
            connecting = asyncio.ensure_future(worker.start())
            await _first(connecting, stop.wait())
            if not connecting.done() or connecting.cancelled():
                await _closed(worker)
                return  # told to leave before it was in
            with _translated(doors.scheduler):
                connecting.result()
            self._joined_once = True
            log.info("joined as %s: %d threads, store %s", worker.name, worker.state.nthreads, parts.path)
            await _first(worker.finished(), stop.wait())
            if stop.is_set():
                log.info("leaving")
                await plugin.say_goodbye(worker)
                if not await plugin.drained(worker, hand, DRAIN_S):
                    log.warning("a kernel still runs after %.0f s; it is left behind", DRAIN_S)
            else:
                log.warning("the coordinator is gone")
            await _closed(worker)


def warm_kernels() -> None:
    """Compile what has to be compiled before somebody waits for it."""
    from vox import kernels

    began = time.monotonic()
    try:
        kernels.warm()
    except Exception:
        log.exception("kernels could not be compiled ahead")
        return
    log.info("kernels are ready, after %.1f s", time.monotonic() - began)


@contextlib.contextmanager
def _translated(scheduler: str) -> Iterator[None]:
    """Say what Dask says when a worker cannot connect."""
    try:
        yield
    except VoxError:
        raise
    except (OSError, TimeoutError) as error:
        raise CoordinatorUnreachable(
            f"the coordinator's scheduler does not answer at {scheduler}", hint="see the log"
        ) from error
    except Exception as error:
        text = " ".join(str(part) for part in (error, error.__cause__) if part)
        if "name taken" in text:
            raise NameTaken(
                "the cluster has a worker of this name", hint="choose another with --name"
            ) from error
        log.warning("Dask could not connect", exc_info=error)
        raise CoordinatorUnreachable(
            f"the coordinator's scheduler at {scheduler} does not let this worker in",
            hint="the log says more; both must run the same versions",
        ) from error


async def _outlived(parent: int, stop: asyncio.Event) -> None:
    """Tell a worker that was started by another process when that one is gone, however it went."""
    while parent and os.getppid() == parent:
        await asyncio.sleep(1.0)
    if parent:
        stop.set()


async def _closed(worker: Any) -> None:
    # Whatever a library says while it lets go, the worker is leaving.
    with contextlib.suppress(Exception):
        await asyncio.wait_for(worker.close(timeout=2, executor_wait=False), CLOSE_S)


async def _first(*waiting: Any) -> None:
    tasks = [asyncio.ensure_future(each) for each in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLOSE_S)
