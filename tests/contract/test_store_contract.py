"""The writing half of the contract."""

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.stores import MIB, OTHER_SIGNER, Maker, blob_of, claim, noise, stripes
from vox.attest import Signer
from vox.digest import Digest
from vox.errors import BlobMissing, StoreUnusable
from vox.store.contract import Blob, Store

EMPTY = Digest.of(b"")


def in_threads(work: Sequence[Callable[[], None]]) -> None:
    """Run every callable in a thread of its own, all at once, and raise what one of them raises."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(work))

    def run(call: Callable[[], None]) -> None:
        try:
            barrier.wait(30)
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def test_it_is_a_store(store: Store) -> None:
    assert isinstance(store, Store)


@pytest.mark.parametrize("size", [0, 1, 600, 65_537, MIB, 3 * MIB + 1])
def test_a_blob_put_is_read_back_whole(store: Store, size: int) -> None:
    for data in (noise(size), stripes(size)):
        store.put([blob_of(data)], [])
        assert bytes(store.read(Digest.of(data))) == data


def test_a_blob_may_be_written_in_parts_of_any_size(store: Store) -> None:
    data = noise(2 * MIB + 77)
    cuts = [0, 0, 1, 1000, MIB - 1, MIB, MIB + 1, len(data)]
    parts = [memoryview(data)[a:b] for a, b in pairwise(cuts)]
    assert store.write(iter(parts)) == Digest.of(data)
    assert bytes(store.read(Digest.of(data))) == data


def test_a_stream_may_use_its_buffer_again(store: Store) -> None:
    def stream() -> Iterator[memoryview]:
        buffer = bytearray(300_000)
        for number in range(12):
            buffer[:] = bytes([number]) * len(buffer)
            yield memoryview(buffer)

    whole = b"".join(bytes([number]) * 300_000 for number in range(12))
    assert store.write(stream()) == Digest.of(whole)
    assert bytes(store.read(Digest.of(whole))) == whole


def test_a_stream_that_fails_leaves_nothing_and_its_own_error(store: Store) -> None:
    def stream() -> Iterator[bytes]:
        yield noise(2 * MIB)
        raise ConnectionResetError("the other side went away")

    with pytest.raises(ConnectionResetError):
        store.write(stream())
    assert store.stats().blobs == 0


def test_writing_the_same_bytes_again_changes_nothing(store: Store) -> None:
    data = noise(MIB + 1)
    for _ in range(3):
        assert store.write([data]) == Digest.of(data)
        store.put([blob_of(data), blob_of(data)], [claim("near", data)])
    assert store.stats().blobs == 1
    assert store.stats().results == 1
    assert store.stats().blob_bytes == len(data)


def test_what_is_read_cannot_be_changed(store: Store) -> None:
    for data in (b"small", noise(2 * MIB)):
        digest = store.write([data])
        with pytest.raises(TypeError):
            store.read(digest)[0] = 1  # type: ignore[index]
        assert bytes(store.read(digest)) == data


def test_the_empty_blob_needs_no_writing_and_survives_deletion(store: Store) -> None:
    assert store.read(EMPTY) == b""
    assert store.write([]) == EMPTY
    store.put([Blob(EMPTY, [])], [])
    store.delete([EMPTY])
    assert store.read(EMPTY) == b""
    assert store.stats().blobs == 0


def test_a_deleted_blob_is_missing_and_its_result_stays_a_claim(store: Store) -> None:
    data = noise(2 * MIB)
    told = claim("near", data)
    store.put([blob_of(data)], [told])
    store.delete([Digest.of(data), Digest.of(b"never here")])
    with pytest.raises(BlobMissing):
        store.read(Digest.of(data))
    assert store.missing([Digest.of(data)]) == {Digest.of(data)}
    assert store.results([told.statement.node])[told.statement.node].digest == Digest.of(data)
    store.put([blob_of(data)], [])
    assert bytes(store.read(Digest.of(data))) == data


def test_the_first_claim_is_the_result_until_only_another_has_its_blob(store: Store) -> None:
    first, second = claim("noisy", b"first"), claim("noisy", b"second", OTHER_SIGNER)
    node = first.statement.node
    store.put([blob_of(b"first")], [first])
    store.put([blob_of(b"second")], [second])
    assert store.results([node])[node].digest == Digest.of(b"first")
    store.delete([Digest.of(b"first")])
    store.record([second])
    assert store.results([node])[node].digest == Digest.of(b"second")


def test_one_action_may_answer_for_several_nodes(store: Store) -> None:
    claims = [claim("near", b"data", node="one"), claim("near", b"data", node="another")]
    store.put([blob_of(b"data")], claims)
    found = store.results([told.statement.node for told in claims])
    assert {result.action for result in found.values()} == {claims[0].statement.action}
    assert len(found) == 2


def test_a_claim_repeated_is_kept_once(store: Store) -> None:
    told = claim("near", b"data")
    store.record([told, told])
    store.record([told])
    assert store.attestations([told.statement.action]) == {told.statement.action: (told,)}


def test_claims_come_back_in_the_order_of_their_coming(store: Store) -> None:
    signers = [Signer(bytes([number]) * 32) for number in range(6)]
    claims = [claim("noisy", b"%d" % n, signer) for n, signer in enumerate(signers)]
    for told in claims:
        store.record([told])
    action = claims[0].statement.action
    assert store.attestations([action])[action] == tuple(claims)


def test_facts_are_remembered_changed_and_forgotten(store: Store) -> None:
    store.remember("input:/a b/é.nii", b"\x00\xff")
    store.remember("other", b"")
    assert store.recall(["input:/a b/é.nii", "other", "unknown"]) == {
        "input:/a b/é.nii": b"\x00\xff",
        "other": b"",
    }
    store.remember("other", b"changed")
    store.remember("input:/a b/é.nii", None)
    store.remember("unknown", None)
    assert store.recall(["input:/a b/é.nii", "other"]) == {"other": b"changed"}
    assert store.recall([]) == {}


def test_a_sound_store_has_nothing_to_report(store: Store) -> None:
    for size in (1, 600, MIB + 1):
        store.write([noise(size)])
    assert store.check() == []


def test_stats_count_uncompressed_bytes(store: Store) -> None:
    store.write([stripes(2 * MIB)])
    store.write([b"small"])
    stats = store.stats()
    assert (stats.blobs, stats.blob_bytes) == (2, 2 * MIB + 5)


def test_many_threads_write_read_and_ask_at_once(store: Store) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            own, shared = noise(20_000, 1000 * number + turn), noise(100_000, turn)
            told = claim(f"{number} {turn}", own)
            store.put([blob_of(own), blob_of(shared)], [told])
            assert store.write([shared]) == Digest.of(shared)
            assert bytes(store.read(Digest.of(own))) == own
            assert b"".join(store.open(Digest.of(shared))) == shared
            assert store.results([told.statement.node])[told.statement.node].digest == Digest.of(own)
            store.remember(f"turn {number}", b"%d" % turn)

    in_threads([lambda number=number: work(number) for number in range(6)])
    assert store.stats().blobs == 6 * 20 + 20
    assert store.stats().results == 6 * 20
    assert store.check() == []


def test_putting_and_deleting_one_blob_at_once_never_tears_it(store: Store) -> None:
    data = noise(2 * MIB + 5)
    digest = Digest.of(data)

    def put() -> None:
        for _ in range(25):
            store.put([blob_of(data)], [])

    def delete() -> None:
        for _ in range(25):
            store.delete([digest])

    def read() -> None:
        for _ in range(25):
            try:
                assert bytes(store.read(digest)) == data
                assert b"".join(store.open(digest)) == data
            except BlobMissing:
                pass

    in_threads([put, put, delete, read, read])
    store.put([blob_of(data)], [])
    assert bytes(store.read(digest)) == data


def test_a_closed_store_refuses_work_and_closes_twice(maker: Maker, tmp_path: Path) -> None:
    store = maker.make(tmp_path)
    store.write([b"data"])
    store.close()
    store.close()
    with pytest.raises(StoreUnusable):
        store.write([b"more"])
    with pytest.raises(StoreUnusable):
        store.missing([Digest.of(b"data")])


def test_everything_is_there_after_opening_again(durable: Maker, tmp_path: Path) -> None:
    small, large = b"small", noise(3 * MIB)
    told = [claim("small", small), claim("large", large, OTHER_SIGNER)]
    store = durable.make(tmp_path)
    store.put([blob_of(small), blob_of(large)], told)
    store.remember("key", b"value")
    before = store.stats()
    store.close()
    again = durable.make(tmp_path)
    assert bytes(again.read(Digest.of(small))) == small
    assert bytes(again.read(Digest.of(large))) == large
    assert again.recall(["key"]) == {"key": b"value"}
    nodes = [each.statement.node for each in told]
    assert set(again.results(nodes)) == set(nodes)
    assert again.attestations([told[1].statement.action]) == {told[1].statement.action: (told[1],)}
    after = again.stats()
    assert (after.blobs, after.results, after.blob_bytes) == (before.blobs, before.results, before.blob_bytes)
    again.close()


def test_two_stores_on_one_path_see_each_others_work(durable: Maker, tmp_path: Path) -> None:
    one, two = durable.make(tmp_path), durable.make(tmp_path)
    data = noise(MIB)
    one.put([blob_of(data)], [claim("near", data)])
    assert bytes(two.read(Digest.of(data))) == data
    two.delete([Digest.of(data)])
    assert one.missing([Digest.of(data)]) == {Digest.of(data)}
    one.close()
    two.write([b"the other one works on"])
    two.close()
