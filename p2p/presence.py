"""A machine's whole presence in its neighbourhood: it serves, announces, listens, asks, and ends in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

from p2p.identity import Membership
from p2p.neighbourhood import TIMEOUT_S, Neighbourhood
from p2p.service import PeerService, join_address
from vox.store.contract import Shelf, Store
from vox.store.scoped import Labelled, ScopedShelf

# "Everywhere" is a place to listen at, not one to be called at.
WILDCARDS = ("", "0.0.0.0", "::")

# What every machine of the cluster may see beside what has no label at all. Other scopes stay at home.
PEER_SCOPES = frozenset({"cluster"})


class Presence:
    """Service, neighbourhood and discovery of one store, started and closed together.

    Parameters
    ----------
    store, membership
        What is shared, and with whom.
    host, port
        Where to serve; port 0 takes a free one.
    static
        Addresses (`host:port`) of peers that a person listed.
    discover
        Whether to announce this machine and look for others by multicast.
    name
        For people.
    """

    def __init__(
        self,
        store: Store,
        membership: Membership,
        *,
        host: str,
        port: int = 0,
        static: Sequence[str] = (),
        discover: bool = True,
        name: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._membership = membership
        self._discover = discover
        self._host = host
        self._announcer: _Announcement | None = None
        browser = None
        if discover:
            from p2p.discovery import Browser, interfaces_of

            browser = Browser(membership.cluster, membership.peer, interfaces_of(host))
        self.neighbours = Neighbourhood(
            store, membership, static=static, discovery=browser, name=name, timeout_s=timeout_s
        )
        self._service = PeerService(
            _shown(store),
            membership,
            host=host,
            port=port,
            members=self.neighbours.members,
            revoked=self.neighbours.is_revoked,
            met=self.neighbours.met,
            name=name,
        )

    @property
    def address(self) -> str:
        """Where other machines can call this one, `host:port`; empty until it has started."""
        return self.neighbours.own_address

    def start(self) -> str:
        """Serve, and tell the network; return the address.

        Raises
        ------
        AddressInUse
            If the port is taken, or the host is not one of this machine's.
        """
        port = self._service.start()
        host = self._host
        if self._discover or self._host in WILDCARDS:
            from p2p.discovery import interfaces_of

            interfaces = interfaces_of(self._host)
            host = interfaces[0] if interfaces else host
        if self._discover:
            self._announcer = _Announcement(self._membership, port, interfaces)
        self.neighbours.listens(join_address(host, port))
        return self.address

    def close(self) -> None:
        """Say goodbye, answer no more, ask no more."""
        if self._announcer is not None:
            self._announcer.close()
        self._service.stop()
        self.neighbours.close()


def _shown(store: Store) -> Shelf:
    """Return what of a store other machines may see; not every kind of store knows labels."""
    # A tier answers for the store behind it, which `isinstance` does not see from Python 3.12 on.
    return ScopedShelf(cast(Labelled, store), PEER_SCOPES) if hasattr(store, "labels") else store


class _Announcement:
    """An announcement made in the background: it takes half a second that nobody needs to wait for."""

    def __init__(self, membership: Membership, port: int, interfaces: Sequence[str]) -> None:
        from p2p.discovery import Announcer

        self._announcer = Announcer.of_peer(membership.peer, membership.cluster, port, interfaces)
        self._thread = threading.Thread(target=self._announcer.start, name="vox-announce", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._thread.join(10.0)
        self._announcer.close()
