"""Between vox's own values and messages. Whatever came from outside is checked here, and only here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from vox.attest import PATH_HASHES_MAX, STATEMENT_BYTES_MAX, Attestation, Statement
from vox.digest import SHA256_BYTES, ActionId, Digest, NodeId, PeerId
from vox.errors import PeerProtocol, SignatureInvalid
from vox.store.contract import Result
from vox.wire.v1 import attestation_pb2, peer_pb2

# Limits of SHARING, section 6.
IDS_MAX = 10_000
MESSAGE_BYTES_MAX = 4 << 20
# A stream's messages are cut at this size, which leaves room for the entry that crosses it.
REPLY_BYTES = 1 << 20
# One claim per machine and action: a larger number is not a cluster's.
CLAIMS_MAX = 256
MEMBERS_MAX = 1000
ADDRESSES_MAX = 8
TEXT_CHARACTERS_MAX = 255
CERTIFICATE_BYTES_MAX = 8192

_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})", re.ASCII)

_Named = TypeVar("_Named", Digest, NodeId, ActionId, PeerId)
_Item = TypeVar("_Item")


def name_from_wire(kind: type[_Named], raw: bytes) -> _Named:
    """Read one name.

    Raises
    ------
    PeerProtocol
        If it is not 32 bytes long.
    """
    if len(raw) != SHA256_BYTES:
        raise PeerProtocol(f"a {kind.prefix} name of {len(raw)} bytes")
    return kind(raw)


def names_from_wire(kind: type[_Named], raw: Sequence[bytes]) -> list[_Named]:
    """Read the names of a query or an answer: at most 10,000.

    Raises
    ------
    PeerProtocol
        If there are more, or one is not a name.
    """
    if len(raw) > IDS_MAX:
        raise PeerProtocol(f"{len(raw)} names in one message, over {IDS_MAX}")
    return [name_from_wire(kind, name) for name in raw]


def attestation_to_wire(attestation: Attestation) -> attestation_pb2.Attestation:
    """Return the message for an attestation."""
    return attestation_pb2.Attestation(
        statement=attestation.statement.encode(),
        public_key=attestation.public_key,
        signature=attestation.signature,
        batch=attestation.batch,
        index=attestation.index,
        path=list(attestation.path),
    )


def attestation_from_wire(message: attestation_pb2.Attestation) -> Attestation:
    """Read an attestation. Its signature is not checked here: see `vox.attest.accept`.

    Raises
    ------
    PeerProtocol
        If it is not one.
    """
    if (
        len(message.statement) > STATEMENT_BYTES_MAX
        or len(message.public_key) != 32
        or len(message.signature) != 64
        or message.index >= message.batch
        or len(message.path) > PATH_HASHES_MAX
        or any(len(sibling) != SHA256_BYTES for sibling in message.path)
    ):
        raise PeerProtocol("an attestation of the wrong form")
    try:
        statement = Statement.decode(message.statement)
    except SignatureInvalid as error:
        raise PeerProtocol(error.message) from error
    return Attestation(
        statement,
        message.public_key,
        message.signature,
        message.batch,
        message.index,
        tuple(message.path),
    )


def result_to_wire(result: Result, claims: Sequence[Attestation]) -> peer_pb2.Result:
    """Return the message for a result and who says so."""
    return peer_pb2.Result(
        node=result.node.sha256,
        action=b"" if result.action is None else result.action.sha256,
        digest=result.digest.sha256,
        size=result.size,
        claims=[attestation_to_wire(claim) for claim in claims[:CLAIMS_MAX]],
    )


def result_from_wire(message: peer_pb2.Result) -> tuple[Result, tuple[Attestation, ...]]:
    """Read a result and the claims that came with it.

    Raises
    ------
    PeerProtocol
        If it is not one.
    """
    if len(message.claims) > CLAIMS_MAX:
        raise PeerProtocol(f"{len(message.claims)} claims about one node, over {CLAIMS_MAX}")
    result = Result(
        name_from_wire(NodeId, message.node),
        name_from_wire(ActionId, message.action) if message.action else None,
        name_from_wire(Digest, message.digest),
        message.size,
    )
    return result, tuple(attestation_from_wire(claim) for claim in message.claims)


def text_from_wire(text: str) -> str:
    """Read a name or an address: short, and printable on a terminal without surprises.

    Raises
    ------
    PeerProtocol
        If it is not.
    """
    if len(text) > TEXT_CHARACTERS_MAX or not text.isprintable():
        raise PeerProtocol("a text that is too long or cannot be printed")
    return text


def address_from_wire(text: str) -> str:
    """Read an address that a peer names: `host:port` and nothing else that a transport would understand.

    Raises
    ------
    PeerProtocol
        If it is not one.
    """
    if not is_address(text):
        raise PeerProtocol("an address that is not host:port")
    return text


def is_address(text: str) -> bool:
    """Tell whether a text is `host:port`, with brackets around an IPv6 host."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and len(text) <= TEXT_CHARACTERS_MAX and 0 < int(found["port"]) < 1 << 16


def batches(items: Iterable[_Item], size: int = IDS_MAX) -> Iterator[list[_Item]]:
    """Cut items into lists of at most `size`."""
    batch: list[_Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
