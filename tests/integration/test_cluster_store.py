"""Stores of daemons: of the kind, the size and the secrecy that the settings ask for."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client.embedded import embedded
from coordinator.api_models import SourceModel, Submission
from coordinator.contract import DynamicExecutionConfig
from tests.support.cli import Shell
from tests.support.cluster import Cluster, image_source, reference, running_cluster
from vox.settings import Settings, StoreSettings
from vox.store.tiered import backend_of

PROGRAM = """
load a = "a.nii"
let x = intensity(a)
let bright = x >. 120
let shell = dt(bright) <=. 2
print "bright" volume(bright)
print "shell" volume(shell)
save "shell.nii" shell
"""
# 128 KiB as it comes, and 512 KiB in float32: a distance does not fit beside it.
SIZE = (64, 64, 32)
TINY_BYTES = 700_000
LARGE = """
load a = "a.nii"
let x = intensity(a)
print "small" volume(x >. 120)
print "large" max(dt(x >. 120) + dt(x >. 60))
"""
LITTLE = 'load a = "a.nii"\nprint "other" volume(intensity(a) >. 77)\n'
QUOTA = f'[store]\nbackend = "hybrid"\nquota_bytes = {TINY_BYTES}\n'


def put(cluster: Cluster, sources: dict[str, tuple[dict[str, Any], bytes]]) -> dict[str, Any]:
    for source, blob in sources.values():
        status, answer = cluster.call("PUT", f"/api/v1/blobs/{source['digest']}", blob)
        assert status in (200, 201), answer
    return {path: source for path, (source, _) in sources.items()}


def digests(document: dict[str, Any]) -> dict[str, str]:
    return {goal["label"]: goal["digest"] for goal in document["goals"]}


@pytest.fixture(scope="module")
def small() -> dict[str, tuple[dict[str, Any], bytes]]:
    return {"a.nii": image_source(1, SIZE)}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A coordinator and two workers, each with another kind of store; one of them sealed."""
    folder = tmp_path_factory.mktemp("mixed")
    sealed = folder / "sealed.toml"
    (folder / "key").write_text("5e" * 32 + "\n")
    sealed.write_text(f'[store]\nbackend = "hybrid"\nkey = "file:{folder / "key"}"\naudit = true\n')
    with running_cluster(folder, workers=(), arguments=("--storage-backend", "hybrid")) as cluster:
        cluster.join("files", "--storage-backend", "filesystem")
        cluster.join("sealed", "--config", str(sealed))
        yield cluster


def test_every_kind_of_store_gives_the_same_digests(mixed: Cluster, small) -> None:
    named = put(mixed, small)
    wanted = reference(PROGRAM, small)
    first = mixed.finished(mixed.submit(PROGRAM, named))
    assert first["state"] == "succeeded", first["errors"]
    assert digests(first) == wanted
    for number in (121, 122, 123):
        program = PROGRAM.replace("120", str(number))
        document = mixed.finished(mixed.submit(program, named))
        assert document["state"] == "succeeded", document["errors"]
        assert digests(document) == reference(program, small)
    again = mixed.finished(mixed.submit(PROGRAM, named))
    assert again["nodes"]["computed"] == again["nodes"]["fetched"] == 0
    folders = {name: mixed.folder / name / "store" for name in ("head", "files", "sealed")}
    assert backend_of(folders["head"]) == "hybrid"
    assert backend_of(folders["files"]) == "filesystem"
    assert (folders["sealed"] / "keys.json").is_file()


def test_a_worker_on_a_folder_of_another_kind_says_so_and_leaves_it_alone(mixed: Cluster) -> None:
    store = str(mixed.folder / "files" / "store")
    process = mixed.join("other", "--store", store, "--storage-backend", "sqlite", wait=False)
    assert process.popen.wait(60) == 2
    assert "E0504" in process.said
    assert "filesystem" in process.said
    assert "Traceback" not in process.said
    assert backend_of(Path(store)) == "filesystem"


@pytest.mark.parametrize(
    ("settings", "code"),
    [('key = "prompt"', "E0507"), ('persist = "goals"', "E0900"), ('backend = "cloud"', "")],
)
def test_a_coordinator_in_the_background_asks_nobody_and_says_what_is_wrong(
    settings: str, code: str, tmp_path: Path
) -> None:
    config = tmp_path / "vox.toml"
    config.write_text(f"[store]\n{settings}\n")
    cluster = Cluster(tmp_path)
    began = time.monotonic()
    flags = ("--port", "0", "--http-port", "0", "--no-p2p", "--config", str(config))
    done: subprocess.CompletedProcess[str] = cluster.run("coordinator.main", "start", *flags)
    assert done.returncode == 2, done.stderr
    assert time.monotonic() - began < 60
    assert f"error[{code}" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_needs_more_than_the_quota_is_partial_and_the_worker_lives_on(tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(QUOTA)
    sources = {"a.nii": image_source(3, SIZE)}
    with running_cluster(tmp_path, workers=()) as cluster:
        cluster.join("tiny", "--config", str(config))
        named = put(cluster, sources)
        document = cluster.finished(cluster.submit(LARGE, named))
        assert document["state"] == "partial", document
        states = {goal["label"]: goal["state"] for goal in document["goals"]}
        assert states["small"] == "succeeded"
        assert states["large"] in ("failed", "skipped")
        assert {error["code"] for error in document["errors"]} == {"E0503"}
        assert "quota" in document["errors"][0]["message"]

        # It lives on, within its quota, and does what fits.
        document = cluster.finished(cluster.submit(LITTLE, named))
        assert document["state"] == "succeeded", document["errors"]
        (tmp_path / "vox.toml").write_text(QUOTA)
        done = cluster.run("client.main", "store", "stats", "--json", machine="tiny")
        assert done.returncode == 0, done.stderr
        stats = json.loads(done.stdout)
        assert stats["quota_bytes"] == TINY_BYTES
        worker = cluster.workers["tiny"]
        assert worker.terminate() == 0
        assert "Traceback" not in worker.said


@pytest.mark.parametrize("backend", ["sqlite", "hybrid", "filesystem"])
def test_work_of_several_times_the_quota_goes_through_it_with_the_same_digests(
    backend: str, tmp_path: Path
) -> None:
    sources = {"a.nii": image_source(3, SIZE)}
    prints = (f'print "m{n}" max(dt(x >. {n}) + x)\n' for n in range(20, 40))
    program = 'load a = "a.nii"\nlet x = intensity(a)\n' + "".join(prints)
    models = {path: SourceModel(**source) for path, (source, _) in sources.items()}
    plan = Submission(program=program, sources=models).plan()
    quota_bytes = 5 * TINY_BYTES
    settings = Settings(store=StoreSettings(backend=backend, quota_bytes=quota_bytes, compression="off"))
    with embedded(tmp_path, settings) as engine:
        store: Any = engine.store
        store.write([sources["a.nii"][1]])
        result = engine.execute_dag(plan, DynamicExecutionConfig())
        assert result.state == "succeeded", result.errors
        assert {goal.label: str(goal.digest) for goal in result.goals} == reference(program, sources)
        assert store.stats().evicted > 0
        assert store.used_bytes() <= quota_bytes


def test_alone_it_ends_with_one_and_says_that_the_store_is_full(tmp_path: Path) -> None:
    import numpy as np
    import SimpleITK as sitk

    voxels = np.random.default_rng(3).integers(0, 256, SIZE[::-1]).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "a.nii"))
    shell = Shell(tmp_path, {"VOX_STORE_QUOTA_BYTES": str(TINY_BYTES), "VOX_STORE_BACKEND": "hybrid"})
    shell.write("p.imgql", LARGE)
    done = shell.vox("run", "p.imgql")
    assert done.returncode == 1, done.stderr
    assert "small" in done.stdout
    assert "E0503" in done.stderr
    assert "Traceback" not in done.stderr
