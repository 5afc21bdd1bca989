"""Labels at the door to other machines: what is not for them is not there, and stays here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from p2p.peer import Peer
from p2p.presence import Presence
from tests.support.peers import SmallCluster, attested, node_of
from vox.errors import BlobMissing
from vox.store import open_store
from vox.store.contract import Store
from vox.store.options import StoreOptions


class Home:
    """A machine with a store that it shows, and another that asks."""

    def __init__(self, folder: Path, store: Store) -> None:
        cluster = SmallCluster(folder / "cluster")
        self.store = store
        self.identity, membership = cluster.machine("home")
        self.presence = Presence(store, membership, host="127.0.0.1", discover=False)
        self.presence.start()
        self.peer = Peer(self.presence.address, cluster.machine("asker")[1])

    def close(self) -> None:
        self.peer.close()
        self.presence.close()
        self.store.close()


@pytest.fixture(params=["sqlite", "hybrid", "filesystem", "tiered", "memory"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path, open_store(request.param, tmp_path / "store"))
    yield made
    made.close()


def test_what_is_never_to_leave_is_missing_for_a_peer_and_served_here(home: Home) -> None:
    blobs, claims = attested(home.identity, ["secret", "shared", "open"])
    home.store.put(blobs, claims)
    names = [blob.digest for blob in blobs]
    if not hasattr(home.store, "label"):
        # Without labels everything is for the whole cluster.
        assert home.peer.missing(names) == set()
        return
    home.store.label(names[:1], "never")
    home.store.label(names[1:2], "cluster")
    nodes = [node_of(text) for text in ("secret", "shared", "open")]

    assert home.peer.missing(names) == set(names[:1])
    with pytest.raises(BlobMissing):
        b"".join(home.peer.open(names[0]))
    with pytest.raises(BlobMissing):
        home.peer.size(names[0])
    assert set(home.peer.results(nodes)) == set(nodes[1:])
    actions = [claim.statement.action for claim in claims]
    assert set(home.peer.attestations(actions)) == set(actions[1:])
    assert [b"".join(home.peer.open(name)) for name in names[1:]] == [b"shared", b"open"]

    assert home.store.missing(names) == set()
    assert bytes(home.store.read(names[0])) == b"secret"
    assert set(home.store.results(nodes)) == set(nodes)


def test_a_label_of_a_shared_store_holds_for_who_reads_it_there(tmp_path: Path) -> None:
    shared = open_store("sqlite", tmp_path / "shared")
    secret, free = shared.write([b"secret"]), shared.write([b"free"])
    shared.label([secret], "never")
    shared.close()
    store = open_store("tiered", tmp_path / "own", StoreOptions(shared=tmp_path / "shared"))
    home = Home(tmp_path, store)
    try:
        assert store.missing([secret, free]) == set()
        assert home.peer.missing([secret, free]) == {secret}
        assert b"".join(home.peer.open(free)) == b"free"
    finally:
        home.close()
