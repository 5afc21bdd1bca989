"""The members a machine has met, kept in its store: their results stay good when they have left."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from p2p.identity import Membership
from p2p.roster import MEMBERS_MAX, Member
from vox.encoding import EncodingError, Term, decode, encode
from vox.errors import SignatureInvalid
from vox.store.contract import Store

_log = logging.getLogger(__name__)


def load_members(store: Store, membership: Membership) -> list[Member]:
    """Return the remembered members of this cluster. Certificates are checked again; the rest is hints."""
    key = _key(membership)
    data = store.recall([key]).get(key)
    if data is None:
        return []
    try:
        rows: Any = decode(data)
        entries = [(bytes(row[0]), str(row[1]), tuple(map(str, row[2]))) for row in rows]
    except (EncodingError, TypeError, IndexError):
        _log.warning("the remembered members cannot be read; they are learnt again")
        return []
    members = []
    for certificate, name, addresses in entries[:MEMBERS_MAX]:
        try:
            members.append(Member(membership.vouches(certificate), certificate, addresses, name))
        except SignatureInvalid as error:
            _log.warning("a remembered member is left out: %s", error.message)
    return members


def save_members(store: Store, membership: Membership, members: Sequence[Member]) -> None:
    """Remember members, and those that another process with the same store remembered meanwhile."""
    merged = {member.peer: member for member in (*load_members(store, membership), *members)}
    rows: list[Term] = [
        [member.certificate, member.name, list(member.addresses)] for member in merged.values()
    ]
    store.remember(_key(membership), encode(rows))


def _key(membership: Membership) -> str:
    return f"p2p.members.{membership.cluster[:16]}"
