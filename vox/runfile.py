"""Run files: how a command finds the process that runs on this machine.

A process holds a lock beside its run file for as long as it lives, so a file left by a crash is recognised
without guessing from process ids.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vox.errors import ClusterError, StoreUnusable
from vox.settings import state_dir

# Whoever only looks holds the lock for microseconds; whoever starts waits this long for it.
_START_S = 1.0


class AlreadyRunning(ClusterError):
    """The process that should be started runs already."""

    code = "E0810"
    exit_status = 2


def coordinator_file() -> Path:
    """Return the run file of this user's coordinator: `url`, `token_file`, `ca_file`, `pid`."""
    return state_dir() / "coordinator.json"


def read(path: Path) -> dict[str, Any] | None:
    """Return what a running process wrote; None if there is none, or it died."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or not _is_held(_lock_path(path)):
        return None
    return document


def is_held(path: Path) -> bool:
    """Tell whether a process is behind a run file, also one that has not written it yet."""
    return _is_held(_lock_path(path))


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a run file, whole, readable by its owner only. The caller holds `held(path)`."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    temporary.replace(path)


@contextlib.contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Be the one process behind a run file; the file is removed at the end.

    Raises
    ------
    AlreadyRunning
        If another process is. `what` names it in the message.
    StoreUnusable
        If the folder cannot be written.
    """
    import fcntl

    lock = _lock_path(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnusable(
            f"cannot write {path.parent}: {error.strerror}", hint="set VOX_STATE_DIR to a folder of your own"
        ) from error
    try:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise AlreadyRunning(
                        f"{what} is running already", hint="stop it first, or set VOX_STATE_DIR for another"
                    ) from None
                time.sleep(0.05)
        path.unlink(missing_ok=True)
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")


def _is_held(lock: Path) -> bool:
    import fcntl

    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
