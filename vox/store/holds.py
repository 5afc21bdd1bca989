"""Pins of a process for as long as it works: what is needed now is not thrown out for what comes next.

Without a quota nothing is ever thrown out, and nothing here writes. A process that was killed leaves its pins
behind; the next one that opens the store takes them back.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from vox.digest import Digest
from vox.errors import StoreError
from vox.store.contract import Store

READ_S = 60.0
_LEAD = "held"
_numbers = count(1)

log = logging.getLogger("vox.store")


class Holds:
    """What one user of a store holds on to, under names of its own choice."""

    def __init__(self, store: Store) -> None:
        options: Any = getattr(store, "options", None)
        bounded = bool(options and options.quota_bytes and not options.read_only and hasattr(store, "pin"))
        self._pins: Any = store if bounded else None
        self._lead = f"{_LEAD} {os.getpid()} {next(_numbers)} "
        self._names: set[str] = set()
        if bounded:
            self._take_back()

    def hold(self, name: str, digests: Collection[Digest]) -> None:
        """Keep blobs, here or about to come, until `name` is released."""
        if self._pins is None or not digests:
            return
        try:
            self._pins.pin(digests, self._lead + name)
            self._names.add(name)
        except StoreError as error:
            # It may go, and is then computed again: slower, not wrong.
            log.warning("%d blobs are not held: %s", len(digests), error.message)

    def release(self, name: str) -> None:
        """Let go of everything held under a name."""
        if name not in self._names:
            return
        self._names.discard(name)
        try:
            self._pins.unpin(self._lead + name)
        except StoreError as error:
            log.warning("blobs are still held: %s", error.message)

    def release_later(self, name: str, after_s: float = READ_S) -> None:
        """Let go when whoever asked for the blobs has had time to read them."""
        if name in self._names:
            timer = threading.Timer(after_s, self.release, (name,))
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """Let go of everything."""
        for name in tuple(self._names):
            self.release(name)

    @contextmanager
    def during(self, name: str, digests: Collection[Digest]) -> Iterator[None]:
        """Hold blobs for a while."""
        self.hold(name, digests)
        try:
            yield
        finally:
            self.release(name)

    def _take_back(self) -> None:
        """Unpin what processes held that are gone."""
        try:
            reasons = {reason for found in self._pins.pins().values() for reason in found}
            for reason in reasons:
                lead, _, rest = reason.partition(" ")
                number = rest.partition(" ")[0]
                if lead == _LEAD and number.isdigit() and not _is_running(int(number)):
                    self._pins.unpin(reason)
        except StoreError as error:
            log.warning("old holds stay: %s", error.message)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
