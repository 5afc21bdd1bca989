"""The readable half of the contract: every store, and everything that stands in front of one."""

from typing import Any

import pytest

from tests.support.stores import (
    MIB,
    OTHER_SIGNER,
    SIGNER,
    blob_of,
    claim,
    noise,
    statement,
    stripes,
)
from vox.digest import ActionId, Digest, NodeId
from vox.errors import BlobMissing
from vox.store.contract import CHUNK_BYTES, Shelf

SIZES = (0, 1, 511, 512, 4096, 65_536, 65_537, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * MIB + 3)
EMPTY = Digest.of(b"")


def test_it_is_a_shelf(shelved: Any) -> None:
    assert isinstance(shelved.shelf, Shelf)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [noise, stripes])
def test_a_blob_comes_back_byte_for_byte_in_pieces_of_bounded_size(
    shelved: Any, size: int, make: Any
) -> None:
    data = make(size)
    digest = shelved.store.write([data])
    assert digest == Digest.of(data)
    assert shelved.shelf.size(digest) == size
    pieces = list(shelved.shelf.open(digest))
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= CHUNK_BYTES for piece in pieces)


@pytest.mark.parametrize("make", [noise, stripes])
def test_a_blob_can_be_read_from_any_offset(shelved: Any, make: Any) -> None:
    data = make(2 * MIB + 100)
    digest = shelved.store.write([data])
    for offset in (0, 1, 4095, MIB - 1, MIB, MIB + 1, 2 * MIB, len(data) - 1, len(data), len(data) + MIB):
        assert b"".join(shelved.shelf.open(digest, offset)) == data[offset:], offset


def test_the_empty_blob_is_always_there(shelved: Any) -> None:
    assert shelved.shelf.missing([EMPTY]) == set()
    assert shelved.shelf.size(EMPTY) == 0
    assert list(shelved.shelf.open(EMPTY)) == []


def test_missing_names_exactly_what_is_not_there(shelved: Any) -> None:
    here = {shelved.store.write([b"blob %d" % number]) for number in range(700)}
    elsewhere = {Digest.of(b"no blob %d" % number) for number in range(700)}
    assert shelved.shelf.missing(here | elsewhere) == elsewhere
    assert shelved.shelf.missing([]) == set()


def test_a_blob_that_is_not_there_raises_blob_missing(shelved: Any) -> None:
    unknown = Digest.of(b"unknown")
    with pytest.raises(BlobMissing) as raised:
        shelved.shelf.size(unknown)
    assert raised.value.digest == unknown
    with pytest.raises(BlobMissing):
        list(shelved.shelf.open(unknown))


def test_two_readers_of_one_blob_do_not_disturb_each_other(shelved: Any) -> None:
    data = noise(3 * MIB)
    digest = shelved.store.write([data])
    both = zip(shelved.shelf.open(digest), shelved.shelf.open(digest), strict=True)
    left, right = zip(*both, strict=True)
    assert b"".join(left) == b"".join(right) == data


def test_results_and_claims_come_back_as_they_were_put(shelved: Any) -> None:
    data = b"a result"
    told = claim("near", data)
    shelved.store.put([blob_of(data)], [told])
    node, action = told.statement.node, told.statement.action
    result = shelved.shelf.results([node, NodeId.of(b"unknown")])
    assert list(result) == [node]
    assert (result[node].node, result[node].action) == (node, action)
    assert (result[node].digest, result[node].size) == (Digest.of(data), len(data))
    assert shelved.shelf.attestations([action, ActionId.of(b"unknown")]) == {action: (told,)}


def test_a_result_may_be_known_before_its_blob_is_here(shelved: Any) -> None:
    told = claim("near", b"computed elsewhere", OTHER_SIGNER)
    shelved.store.record([told])
    found = shelved.shelf.results([told.statement.node])[told.statement.node]
    assert shelved.shelf.missing([found.digest]) == {found.digest}


def test_every_claim_about_an_action_is_kept(shelved: Any) -> None:
    claims = [claim("noisy", b"mine"), claim("noisy", b"theirs", OTHER_SIGNER)]
    for told in claims:
        shelved.store.record([told])
    action = claims[0].statement.action
    assert set(shelved.shelf.attestations([action])[action]) == set(claims)


def test_ten_thousand_results_are_found_in_one_question(shelved: Any) -> None:
    told = SIGNER.attest([statement(f"node {number}", b"%d" % number) for number in range(10_000)])
    shelved.store.put([blob_of(b"%d" % number) for number in range(10_000)], told)
    nodes = [attestation.statement.node for attestation in told]
    results = shelved.shelf.results(nodes)
    assert [results[node].digest for node in nodes] == [claimed.statement.output for claimed in told]
    assert shelved.shelf.missing({result.digest for result in results.values()}) == set()
