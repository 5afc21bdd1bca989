"""Operators at hand: looked up once, and known to be cheap when they have shown it.

A look-up in a store costs some ten microseconds. An operator on scalars whose kernel has shown to cost less
is *light*: it is run at once, and the look-up, many actions at a time, only decides whose claim is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vox.operators.apply import find
from vox.operators.registry import Operator, Registry

# As often must an operator have run before it is called light, within the time of one look-up on average.
LIGHT_RUNS_MIN = 32
LIGHT_S_MAX = 20e-6
OUTLIER_S = 5 * LIGHT_S_MAX
# Every so many runs of a light operator one is timed: it may have met longer lists than before.
LIGHT_SAMPLE = 64


@dataclass(slots=True)
class Kernel:
    """An operator and what its kernel was seen to cost."""

    operator: Operator
    call: Callable[..., Any] | None = None
    runs: int = 0
    mean_s: float = 0.0
    light: bool = False

    def note(self, seconds: float) -> None:
        """Learn from a run: the mean of all, then of the last ones."""
        self.runs += 1
        # The first run imports, and now and then the machine is busy with something else: neither counts.
        seconds = min(seconds, OUTLIER_S)
        self.mean_s += (seconds - self.mean_s) / min(self.runs, LIGHT_RUNS_MIN)
        scalar = self.operator.cost == "scalar"
        self.light = scalar and self.runs >= LIGHT_RUNS_MIN and self.mean_s <= LIGHT_S_MAX


class Kernels:
    """The kernels of a catalogue. Safe for threads; of what two learn at once, one is forgotten."""

    def __init__(self, catalogue: Registry) -> None:
        self._catalogue = catalogue
        self._kernels: dict[str, Kernel] = {}

    def of(self, identity: str) -> Kernel:
        """Return a kernel; OperatorError E0410 if there is none."""
        kernel = self._kernels.get(identity)
        if kernel is None:
            kernel = self._kernels[identity] = Kernel(find(identity, self._catalogue))
        return kernel

    def light(self, identity: str) -> Kernel | None:
        """Return a kernel if it is light, with its function loaded."""
        kernel = self._kernels.get(identity)
        if kernel is None or not kernel.light:
            return None
        if kernel.call is None:
            kernel.call = kernel.operator.load()
        return kernel
