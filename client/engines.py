"""Which engine answers: the coordinator that was named, the configured one, this machine's, or none."""

from __future__ import annotations

import atexit
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from client.remote import Address, RemoteEngine
from client.session import Session
from vox import runfile
from vox import settings as settings_module
from vox.errors import CoordinatorUnreachable, SettingsError, StoreError
from vox.settings import Settings, store_path

if TYPE_CHECKING:
    from vox.store.contract import Store

_shared: list[Session] = []


def find_address(settings: Settings, url: str | None = None, token: str | None = None) -> Address | None:
    """Return the coordinator to talk to; None when none is named, configured or running on this machine."""
    wanted = url or settings.http.coordinator
    here = runfile.read(runfile.coordinator_file())
    own = None if here is None else _from_run_file(here)
    if not wanted:
        return None if own is None else replace(own, token=token or _token(settings) or own.token)
    if own is not None and _same(own.url, wanted):
        return replace(own, token=token or _token(settings) or own.token)
    return Address(wanted, token or _token(settings), settings.http.ca_file)


def open_remote(
    url: str | None = None, *, token: str | None = None, settings: Settings | None = None
) -> Session:
    """Return a session with a coordinator.

    Raises
    ------
    CoordinatorUnreachable
        If there is none, or it does not answer.
    """
    settings = settings or settings_module.load()
    address = find_address(settings, url, token)
    if address is None:
        raise CoordinatorUnreachable(
            "no coordinator is configured, and none runs on this machine",
            hint="name one with --coordinator URL, or start one with `vox-coordinator start`",
        )
    return Session(RemoteEngine(address), open_facts(settings))


def open_session(settings: Settings, url: str | None = None) -> Session:
    """Return a session with the coordinator there is, or with the engine in this process.

    A coordinator that was named or configured is never silently replaced: a call to it fails if it is gone.
    One that merely left its run file is.
    """
    address = find_address(settings, url)
    if address is not None:
        engine = RemoteEngine(address)
        if url or settings.http.coordinator or engine.answers():
            return Session(engine, open_facts(settings))
    return open_local(settings)


def open_local(settings: Settings) -> Session:
    """Return a session with an engine in this process."""
    from client.local import open_engine

    engine = open_engine(settings)
    return Session(engine, engine.store)


def shared_session() -> Session:
    """Return this process's own session, opened at the first call and closed at exit."""
    if not _shared:
        _shared.append(open_local(settings_module.load()))
        atexit.register(close_shared)
    return _shared[0]


def close_shared() -> None:
    """Close this process's own session; the next call opens another."""
    while _shared:
        _shared.pop().close()


def open_store(settings: Settings, *, read_only: bool = False) -> Store:
    """Return this machine's store."""
    from vox.store import open_store as open_backend
    from vox.store.backends import options_of

    options = options_of(settings.store, read_only=read_only)
    return open_backend(settings.store.backend, store_path(settings), options)


def open_facts(settings: Settings) -> Store | None:
    """Return the store for what is remembered of inputs; without one, every input is decoded again."""
    try:
        return open_store(settings)
    except StoreError:
        return None


def _token(settings: Settings) -> str:
    if token := os.environ.get("VOX_TOKEN", ""):
        return token
    return _read_token(settings.http.token_file) if settings.http.token_file else ""


def _read_token(file: str) -> str:
    try:
        return Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"cannot read the token in {file}: {error}", key="http.token_file", hint="or set VOX_TOKEN"
        ) from error


def _from_run_file(document: dict[str, object]) -> Address:
    file = str(document.get("token_file") or "")
    token = ""
    if file:
        try:
            token = _read_token(file)
        except SettingsError:
            # Another user's coordinator, or one that is just stopping: it will say itself what it needs.
            token = ""
    return Address(str(document["url"]), token, str(document.get("ca_file") or ""))


def _same(one: str, other: str) -> bool:
    def plain(url: str) -> str:
        return (url if "//" in url else f"http://{url}").rstrip("/").replace("//localhost:", "//127.0.0.1:")

    return plain(one) == plain(other)
