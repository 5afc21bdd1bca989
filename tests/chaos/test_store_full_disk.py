"""The disk is full: one clear error, nothing half-written, and work goes on when there is space again."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.stores import blob_of, claim, noise
from vox.digest import Digest
from vox.errors import StoreFull, StoreUnusable
from vox.store.filesystem import FilesystemStore
from vox.store.hybrid import HybridStore
from vox.store.sqlite import SqliteStore
from vox.store.sqlite_file import StoreFile

Remount = Callable[[str], None]


def mount(*arguments: str) -> bool:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, timeout=30).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Remount]]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or not mount("-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)):
        pytest.skip("needs the right to mount")

    def remount(options: str) -> None:
        assert mount("-o", f"remount,{options}", str(disk))

    yield disk, remount
    subprocess.run(["umount", "-l", str(disk)], check=True, timeout=30)


def fill(store: Any, size: int) -> list[bytes]:
    """Put blobs until there is no space; return what was acknowledged."""
    kept: list[bytes] = []
    with pytest.raises(StoreFull) as raised:  # noqa: PT012
        for number in range(10_000):
            data = noise(size, number)
            store.put([blob_of(data)], [claim(f"{size} {number}", data)])
            kept.append(data)
    assert raised.value.code == "E0503"
    assert "space" in raised.value.hint
    return kept


def assert_kept(store: Any, kept: list[bytes]) -> None:
    assert [data for data in kept if bytes(store.read(Digest.of(data))) != data] == []
    assert store.stats().results == store.stats().blobs == len(kept)


@pytest.mark.parametrize("kind", [SqliteStore, HybridStore, FilesystemStore])
@pytest.mark.parametrize("size", [3_000, 60_000, 400_000, 3_000_000])
def test_a_disk_that_fills_up_loses_nothing_and_recovers(
    small_disk: tuple[Path, Remount], size: int, kind: Any
) -> None:
    disk, remount = small_disk
    store = kind(disk / "store")
    kept = fill(store, size)
    assert_kept(store, kept)
    with pytest.raises(StoreFull):
        store.write(noise(1 << 20, number) for number in range(12))
    remount("size=64m")
    last = noise(size, -1)
    store.put([blob_of(last)], [claim("last", last)])
    assert_kept(store, [*kept, last])
    assert store.check() == []
    store.close()
    with kind(disk / "store") as again:
        assert_kept(again, [*kept, last])


def test_a_store_on_a_full_disk_cannot_be_made_but_can_be_read(small_disk: tuple[Path, Remount]) -> None:
    disk, _ = small_disk
    with SqliteStore(disk / "store") as store:
        digest = store.write([b"data"])
    with (disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="space"):
        for _ in iter(lambda: ballast.write(bytes(1 << 12)), 0):
            pass
    with pytest.raises(StoreFull):
        SqliteStore(disk / "another")
    try:
        with SqliteStore(disk / "store") as store:
            assert store.read(digest) == b"data"
    except StoreFull:
        pass  # SQLite wants a few kilobytes for the index of its log even to read


def test_a_read_only_disk_is_read_and_not_written(small_disk: tuple[Path, Remount]) -> None:
    disk, remount = small_disk
    with SqliteStore(disk / "store") as store:
        digest = store.write([b"data"])
    remount("ro")
    for path in (disk / "store", disk / "new"):
        with pytest.raises(StoreUnusable) as raised:
            SqliteStore(path).write([b"more"])
        assert raised.value.code == "E0504"
        assert "VOX_STORE_PATH" in raised.value.hint
    with SqliteStore(disk / "store", read_only=True) as store:
        assert store.read(digest) == b"data"
        assert store.check() == []
    remount("rw")


def test_a_limit_inside_sqlite_is_a_full_store_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # SQLite's own limit stands in for a small disk where nothing may be mounted.
    connect = StoreFile.connect

    def connect_limited(self: StoreFile, *, writer: bool = False, mode: str = "") -> object:
        connection = connect(self, writer=writer, mode=mode)
        connection.execute("PRAGMA max_page_count=200")
        return connection

    monkeypatch.setattr(StoreFile, "connect", connect_limited)
    with SqliteStore(tmp_path) as store:
        kept = fill(store, 100_000)
        assert_kept(store, kept)
        store.delete([Digest.of(data) for data in kept[:5]])
        assert store.write([noise(300_000, -1)]) == Digest.of(noise(300_000, -1))
