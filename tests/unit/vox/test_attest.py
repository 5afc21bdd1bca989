import hashlib
from typing import Any

import pytest

from tests.support.stores import OTHER_SIGNER, SIGNER, statement
from vox.attest import (
    PATH_HASHES_MAX,
    STATEMENT_BYTES_MAX,
    Attestation,
    Signer,
    Statement,
    accept,
    verify,
)
from vox.digest import Digest, PeerId
from vox.encoding import decode, encode
from vox.errors import SignatureInvalid, SignerUnknown


def batch(size: int, signer: Signer = SIGNER) -> list[Attestation]:
    return signer.attest([statement(f"node {number}", b"%d" % number, signer) for number in range(size)])


def changed(attestation: Attestation, **fields: Any) -> Attestation:
    from dataclasses import replace

    return replace(attestation, **fields)


# Statements ----------------------------------------------------------------------------------------


def test_a_statement_comes_back_from_its_bytes() -> None:
    told = statement("near", b"data")
    assert Statement.decode(told.encode()) == told
    assert Statement.decode(told.encode()).encode() == told.encode()


def fields_of(told: Statement) -> dict[int, Any]:
    term: Any = decode(told.encode())
    return dict(term)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, 2),
        (0, "1"),
        (1, b"short"),
        (1, "text"),
        (2, b"x" * 33),
        (3, None),
        (4, -1),
        (4, True),
        (4, 1.0),
        (5, b"x" * 32),
        (5, [b"short"]),
        (5, None),
        (6, b""),
        (7, 1),
        (8, -1),
        (9, b"x"),
        (10, "now"),
        (11, 0),
    ],
)
def test_a_statement_with_a_wrong_field_is_refused(field: int, value: object) -> None:
    fields = fields_of(statement("near", b"data"))
    fields[field] = value
    with pytest.raises(SignatureInvalid):
        Statement.decode(encode(fields))


@pytest.mark.parametrize("field", range(11))
def test_a_statement_without_a_field_is_refused(field: int) -> None:
    fields = fields_of(statement("near", b"data"))
    del fields[field]
    with pytest.raises(SignatureInvalid):
        Statement.decode(encode(fields))


@pytest.mark.parametrize("junk", [b"", b"\x00", b"\xff", encode([]), encode("text"), encode(None)])
def test_bytes_that_are_no_statement_are_refused(junk: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        Statement.decode(junk)
    with pytest.raises(SignatureInvalid):
        Attestation.from_bytes(junk)


def test_a_statement_cut_short_or_run_over_is_refused() -> None:
    raw = statement("near", b"data").encode()
    for cut in range(len(raw)):
        with pytest.raises(SignatureInvalid):
            Statement.decode(raw[:cut])
    with pytest.raises(SignatureInvalid):
        Statement.decode(raw + b"\x00")


def test_a_statement_beyond_the_size_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(SignatureInvalid, match=f"over {STATEMENT_BYTES_MAX}"):
        Statement.decode(b"\xff" * (STATEMENT_BYTES_MAX + 1))


def test_a_statement_in_another_encoding_of_the_same_term_is_refused() -> None:
    raw = statement("near", b"data").encode()
    assert raw[:3] == b"\xab\x00\x01"  # a map of eleven; the version's key and value
    with pytest.raises(SignatureInvalid):
        Statement.decode(b"\xb8\x0b" + raw[1:])  # the length in two bytes
    with pytest.raises(SignatureInvalid):
        Statement.decode(b"\xab\x00\x18\x01" + raw[3:])  # the version in two bytes


# Batches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 34))
def test_every_member_of_a_batch_of_any_size_is_proved(size: int) -> None:
    attestations = batch(size)
    assert len({attestation.signature for attestation in attestations}) == 1
    for attestation in attestations:
        verify(attestation)
        assert Attestation.from_bytes(attestation.to_bytes()) == attestation


def rfc_6962_root(leaves: list[bytes]) -> bytes:
    """The tree hash as the RFC defines it: split at the largest power of two below the size."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + rfc_6962_root(leaves[:split]) + rfc_6962_root(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(1, 34))
def test_what_is_signed_is_the_tree_hash_of_the_rfc(size: int) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    attestations = batch(size)
    root = rfc_6962_root([attestation.statement.encode() for attestation in attestations])
    message = b"vox.batch.v1\x00" + size.to_bytes(8, "big") + root
    Ed25519PublicKey.from_public_bytes(SIGNER.public_key).verify(attestations[0].signature, message)


def test_no_statements_need_no_signature() -> None:
    assert SIGNER.attest([]) == []


def test_nobody_signs_for_somebody_else() -> None:
    with pytest.raises(AssertionError):
        SIGNER.attest([statement("near", b"data", OTHER_SIGNER)])


def test_signing_twice_gives_the_same_bytes() -> None:
    assert [a.to_bytes() for a in batch(5)] == [a.to_bytes() for a in batch(5)]


# Tampering -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "index"), [(1, 0), (2, 1), (3, 2), (5, 4), (5, 1), (8, 6)])
def test_an_attestation_changed_at_any_byte_is_refused(size: int, index: int) -> None:
    raw = batch(size)[index].to_bytes()
    for at in range(len(raw)):
        for mask in (0x01, 0x80):
            forged = bytearray(raw)
            forged[at] ^= mask
            with pytest.raises((SignatureInvalid, SignerUnknown)):
                accept(Attestation.from_bytes(bytes(forged)), {SIGNER.peer})


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 33])
def test_a_path_too_short_too_long_or_in_another_order_is_refused(size: int) -> None:
    for told in batch(size):
        paths = [(*told.path, bytes(32)), (bytes(32), *told.path)]
        paths += [told.path[:-1], told.path[1:]] if told.path else []
        paths += [told.path[::-1]] if len(told.path) > 1 else []
        for path in paths:
            with pytest.raises(SignatureInvalid):
                verify(changed(told, path=path))


def test_another_index_or_another_batch_size_is_refused() -> None:
    for size in (2, 3, 6, 9):
        for told in batch(size):
            for index in set(range(size)) - {told.index}:
                with pytest.raises(SignatureInvalid):
                    verify(changed(told, index=index))
            for other in (size - 1, size + 1, 2 * size, 1 << 40):
                with pytest.raises(SignatureInvalid):
                    verify(changed(told, batch=other, index=min(told.index, other - 1)))


def test_a_statement_swapped_into_another_members_proof_is_refused() -> None:
    one, two = batch(2)
    with pytest.raises(SignatureInvalid):
        verify(changed(one, statement=two.statement))


def test_an_inner_hash_passed_off_as_a_statement_is_refused() -> None:
    one, two, *_ = batch(4)
    inner = b"".join(hashlib.sha256(b"\x00" + each.statement.encode()).digest() for each in (one, two))
    forged: Any = [inner, one.public_key, one.signature, 2, 0, list(one.path[1:])]
    with pytest.raises(SignatureInvalid):
        Attestation.from_term(forged)


def test_another_machines_key_does_not_make_a_claim_its_own() -> None:
    told = batch(1)[0]
    with pytest.raises(SignatureInvalid, match="key"):
        verify(changed(told, public_key=OTHER_SIGNER.public_key))
    forged = OTHER_SIGNER.attest([statement("node 0", b"0", OTHER_SIGNER)])[0]
    with pytest.raises(SignatureInvalid):
        verify(changed(forged, statement=told.statement))


def test_a_public_key_that_is_no_point_is_refused_not_raised() -> None:
    key = b"\xff" * 32
    told = batch(1)[0]
    from dataclasses import replace

    forged = changed(told, public_key=key, statement=replace(told.statement, issuer=PeerId.of(key)))
    with pytest.raises(SignatureInvalid):
        verify(forged)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "text"),
        (1, b"x" * 31),
        (1, None),
        (2, b"x" * 63),
        (3, 0),
        (3, "1"),
        (4, -1),
        (4, 1),
        (5, [b"x" * 31]),
        (5, ["x" * 32]),
        (5, [b"x" * 32] * (PATH_HASHES_MAX + 1)),
        (5, b""),
    ],
)
def test_an_attestation_of_the_wrong_shape_is_refused(place: int, value: object) -> None:
    term: Any = batch(1)[0].to_term()
    term[place] = value
    with pytest.raises(SignatureInvalid):
        Attestation.from_term(term)
    with pytest.raises(SignatureInvalid):
        Attestation.from_term(term[:5])


@pytest.mark.parametrize("place", [3, 4])
def test_a_boolean_is_not_a_number_in_an_attestation(place: int) -> None:
    term: Any = batch(2)[1].to_term()
    term[place] = True
    with pytest.raises(SignatureInvalid):
        Attestation.from_term(term)


# Policy --------------------------------------------------------------------------------------------


def test_a_claim_by_a_trusted_machine_is_accepted() -> None:
    accept(batch(3)[1], {OTHER_SIGNER.peer, SIGNER.peer})


def test_a_claim_by_a_machine_that_is_not_trusted_is_refused_however_well_signed() -> None:
    with pytest.raises(SignerUnknown) as raised:
        accept(batch(1)[0], {OTHER_SIGNER.peer})
    assert raised.value.code == "E0601"
    with pytest.raises(SignerUnknown):
        accept(batch(1)[0], set())


def test_a_bad_signature_by_a_trusted_machine_is_refused() -> None:
    told = batch(1)[0]
    with pytest.raises(SignatureInvalid) as raised:
        accept(changed(told, signature=bytes(64)), {SIGNER.peer})
    assert raised.value.code == "E0602"


def test_a_machines_name_is_the_hash_of_its_key() -> None:
    signer = Signer(Signer.generate())
    assert signer.peer == PeerId(hashlib.sha256(signer.public_key).digest())
    assert Digest(signer.peer.sha256) != signer.peer


def test_a_raw_signature_does_not_serve_as_a_batch() -> None:
    told = batch(1)[0]
    signature = SIGNER.sign_raw(b"vox.other.v1\x00" + told.statement.encode())
    with pytest.raises(SignatureInvalid):
        verify(changed(told, signature=signature))
