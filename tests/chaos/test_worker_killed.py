"""Workers that die, or are told to go, while they compute: the execution goes on with the others."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.cluster import Cluster, image_source, reference, running_cluster

# Each goal takes a good part of a second on one thread, whatever the others do.
GOALS = 16
PROGRAM = 'load a = "a.nii"\nlet x = intensity(a)\n' + "\n".join(
    f'print "goal {n}" volume(crossCorrelation(4, x, x, x >. {60 + n}, {n}, 255, 20) >. 0.5)'
    for n in range(GOALS)
)


@pytest.fixture(scope="module")
def sources() -> dict[str, tuple[dict[str, Any], bytes]]:
    return {"a.nii": image_source(7, (96, 72, 56))}


@pytest.fixture(scope="module")
def expected(sources: Any) -> dict[str, str]:
    return reference(PROGRAM, sources)


def events(cluster: Cluster, execution: str) -> Iterator[dict[str, Any]]:
    """Yield an execution's events as they come."""
    parts = urlsplit(cluster.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    try:
        connection.request("GET", f"/api/v1/executions/{execution}/events")
        for line in connection.getresponse():
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))
    finally:
        connection.close()


def start(cluster: Cluster, sources: Any) -> str:
    (source, blob) = sources["a.nii"]
    cluster.call("PUT", f"/api/v1/blobs/{source['digest']}", blob)
    return cluster.submit(PROGRAM, {"a.nii": source})


@pytest.mark.parametrize("how", ["killed", "told to leave"])
def test_a_run_goes_on_without_a_worker_that_is(how: str, tmp_path: Path, sources, expected) -> None:
    with running_cluster(tmp_path, workers=("a", "b")) as cluster:
        execution = start(cluster, sources)
        watched = events(cluster, execution)
        # Both have something in hand when one result has come and neither is done.
        started: set[str] = set()
        for event in watched:
            if event["kind"] == "node-started":
                started.add(event["worker"])
            if event["kind"] == "node-done" and started == {"a", "b"}:
                break
        assert cluster.call("GET", f"/api/v1/executions/{execution}")[1]["state"] == "running"
        victim = cluster.workers["a"]
        if how == "killed":
            victim.kill()
        else:
            assert victim.terminate() == 0
            assert "Traceback" not in victim.said
        document = cluster.finished(execution)
        assert document["state"] == "succeeded", document["errors"]
        assert {goal["label"]: goal["digest"] for goal in document["goals"]} == expected
        kinds = [event["kind"] for event in events(cluster, execution)]
        assert "worker-left" in kinds
        assert kinds[-1] == "execution-finished"
        # Nobody noticed afterwards either.
        assert [w["name"] for w in cluster.call("GET", "/api/v1/workers")[1]["workers"]] == ["b"]
        assert cluster.coordinator is not None
        assert cluster.coordinator.terminate() == 0
        assert "Traceback" not in cluster.coordinator.said


def test_the_only_worker_killed_and_joined_again_ends_the_run(tmp_path: Path, sources, expected) -> None:
    with running_cluster(tmp_path, workers=("a",)) as cluster:
        execution = start(cluster, sources)
        for event in events(cluster, execution):
            if event["kind"] == "node-done":
                break
        cluster.workers["a"].kill()
        cluster.join("a")
        document = cluster.finished(execution)
        assert document["state"] == "succeeded", document["errors"]
        assert {goal["label"]: goal["digest"] for goal in document["goals"]} == expected


def test_a_coordinator_killed_in_mid_run_ends_the_run_after_its_restart(
    tmp_path: Path, sources, expected
) -> None:
    with running_cluster(tmp_path, workers=("a", "b")) as cluster:
        execution = start(cluster, sources)
        for event in events(cluster, execution):
            if event["kind"] == "node-done":
                break
        assert cluster.coordinator is not None
        cluster.coordinator.kill()
        cluster.start()
        document = cluster.finished(execution)
        assert document["state"] == "succeeded", document["errors"]
        assert {goal["label"]: goal["digest"] for goal in document["goals"]} == expected


def test_a_coordinator_told_to_stop_in_mid_run_ends_cleanly_and_goes_on_later(
    tmp_path: Path, sources, expected
) -> None:
    with running_cluster(tmp_path, workers=("a",)) as cluster:
        execution = start(cluster, sources)
        for event in events(cluster, execution):
            if event["kind"] == "node-done":
                break
        assert cluster.coordinator is not None
        assert cluster.coordinator.terminate() == 0
        assert "Traceback" not in cluster.coordinator.said
        cluster.start()
        document = cluster.finished(execution)
        assert document["state"] == "succeeded", document["errors"]
        assert {goal["label"]: goal["digest"] for goal in document["goals"]} == expected


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_run_goes_on_without_a_worker_that_froze_and_takes_it_back_when_it_thaws(
    tmp_path: Path, sources, expected
) -> None:
    """Nothing is closed when a machine hangs: only its silence tells, after half a minute to a minute."""
    with running_cluster(tmp_path, workers=("a", "b")) as cluster:
        execution = start(cluster, sources)
        for event in events(cluster, execution):
            if event["kind"] == "node-done":
                break
        frozen = cluster.workers["a"].popen
        frozen.send_signal(signal.SIGSTOP)
        document = cluster.finished(execution)
        assert document["state"] == "succeeded", document["errors"]
        assert {goal["label"]: goal["digest"] for goal in document["goals"]} == expected
        frozen.send_signal(signal.SIGCONT)
        cluster.wait_for_workers("a", "b")
