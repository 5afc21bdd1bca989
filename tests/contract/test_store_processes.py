"""Several processes, one path."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.store_process import STREAM_EVERY, group
from vox.digest import Digest
from vox.errors import StoreUnusable
from vox.store import open_store
from vox.store.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, writers: list[int], groups: int, backend: str) -> None:
    commands = [
        [sys.executable, "-m", "tests.support.store_process", str(folder), str(writer), str(groups), backend]
        for writer in writers
    ]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for command in commands]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert len(output.splitlines()) == groups


@pytest.mark.parametrize("backend", ["sqlite", "hybrid", "filesystem"])
def test_processes_that_make_and_fill_one_store_at_once_all_succeed(tmp_path: Path, backend: str) -> None:
    # Two write the very same blobs; the third others.
    run(tmp_path, [1, 1, 2], 15, backend)
    with contextlib.closing(open_store(backend, tmp_path)) as store:
        assert store.check() == []
        for writer in (1, 2):
            for number in range(15):
                data, statements = group(writer, number)
                assert store.missing([Digest.of(each) for each in data]) == set()
                assert len(store.results([statement.node for statement in statements])) == len(data)
        assert store.stats().blobs == 2 * (15 * len(data) + len(range(0, 15, STREAM_EVERY)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_store_carried_through_a_fork_refuses_work_in_the_child(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        digest = store.write([b"data"])
        child = os.fork()
        if child == 0:
            status = 1
            try:
                store.read(digest)
            except StoreUnusable as error:
                status = 0 if "fork" in error.message else 2
            finally:
                store.close()
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store.read(digest) == b"data"
        assert store.write([b"more"]) == Digest.of(b"more")
