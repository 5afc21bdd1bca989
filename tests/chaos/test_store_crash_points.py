"""SIGKILL at seeded points, in Python's calls and inside SQLite's: no loss, no half, no repair."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ["sqlite", "hybrid", "filesystem"]


def crash(backend: str, points: int, seed: int, folder: Path) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "tests.support.store_crashes",
        backend,
        str(points),
        str(seed),
        str(folder),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_few_crash_points_lose_nothing(tmp_path: Path, backend: str) -> None:
    found = crash(backend, 24, 1, tmp_path)
    assert (found["points"], found["failures"]) == (24, [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("backend", BACKENDS)
def test_files_that_cannot_grow_from_any_byte_on_lose_nothing(tmp_path: Path, backend: str) -> None:
    found = crash(f"full:{backend}", 24, 1, tmp_path)
    assert (found["points"], found["failures"]) == (24, [])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_thousand_crash_points_lose_nothing(tmp_path: Path, backend: str) -> None:
    found = crash(backend, 1000, 2, tmp_path)
    assert (found["points"], found["failures"]) == (1000, [])
    found = crash(f"full:{backend}", 300, 2, tmp_path / "full")
    assert (found["points"], found["failures"]) == (300, [])
    found = crash(backend, 100, 3, tmp_path / "spread")
    assert len(found["told"]) >= 6, "the points are spread over the work"
