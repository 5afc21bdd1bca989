"""Tokens that people paste: to join a cluster once, or to use its HTTP interface.

Only hashes are kept, so that reading the file gives nobody a token; and they are kept on disk, so that a
coordinator that is restarted still knows the ones it handed out.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2p.files import read_file, unusable, write_file
from vox.clock import Clock, SystemClock
from vox.errors import NotAllowed

SECRET_BYTES = 16
# 160 bits of the fingerprint: as hard to forge as the PeerIds people compare are to mistake.
FINGERPRINT_DIGITS = 40
TOKENS_MAX = 1000
JOIN_LIFETIME_S = 3600.0
_JOIN, _API = "vox-join-", "vox-api-"
_SECRET_CHARACTERS = 26  # ceil(16 * 8 / 5)


@dataclass(frozen=True, slots=True)
class JoinToken:
    """What a join token says: a secret for the coordinator, and how to recognise that coordinator."""

    secret: bytes
    fingerprint: str

    def __str__(self) -> str:
        return f"{_JOIN}{_base32(self.secret)}-{self.fingerprint}"

    def recognises(self, fingerprint: str) -> bool:
        """Tell whether a CA's fingerprint is the one this token was made for."""
        return hmac.compare_digest(self.fingerprint, fingerprint[:FINGERPRINT_DIGITS].lower())


def parse_token(text: str) -> JoinToken:
    """Read a join token as a person pasted it.

    Raises
    ------
    NotAllowed
        If it is not one, or only a part of one.
    """
    body = "".join(text.split()).lower()
    secret, _, digits = body.removeprefix(_JOIN).partition("-")
    if (
        not body.startswith(_JOIN)
        or len(digits) != FINGERPRINT_DIGITS
        or not set(digits) <= set("0123456789abcdef")
    ):
        raise _refused("this is not a whole join token")
    return JoinToken(_unbase32(secret), digits)


@dataclass(frozen=True, slots=True)
class _Kept:
    hash: str
    expires_at: float
    label: str


class _Tokens:
    """A bounded list of hashed secrets in a file; safe for threads, and for processes that share it."""

    def __init__(self, path: Path, clock: Clock | None) -> None:
        self._path = path
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()

    def _add(self, label: str, lifetime_s: float) -> bytes:
        secret = secrets.token_bytes(SECRET_BYTES)
        with self._held():
            kept = self._load()
            if len(kept) >= TOKENS_MAX:
                raise NotAllowed(
                    f"there are {TOKENS_MAX} unused tokens already", hint="wait until some have expired"
                )
            expires_at = self._clock.now() + lifetime_s if lifetime_s > 0 else 0.0
            self._save([*kept, _Kept(_hash(secret), expires_at, label)])
        return secret

    def _find(self, secret: bytes, *, consume: bool) -> str:
        wanted = _hash(secret)
        with self._held():
            kept = self._load()
            # Every entry is compared, in constant time each: timing tells nothing about how close a guess is.
            matches = [token for token in kept if hmac.compare_digest(token.hash, wanted)]
            if not matches:
                raise _refused("the token is unknown, was used already, or has expired")
            if consume:
                self._save([token for token in kept if token not in matches])
        return matches[0].label

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock, _file_lock(self._path.with_suffix(".lock")):
            yield

    def _load(self) -> list[_Kept]:
        data = read_file(self._path)
        if data is None:
            return []
        try:
            document: Any = json.loads(data)
            kept = [_Kept(str(row["hash"]), float(row["expires_at"]), str(row["label"])) for row in document]
        except (ValueError, KeyError, TypeError) as error:
            raise unusable(self._path, "it does not hold a list of tokens") from error
        now = self._clock.now()
        return [token for token in kept if not token.expires_at or token.expires_at > now]

    def _save(self, kept: list[_Kept]) -> None:
        rows = [{"hash": token.hash, "expires_at": token.expires_at, "label": token.label} for token in kept]
        write_file(self._path, json.dumps(rows, indent=1).encode())


class JoinTokens(_Tokens):
    """One-time tokens that let a machine into the cluster."""

    def __init__(self, directory: Path, fingerprint: str, clock: Clock | None = None) -> None:
        super().__init__(directory / "join-tokens.json", clock)
        self._fingerprint = fingerprint[:FINGERPRINT_DIGITS].lower()

    def mint(self, lifetime_s: float = JOIN_LIFETIME_S) -> str:
        """Return a new token in the form that people paste."""
        return str(JoinToken(self._add("join", lifetime_s), self._fingerprint))

    def redeem(self, text: str) -> None:
        """Use a token up, or refuse it. Of two machines with one token, one gets in.

        Raises
        ------
        NotAllowed
            If it is malformed, of another cluster, unknown, used or expired.
        """
        token = parse_token(text)
        if not token.recognises(self._fingerprint):
            raise _refused("the token is for another coordinator")
        self._find(token.secret, consume=True)


class ApiTokens(_Tokens):
    """Bearer tokens of the HTTP interface; the label of each is its role."""

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        super().__init__(directory / "api-tokens.json", clock)

    def mint(self, role: str = "admin", lifetime_s: float = 0.0) -> str:
        """Return a new token; without a lifetime it is good until it is taken away."""
        return _API + _base32(self._add(role, lifetime_s))

    def verify(self, text: str) -> str:
        """Return the role of a token.

        Raises
        ------
        NotAllowed
            If it is malformed, unknown or expired.
        """
        body = text.strip().lower()
        if not body.startswith(_API):
            raise _refused("this is not a token of the HTTP interface")
        return self._find(_unbase32(body.removeprefix(_API)), consume=False)


def _refused(reason: str) -> NotAllowed:
    return NotAllowed(reason, hint="`vox-coordinator token` prints a new one; paste all of it")


def _hash(secret: bytes) -> str:
    return hashlib.sha256(b"vox.token.v1\0" + secret).hexdigest()


def _base32(secret: bytes) -> str:
    return base64.b32encode(secret).decode().rstrip("=").lower()


def _unbase32(text: str) -> bytes:
    try:
        secret = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        secret = b""
    if len(text) != _SECRET_CHARACTERS or len(secret) != SECRET_BYTES or _base32(secret) != text:
        raise _refused("this is not a whole token")
    return secret


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # not on Windows; one coordinator process is the rule there
        yield
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unusable(path, error.strerror or "it cannot be written") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
