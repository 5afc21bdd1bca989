"""What the coordinator keeps in its store beside the blobs of goals: claims of workers, and what it learnt.

Neither is needed for a right result, so trouble with them is logged and no more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from coordinator.costs import CostModel
from vox.attest import Attestation
from vox.errors import VoxError
from vox.store.contract import Store

COSTS_KEY = "vox.costs"
log = logging.getLogger("vox.coordinator")


def record(
    store: Store, attestations: Sequence[Attestation], accept: Callable[[Attestation], None] | None
) -> None:
    """Keep those claims that may be believed."""
    believed = []
    for attestation in attestations:
        try:
            if accept is not None:
                accept(attestation)
            believed.append(attestation)
        except VoxError as error:
            log.error("a claim is not believed: %s", error.message)
    try:
        store.record(believed)
    except VoxError as error:
        log.error("claims of a worker are not kept: %s", error.message)


def learn(store: Store, costs: CostModel) -> None:
    """Take what earlier lives learnt of costs."""
    try:
        kept = store.recall([COSTS_KEY])
    except VoxError:
        return
    if COSTS_KEY in kept:
        costs.learn(kept[COSTS_KEY])


def keep(store: Store, costs: CostModel) -> None:
    """Keep what was learnt of costs."""
    if not costs.changed:
        return
    try:
        store.remember(COSTS_KEY, costs.to_bytes())
    except VoxError as error:
        log.warning("what was learnt of costs is not kept: %s", error.message)
