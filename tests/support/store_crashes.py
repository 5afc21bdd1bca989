"""Kills a process at numbered points of its work on a store, again and again, and looks at what is left.

`python -m tests.support.store_crashes BACKEND POINTS SEED FOLDER`: prints one JSON document. A process forks
for each point. Half of them end themselves by SIGKILL at the n-th call that Python makes, so that a point can
be met again; the others are killed after a seeded time, which also falls inside the system's calls.

With BACKEND `full:NAME` nothing is killed: from a seeded byte on, no file can grow.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.stores import SIGNER, blob_of, noise, statement, stripes
from vox.digest import Digest
from vox.errors import StoreError
from vox.store import open_store

GROUPS = 3
_SIZES = (40, 3000, 70_000)
_STREAM = (300_000, 4)


def group(number: int) -> list[bytes]:
    return [noise(size, number) for size in _SIZES] + [stripes(100_000) + b"%d" % number]


def stream() -> list[bytes]:
    size, parts = _STREAM
    return [noise(size, 100 + part) for part in range(parts)]


def put(store: Any, number: int) -> None:
    data = group(number)
    told = SIGNER.attest([statement(f"{number} {index}", each) for index, each in enumerate(data)])
    store.put([blob_of(each) for each in data], told)


def work(folder: Path, backend: str, tell: Callable[[str], None]) -> None:
    """Everything that changes a store, in an order; each step is told when it was acknowledged."""
    store: Any = open_store(backend, folder)
    put(store, 0)
    tell("0")
    store.write(stream())
    tell("s")
    put(store, 1)
    tell("1")
    store.delete([Digest.of(group(0)[2])])
    tell("d")
    store.remember("key", b"value")
    tell("f")
    put(store, 2)
    tell("2")
    store.collect()
    tell("c")
    store.close()


def verify(folder: Path, backend: str, told: str) -> None:
    """What was told is there; what was not is whole or not there; work goes on without any repair."""
    store: Any = open_store(backend, folder)
    try:
        assert store.check() == [], "something is corrupt"
        for number in range(GROUPS):
            data = group(number)
            digests = [Digest.of(each) for each in data]
            names = [statement(f"{number} {index}", each).node for index, each in enumerate(data)]
            missing, results = store.missing(digests), store.results(names)
            if number == 0 and results:
                if "d" in told:
                    assert digests[2] in missing, "what was deleted is back"
                missing -= {digests[2]}
            assert (not missing and len(results) == len(data)) or (missing == set(digests) and not results), (
                f"group {number} is half there"
            )
            assert str(number) not in told or not missing, f"group {number} was told and is lost"
        wanted = Digest.of(*stream())
        if "s" in told and not store.missing([wanted]):
            assert Digest.of(store.read(wanted)) == wanted
        assert "s" not in told or "2" in told or not store.missing([wanted]), "the stream is lost"
        assert "f" not in told or store.recall(["key"]) == {"key": b"value"}, "the fact is lost"
        put(store, GROUPS)
        assert store.missing([Digest.of(each) for each in group(GROUPS)]) == set()
    finally:
        store.close()
    left = [path.name for path in folder.rglob("*.part")]
    assert not left, f"{left} lies about"


class Point:
    """Ends this process at its n-th call; counts if n is 0."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.seen = 0

    def __call__(self, frame: object, event: str, argument: object) -> None:
        self.seen += 1
        if self.seen == self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        threading.setprofile(self)
        sys.setprofile(self)


def run(folder: Path, backend: str, number: int, delay_s: float | None) -> str:
    """Run the work in a fork and end it; return what it told."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            if delay_s is None:
                Point(number).watch()
            work(folder, backend, lambda text: os.write(writing, text.encode()) and None)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    if delay_s is not None:
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)
    told = b""
    while part := os.read(reading, 4096):
        told += part
    os.close(reading)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work itself failed"
    return told.decode()


def run_full(folder: Path, backend: str, file_bytes_max: int) -> str:
    """Run the work in a fork whose files cannot grow beyond a size; return what it told."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, file_bytes_max))
            work(folder, backend, lambda text: os.write(writing, text.encode()) and None)
            status = 0
        except StoreError:
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    told = os.read(reading, 4096).decode()
    os.close(reading)
    assert os.waitpid(child, 0)[1] == 0, "something else than a clear error"
    return told


def measure(folder: Path, backend: str) -> tuple[int, float]:
    """Return how many calls the work makes, and how long it takes."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        began = time.perf_counter()
        point = Point(0)
        work(folder / "time", backend, lambda text: None)
        seconds = time.perf_counter() - began
        point.watch()
        work(folder / "calls", backend, lambda text: None)
        sys.setprofile(None)
        os.write(writing, f"{point.seen} {seconds}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    calls, seconds = os.read(reading, 100).split()
    os.close(reading)
    os.close(writing)
    return int(calls), float(seconds)


def main(backend: str, points: str, seed: str, where: str) -> None:
    folder = Path(where)
    full, backend = backend.startswith("full:"), backend.removeprefix("full:")
    calls, seconds = measure(folder, backend)
    chance = random.Random(f"{backend} {seed}")
    found: dict[str, Any] = {"backend": backend, "calls": calls, "points": 0, "told": {}, "failures": []}
    for index in range(int(points)):
        place, told = folder / f"p{index}", "?"
        number = chance.randrange(1, calls)
        delay_s = None if index % 2 else chance.uniform(0, 1.1 * seconds)
        limit = int(10 ** chance.uniform(1, 6.3))
        try:
            told = run_full(place, backend, limit) if full else run(place, backend, number, delay_s)
            verify(place, backend, told)
        except Exception as error:
            way = f"call {number}" if delay_s is None else f"{delay_s:.4f} s"
            way = f"{limit} bytes" if full else way
            found["failures"].append(f"{way}, told {told!r}: {type(error).__name__}: {error}")
        found["points"] += 1
        found["told"][told] = found["told"].get(told, 0) + 1
        shutil.rmtree(place, ignore_errors=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
