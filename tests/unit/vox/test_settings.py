"""Settings: layers, origins, and errors that say what to write instead."""

from pathlib import Path

import pytest

from vox.errors import SettingsError
from vox.settings import Settings, load, parse_duration, parse_size

NOTHING = {"VOX_CONFIG_DIR": "nowhere"}


def test_without_files_or_environment_everything_has_its_default(tmp_path: Path) -> None:
    assert load(environment=NOTHING, folder=tmp_path) == Settings()


def test_a_flag_beats_the_environment_which_beats_the_project_file(tmp_path: Path) -> None:
    (tmp_path / "vox.toml").write_text(
        '[store]\npath = "file"\ncache_bytes = "64MB"\n[engine]\nretries = 5\n'
    )
    environment = NOTHING | {"VOX_STORE_PATH": "environment", "VOX_ENGINE_RETRIES": "4", "VOX_TOKEN": "x"}
    settings = load(flags={"engine.retries": 3}, environment=environment, folder=tmp_path / "deep" / "er")
    assert (settings.engine.retries, settings.store.path, settings.store.cache_bytes) == (
        3,
        "environment",
        64 * 10**6,
    )
    assert settings.origins["engine.retries"] == "flag"
    assert settings.origins["store.path"] == "environment"
    assert settings.origins["store.cache_bytes"] == str(tmp_path / "vox.toml")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[stroe]\n", "store"),
        ('[store]\npaht = "x"\n', "store.path"),
        ('[engine]\nretries = "many"\n', ""),
        ("[p2p]\nenabled = 3.5\n", ""),
        ("[engine\n", "TOML"),
    ],
)
def test_a_wrong_file_is_named_with_what_was_expected(tmp_path: Path, text: str, hint: str) -> None:
    (tmp_path / "vox.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(environment=NOTHING, folder=tmp_path)
    assert caught.value.path == str(tmp_path / "vox.toml")
    assert hint in caught.value.hint


def test_a_settings_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no settings file"):
        load(tmp_path / "none.toml", environment=NOTHING)


def test_peers_are_a_list_in_a_file_and_comma_separated_in_the_environment(tmp_path: Path) -> None:
    settings = load(environment=NOTHING | {"VOX_P2P_PEERS": "a:1, b:2,"}, folder=tmp_path)
    assert settings.p2p.peers == ("a:1", "b:2")


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512 * 10**6), ("1GiB", 2**30), ("7", 7), ("1.5kb", 1500)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200.0), ("90s", 90.0), ("500ms", 0.5), ("3", 3.0)])
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "much", "3 parsecs"])
def test_other_words_are_no_sizes_and_no_durations(text: str) -> None:
    for parse in (parse_size, parse_duration):
        with pytest.raises(ValueError):  # noqa: PT011 - float has words of its own
            parse(text)
