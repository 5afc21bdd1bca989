"""Settings: TOML files and `VOX_*` environment into frozen dataclasses.

Precedence, strongest first: flags, environment (`VOX_STORE_PATH`), `--config FILE` or the nearest `vox.toml`
at or above the working folder, the user's file, the system's. Unknown keys are errors with a suggestion;
nothing is required.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vox.errors import SettingsError

_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_TIMES = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How executions run. `max_concurrent_nodes = 0`: as many as the workers have slots."""

    execution_engine: str = "dynamic"
    max_concurrent_nodes: int = 0
    retries: int = 2
    threads: int = 0


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where results are kept, and how. An empty `path` is the user's data folder; a quota of 0 is none.

    `compression` is auto, off, or a level of zstd; `key` is `file:PATH`, `phrase:WORDS` or `prompt` and makes
    a new store an encrypted one; `persist` is all, adaptive or goals; `shared` is read by the tiered backend.
    """

    backend: str = "sqlite"
    path: str = ""
    cache_bytes: int = 512 * 10**6
    quota_bytes: int = 0
    compression: str = "auto"
    key: str = ""
    audit: bool = False
    persist: str = "all"
    shared: str = ""


@dataclass(frozen=True, slots=True)
class P2PSettings:
    """Peers. `peers` is the static list, `host:port` each, for networks without multicast."""

    enabled: bool = True
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The coordinator to talk to, and the file that holds the token for it. Empty: none configured."""

    coordinator: str = ""
    token_file: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them; `origins` says where each value that is not a default came from."""

    engine: EngineSettings = field(default_factory=EngineSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    p2p: P2PSettings = field(default_factory=P2PSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    origins: Mapping[str, str] = field(default_factory=dict)


SECTIONS = ("engine", "store", "p2p", "http")


def load(
    config: Path | None = None,
    *,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Read every layer.

    Parameters
    ----------
    config
        `--config FILE`; without it the nearest `vox.toml` at or above `folder` is the project's.
    flags
        `{"store.path": value}`, already of the right type; None values are skipped.

    Raises
    ------
    SettingsError
        With path, key and what was expected.
    """
    environment = os.environ if environment is None else environment
    settings, origins = Settings(), dict[str, str]()
    project = config or _project_file(folder or Path.cwd())
    if config is not None and not config.is_file():
        raise SettingsError(f"no settings file at {config}", path=str(config), hint="check --config")
    for path in (Path("/etc/vox/config.toml"), user_config_dir(environment) / "config.toml", project):
        if path is not None and path.is_file():
            settings = _merge(settings, _read(path), str(path), origins)
    settings = _merge(settings, _from_environment(environment), "environment", origins)
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    settings = _merge(settings, _nested(given), "flag", origins)
    return replace(settings, origins=origins)


def user_config_dir(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the user's own settings."""
    import platformdirs

    override = (os.environ if environment is None else environment).get("VOX_CONFIG_DIR")
    return Path(override) if override else Path(platformdirs.user_config_dir("vox"))


def state_dir() -> Path:
    """Return the folder of run files, identities and logs (`VOX_STATE_DIR` moves it)."""
    import platformdirs

    override = os.environ.get("VOX_STATE_DIR")
    return Path(override) if override else Path(platformdirs.user_state_dir("vox"))


def store_path(settings: Settings) -> Path:
    """Return the store's folder."""
    import platformdirs

    if settings.store.path:
        return Path(settings.store.path).expanduser()
    return Path(platformdirs.user_data_dir("vox")) / "store"


def parse_size(text: str) -> int:
    """Return bytes of `"512MB"` (decimal) or `"1GiB"` (binary); ValueError if it is neither."""
    number = text.strip().rstrip("BKMGTIbkmgti")
    unit = text.strip()[len(number) :].upper() or "B"
    if unit not in _SIZES:
        raise ValueError(f"{text!r} is not a size: write for example 512MB or 300GB")
    return int(float(number) * _SIZES[unit])


def parse_duration(text: str) -> float:
    """Return seconds of `"2h"`, `"90s"`, `"500ms"` or a bare number; ValueError if it is none."""
    stripped = text.strip()
    number = stripped.rstrip("dhms")
    unit = stripped[len(number) :] or "s"
    if unit not in _TIMES:
        raise ValueError(f"{text!r} is not a duration: write for example 90s or 2h")
    return float(number) * _TIMES[unit]


def _project_file(folder: Path) -> Path | None:
    for candidate in (folder, *folder.parents):
        if (candidate / "vox.toml").is_file():
            return candidate / "vox.toml"
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"cannot read {path}: {error}", path=str(path), hint="TOML is expected"
        ) from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """`VOX_STORE_PATH` is `store.path`; names of no section (VOX_TOKEN, VOX_STATE_DIR) are left alone."""
    found: dict[str, dict[str, str]] = {}
    for name, value in environment.items():
        lead, _, rest = name.partition("_")
        section, _, key = rest.lower().partition("_")
        if lead == "VOX" and section in SECTIONS and key:
            found.setdefault(section, {})[key] = value
    return found


def _nested(flat: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, dict[str, object]] = {}
    for dotted, value in flat.items():
        section, _, key = dotted.partition(".")
        nested.setdefault(section, {})[key] = value
    return nested


def _merge(settings: Settings, layer: Mapping[str, Any], path: str, origins: dict[str, str]) -> Settings:
    for section, values in layer.items():
        if section not in SECTIONS:
            raise _unknown(section, SECTIONS, path)
        if not isinstance(values, Mapping):
            raise SettingsError(f"[{section}] in {path} is not a table", path=path, key=section)
        current = getattr(settings, section)
        known = {item.name: getattr(current, item.name) for item in fields(current)}
        changes = {}
        for key, value in values.items():
            if key not in known:
                raise _unknown(f"{section}.{key}", [f"{section}.{name}" for name in known], path)
            changes[key] = _convert(value, known[key], f"{section}.{key}", path)
            origins[f"{section}.{key}"] = path
        settings = replace(settings, **{section: replace(current, **changes)})
    return settings


def _unknown(key: str, known: Any, path: str) -> SettingsError:
    close = get_close_matches(key, list(known), 1)
    hint = f"did you mean `{close[0]}`?" if close else "known: " + ", ".join(known)
    return SettingsError(f"unknown setting `{key}` in {path}", path=path, key=key, hint=hint)


def _convert(value: Any, default: Any, key: str, path: str) -> Any:
    try:
        if isinstance(default, bool):
            words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
            return value if isinstance(value, bool) else words[str(value).lower()]
        if isinstance(default, int):
            if isinstance(value, bool):
                raise ValueError("a number is expected")
            return parse_size(value) if isinstance(value, str) and key.endswith("bytes") else int(value)
        if isinstance(default, tuple):
            items = value.split(",") if isinstance(value, str) else value
            return tuple(str(item).strip() for item in items if str(item).strip())
        if not isinstance(value, str):
            raise ValueError("text is expected")
    except (ValueError, KeyError, TypeError) as error:
        expected = type(default).__name__
        raise SettingsError(
            f"`{key}` in {path} is {value!r}; {expected} is expected", path=path, key=key, hint=str(error)
        ) from error
    return value
