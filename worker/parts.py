"""The parts of a worker, put together: store, presence among its peers, runner."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from p2p.identity import Identity, Membership
from p2p.presence import Presence
from vox.store.backends import open_for_daemon
from vox.store.contract import Store
from worker.runner import Runner
from worker.settings import WorkerSettings


@dataclass
class Parts:
    """What a worker is made of."""

    store: Store
    presence: Presence
    runner: Runner
    path: Path
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def address(self) -> str:
        """Where its shelf is served."""
        return self.presence.address

    def close(self) -> None:
        """Serve nobody any more, and write everything down."""
        self._stack.close()


def open_parts(settings: WorkerSettings, identity: Identity, membership: Membership, host: str) -> Parts:
    """Open the store, serve it to the cluster, and make a runner over both.

    Raises
    ------
    SettingsError, StoreUnusable, AddressInUse
        If the settings or the machine do not let it.
    """
    with contextlib.ExitStack() as stack:
        store = open_for_daemon(settings.keeping, settings.store)
        stack.callback(store.close)
        presence = Presence(
            store,
            membership,
            host=host,
            static=settings.peers,
            discover=settings.p2p,
            name=settings.name,
        )
        stack.callback(presence.close)
        presence.start()
        # A fragment's own values come on top of the cache; a quarter leaves room for them.
        cache_bytes = settings.memory_bytes // 4 or settings.keeping.cache_bytes
        runner = Runner(store, identity.signer, presence.neighbours, cache_bytes=cache_bytes)
        return Parts(store, presence, runner, settings.store, stack.pop_all())
