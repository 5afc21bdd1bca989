from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.stores import FRONTS, STORES, Maker
from vox.store.contract import Shelf, Store


@dataclass(frozen=True)
class Shelved:
    """A store to fill, and the shelf to ask: the store itself, or what stands in front of it."""

    store: Store
    shelf: Shelf


@pytest.fixture(params=sorted(STORES))
def maker(request: pytest.FixtureRequest) -> Maker:
    return STORES[request.param]


@pytest.fixture(params=[name for name in sorted(STORES) if STORES[name].durable])
def durable(request: pytest.FixtureRequest) -> Maker:
    return STORES[request.param]


@pytest.fixture
def store(maker: Maker, tmp_path: Path) -> Iterator[Store]:
    made = maker.make(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture(params=sorted(FRONTS))
def shelved(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Iterator[Shelved]:
    with FRONTS[request.param](store, tmp_path) as shelf:
        yield Shelved(store, shelf)
