"""The audit log: who did what to which blobs, each entry chained to the one before.

The hash of an entry is `SHA-256("vox.audit.v1" 00 ‖ hash before ‖ entry)`; before the first are 32 zeros.
Who notes the last hash elsewhere also sees when the end was cut off.
"""

from __future__ import annotations

import getpass
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vox.encoding import EncodingError, decode, encode

START = bytes(32)
_DOMAIN = b"vox.audit.v1\0"
# More names than this are counted, and their common digest is written instead.
NAMES_MAX = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed: when (seconds since 1970), by whom, what, to what, and how many."""

    at_s: int
    who: str
    verb: str
    names: tuple[str, ...]
    count: int

    def encode(self) -> bytes:
        """Return the bytes that are chained."""
        return encode([self.at_s, self.who, self.verb, list(self.names), self.count])

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """Read `encode`'s form; ValueError if it is not one."""
        term: Any = decode(data)
        match term:
            case [int(at_s), str(who), str(verb), list(names), int(count)]:
                return cls(at_s, who, verb, tuple(map(str, names)), count)
        raise EncodingError("not an entry of the audit log")


def entry(at_s: float, who: str, verb: str, names: Sequence[object]) -> Entry:
    """Return an entry; a long list of names becomes one digest of it."""
    texts = [str(name) for name in names]
    if len(texts) > NAMES_MAX:
        every = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        return Entry(int(at_s), who, verb, (f"sha256:{every}",), len(texts))
    return Entry(int(at_s), who, verb, tuple(texts), len(texts))


def chained(before: bytes, data: bytes) -> bytes:
    """Return the hash of an entry."""
    return hashlib.sha256(_DOMAIN + before + data).digest()


def first_break(rows: Iterable[tuple[int, bytes, bytes]]) -> int | None:
    """Return the number of the first entry that was changed, added or left out; None if the chain holds."""
    before, expected = START, 1
    for number, data, found in rows:
        if number != expected or chained(before, data) != found:
            return number
        before, expected = found, expected + 1
    return None


def whoami() -> str:
    """Return the user and the process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "?"
    return f"{user} pid {os.getpid()}"
