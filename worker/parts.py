"""The parts of a worker, put together: store, shelf for others, neighbours, runner."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from p2p.discovery import Announcer, Browser, interfaces_of
from p2p.identity import Identity, Membership
from p2p.neighbourhood import Discovery, Neighbourhood
from p2p.service import PeerService
from vox.store.contract import Store
from vox.store.sqlite import SqliteStore
from worker.runner import CACHE_BYTES, Runner
from worker.settings import WorkerSettings


class Hearsay:
    """Addresses that were told, beside those that were discovered: a `p2p.neighbourhood.Discovery`."""

    def __init__(self, browser: Discovery | None) -> None:
        self._browser = browser
        self._seen: Callable[[str], None] = lambda _: None

    def start(self, seen: Callable[[str], None], gone: Callable[[str], None]) -> None:
        """Pass on what is told from now on, and what the browser sees."""
        self._seen = seen
        if self._browser is not None:
            self._browser.start(seen, gone)

    def tell(self, address: str) -> None:
        """Say that a machine's shelf is at an address."""
        if address:
            self._seen(address)

    def close(self) -> None:
        """Look no further."""
        if self._browser is not None:
            self._browser.close()


@dataclass
class Parts:
    """What a worker is made of; `address` is where its shelf is served."""

    store: Store
    neighbourhood: Neighbourhood
    service: PeerService
    runner: Runner
    hearsay: Hearsay
    path: Path
    address: str
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def met(self, address: str) -> None:
        """Learn where the coordinator's shelf is."""
        self.hearsay.tell(address)

    def close(self) -> None:
        """Serve nobody any more, and write everything down."""
        self._stack.close()


def open_parts(settings: WorkerSettings, identity: Identity, membership: Membership, host: str) -> Parts:
    """Open the store, serve it to the cluster, and make a runner over both.

    Raises
    ------
    StoreUnusable, AddressInUse
        If the machine does not let it.
    """
    with contextlib.ExitStack() as stack:
        store = SqliteStore(settings.store)
        stack.callback(store.close)
        hearsay = Hearsay(_browser(settings, identity, membership, host))
        neighbourhood = Neighbourhood(
            store, membership, static=settings.peers, discovery=hearsay, name=settings.name
        )
        stack.callback(neighbourhood.close)
        service = PeerService(
            store,
            membership,
            host=host,
            members=neighbourhood.members,
            revoked=neighbourhood.is_revoked,
            met=neighbourhood.met,
            name=settings.name,
        )
        port = service.start()
        stack.callback(service.stop)
        neighbourhood.listens(service.address)
        if settings.p2p:
            announcer = Announcer.of_peer(identity.peer, membership.cluster, port, interfaces_of(host))
            stack.callback(announcer.close)
            announcer.start()
        # A fragment's own values come on top of the cache; a quarter leaves room for them.
        cache_bytes = settings.memory_bytes // 4 or CACHE_BYTES
        runner = Runner(store, identity.signer, neighbourhood, cache_bytes=cache_bytes)
        return Parts(
            store,
            neighbourhood,
            service,
            runner,
            hearsay,
            settings.store,
            service.address,
            stack.pop_all(),
        )


def _browser(
    settings: WorkerSettings, identity: Identity, membership: Membership, host: str
) -> Browser | None:
    if not settings.p2p:
        return None
    return Browser(membership.cluster, identity.peer, interfaces_of(host))
