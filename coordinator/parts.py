"""The parts of a coordinator, put together: store, cluster, engine, shelf for peers, enrolment."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import Protocol

from coordinator.cluster import DaskHands
from coordinator.enrolment import Enrolment
from coordinator.executions import Executions
from coordinator.ledger import Ledger
from coordinator.settings import CoordinatorSettings, addresses_of
from p2p.identity import Identity, Membership
from p2p.presence import Presence
from p2p.service import join_address
from vox.attest import accept
from vox.store.backends import open_for_daemon
from vox.store.contract import Store

WILDCARDS = ("0.0.0.0:", "[::]:")


@dataclass
class Parts:
    """What a coordinator is made of."""

    store: Store
    membership: Membership
    presence: Presence
    hands: DaskHands
    engine: Executions
    enrolment: Enrolment
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
    SettingsError, StoreUnusable, AddressInUse, IdentityUnusable
        If the settings or the machine do not let it.
    """
    with contextlib.ExitStack() as stack:
        store = open_for_daemon(settings.keeping, settings.store)
        stack.callback(store.close)
        identity = Identity.load_or_create(settings.directory / "identity")
        doors: dict[str, str] = {}
        enrolment = Enrolment(settings.directory, doors=lambda: doors)
        membership = enrolment.enrol_own(identity, addresses_of(settings.host))
        presence = Presence(
            store,
            membership,
            host=settings.host,
            static=settings.peers,
            discover=settings.p2p,
            name="coordinator",
        )
        stack.callback(presence.close)
        presence.start()
        neighbours = presence.neighbours
        enrolment.introduce = neighbours.introduce
        hands = DaskHands(settings.host, settings.port, membership)
        stack.callback(hands.close)
        ledger = Ledger(settings.directory / "ledger.sqlite")
        stack.callback(ledger.close)
        engine = Executions(
            store,
            hands,
            neighbours=neighbours,
            ledger=ledger,
            address="" if presence.address.startswith(WILDCARDS) else presence.address,
            accept=lambda claim: accept(claim, neighbours.trusted),
        )
        stack.callback(engine.close)
        engine.load_listeners()
        if settings.p2p:
            stack.callback(_announce(settings, membership, http_port).close)
        # Named by the host that was asked for: who listens everywhere is reached by the name used for HTTP.
        doors |= {
            "scheduler": f"tls://{_at(settings.host, hands.address)}",
            "peer": _at(settings.host, presence.address),
            "coordinator": membership.certificate_pem.decode(),
        }
        return Parts(
            store,
            membership,
            presence,
            hands,
            engine,
            enrolment,
            _stack=stack.pop_all(),
        )


def _at(host: str, address: str) -> str:
    return join_address(host, int(address.rpartition(":")[2]))


class _Closable(Protocol):
    def close(self) -> None: ...


def _announce(settings: CoordinatorSettings, membership: Membership, http_port: int) -> _Closable:
    """Tell the local network where workers can join, without making anybody wait for that."""
    from p2p.discovery import Announcer, interfaces_of

    announcer = Announcer.of_coordinator(
        membership.peer,
        membership.cluster,
        http_port,
        interfaces_of(settings.host),
        {"tls": "1" if settings.tls else "0"},
    )
    threading.Thread(target=announcer.start, name="vox-announce", daemon=True).start()
    return announcer
