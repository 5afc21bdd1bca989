"""A machine's shelf, for the other machines of its cluster: a gRPC server behind mutual TLS.

Pull only. A caller shows a certificate of the cluster at the handshake, and is looked up at every call,
because a connection outlives the day its owner is thrown out.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from p2p.identity import Membership
from p2p.roster import Member
from vox.digest import ActionId, Digest, NodeId, PeerId
from vox.errors import (
    AddressInUse,
    BlobMissing,
    NotAllowed,
    PeerProtocol,
    SignatureInvalid,
    VoxError,
)
from vox.store.contract import CHUNK_BYTES, Shelf
from vox.wire.status import KEEPALIVE_MS, PeerBusy, Status, to_status
from vox.wire.translate import (
    ADDRESSES_MAX,
    IDS_MAX,
    MEMBERS_MAX,
    MESSAGE_BYTES_MAX,
    REPLY_BYTES,
    address_from_wire,
    attestation_to_wire,
    batches,
    name_from_wire,
    names_from_wire,
    result_to_wire,
    text_from_wire,
)
from vox.wire.v1 import attestation_pb2, blob_pb2, peer_pb2, peer_pb2_grpc

VERSION = 1
THREADS = 32
# One peer may hold a quarter of the threads, and all readers together leave a quarter to short questions.
READS_PER_PEER_MAX = 8
READS_MAX = 24
READ_BYTES_MAX = 64 << 20
# 64 MiB at the slowest progress that is tolerated, 64 KiB/s, take 1024 s.
DEADLINE_S_MAX = 1200.0
CALLS_MAX = 1000
LOOK_UP_IDS = 500

_log = logging.getLogger(__name__)

OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    # With gRPC's own cap of about a thousand a burst of calls ends in random CANCELLED.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    # Callers ask for signs of life; gRPC would hang up on one that asks every few seconds.
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
    ("grpc.keepalive_time_ms", 2 * KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_MS),
    # Otherwise two servers could share a port, and each would get half of the calls.
    ("grpc.so_reuseport", 0),
)


class PeerService:
    """A server of one shelf.

    Parameters
    ----------
    shelf
        What is served.
    membership
        The cluster, and this machine's certificate in it.
    host, port
        Where to listen, always named; port 0 takes a free one.
    members
        Who is to be told of when a peer asks for members.
    revoked
        Asked at every call, for the caller.
    met
        Told who called and where that machine says it can be called.
    name
        For people.
    """

    def __init__(
        self,
        shelf: Shelf,
        membership: Membership,
        *,
        host: str,
        port: int = 0,
        members: Callable[[], Sequence[Member]] = tuple,
        revoked: Callable[[PeerId], bool] = lambda _: False,
        met: Callable[[Member], None] = lambda _: None,
        name: str = "",
    ) -> None:
        self._membership = membership
        self._host = host
        self._port = port
        self._answers = _Answers(shelf, membership, members, revoked, met, name)
        self._server: Any = None
        self._threads: ThreadPoolExecutor

    @property
    def address(self) -> str:
        """Where it listens, `host:port`; the port is 0 until it has started."""
        return join_address(self._host, self._port)

    def start(self) -> int:
        """Listen; return the port.

        Raises
        ------
        AddressInUse
            If the port is taken, or the host is not one of this machine's.
        """
        credentials = grpc.ssl_server_credentials(
            [(self._membership.key_pem, self._membership.certificate_pem)],
            root_certificates=self._membership.ca_pem,
            require_client_auth=True,
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="vox-peer")
        self._server = grpc.server(
            self._threads,
            options=OPTIONS,
            maximum_concurrent_rpcs=CALLS_MAX,
        )
        peer_pb2_grpc.add_PeerServicer_to_server(self._answers, self._server)
        try:
            port: int = self._server.add_secure_port(self.address, credentials)
        except RuntimeError as error:
            raise AddressInUse(
                f"{self.address} cannot be opened for peers",
                hint="another process may hold the port, or the host is not an address of this machine",
            ) from error
        self._server.start()
        self._port = port
        return port

    def stop(self, grace_s: float = 1.0) -> None:
        """Take no more calls; those that run have `grace_s` to end."""
        if self._server is not None:
            self._server.stop(grace_s).wait(grace_s + 5.0)
            self._server = None
            self._threads.shutdown(wait=False)


class _Answers(peer_pb2_grpc.PeerServicer):
    """The calls of `proto/vox/wire/v1/peer.proto`, one method each."""

    def __init__(
        self,
        shelf: Shelf,
        membership: Membership,
        members: Callable[[], Sequence[Member]],
        revoked: Callable[[PeerId], bool],
        met: Callable[[Member], None],
        name: str,
    ) -> None:
        self._shelf = shelf
        self._membership = membership
        self._members = members
        self._revoked = revoked
        self._met = met
        self._name = name
        self._reading: Counter[PeerId] = Counter()
        self._lock = threading.Lock()

    def Hello(self, request: peer_pb2.HelloRequest, context: Any) -> peer_pb2.HelloReply:
        """Agree on a version, and learn where the caller can be called."""
        with self._answering(context) as caller:
            if not request.version_min <= VERSION <= request.version_max:
                raise PeerProtocol(f"this machine speaks version {VERSION} of the peer protocol")
            addresses = (address_from_wire(request.address),) if request.address else ()
            name = text_from_wire(request.name)
            self._met(Member(caller, _certificate(context), addresses, name))
            return peer_pb2.HelloReply(
                version=VERSION,
                peer=self._membership.peer.sha256,
                cluster=self._membership.cluster,
                name=self._name,
            )

    def Members(self, request: peer_pb2.MembersRequest, context: Any) -> peer_pb2.MembersReply:
        """Tell who is in the cluster, as far as this machine knows, itself first."""
        with self._answering(context):
            own = Member(self._membership.peer, self._membership.certificate_pem, name=self._name)
            known = [own, *self._members()][:MEMBERS_MAX]
            return peer_pb2.MembersReply(
                members=[
                    peer_pb2.Member(
                        certificate=member.certificate,
                        addresses=member.addresses[:ADDRESSES_MAX],
                        name=member.name,
                    )
                    for member in known
                ]
            )

    def Results(self, request: peer_pb2.ResultsRequest, context: Any) -> Iterator[peer_pb2.ResultsReply]:
        """Tell the results of nodes, and who attests them."""
        with self._answering(context):
            for nodes in batches(names_from_wire(NodeId, request.nodes), LOOK_UP_IDS):
                found = self._shelf.results(nodes)
                actions = {result.action for result in found.values() if result.action is not None}
                claims = self._shelf.attestations(actions) if actions else {}
                messages = (
                    result_to_wire(result, claims.get(result.action, ()) if result.action else ())
                    for result in found.values()
                )
                for batch in _by_bytes(messages):
                    yield peer_pb2.ResultsReply(results=batch)

    def Attestations(
        self, request: peer_pb2.AttestationsRequest, context: Any
    ) -> Iterator[peer_pb2.AttestationsReply]:
        """Tell every claim about some actions."""
        with self._answering(context):
            for actions in batches(names_from_wire(ActionId, request.actions), LOOK_UP_IDS):
                claims = self._shelf.attestations(actions)
                messages = (attestation_to_wire(claim) for each in claims.values() for claim in each)
                for batch in _by_bytes(messages):
                    yield peer_pb2.AttestationsReply(attestations=batch)

    def FindMissing(self, request: blob_pb2.FindMissingRequest, context: Any) -> blob_pb2.FindMissingReply:
        """Tell which blobs are not here."""
        with self._answering(context):
            missing = self._shelf.missing(names_from_wire(Digest, request.digests))
            return blob_pb2.FindMissingReply(missing=[digest.sha256 for digest in missing])

    def Stat(self, request: blob_pb2.StatRequest, context: Any) -> blob_pb2.StatReply:
        """Tell a blob's size."""
        with self._answering(context):
            return blob_pb2.StatReply(size=self._shelf.size(name_from_wire(Digest, request.digest)))

    def Read(self, request: blob_pb2.ReadRequest, context: Any) -> Iterator[blob_pb2.ReadChunk]:
        """Send a part of a blob."""
        with self._answering(context) as caller, self._slot(caller):
            digest = name_from_wire(Digest, request.digest)
            if not 0 < request.limit <= READ_BYTES_MAX:
                raise PeerProtocol(f"a read of {request.limit} bytes, not 1 to {READ_BYTES_MAX}")
            size = self._shelf.size(digest)
            left = min(request.limit, size - request.offset)
            if left <= 0:
                yield blob_pb2.ReadChunk(size=size)
                return
            for piece in self._shelf.open(digest, request.offset):
                for start in range(0, min(len(piece), left), CHUNK_BYTES):
                    data = bytes(piece[start : min(start + CHUNK_BYTES, left)])
                    yield blob_pb2.ReadChunk(size=size, data=data)
                left -= len(piece)
                if left <= 0:
                    return
            raise BlobMissing(digest)  # it was deleted while it was read

    @contextlib.contextmanager
    def _answering(self, context: Any) -> Iterator[PeerId]:
        """Let a caller in, and turn whatever goes wrong into a status."""
        try:
            yield self._admit(context)
        except VoxError as error:
            _abort(context, to_status(error))
        except (GeneratorExit, grpc.RpcError):
            raise
        except Exception:
            if not context.is_active():
                raise
            _log.exception("a peer's call failed")
            _abort(context, Status("INTERNAL", "the peer has a problem of its own"))

    def _admit(self, context: Any) -> PeerId:
        try:
            caller = self._membership.vouches(_certificate(context))
        except SignatureInvalid as error:
            raise NotAllowed(error.message, hint="join the cluster first") from error
        if self._revoked(caller):
            raise NotAllowed(f"{caller} is not a member any more", hint="join the cluster again")
        remaining_s = context.time_remaining()
        if remaining_s is None or remaining_s > DEADLINE_S_MAX:
            raise PeerProtocol(f"a call without a deadline of at most {DEADLINE_S_MAX:.0f} s")
        return caller

    @contextlib.contextmanager
    def _slot(self, caller: PeerId) -> Iterator[None]:
        with self._lock:
            if self._reading[caller] >= READS_PER_PEER_MAX or self._reading.total() >= READS_MAX:
                raise PeerBusy("too many reads at a time", hint="try again in a moment")
            self._reading[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                self._reading[caller] -= 1
                if not self._reading[caller]:
                    del self._reading[caller]


def join_address(host: str, port: int) -> str:
    """Return `host:port`, with brackets around an IPv6 host."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _certificate(context: Any) -> bytes:
    chain: Sequence[bytes] = context.auth_context().get("x509_pem_cert", ())
    if not chain:
        raise NotAllowed("a caller without a certificate", hint="join the cluster first")
    return chain[0]


def _abort(context: Any, status: Status) -> None:
    context.set_trailing_metadata(status.metadata)
    context.abort(getattr(grpc.StatusCode, status.name), status.message)


def _by_bytes(messages: Iterator[Any]) -> Iterator[list[Any]]:
    """Cut entries into lists that fit a message."""
    batch: list[peer_pb2.Result | attestation_pb2.Attestation] = []
    size = 0
    for message in messages:
        batch.append(message)
        size += message.ByteSize()
        if size >= REPLY_BYTES or len(batch) >= IDS_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
