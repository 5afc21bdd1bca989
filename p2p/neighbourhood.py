"""Every other machine's shelf as one: who has a blob, who knows a result; asked, checked, kept.

A peer that is down is left alone for a while, a peer that lies is not asked again; neither stops anybody.
Trust comes from the cluster's authority alone: peers tell each other of members, by certificate.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from p2p.book import load_members, save_members
from p2p.contacts import ASKED_MAX, Contacts
from p2p.identity import Membership
from p2p.peer import Peer
from p2p.roster import Member, Roster
from vox.attest import Attestation, accept
from vox.clock import Clock, SystemClock
from vox.digest import Digest, NodeId, PeerId
from vox.errors import SignerUnknown, StoreError, TrustError
from vox.store.contract import Result, Store

TIMEOUT_S = 10.0
# All at once: machines that are gone without a word cost one greeting's patience, not one each.
ASKS_AT_A_TIME = ASKED_MAX
READS_AT_A_TIME = 4
# A thread that waits for another's fetch gives up after this long and fetches itself.
FETCH_WAIT_S = 600.0

_log = logging.getLogger(__name__)


class Discovery(Protocol):
    """Where addresses come from without anybody listing them: see `p2p.discovery.Browser`."""

    def start(self, seen: Callable[[str], None], gone: Callable[[str], None]) -> None:
        """Tell of addresses as they appear and disappear, from any thread."""

    def close(self) -> None:
        """Tell nothing more."""


class Neighbourhood:
    """A `vox.store.contract.Neighbours`, for one machine of a cluster.

    Parameters
    ----------
    store
        Where what is fetched and believed is kept; members are remembered there too.
    membership
        The cluster, and this machine's place in it.
    static
        Addresses (`host:port`) that a person listed.
    discovery
        Finds more addresses; None where there is no multicast.
    own_address
        Where this machine's own service listens, for others to call; see `listens`.
    """

    def __init__(
        self,
        store: Store,
        membership: Membership,
        *,
        static: Sequence[str] = (),
        discovery: Discovery | None = None,
        own_address: str = "",
        name: str = "",
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._membership = membership
        self._discovery = discovery
        self._roster = Roster(membership.peer)
        self._contacts = Contacts(
            membership, self._roster, self.met, name=name, timeout_s=timeout_s, clock=clock or SystemClock()
        )
        self._lock = self._contacts.lock
        self._coming: dict[Digest, threading.Event] = {}
        self._asks = ThreadPoolExecutor(ASKS_AT_A_TIME, thread_name_prefix="vox-ask")
        self._reads = ThreadPoolExecutor(READS_AT_A_TIME, thread_name_prefix="vox-fetch")
        for member in load_members(store, membership):
            self._roster.vouched(member)
            for address in member.addresses:
                self._roster.heard(address)
        for address in static:
            self._roster.heard(address, listed=True)
        self.listens(own_address)
        if discovery is not None:
            discovery.start(self._contacts.seen, self._contacts.gone)

    # Who is who

    @property
    def trusted(self) -> frozenset[PeerId]:
        """Whose attestations are believed here."""
        with self._lock:
            return self._roster.trusted

    def members(self) -> list[Member]:
        """Return the members known here, for `PeerService`."""
        with self._lock:
            return self._roster.members()

    def addresses(self) -> list[str]:
        """Return the addresses that would be asked now, in order."""
        return self._contacts.order()

    @property
    def own_address(self) -> str:
        """Where this machine's own service listens; empty if nowhere."""
        with self._lock:
            return self._contacts.own_address

    def listens(self, address: str) -> None:
        """Say where this machine's own service listens, once it does."""
        with self._lock:
            self._contacts.own_address = address
            if address:
                self._roster.answered(address, self._membership.peer)

    def introduce(self, certificate_pem: bytes, addresses: Sequence[str] = (), name: str = "") -> PeerId:
        """Learn of a member from its certificate, as the coordinator does when it has issued one.

        Raises
        ------
        SignatureInvalid
            If this cluster's authority did not sign it.
        """
        peer = self._membership.vouches(certificate_pem)
        self.met(Member(peer, certificate_pem, tuple(addresses), name))
        return peer

    def met(self, member: Member) -> None:
        """Learn of a member whose certificate has been checked; `PeerService` tells of its callers so."""
        if member.peer == self._membership.peer:
            return
        with self._lock:
            news = self._roster.vouched(member)
            for address in member.addresses:
                self._roster.returned(address)
            members = self._roster.members()
        if not news:
            return
        try:
            save_members(self._store, self._membership, members)
        except StoreError as error:
            # A full disk must not keep anybody from being met.
            _log.warning("the members are not remembered: %s", error.message)

    def revoke(self, peer: PeerId) -> None:
        """Neither believe, ask nor answer a member any more, until this process ends."""
        with self._lock:
            self._roster.revoked(peer)

    def is_revoked(self, peer: PeerId) -> bool:
        """Tell whether a member was thrown out; for `PeerService`."""
        with self._lock:
            return self._roster.is_revoked(peer)

    def close(self) -> None:
        """Let go of every connection; calls that run end."""
        if self._discovery is not None:
            self._discovery.close()
        self._contacts.close()
        self._asks.shutdown(cancel_futures=True)
        self._reads.shutdown(cancel_futures=True)

    # What they have

    def fetch(self, digests: Collection[Digest], hints: Sequence[str] = ()) -> set[Digest]:
        """Bring blobs into the own store, verified; return those of `digests` that are there now."""
        wanted = self._store.missing(digests)
        # Twice: a blob that another thread was fetching, and failed to, is tried with this one's hints.
        for _ in range(2):
            if not wanted:
                break
            mine, coming = self._claim(wanted)
            try:
                self._bring(mine, hints)
            finally:
                self._release(mine)
            for event in coming:
                event.wait(FETCH_WAIT_S)
            wanted = self._store.missing(wanted - mine)
        return set(digests) - self._store.missing(digests)

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return results of `nodes` that trusted peers attest; their attestations are recorded here.

        A node about which trusted peers disagree is left out: it is computed here.
        """
        if not nodes:
            return {}
        asked = list(nodes)
        answers = self._contacts.ask_all(self._asks, self._contacts.order(), lambda peer: peer.claims(asked))
        believed: dict[NodeId, dict[Digest, Attestation]] = defaultdict(dict)
        for address, answer in answers:
            claims = [
                claim for node, (_, said) in answer.items() for claim in said if claim.statement.node == node
            ]
            for claim in self._believed(address, claims):
                believed[claim.statement.node].setdefault(claim.statement.output, claim)
        found: dict[NodeId, Result] = {}
        record: list[Attestation] = []
        for node, outputs in believed.items():
            claim, *others = outputs.values()
            if others:
                issuers = ", ".join(str(each.statement.issuer) for each in outputs.values())
                _log.warning("%s has %d results, by %s: it is computed here", node, len(outputs), issuers)
                continue
            record.append(claim)
            statement = claim.statement
            found[node] = Result(node, statement.action, statement.output, statement.size)
        self._store.record(record)
        return found

    # How they are asked

    def _claim(self, wanted: Collection[Digest]) -> tuple[set[Digest], list[threading.Event]]:
        with self._lock:
            coming = [self._coming[digest] for digest in wanted if digest in self._coming]
            mine = {digest for digest in wanted if digest not in self._coming}
            self._coming.update((digest, threading.Event()) for digest in mine)
        return mine, coming

    def _release(self, digests: Iterable[Digest]) -> None:
        with self._lock:
            events = [self._coming.pop(digest) for digest in digests]
        for event in events:
            event.set()

    def _bring(self, digests: set[Digest], hints: Sequence[str]) -> None:
        # Another thread may have brought some between the look-up and the claim.
        left = self._store.missing(digests)
        order = self._contacts.order(hints)
        hinted = [address for address in order if address in set(hints)]
        for stage in (hinted, [address for address in order if address not in hinted]):
            if not left or not stage:
                continue
            holders = self._holders(stage, left)
            for come in self._contacts.gather(
                self._reads, lambda item: self._read(*item), list(holders.items())
            ):
                left.difference_update(come)

    def _holders(self, addresses: Sequence[str], digests: Collection[Digest]) -> dict[Digest, list[str]]:
        wanted = list(digests)
        holders: dict[Digest, list[str]] = defaultdict(list)
        for address, missing in self._contacts.ask_all(
            self._asks, addresses, lambda peer: peer.missing(wanted)
        ):
            for digest in wanted:
                if digest not in missing:
                    holders[digest].append(address)
        return holders

    def _read(self, digest: Digest, addresses: Sequence[str]) -> set[Digest]:
        """Copy a blob from the first holder that really has it; return it in a set, or nothing."""

        def copy(peer: Peer) -> Digest:
            # The bytes are hashed while they come, and a wrong end leaves nothing behind.
            return self._store.write(peer.open(digest))

        for address in addresses:
            if self._contacts.ask(address, copy) == digest:
                return {digest}
        return set()

    def _believed(self, address: str, claims: Sequence[Attestation]) -> list[Attestation]:
        """Return the claims that members signed; a bad signature puts the machine that sent it out."""
        trusted = self.trusted
        if any(claim.statement.issuer not in trusted for claim in claims):
            # Somebody may have joined after this peer was last asked for members.
            self._contacts.ask(address, self._contacts.learn)
            trusted = self.trusted
        believed: list[Attestation] = []
        for claim in claims:
            try:
                accept(claim, trusted)
            except SignerUnknown as error:
                _log.info("%s: %s", address, error.message)
            except TrustError as error:
                self._contacts.left_out(address, error.message)
                return []
            else:
                believed.append(claim)
        return believed
