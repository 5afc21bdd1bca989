"""The worker's settings: flags over `vox.settings`."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path

from vox.errors import UsageError
from vox.settings import Settings, StoreSettings, parse_size, state_dir, store_path

NAME_MAX = 64


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker.

    Attributes
    ----------
    name
        How people see it; unique in its cluster.
    directory
        Its keys, certificate, run file and log.
    store
        Where results are kept; several processes of one machine may share it.
    keeping
        How: the backend, the quota, the key.
    coordinator
        `http://host:port`; empty: find it by zeroconf.
    host
        The address to listen on; empty: the one that faces the coordinator.
    memory_bytes
        What values may take at a time; 0 means a cache of moderate size.
    parent
        Process to live and die with; 0 for none.
    """

    name: str
    directory: Path
    store: Path
    keeping: StoreSettings = field(default_factory=StoreSettings)
    coordinator: str = ""
    token: str = ""
    host: str = ""
    threads: int = 1
    memory_bytes: int = 0
    p2p: bool = True
    peers: tuple[str, ...] = ()
    parent: int = 0

    @property
    def run_file(self) -> Path:
        """Where it says that it runs."""
        return self.directory / "worker.json"

    @property
    def log_file(self) -> Path:
        """Where it writes what happens."""
        return self.directory / "worker.log"


def workers_dir() -> Path:
    """Return the folder with one folder per worker of this user."""
    return state_dir() / "workers"


def resolve(
    settings: Settings,
    *,
    coordinator: str,
    token: str,
    name: str,
    store: str,
    host: str,
    threads: int,
    memory: str,
    p2p: bool,
    peers: tuple[str, ...],
    backend: str = "",
    parent: int = 0,
) -> WorkerSettings:
    """Put flags over the settings that all programs share.

    Raises
    ------
    UsageError
        If a flag makes no sense.
    """
    chosen = name or _free_name()
    if len(chosen) > NAME_MAX or not chosen.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(
            f"{chosen[:80]!r} is not a worker's name",
            hint=f"letters, digits, `-`, `_` and `.`, at most {NAME_MAX}",
        )
    try:
        memory_bytes = parse_size(memory) if memory else 0
    except ValueError as error:
        raise UsageError(f"--memory: {error}") from error
    return WorkerSettings(
        name=chosen,
        directory=workers_dir() / chosen,
        store=Path(store).expanduser() if store else store_path(settings),
        keeping=replace(settings.store, backend=backend or settings.store.backend),
        coordinator=coordinator,
        token=token,
        host=host,
        threads=threads or settings.engine.threads or os.cpu_count() or 1,
        memory_bytes=memory_bytes,
        p2p=p2p and settings.p2p.enabled,
        peers=(*settings.p2p.peers, *peers),
        parent=parent,
    )


def _free_name() -> str:
    """Return the host's name, or the first `host-2`, `host-3` that no running worker of this user has."""
    from vox import runfile

    host = socket.gethostname().partition(".")[0] or "worker"
    for number in range(1, 1000):
        name = host if number == 1 else f"{host}-{number}"
        if not runfile.is_held(workers_dir() / name / "worker.json"):
            return name
    return host
