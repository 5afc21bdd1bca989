"""Connections to other machines: made when needed, greeted, rested when silent, dropped when they lie."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from p2p.identity import Membership
from p2p.peer import Peer
from p2p.roster import Member, Roster
from vox.clock import Clock
from vox.errors import BlobCorrupt, BlobMissing, PeerError, PeerUnavailable, TrustError

# Members are asked for again after this long, so that one who joined is known before its results are seen.
REFRESH_S = 60.0
CONTACTS_MAX = 64
# More than a laboratory's machines. Old addresses where nobody is any more take their turn later.
ASKED_MAX = 32

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Contact:
    peer: Peer
    lock: threading.Lock = field(default_factory=threading.Lock)
    met_at_s: float | None = None


class Contacts:
    """The machines that can be asked, and what became of asking them.

    Parameters
    ----------
    membership
        Shown to whoever is called.
    roster
        Whom to ask; guarded by `lock`, which its other users hold too.
    met
        Told of every member that a peer tells of, its certificate checked.
    """

    def __init__(
        self,
        membership: Membership,
        roster: Roster,
        met: Callable[[Member], None],
        *,
        name: str,
        timeout_s: float,
        clock: Clock,
    ) -> None:
        self.lock = threading.RLock()
        self.own_address = ""
        self._membership = membership
        self._roster = roster
        self._met = met
        self._name = name
        self._timeout_s = timeout_s
        self._clock = clock
        self._contacts: OrderedDict[str, _Contact] = OrderedDict()
        self._closed = False

    def order(self, hints: Sequence[str] = ()) -> list[str]:
        """Return the addresses to ask now, in order."""
        with self.lock:
            if self._closed:
                return []
            return self._roster.to_ask(self._clock.monotonic(), hints)[:ASKED_MAX]

    def ask(self, address: str, question: Callable[[Peer], _Answer]) -> _Answer | None:
        """Ask one peer; None when it has no answer, is away, or lies, which is then written down."""
        try:
            return question(self._contact(address))
        except (BlobMissing, BlobCorrupt) as error:
            _log.info("%s: %s", address, error.message)
        except PeerUnavailable as error:
            self._rest(address, error)
        except PeerError as error:
            self.left_out(address, error.message)
        except TrustError as error:
            self._rest(address, error)
        return None

    def ask_all(
        self, pool: ThreadPoolExecutor, addresses: Sequence[str], question: Callable[[Peer], _Answer]
    ) -> list[tuple[str, _Answer]]:
        """Ask several peers at once; return the answers of those that gave one, in the order of addresses."""
        if len(addresses) == 1:
            answers = [self.ask(addresses[0], question)]
        else:
            answers = self.gather(pool, lambda address: self.ask(address, question), addresses)
        return [(a, answer) for a, answer in zip(addresses, answers, strict=False) if answer is not None]

    def gather(
        self, pool: ThreadPoolExecutor, work: Callable[[_Item], _Answer], items: Sequence[_Item]
    ) -> list[_Answer]:
        """Do some work for each item at once; nothing comes of it when this is closed meanwhile."""
        try:
            return list(pool.map(work, items))
        except (RuntimeError, CancelledError):
            if not self._closed:
                raise
            return []

    def learn(self, peer: Peer) -> None:
        """Ask a peer for the members it knows."""
        for member in peer.members(self._membership):
            self._met(member)

    def left_out(self, address: str, reason: str) -> None:
        """Ask an address no more: what came from there was wrong."""
        _log.warning("%s is not asked any more: %s", address, reason)
        with self.lock:
            self._roster.lied(address)
        self._drop(address)

    def seen(self, address: str) -> None:
        """Discovery heard of an address."""
        with self.lock:
            self._roster.returned(address)

    def gone(self, address: str) -> None:
        """Discovery heard a goodbye."""
        with self.lock:
            self._roster.left(address)
        self._drop(address)

    def close(self) -> None:
        """Let go of every connection; calls that run end."""
        with self.lock:
            self._closed = True
            contacts = list(self._contacts.values())
            self._contacts.clear()
        for contact in contacts:
            contact.peer.close()

    def _contact(self, address: str) -> Peer:
        """Return a peer that has been greeted, and asked lately for the members it knows."""
        with self.lock:
            contact = self._contacts.get(address)
            if contact is None:
                contact = _Contact(Peer(address, self._membership, timeout_s=self._timeout_s))
                self._contacts[address] = contact
            self._contacts.move_to_end(address)
            surplus = self._contacts.popitem(last=False)[1] if len(self._contacts) > CONTACTS_MAX else None
        if surplus is not None:
            surplus.peer.close()
        with contact.lock:
            now_s = self._clock.monotonic()
            with self.lock:
                if self._roster.rests(address, now_s):
                    # Another thread has just tried; not everybody has to wait for the same silence.
                    raise PeerUnavailable(f"{address} is left alone for a while")
            if contact.met_at_s is None or now_s - contact.met_at_s > REFRESH_S:
                self._greet(address, contact)
        return contact.peer

    def _greet(self, address: str, contact: _Contact) -> None:
        try:
            greeting = contact.peer.hello(self.own_address, self._name)
            with self.lock:
                self._roster.answered(address, greeting.peer)
            if greeting.peer != self._membership.peer:
                self.learn(contact.peer)
        except PeerUnavailable as error:
            self._rest(address, error)
            raise
        contact.met_at_s = self._clock.monotonic()

    def _rest(self, address: str, error: PeerUnavailable | TrustError) -> None:
        # Its channel stays: other threads may be reading through it, and it connects again by itself.
        _log.info("%s is left alone for a while: %s", address, error.message)
        with self.lock:
            self._roster.failed(address, self._clock.monotonic())
            contact = self._contacts.get(address)
            if contact is not None:
                contact.met_at_s = None

    def _drop(self, address: str) -> None:
        with self.lock:
            contact = self._contacts.pop(address, None)
        if contact is not None:
            contact.peer.close()
