"""A cluster's small certificate authority: it names the members; nothing outside the cluster trusts it."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from p2p.files import keep_file, unusable
from p2p.identity import (
    PROOF_DOMAIN,
    SERVER_NAME,
    Identity,
    Membership,
    fingerprint,
    peer_of_extensions,
    peer_uri,
    public_bytes,
)
from p2p.tokens import ApiTokens, JoinToken, JoinTokens, parse_token
from vox.clock import Clock, SystemClock
from vox.digest import PeerId
from vox.errors import NotAllowed, SignatureInvalid

DAY_S = 86_400.0
AUTHORITY_LIFETIME_S = 3650 * DAY_S
MEMBER_LIFETIME_S = 365 * DAY_S
# Machines' clocks differ; a certificate is good a little before it was made.
CLOCK_SKEW_S = 3600.0
# A request is about 500 bytes.
CSR_BYTES_MAX = 8192
ADDRESSES_MAX = 32

__all__ = ["ApiTokens", "ClusterAuthority", "JoinToken", "JoinTokens", "parse_token"]


@dataclass(frozen=True, slots=True)
class ClusterAuthority:
    """The key that makes members.

    Attributes
    ----------
    certificate_pem
        Its self-signed certificate; every member has a copy.
    """

    certificate_pem: bytes
    _key: ec.EllipticCurvePrivateKey = field(repr=False)
    _clock: Clock = field(repr=False)

    @classmethod
    def load_or_create(cls, directory: Path, clock: Clock | None = None) -> ClusterAuthority:
        """Read the authority under `directory`, making one if there is none.

        Raises
        ------
        IdentityUnusable
            If a file cannot be read or written, or does not hold what it should.
        """
        clock = clock or SystemClock()
        path = directory / "ca.key"
        try:
            key = serialization.load_pem_private_key(keep_file(path, _new_key), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise unusable(path, "it does not hold a key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise unusable(path, "it does not hold a P-256 key")
        path = directory / "ca.pem"
        pem = keep_file(path, lambda: _self_signed(key, clock.now()))
        try:
            certified = x509.load_pem_x509_certificate(pem).public_key()
        except ValueError as error:
            raise unusable(path, "it does not hold a certificate") from error
        if certified != key.public_key():
            raise unusable(path, "the certificate does not fit ca.key")
        return cls(pem, key, clock)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, 64 hexadecimal digits."""
        return fingerprint(self.certificate_pem)

    @property
    def cluster(self) -> str:
        """The cluster's name: the fingerprint."""
        return self.fingerprint

    def issue(
        self,
        csr: bytes,
        proof: bytes,
        public_key: bytes,
        lifetime_s: float = MEMBER_LIFETIME_S,
        addresses: Sequence[str] = (),
    ) -> bytes:
        """Return a member certificate, PEM, for a request whose maker proved to be the peer it names.

        Parameters
        ----------
        csr, proof, public_key
            What `Identity.csr`, `Identity.proof` and `Identity.signer.public_key` give.
        addresses
            IP addresses and host names that the certificate shall also answer to.

        Raises
        ------
        NotAllowed
            If the request is malformed, or the proof does not fit it.
        """
        request = _request(csr)
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        try:
            peer = peer_of_extensions(request)
            Ed25519PublicKey.from_public_bytes(public_key).verify(proof, PROOF_DOMAIN + public_bytes(key))
        except (InvalidSignature, ValueError, TypeError, SignatureInvalid) as error:
            raise _refused("its proof does not fit") from error
        if peer != PeerId.of(public_key):
            raise _refused("it names another machine")
        return self._sign(key, peer, lifetime_s, addresses)

    def enrol(
        self, identity: Identity, lifetime_s: float = MEMBER_LIFETIME_S, addresses: Sequence[str] = ()
    ) -> Membership:
        """Make the machine that holds the authority a member of its cluster, and keep that."""
        certificate = self.issue(
            identity.csr(), identity.proof(), identity.signer.public_key, lifetime_s, addresses
        )
        return Membership.create(identity, self.certificate_pem, certificate)

    def _sign(
        self, key: ec.EllipticCurvePublicKey, peer: PeerId, lifetime_s: float, addresses: Sequence[str]
    ) -> bytes:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        issuer = x509.load_pem_x509_certificate(self.certificate_pem).subject
        builder = (
            _builder(f"vox {peer.short}", issuer, key, self._clock.now(), lifetime_s)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(usages, critical=False)
            .add_extension(x509.SubjectAlternativeName(_names(peer, addresses)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _request(csr: bytes) -> x509.CertificateSigningRequest:
    if len(csr) > CSR_BYTES_MAX:
        raise _refused("it is too long")
    try:
        request = x509.load_pem_x509_csr(csr)
        key = request.public_key()
        valid = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refused("it is not one") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _refused("its key is not P-256")
    if not valid:
        raise _refused("its signature does not fit")
    return request


def _refused(reason: str) -> NotAllowed:
    return NotAllowed(
        f"the certificate request is refused: {reason}",
        hint="the joining machine and the coordinator must run compatible versions; join again",
        code="E0612",
    )


def _names(peer: PeerId, addresses: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(peer_uri(peer)),
        x509.DNSName(SERVER_NAME),
        x509.DNSName("localhost"),
    ]
    for address in dict.fromkeys(addresses[:ADDRESSES_MAX]):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError:
            if not (address.isascii() and address):
                raise _refused("an address is not a host name") from None
            names.append(x509.DNSName(address))
    return names


def _new_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _self_signed(key: ec.EllipticCurvePrivateKey, now: float) -> bytes:
    # Two authorities must not share a name, or OpenSSL could take one for the other.
    label = PeerId.of(public_bytes(key.public_key())).short
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"vox cluster {label}")])
    builder = (
        _builder(f"vox cluster {label}", name, key.public_key(), now, AUTHORITY_LIFETIME_S)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float, lifetime_s: float
) -> x509.CertificateBuilder:
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(seconds=CLOCK_SKEW_S))
        .not_valid_after(moment + datetime.timedelta(seconds=lifetime_s))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
