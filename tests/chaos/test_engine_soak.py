"""The soak matrix in its short form: one round of every program, cache and number of threads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import soak


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_program_gives_its_digests_with_every_cache_and_number_of_threads(tmp_path: Path) -> None:
    assert list(soak.runs(tmp_path, 0, soak.programs())) == []
