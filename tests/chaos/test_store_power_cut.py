"""A disk that lied about flushing, and clocks that jump: what is wrong is noticed, and work goes on."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.stores import MIB, blob_of, claim, noise
from vox.digest import Digest
from vox.errors import BlobCorrupt, BlobMissing
from vox.store.filesystem import FilesystemStore
from vox.store.hybrid import HybridStore
from vox.store.options import StoreOptions

both = pytest.mark.parametrize("kind", [HybridStore, FilesystemStore])
VALUES = [noise(size, number) for number, size in enumerate([40, 3000, 70_000, 200_000, 2 * MIB])]


@both
@pytest.mark.parametrize("seed", range(10))
def test_files_that_were_never_really_written_are_noticed_and_written_again(
    kind: Any, tmp_path: Path, seed: int
) -> None:
    folder = tmp_path / "store"
    store = kind(folder)
    told = [claim(f"{number}", data) for number, data in enumerate(VALUES)]
    for data, each in zip(VALUES, told, strict=True):
        store.put([blob_of(data)], [each])
    copy = tmp_path / "after the cut"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    store.close()
    chance = random.Random(seed)
    for path in sorted((copy / "blobs").rglob("*")):
        if path.is_file() and chance.random() < 0.7:
            whole, at = path.read_bytes(), chance.randrange(path.stat().st_size)
            ways = [b"", whole[:at], whole[:at] + bytes(len(whole) - at), bytes(len(whole))]
            path.write_bytes(chance.choice(ways))
    log = copy / ("journal" if kind is FilesystemStore else "store.sqlite3-wal")
    if chance.random() < 0.5:
        log.write_bytes(log.read_bytes()[: chance.randrange(16, log.stat().st_size)])
    with kind(copy) as after:
        for data in VALUES:
            try:
                assert bytes(after.read(Digest.of(data))) == data
            except (BlobMissing, BlobCorrupt):
                assert after.missing([Digest.of(data)]), "it is computed again"
        for data, each in zip(VALUES, told, strict=True):
            after.put([blob_of(data)], [each])
            assert bytes(after.read(Digest.of(data))) == data
        assert after.check() == []
        assert len(after.results([each.statement.node for each in told])) == len(told)


class Jumping:
    """A clock that is set by somebody."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return 0.0


@both
def test_a_clock_that_jumps_changes_nothing_but_what_is_written_down(kind: Any, tmp_path: Path) -> None:
    clock = Jumping()
    with kind(tmp_path, StoreOptions(clock=clock, audit=True, quota_bytes=50 * MIB)) as store:
        for number, jump in enumerate((0.0, -1e9, 3e9, -5e8)):
            clock.seconds += jump
            data = noise(100_000, number)
            store.put([blob_of(data)], [claim(f"{number}", data)])
            if kind is HybridStore:
                store.mark(f"{number}")
        if kind is HybridStore:
            assert list(store.marks()) == ["0", "1", "2", "3"], "marks follow claims, not clocks"
            assert store.roll_back("3") == 0
            assert store.audit()[1] is None
        assert store.stats().results == 4
        assert store.check() == []


@both
@pytest.mark.parametrize("days", [-400, 400])
def test_a_stream_survives_that_somebody_sweeps_what_looks_old(kind: Any, tmp_path: Path, days: int) -> None:
    parts = [noise(MIB, number) for number in range(8)]
    with kind(tmp_path) as store, kind(tmp_path) as other:

        def stream() -> Iterator[bytes]:
            for number, part in enumerate(parts):
                if number == 6:
                    for path in (tmp_path / "blobs" / "incoming").iterdir():
                        age_s = path.stat().st_mtime + days * 86_400
                        os.utime(path, (age_s, age_s))
                    other.collect()
                    assert not list((tmp_path / "blobs" / "incoming").iterdir())
                yield part

        digest = store.write(stream())
        assert digest == Digest.of(*parts)
        assert bytes(store.read(digest)) == b"".join(parts)
        assert bytes(other.read(digest)) == b"".join(parts)
