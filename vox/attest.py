"""Statements and attestations: "this action gave this blob", and the same, signed.

A signer signs batches: the Ed25519 signature covers the RFC 6962 Merkle root of a batch of statements, and
each attestation carries its inclusion path, so that one signature and one verification serve many nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from vox.digest import ActionId, Digest, NodeId, PeerId
from vox.encoding import EncodingError, Term, decode, encode, head
from vox.errors import SignatureInvalid, SignerUnknown

# Limits of SHARING, section 6: a statement is small, a path has at most 63 hashes.
STATEMENT_BYTES_MAX = 2048
PATH_HASHES_MAX = 63
_DOMAIN = b"vox.batch.v1\0"
_LEAF, _INNER = b"\0", b"\1"
_VERSION = 1
_BYTES, _ARRAY = 2, 4
# A map of eleven: the version, and the key and length of the action.
_STATEMENT_HEAD = b"\xab\x00\x01\x01\x58\x20"


@dataclass(frozen=True, slots=True)
class Statement:
    """What one run of one action gave.

    Attributes
    ----------
    action, node
        What was run; `node` is a hint that lets a goal be found by name.
    output, size
        The blob, and its bytes.
    inputs
        The blobs it was computed from: the forward closure of any result can be walked offline.
    environment
        A digest of library versions and instruction set. Never part of a name.
    determinism
        The operator's class.
    wall_ms
        How long the kernel took.
    issuer
        Who computed it. A relay never signs.
    issued_at
        Seconds since the epoch, for people.
    """

    action: ActionId
    node: NodeId
    output: Digest
    size: int
    inputs: tuple[Digest, ...]
    environment: Digest
    determinism: str
    wall_ms: int
    issuer: PeerId
    issued_at: int

    def encode(self) -> bytes:
        """Return the canonical bytes that are signed: `encode` of `to_term`, written out for speed."""
        return b"".join(
            (
                _STATEMENT_HEAD,
                self.action.sha256,
                b"\x02\x58\x20",
                self.node.sha256,
                b"\x03\x58\x20",
                self.output.sha256,
                b"\x04",
                encode(self.size),
                b"\x05",
                head(_ARRAY, len(self.inputs)),
                *[b"\x58\x20" + name.sha256 for name in self.inputs],
                b"\x06\x58\x20",
                self.environment.sha256,
                b"\x07",
                _text(self.determinism),
                b"\x08",
                encode(self.wall_ms),
                b"\x09\x58\x20",
                self.issuer.sha256,
                b"\x0a",
                encode(self.issued_at),
            )
        )

    def to_term(self) -> dict[int, Term]:
        """Return the map that `encode` encodes."""
        fields: dict[int, Term] = {
            0: _VERSION,
            1: self.action.sha256,
            2: self.node.sha256,
            3: self.output.sha256,
            4: self.size,
            5: [name.sha256 for name in self.inputs],
            6: self.environment.sha256,
            7: self.determinism,
            8: self.wall_ms,
            9: self.issuer.sha256,
            10: self.issued_at,
        }
        return fields

    @classmethod
    def decode(cls, data: bytes) -> Statement:
        """Read a statement strictly.

        Raises
        ------
        SignatureInvalid
            If the bytes are too long, not canonical, or not a statement of version 1.
        """
        if len(data) > STATEMENT_BYTES_MAX:
            raise SignatureInvalid(f"a statement of {len(data)} bytes, over {STATEMENT_BYTES_MAX}")
        if (usual := _usual(data)) is not None:
            return usual
        try:
            fields: Any = decode(data)
            if type(fields) is not dict or set(fields) != set(range(11)) or fields[0] != _VERSION:
                raise EncodingError("not a statement of version 1")
            if type(fields[7]) is not str or any(
                type(fields[i]) is not int or fields[i] < 0 for i in (4, 8, 10)
            ):
                raise EncodingError("a field of the wrong type")
            return cls(
                ActionId(fields[1]),
                NodeId(fields[2]),
                Digest(fields[3]),
                fields[4],
                tuple(Digest(name) for name in fields[5]),
                Digest(fields[6]),
                fields[7],
                fields[8],
                PeerId(fields[9]),
                fields[10],
            )
        except (ValueError, TypeError) as error:
            raise SignatureInvalid(f"not a statement: {error}") from error


def _usual(data: bytes) -> Statement | None:
    """Read a statement as nearly all are, then write and compare it: None sends the caller the long way."""
    try:
        size, at = _unsigned(data, 109)
        count = data[at + 1] - 0x80
        inputs = at + 2
        at = inputs + 34 * count + 3
        environment = data[at : at + 32]
        length = data[at + 33] - 0x60
        if not (0 <= count < 24 and 0 <= length < 24):
            return None
        said = data[at + 34 : at + 34 + length].decode("ascii")
        wall_ms, at = _unsigned(data, at + 35 + length)
        issuer = data[at + 3 : at + 35]
        issued_at, at = _unsigned(data, at + 36)
        statement = Statement(
            ActionId(data[6:38]),
            NodeId(data[41:73]),
            Digest(data[76:108]),
            size,
            tuple([Digest(data[i + 2 : i + 34]) for i in range(inputs, inputs + 34 * count, 34)]),
            Digest(environment),
            *(said, wall_ms, PeerId(issuer), issued_at),
        )
    except (IndexError, ValueError):
        return None
    return statement if statement.encode() == data else None


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned integer; return it and the offset after it."""
    first = data[at]
    if first < 24:
        return first, at + 1
    if not 24 <= first <= 27:
        raise ValueError("not an unsigned integer")
    end = at + 1 + (1 << (first - 24))
    return int.from_bytes(data[at + 1 : end], "big"), end


@dataclass(frozen=True, slots=True)
class Attestation:
    """A statement, and the proof that its issuer signed it.

    `index` and `path` prove inclusion in a batch of `batch` statements whose root `signature` covers.
    """

    statement: Statement
    public_key: bytes
    signature: bytes
    batch: int
    index: int
    path: tuple[bytes, ...]
    # A statement and its bytes, where they are known already.
    known: tuple[Statement, bytes] | None = field(default=None, compare=False, repr=False)

    def to_term(self) -> Term:
        """Return the form that is stored and sent."""
        proof: list[Term] = [self.public_key, self.signature, self.batch, self.index, list(self.path)]
        return [self._raw(), *proof]

    def _raw(self) -> bytes:
        # The very statement, not an equal one: a copy with another statement must not keep these bytes.
        if self.known is not None and self.known[0] is self.statement:
            return self.known[1]
        return self.statement.encode()

    @classmethod
    def from_term(cls, term: Any) -> Attestation:
        """Read `to_term`'s form.

        Raises
        ------
        SignatureInvalid
            If it is not one. The signature is not checked here: see `verify`.
        """
        match term:
            case [bytes(raw), bytes(key), bytes(signature), int(batch), int(index), list(path)] if (
                len(key) == 32
                and len(signature) == 64
                and type(batch) is type(index) is int  # True is an int to a pattern, and another encoding
                and 0 <= index < batch
                and len(path) <= PATH_HASHES_MAX
                and all(type(name) is bytes and len(name) == 32 for name in path)
            ):
                statement = Statement.decode(raw)
                return cls(statement, key, signature, batch, index, tuple(path), (statement, raw))
        raise SignatureInvalid("not an attestation")

    def to_bytes(self) -> bytes:
        """Return `to_term`, encoded; written out for speed."""
        raw = self._raw()
        return b"".join(
            (
                b"\x86",
                head(_BYTES, len(raw)),
                raw,
                b"\x58\x20",
                self.public_key,
                b"\x58\x40",
                self.signature,
                encode(self.batch),
                encode(self.index),
                head(_ARRAY, len(self.path)),
                *[b"\x58\x20" + name for name in self.path],
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Attestation:
        """Read `to_bytes`' form."""
        try:
            return cls.from_term(decode(data))
        except EncodingError as error:
            raise SignatureInvalid(f"not an attestation: {error}") from error


def verify(attestation: Attestation) -> None:
    """Check that the issuer signed the statement: key, inclusion, signature, in that order.

    Raises
    ------
    SignatureInvalid
        If any of the three does not hold.
    """
    statement = attestation.statement
    if PeerId.of(attestation.public_key) != statement.issuer:
        raise SignatureInvalid(f"the key is not {statement.issuer}'s")
    leaf = _leaf(attestation._raw())
    root = _root_from_path(leaf, attestation.index, attestation.batch, attestation.path)
    if not _signed(attestation.public_key, attestation.signature, root, attestation.batch):
        raise SignatureInvalid(f"the signature of {statement.issuer} does not fit")


def accept(attestation: Attestation, trusted: Collection[PeerId]) -> None:
    """Check an attestation against the policy `cluster`: signed, and by a machine of the roster.

    Raises
    ------
    SignerUnknown, SignatureInvalid
        If it must not be believed.
    """
    if attestation.statement.issuer not in trusted:
        raise SignerUnknown(attestation.statement.issuer)
    verify(attestation)


class Signer:
    """A machine's Ed25519 key, and the PeerId that is its hash."""

    def __init__(self, private_key: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key = Ed25519PrivateKey.from_private_bytes(private_key)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.peer = PeerId.of(self.public_key)

    @staticmethod
    def generate() -> bytes:
        """Return a new private key: 32 random bytes."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.generate().private_bytes_raw()

    def sign_raw(self, message: bytes) -> bytes:
        """Sign bytes of another protocol; the caller's first bytes must name it."""
        return self._key.sign(message)

    def attest(self, statements: Sequence[Statement]) -> list[Attestation]:
        """Sign a batch of statements, which must all be this machine's own."""
        if not statements:
            return []
        assert all(statement.issuer == self.peer for statement in statements)
        encoded = [statement.encode() for statement in statements]
        levels = _levels([_leaf(raw) for raw in encoded])
        batch = len(statements)
        signature = self._key.sign(_message(levels[-1][0], batch))
        return [
            Attestation(
                statement, self.public_key, signature, batch, index, _path(levels, index), (statement, raw)
            )
            for index, (statement, raw) in enumerate(zip(statements, encoded, strict=True))
        ]


@lru_cache(maxsize=64)
def _text(text: str) -> bytes:
    return encode(text)


def _message(root: bytes, batch: int) -> bytes:
    return _DOMAIN + batch.to_bytes(8, "big") + root


@lru_cache(maxsize=4096)
def _signed(public_key: bytes, signature: bytes, root: bytes, batch: int) -> bool:
    # Cached, because one signature serves a whole batch.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _message(root, batch))
    except (InvalidSignature, ValueError):
        return False
    return True


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(_LEAF + data).digest()


def _inner(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_INNER + left + right).digest()


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """Return the tree bottom up. An odd node at the end rises unchanged, which gives RFC 6962's tree."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [_inner(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        if len(below) % 2:
            above.append(below[-1])
        levels.append(above)
    return levels


def _path(levels: list[list[bytes]], index: int) -> tuple[bytes, ...]:
    path = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return tuple(path)


def _root_from_path(leaf: bytes, index: int, batch: int, path: Sequence[bytes]) -> bytes:
    hashes = iter(path)
    node, width = leaf, batch
    try:
        while width > 1:
            if index % 2:
                node = _inner(next(hashes), node)
            elif index + 1 < width:
                node = _inner(node, next(hashes))
            index, width = index >> 1, (width + 1) >> 1
    except StopIteration:
        raise SignatureInvalid("an inclusion path is too short") from None
    if next(hashes, None) is not None:
        raise SignatureInvalid("an inclusion path is too long")
    return node
