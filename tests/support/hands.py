"""Several workers in one process, each with its own store, who copy blobs from one another."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from coordinator.contract import HandsListener, WorkerInfo
from tests.support.programs import TEST_CATALOGUE
from vox.attest import Signer
from vox.digest import Digest, NodeId
from vox.errors import BlobCorrupt, BlobMissing
from vox.fragment import Fragment, Report
from vox.store.contract import Blob, Result, Store
from vox.store.memory import MemoryStore
from worker.runner import Runner


class Street:
    """Neighbours of one store: the other stores of this process."""

    def __init__(self, own: Store, others: dict[str, Store]) -> None:
        self.own = own
        self.others = others
        self.hinted: list[tuple[str, ...]] = []

    def fetch(self, digests: Collection[Digest], hints: Sequence[str] = ()) -> set[Digest]:
        self.hinted.append(tuple(hints))
        for digest in digests:
            for other in list(self.others.values()):
                if other is not self.own and not other.missing([digest]):
                    try:
                        self.own.put([Blob(digest, [bytes(other.read(digest))])], [])
                        break
                    except (BlobMissing, BlobCorrupt):
                        continue
        return set(digests) - self.own.missing(digests)

    def results(self, nodes: Collection[NodeId]) -> dict[NodeId, Result]:
        found: dict[NodeId, Result] = {}
        for other in list(self.others.values()):
            if other is not self.own:
                here = other.results([node for node in nodes if node not in found])
                actions = {result.action for result in here.values() if result.action is not None}
                claims = [c for cs in other.attestations(actions).values() for c in cs]
                self.own.record(claims)
                found |= here
        return found


class ManyHands:
    """`coordinator.contract.Hands` with workers that can be added and killed."""

    def __init__(self, stores: dict[str, Store]) -> None:
        self.stores = stores
        self.signer = Signer(Signer.generate())
        self.listener: HandsListener | None = None
        self.pools: dict[str, ThreadPoolExecutor] = {}
        self.runners: dict[str, Runner] = {}
        self.dead: set[str] = set()
        self.stops: dict[str, threading.Event] = {}
        self.started: list[tuple[Fragment, str]] = []

    def connect(self, listener: HandsListener) -> None:
        self.listener = listener

    def join(self, name: str, *, store: Store | None = None, slots: int = 1) -> None:
        self.stores[name] = store or MemoryStore()
        street = Street(self.stores[name], self.stores)
        self.runners[name] = Runner(
            self.stores[name], self.signer, street, catalogue=TEST_CATALOGUE, threads=1, cache_bytes=0
        )
        self.pools[name] = ThreadPoolExecutor(slots)
        assert self.listener is not None
        self.listener.worker_joined(WorkerInfo(name, slots, f"{name}:1"))

    def kill(self, name: str) -> None:
        """It is gone with its store; what it still computes is heard by nobody."""
        self.dead.add(name)
        del self.stores[name]
        assert self.listener is not None
        self.listener.worker_left(name)

    def start(self, fragment: Fragment, worker: str) -> None:
        self.started.append((fragment, worker))
        stop = self.stops[fragment.name] = threading.Event()
        self.pools[worker].submit(self._run, fragment, worker, stop)

    def _run(self, fragment: Fragment, worker: str, stop: threading.Event) -> None:
        assert self.listener is not None
        report = Report(fragment.name, ())
        if not stop.is_set():
            report = self.runners[worker].run(Fragment.from_bytes(fragment.to_bytes()), stop.is_set)
        if worker not in self.dead:
            self.listener.fragment_reported(Report.from_bytes(report.to_bytes()), worker)

    def cancel(self, fragment: str) -> None:
        self.stops[fragment].set()

    def close(self) -> None:
        for pool in self.pools.values():
            pool.shutdown(wait=True)
