"""Names made of content: four kinds of SHA-256 that never mix."""

from __future__ import annotations

import hashlib
from typing import ClassVar, Self

SHA256_BYTES = 32


class _Name:
    """A SHA-256 with a kind. Two names are equal when their kind and their bytes are.

    Raises
    ------
    ValueError
        If the bytes are not 32 long, or a text does not parse.
    """

    __slots__ = ("sha256",)
    prefix: ClassVar[str]
    sha256: bytes

    def __init__(self, sha256: bytes) -> None:
        if type(sha256) is not bytes or len(sha256) != SHA256_BYTES:
            raise ValueError(f"{type(self).__name__} wants {SHA256_BYTES} bytes")
        object.__setattr__(self, "sha256", sha256)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("names are immutable")

    def __reduce__(self) -> tuple[type[Self], tuple[bytes]]:
        return type(self), (self.sha256,)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.sha256 == other.sha256

    def __lt__(self, other: Self) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self.sha256 < other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __str__(self) -> str:
        return f"{self.prefix}:{self.sha256.hex()}"

    def __repr__(self) -> str:
        return f"<{self.prefix}:{self.sha256.hex()[:12]}>"

    @property
    def short(self) -> str:
        """The first twelve hexadecimal digits, for people."""
        return self.sha256.hex()[:12]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises
        ------
        ValueError
            If the prefix is another kind's or the rest is not 64 hexadecimal digits.
        """
        prefix, _, digits = text.partition(":")
        if prefix != cls.prefix or len(digits) != 2 * SHA256_BYTES or digits != digits.lower():
            raise ValueError(f"not a {cls.prefix} name: {text[:80]!r}")
        return cls(bytes.fromhex(digits))

    @classmethod
    def of(cls, *parts: bytes | bytearray | memoryview) -> Self:
        """Return the name of the concatenation of `parts`."""
        hasher = hashlib.sha256()
        for part in parts:
            hasher.update(part)
        return cls(hasher.digest())


class Digest(_Name):
    """The name of a blob: the SHA-256 of its bytes."""

    __slots__ = ()
    prefix = "blob"


class NodeId(_Name):
    """The name of a node: operator, NodeIds of the inputs, parameters."""

    __slots__ = ()
    prefix = "node"


class ActionId(_Name):
    """The name of an action: operator, Digests of the input blobs, parameters."""

    __slots__ = ()
    prefix = "action"


class PeerId(_Name):
    """The name of a machine: the SHA-256 of its public key."""

    __slots__ = ()
    prefix = "peer"
