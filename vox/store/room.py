"""A quota, held before anything is written: who writes reserves first, and what is worth least makes room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from vox.errors import StoreFull
from vox.store.contract import Buffer
from vox.store.eviction import HEADROOM

# A stream of unknown length reserves in steps.
_STEP_BYTES = 4 << 20
_TRIES_MAX = 8
# How long somebody waits for those who write at the same time, before the store counts as full.
_OTHERS_S = 5.0


class Room:
    """The bytes that a store may take.

    Parameters
    ----------
    quota_bytes
        0 is no limit, and nothing here then does anything.
    used
        Returns what the store takes now.
    evict
        Frees at least so many bytes if it can, and returns whether anything went.
    """

    def __init__(self, quota_bytes: int, used: Callable[[], int], evict: Callable[[int], bool]) -> None:
        self.quota_bytes = quota_bytes
        self._used = used
        self._evict = evict
        self._changed = threading.Condition()
        self._reserved = 0

    @contextmanager
    def reserve(self, blob_bytes: int) -> Iterator[None]:
        """Hold room for what is about to be written.

        Raises
        ------
        StoreFull
            If there is none, even after everything went that may go.
        """
        if not self.quota_bytes:
            yield
            return
        self._take(blob_bytes)
        try:
            yield
        finally:
            self._give(blob_bytes)

    @contextmanager
    def stream(self, parts: Iterable[Buffer]) -> Iterator[Iterable[Buffer]]:
        """Hold room for a stream while it is read, in steps."""
        if not self.quota_bytes:
            yield parts
            return
        taken = 0

        def counted() -> Iterator[Buffer]:
            nonlocal taken
            seen = 0
            for part in parts:
                seen += len(part)
                while seen > taken:
                    step = min(_STEP_BYTES, max(seen - taken, self.quota_bytes // 16))
                    self._take(step, taken)
                    taken += step
                yield part

        try:
            yield counted()
        finally:
            self._give(taken)

    def full(self, blob_bytes: int) -> StoreFull:
        """Return the error for something that does not fit."""
        return StoreFull(
            f"{blob_bytes} bytes do not fit in the store's quota of {self.quota_bytes}",
            hint="raise `[store] quota_bytes`; pinned blobs, inputs, and what cannot be computed again stay",
        )

    def make(self, blob_bytes: int) -> None:
        """Let things go until so many bytes more fit beside what is reserved; StoreFull if they cannot."""
        for _ in range(_TRIES_MAX):
            excess = self._used() + self._reserved + blob_bytes - self.quota_bytes
            if excess <= 0:
                return
            if not self._evict(excess + int(HEADROOM * self.quota_bytes)):
                break
        if self._used() + self._reserved + blob_bytes > self.quota_bytes:
            raise self.full(blob_bytes)

    def _take(self, blob_bytes: int, own_bytes: int = 0) -> None:
        """Reserve; what others have reserved may be given back, or may go once it is written."""
        deadline = time.monotonic() + _OTHERS_S
        with self._changed:
            while True:
                try:
                    self.make(blob_bytes)
                    break
                except StoreFull:
                    left_s = deadline - time.monotonic()
                    if self._reserved <= own_bytes or left_s <= 0 or blob_bytes > self.quota_bytes:
                        raise
                    self._changed.wait(left_s)
            self._reserved += blob_bytes

    def _give(self, blob_bytes: int) -> None:
        with self._changed:
            self._reserved -= blob_bytes
            self._changed.notify_all()
