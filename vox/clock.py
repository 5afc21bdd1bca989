"""Time as a part that a test can hold."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time to write down, monotonic time to measure with; both in seconds."""

    def now(self) -> float:
        """Return seconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()
