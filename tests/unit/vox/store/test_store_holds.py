"""What is held stays while it is needed, under a quota that throws everything else out."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from vox.attest import Attestation, Signer, Statement
from vox.digest import ActionId, Digest, NodeId
from vox.errors import StoreFull
from vox.store import open_store
from vox.store.contract import Blob
from vox.store.holds import Holds
from vox.store.options import StoreOptions

# An empty SQLite store takes a third of a megabyte.
QUOTA_BYTES = 1_000_000
BLOB_BYTES = 60_000
SIGNER = Signer(Signer.generate())
BACKENDS = ("sqlite", "hybrid", "filesystem")


def bounded(backend: str, folder: Path, quota_bytes: int = QUOTA_BYTES) -> Any:
    return open_store(backend, folder, StoreOptions(quota_bytes=quota_bytes, level=0))


def made(number: int) -> tuple[Blob, Attestation]:
    """A blob that may go: a claim says how to make it again from nothing."""
    data = number.to_bytes(4, "big") * (BLOB_BYTES // 4)
    digest, name = Digest.of(data), str(number).encode()
    statement = Statement(
        ActionId.of(b"a", name), NodeId.of(b"n", name), digest, len(data), (), Digest.of(b"here"), "bit", 1,
        SIGNER.peer, 1,
    )  # fmt: skip
    return Blob(digest, [data]), SIGNER.attest([statement])[0]


def fill(store: Any, first: int, count: int) -> list[Digest]:
    names = []
    for number in range(first, first + count):
        blob, claim = made(number)
        store.put([blob], [claim])
        names.append(blob.digest)
    return names


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_held_outlives_what_comes_after_it(backend: str, tmp_path: Path) -> None:
    store = bounded(backend, tmp_path)
    holds = Holds(store)
    kept = fill(store, 0, 2)
    with holds.during("a fragment", kept):
        fill(store, 2, 20)
        assert store.missing(kept) == set()
        assert store.used_bytes() <= QUOTA_BYTES
    assert store.pins() == {}
    fill(store, 30, 20)
    assert store.missing(kept)
    store.close()


def test_more_than_the_quota_cannot_be_held_and_is_said(tmp_path: Path) -> None:
    store = bounded("sqlite", tmp_path)
    holds = Holds(store)
    holds.hold("a run", [made(number)[0].digest for number in range(20)])
    with pytest.raises(StoreFull) as caught:
        fill(store, 0, 20)
    assert caught.value.code == "E0503"
    here = 20 - len(store.missing([made(number)[0].digest for number in range(20)]))
    assert here >= 5
    holds.close()
    fill(store, 50, 3)
    store.close()


def test_without_a_quota_nothing_is_written(tmp_path: Path) -> None:
    store: Any = open_store("sqlite", tmp_path)
    with Holds(store).during("a fragment", fill(store, 0, 2)):
        assert store.pins() == {}
    store.close()


def test_who_asked_has_time_to_read(tmp_path: Path) -> None:
    store = bounded("sqlite", tmp_path)
    holds = Holds(store)
    holds.hold("a run", fill(store, 0, 1))
    holds.release_later("a run", 0.05)
    assert store.pins()
    deadline = time.monotonic() + 20
    while store.pins() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert store.pins() == {}
    store.close()


_HOLDER = """
import os, sys, pathlib
from vox.digest import Digest
from vox.store import open_store
from vox.store.holds import Holds
from vox.store.options import StoreOptions
store = open_store(sys.argv[1], pathlib.Path(sys.argv[2]), StoreOptions(quota_bytes=400_000))
Holds(store).hold("a run", [Digest.of(b"x")])
os._exit(9)
"""


@pytest.mark.parametrize("backend", ["sqlite", "filesystem"])
def test_what_a_killed_process_held_is_taken_back_and_what_others_hold_is_not(
    backend: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _HOLDER, backend, str(tmp_path)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 9
    store = bounded(backend, tmp_path)
    assert list(store.pins()) == [Digest.of(b"x")]
    store.pin([Digest.of(b"mine")], "a person's own reason")
    first = Holds(store)
    first.hold("a run", [Digest.of(b"y")])
    Holds(store)
    assert set(store.pins()) == {Digest.of(b"mine"), Digest.of(b"y")}
    store.close()
