"""What a daemon opens its store with: the settings, the flags over them, and nobody to ask."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from vox.errors import SettingsError, StoreUnusable
from vox.settings import Settings, StoreSettings
from vox.store import open_store
from vox.store.backends import open_for_daemon
from vox.store.contract import Blob
from vox.store.options import StoreOptions
from vox.store.tiered import backend_of
from worker.settings import WorkerSettings, resolve

DATA = b"some bytes that are kept " * 9000


def resolved(settings: Settings, **flags) -> WorkerSettings:
    given = {"coordinator": "", "token": "", "name": "w", "store": "", "host": "", "threads": 1}
    return resolve(settings, **(given | {"memory": "", "p2p": False, "peers": ()} | flags))


def test_a_flag_goes_over_the_backend_of_the_settings_and_the_rest_stays() -> None:
    settings = Settings(store=StoreSettings(backend="hybrid", quota_bytes=10**6, audit=True))
    assert resolved(settings).keeping == settings.store
    chosen = resolved(settings, backend="filesystem").keeping
    assert (chosen.backend, chosen.quota_bytes, chosen.audit) == ("filesystem", 10**6, True)


def test_every_setting_of_the_store_reaches_it(tmp_path: Path) -> None:
    settings = StoreSettings(backend="hybrid", quota_bytes=10**7, compression="3", audit=True)
    store = open_for_daemon(settings, tmp_path)
    try:
        assert (store.stats().backend, store.stats().quota_bytes) == ("hybrid", 10**7)
        assert (store.options.level, store.options.audit) == (3, True)
    finally:
        store.close()


@pytest.mark.parametrize(
    ("first", "then"), [("sqlite", "hybrid"), ("hybrid", "sqlite"), ("filesystem", "tiered")]
)
def test_a_folder_of_a_like_backend_goes_on(first: str, then: str, tmp_path: Path) -> None:
    store = open_store(first, tmp_path)
    digest = store.write([DATA])
    store.close()
    store = open_for_daemon(StoreSettings(backend=then), tmp_path)
    try:
        assert bytes(store.read(digest)) == DATA
        assert not store.missing([store.write([DATA[1:]])])
    finally:
        store.close()


@pytest.mark.parametrize(("first", "then"), [("sqlite", "filesystem"), ("filesystem", "hybrid")])
def test_a_folder_of_an_unlike_backend_is_refused_and_not_touched(
    first: str, then: str, tmp_path: Path
) -> None:
    store = open_store(first, tmp_path)
    digest = store.write([DATA])
    store.close()
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(StoreUnusable) as caught:
        open_for_daemon(StoreSettings(backend=then), tmp_path)
    assert caught.value.code == "E0504"
    assert first in caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert backend_of(tmp_path) == first
    again = open_store(first, tmp_path)
    assert bytes(again.read(digest)) == DATA
    again.close()


def test_a_key_that_would_have_to_be_asked_for_is_an_error_where_nobody_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(StoreUnusable) as caught:
        open_for_daemon(StoreSettings(key="prompt"), tmp_path)
    assert caught.value.code == "E0507"
    assert "file:" in caught.value.hint


def test_an_encrypted_store_shows_nothing_on_the_disk(tmp_path: Path) -> None:
    store = open_for_daemon(StoreSettings(backend="hybrid", key="phrase:open sesame"), tmp_path)
    blob = Blob(store.write([DATA]), [DATA])
    assert bytes(store.read(blob.digest)) == DATA
    store.close()
    assert not any(DATA[:24] in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    with pytest.raises(StoreUnusable) as caught:
        open_store("hybrid", tmp_path, StoreOptions())
    assert caught.value.code == "E0507"


def test_a_policy_that_is_not_there_yet_is_refused_rather_than_ignored(tmp_path: Path) -> None:
    for wrong in ("goals", "adaptive", "some"):
        with pytest.raises(SettingsError) as caught:
            open_for_daemon(StoreSettings(persist=wrong), tmp_path)
        assert "all" in caught.value.hint
