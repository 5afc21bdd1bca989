"""Small private files: made once, whole, readable by their owner only."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from vox.errors import TrustError

PRIVATE_MODE = 0o600
# Keys, certificates and token lists are a few kilobytes; anything larger is not ours.
FILE_BYTES_MAX = 1 << 20


class IdentityUnusable(TrustError):
    """A key or certificate file of this machine cannot be read, written or understood."""

    code = "E0611"
    exit_status = 2


def read_file(path: Path) -> bytes | None:
    """Return a file's bytes, or None if it is not there.

    Raises
    ------
    IdentityUnusable
        If it is there and cannot be read, or is far too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(path, error.strerror or "it cannot be read") from error
    if len(data) > FILE_BYTES_MAX:
        raise unusable(path, "it is too large")
    return data


def write_file(path: Path, data: bytes) -> None:
    """Replace a file by another, whole and durable, with mode 0600."""
    temporary = _temporary(path, data)
    try:
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unusable(path, error.strerror or "it cannot be written") from error
    _sync_directory(path.parent)


def keep_file(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return a file's bytes; make them first if it is not there. Two processes agree on one content."""
    found = read_file(path)
    if found is not None:
        return found
    made = make()
    temporary = _temporary(path, made)
    try:
        # A link, unlike a rename, fails when somebody else was faster: theirs is the key then.
        os.link(temporary, path)
    except FileExistsError:
        won = read_file(path)
        assert won is not None
        return won
    except OSError as error:
        raise unusable(path, error.strerror or "it cannot be written") from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)
    return made


def unusable(path: Path, reason: str) -> IdentityUnusable:
    """Return the error that names a file and what is wrong with it."""
    return IdentityUnusable(
        f"{path}: {reason}",
        hint="mend its permissions, or move it away: a new one is made (and the machine must join again)",
    )


def _temporary(path: Path, data: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unusable(path, error.strerror or "it cannot be written") from error
    return temporary


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
