"""The soak matrix: programs, caches and threads, each run held to the digests of the sequential engine.

`python -m tests.support.soak ROUNDS` runs it as often as asked and prints a line for each failure.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from client.embedded import EmbeddedEngine
from coordinator.contract import DynamicExecutionConfig
from coordinator.ledger import Ledger
from tests.support.programs import ball, chain_plan, image_plan, scalar_plan
from vox import sequential
from vox.digest import Digest
from vox.operators.codec import digest_of, encode_value
from vox.plan import Plan
from vox.store.contract import Blob
from vox.store.sqlite import SqliteStore

CACHES = ("cold", "warm", "no-cache", "no-write", "tiny-quota")
THREADS = (1, 2, 8)
# Holds the image of the programs, and a few of their results at a time.
QUOTA_BYTES = 3 << 20


@dataclass(frozen=True)
class Program:
    """A plan, and what its goals must be."""

    name: str
    plan: Plan
    sources: tuple[Blob, ...]
    expected: tuple[Digest | None, ...]


def programs(seed: int = 0) -> list[Program]:
    """Return the five programs."""
    parts = encode_value(ball(48, seed))
    blob = Blob(digest_of(parts), [bytes(part) for part in parts])
    plans = {
        "images": image_plan(blob.digest, 0.5),
        "other images": image_plan(blob.digest, 0.3),
        "random scalars": scalar_plan(seed, 1_500, goals=8, window=300),
        "narrow scalars": scalar_plan(seed + 1, 600),
        "chain": chain_plan(400, seed + 0.25),
    }
    whole = b"".join(bytes(part) for part in blob.parts)
    return [
        Program(
            name,
            plan,
            (blob,) if "images" in name else (),
            tuple(goal.digest for goal in sequential.run(plan, lambda _: whole)),
        )
        for name, plan in plans.items()
    ]


def runs(folder: Path, round_: int, every: list[Program]) -> Iterator[str]:
    """Run the whole matrix once; yield what went wrong."""
    for cache, threads in itertools.product(CACHES, THREADS):
        place = folder / f"{round_}-{cache}-{threads}"
        quota = QUOTA_BYTES if cache == "tiny-quota" else 0
        config = DynamicExecutionConfig(reads=cache != "no-cache", writes=cache != "no-write")
        store = SqliteStore(place / "store", quota_bytes=quota)
        engine = EmbeddedEngine(
            store, threads=threads, identity_path=place / "identity", ledger=Ledger(place / "ledger.sqlite")
        )
        with engine:
            for program in every:
                for _ in range(2 if cache == "warm" else 1):
                    store.put(program.sources, [])
                    result = engine.wait(engine.submit(program.plan, config), 120.0)
                    found = tuple(goal.digest for goal in result.goals)
                    if result.state != "succeeded" or found != program.expected:
                        yield f"{program.name}, {cache}, {threads} threads: {result.state} {result.errors}"


def main() -> int:
    """Run rounds."""
    rounds, failures = int(sys.argv[1]) if len(sys.argv) > 1 else 20, 0
    for round_ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for said in runs(Path(folder), round_, programs(round_)):
                failures += 1
                print(f"round {round_}: {said}", flush=True)
        print(f"round {round_ + 1} of {rounds}: {failures} failures so far", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
