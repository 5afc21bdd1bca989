"""Plain files: a torn end is cut off, damage in the middle is skipped, and nothing else is lost."""

import random
from pathlib import Path

import pytest

from tests.support.store_process import group, signed
from tests.support.stores import MIB, blob_of, claim, noise
from vox.digest import Digest
from vox.errors import StoreUnusable
from vox.store.filesystem import FilesystemStore

GROUPS = 6


def groups_in(store: FilesystemStore) -> list[bool]:
    present = []
    for number in range(GROUPS):
        data, statements = group(1, number)
        missing = store.missing([Digest.of(each) for each in data])
        results = store.results([statement.node for statement in statements])
        assert (len(missing), len(results)) in ((0, len(data)), (len(data), 0)), "half a group"
        present.append(not missing)
    return present


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    with FilesystemStore(tmp_path / "store") as store:
        for number in range(GROUPS):
            store.put(*signed(1, number))
    return tmp_path / "store"


@pytest.mark.parametrize("way", ["cut", "garbage", "zeros"])
@pytest.mark.parametrize("seed", range(8))
def test_a_journal_that_ends_anywhere_leaves_whole_groups_and_goes_on(
    filled: Path, seed: int, way: str
) -> None:
    journal = filled / "journal"
    whole = journal.read_bytes()
    chance = random.Random(f"{seed} {way}")
    at = chance.randrange(16, len(whole))
    tail = {"cut": b"", "garbage": chance.randbytes(len(whole) - at), "zeros": bytes(len(whole) - at)}
    journal.write_bytes(whole[:at] + tail[way])
    with FilesystemStore(filled) as store:
        present = groups_in(store)
        assert present == sorted(present, reverse=True)
        store.put(*signed(1, GROUPS))
        assert store.missing([Digest.of(each) for each in group(1, GROUPS)[0]]) == set()
        assert store.check() == []
    with FilesystemStore(filled) as again:
        assert groups_in(again) == present
        assert again.missing([Digest.of(each) for each in group(1, GROUPS)[0]]) == set()


def test_damage_in_the_middle_costs_that_record_and_nothing_behind_it(filled: Path) -> None:
    journal = filled / "journal"
    whole = bytearray(journal.read_bytes())
    second = whole.find(b"VXR1", whole.find(b"VXR1") + 4)
    whole[second + 40] ^= 1
    journal.write_bytes(whole)
    with FilesystemStore(filled) as store:
        assert groups_in(store) == [True, False, True, True, True, True]
        store.put(*signed(1, 1))
        assert all(groups_in(store))
    with FilesystemStore(filled) as again:
        assert all(groups_in(again))


def test_a_journal_written_anew_says_the_same_to_those_who_have_it_open(tmp_path: Path) -> None:
    with FilesystemStore(tmp_path) as store, FilesystemStore(tmp_path) as other:
        told = [claim(f"{number}", noise(3000, number)) for number in range(800)]
        store.put([blob_of(noise(3000, number)) for number in range(800)], told)
        store.remember("key", b"value")
        store.pin([told[0].statement.output], "pinned")
        assert other.recall(["key"]) == {"key": b"value"}
        gone = [each.statement.output for each in told[100:]]
        store.delete(gone)
        before = (tmp_path / "journal").stat().st_size
        store.collect()
        assert (tmp_path / "journal").stat().st_size < before
        for each in (store, other):
            assert each.stats().blobs == 100
            assert each.missing(gone) == set(gone)
            assert each.recall(["key"]) == {"key": b"value"}
            assert each.pins() == store.pins()
            assert len(each.results([t.statement.node for t in told])) == 800
        other.write([b"more"])
        assert store.missing([Digest.of(b"more")]) == set()


def test_small_blobs_lie_in_the_journal_and_large_ones_in_files(tmp_path: Path) -> None:
    with FilesystemStore(tmp_path) as store:
        store.write([noise(4096)])
        assert not (tmp_path / "blobs").exists()
        digest = store.write([noise(4097)])
        assert (tmp_path / "blobs" / digest.sha256.hex()[:2] / digest.sha256.hex()[2:]).exists()
        assert isinstance(store.read(store.write([noise(2 * MIB)])), memoryview)


def test_a_store_that_is_only_read_is_not_changed(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="no store"):
        FilesystemStore(tmp_path / "nowhere", read_only=True)
    with FilesystemStore(tmp_path / "store") as store:
        digest = store.write([noise(MIB)])
        with FilesystemStore(tmp_path / "store", read_only=True) as reader:
            assert reader.read(digest) == noise(MIB)
            later = store.write([b"later"])
            assert reader.read(later) == b"later"
            with pytest.raises(StoreUnusable, match="reading only"):
                reader.write([b"more"])


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnusable, match="not a folder"):
        FilesystemStore(tmp_path / "file")
