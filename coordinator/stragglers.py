"""Fragments that take far longer than expected: a second copy is started elsewhere, the first report counts.

Only slots that would idle are used, and copies may cost at most a twentieth of what has been computed: so
wrong expectations cannot double the work.
"""

from __future__ import annotations

from collections.abc import Collection

from coordinator.records import FragmentRecord, WorkerRecord

# How many times the expected duration a fragment is given, and what it is given at least.
PATIENCE = 3.0
PATIENCE_S_MIN = 3.0
DUPLICATES_MAX = 0.05


class Stragglers:
    """Watches how long fragments run; time comes with ticks.

    Attributes
    ----------
    work_ms, duplicate_ms
        What kernels took so far, and what copies were expected to.
    """

    def __init__(self) -> None:
        self.work_ms = 0.0
        self.duplicate_ms = 0.0

    def late(
        self, now_s: float, fragments: Collection[FragmentRecord], free: Collection[WorkerRecord]
    ) -> tuple[FragmentRecord, WorkerRecord] | None:
        """Return a fragment that is to be copied, and where to."""
        for fragment in fragments:
            if fragment.seen_s is None:
                fragment.seen_s = now_s
            patience_s = max(PATIENCE_S_MIN, PATIENCE * fragment.expected_ms / 1000.0)
            if fragment.cancelled or fragment.twin is not None or now_s - fragment.seen_s <= patience_s:
                continue
            if not _has_inputs(fragment):
                continue
            if self.duplicate_ms + fragment.expected_ms > DUPLICATES_MAX * self.work_ms:
                continue
            for worker in free:
                if worker.info.name != fragment.worker and not (fragment.light and worker.light):
                    self.duplicate_ms += fragment.expected_ms
                    return fragment, worker
        return None


def _has_inputs(fragment: FragmentRecord) -> bool:
    """Tell whether results from outside that it was sent with are still known: one may have been lost."""
    inside = set(fragment.records)
    return all(
        needed.digest is not None or needed in inside
        for record in fragment.records
        for needed in record.inputs or ()
    )


def part(fragment: FragmentRecord) -> FragmentRecord | None:
    """Separate a fragment from its twin; return the twin."""
    twin, fragment.twin = fragment.twin, None
    if twin is not None:
        twin.twin = None
    return twin


def hand_over(fragment: FragmentRecord, twin: FragmentRecord) -> None:
    """Let the twin of a fragment that came to nothing go on alone."""
    for record in fragment.records:
        if record.fragment is fragment:
            record.fragment = twin
    twin.copy = False
    twin.wanted = sum(1 for record in twin.records if record.wanted_by)


def retire(fragment: FragmentRecord) -> None:
    """Let a fragment hold its slot until it reports, and nothing else: its twin was first."""
    fragment.records = []
    fragment.cancelled = True
    fragment.copy = False
    fragment.wanted = 0
