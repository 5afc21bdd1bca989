"""What is special to the SQLite store: its file, its versions, corruption, its extra verbs."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stores import MIB, OTHER_SIGNER, blob_of, claim, noise, stripes
from vox.digest import Digest
from vox.errors import BlobCorrupt, BlobMissing, StoreUnusable
from vox.store import sqlite_file
from vox.store.chunks import INLINE_BYTES_MAX
from vox.store.sqlite import SqliteStore
from vox.store.sqlite_file import APPLICATION_ID, FORMAT, StoreFile


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "store") as made:
        yield made


def alter(store: SqliteStore, statement: str, *arguments: object) -> None:
    """Do to the file what a bad disk would."""
    connection = sqlite3.connect(store.path / "store.sqlite3", isolation_level=None)
    assert connection.execute(statement, arguments).rowcount != 0
    connection.close()


def damage_chunk(store: SqliteStore, seq: int) -> None:
    """Flip one bit in the middle of one chunk, or of the inline data."""
    connection = sqlite3.connect(store.path / "store.sqlite3", isolation_level=None)
    table, where = ("chunks", f"seq = {seq}") if seq >= 0 else ("blobs", "data IS NOT NULL")
    row, data = connection.execute(f"SELECT rowid, data FROM {table} WHERE {where}").fetchone()
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    connection.execute(f"UPDATE {table} SET data = ? WHERE rowid = ?", (bytes(damaged), row))
    connection.close()


# The file ------------------------------------------------------------------------------------------


def test_a_new_store_is_marked_as_ours_in_wal_mode(store: SqliteStore) -> None:
    connection = sqlite3.connect(store.path / "store.sqlite3")
    pragmas = [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version", "journal_mode", "page_size")
    ]
    assert pragmas == [APPLICATION_ID, FORMAT, "wal", 16384]
    connection.close()


def test_there_is_one_migration_for_each_format() -> None:
    folder = Path(sqlite_file.__file__).parent / "migrations"
    assert sorted(path.name for path in folder.iterdir()) == [f"{n:04}.sql" for n in range(1, FORMAT + 1)]


def test_closing_folds_the_log_into_the_file(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        store.write([noise(MIB)])
    assert [path.name for path in tmp_path.iterdir()] == ["store.sqlite3"]


def test_compression_is_kept_where_it_pays_and_only_there(store: SqliteStore) -> None:
    for data in (stripes(3 * MIB), noise(3 * MIB), stripes(600), stripes(500), noise(600)):
        store.write([data])
    connection = sqlite3.connect(store.path / "store.sqlite3")
    kept = dict(
        connection.execute(
            "SELECT size, sum(c.codec) FROM blobs JOIN chunks c ON c.blob = blobs.id GROUP BY blobs.id"
        ).fetchall()
    )
    inline = sorted(connection.execute("SELECT size, codec FROM blobs WHERE data IS NOT NULL").fetchall())
    connection.close()
    assert kept in ({3 * MIB: 0}, {3 * MIB: 3})
    assert inline == [(500, 0), (600, 0), (600, 1)]
    assert store.stats().disk_bytes < 5 * MIB + MIB


def test_a_chunk_that_does_not_shrink_stays_raw_beside_one_that_does(store: SqliteStore) -> None:
    data = noise(MIB) + stripes(MIB) + noise(MIB)
    digest = store.write([data])
    connection = sqlite3.connect(store.path / "store.sqlite3")
    codecs = [row[0] for row in connection.execute("SELECT codec FROM chunks ORDER BY seq")]
    connection.close()
    assert codecs == [0, 1, 0]
    assert b"".join(store.open(digest, MIB + 7)) == data[MIB + 7 :]


def test_blobs_up_to_the_inline_limit_need_no_chunk(store: SqliteStore) -> None:
    store.write([noise(INLINE_BYTES_MAX)])
    connection = sqlite3.connect(store.path / "store.sqlite3")
    assert connection.execute("SELECT count(*) FROM chunks").fetchone()[0] == 0
    store.write([noise(INLINE_BYTES_MAX + 1)])
    assert connection.execute("SELECT count(*) FROM chunks").fetchone()[0] == 1
    connection.close()


def test_deleting_a_blob_frees_its_chunks(store: SqliteStore) -> None:
    digest = store.write([noise(3 * MIB)])
    store.delete([digest])
    connection = sqlite3.connect(store.path / "store.sqlite3")
    assert connection.execute("SELECT count(*) FROM chunks").fetchone()[0] == 0
    connection.close()


def test_a_cached_answer_imports_neither_numpy_nor_cryptography_nor_zstd(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        told = claim("node", b"0.86")
        store.put([blob_of(b"0.86")], [told])
        store.remember("key", b"fact")
    program = f"""
import sys
from pathlib import Path
from vox.digest import Digest, NodeId
from vox.store.sqlite import SqliteStore
with SqliteStore(Path({str(tmp_path)!r})) as store:
    node = NodeId(bytes.fromhex({told.statement.node.sha256.hex()!r}))
    result = store.results([node])[node]
    assert store.read(result.digest) == b"0.86" and store.recall(["key"]) == {{"key": b"fact"}}
heavy = {{"numpy", "cryptography", "backports.zstd", "compression.zstd", "tempfile", "logging"}}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_reading_starts_no_thread(tmp_path: Path) -> None:
    import threading

    with SqliteStore(tmp_path) as store:
        store.missing([Digest.of(b"data")])
        assert "vox-store-writer" not in [thread.name for thread in threading.enumerate()]
        store.write([b"data"])
        assert "vox-store-writer" in [thread.name for thread in threading.enumerate()]
    assert "vox-store-writer" not in [thread.name for thread in threading.enumerate()]


# Bad input -----------------------------------------------------------------------------------------


def unusable(path: Path, **options: object) -> StoreUnusable:
    with pytest.raises(StoreUnusable) as raised:
        SqliteStore(path, **options)  # type: ignore[arg-type]
    assert raised.value.code == "E0504"
    assert raised.value.exit_status == 2
    assert raised.value.hint
    return raised.value


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "not a folder" in unusable(tmp_path / "file").message
    assert "not a folder" in unusable(tmp_path / "file" / "below").message


def test_a_file_that_is_not_a_database_is_an_error_and_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite3").write_bytes(b"my thesis " * 1000)
    assert "not a store" in unusable(tmp_path).message
    assert (tmp_path / "store.sqlite3").read_bytes() == b"my thesis " * 1000


def test_somebody_elses_database_is_an_error_and_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.sqlite3")
    connection.execute("CREATE TABLE photos (name TEXT)")
    connection.close()
    before = (tmp_path / "store.sqlite3").read_bytes()
    assert "not a store" in unusable(tmp_path).message
    assert (tmp_path / "store.sqlite3").read_bytes() == before


def test_a_store_of_a_newer_version_is_an_error(tmp_path: Path) -> None:
    SqliteStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "store.sqlite3")
    connection.execute(f"PRAGMA user_version={FORMAT + 1}")
    connection.close()
    error = unusable(tmp_path)
    assert f"format {FORMAT + 1}" in error.message
    assert "newer" in error.hint


def test_no_store_where_one_should_be_read_is_an_error_and_makes_none(tmp_path: Path) -> None:
    assert "no store" in unusable(tmp_path / "nowhere", read_only=True).message
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert "VOX_STORE_PATH" in unusable(tmp_path / "store").hint


def test_a_store_that_another_process_holds_is_an_error_and_reading_goes_on(tmp_path: Path) -> None:
    with SqliteStore(tmp_path, busy_timeout_s=0.2) as store:
        digest = store.write([b"data"])
        holder = sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnusable) as raised:
            store.write([b"more"])
        assert "another process" in raised.value.message
        assert store.read(digest) == b"data"
        holder.execute("ROLLBACK")
        holder.close()
        assert store.write([b"more"]) == Digest.of(b"more")


def test_a_file_full_of_holes_is_a_damaged_store_and_never_a_wrong_answer(tmp_path: Path) -> None:
    data = [noise(40_000, number) for number in range(60)]
    with SqliteStore(tmp_path) as store:
        store.put([blob_of(each) for each in data], [])
    path = tmp_path / "store.sqlite3"
    whole = bytearray(path.read_bytes())
    for page in range(2, len(whole) // 16384, 3):
        whole[page * 16384 : page * 16384 + 64] = b"\xff" * 64
    path.write_bytes(whole)
    with SqliteStore(tmp_path) as store:
        outcomes = set()
        for each in data:
            try:
                assert bytes(store.read(Digest.of(each))) == each
                outcomes.add("right")
            except (BlobMissing, BlobCorrupt, StoreUnusable) as error:
                outcomes.add(type(error).__name__)
        assert outcomes - {"right"}
        with pytest.raises(StoreUnusable) as raised:
            store.check()
        assert "backup" in raised.value.hint


def test_writing_to_a_store_opened_for_reading_is_an_error(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        digest = store.write([b"data"])
        with SqliteStore(tmp_path, read_only=True) as reader:
            assert reader.read(digest) == b"data"
            later = store.write([b"later"])
            assert reader.read(later) == b"later"
            for write in (
                lambda: reader.write([b"more"]),
                lambda: reader.put([blob_of(b"more")], []),
                lambda: reader.delete([digest]),
                lambda: reader.remember("key", b"value"),
            ):
                with pytest.raises(StoreUnusable, match="reading only"):
                    write()


# Versions ------------------------------------------------------------------------------------------

_FOLDER = Path(sqlite_file.__file__).parent / "migrations"
_KNOWN = [(_FOLDER / f"{number:04}.sql").read_text() for number in range(1, FORMAT + 1)]


def test_an_older_store_is_migrated_after_a_backup(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        digest = store.write([b"data"])
    newer = [*_KNOWN, "CREATE TABLE more (x); -- a comment\nINSERT INTO more VALUES ('a;b');"]
    connection = StoreFile(tmp_path, migrations=newer).open()
    assert connection.execute("SELECT x FROM more").fetchall() == [("a;b",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT + 1,)
    assert connection.execute("SELECT digest FROM blobs").fetchall() == [(digest.sha256,)]
    connection.close()
    old = sqlite3.connect(tmp_path / f"store.format-{FORMAT}.sqlite3")
    assert old.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    assert old.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert old.execute("SELECT digest FROM blobs").fetchall() == [(digest.sha256,)]
    old.close()
    unusable(tmp_path)


def test_a_store_of_the_first_format_becomes_one_of_this_with_all_it_held(tmp_path: Path) -> None:
    connection = StoreFile(tmp_path, migrations=_KNOWN[:1]).open()
    told = claim("near", b"data")
    digest, body = Digest.of(b"data"), told.to_bytes()
    stated = told.statement
    names = (stated.action.sha256, stated.node.sha256, digest.sha256, stated.issuer.sha256)
    connection.execute("INSERT INTO blobs VALUES (1, ?, 4, 0, ?)", (digest.sha256, b"data"))
    connection.execute("INSERT INTO attestations VALUES (1, ?, ?, ?, ?, ?)", (*names, body))
    connection.execute("INSERT INTO results VALUES (?, ?, ?, 4, 1)", (names[1], names[0], names[2]))
    connection.close()
    with SqliteStore(tmp_path) as store:
        assert store.read(digest) == b"data"
        assert store.attestations([stated.action]) == {stated.action: (told,)}
        assert store.results([stated.node])[stated.node].digest == digest
    assert (tmp_path / "store.format-1.sqlite3").exists()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        digest = store.write([b"data"])
    with pytest.raises(StoreUnusable):
        StoreFile(tmp_path, migrations=[*_KNOWN, "DROP TABLE blobs; SELECT nonsense FROM nowhere;"]).open()
    with SqliteStore(tmp_path) as store:
        assert store.read(digest) == b"data"


def test_a_store_opened_for_reading_is_not_migrated(tmp_path: Path) -> None:
    SqliteStore(tmp_path).close()
    with pytest.raises(StoreUnusable) as raised:
        StoreFile(tmp_path, read_only=True, migrations=[*_KNOWN, "CREATE TABLE more (x);"]).open()
    assert "older" in raised.value.message


# Corruption ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "seq"),
    [
        (b"a small one", -1),
        (stripes(5000), -1),
        (noise(2 * MIB), 0),
        (noise(2 * MIB + 9), 2),
        (stripes(3 * MIB), 1),
        (noise(100_000), 0),
    ],
)
@pytest.mark.parametrize("way", ["read", "open"])
def test_a_flipped_byte_is_never_read_and_the_blob_is_set_aside(
    store: SqliteStore, data: bytes, seq: int, way: str
) -> None:
    digest = store.write([data])
    damage_chunk(store, seq)
    came = 0
    with pytest.raises(BlobCorrupt) as raised:  # noqa: PT012
        for piece in [store.read(digest)] if way == "read" else store.open(digest):
            came += len(piece)
    assert came < len(data), "whoever has seen the end has seen the right bytes"
    assert raised.value.wanted == digest
    assert raised.value.found != digest
    assert store.missing([digest]) == {digest}
    with pytest.raises(BlobMissing):
        store.read(digest)
    assert store.write([data]) == digest
    assert bytes(store.read(digest)) == data


@pytest.mark.parametrize("change", ["DELETE FROM chunks WHERE seq = 1", "DELETE FROM chunks WHERE seq = 2"])
def test_a_blob_that_lacks_a_chunk_is_never_given_whole(store: SqliteStore, change: str) -> None:
    digest = store.write([noise(2 * MIB + 9)])
    alter(store, change)
    with pytest.raises((BlobCorrupt, BlobMissing)):
        list(store.open(digest))
    with pytest.raises((BlobCorrupt, BlobMissing)):
        store.read(digest)


def test_a_frame_that_claims_too_much_is_corrupt(store: SqliteStore) -> None:
    from vox.store.compression import compress

    digest = store.write([stripes(5000)])
    alter(store, "UPDATE blobs SET data = ?", compress(bytes(500 * MIB)))
    with pytest.raises(BlobCorrupt):
        store.read(digest)


def test_check_names_what_is_corrupt_and_sets_it_aside(store: SqliteStore) -> None:
    good = store.write([noise(2 * MIB, 1)])
    store.write([noise(2000, 2)])
    bad = store.write([noise(MIB + 1, 3)])
    alter(store, "UPDATE chunks SET data = zeroblob(length(data)) WHERE blob = (SELECT max(id) FROM blobs)")
    assert store.check() == [bad]
    assert store.check() == []
    assert store.missing([good, bad]) == {bad}


def test_a_store_opened_for_reading_tells_of_corruption_and_changes_nothing(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        digest = store.write([b"data"])
        damage_chunk(store, -1)
    with SqliteStore(tmp_path, read_only=True) as reader:
        for _ in range(2):
            with pytest.raises(BlobCorrupt):
                reader.read(digest)


# Extra verbs ---------------------------------------------------------------------------------------


def test_a_backup_is_a_store_of_one_moment(store: SqliteStore, tmp_path: Path) -> None:
    data = noise(2 * MIB)
    told = claim("near", data)
    store.put([blob_of(data)], [told])
    (tmp_path / "copy").mkdir()
    store.backup(tmp_path / "copy" / "store.sqlite3")
    store.write([b"later"])
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["store.sqlite3"]
    with SqliteStore(tmp_path / "copy") as copy:
        assert bytes(copy.read(Digest.of(data))) == data
        assert set(copy.results([told.statement.node])) == {told.statement.node}
        assert copy.missing([Digest.of(b"later")])
        assert copy.write([b"goes on"]) == Digest.of(b"goes on")


def test_a_backup_to_a_place_that_is_not_there_is_an_error(store: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        store.backup(tmp_path / "nowhere" / "copy.sqlite3")


def test_disputes_name_actions_with_different_outputs(store: SqliteStore) -> None:
    store.record([claim("calm", b"same"), claim("calm", b"same", OTHER_SIGNER)])
    assert store.disputes() == {}
    first, second = claim("noisy", b"mine"), claim("noisy", b"theirs", OTHER_SIGNER)
    store.record([first, second])
    assert store.disputes() == {first.statement.action: (Digest.of(b"mine"), Digest.of(b"theirs"))}


def test_forgotten_results_are_known_again_when_recorded_again(store: SqliteStore) -> None:
    told = claim("near", b"data")
    node = told.statement.node
    store.put([blob_of(b"data")], [told])
    store.forget_results([node])
    assert store.results([node]) == {}
    assert store.attestations([told.statement.action]) == {told.statement.action: (told,)}
    store.record([told])
    assert set(store.results([node])) == {node}


def test_pins_have_reasons(store: SqliteStore) -> None:
    one, two = Digest.of(b"one"), Digest.of(b"two")
    store.pin([one, two], "execution 1")
    store.pin([one, one], "execution 2")
    assert store.pins() == {one: ("execution 1", "execution 2"), two: ("execution 1",)}
    store.unpin("execution 1")
    assert store.pins() == {one: ("execution 2",)}


def test_a_guilty_write_fails_alone(store: SqliteStore) -> None:
    from threading import Barrier, Thread

    barrier, failures = Barrier(9), []

    def innocent(number: int) -> None:
        barrier.wait(30)
        store.write([b"%d" % number])

    def guilty() -> None:
        barrier.wait(30)
        try:
            store.remember("key", object())  # type: ignore[arg-type]
        except StoreUnusable as error:
            failures.append(error)

    threads = [Thread(target=innocent, args=(number,)) for number in range(8)] + [Thread(target=guilty)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(failures) == 1
    assert store.missing([Digest.of(b"%d" % number) for number in range(8)]) == set()
