"""Programs on a cluster: the same results as in one process, nothing twice, nothing lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster import Cluster, image_source, reference, running_cluster, wait_until

PROGRAM = """
load a = "a.nii"
load b = "b.nii"
let x = intensity(a)
let y = intensity(b)
let bright = x >. 120
let shell = dt(bright) <=. 2
let core = near(near(interior(y >. 60)))
let both = shell & core
print "bright" volume(bright)
print "both" volume(both)
print "mean" avg(x, both)
print "ratio" volume(both) ./. volume(bright)
save "both.nii.gz" both
save "sum.nii" x + y
"""


def put(cluster: Cluster, sources: dict[str, tuple[dict[str, Any], bytes]]) -> dict[str, Any]:
    for source, blob in sources.values():
        status, _ = cluster.call("PUT", f"/api/v1/blobs/{source['digest']}", blob)
        assert status in (200, 201)
    return {path: source for path, (source, _) in sources.items()}


def digests(document: dict[str, Any]) -> dict[str, str]:
    return {goal["label"]: goal["digest"] for goal in document["goals"]}


@pytest.fixture(scope="module")
def sources() -> dict[str, tuple[dict[str, Any], bytes]]:
    return {"a.nii": image_source(1), "b.nii": image_source(2)}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory):
    """A coordinator and two workers, each with a store of its own."""
    with running_cluster(tmp_path_factory.mktemp("pair")) as cluster:
        yield cluster


def test_two_workers_give_the_bytes_of_one_process_and_then_compute_nothing(pair: Cluster, sources) -> None:
    named = put(pair, sources)
    first = pair.finished(pair.submit(PROGRAM, named))
    assert first["state"] == "succeeded", first["errors"]
    assert first["nodes"]["computed"] > 5
    assert digests(first) == reference(PROGRAM, sources)

    second = pair.finished(pair.submit(PROGRAM, named))
    assert second["state"] == "succeeded"
    assert second["nodes"]["computed"] == second["nodes"]["fetched"] == 0
    assert digests(second) == digests(first)
    assert sum(n for key, n in first["nodes"].items() if key != "total") == first["nodes"]["total"]


def test_the_blobs_of_goals_are_at_the_coordinator(pair: Cluster, sources) -> None:
    document = pair.finished(pair.submit(PROGRAM, put(pair, sources)))
    wanted = [goal.get("file") or goal["digest"] for goal in document["goals"]]
    assert all(wanted)
    assert pair.call("POST", "/api/v1/blobs/missing", {"digests": wanted})[1] == {"missing": []}


def test_workers_come_back_to_a_coordinator_that_was_killed_and_nothing_is_computed_again(
    tmp_path, sources
) -> None:
    with running_cluster(tmp_path, workers=("a", "b")) as cluster:
        named = put(cluster, sources)
        first = cluster.finished(cluster.submit(PROGRAM, named))
        assert first["state"] == "succeeded"
        assert cluster.coordinator is not None
        cluster.coordinator.kill()
        cluster.start()
        cluster.wait_for_workers("a", "b")
        second = cluster.finished(cluster.submit(PROGRAM, named))
        assert second["nodes"]["computed"] == 0
        assert digests(second) == digests(first)
        # What the first coordinator was asked is still known.
        assert cluster.call("GET", f"/api/v1/executions/{first['execution']}")[1]["state"] == "succeeded"
        # New work still runs.
        third = cluster.finished(cluster.submit(PROGRAM.replace("120", "121"), named))
        assert third["state"] == "succeeded", third["errors"]
        for worker in cluster.workers.values():
            assert worker.terminate() == 0
            assert "Traceback" not in worker.said


def test_a_new_worker_finds_what_another_computed(tmp_path, sources) -> None:
    """Computed on a, gone from the coordinator, needed by b: fetched from a's shelf, not computed again."""
    with running_cluster(tmp_path, workers=("a",)) as cluster:
        named = put(cluster, sources)
        first = cluster.finished(cluster.submit(PROGRAM, named))
        assert first["state"] == "succeeded", first["errors"]
        cluster.join("b")
        program = PROGRAM + 'print "more" volume(shell | core)\n'
        more = cluster.finished(cluster.submit(program, named))
        assert more["state"] == "succeeded", more["errors"]
        assert more["nodes"]["computed"] <= 3
        assert digests(more) == reference(program, sources)


def test_a_stopped_coordinator_takes_up_what_it_had_not_finished(tmp_path, sources) -> None:
    with running_cluster(tmp_path, workers=()) as cluster:
        execution = cluster.submit(PROGRAM, put(cluster, sources))
        assert cluster.coordinator is not None
        assert cluster.coordinator.terminate() == 0
        assert "Traceback" not in cluster.coordinator.said
        cluster.start()
        assert cluster.call("GET", f"/api/v1/executions/{execution}")[1]["state"] == "running"
        cluster.join("a")
        assert cluster.finished(execution)["state"] == "succeeded"


def test_cancel_ends_an_execution_that_waits_for_workers(tmp_path, sources) -> None:
    with running_cluster(tmp_path, workers=()) as cluster:
        execution = cluster.submit(PROGRAM, put(cluster, sources))
        assert cluster.call("DELETE", f"/api/v1/executions/{execution}")[1]["cancelled"] is True
        assert cluster.finished(execution, 10)["state"] == "cancelled"
        assert cluster.call("DELETE", f"/api/v1/executions/{execution}")[1]["cancelled"] is False
        wait_until(lambda: cluster.call("GET", "/readyz")[0] == 200, "it still takes submissions")
