"""Decoded values that were used last, within a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict

from vox.digest import Digest
from vox.operators.values import Value

# What an entry costs beside its blob: the dictionary's slot, the objects of a scalar.
ENTRY_BYTES = 500


class ValueCache:
    """Values by digest; the least recently used go first. Safe to call from any thread."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: OrderedDict[Digest, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: Digest) -> tuple[Value] | None:
        """Return the value in a tuple, because None is a value."""
        with self._lock:
            entry = self._entries.get(digest)
            if entry is None:
                return None
            self._entries.move_to_end(digest)
            return (entry[0],)

    def keep(self, digest: Digest, value: Value, blob_bytes: int) -> None:
        """Remember a value, unless it alone is too large."""
        size = blob_bytes + ENTRY_BYTES
        if size > self._bytes_max:
            return
        with self._lock:
            if digest in self._entries:
                self._entries.move_to_end(digest)
                return
            self._entries[digest] = (value, size)
            self._bytes += size
            while self._bytes > self._bytes_max:
                _, (_, freed) = self._entries.popitem(last=False)
                self._bytes -= freed
