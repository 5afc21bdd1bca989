from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from p2p.authority import ClusterAuthority
from p2p.files import IdentityUnusable
from p2p.identity import Identity, Membership, fingerprint, peer_of_certificate
from vox.attest import Signer
from vox.errors import NotAllowed, SignatureInvalid


def test_a_restart_keeps_the_identity_and_the_tls_key(tmp_path: Path) -> None:
    first = Identity.load_or_create(tmp_path)
    second = Identity.load_or_create(tmp_path)
    assert first.peer == second.peer
    assert first.tls_key == second.tls_key


def test_two_directories_are_two_machines(tmp_path: Path) -> None:
    assert Identity.load_or_create(tmp_path / "a").peer != Identity.load_or_create(tmp_path / "b").peer


def test_many_starts_at_once_agree_on_one_identity(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        peers = set(pool.map(lambda _: Identity.load_or_create(tmp_path).peer, range(16)))
    assert len(peers) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["identity.key", "tls.key"]


def test_private_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    identity = Identity.load_or_create(tmp_path / "machine")
    ClusterAuthority.load_or_create(tmp_path / "authority").enrol(identity)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 7
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    Identity.load_or_create(tmp_path)
    (tmp_path / "identity.key").write_bytes(b"not a key")
    with pytest.raises(IdentityUnusable, match=r"identity\.key"):
        Identity.load_or_create(tmp_path)


def test_a_directory_in_place_of_a_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "identity.key").mkdir()
    with pytest.raises(IdentityUnusable, match=r"identity\.key"):
        Identity.load_or_create(tmp_path)


def test_a_membership_survives_a_restart(tmp_path: Path) -> None:
    authority = ClusterAuthority.load_or_create(tmp_path / "authority")
    identity = Identity.load_or_create(tmp_path / "machine")
    assert Membership.load(identity.directory) is None
    made = authority.enrol(identity)
    assert Membership.load(identity.directory) == made
    assert made.peer == identity.peer == peer_of_certificate(made.certificate_pem)
    assert made.cluster == authority.cluster == fingerprint(made.ca_file.read_bytes())


def test_an_authority_survives_a_restart(tmp_path: Path) -> None:
    first = ClusterAuthority.load_or_create(tmp_path)
    assert ClusterAuthority.load_or_create(tmp_path).certificate_pem == first.certificate_pem


def test_a_membership_whose_files_do_not_fit_together_is_refused(tmp_path: Path) -> None:
    authority = ClusterAuthority.load_or_create(tmp_path / "authority")
    one = authority.enrol(Identity.load_or_create(tmp_path / "one"))
    other = authority.enrol(Identity.load_or_create(tmp_path / "other"))
    one.certificate_file.write_bytes(other.certificate_pem)
    with pytest.raises(IdentityUnusable):
        Membership.load(tmp_path / "one")
    one.certificate_file.write_bytes(b"rubbish")
    with pytest.raises(IdentityUnusable):
        Membership.load(tmp_path / "one")


def test_a_certificate_of_another_cluster_is_not_vouched_for(tmp_path: Path) -> None:
    ours = ClusterAuthority.load_or_create(tmp_path / "a")
    theirs = ClusterAuthority.load_or_create(tmp_path / "b")
    mine = ours.enrol(Identity.load_or_create(tmp_path / "mine"))
    stranger = theirs.enrol(Identity.load_or_create(tmp_path / "stranger"))
    with pytest.raises(SignatureInvalid):
        mine.vouches(stranger.certificate_pem)
    with pytest.raises(SignatureInvalid):
        mine.vouches(ours.certificate_pem)
    with pytest.raises(SignatureInvalid):
        mine.vouches(b"-----BEGIN CERTIFICATE-----\n")


def test_an_expired_certificate_still_tells_who_was_a_member(tmp_path: Path) -> None:
    authority = ClusterAuthority.load_or_create(tmp_path / "authority")
    identity = Identity.load_or_create(tmp_path / "machine")
    mine = authority.enrol(Identity.load_or_create(tmp_path / "mine"))
    expired = authority.issue(
        identity.csr(), identity.proof(), identity.signer.public_key, lifetime_s=-1800.0
    )
    assert mine.vouches(expired) == identity.peer


def test_a_certificate_is_not_given_for_somebody_elses_name(tmp_path: Path) -> None:
    authority = ClusterAuthority.load_or_create(tmp_path / "authority")
    victim = Identity.load_or_create(tmp_path / "victim")
    thief = Identity.load_or_create(tmp_path / "thief")
    attempts = [
        (victim.csr(), thief.proof(), victim.signer.public_key),
        (victim.csr(), thief.proof(), thief.signer.public_key),
        (thief.csr(), victim.proof(), victim.signer.public_key),
        (
            Identity(victim.directory, victim.signer, thief.tls_key).csr(),
            thief.proof(),
            thief.signer.public_key,
        ),
        (victim.csr(), b"", victim.signer.public_key),
        (victim.csr(), victim.proof(), b"short"),
        (victim.csr()[:-40], victim.proof(), victim.signer.public_key),
        (b"", victim.proof(), victim.signer.public_key),
        (b"x" * 100_000, victim.proof(), victim.signer.public_key),
    ]
    for csr, proof, public_key in attempts:
        with pytest.raises(NotAllowed) as caught:
            authority.issue(csr, proof, public_key)
        assert caught.value.code == "E0612"
        assert caught.value.hint


def test_a_membership_for_another_machine_is_not_kept(tmp_path: Path) -> None:
    authority = ClusterAuthority.load_or_create(tmp_path / "authority")
    one = Identity.load_or_create(tmp_path / "one")
    other = Identity.load_or_create(tmp_path / "other")
    certificate = authority.issue(other.csr(), other.proof(), other.signer.public_key)
    with pytest.raises(SignatureInvalid):
        Membership.create(one, authority.certificate_pem, certificate)
    assert Membership.load(one.directory) is None


def test_a_signer_of_the_kept_key_is_the_peer(tmp_path: Path) -> None:
    identity = Identity.load_or_create(tmp_path)
    assert Signer(identity.signer._key.private_bytes_raw()).peer == identity.peer
