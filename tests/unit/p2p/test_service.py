from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from p2p.identity import SERVER_NAME, Identity, Membership
from p2p.peer import Peer
from p2p.roster import Member
from p2p.service import PeerService
from tests.support.peers import SmallCluster, attested, node_of
from vox.digest import ActionId, Digest, PeerId
from vox.errors import AddressInUse, BlobCorrupt, BlobMissing, NotAllowed, PeerProtocol, PeerUnavailable
from vox.store.contract import CHUNK_BYTES, Shelf
from vox.store.memory import MemoryStore
from vox.wire.v1 import blob_pb2, peer_pb2, peer_pb2_grpc

TIMEOUT_S = 10.0


class Pair:
    """A served store, and a member that asks."""

    def __init__(self, directory: Path) -> None:
        self.cluster = SmallCluster(directory)
        self.server, membership = self.cluster.machine("server")
        self.asker, self.asker_membership = self.cluster.machine("asker")
        self.store = MemoryStore()
        self.revoked: set[PeerId] = set()
        self.met: list[Member] = []
        self.service = PeerService(
            self.store,
            membership,
            host="127.0.0.1",
            revoked=lambda peer: peer in self.revoked,
            met=self.met.append,
            name="server",
        )
        self.service.start()
        self.peer = Peer(self.service.address, self.asker_membership, timeout_s=TIMEOUT_S)

    def raw(self, membership: Membership | None = None) -> Any:
        """A stub that sends whatever it is given."""
        shown = membership or self.asker_membership
        credentials = grpc.ssl_channel_credentials(shown.ca_pem, shown.key_pem, shown.certificate_pem)
        options = [("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.use_local_subchannel_pool", 1)]
        return peer_pb2_grpc.PeerStub(grpc.secure_channel(self.service.address, credentials, options=options))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.peer.close()
    made.service.stop()


def status(caught: pytest.ExceptionInfo[grpc.RpcError]) -> str:
    name: str = caught.value.code().name
    return name


def test_peers_greet_and_say_where_they_are(pair: Pair) -> None:
    greeting = pair.peer.hello("127.0.0.1:9", "asker")
    assert (greeting.peer, greeting.name) == (pair.server.peer, "server")
    assert greeting.cluster == pair.cluster.authority.cluster
    assert [(m.peer, m.addresses, m.name) for m in pair.met] == [(pair.asker.peer, ("127.0.0.1:9",), "asker")]


def test_a_machine_tells_of_itself_with_a_certificate_that_proves_it(pair: Pair) -> None:
    assert [member.peer for member in pair.peer.members(pair.asker_membership)] == [pair.server.peer]


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 18 * CHUNK_BYTES + 7])
def test_a_blob_of_any_size_arrives_whole(pair: Pair, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    digest = pair.store.write([data[:size]])
    assert pair.peer.size(digest) == size
    assert b"".join(pair.peer.open(digest)) == data[:size]
    for offset in {0, size // 2, size}:
        assert b"".join(pair.peer.open(digest, offset)) == data[offset:size]


def test_results_come_with_the_claims_of_those_who_computed_them(pair: Pair) -> None:
    texts = [f"value {i}" for i in range(1234)]
    blobs, claims = attested(pair.server, texts)
    pair.store.put(blobs, claims)
    found = pair.peer.claims([node_of(text) for text in texts] + [node_of("unknown")])
    assert len(found) == len(texts)
    assert [found[node_of(text)][1] for text in texts] == [(claim,) for claim in claims]
    actions = [claim.statement.action for claim in claims]
    assert pair.peer.attestations(actions) == pair.store.attestations(actions)
    assert pair.peer.missing([blob.digest for blob in blobs] + [Digest.of(b"no")]) == {Digest.of(b"no")}


def test_more_than_ten_thousand_names_are_asked_for_in_parts(pair: Pair) -> None:
    digests = [Digest.of(str(i).encode()) for i in range(20_001)]
    assert pair.peer.missing(digests) == set(digests)


def test_a_missing_blob_is_missing_here_too(pair: Pair) -> None:
    with pytest.raises(BlobMissing):
        pair.peer.size(Digest.of(b"nothing"))
    with pytest.raises(BlobMissing):
        list(pair.peer.open(Digest.of(b"nothing")))


def test_a_corrupt_blob_is_called_corrupt_with_what_was_found(pair: Pair) -> None:
    digest = pair.store.write([b"good"])
    pair.store._blobs[digest] = b"evil"
    with pytest.raises(BlobCorrupt) as caught:
        list(pair.peer.open(digest))
    assert (caught.value.wanted, caught.value.found) == (digest, Digest.of(b"evil"))


def test_nobody_without_a_certificate_is_answered(pair: Pair) -> None:
    credentials = grpc.ssl_channel_credentials(pair.asker_membership.ca_pem)
    options = [("grpc.ssl_target_name_override", SERVER_NAME)]
    channel = grpc.secure_channel(pair.service.address, credentials, options=options)
    with channel, pytest.raises(grpc.RpcError) as caught:
        peer_pb2_grpc.PeerStub(channel).Hello(peer_pb2.HelloRequest(), timeout=5)
    assert status(caught) == "UNAVAILABLE"
    with grpc.insecure_channel(pair.service.address) as channel, pytest.raises(grpc.RpcError):
        peer_pb2_grpc.PeerStub(channel).Hello(peer_pb2.HelloRequest(), timeout=5)


def test_a_member_of_another_cluster_is_not_answered_and_does_not_listen(pair: Pair, tmp_path: Path) -> None:
    _, stranger = SmallCluster(tmp_path / "elsewhere").machine("stranger")
    with pytest.raises(PeerUnavailable):
        Peer(pair.service.address, stranger, timeout_s=5.0).hello()
    # Even one that accepts our authority as a server's, but has its own certificate.
    mixed = Membership(
        stranger.directory, pair.asker_membership.ca_pem, stranger.certificate_pem, stranger.key_pem
    )
    with pytest.raises(PeerUnavailable):
        Peer(pair.service.address, mixed, timeout_s=5.0).hello()


def test_a_member_that_was_thrown_out_is_refused_on_its_open_connection(pair: Pair) -> None:
    pair.peer.hello()
    pair.revoked.add(pair.asker.peer)
    for ask in (
        pair.peer.hello,
        lambda: pair.peer.missing([Digest.of(b"x")]),
        lambda: list(pair.peer.open(Digest.of(b"x"))),
        lambda: pair.peer.results([node_of("x")]),
        lambda: pair.peer.members(pair.asker_membership),
    ):
        with pytest.raises(NotAllowed):
            ask()


def test_names_of_the_wrong_length_are_refused(pair: Pair) -> None:
    stub = pair.raw()
    for raw in (b"", b"x" * 31, b"x" * 33):
        for ask in (
            lambda raw=raw: stub.FindMissing(blob_pb2.FindMissingRequest(digests=[raw]), timeout=5),
            lambda raw=raw: stub.Stat(blob_pb2.StatRequest(digest=raw), timeout=5),
            lambda raw=raw: list(stub.Read(blob_pb2.ReadRequest(digest=raw, limit=1), timeout=5)),
            lambda raw=raw: list(stub.Results(peer_pb2.ResultsRequest(nodes=[raw]), timeout=5)),
            lambda raw=raw: list(stub.Attestations(peer_pb2.AttestationsRequest(actions=[raw]), timeout=5)),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                ask()
            assert status(caught) == "INVALID_ARGUMENT"


@pytest.mark.parametrize(("count", "fits"), [(10_000, True), (10_001, False), (100_000, False)])
def test_a_query_holds_at_most_ten_thousand_names(pair: Pair, count: int, fits: bool) -> None:
    request = blob_pb2.FindMissingRequest(digests=[i.to_bytes(32, "big") for i in range(count)])
    if fits:
        assert len(pair.raw().FindMissing(request, timeout=10).missing) == count
        return
    with pytest.raises(grpc.RpcError) as caught:
        pair.raw().FindMissing(request, timeout=10)
    assert status(caught) == "INVALID_ARGUMENT"


def test_a_message_over_four_mebibytes_is_refused(pair: Pair) -> None:
    request = peer_pb2.HelloRequest(version_min=1, version_max=1, name="x" * (5 << 20))
    with pytest.raises(grpc.RpcError) as caught:
        pair.raw().Hello(request, timeout=10)
    assert status(caught) == "RESOURCE_EXHAUSTED"


def test_a_call_without_a_deadline_is_refused(pair: Pair) -> None:
    for timeout_s in (None, 7200.0):
        with pytest.raises(grpc.RpcError) as caught:
            pair.raw().Hello(peer_pb2.HelloRequest(version_min=1, version_max=1), timeout=timeout_s)
        assert status(caught) == "INVALID_ARGUMENT"


def test_another_version_of_the_protocol_is_refused(pair: Pair) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        pair.raw().Hello(peer_pb2.HelloRequest(version_min=2, version_max=9), timeout=5)
    assert status(caught) == "INVALID_ARGUMENT"


@pytest.mark.parametrize("limit", [0, (64 << 20) + 1, 1 << 63])
def test_a_read_names_a_sensible_limit(pair: Pair, limit: int) -> None:
    digest = pair.store.write([b"data"])
    with pytest.raises(grpc.RpcError) as caught:
        list(pair.raw().Read(blob_pb2.ReadRequest(digest=digest.sha256, limit=limit), timeout=5))
    assert status(caught) == "INVALID_ARGUMENT"


def test_one_peer_reads_at_most_eight_blobs_at_a_time(pair: Pair) -> None:
    # Larger than what the transport buffers, so that each read waits for its reader.
    digest = pair.store.write([bytes(32 << 20)])
    request = blob_pb2.ReadRequest(digest=digest.sha256, limit=32 << 20)
    stub = pair.raw()
    calls = [stub.Read(request, timeout=60) for _ in range(8)]
    for call in calls:
        next(call)
    with pytest.raises(grpc.RpcError) as caught:
        next(stub.Read(request, timeout=60))
    assert status(caught) == "RESOURCE_EXHAUSTED"
    assert pair.peer.missing([digest]) == set()
    for call in calls:
        call.cancel()


def test_many_threads_ask_one_peer_at_once(pair: Pair) -> None:
    digests = [pair.store.write([bytes([i]) * 2_000_000]) for i in range(16)]
    with ThreadPoolExecutor(32) as pool:
        got = list(pool.map(lambda digest: Digest.of(*pair.peer.open(digest)), digests * 3))
    assert got == digests * 3


def test_a_stopped_service_is_unavailable_and_can_start_again(pair: Pair) -> None:
    pair.peer.hello()
    port = int(pair.service.address.rpartition(":")[2])
    pair.service.stop(0.0)
    with pytest.raises(PeerUnavailable):
        pair.peer.hello()
    again = PeerService(
        pair.store, pair.cluster.machine("server")[1], host="127.0.0.1", port=port, name="server"
    )
    assert again.start() == port
    waited = threading.Event()
    for _ in range(50):
        try:
            assert pair.peer.hello().peer == pair.server.peer
            break
        except PeerUnavailable:
            waited.wait(0.1)
    else:
        pytest.fail("the peer was not found again")
    again.stop()


def test_a_port_that_is_taken_is_named(pair: Pair, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = PeerService(pair.store, pair.asker_membership, host="127.0.0.1", port=port)
        with pytest.raises(AddressInUse, match=str(port)):
            service.start()
    with pytest.raises(AddressInUse):
        PeerService(
            pair.store,
            pair.asker_membership,
            host="127.0.0.1",
            port=int(pair.service.address.rpartition(":")[2]),
        ).start()


class BrokenShelf(MemoryStore):
    """A shelf whose disk has gone, in words that name a path."""

    def missing(self, digests: object) -> set[Digest]:
        raise OSError("/secret/path: no such device")


def test_a_peers_own_trouble_is_not_told_to_others(pair: Pair) -> None:
    shelf: Shelf = BrokenShelf()
    service = PeerService(shelf, pair.cluster.machine("server")[1], host="127.0.0.1")
    service.start()
    try:
        with pytest.raises(PeerUnavailable) as caught:
            Peer(service.address, pair.asker_membership).missing([Digest.of(b"x")])
        assert "secret" not in caught.value.message
    finally:
        service.stop()


def test_an_identity_that_restarts_is_the_same_peer(pair: Pair) -> None:
    again = Identity.load_or_create(pair.server.directory)
    assert pair.peer.hello().peer == again.peer


def test_unknown_actions_have_no_claims(pair: Pair) -> None:
    assert pair.peer.attestations([ActionId.of(b"unknown")]) == {}


def test_an_address_that_is_none_is_unavailable_not_a_traceback(pair: Pair) -> None:
    for address in ("127.0.0.1:1", "no.such.host.invalid:1", "unix:1", "unix:/tmp/socket", "rubbish", ""):
        with pytest.raises((PeerUnavailable, PeerProtocol)):
            Peer(address, pair.asker_membership, timeout_s=3.0).hello()


def test_an_address_that_is_more_than_host_and_port_is_refused(pair: Pair) -> None:
    for address in ("unix:/tmp/socket", "dns:///a:1", "a", "a:99999"):
        with pytest.raises(PeerProtocol):
            pair.peer.hello(address)
    assert pair.met == []
