"""Backups, marks, scopes, the audit log, collecting: what is done to a store beside reading and writing."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.stores import MIB, OTHER_SIGNER, SIGNER, blob_of, claim, noise
from vox.attest import Attestation, Statement
from vox.digest import ActionId, Digest, NodeId
from vox.errors import BlobMissing, StoreUnusable, UsageError
from vox.store.backup import restore
from vox.store.export import export
from vox.store.filesystem import FilesystemStore
from vox.store.hybrid import HybridStore
from vox.store.scoped import ScopedShelf
from vox.store.sqlite import SqliteStore

every_kind = pytest.mark.parametrize("kind", [SqliteStore, HybridStore, FilesystemStore])
both_kinds = pytest.mark.parametrize("kind", [SqliteStore, HybridStore])


def made_of(name: str, data: bytes, *inputs: bytes, node: str = "") -> Attestation:
    stated = Statement(
        ActionId.of(name.encode()),
        NodeId.of((node or name).encode()),
        Digest.of(data),
        len(data),
        tuple(Digest.of(each) for each in inputs),
        Digest.of(b""),
        "bit",
        5,
        SIGNER.peer,
        1,
    )
    return SIGNER.attest([stated])[0]


# Copies --------------------------------------------------------------------------------------------


@every_kind
def test_a_backup_brings_back_what_was_deleted_and_keeps_what_was_there(kind: Any, tmp_path: Path) -> None:
    small, large = b"small", noise(2 * MIB)
    told = [claim("small", small), claim("large", large)]
    with kind(tmp_path / "store") as store:
        store.put([blob_of(small), blob_of(large)], told)
        store.backup(tmp_path / "copy")
        later = store.write([noise(MIB, 7)])
        store.delete([Digest.of(large)])
        with pytest.raises(StoreUnusable, match="already"):
            store.backup(tmp_path / "copy")
    aside = restore(tmp_path / "copy", tmp_path / "store")
    assert aside is not None
    with kind(tmp_path / "store") as store:
        assert bytes(store.read(Digest.of(large))) == large
        assert bytes(store.read(Digest.of(small))) == small
        assert len(store.results([each.statement.node for each in told])) == 2
        assert store.missing([later]) == {later}
        assert store.check() == []
    with kind(aside) as before:
        assert before.missing([later]) == set()


@every_kind
def test_an_encrypted_backup_needs_the_same_key(kind: Any, tmp_path: Path) -> None:
    secret = b"file:" + bytes(32)
    with kind(tmp_path / "store", secret=secret) as store:
        digest = store.write([noise(2 * MIB)])
        store.backup(tmp_path / "copy")
    assert restore(tmp_path / "copy", tmp_path / "new") is None
    with pytest.raises(StoreUnusable):
        kind(tmp_path / "new")
    with kind(tmp_path / "new", secret=secret) as store:
        assert bytes(store.read(digest)) == noise(2 * MIB)


def test_what_is_no_sound_backup_is_not_restored(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "store") as store:
        digest = store.write([b"data"])
        store.backup(tmp_path / "copy")
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    for backup in (tmp_path / "nowhere", tmp_path / "empty", tmp_path / "photos"):
        with pytest.raises(StoreUnusable):
            restore(backup, tmp_path / "store")
    with pytest.raises(StoreUnusable, match="not a store"):
        restore(tmp_path / "copy", tmp_path / "photos")
    whole = (tmp_path / "copy" / "store.sqlite3").read_bytes()
    (tmp_path / "copy" / "store.sqlite3").write_bytes(whole[:16384] + b"\xff" * 40000)
    with pytest.raises(StoreUnusable):
        restore(tmp_path / "copy", tmp_path / "store")
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"cat"
    with SqliteStore(tmp_path / "store") as store:
        assert store.read(digest) == b"data"


def test_the_copy_made_before_a_migration_can_be_restored(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "store") as store:
        digest = store.write([b"data"])
        store.backup(tmp_path / "store.format-2.sqlite3")
    restore(tmp_path / "store.format-2.sqlite3", tmp_path / "store")
    with SqliteStore(tmp_path / "store") as store:
        assert store.read(digest) == b"data"


@pytest.mark.parametrize("source", [SqliteStore, HybridStore, FilesystemStore])
@pytest.mark.parametrize("target", [SqliteStore, HybridStore, FilesystemStore])
def test_every_kind_of_store_becomes_every_other(source: Any, target: Any, tmp_path: Path) -> None:
    values = [b"small", noise(5000), noise(2 * MIB)]
    told = [claim(f"{len(data)}", data) for data in values] + [claim("5", b"other", OTHER_SIGNER)]
    with source(tmp_path / "one") as one, target(tmp_path / "two") as two:
        one.put([blob_of(data) for data in values], told)
        assert export(one, two) == (3, 4, [])
        nodes = [each.statement.node for each in told]
        assert two.results(nodes) == one.results(nodes)
        assert [bytes(two.read(Digest.of(data))) for data in values] == values


# Marks ---------------------------------------------------------------------------------------------


@both_kinds
def test_a_rollback_gives_nodes_the_results_they_had(kind: Any, tmp_path: Path) -> None:
    with kind(tmp_path) as store:
        old, new = made_of("a", b"old", node="n"), made_of("b", b"new", node="n")
        store.put([blob_of(b"old")], [old])
        store.mark("before")
        store.delete([Digest.of(b"old")])
        store.put([blob_of(b"new")], [new])
        store.put([blob_of(b"more")], [made_of("c", b"more", b"new")])
        node = old.statement.node
        assert store.results([node])[node].digest == Digest.of(b"new")
        assert store.roll_back("before") == 2
        assert store.results([node])[node].digest == Digest.of(b"old")
        assert store.attestations([new.statement.action]) == {}, "no early cutoff brings it back"
        assert store.results([NodeId.of(b"c")]) == {}
        assert store.roll_back("before") == 0
        store.put([blob_of(b"new")], [new])
        assert store.attestations([new.statement.action]) == {new.statement.action: (new,)}


@both_kinds
def test_a_rollback_between_two_marks_leaves_what_came_later(kind: Any, tmp_path: Path) -> None:
    with kind(tmp_path) as store:
        names = ["one", "two", "three"]
        for name in names:
            store.mark(name)
            store.put([blob_of(name.encode())], [made_of(name, name.encode())])
        assert store.roll_back("two", "three") == 1
        assert set(store.results([NodeId.of(name.encode()) for name in names])) == {
            NodeId.of(b"one"),
            NodeId.of(b"three"),
        }
        with pytest.raises(UsageError, match="no mark"):
            store.roll_back("four")
        store.put([blob_of(b"two")], [made_of("two", b"two")])
        assert store.roll_back("one") == 3


@both_kinds
def test_a_rollback_of_some_nodes_leaves_those_of_another_execution(kind: Any, tmp_path: Path) -> None:
    with kind(tmp_path) as store:
        here = store.position()
        for name in ("mine", "yours", "mine too"):
            store.put([blob_of(name.encode())], [made_of(name, name.encode())])
        store.mark("an execution", here)
        mine = [NodeId.of(b"mine"), NodeId.of(b"mine too"), NodeId.of(b"never computed")]
        assert store.roll_back("an execution", nodes=mine) == 2
        assert set(store.results([*mine, NodeId.of(b"yours")])) == {NodeId.of(b"yours")}


# Scopes --------------------------------------------------------------------------------------------


@both_kinds
def test_results_are_seen_only_by_who_may_see_every_input(kind: Any, tmp_path: Path) -> None:
    with kind(tmp_path) as store:
        store.put([blob_of(b"lab"), blob_of(b"public"), blob_of(b"old")], [made_of("old", b"old", b"lab")])
        store.label([Digest.of(b"lab")], "lab", "ada")
        store.put([blob_of(b"new")], [made_of("new", b"new", b"lab", b"public")])
        store.put([blob_of(b"newer")], [made_of("newer", b"newer", b"new")])
        store.label([Digest.of(b"newer")], "trial", "ada")
        stranger, member, both = (ScopedShelf(store, s) for s in ((), ("lab",), ("lab", "trial")))
        names = {word: Digest.of(word.encode()) for word in ("lab", "public", "old", "new", "newer")}
        seen = [
            [word for word, name in names.items() if not shelf.missing([name])]
            for shelf in (stranger, member, both)
        ]
        assert seen == [["public"], ["lab", "public", "old", "new"], list(names)]
        nodes = [NodeId.of(word) for word in (b"old", b"new", b"newer")]
        assert [len(shelf.results(nodes)) for shelf in (stranger, member, both)] == [0, 2, 3]
        actions = [ActionId.of(b"newer")]
        assert [len(shelf.attestations(actions)) for shelf in (stranger, member, both)] == [0, 0, 1]
        with pytest.raises(BlobMissing):
            stranger.size(names["lab"])
        with pytest.raises(BlobMissing):
            stranger.open(names["new"])
        assert b"".join(member.open(names["new"])) == b"new"
        assert store.labels([names["newer"]]) == {names["newer"]: {"lab": "ada", "trial": "ada"}}
        store.declassify([names["new"]], "lab")
        assert not stranger.missing([names["new"]])
        assert [entry.verb for entry in store.audit()[0]] == ["label lab", "label trial", "declassify lab"]


# The audit log -------------------------------------------------------------------------------------


def test_the_log_tells_who_read_wrote_and_deleted_what(tmp_path: Path) -> None:
    with SqliteStore(tmp_path, audit=True) as store:
        digest = store.write([b"data"])
        store.read(digest)
        list(store.open(digest))
        store.delete([digest])
        entries, broken, head = store.audit()
    verbs = [(entry.verb, entry.names) for entry in entries]
    assert verbs == [(verb, (str(digest),)) for verb in ("write", "read", "read", "delete")]
    assert broken is None
    assert len(head) == 32
    assert all("pid" in entry.who for entry in entries)
    with SqliteStore(tmp_path) as store:
        assert store.audit()[2] == head


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET entry = (SELECT entry FROM audit WHERE id = 1) WHERE id = 3",
        "DELETE FROM audit WHERE id = 3",
        "UPDATE audit SET hash = zeroblob(32) WHERE id = 3",
        "DELETE FROM audit WHERE id < 3",
    ],
)
def test_a_log_that_somebody_changed_says_so(tmp_path: Path, change: str) -> None:
    with SqliteStore(tmp_path, audit=True) as store:
        for number in range(5):
            store.write([b"%d" % number])
        assert store.audit()[1] is None
        connection = sqlite3.connect(tmp_path / "store.sqlite3")
        connection.execute(change)
        connection.commit()
        connection.close()
        assert store.audit()[1] in (3, 4)


# Collecting ----------------------------------------------------------------------------------------


@every_kind
def test_collecting_takes_what_nothing_names_and_only_that(kind: Any, tmp_path: Path) -> None:
    with kind(tmp_path) as store:
        source, result, orphan, pinned = (noise(300_000, number) for number in range(4))
        for data in (source, orphan, pinned):
            store.write([data])
        store.put([blob_of(result)], [made_of("r", result, source)])
        store.pin([Digest.of(pinned)], "why not")
        assert store.collect(dry=True) == [Digest.of(orphan)]
        assert store.missing([Digest.of(orphan)]) == set()
        assert store.collect() == [Digest.of(orphan)]
        assert store.missing([Digest.of(d) for d in (source, result, orphan, pinned)]) == {Digest.of(orphan)}
        assert store.collect() == []
        before = store.used_bytes()
        assert store.collect(before - 200_000) == [Digest.of(result)]
        assert store.used_bytes() <= before - 200_000
        assert store.collect(0) == []
        assert store.missing([Digest.of(source), Digest.of(pinned)]) == set()


def test_a_scrub_by_samples_reaches_everything_in_turns(tmp_path: Path) -> None:
    with HybridStore(tmp_path) as store:
        digests = {store.write([noise(70_000, number)]) for number in range(12)}
        for digest in digests:
            path = tmp_path / "blobs" / digest.sha256.hex()[:2] / digest.sha256.hex()[2:]
            path.write_bytes(b"x" + path.read_bytes()[1:])
        found = [set(store.check(0.3, seed)) for seed in range(40)]
        assert set().union(*found) == digests
        assert len(found[0]) < 12
        assert store.missing(digests) == digests
