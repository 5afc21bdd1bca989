"""What nodes cost, learnt from those that ran: by operator and size of inputs. Pure.

Times are kept as means of logarithms, one for each power of two of input bytes, so that one slow run of many
changes little; the last runs count most. Where a size was never seen, the nearest one is taken, in proportion
to the bytes. Before anything was measured, the class of the operator speaks.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from coordinator.records import Cost
from vox.operators.registry import Registry

# What a node of a class is expected to take before anything has been measured.
CLASS_MS: dict[Cost, float] = {"scalar": 0.0, "mask": 2.0, "image": 20.0, "heavy": 200.0}
# Runs are reported in whole milliseconds: what took none took a part of one.
_LEAST_MS = 0.05
_LAST_RUNS = 32
_SEEN_MIN = 3
LIGHT_MS_MAX = 0.5
ERRORS_MAX = 1_000
_VERSION = 1


@dataclass(slots=True)
class _Seen:
    """Runs of one operator on inputs of one size."""

    runs: int = 0
    log_ms: float = 0.0

    def note(self, log_ms: float) -> None:
        self.runs += 1
        self.log_ms += (log_ms - self.log_ms) / min(self.runs, _LAST_RUNS)


@dataclass(slots=True)
class _Operator:
    """Runs of one operator: of any size, and by size."""

    all: _Seen = field(default_factory=_Seen)
    sizes: dict[int, _Seen] = field(default_factory=dict)


def class_by(catalogue: Registry) -> Callable[[str], Cost]:
    """Return the function that gives an operator's class by its identity; unknown ones count as images."""

    def cost(identity: str) -> Cost:
        try:
            return catalogue.of(identity).cost
        except KeyError:
            return "image"

    return cost


class CostModel:
    """Expectations.

    Parameters
    ----------
    cost
        The class of an operator, by identity.
    """

    def __init__(self, cost: Callable[[str], Cost]) -> None:
        self.class_of = cost
        self._operators: dict[str, _Operator] = {}
        self._errors: deque[float] = deque(maxlen=ERRORS_MAX)
        self.changed = False

    def note(self, operator: str, input_bytes: int, wall_ms: int) -> None:
        """Learn from a run."""
        log_ms = math.log(wall_ms) if wall_ms > 0 else _LOG_LEAST
        seen = self._operators.get(operator)
        if seen is None:
            seen = self._operators[operator] = _Operator()
        elif wall_ms > 0 and seen.all.runs >= _SEEN_MIN:
            self._errors.append(abs(wall_ms - self.expected_ms(operator, input_bytes)) / wall_ms)
        seen.all.note(log_ms)
        if wall_ms > 0 or seen.sizes:
            seen.sizes.setdefault(input_bytes.bit_length(), _Seen()).note(log_ms)
        self.changed = True

    def expected_ms(self, operator: str, input_bytes: int = 0) -> float:
        """Return what a run will probably take; without a size, what the last ones took."""
        seen = self._operators.get(operator)
        if seen is None or seen.all.runs < _SEEN_MIN:
            return CLASS_MS[self.class_of(operator)]
        if not input_bytes or not seen.sizes:
            return math.exp(seen.all.log_ms)
        bits = input_bytes.bit_length()
        nearest = min(seen.sizes, key=lambda size: abs(size - bits))
        return math.exp(seen.sizes[nearest].log_ms) * float(2.0 ** (bits - nearest))

    def light(self, operator: str) -> bool:
        """Tell whether an operator on scalars has shown to take no time worth speaking of."""
        seen = self._operators.get(operator)
        return (
            seen is not None
            and seen.all.runs >= _LAST_RUNS
            and seen.all.log_ms < _LOG_LIGHT
            and self.class_of(operator) == "scalar"
        )

    def outlook(self, operator: str) -> tuple[Cost, float, bool]:
        """Return an operator's class, what it will probably take, and whether it is light."""
        return self.class_of(operator), self.expected_ms(operator), self.light(operator)

    def error(self) -> float | None:
        """Return the median of |actual - expected| / actual over the last runs; None before there are any."""
        return median(self._errors) if self._errors else None

    def to_bytes(self) -> bytes:
        """Return what was learnt, to be kept."""
        self.changed = False
        operators = {
            name: [
                [seen.all.runs, seen.all.log_ms],
                [[bits, size.runs, size.log_ms] for bits, size in seen.sizes.items()],
            ]
            for name, seen in self._operators.items()
        }
        return json.dumps({"version": _VERSION, "operators": operators}).encode()

    def learn(self, data: bytes) -> None:
        """Take what was kept; what cannot be read is as if nothing had been."""
        try:
            document = json.loads(data)
            if document["version"] != _VERSION:
                return
            for name, ((runs, log_ms), sizes) in document["operators"].items():
                found = {int(bits): _Seen(int(count), float(log)) for bits, count, log in sizes}
                self._operators.setdefault(name, _Operator(_Seen(int(runs), float(log_ms)), found))
        except (ValueError, KeyError, TypeError):
            return


_LOG_LEAST, _LOG_LIGHT = math.log(_LEAST_MS), math.log(LIGHT_MS_MAX)
