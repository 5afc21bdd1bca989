"""Who this machine is: a long-lived Ed25519 key, and the certificate that a cluster gave it.

The Ed25519 key signs attestations and is the PeerId; TLS uses a P-256 key beside it, because gRPC's TLS
refuses Ed25519 certificates. A certificate request is bound to the identity by an Ed25519 signature over its
public key, so that nobody gets a certificate for a PeerId that is not theirs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from p2p.files import IdentityUnusable, keep_file, read_file, unusable, write_file
from vox.attest import Signer
from vox.digest import PeerId
from vox.errors import SignatureInvalid

# The name every member certificate answers to: peers are recognised by their PeerId, not by a host name.
SERVER_NAME = "vox.peer"
PEER_URI = "vox:peer:"
PROOF_DOMAIN = b"vox.enrol.v1\0"

__all__ = ["Identity", "IdentityUnusable", "Membership", "fingerprint", "peer_of_certificate"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A machine's keys.

    Attributes
    ----------
    directory
        Where they are kept.
    signer
        Signs attestations.
    tls_key
        The P-256 private key of its certificates, PEM.
    """

    directory: Path
    signer: Signer
    tls_key: bytes = field(repr=False)

    @classmethod
    def load_or_create(cls, directory: Path) -> Identity:
        """Read the keys under `directory`, making those that are not there.

        Raises
        ------
        IdentityUnusable
            If a file cannot be read or written, or does not hold a key.
        """
        path = directory / "identity.key"
        signing = _private_key(keep_file(path, lambda: _pem(Ed25519PrivateKey.generate())))
        if not isinstance(signing, Ed25519PrivateKey):
            raise unusable(path, "it does not hold an Ed25519 key")
        path = directory / "tls.key"
        tls = keep_file(path, lambda: _pem(ec.generate_private_key(ec.SECP256R1())))
        if not isinstance(_private_key(tls), ec.EllipticCurvePrivateKey):
            raise unusable(path, "it does not hold a P-256 key")
        return cls(directory, Signer(signing.private_bytes_raw()), tls)

    @property
    def peer(self) -> PeerId:
        """The machine's name."""
        return self.signer.peer

    def csr(self) -> bytes:
        """Return a certificate request for the TLS key, PEM, naming this peer."""
        key = _private_key(self.tls_key)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        builder = x509.CertificateSigningRequestBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"vox {self.peer.short}")])
        ).add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(peer_uri(self.peer))]), critical=False
        )
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def proof(self) -> bytes:
        """Return the Ed25519 signature that ties the request's key to this identity."""
        key = _private_key(self.tls_key)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return self.signer.sign_raw(PROOF_DOMAIN + public_bytes(key.public_key()))


@dataclass(frozen=True, slots=True)
class Membership:
    """A machine's place in a cluster: the cluster's CA, its own certificate, and the key of that.

    `directory` holds the three as files, for libraries that want paths.
    """

    directory: Path
    ca_pem: bytes
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)

    @classmethod
    def create(cls, identity: Identity, ca_pem: bytes, certificate_pem: bytes) -> Membership:
        """Check what a coordinator answered to `identity`'s request, and keep it beside the identity.

        Raises
        ------
        SignatureInvalid
            If the certificate is not this machine's, or not signed by that CA.
        """
        membership = cls(identity.directory / "membership", ca_pem, certificate_pem, identity.tls_key)
        if membership.peer != identity.peer or not membership._is_consistent():
            raise SignatureInvalid("the certificate is not for this machine's key")
        # The certificate last: `load` finds either the old membership, or an inconsistent one and says so.
        write_file(membership.key_file, membership.key_pem)
        write_file(membership.ca_file, ca_pem)
        write_file(membership.certificate_file, certificate_pem)
        return membership

    @classmethod
    def load(cls, directory: Path) -> Membership | None:
        """Return the membership kept beside the identity in `directory`, or None if it never joined.

        Raises
        ------
        IdentityUnusable
            If the files are damaged or do not fit together.
        """
        place = directory / "membership"
        parts = [read_file(place / name) for name in ("ca.pem", "member.pem", "member.key")]
        ca_pem, certificate_pem, key_pem = parts
        if ca_pem is None or certificate_pem is None or key_pem is None:
            return None
        membership = cls(place, ca_pem, certificate_pem, key_pem)
        try:
            consistent = membership._is_consistent()
        except (SignatureInvalid, ValueError) as error:
            raise unusable(place, str(error)) from error
        if not consistent:
            raise unusable(place, "the certificate does not fit the key")
        return membership

    @property
    def ca_file(self) -> Path:
        """The cluster's CA certificate, PEM."""
        return self.directory / "ca.pem"

    @property
    def certificate_file(self) -> Path:
        """The machine's certificate, PEM."""
        return self.directory / "member.pem"

    @property
    def key_file(self) -> Path:
        """The private key of the certificate, PEM."""
        return self.directory / "member.key"

    @property
    def cluster(self) -> str:
        """The cluster's name: its CA's fingerprint."""
        return fingerprint(self.ca_pem)

    @property
    def peer(self) -> PeerId:
        """The machine's name."""
        return peer_of_certificate(self.certificate_pem)

    def vouches(self, certificate_pem: bytes) -> PeerId:
        """Return whom a certificate names, having checked that this cluster's CA signed it.

        A certificate that has expired still tells who was a member: what they signed then stays good.

        Raises
        ------
        SignatureInvalid
            If it is not a member certificate of this cluster.
        """
        return _vouched(self.ca_pem, certificate_pem)

    def _is_consistent(self) -> bool:
        self.vouches(self.certificate_pem)
        key = _private_key(self.key_pem)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            return False
        member = _certificate(self.certificate_pem).public_key()
        return isinstance(member, ec.EllipticCurvePublicKey) and public_bytes(member) == public_bytes(
            key.public_key()
        )


def fingerprint(certificate_pem: bytes) -> str:
    """Return the SHA-256 of a certificate as 64 hexadecimal digits.

    Raises
    ------
    SignatureInvalid
        If the bytes are not a certificate.
    """
    der = _certificate(certificate_pem).public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest()


def peer_of_certificate(certificate_pem: bytes) -> PeerId:
    """Return the PeerId that a certificate names. Who signed it is not checked: see `Membership.vouches`.

    Raises
    ------
    SignatureInvalid
        If it is not a certificate, or names no peer or more than one.
    """
    return peer_of_extensions(_certificate(certificate_pem))


def peer_of_extensions(holder: x509.Certificate | x509.CertificateSigningRequest) -> PeerId:
    """Return the PeerId in a certificate's or request's alternative names."""
    try:
        names = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        (digits,) = [uri.removeprefix(PEER_URI) for uri in uris if uri.startswith(PEER_URI)]
        return PeerId.parse(f"{PeerId.prefix}:{digits}")
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise SignatureInvalid("a certificate that does not name one peer") from error


def peer_uri(peer: PeerId) -> str:
    """Return the alternative name that carries a PeerId."""
    return PEER_URI + peer.sha256.hex()


def public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key's SubjectPublicKeyInfo, DER."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=4096)
def _vouched(ca_pem: bytes, certificate_pem: bytes) -> PeerId:
    # Cached: every call of the peer service asks, with few different certificates.
    certificate = _certificate(certificate_pem)
    try:
        certificate.verify_directly_issued_by(_certificate(ca_pem))
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise SignatureInvalid("a certificate that this cluster did not issue") from error
    if constraints.ca:
        raise SignatureInvalid("a certificate of an authority, not of a member")
    return peer_of_extensions(certificate)


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise SignatureInvalid("not a certificate") from error


def _private_key(pem: bytes) -> object:
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
