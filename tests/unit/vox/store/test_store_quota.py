"""Quotas are held whatever is written, and what must not go does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.stores import SIGNER, blob_of, noise
from vox.attest import Attestation, Statement
from vox.digest import ActionId, Digest, NodeId
from vox.errors import StoreFull
from vox.store.filesystem import FilesystemStore
from vox.store.hybrid import HybridStore
from vox.store.sqlite import SqliteStore

Make = Callable[..., Any]
KINDS: list[Make] = [SqliteStore, HybridStore, FilesystemStore]
kinds = pytest.mark.parametrize("kind", KINDS)


def told(name: str, data: bytes, inputs: tuple[Digest, ...], cost_ms: int) -> Attestation:
    """A claim that `data` was made from `inputs`."""
    stated = Statement(
        ActionId.of(name.encode()),
        NodeId.of(name.encode()),
        Digest.of(data),
        len(data),
        inputs,
        Digest.of(b""),
        "bit",
        cost_ms,
        SIGNER.peer,
        1,
    )
    return SIGNER.attest([stated])[0]


def held(store: Any, values: list[bytes]) -> list[bool]:
    return [not store.missing([Digest.of(data)]) for data in values]


@kinds
@pytest.mark.parametrize("size", [50, 3000, 60_000, 300_000])
def test_a_store_never_takes_more_than_its_quota(kind: Make, tmp_path: Path, size: int) -> None:
    quota = 3_000_000
    with kind(tmp_path, quota_bytes=quota) as store:
        source = noise(100_000, -1)
        given = store.write([source])
        for number in range(min(600, 12_000_000 // size)):
            data = noise(size, number)
            store.put([blob_of(data)], [told(f"{number}", data, (given,), 5)])
            assert store.used_bytes() <= quota
        assert not store.missing([given]), "an input is never evicted"
        assert store.read(Digest.of(data)) == data
        assert store.stats().results > 0
        if size >= 60_000:
            assert store.stats().evicted > 0


@kinds
@pytest.mark.parametrize("quota", [1, 1000, 100_000, 200_000])
def test_a_tiny_quota_refuses_clearly_and_keeps_what_there_is(kind: Make, tmp_path: Path, quota: int) -> None:
    with kind(tmp_path, quota_bytes=quota) as store:
        with pytest.raises(StoreFull) as raised:
            store.put([blob_of(noise(300_000))], [])
        assert "quota" in raised.value.hint
        with pytest.raises(StoreFull):
            store.write(noise(100_000, number) for number in range(5))
        assert store.stats().blobs == 0
        assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


@kinds
def test_inputs_and_pinned_blobs_stay_and_then_the_store_is_full(kind: Make, tmp_path: Path) -> None:
    with kind(tmp_path, quota_bytes=1_500_000) as store:
        sources = [noise(300_000, number) for number in range(3)]
        for data in sources:
            store.write([data])
        pinned = noise(200_000, 99)
        store.put([blob_of(pinned)], [told("pinned", pinned, (Digest.of(sources[0]),), 1)])
        store.pin([Digest.of(pinned)], "a test")
        with pytest.raises(StoreFull):
            store.write([noise(900_000, 100)])
        assert all(held(store, [*sources, pinned]))
        store.unpin("a test")
        with pytest.raises(StoreFull):
            store.write([noise(900_000, 100)])
        assert all(held(store, sources))


@kinds
def test_a_result_whose_input_is_gone_is_the_last_copy_and_stays(kind: Make, tmp_path: Path) -> None:
    with kind(tmp_path, quota_bytes=1_200_000) as store:
        source, first, second = noise(200_000, 1), noise(300_000, 2), noise(300_000, 3)
        store.write([source])
        store.put([blob_of(first)], [told("first", first, (Digest.of(source),), 10)])
        store.put([blob_of(second)], [told("second", second, (Digest.of(first),), 10)])
        store.delete([Digest.of(source)])
        store.put([blob_of(noise(500_000, 4))], [])
        assert held(store, [first]) == [True], "nothing could compute it again"
        with pytest.raises(StoreFull):
            store.put([blob_of(noise(800_000, 5))], [])
        assert held(store, [first]) == [True]


@pytest.mark.parametrize("kind", [SqliteStore, HybridStore])
def test_what_is_asked_for_and_dear_outlives_what_is_not(kind: Make, tmp_path: Path) -> None:
    with kind(tmp_path, quota_bytes=2_500_000) as store:
        source = noise(10_000, -1)
        given = store.write([source])
        dear, cheap = noise(200_000, 1), noise(200_000, 2)
        store.put([blob_of(dear)], [told("dear", dear, (given,), 60_000)])
        store.put([blob_of(cheap)], [told("cheap", cheap, (given,), 0)])
        for number in range(10, 40):
            data = noise(200_000, number)
            store.put([blob_of(data)], [told(f"{number}", data, (given,), 20)])
            store.read(Digest.of(dear))
        assert held(store, [dear, cheap]) == [True, False]


def test_eviction_and_recomputation_do_not_take_turns_for_ever_and_the_alarm_tells(tmp_path: Path) -> None:
    with SqliteStore(tmp_path, quota_bytes=1_500_000) as store:
        given = store.write([noise(1000, -1)])
        values = [noise(200_000, number) for number in range(8)]
        lost = 0
        for _ in range(12):
            for number, data in enumerate(values):
                if store.missing([Digest.of(data)]):
                    lost += 1
                    if store.admits(Digest.of(data), len(data), 100.0):
                        store.put([blob_of(data)], [told(f"{number}", data, (given,), 100)])
                else:
                    store.read(Digest.of(data))
        assert lost < 12 * 8 * 0.6, "some settle down"
        assert store.used_bytes() <= 1_500_000
        stats = store.stats()
        assert 0 <= stats.recomputed_ratio < 1
        assert stats.alarm == (stats.recomputed_ratio > 0.05)


def test_processes_of_one_quota_hold_it_together(tmp_path: Path) -> None:
    quota = 3_000_000
    with SqliteStore(tmp_path, quota_bytes=quota) as one, SqliteStore(tmp_path, quota_bytes=quota) as other:
        given = one.write([noise(1000, -1)])
        for number in range(30):
            data = noise(200_000, number)
            (one, other)[number % 2].put([blob_of(data)], [told(f"{number}", data, (given,), 3)])
            assert one.used_bytes() <= quota
        assert one.check() == []
