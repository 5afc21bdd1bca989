"""How long to wait before a node is tried again, by the class of its error."""

from __future__ import annotations

# What passes by itself sooner or later: first delay in seconds, doubled with every further attempt.
# A machine short of memory needs time; a lost worker only another one; blobs may be on their way.
_FIRST_S = {"E0411": 0.5, "E0801": 0.0, "E0805": 0.0}
_FIRST_BY_FAMILY_S = {"E05": 0.1, "E07": 0.2, "E08": 0.1}
_OTHER_S = 0.05
DELAY_S_MAX = 30.0


def retry_delay_s(code: str, attempts: int) -> float:
    """Return how long a node waits after its `attempts`-th failure."""
    first_s = _FIRST_S.get(code, _FIRST_BY_FAMILY_S.get(code[:3], _OTHER_S))
    delay_s: float = first_s * 2.0 ** min(16, attempts - 1)
    return min(DELAY_S_MAX, delay_s)
