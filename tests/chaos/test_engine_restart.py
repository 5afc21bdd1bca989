"""The coordinator killed at seeded moments: nothing that was accepted or done is lost, and watchers go on."""

from __future__ import annotations

import http.client
import json
import random
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.engine_cluster import program
from tests.support.cluster import Cluster, image_source, reference, running_cluster

# Some of the goals take a tenth of a second, the others thousands of nodes that take microseconds.
IMAGES = 'load a = "a.nii"\nlet x = intensity(a)\n' + "\n".join(
    f'print "goal {n}" volume(crossCorrelation(3, x, x, x >. {60 + n}, {n}, 255, 20) >. 0.5)'
    for n in range(6)
)
PROGRAM = f"{IMAGES}\n{program(6_000)}"


@pytest.fixture(scope="module")
def sources() -> dict[str, tuple[dict[str, Any], bytes]]:
    return {"a.nii": image_source(11, (64, 48, 40))}


@pytest.fixture(scope="module")
def expected(sources: Any) -> dict[str, str]:
    return reference(PROGRAM, sources)


def follow(cluster: Cluster, execution: str, after: int, until: float) -> tuple[list[int], bool]:
    """Read numbers of events until a moment, or until the stream breaks or ends; tell whether it ended."""
    numbers: list[int] = []
    parts = urlsplit(cluster.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(
            "GET", f"/api/v1/executions/{execution}/events", headers={"Last-Event-ID": str(after)}
        )
        for line in connection.getresponse():
            if line.startswith(b"id: "):
                numbers.append(int(line.removeprefix(b"id: ")))
            elif line.startswith(b"data: "):
                if json.loads(line.removeprefix(b"data: "))["kind"] == "execution-finished":
                    return numbers, True
                if time.monotonic() > until:
                    break
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    return numbers, False


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_a_coordinator_killed_again_and_again_ends_the_run_and_its_watchers_miss_nothing(
    seed: int, tmp_path: Path, sources: Any, expected: Any
) -> None:
    rng = random.Random(seed)
    with running_cluster(tmp_path) as cluster:
        source, blob = sources["a.nii"]
        cluster.call("PUT", f"/api/v1/blobs/{source['digest']}", blob)
        execution = cluster.submit(PROGRAM, {"a.nii": source})
        numbers: list[int] = []
        for _ in range(3):
            last = numbers[-1] if numbers else 0
            heard, ended = follow(cluster, execution, last, time.monotonic() + rng.uniform(0.0, 1.5))
            numbers += heard
            if ended:
                break
            assert cluster.coordinator is not None
            cluster.coordinator.kill()
            cluster.start()
        document = cluster.finished(execution)
        assert document["state"] == "succeeded", document["errors"]
        assert {goal["label"]: goal["digest"] for goal in document["goals"]} == expected
        counts = dict(document["nodes"])
        assert counts.pop("total") == sum(counts.values())
        heard, _ = follow(cluster, execution, numbers[-1] if numbers else 0, time.monotonic() + 30.0)
        numbers += heard
        assert numbers == list(range(1, len(numbers) + 1)), "no event is missed, none comes twice"
        cluster.wait_for_workers("a", "b")
        again = cluster.finished(cluster.submit(PROGRAM, {"a.nii": source}))
        assert again["nodes"]["computed"] == 0, "what was done is known"
