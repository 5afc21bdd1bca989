"""Writers are killed at seeded moments: nothing acknowledged is lost, nothing is half there."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.store_process import STREAM_EVERY, group, stream
from vox.digest import Digest
from vox.store.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[2]
GROUPS = 400


def start(folder: Path, writer: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.support.store_process", str(folder), str(writer), str(GROUPS)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def assert_whole(store: SqliteStore, writer: int, acknowledged: int) -> int:
    """Every group is there or not, in order, and no fewer than were acknowledged; return how many are."""
    present = 0
    for number in range(GROUPS):
        data, statements = group(writer, number)
        digests = [Digest.of(each) for each in data]
        missing = store.missing(digests)
        results = store.results([statement.node for statement in statements])
        if missing:
            assert missing == set(digests), f"group {number} is half there"
            assert not results, f"group {number} has results without blobs"
            break
        assert len(results) == len(statements)
        if number % STREAM_EVERY == 0:
            assert store.missing([Digest.of(*stream(writer, number))]) == set()
        for digest, each in zip(digests, data, strict=True):
            assert bytes(store.read(digest)) == each
        present += 1
    assert present >= acknowledged
    return present


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, seed: int) -> None:
    process = start(tmp_path, seed)
    assert process.stdout is not None
    # The first line tells that it is at work; the moment of the end is anywhere in a few groups' time.
    lines = [process.stdout.readline()]
    time.sleep(random.Random(seed).uniform(0, 0.6))
    process.kill()
    lines += process.stdout.read().splitlines()
    process.wait(30)
    with SqliteStore(tmp_path) as store:
        assert_whole(store, seed, len(lines))
        assert store.check() == []
        assert sorted(path.name for path in tmp_path.iterdir() if "store.sqlite3" not in path.name) == []


def test_a_writer_killed_before_its_first_word_leaves_a_store_that_opens(tmp_path: Path) -> None:
    for seed in range(4):
        process = start(tmp_path / str(seed), 0)
        time.sleep(random.Random(seed).uniform(0.1, 0.4))
        process.kill()
        process.wait(30)
        assert process.stdout is not None
        acknowledged = len(process.stdout.read().splitlines())
        with SqliteStore(tmp_path / str(seed)) as store:
            assert_whole(store, 0, acknowledged)


def test_a_writer_goes_on_while_another_is_killed(tmp_path: Path) -> None:
    victim, survivor = start(tmp_path, 1), start(tmp_path, 2)
    assert victim.stdout is not None
    assert survivor.stdout is not None
    victim.stdout.readline()
    survivor.stdout.readline()
    time.sleep(0.2)
    victim.kill()
    acknowledged = 1 + len(victim.stdout.read().splitlines())
    for _ in range(5):
        assert survivor.stdout.readline()
    survivor.kill()
    going_on = 6 + len(survivor.stdout.read().splitlines())
    victim.wait(30)
    survivor.wait(30)
    with SqliteStore(tmp_path) as store:
        assert_whole(store, 1, acknowledged)
        assert_whole(store, 2, going_on)
