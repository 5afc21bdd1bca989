"""A Dask worker with a runner that does what fragments' names say, for tests of the coordinator's hands."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from p2p.identity import Membership
from vox.fragment import Fragment, Report
from worker import plugin


class Puppet:
    """Runs nothing: `wait…` lasts until it is cancelled, `boom…` breaks, `die…` ends the process."""

    def run(self, fragment: Fragment, cancelled: Callable[[], bool]) -> Report:
        if fragment.name.startswith("boom"):
            raise ValueError("the runner broke")
        if fragment.name.startswith("die"):
            import os

            os._exit(7)
        deadline = time.monotonic() + 60.0
        while fragment.name.startswith("wait") and not cancelled() and time.monotonic() < deadline:
            time.sleep(0.01)
        return Report(fragment.name, ())


async def main(scheduler: str, directory: str, name: str) -> None:
    membership = Membership.load(Path(directory))
    assert membership is not None
    plugin.configure_dask()
    worker = plugin.create_worker(
        scheduler,
        membership,
        plugin.RunnerPlugin(Puppet()),
        name=name,
        host="127.0.0.1",
        threads=2,
        peer=f"{name}:1",
        scratch=Path(directory) / f"scratch-{name}",
    )
    await worker
    await worker.finished()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
