"""Which results are worth keeping: a pure function with a cost model that a runner can ask.

`all` keeps everything, `goals` only what somebody asked for, `adaptive` what is dearer to compute again than
to write once and read as often as it will probably be wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Persist(StrEnum):
    """What is kept."""

    ALL = "all"
    ADAPTIVE = "adaptive"
    GOALS = "goals"


@dataclass(frozen=True, slots=True)
class Costs:
    """What keeping costs on this machine; the defaults were measured with `python -m benchmarks store`.

    Attributes
    ----------
    write_ms, write_mb_ms, read_ms, read_mb_ms
        For one blob, and for each megabyte of it: hashing, compressing, flushing; looking up, verifying.
    reuse
        How probable it is that a result is wanted again by a later execution.
    """

    write_ms: float = 0.05
    write_mb_ms: float = 2.5
    read_ms: float = 0.05
    read_mb_ms: float = 1.0
    reuse: float = 0.5


DEFAULT_COSTS = Costs()


def keeps(
    persist: Persist,
    *,
    goal: bool,
    cost_ms: float,
    blob_bytes: int,
    uses: int = 1,
    costs: Costs = DEFAULT_COSTS,
) -> bool:
    """Tell whether a result should be written.

    Parameters
    ----------
    goal
        Whether a `save` or `print` asks for it.
    cost_ms
        What the kernel took.
    uses
        By how many nodes outside its fragment it is needed in this execution: they read it from the store.
    """
    if persist is Persist.ALL or goal or uses > 1:
        return True
    if persist is Persist.GOALS:
        return False
    megabytes = blob_bytes / 1e6
    write_ms = costs.write_ms + costs.write_mb_ms * megabytes
    read_ms = costs.read_ms + costs.read_mb_ms * megabytes
    return costs.reuse * (cost_ms - read_ms) > write_ms
