"""Small clusters of real machines-in-a-folder: identities, one authority, signed results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from p2p.authority import ClusterAuthority
from p2p.identity import Identity, Membership
from p2p.peer import Peer
from p2p.service import PeerService
from vox.attest import Attestation, Statement
from vox.digest import ActionId, Digest, NodeId
from vox.store.contract import Blob, Shelf, Store


class SmallCluster:
    """An authority, and members made on demand."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = ClusterAuthority.load_or_create(directory / "authority")

    def machine(self, name: str) -> tuple[Identity, Membership]:
        identity = Identity.load_or_create(self.directory / name)
        return identity, self.authority.enrol(identity)


def attested(
    identity: Identity, texts: Sequence[str], output: bytes | None = None
) -> tuple[list[Blob], list[Attestation]]:
    """One blob and one signed result for each text; `output` overrides what all of them claim."""
    blobs, statements = [], []
    for text in texts:
        data = text.encode() if output is None else output
        blobs.append(Blob(Digest.of(data), [data]))
        statements.append(
            Statement(
                action=ActionId.of(b"action", text.encode()),
                node=node_of(text),
                output=Digest.of(data),
                size=len(data),
                inputs=(),
                environment=Digest.of(b"here"),
                determinism="bit",
                wall_ms=1,
                issuer=identity.peer,
                issued_at=1,
            )
        )
    return blobs, identity.signer.attest(statements)


def node_of(text: str) -> NodeId:
    """The node whose result `attested` makes of a text."""
    return NodeId.of(b"node", text.encode())


@contextmanager
def served_over_grpc(store: Store, folder: Path) -> Iterator[Shelf]:
    """A peer in front of a store: another member's view of it, over mutual TLS on loopback."""
    cluster = SmallCluster(folder / "cluster")
    service = PeerService(store, cluster.machine("server")[1], host="127.0.0.1")
    service.start()
    peer = Peer(service.address, cluster.machine("asker")[1])
    try:
        yield peer
    finally:
        peer.close()
        service.stop(0.0)
