"""Who is let into the cluster: one-time tokens, certificates, and the list of members."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from p2p.authority import ClusterAuthority, JoinTokens
from p2p.files import read_file, write_file
from p2p.identity import Identity, Membership, peer_of_certificate
from vox.clock import Clock, SystemClock
from vox.errors import NotAllowed

log = logging.getLogger("vox.coordinator")

# A cluster of a lab has tens of machines; the list is bounded because anything that grows is.
MEMBERS_MAX = 10_000


class Enrolment:
    """The coordinator's side of `vox-worker join`.

    Parameters
    ----------
    directory
        Where the authority, the tokens and the list of members are kept.
    doors
        The addresses that a member needs: `scheduler` and `peer`.
    """

    def __init__(
        self, directory: Path, doors: Callable[[], Mapping[str, str]], clock: Clock | None = None
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._authority = ClusterAuthority.load_or_create(directory)
        self.tokens = JoinTokens(directory, self._authority.fingerprint)
        self._doors = doors
        # Told of every new member's certificate: what it signs is believed from then on.
        self.introduce: Callable[[bytes, Sequence[str], str], object] = lambda *_: None
        self._members_path = directory / "members.json"
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """The cluster's name."""
        return self._authority.fingerprint

    def enrol_own(self, identity: Identity, addresses: Sequence[str]) -> Membership:
        """Make the coordinator itself a member, with the addresses that its HTTP certificate answers to."""
        certificate = self._authority.issue(
            identity.csr(), identity.proof(), identity.signer.public_key, addresses=addresses
        )
        return Membership.create(identity, self._authority.certificate_pem, certificate)

    def authority(self) -> dict[str, str]:
        """Return the authority's certificate and fingerprint, and where the cluster's doors are."""
        return {
            "certificate": self._authority.certificate_pem.decode(),
            "fingerprint": self.fingerprint,
            **self._doors(),
        }

    def join(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a machine that shows a token.

        Raises
        ------
        NotAllowed
            If the token is wrong, used or expired, or the request does not prove its key.
        """
        try:
            proof, public_key = bytes.fromhex(request["proof"]), bytes.fromhex(request["public_key"])
        except ValueError as error:
            raise NotAllowed(
                "the proof of the key is not one", hint="join with a vox of this version"
            ) from error
        # The certificate first, the token after it: a malformed request does not use a token up.
        certificate = self._authority.issue(request["request"].encode(), proof, public_key)
        self.tokens.redeem(request["token"])
        self._remember(str(peer_of_certificate(certificate)), request["name"])
        self.introduce(certificate, (), request["name"])
        return {**self.authority(), "member": certificate.decode()}

    def members(self) -> list[dict[str, Any]]:
        """Return who was let in: peer, name, and when."""
        with self._lock:
            return self._load()

    def _remember(self, peer: str, name: str) -> None:
        with self._lock:
            others = [row for row in self._load() if row["peer"] != peer]
            if len(others) >= MEMBERS_MAX:
                raise NotAllowed(f"the cluster has {MEMBERS_MAX} members", hint="start another")
            row = {"peer": peer, "name": name, "joined_at": int(self._clock.now())}
            write_file(self._members_path, json.dumps([*others, row], indent=1).encode())
        log.info("%s (%s) is a member now", name or "a machine", peer)

    def _load(self) -> list[dict[str, Any]]:
        data = read_file(self._members_path)
        rows: list[dict[str, Any]] = [] if data is None else json.loads(data)
        return rows
