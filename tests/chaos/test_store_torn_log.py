"""The power goes: the log ends anywhere, or its tail is garbage. What is left is a moment of the past."""

import random
import shutil
from pathlib import Path

import pytest

from tests.support.store_process import group, signed
from vox.digest import Digest
from vox.store.sqlite import SqliteStore

GROUPS = 6


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a store that was never closed: most of its content is still in the log."""
    folder, copy = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("copy")
    with SqliteStore(folder) as store:
        for number in range(GROUPS):
            store.put(*signed(1, number))
        for suffix in ("", "-wal"):
            shutil.copy(folder / f"store.sqlite3{suffix}", copy)
    return copy


@pytest.mark.parametrize("way", ["cut", "garbage", "zeros"])
@pytest.mark.parametrize("seed", range(8))
def test_a_log_that_ends_anywhere_leaves_whole_groups_only(
    torn: Path, tmp_path: Path, seed: int, way: str
) -> None:
    folder = shutil.copytree(torn, tmp_path / "store")
    log = folder / "store.sqlite3-wal"
    whole = log.read_bytes()
    chance = random.Random(f"{seed} {way}")
    at = chance.randrange(len(whole))
    tail = {"cut": b"", "garbage": chance.randbytes(len(whole) - at), "zeros": bytes(len(whole) - at)}
    log.write_bytes(whole[:at] + tail[way])
    with SqliteStore(folder) as store:
        present = []
        for number in range(GROUPS):
            data, statements = group(1, number)
            missing = store.missing([Digest.of(each) for each in data])
            results = store.results([statement.node for statement in statements])
            assert (len(missing), len(results)) in ((0, len(data)), (len(data), 0))
            present.append(not missing)
        assert present == sorted(present, reverse=True), "a later group is there and an earlier one is not"
        assert store.check() == []
        store.put(*signed(1, GROUPS))
        assert store.missing([Digest.of(each) for each in group(1, GROUPS)[0]]) == set()
