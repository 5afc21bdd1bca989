from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.attest import Attestation, Signer, Statement, verify
from vox.digest import ActionId, Digest, NodeId
from vox.errors import (
    BlobCorrupt,
    BlobMissing,
    NotAllowed,
    PeerProtocol,
    PeerUnavailable,
    SignerUnknown,
    StoreFull,
    VoxError,
)
from vox.store.contract import Result
from vox.wire.status import PeerBusy, to_error, to_status
from vox.wire.translate import (
    CLAIMS_MAX,
    IDS_MAX,
    address_from_wire,
    attestation_from_wire,
    attestation_to_wire,
    batches,
    names_from_wire,
    result_from_wire,
    result_to_wire,
    text_from_wire,
)
from vox.wire.v1 import attestation_pb2, peer_pb2

SIGNER = Signer(hashlib.sha256(b"wire").digest())
WANTED, FOUND = Digest.of(b"wanted"), Digest.of(b"found")


def signed(count: int) -> list[Attestation]:
    return SIGNER.attest(
        [
            Statement(
                ActionId.of(b"%d" % i),
                NodeId.of(b"%d" % i),
                Digest.of(b"%d" % i),
                i,
                (WANTED,) * (i % 3),
                FOUND,
                "exact",
                i,
                SIGNER.peer,
                i,
            )
            for i in range(count)
        ]
    )


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_attestations_travel_unchanged_and_still_verify(count: int) -> None:
    for claim in signed(count):
        message = attestation_pb2.Attestation.FromString(attestation_to_wire(claim).SerializeToString())
        arrived = attestation_from_wire(message)
        assert arrived == claim
        verify(arrived)


def test_results_travel_with_and_without_an_action() -> None:
    claims = tuple(signed(2))
    for action in (ActionId.of(b"a"), None):
        result = Result(NodeId.of(b"n"), action, WANTED, 5)
        message = peer_pb2.Result.FromString(result_to_wire(result, claims).SerializeToString())
        assert result_from_wire(message) == (result, claims)


def test_malformed_attestations_are_refused() -> None:
    (good,) = signed(1)
    changes: list[dict[str, object]] = [
        {"statement": b""},
        {"statement": b"\xa0"},
        {"statement": bytes(4096)},
        {"public_key": b"short"},
        {"signature": bytes(63)},
        {"index": 1},
        {"batch": 0},
        {"path": [b"short"]},
        {"path": [bytes(32)] * 64},
    ]
    for change in changes:
        message = attestation_to_wire(good)
        for name, value in change.items():
            if isinstance(value, list):
                message.path.extend(value)
            else:
                setattr(message, name, value)
        with pytest.raises(PeerProtocol):
            attestation_from_wire(message)


@given(st.binary(max_size=400))
def test_whatever_bytes_arrive_an_attestation_or_a_protocol_error_comes_of_them(data: bytes) -> None:
    message = attestation_pb2.Attestation(
        statement=data, public_key=bytes(32), signature=bytes(64), batch=1, index=0
    )
    with pytest.raises(PeerProtocol):
        attestation_from_wire(message)


def test_names_are_counted_and_measured() -> None:
    assert names_from_wire(Digest, [WANTED.sha256] * IDS_MAX) == [WANTED] * IDS_MAX
    for bad in ([WANTED.sha256] * (IDS_MAX + 1), [b""], [bytes(31)], [bytes(33)]):
        with pytest.raises(PeerProtocol):
            names_from_wire(Digest, bad)
    too_many = peer_pb2.Result(
        node=bytes(32), digest=bytes(32), claims=[attestation_to_wire(signed(1)[0])] * (CLAIMS_MAX + 1)
    )
    with pytest.raises(PeerProtocol):
        result_from_wire(too_many)


@pytest.mark.parametrize("text", ["x" * 256, "line\nbreak", "\x1b[31m", "\u202e"])
def test_texts_that_could_play_tricks_on_a_terminal_are_refused(text: str) -> None:
    with pytest.raises(PeerProtocol):
        text_from_wire(text)


@given(st.lists(st.integers(), max_size=50), st.integers(1, 10))
def test_batches_lose_nothing_and_keep_the_order(items: list[int], size: int) -> None:
    cut = list(batches(items, size))
    assert [item for batch in cut for item in batch] == items
    assert all(0 < len(batch) <= size for batch in cut)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BlobMissing(WANTED), BlobMissing),
        (BlobCorrupt(WANTED, FOUND), BlobCorrupt),
        (NotAllowed("no"), NotAllowed),
        (SignerUnknown(SIGNER.peer), NotAllowed),
        (PeerProtocol("what?"), PeerProtocol),
        (PeerBusy("wait"), PeerBusy),
        (StoreFull("/a/secret/path is full"), PeerUnavailable),
    ],
)
def test_errors_travel_as_a_status_and_keep_their_meaning(error: VoxError, kind: type[VoxError]) -> None:
    status = to_status(error)
    arrived = to_error(status.name, status.message, dict(status.metadata), address="a:1", digest=WANTED)
    assert type(arrived) is kind
    assert "secret" not in arrived.message
    assert dict(status.metadata)["vox-code"] == error.code
    if isinstance(arrived, BlobCorrupt):
        assert (arrived.wanted, arrived.found) == (WANTED, FOUND)


@given(st.text(max_size=600), st.dictionaries(st.text(), st.binary() | st.text(), max_size=3))
def test_whatever_a_peer_says_is_one_printable_error(said: str, metadata: dict[str, bytes | str]) -> None:
    for name in ("NOT_FOUND", "DATA_LOSS", "UNKNOWN", "UNIMPLEMENTED", "ABORTED", "INTERNAL"):
        error = to_error(name, said, metadata, address="a:1")
        assert error.message.isprintable()
        assert isinstance(error, PeerProtocol | PeerUnavailable)


@pytest.mark.parametrize("address", ["a:1", "10.0.0.1:65535", "[::1]:80", "host-1.lab_net:7001"])
def test_addresses_are_host_and_port(address: str) -> None:
    assert address_from_wire(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        ":1",
        "a:0",
        "a:65536",
        "a:-1",
        "a:1 ",
        "a:1\n",
        "unix:/tmp/x",
        "dns:///a:1",
        "[::1",
        "a:\u0663",
        "x" * 300 + ":1",
    ],
)
def test_nothing_else_that_a_transport_would_understand_is_an_address(address: str) -> None:
    with pytest.raises(PeerProtocol):
        address_from_wire(address)
