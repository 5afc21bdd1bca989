"""Threads: how many a kernel may use, and the pool on which its slabs run.

A kernel cuts its planes into slabs, writes each slab of its result on its own, and reduces partial results
in the order of the slabs over associative operations only. So the thread count never changes a result.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise

_limit: ContextVar[int | None] = ContextVar("vox_kernel_threads", default=None)
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_here = threading.local()

# The brain is not spread evenly over the planes: four slabs per thread even the load out.
_SLABS_PER_THREAD = 4


def cores() -> int:
    """Return how many processors this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def threads() -> int:
    """Return how many threads a kernel called here may use."""
    limit = _limit.get()
    return cores() if limit is None else limit


@contextmanager
def limit(count: int) -> Iterator[None]:
    """Let kernels called inside, from this thread or task, use at most `count` threads."""
    if count < 1:
        raise ValueError("at least one thread")
    token = _limit.set(count)
    try:
        yield
    finally:
        _limit.reset(token)


def slabs(run: Callable[[int, int], None], planes: int, *, rows: int = 1) -> None:
    """Call `run(start, stop)` so that every plane in `range(planes)` is covered once.

    Calls run at the same time on this module's pool when there is more than one thread; `run` must then
    release the GIL to gain anything. When a call raises, the others finish first.

    Parameters
    ----------
    rows
        Planes that are worth a slab at least.
    """
    count = min(threads() * _SLABS_PER_THREAD, max(1, planes // max(1, rows)))
    if threads() == 1 or count <= 1 or getattr(_here, "inside", False):
        run(0, planes)
        return
    edges = [planes * i // count for i in range(count + 1)]
    work = iter(list(pairwise(edges)))
    hand = threading.Lock()

    def drain() -> None:
        while True:
            with hand:
                piece = next(work, None)
            if piece is None:
                return
            run(*piece)

    def help_out() -> None:
        _here.inside = True
        try:
            drain()
        finally:
            _here.inside = False

    helpers = [_executor().submit(help_out) for _ in range(min(threads(), count) - 1)]
    try:
        drain()
    finally:
        # A helper that the pool has not started yet has nothing left to do.
        pending = [helper for helper in helpers if not helper.cancel()]
        failures = [failure for helper in pending if (failure := helper.exception()) is not None]
    if failures:
        raise failures[0]


def _executor() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(2, cores()), thread_name_prefix="vox-kernel")
        return _pool


def _forget_pool() -> None:
    """A forked child has none of the pool's threads."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
