"""How a store works: the same choices for every backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vox.clock import Clock, SystemClock

BUSY_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What every backend understands.

    Attributes
    ----------
    read_only
        Never write, not even to make the store or to set a corrupt blob aside.
    busy_timeout_s
        How long to wait while another process writes.
    quota_bytes
        What the store may take on the disk, without the log of what is just being written; 0 is no limit.
    level
        Of zstd; 0 never compresses; None finds out what it is worth for each kind of value.
    secret
        What opens an encrypted store, and makes a new one encrypted (vox.store.encryption).
    audit
        Whether reads and writes are in the audit log. Deletions and everything like them always are.
    shared
        Where a store lies that several machines read; only `tiered` looks there.
    """

    read_only: bool = False
    busy_timeout_s: float = BUSY_TIMEOUT_S
    quota_bytes: int = 0
    level: int | None = None
    secret: bytes | None = field(default=None, repr=False)
    audit: bool = False
    shared: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
