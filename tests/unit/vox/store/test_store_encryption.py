"""Encrypted stores: nothing readable on the disk, the right key or a clear error, keys that change."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.stores import MIB, blob_of, claim, noise
from vox.digest import Digest
from vox.errors import BlobCorrupt, StoreUnusable
from vox.store.encryption import StoreLocked, read_secret, rotate, write_key_file
from vox.store.export import export
from vox.store.filesystem import FilesystemStore
from vox.store.hybrid import HybridStore
from vox.store.sqlite import SqliteStore

kinds = pytest.mark.parametrize("kind", [SqliteStore, HybridStore, FilesystemStore])
ONE, OTHER = b"file:" + b"1" * 32, b"file:" + b"2" * 32
SECRET_WORDS = b"patient 4711 has a glioma " * 40


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@kinds
def test_no_value_and_no_name_of_a_fact_is_readable_on_the_disk(kind: Any, tmp_path: Path) -> None:
    with kind(tmp_path, secret=ONE, level=0) as store:
        store.put([blob_of(SECRET_WORDS)], [])
        store.write([SECRET_WORDS * 300])
        store.remember("input:/data/somebody/patient.nii", b"fact about 4711")
    found = everything(tmp_path)
    for words in (b"glioma", b"patient", b"somebody", b"4711"):
        assert words not in found
    with kind(tmp_path, secret=ONE) as store:
        assert bytes(store.read(Digest.of(SECRET_WORDS))) == SECRET_WORDS
        key = "input:/data/somebody/patient.nii"
        assert store.recall([key]) == {key: b"fact about 4711"}


@kinds
@pytest.mark.parametrize("secret", [None, OTHER, b"phrase:a guess"])
def test_a_wrong_key_or_none_is_a_clear_error_and_changes_nothing(
    kind: Any, tmp_path: Path, secret: bytes | None
) -> None:
    with kind(tmp_path, secret=ONE) as store:
        digest = store.write([SECRET_WORDS])
    before = everything(tmp_path)
    with pytest.raises(StoreLocked) as raised:
        kind(tmp_path, secret=secret)
    assert raised.value.code == "E0507"
    assert everything(tmp_path) == before
    with kind(tmp_path, secret=ONE) as store:
        assert bytes(store.read(digest)) == SECRET_WORDS


@kinds
def test_a_key_for_a_store_that_is_not_encrypted_is_an_error(kind: Any, tmp_path: Path) -> None:
    kind(tmp_path).close()
    with pytest.raises(StoreUnusable, match="not encrypted"):
        kind(tmp_path, secret=ONE)


@kinds
def test_after_a_rotation_only_the_new_key_opens_and_everything_is_there(kind: Any, tmp_path: Path) -> None:
    data = [noise(100), noise(2 * MIB + 7)]
    with kind(tmp_path, secret=ONE) as store:
        store.put([blob_of(each) for each in data], [claim("near", data[0])])
    with pytest.raises(StoreLocked):
        rotate(tmp_path, OTHER, ONE)
    rotate(tmp_path, ONE, OTHER)
    with pytest.raises(StoreLocked):
        kind(tmp_path, secret=ONE)
    with kind(tmp_path, secret=OTHER) as store:
        later = store.write([noise(MIB + 1, 5)])
        assert [bytes(store.read(Digest.of(each))) for each in data] == data
        assert bytes(store.read(later)) == noise(MIB + 1, 5)
        assert store.check() == []
    assert sorted(json.loads((tmp_path / "keys.json").read_text())["keys"]) == ["1", "2"]


@kinds
def test_who_has_the_store_open_during_a_rotation_never_takes_new_blobs_for_damaged(
    kind: Any, tmp_path: Path
) -> None:
    with kind(tmp_path, secret=ONE) as before:
        rotate(tmp_path, ONE, OTHER)
        with kind(tmp_path, secret=OTHER) as after:
            digest = after.write([noise(2 * MIB)])
            for read in (before.read, lambda name: list(before.open(name)), lambda _: before.check()):
                with pytest.raises(StoreLocked, match="meanwhile"):
                    read(digest)
            assert bytes(after.read(digest)) == noise(2 * MIB)
            own = before.write([noise(MIB, 3)])
            assert bytes(after.read(own)) == noise(MIB, 3)


def test_chunks_that_change_places_or_are_changed_are_corrupt(tmp_path: Path) -> None:
    with HybridStore(tmp_path, secret=ONE) as store:
        digest = store.write([noise(3 * MIB)])
        path = next(path for path in (tmp_path / "blobs").rglob("*") if path.is_file())
        whole = path.read_bytes()
        step = MIB + 32
        path.write_bytes(whole[step : 2 * step] + whole[:step] + whole[2 * step :])
        with pytest.raises(BlobCorrupt):
            list(store.open(digest, MIB))
        assert store.missing([digest]) == {digest}


def test_damaged_keys_are_a_clear_error(tmp_path: Path) -> None:
    SqliteStore(tmp_path, secret=ONE).close()
    (tmp_path / "keys.json").write_text('{"schema": 1}')
    with pytest.raises(StoreLocked, match="cannot be read"):
        SqliteStore(tmp_path, secret=ONE)


def test_keys_come_from_files_and_phrases(tmp_path: Path) -> None:
    write_key_file(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    secret = read_secret(f"file:{tmp_path / 'key'}")
    with SqliteStore(tmp_path / "one", secret=secret) as store:
        store.write([b"data"])
    with SqliteStore(tmp_path / "two", secret=read_secret("phrase:correct horse")) as store:
        store.write([b"data"])
    with SqliteStore(tmp_path / "two", secret=read_secret("phrase:correct horse")) as store:
        assert store.read(Digest.of(b"data")) == b"data"
    with pytest.raises(StoreUnusable, match="already"):
        write_key_file(tmp_path / "key")
    with pytest.raises(StoreLocked, match="cannot read"):
        read_secret("file:/nowhere/at/all")
    (tmp_path / "short").write_bytes(b"abc")
    with pytest.raises(StoreLocked, match="too few"):
        read_secret(f"file:{tmp_path / 'short'}")


def test_an_open_store_becomes_an_encrypted_one_by_export(tmp_path: Path) -> None:
    told = claim("near", SECRET_WORDS)
    with SqliteStore(tmp_path / "open") as source, HybridStore(tmp_path / "closed", secret=ONE) as target:
        source.put([blob_of(SECRET_WORDS), blob_of(noise(3 * MIB))], [told])
        source.pin([Digest.of(SECRET_WORDS)], "because")
        assert export(source, target) == (2, 1, [])
        assert export(source, target)[0] == 0
        assert bytes(target.read(Digest.of(SECRET_WORDS))) == SECRET_WORDS
        assert set(target.results([told.statement.node])) == {told.statement.node}
        assert target.pins() == source.pins()
    assert b"glioma" not in everything(tmp_path / "closed")
