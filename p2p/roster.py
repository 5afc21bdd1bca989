"""Who is in the cluster, where, and whom to ask next. Pure: what happened goes in, decisions come out.

Members are known by certificates that the caller has checked. Addresses are hints from wherever, and are
bounded, tried, and rested when nobody answers there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vox.digest import PeerId

ADDRESSES_MAX = 1024
MEMBERS_MAX = 1000
MEMBER_ADDRESSES_MAX = 8
REST_FIRST_S = 0.5
REST_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class Member:
    """A machine that the cluster's authority named.

    Attributes
    ----------
    certificate
        PEM: the proof, for machines that have not met it.
    addresses
        Where it was last heard of (`host:port`), most recent first; it may be gone.
    name
        For people.
    """

    peer: PeerId
    certificate: bytes
    addresses: tuple[str, ...] = ()
    name: str = ""


@dataclass(slots=True)
class _Line:
    """What is known of an address."""

    listed: bool
    peer: PeerId | None = None
    failures: int = 0
    rest_until_s: float = 0.0
    lied: bool = False


class Roster:
    """The members, and the address book. Not safe for threads: its owner holds a lock."""

    def __init__(self, own: PeerId) -> None:
        self._own = own
        self._members: dict[PeerId, Member] = {}
        self._revoked: set[PeerId] = set()
        self._lines: dict[str, _Line] = {}

    # What happened

    def vouched(self, member: Member) -> bool:
        """A certificate of the cluster names this member; return whether that is news."""
        known = self._members.get(member.peer)
        if known is None:
            if len(self._members) >= MEMBERS_MAX:
                return False
            self._members[member.peer] = replace(
                member, addresses=tuple(dict.fromkeys(member.addresses))[:MEMBER_ADDRESSES_MAX]
            )
            return True
        addresses = tuple(dict.fromkeys((*member.addresses, *known.addresses)))[:MEMBER_ADDRESSES_MAX]
        merged = Member(member.peer, member.certificate, addresses, member.name or known.name)
        self._members[member.peer] = merged
        return merged != known

    def heard(self, address: str, *, listed: bool = False) -> None:
        """Somebody may be at this address; `listed` ones were named by a person and are never forgotten."""
        line = self._lines.get(address)
        if line is not None:
            line.listed = line.listed or listed
            return
        if len(self._lines) >= ADDRESSES_MAX and not (self._forget_one() or listed):
            return
        self._lines[address] = _Line(listed)

    def returned(self, address: str) -> None:
        """The machine there announced itself afresh: whatever failed before may work now."""
        self.heard(address)
        line = self._lines.get(address)
        if line is not None:
            line.failures, line.rest_until_s = 0, 0.0

    def left(self, address: str) -> None:
        """The machine there said goodbye."""
        line = self._lines.get(address)
        if line is not None and not line.listed:
            del self._lines[address]

    def answered(self, address: str, peer: PeerId) -> None:
        """A peer answered there."""
        self.heard(address)
        line = self._lines.get(address)
        if line is not None:
            line.peer, line.failures, line.rest_until_s = peer, 0, 0.0

    def failed(self, address: str, now_s: float) -> None:
        """Nobody answered there; it is left alone for a while, twice as long each time.

        Many threads that fail at once have failed once.
        """
        self.heard(address)
        line = self._lines.get(address)
        if line is not None and line.rest_until_s <= now_s:
            line.rest_until_s = now_s + min(REST_MAX_S, REST_FIRST_S * 2.0 ** min(line.failures, 16))
            line.failures += 1

    def lied(self, address: str) -> None:
        """What came from there was not what it should be; the address is not asked again."""
        self.heard(address)
        line = self._lines.get(address)
        if line is not None:
            line.lied = True

    def revoked(self, peer: PeerId) -> None:
        """A member is not one any more, and what it attests is not believed."""
        self._revoked.add(peer)

    # Decisions

    @property
    def trusted(self) -> frozenset[PeerId]:
        """Whose attestations are believed: this machine's and every member's, also of those who left."""
        return (frozenset(self._members) | {self._own}) - self._revoked

    def members(self) -> list[Member]:
        """Return the members that are not revoked."""
        return [member for peer, member in self._members.items() if peer not in self._revoked]

    def is_revoked(self, peer: PeerId) -> bool:
        """Tell whether a member was thrown out."""
        return peer in self._revoked

    def rests(self, address: str, now_s: float) -> bool:
        """Tell whether an address is left alone at present."""
        line = self._lines.get(address)
        return line is not None and (line.lied or line.rest_until_s > now_s)

    def to_ask(self, now_s: float, hints: Sequence[str] = ()) -> list[str]:
        """Return the addresses to ask, in order: hinted ones, those that answered, the others.

        No machine is asked twice, nor this one, nor one that lied, was revoked, or rests.
        """
        order = {address: (0, place) for place, address in enumerate(hints)}
        for place, (address, line) in enumerate(self._lines.items()):
            order.setdefault(address, (1 if line.peer is not None else 2, place))
        chosen: list[str] = []
        met: set[PeerId] = {self._own} | self._revoked | self._liars()
        for address in sorted(order, key=order.__getitem__):
            known = self._lines.get(address)
            if known is not None:
                if known.lied or known.rest_until_s > now_s or known.peer in met:
                    continue
                if known.peer is not None:
                    met.add(known.peer)
            chosen.append(address)
        return chosen

    def _liars(self) -> set[PeerId]:
        return {line.peer for line in self._lines.values() if line.lied and line.peer is not None}

    def _forget_one(self) -> bool:
        # The one that failed most often; never a listed one, a liar, or one where somebody answers.
        candidates = [
            (line.failures, -place, address)
            for place, (address, line) in enumerate(self._lines.items())
            if not line.listed and not line.lied and (line.peer is None or line.failures)
        ]
        if not candidates:
            return False
        del self._lines[max(candidates)[2]]
        return True
