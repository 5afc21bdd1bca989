"""Whoever computes it, and whatever is known already: the same program gives the same digests.

Each program runs through the sequential engine (the oracle: one thread, no cache), embedded, on one worker
and on two, on cold and on warm stores.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from client.demo import PROGRAMS, program_text, write_demo
from client.engines import open_local
from client.remote import Address, RemoteEngine
from client.session import Session
from coordinator.contract import DynamicExecutionConfig, ExecutionResult
from tests.support.cli import write_image
from tests.support.cluster import running_cluster
from vox.settings import Settings, StoreSettings

FAMILY = 8
SEQUENTIAL = DynamicExecutionConfig(execution_engine="sequential", reads=False, writes=False)


@dataclass(frozen=True)
class Place:
    """Somewhere a program can run."""

    name: str
    session: Session

    def run(self, program: Path, config: DynamicExecutionConfig | None = None) -> ExecutionResult:
        return self.session.submit(program, config=config).result()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Place]]:
    """Two engines in this process and two clusters, each with empty stores of its own."""
    folder = tmp_path_factory.mktemp("places")
    patch = pytest.MonkeyPatch()
    patch.setenv("VOX_STATE_DIR", str(folder / "state"))
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    embedded = Settings(store=StoreSettings(path=str(folder / "store")))
    with (
        open_local(Settings(store=StoreSettings(backend="memory"))) as memory,
        open_local(embedded) as local,
        running_cluster(folder / "one", workers=("a",)) as one,
        running_cluster(folder / "two", workers=("a", "b")) as two,
    ):
        remote = [Session(RemoteEngine(Address(cluster.url)), None) for cluster in (one, two)]
        yield [
            Place("embedded in memory", memory),
            Place("embedded", local),
            Place("one worker", remote[0]),
            Place("two workers", remote[1]),
        ]
    patch.undo()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples beside small images, and a generated family of programs."""
    folder = tmp_path_factory.mktemp("data")
    write_demo(folder / "full", cases=1)
    for path in (folder / "full").glob("mni_*.nii.gz"):
        shutil.copy(path, folder / path.name)
    for name in ("case001_flair.nii.gz", "case001_seg.nii.gz"):
        # Every second voxel of the case: the same program in an eighth of the time.
        sitk.WriteImage(sitk.ReadImage(str(folder / "full" / name))[::2, ::2, ::2], str(folder / name))
    for name in PROGRAMS:
        (folder / name).write_text(program_text(name))
    write_image(folder / "a.nii.gz", size=(70, 20, 12), seed=1)
    write_image(folder / "b.nii.gz", size=(70, 20, 12), seed=2, kind="float32")
    for number in range(FAMILY):
        (folder / f"family{number:02}.imgql").write_text(generated(number))
    return folder


def generated(seed: int) -> str:
    """Return a program of nested random expressions: all V1 families, shared parts, some goals that fail."""
    choose = random.Random(seed)

    def number(depth: int) -> str:
        if depth == 0:
            return str(choose.choice([0, 1, 2, 5, 20, 150, 0.5, 310]))
        kinds: list[Callable[[], str]] = [
            lambda: f"volume({mask(depth - 1)})",
            lambda: f"max({image(depth - 1)})",
            lambda: f"min({image(depth - 1)})",
            lambda: f"avg({image(depth - 1)}, {mask(depth - 1)})",
            lambda: f"({number(depth - 1)} .{choose.choice('+-*/')}. {number(depth - 1)})",
        ]
        return choose.choice(kinds)()

    def image(depth: int) -> str:
        if depth == 0:
            return choose.choice(["a", "b", "x", "y", "z", "r"])
        operator = choose.choice("+-*/")
        kinds: list[Callable[[], str]] = [
            lambda: f"({image(depth - 1)} {operator} {image(depth - 1)})",
            lambda: f"({image(depth - 1)} {operator}. {number(0)})",
            lambda: f"abs({image(depth - 1)})",
            lambda: f"mask({image(depth - 1)}, {mask(depth - 1)})",
            lambda: f"dt({mask(depth - 1)})",
            lambda: f"lcc({mask(depth - 1)})",
            lambda: f"percentiles({image(depth - 1)}, {mask(depth - 1)}, 0.5)",
            lambda: f"crossCorrelation(2, {image(0)}, {image(0)}, {mask(depth - 1)}, 0, 400, 10)",
            lambda: f"constant({number(0)})",
        ]
        return choose.choice(kinds)()

    def mask(depth: int) -> str:
        if depth == 0:
            return choose.choice(["m", "border", "tt", "ff"])
        kinds: list[Callable[[], str]] = [
            lambda: f"({image(depth - 1)} {choose.choice(['<.', '>.', '<=.', '>=.'])} {number(0)})",
            lambda: f"({mask(depth - 1)} {choose.choice('&|')} ({mask(depth - 1)}))",
            lambda: f"(!{mask(depth - 1)})",
            lambda: f"{choose.choice(['near', 'interior', 'maxvol'])}({mask(depth - 1)})",
            lambda: (
                f"{choose.choice(['through', 'touch', 'grow', 'mayReach'])}({mask(depth - 1)}, {mask(0)})"
            ),
            lambda: f"otsu({image(0)}, {mask(depth - 1)}, 20)",
            lambda: f"smoothen({mask(depth - 1)}, 2)",
        ]
        return choose.choice(kinds)()

    lines = [
        'load fileA = "a.nii.gz"',
        'load fileB = "b.nii.gz"',
        "let a = intensity(fileA)",
        "let b = intensity(fileB)",
        f"let r = {choose.choice(['a + b', 'abs(a - b)', 'b / a', '(a *. 0.3) - b'])}",
        f"let m = {choose.choice(['a', 'r'])} >. {choose.choice([50, 150, 300])}",
    ]
    for goal in range(3):
        lines.append(f'print "n{goal}" {number(3)}')
        lines.append(f'save "m{goal}.nii.gz" {mask(3)}')
        lines.append(f'save "i{goal}.nii" {image(3)}')
    return "\n".join(lines) + "\n"


def outcome(result: ExecutionResult) -> list[tuple[object, ...]]:
    """Return what has to be the same everywhere.

    Of several causes why a goal fails, the one that is met first ends it: which, is a matter of order.
    """
    goals = [(g.kind, g.label, g.state, g.node, g.type, g.digest, g.file) for g in result.goals]
    return [*goals, (str(result.state), bool(result.errors))]


@pytest.mark.parametrize("name", [*PROGRAMS, *(f"family{n:02}.imgql" for n in range(FAMILY))])
def test_every_way_to_run_a_program_gives_the_same_digests(
    places: list[Place], data: Path, name: str
) -> None:
    oracle = places[0].run(data / name, SEQUENTIAL)
    wanted = outcome(oracle)
    assert name not in PROGRAMS or str(oracle.state) == "succeeded"
    for place in places:
        cold = place.run(data / name)
        assert outcome(cold) == wanted, f"{place.name}, cold"
        warm = place.run(data / name)
        assert outcome(warm) == wanted, f"{place.name}, warm"
        if str(cold.state) == "succeeded":
            assert warm.nodes.computed == 0, f"{place.name}, warm"
        again = place.run(data / name, DynamicExecutionConfig(reads=False))
        assert outcome(again) == wanted, f"{place.name}, fresh"


def test_the_family_is_worth_its_name(data: Path) -> None:
    texts = [(data / f"family{n:02}.imgql").read_text() for n in range(FAMILY)]
    words = ("dt(", "lcc(", "percentiles(", "otsu(", "crossCorrelation(", "touch(", "avg(")
    used = {word for word in words if any(word in text for text in texts)}
    assert len(used) >= 6
    assert len(set(texts)) == FAMILY


def test_the_quickstart_finds_the_lesions_of_a_case_at_full_size(places: list[Place], data: Path) -> None:
    execution = places[1].session.submit(data / "full" / "quickstart.imgql")
    assert execution.goal("dice").value > 0.8
    assert execution.goal("dice").value > execution.goal("dice of the seeds").value
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(data / "full" / "case001_seg.nii.gz"))) > 0
    found = execution.goal("gtv").to_numpy()
    dice = 2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth))
    assert dice == pytest.approx(execution.goal("dice").value)


def test_the_tissue_example_agrees_with_the_atlas(places: list[Place], data: Path) -> None:
    execution = places[1].session.submit(data / "tissue.imgql")
    assert execution.goal("dice of white matter").value > 0.9
    assert execution.goal("dice of grey matter").value > 0.9
