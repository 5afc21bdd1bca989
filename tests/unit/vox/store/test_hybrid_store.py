"""Large blobs in files: mapped, verified, healed; never named before they are whole."""

import mmap
from pathlib import Path

import pytest

from tests.support.stores import MIB, blob_of, claim, noise, stripes
from vox.digest import Digest
from vox.errors import BlobCorrupt, BlobMissing
from vox.store.hybrid import HybridStore
from vox.store.sqlite import SqliteStore


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "blobs").rglob("*") if path.is_file())


def place(folder: Path, digest: Digest) -> Path:
    return folder / "blobs" / digest.sha256.hex()[:2] / digest.sha256.hex()[2:]


def test_a_large_blob_is_a_file_of_its_bytes_and_is_mapped(tmp_path: Path) -> None:
    data = noise(2 * MIB + 5)
    with HybridStore(tmp_path) as store:
        digest = store.write([data])
        assert place(tmp_path, digest).read_bytes() == data
        whole = store.read(digest)
        assert isinstance(whole, memoryview)
        assert isinstance(whole.obj, mmap.mmap)
        assert whole == data
        assert isinstance(store.read(digest), memoryview)
        assert b"".join(store.open(digest, MIB + 3)) == data[MIB + 3 :]


def test_what_was_mapped_stays_readable_after_it_is_deleted(tmp_path: Path) -> None:
    data = noise(MIB)
    with HybridStore(tmp_path) as store:
        whole = store.read(store.write([data]))
        store.delete([Digest.of(data)])
        assert files(tmp_path) == []
        assert whole == data


@pytest.mark.parametrize(("size", "count"), [(65_536, 0), (65_537, 1), (MIB, 1), (5 * MIB, 1)])
def test_only_what_takes_more_than_64_kib_is_a_file(tmp_path: Path, size: int, count: int) -> None:
    with HybridStore(tmp_path) as store:
        store.put([blob_of(noise(size))], [])
        store.write([noise(size)])
        assert len(files(tmp_path)) == count
        store.put([blob_of(stripes(size))], [])
        assert len(files(tmp_path)) == count + (size > 4 * MIB)


def test_a_file_that_vanished_is_missing_and_can_be_written_again(tmp_path: Path) -> None:
    data = noise(MIB)
    with HybridStore(tmp_path) as store:
        for read in (store.read, lambda digest: list(store.open(digest))):
            digest = store.write([data])
            place(tmp_path, digest).unlink()
            with pytest.raises(BlobMissing):
                read(digest)
            assert store.missing([digest]) == {digest}
        store.put([blob_of(data)], [claim("near", data)])
        assert store.read(digest) == data


@pytest.mark.parametrize("change", ["flip", "cut", "longer", "empty"])
@pytest.mark.parametrize("way", ["read", "open"])
def test_a_damaged_file_is_set_aside_even_after_it_was_verified(
    tmp_path: Path, change: str, way: str
) -> None:
    data = noise(2 * MIB)
    with HybridStore(tmp_path) as store:
        digest = store.write([data])
        assert store.read(digest) == data
        new = {"flip": b"\0" + data[1:], "cut": data[: MIB + 1], "longer": data + b"x", "empty": b""}[change]
        place(tmp_path, digest).write_bytes(new)
        if (change, way) == ("longer", "open"):
            assert b"".join(store.open(digest)) == data
            return
        with pytest.raises(BlobCorrupt):
            store.read(digest) if way == "read" else list(store.open(digest))
        assert store.missing([digest]) == {digest}
        assert len(list((tmp_path / "quarantine").iterdir())) == 1
        store.put([blob_of(data)], [])
        assert store.read(digest) == data
        assert store.check() == []


def test_files_that_no_row_names_are_swept_and_rows_are_not_fooled_by_them(tmp_path: Path) -> None:
    data, other = noise(MIB), noise(MIB, 2)
    with HybridStore(tmp_path) as store:
        digest = store.write([data])
        orphan = place(tmp_path, Digest.of(other))
        orphan.parent.mkdir(parents=True, exist_ok=True)
        orphan.write_bytes(b"half of it")
        assert store.missing([Digest.of(other)]) == {Digest.of(other)}
        store.write([other])
        assert store.read(Digest.of(other)) == other
        store.delete([Digest.of(other)])
        orphan.write_bytes(b"half of it")
        store.pin([digest], "needed")
        store.collect()
        assert files(tmp_path) == [place(tmp_path, digest)]


def test_either_kind_reads_what_the_other_wrote(tmp_path: Path) -> None:
    with HybridStore(tmp_path) as store:
        one = store.write([noise(MIB, 1)])
    with SqliteStore(tmp_path) as store:
        other = store.write([noise(MIB, 2)])
        assert store.read(one) == noise(MIB, 1)
    with HybridStore(tmp_path) as store:
        assert store.read(other) == noise(MIB, 2)
        assert store.check() == []


def test_statistics_count_files(tmp_path: Path) -> None:
    with HybridStore(tmp_path) as store:
        store.write([noise(3 * MIB)])
        assert store.stats().disk_bytes > 3 * MIB
        assert store.stats().backend == "hybrid"
