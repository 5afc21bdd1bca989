from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from p2p.identity import Identity, Membership
from p2p.neighbourhood import Neighbourhood
from p2p.service import OPTIONS, PeerService, join_address
from tests.support.peers import SmallCluster, attested, node_of
from vox.attest import Attestation
from vox.digest import Digest, NodeId
from vox.errors import SignatureInvalid
from vox.store.contract import Result
from vox.store.memory import MemoryStore
from vox.wire.translate import attestation_to_wire
from vox.wire.v1 import blob_pb2, peer_pb2, peer_pb2_grpc

NOWHERE = "127.0.0.1:1"


class Machine:
    """A member with a store, a service and a neighbourhood."""

    def __init__(self, cluster: SmallCluster, name: str, static: tuple[str, ...] = ()) -> None:
        self.identity, self.membership = cluster.machine(name)
        self.store = MemoryStore()
        self.neighbours = Neighbourhood(self.store, self.membership, static=static, name=name, timeout_s=5.0)
        self.service = PeerService(
            self.store,
            self.membership,
            host="127.0.0.1",
            members=self.neighbours.members,
            revoked=self.neighbours.is_revoked,
            met=self.neighbours.met,
            name=name,
        )
        self.service.start()
        self.address = self.service.address
        self.neighbours.listens(self.address)

    def computes(self, *texts: str) -> list[Digest]:
        blobs, claims = attested(self.identity, texts)
        self.store.put(blobs, claims)
        return [blob.digest for blob in blobs]

    def stop(self) -> None:
        self.neighbours.close()
        self.service.stop(0.0)


class Village:
    """Machines that end with the test."""

    def __init__(self, directory: Path) -> None:
        self.cluster = SmallCluster(directory)
        self.stops: list[Callable[[], None]] = []

    def machine(self, name: str, *static: str) -> Machine:
        machine = Machine(self.cluster, name, static)
        self.stops.append(machine.stop)
        return machine

    def liar(self, name: str, **lies: Any) -> str:
        liar = LyingService(*self.cluster.machine(name), **lies)
        self.stops.append(liar.stop)
        return liar.address


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    made = Village(tmp_path)
    yield made
    for stop in made.stops:
        stop()


class LyingService(peer_pb2_grpc.PeerServicer):
    """A member on the real wire that has every blob, and sends what it likes."""

    def __init__(
        self,
        identity: Identity,
        membership: Membership,
        chunks: list[tuple[int, bytes]] | None = None,
        claims: list[Attestation] | None = None,
        result: Result | None = None,
        certificates: list[bytes] | None = None,
        then: Callable[[Any], None] = lambda context: None,
    ) -> None:
        self.identity, self.membership = identity, membership
        self.chunks, self.claims, self.result = chunks or [], claims or [], result
        self.certificates = certificates or []
        self.then = then
        self.reads = 0
        self.server = grpc.server(ThreadPoolExecutor(4), options=OPTIONS)
        peer_pb2_grpc.add_PeerServicer_to_server(self, self.server)
        credentials = grpc.ssl_server_credentials(
            [(membership.key_pem, membership.certificate_pem)], membership.ca_pem, True
        )
        self.address = join_address("127.0.0.1", self.server.add_secure_port("127.0.0.1:0", credentials))
        self.server.start()

    def stop(self) -> None:
        self.server.stop(0).wait(5)

    def Hello(self, request: Any, context: Any) -> peer_pb2.HelloReply:
        return peer_pb2.HelloReply(version=1, peer=self.identity.peer.sha256, cluster=self.membership.cluster)

    def Members(self, request: Any, context: Any) -> peer_pb2.MembersReply:
        told = self.certificates or [self.membership.certificate_pem]
        return peer_pb2.MembersReply(members=[peer_pb2.Member(certificate=pem) for pem in told])

    def FindMissing(self, request: Any, context: Any) -> blob_pb2.FindMissingReply:
        return blob_pb2.FindMissingReply()

    def Stat(self, request: Any, context: Any) -> blob_pb2.StatReply:
        return blob_pb2.StatReply(size=self.chunks[0][0] if self.chunks else 4)

    def Read(self, request: Any, context: Any) -> Iterator[blob_pb2.ReadChunk]:
        self.reads += 1
        for size, data in self.chunks:
            yield blob_pb2.ReadChunk(size=size, data=data)
        self.then(context)

    def Attestations(self, request: Any, context: Any) -> Iterator[peer_pb2.AttestationsReply]:
        yield peer_pb2.AttestationsReply()

    def Results(self, request: Any, context: Any) -> Iterator[peer_pb2.ResultsReply]:
        if self.result is not None:
            told = peer_pb2.Result(
                node=self.result.node.sha256,
                digest=self.result.digest.sha256,
                size=self.result.size,
                claims=[attestation_to_wire(claim) for claim in self.claims],
            )
            yield peer_pb2.ResultsReply(results=[told])


def test_what_one_machine_computed_another_has_with_its_proof(village: Village) -> None:
    a = village.machine("a")
    b = village.machine("b", a.address)
    texts = [f"t{i}" for i in range(300)]
    digests = a.computes(*texts)
    found = b.neighbours.results([node_of(text) for text in texts])
    assert [found[node_of(text)].digest for text in texts] == digests
    assert b.store.results(found) == found
    assert b.neighbours.fetch(digests) == set(digests)
    assert [bytes(b.store.read(digest)).decode() for digest in digests] == texts


def test_a_hinted_machine_that_nobody_listed_is_asked(village: Village) -> None:
    a, b = village.machine("a"), village.machine("b")
    digests = a.computes("x")
    assert b.neighbours.fetch(digests) == set()
    assert b.neighbours.fetch(digests, [NOWHERE, a.address]) == set(digests)


def test_what_nobody_has_is_left_out(village: Village) -> None:
    a = village.machine("a")
    b = village.machine("b", a.address)
    here = a.computes("x")
    assert b.neighbours.fetch([*here, Digest.of(b"nowhere")]) == set(here)
    assert b.neighbours.results([node_of("nowhere")]) == {}
    assert b.neighbours.results([]) == {}


def test_peers_tell_of_peers(village: Village) -> None:
    a = village.machine("a")
    b = village.machine("b", a.address)
    assert b.neighbours.results([node_of("anything")]) == {}
    digests = b.computes("b's")
    c = village.machine("c", a.address)
    # c was told of a only; a met b when b asked.
    c.neighbours.results([node_of("anything")])
    assert c.neighbours.fetch(digests) == set(digests)
    assert c.neighbours.trusted >= {a.identity.peer, b.identity.peer, c.identity.peer}


def test_results_of_a_machine_that_left_stay_good_across_a_restart(village: Village) -> None:
    a = village.machine("a")
    b = village.machine("b", a.address)
    digests = a.computes("x")
    b.neighbours.results([node_of("x")])
    b.neighbours.fetch(digests)
    a.stop()
    c = village.machine("c", b.address)
    assert c.neighbours.results([node_of("x")])[node_of("x")].digest == digests[0]
    assert c.neighbours.fetch(digests) == set(digests)
    again = Neighbourhood(c.store, c.membership)
    assert a.identity.peer in again.trusted
    again.close()


def test_a_machine_that_is_down_is_skipped_and_left_alone_for_a_while(village: Village) -> None:
    a = village.machine("a")
    b = village.machine("b", NOWHERE, a.address)
    digests = a.computes("x")
    assert b.neighbours.fetch(digests) == set(digests)
    assert b.neighbours.addresses() == [a.address]


def test_a_machine_that_comes_back_is_asked_again(village: Village) -> None:
    a = village.machine("a")
    b = village.machine("b", a.address)
    b.neighbours.results([node_of("x")])
    port = int(a.address.rpartition(":")[2])
    a.service.stop(0.0)
    assert b.neighbours.results([node_of("x")]) == {}
    back = PeerService(a.store, a.membership, host="127.0.0.1", port=port)
    back.start()
    village.stops.append(lambda: back.stop(0.0))
    digests = a.computes("x")
    pause = threading.Event()
    for _ in range(100):
        if b.neighbours.fetch(digests):
            return
        pause.wait(0.1)
    pytest.fail("the machine was not asked again")


LIES = {
    "other bytes": [(4, b"evil")],
    "too few bytes": [(10, b"evil")],
    "a part of the truth": [(4, b"goo")],
    "nothing": [],
    "an empty blob": [(0, b"")],
    "one byte more than declared": [(4, b"good!")],
    "two sizes": [(4, b"go"), (5, b"od")],
    "a size beyond belief": [(1 << 60, b"good")],
    "empty pieces for ever": [(4, b"")] * 100,
    "the truth and more": [(4, b"good"), (4, b"!")],
    "a piece that is too large": [(3 << 20, bytes(3 << 20))],
}


@pytest.mark.parametrize("lie", LIES)
def test_wrong_bytes_are_refused_and_the_liar_is_named(
    village: Village, lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = Digest.of(b"good")
    liar = village.liar("liar", chunks=LIES[lie])
    b = village.machine("b", liar)
    with caplog.at_level(logging.WARNING):
        assert b.neighbours.fetch([wanted]) == set()
    assert b.store.stats().blobs == 0
    assert any(liar in record.getMessage() for record in caplog.records)
    assert b.neighbours.addresses() == []


def test_an_honest_machine_is_asked_after_a_liar(village: Village) -> None:
    honest = village.machine("honest")
    liar = village.liar("liar", chunks=[(1, b"?")])
    b = village.machine("b", liar, honest.address)
    digests = honest.computes("x", "y", "z")
    assert b.neighbours.fetch(digests, [liar]) == set(digests)
    assert b.neighbours.addresses() == [honest.address]


def test_claims_of_strangers_are_not_believed(village: Village, tmp_path: Path) -> None:
    stranger = Identity.load_or_create(tmp_path / "stranger")
    (blob,), claims = attested(stranger, ["x"])
    relay = village.liar("relay", claims=claims, result=Result(node_of("x"), None, blob.digest, blob.size))
    b = village.machine("b", relay)
    assert b.neighbours.results([node_of("x")]) == {}
    assert b.store.stats().results == 0


def test_a_forged_claim_puts_its_sender_out(village: Village, caplog: pytest.LogCaptureFixture) -> None:
    a = village.machine("a")
    (blob,), (claim,) = attested(a.identity, ["x"])
    forged = Attestation(claim.statement, claim.public_key, bytes(64), 1, 0, ())
    relay = village.liar("relay", claims=[forged], result=Result(node_of("x"), None, blob.digest, blob.size))
    b = village.machine("b", relay, a.address)
    assert b.neighbours.results([node_of("x")]) == {}
    assert b.neighbours.addresses() == [a.address]
    assert relay in caplog.text


def test_a_claim_about_one_node_is_not_taken_for_another(village: Village) -> None:
    a = village.machine("a")
    (blob,), claims = attested(a.identity, ["x"])
    other = node_of("other")
    relay = village.liar("relay", claims=claims, result=Result(other, None, blob.digest, blob.size))
    b = village.machine("b", relay, a.address)
    assert b.neighbours.results([other]) == {}


def test_an_answer_nobody_asked_for_puts_its_sender_out(village: Village) -> None:
    result = Result(NodeId.of(b"unasked"), None, Digest.of(b""), 0)
    liar = village.liar("liar", result=result)
    b = village.machine("b", liar)
    assert b.neighbours.results([node_of("x")]) == {}
    assert b.neighbours.addresses() == []


def test_a_member_without_our_authoritys_certificate_is_not_learnt(village: Village, tmp_path: Path) -> None:
    _, stranger = SmallCluster(tmp_path / "elsewhere").machine("stranger")
    liar = village.liar("liar", certificates=[stranger.certificate_pem])
    b = village.machine("b", liar)
    b.neighbours.results([node_of("x")])
    assert stranger.peer not in b.neighbours.trusted
    with pytest.raises(SignatureInvalid):
        b.neighbours.introduce(stranger.certificate_pem)


def test_when_trusted_machines_disagree_the_result_is_left_to_be_computed(
    village: Village, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = village.machine("a"), village.machine("b")
    a.computes("x", "same")
    b.computes("same")
    blobs, claims = attested(b.identity, ["x"], output=b"something else")
    b.store.put(blobs, claims)
    c = village.machine("c", a.address, b.address)
    assert set(c.neighbours.results([node_of("x"), node_of("same")])) == {node_of("same")}
    assert c.store.results([node_of("x")]) == {}
    assert "2 results" in caplog.text


def test_a_blob_that_many_threads_want_is_fetched_once(village: Village) -> None:
    liar = LyingService(*village.cluster.machine("slow"), chunks=[(4, b"good")])
    village.stops.append(liar.stop)
    b = village.machine("b", liar.address)
    wanted = Digest.of(b"good")
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda _: b.neighbours.fetch([wanted]), range(32)))
    assert got == [{wanted}] * 32
    assert liar.reads == 1


def test_a_member_that_was_thrown_out_is_neither_believed_nor_asked_nor_answered(village: Village) -> None:
    a = village.machine("a")
    b = village.machine("b", a.address)
    a.computes("x")
    b.neighbours.results([node_of("nothing")])
    b.neighbours.revoke(a.identity.peer)
    assert b.neighbours.results([node_of("x")]) == {}
    assert a.identity.peer not in b.neighbours.trusted
    (only_there,) = b.computes("only there")
    assert a.neighbours.fetch([only_there], [b.address]) == set()
    assert village.machine("c").neighbours.fetch([only_there], [b.address]) == {only_there}


def test_a_closed_neighbourhood_knows_nobody(village: Village) -> None:
    a = village.machine("a")
    b = village.machine("b", a.address)
    digests = a.computes("x")
    b.neighbours.close()
    assert b.neighbours.fetch(digests) == set()
    assert b.neighbours.results([node_of("x")]) == {}


def breaks(context: Any) -> None:
    context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


def test_a_blob_whose_sender_breaks_off_comes_from_another(village: Village) -> None:
    honest = village.machine("honest")
    (wanted,) = honest.computes("good")
    broken = village.liar("broken", chunks=[(4, b"go")], then=breaks)
    b = village.machine("b", honest.address)
    assert b.neighbours.fetch([wanted], [broken]) == {wanted}


def test_closing_ends_what_is_being_fetched(village: Village) -> None:
    begun, ended = threading.Event(), threading.Event()

    def stalls(context: Any) -> None:
        context.add_callback(ended.set)
        begun.set()
        ended.wait(30)

    stalling = village.liar("stalling", chunks=[(4, b"go")], then=stalls)
    b = village.machine("b", stalling)
    with ThreadPoolExecutor(8) as pool:
        fetches = [pool.submit(b.neighbours.fetch, [Digest.of(b"good")]) for _ in range(8)]
        assert begun.wait(10)
        b.neighbours.close()
        assert [fetch.result(10) for fetch in fetches] == [set()] * 8
    assert ended.wait(10)


def test_a_busy_machine_is_waited_for(village: Village) -> None:
    turns = iter([True, True, False, False])

    def busy_twice(context: Any) -> None:
        if next(turns):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")

    class Busy(LyingService):
        def Read(self, request: Any, context: Any) -> Iterator[blob_pb2.ReadChunk]:
            self.then(context)
            yield from super().Read(request, context)

    busy = Busy(*village.cluster.machine("busy"), chunks=[(4, b"good")])
    busy.then = busy_twice
    village.stops.append(busy.stop)
    b = village.machine("b", busy.address)
    assert b.neighbours.fetch([Digest.of(b"good")]) == {Digest.of(b"good")}
    assert busy.reads == 1
