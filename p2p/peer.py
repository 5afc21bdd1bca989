"""Another machine's shelf, over gRPC: the mirror image of `p2p.service`. What it sends is checked."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from p2p.identity import SERVER_NAME, Membership
from p2p.roster import Member
from vox.attest import Attestation
from vox.digest import ActionId, Digest, NodeId, PeerId
from vox.errors import PeerProtocol, PeerUnavailable, SignatureInvalid, VoxError
from vox.store.contract import CHUNK_BYTES, Result
from vox.wire.status import KEEPALIVE_MS, PeerBusy, to_error
from vox.wire.translate import (
    ADDRESSES_MAX,
    CERTIFICATE_BYTES_MAX,
    IDS_MAX,
    MEMBERS_MAX,
    MESSAGE_BYTES_MAX,
    address_from_wire,
    attestation_from_wire,
    batches,
    is_address,
    name_from_wire,
    names_from_wire,
    result_from_wire,
    text_from_wire,
)
from vox.wire.v1 import blob_pb2, peer_pb2, peer_pb2_grpc

VERSION = 1
TIMEOUT_S = 10.0
# Who does not greet within this time is as good as away.
HELLO_TIMEOUT_S = 3.0
# A call moves at most this much, so that it can have a deadline: at the slowest progress, 64 KiB/s, 1024 s.
# Not less, because a store can verify what it sends only when it sends a blob to its end in one go.
READ_BYTES = 64 << 20
PROGRESS_BYTES_PER_S = 64 << 10
# Looking up a result and its claims, and putting them into messages, takes far less than this.
CLAIM_S = 0.005
CLAIM_IDS = 2000
# Larger than any medical volume; a peer that declares more is not believed.
BLOB_BYTES_MAX = 64 << 30
# A busy peer is asked again for half a minute.
BUSY_WAIT_S = 0.1
BUSY_WAITS_MAX = 300
CALLS_MAX = 64
READS_MAX = 8

_OPTIONS = (
    ("grpc.ssl_target_name_override", SERVER_NAME),
    # Channels of one process share connections otherwise, whatever their credentials.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    # Peers are in the laboratory's own network; a proxy for the web is not meant for them.
    ("grpc.enable_http_proxy", 0),
    # A machine that loses its power says nothing: ask whether it is there while a call waits for it.
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_MS),
    # How long an attempt to connect may take.
    ("grpc.min_reconnect_backoff_ms", 3000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5000),
)


@dataclass(frozen=True, slots=True)
class Greeting:
    """Who answered."""

    peer: PeerId
    cluster: str
    name: str


class Peer:
    """The shelf of the machine at an address (`host:port`), as a member of this cluster sees it.

    Parameters
    ----------
    address
        Where its peer service listens.
    membership
        Shown to it, and what its own certificate must fit.
    timeout_s
        How long a call may take, bytes of blobs apart.

    Raises
    ------
    PeerUnavailable
        If the address is not `host:port`; whether somebody is there shows with the first call.
    """

    def __init__(self, address: str, membership: Membership, *, timeout_s: float = TIMEOUT_S) -> None:
        if not is_address(address):
            raise PeerUnavailable(f"{address[:80]!r} is not an address", hint="write host:port")
        self.address = address
        self._timeout_s = timeout_s
        credentials = grpc.ssl_channel_credentials(
            membership.ca_pem, membership.key_pem, membership.certificate_pem
        )
        # With the scheme written out, no host name can be taken for another kind of place ("unix:1").
        self._channel = grpc.secure_channel(f"dns:///{address}", credentials, options=_OPTIONS)
        self._stub = peer_pb2_grpc.PeerStub(self._channel)
        self._calls = threading.BoundedSemaphore(CALLS_MAX)
        self._reads = threading.BoundedSemaphore(READS_MAX)

    def close(self) -> None:
        """Let the connection go; calls that run end with PeerUnavailable."""
        self._channel.close()

    def hello(self, own_address: str = "", name: str = "") -> Greeting:
        """Ask who is there, and say where this machine can be called."""
        request = peer_pb2.HelloRequest(
            version_min=VERSION, version_max=VERSION, address=own_address, name=name
        )
        with self._calling():
            reply = self._stub.Hello(request, timeout=min(self._timeout_s, HELLO_TIMEOUT_S))
        if reply.version != VERSION:
            raise self._odd(f"version {reply.version} of the protocol")
        return Greeting(
            name_from_wire(PeerId, reply.peer), text_from_wire(reply.cluster), text_from_wire(reply.name)
        )

    def members(self, membership: Membership) -> list[Member]:
        """Return the members it tells of, those only whose certificate this cluster's authority signed."""
        with self._calling():
            reply = self._stub.Members(peer_pb2.MembersRequest(), timeout=self._timeout_s)
        if len(reply.members) > MEMBERS_MAX:
            raise self._odd(f"{len(reply.members)} members, over {MEMBERS_MAX}")
        members = []
        for told in reply.members:
            if len(told.certificate) > CERTIFICATE_BYTES_MAX or len(told.addresses) > ADDRESSES_MAX:
                raise self._odd("an oversized member")
            addresses = tuple(address_from_wire(address) for address in told.addresses)
            try:
                peer = membership.vouches(told.certificate)
            except SignatureInvalid as error:
                raise self._odd(error.message) from error
            members.append(Member(peer, told.certificate, addresses, text_from_wire(told.name)))
        return members

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are not there."""
        missing: set[Digest] = set()
        for batch in batches(digests, IDS_MAX):
            request = blob_pb2.FindMissingRequest(digests=[digest.sha256 for digest in batch])
            with self._calling():
                reply = self._stub.FindMissing(request, timeout=self._timeout_s)
            missing.update(self._asked(names_from_wire(Digest, reply.missing), batch))
        return missing

    def size(self, digest: Digest) -> int:
        """Return the bytes of a blob; BlobMissing if it is not there."""
        with self._calling(digest):
            size: int = self._stub.Stat(
                blob_pb2.StatRequest(digest=digest.sha256), timeout=self._timeout_s
            ).size
        return size

    def open(self, digest: Digest, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from `offset` on. A whole blob is checked against its name at the end.

        Raises
        ------
        PeerProtocol
            Before the iterator ends, if the bytes are not the blob's, or not as many as were declared.
        """
        size = self.size(digest)
        if size > BLOB_BYTES_MAX:
            raise self._odd(f"a size of {size} bytes for {digest}")
        hasher = hashlib.sha256() if offset == 0 else None
        position, resumed_at, busy_waits = offset, -1, 0
        while position < size:
            try:
                for data in self._read(digest, position, size):
                    position += len(data)
                    if hasher is not None:
                        hasher.update(data)
                    yield data
            except PeerBusy:
                busy_waits += 1
                if busy_waits > BUSY_WAITS_MAX:
                    raise
                time.sleep(BUSY_WAIT_S)
            except PeerUnavailable:
                # A connection may break in the middle of a large blob: go on from there, if that helps.
                if position <= max(resumed_at, offset):
                    raise
                resumed_at = position
        if hasher is not None and hasher.digest() != digest.sha256:
            raise self._odd(f"other bytes than {digest}")

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        """Return the results it knows for `nodes`. Nothing is believed yet: see `claims`."""
        return {node: result for node, (result, _) in self.claims(nodes).items()}

    def claims(self, nodes: Collection[NodeId]) -> dict[NodeId, tuple[Result, tuple[Attestation, ...]]]:
        """Return the results it knows for `nodes`, each with the attestations that came with it."""
        found: dict[NodeId, tuple[Result, tuple[Attestation, ...]]] = {}
        for batch in batches(nodes, CLAIM_IDS):
            asked = set(batch)
            request = peer_pb2.ResultsRequest(nodes=[node.sha256 for node in batch])
            with self._calling():
                for reply in self._stub.Results(request, timeout=self._timeout_s + CLAIM_S * len(batch)):
                    for message in reply.results:
                        result, claims = result_from_wire(message)
                        self._asked((result.node,), asked)
                        if result.node in found:
                            raise self._odd(f"two results for {result.node}")
                        found[result.node] = (result, claims)
        return found

    def attestations(self, actions: Collection[ActionId]) -> dict[ActionId, tuple[Attestation, ...]]:
        """Return every claim it knows about `actions`."""
        found: dict[ActionId, tuple[Attestation, ...]] = {}
        for batch in batches(actions, CLAIM_IDS):
            asked = set(batch)
            request = peer_pb2.AttestationsRequest(actions=[action.sha256 for action in batch])
            with self._calling():
                for reply in self._stub.Attestations(request, timeout=self._timeout_s + CLAIM_S * len(batch)):
                    for message in reply.attestations:
                        claim = attestation_from_wire(message)
                        (action,) = self._asked((claim.statement.action,), asked)
                        found[action] = (*found.get(action, ()), claim)
        return found

    def _read(self, digest: Digest, offset: int, size: int) -> Iterator[bytes]:
        """Yield what follows `offset` of a blob of `size` bytes, at most READ_BYTES, as one call."""
        wanted = min(size - offset, READ_BYTES)
        timeout_s = self._timeout_s + wanted / PROGRESS_BYTES_PER_S
        if not self._reads.acquire(timeout=timeout_s):
            raise PeerUnavailable(f"{self.address} is being read from by {READS_MAX} others")
        call = None
        received, chunks = 0, 0
        try:
            request = blob_pb2.ReadRequest(digest=digest.sha256, offset=offset, limit=wanted)
            with self._calling(digest):
                call = self._stub.Read(request, timeout=timeout_s)
                for chunk in call:
                    received += len(chunk.data)
                    if chunk.size != size:
                        raise self._odd(f"two sizes for {digest}")
                    if len(chunk.data) > CHUNK_BYTES or received > wanted:
                        raise self._odd(f"more than was asked for {digest}")
                    if chunks and not chunk.data:
                        raise self._odd("an empty piece")
                    chunks += 1
                    if chunk.data:
                        yield chunk.data
            if received < wanted:
                raise self._odd(f"{received} bytes of {digest} instead of {wanted}")
        finally:
            self._reads.release()
            if call is not None:
                call.cancel()

    @contextlib.contextmanager
    def _calling(self, digest: Digest | None = None) -> Iterator[None]:
        with self._calls:
            try:
                yield
            except grpc.RpcError as error:
                raise self._translated(error, digest) from error
            except ValueError as error:  # what gRPC says of a closed channel
                raise PeerUnavailable(f"the connection to {self.address} is closed") from error

    def _translated(self, error: Any, digest: Digest | None) -> VoxError:
        metadata = dict(error.trailing_metadata() or ())
        return to_error(
            error.code().name, error.details() or "", metadata, address=self.address, digest=digest
        )

    def _asked(self, names: Iterable[Any], asked: Collection[Any]) -> Iterable[Any]:
        known = asked if isinstance(asked, set) else set(asked)
        for name in names:
            if name not in known:
                raise self._odd(f"{name}, which was not asked for")
        return names

    def _odd(self, what: str) -> PeerProtocol:
        return PeerProtocol(f"{self.address} sent {what}", hint="it is not asked again; see its own log")
