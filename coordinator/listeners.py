"""Callbacks: whoever wants to hear every event, from this process or from an installed package.

A package names a listener in the entry point group `vox.listeners`: a callable that takes one event. They are
called from a thread of their own, in order; one that raises is told about in the log, and called again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Full, Queue
from typing import TypeAlias

from coordinator.pages import Page, events_of
from vox.events import Event

Listener: TypeAlias = Callable[[Event], object]
GROUP = "vox.listeners"
# Items that wait for slow listeners; what comes while it is full, they miss.
WAITING_MAX = 10_000
log = logging.getLogger("vox.coordinator")


class Listeners:
    """The callbacks of one engine."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._queue: Queue[Event | Page | None] = Queue(WAITING_MAX)
        self._thread: threading.Thread | None = None
        self.missed = 0

    def load(self) -> None:
        """Add those of installed packages; one that cannot be loaded is left out."""
        # Late: reading what is installed takes longer than a cached answer in this process.
        from importlib.metadata import entry_points

        for point in entry_points(group=GROUP):
            try:
                self.add(point.load())
            except Exception:
                log.exception("the listener %s cannot be loaded", point.name)

    def add(self, listener: Listener) -> None:
        """Call `listener` with every event from now on."""
        self._listeners.append(listener)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="vox-listeners", daemon=True)
            self._thread.start()

    def take(self, item: Event | Page) -> None:
        """Pass an item on; never waits."""
        if not self._listeners:
            return
        try:
            self._queue.put_nowait(item)
        except Full:
            self.missed += 1

    def close(self, timeout_s: float = 5.0) -> None:
        """Let them hear what is left."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            for event in events_of([item]):
                for listener in tuple(self._listeners):
                    try:
                        listener(event)
                    except Exception:
                        log.exception("a listener failed")
