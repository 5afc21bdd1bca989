"""The parts of a coordinator, put together: store, cluster, engine, shelf for peers, enrolment."""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass, field

from coordinator.cluster import DaskHands
from coordinator.enrolment import Enrolment
from coordinator.executions import Executions
from coordinator.ledger import Ledger
from coordinator.settings import CoordinatorSettings, addresses_of
from p2p.discovery import Announcer, Browser, interfaces_of
from p2p.identity import Identity, Membership
from p2p.neighbourhood import Neighbourhood
from p2p.service import PeerService
from vox.attest import accept
from vox.store.contract import Store
from vox.store.sqlite import SqliteStore


@dataclass
class Parts:
    """What a coordinator is made of; `peer_address` is where its shelf is served."""

    store: Store
    membership: Membership
    neighbourhood: Neighbourhood
    hands: DaskHands
    engine: Executions
    enrolment: Enrolment
    peer_address: str
    accepting: bool = True
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def stop_accepting(self) -> None:
        """Say to whoever asks that no more submissions are taken."""
        self.accepting = False

    def close(self) -> None:
        """Let the workers go, serve nobody any more, and write everything down."""
        self._stack.close()


def open_parts(settings: CoordinatorSettings, http_port: int) -> Parts:
    """Open everything behind the HTTP door, which is open at `http_port` already.

    Raises
    ------
    StoreUnusable, AddressInUse, IdentityUnusable
        If the machine does not let it.
    """
    with contextlib.ExitStack() as stack:
        store = SqliteStore(settings.store)
        stack.callback(store.close)
        identity = Identity.load_or_create(settings.directory / "identity")
        doors: dict[str, str] = {}
        enrolment = Enrolment(settings.directory, doors=lambda: doors)
        membership = enrolment.enrol_own(identity, addresses_of(settings.host))
        interfaces = interfaces_of(settings.host) if settings.p2p else []
        browser = Browser(membership.cluster, identity.peer, interfaces) if settings.p2p else None
        neighbourhood = Neighbourhood(
            store, membership, static=settings.peers, discovery=browser, name="coordinator"
        )
        stack.callback(neighbourhood.close)
        enrolment.introduce = neighbourhood.introduce
        service = PeerService(
            store,
            membership,
            host=settings.host,
            members=neighbourhood.members,
            revoked=neighbourhood.is_revoked,
            met=neighbourhood.met,
            name="coordinator",
        )
        port = service.start()
        stack.callback(service.stop)
        # Who listens everywhere does not know by which address others see it: they learn it when they join.
        everywhere = ipaddress.ip_address(settings.host).is_unspecified
        reachable = "" if everywhere else service.address
        neighbourhood.listens(reachable)
        hands = DaskHands(settings.host, settings.port, membership)
        stack.callback(hands.close)
        ledger = Ledger(settings.directory / "ledger.sqlite")
        stack.callback(ledger.close)
        engine = Executions(
            store,
            hands,
            neighbours=neighbourhood,
            ledger=ledger,
            address=reachable,
            accept=lambda claim: accept(claim, neighbourhood.trusted),
        )
        stack.callback(engine.close)
        if settings.p2p:
            announcers = [
                Announcer.of_peer(identity.peer, membership.cluster, port, interfaces),
                Announcer.of_coordinator(
                    identity.peer,
                    membership.cluster,
                    http_port,
                    interfaces,
                    {"tls": "1" if settings.tls else "0"},
                ),
            ]
            for announcer in announcers:
                stack.callback(announcer.close)
                announcer.start()
        doors |= {"scheduler": hands.address, "peer": service.address}
        return Parts(
            store,
            membership,
            neighbourhood,
            hands,
            engine,
            enrolment,
            service.address,
            _stack=stack.pop_all(),
        )
