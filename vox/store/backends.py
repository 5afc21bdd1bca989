"""Which store: backends by name, each loaded when it is asked for.

A package of somebody else's adds one by an entry point of the group `vox.stores`: a callable that takes a
folder and `StoreOptions` and returns a `vox.store.contract.Store`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from vox.errors import SettingsError, StoreUnusable, UsageError
from vox.store.options import StoreOptions

if TYPE_CHECKING:
    from vox.settings import StoreSettings
    from vox.store.contract import Store

GROUP = "vox.stores"

Maker: TypeAlias = "Callable[[Path, StoreOptions], Store]"


def open_store(backend: str, path: Path | None, options: StoreOptions | None = None) -> Store:
    """Return the store of a kind in the folder `path`.

    Raises
    ------
    UsageError
        If there is no such backend.
    StoreUnusable, StoreFull, StoreLocked
        If the folder cannot hold it, or holds one that this kind cannot read.
    """
    options = options or StoreOptions()
    if backend == "memory":
        from vox.store.memory import MemoryStore

        return MemoryStore()
    maker = _BUILT_IN.get(backend) or _foreign(backend)
    if path is None:
        raise UsageError(f"the storage backend `{backend}` needs a folder", hint="set `[store] path`")
    _check_kind(backend, Path(path))
    return maker(Path(path), options)


def open_for_daemon(settings: StoreSettings, path: Path) -> Store:
    """Return the store that the settings describe, for a program that goes on without a person.

    Raises
    ------
    SettingsError, UsageError, StoreUnusable, StoreFull, StoreLocked
        If it cannot be opened; also if the key would have to be asked for where nobody is.
    """
    if settings.key == "prompt" and not (sys.stdin is not None and sys.stdin.isatty()):
        from vox.store.encryption import StoreLocked

        raise StoreLocked(
            "nobody is here to be asked for the pass phrase of the store",
            hint='set `[store] key = "file:PATH"` (VOX_STORE_KEY), or start it in a terminal',
        )
    return open_store(settings.backend, path, options_of(settings))


def backends() -> list[str]:
    """Return the names of all there are."""
    from importlib.metadata import entry_points

    return sorted({"memory", *_BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def options_of(settings: StoreSettings, *, read_only: bool = False) -> StoreOptions:
    """Return what the settings ask for.

    Raises
    ------
    SettingsError
        If a value makes no sense.
    StoreLocked
        If the key cannot be read.
    """
    _check_persist(settings.persist)
    secret = None
    if settings.key:
        from vox.store.encryption import read_secret

        secret = read_secret(settings.key)
    if settings.quota_bytes < 0:
        raise SettingsError("`store.quota_bytes` is negative", key="store.quota_bytes", hint="0 is no limit")
    return StoreOptions(
        read_only=read_only,
        quota_bytes=settings.quota_bytes,
        level=_level(settings.compression),
        secret=secret,
        audit=settings.audit,
        shared=Path(settings.shared).expanduser() if settings.shared else None,
    )


def _check_persist(text: str) -> None:
    from vox.store.persistence import Persist

    known = [persist.value for persist in Persist]
    if text not in known:
        raise SettingsError(
            f"`store.persist` is {text!r}", key="store.persist", hint="write " + " or ".join(known)
        )
    if text != Persist.ALL:
        # Said, not ignored: who counts on a small store would find a full one.
        raise SettingsError(
            f"`store.persist` cannot be {text!r} yet: every result is kept",
            key="store.persist",
            hint='write "all"; `[store] quota_bytes` bounds the store, and the cheapest results go first',
        )


def _level(text: str) -> int | None:
    if text in ("", "auto"):
        return None
    if text == "off":
        return 0
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 19:
        return int(text)
    raise SettingsError(
        f"`store.compression` is {text!r}",
        key="store.compression",
        hint="write auto, off, or a level from 1 to 19",
    )


def _sqlite(path: Path, options: StoreOptions) -> Store:
    from vox.store.sqlite import SqliteStore

    return SqliteStore(path, options)


def _hybrid(path: Path, options: StoreOptions) -> Store:
    from vox.store.hybrid import HybridStore

    return HybridStore(path, options)


def _filesystem(path: Path, options: StoreOptions) -> Store:
    from vox.store.filesystem import FilesystemStore

    return FilesystemStore(path, options)


def _tiered(path: Path, options: StoreOptions) -> Store:
    """Memory over what lies at `path` (new: hybrid), over the shared store if there is one."""
    from vox.store.tiered import LocalOver, MemoryOver, backend_of

    own = MemoryOver(_BUILT_IN[backend_of(path) or "hybrid"](path, options))
    if options.shared is None:
        return own
    there = backend_of(options.shared)
    if there is None:
        own.close()
        raise UsageError(f"there is no store at {options.shared}", hint="check `[store] shared`")
    reading = replace(options, read_only=True, quota_bytes=0, shared=None, audit=False)
    return LocalOver(own, _BUILT_IN[there](options.shared, reading))


def _check_kind(backend: str, path: Path) -> None:
    """Two stores of different kinds in one folder would each be half of the truth."""
    from vox.store.tiered import backend_of

    there = backend_of(path)
    if backend in _ALIKE and there is not None and there not in _ALIKE[backend]:
        raise StoreUnusable(
            f"{path} holds a store of the backend `{there}`, not `{backend}`",
            hint=f'set `[store] backend = "{there}"` (VOX_STORE_BACKEND), or copy it: `vox store export`',
        )


# What each backend can go on with. SQLite's two differ only in where they put what is new and large.
_ALIKE: dict[str, frozenset[str]] = {
    "sqlite": frozenset({"sqlite", "hybrid"}),
    "hybrid": frozenset({"sqlite", "hybrid"}),
    "filesystem": frozenset({"filesystem"}),
}

_BUILT_IN: dict[str, Maker] = {
    "sqlite": _sqlite,
    "hybrid": _hybrid,
    "filesystem": _filesystem,
    "tiered": _tiered,
}


def _foreign(backend: str) -> Maker:
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=backend):
        maker: Maker = point.load()
        return maker
    raise UsageError(f"there is no storage backend `{backend}`", hint="there are " + ", ".join(backends()))
