"""How ready nodes are cut into fragments, and which worker gets them.

The rule
--------
A Dask task costs milliseconds, a scalar node microseconds, an image node tens of milliseconds. So

1. a fragment begins with the first ready node of an execution, in plan order: its seed;
2. it grows along dependants whose inputs are all done or inside it, until the budget is spent; a node weighs
   what it will probably take (coordinator.costs), and scalars, which weigh nothing, ride along;
3. while the budget lasts it takes further seeds, but no more than its share: the ready nodes divided by the
   free slots, so that idle workers get independent branches;
4. never more than NODES_MAX nodes; nodes that failed before run with as many as the square root of that,
   and alone on their last try, so that a node that kills its worker does not take others with it;
5. nodes whose caches must not be believed (their blob was lost) never share a fragment with others.

A worker takes one fragment that begins with a scalar at a time, because its threads would only wait for one
another: they share an interpreter. Otherwise the worker is the one with a free slot that holds most bytes of
the seed's inputs, did not fail it before, and has least to do; in that order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from coordinator.records import ExecutionRecord, NodeRecord, Stage, WorkerRecord

NODES_MAX = 2000
# 2000 ** 0.5: the second try of a broken fragment finds the culprit's group, the last one the culprit.
NODES_RETRIED_MAX = 45
BUDGET = 2000
# A tenth of a second per fragment: 50 masks of about 2 ms, 5 images of about 20 ms.
WEIGHT_PER_MS = 20


def choose_worker(seed: NodeRecord, free: Sequence[WorkerRecord]) -> WorkerRecord:
    """Return the worker for a fragment that begins with `seed`; all of `free` could take it."""
    if len(free) == 1:
        return free[0]
    local: dict[str, int] = {}
    for record in seed.inputs or ():
        for worker in record.where:
            local[worker] = local.get(worker, 0) + record.size
    return min(
        free,
        key=lambda worker: (
            worker.info.name == seed.avoid,
            -local.get(worker.info.name, 0),
            len(worker.fragments) / worker.info.slots,
            worker.order,
        ),
    )


def grow(execution: ExecutionRecord, seed: NodeRecord, slots_free: int) -> list[NodeRecord]:
    """Take the nodes of the next fragment of `execution` off its heap, inputs first.

    Parameters
    ----------
    seed
        The head of one of its heaps.
    slots_free
        Free slots of all workers, the one that this fragment will take among them.
    """
    heap = execution.heap_of(seed)
    share = -(-len(heap) // max(1, slots_free))
    fragment = _Growth(execution, seed)
    for _ in range(share):
        head = execution.head(heap)
        if head is None or not fragment.accepts(head):
            break
        heapq.heappop(heap)
        fragment.take(head)
        if fragment.full:
            break
    return fragment.nodes


def weight_of(record: NodeRecord) -> float:
    """Return a node's part of the budget; a scalar has none until it has shown to be slow."""
    expected_ms = record.expected_ms
    return 0.0 if record.cost == "scalar" and expected_ms < 1.0 else min(BUDGET, WEIGHT_PER_MS * expected_ms)


class _Growth:
    def __init__(self, execution: ExecutionRecord, seed: NodeRecord) -> None:
        self.execution = execution
        self.seed = seed
        self.nodes: list[NodeRecord] = []
        self.inside: set[NodeRecord] = set()
        self.left: dict[NodeRecord, int] = {}
        self.weight = 0.0
        self.nodes_max = NODES_MAX
        if seed.attempts:
            last = seed.attempts >= execution.config.retries
            self.nodes_max = 1 if last else NODES_RETRIED_MAX

    @property
    def full(self) -> bool:
        return len(self.nodes) >= self.nodes_max

    def accepts(self, record: NodeRecord) -> bool:
        if self.full or record.attempts != self.seed.attempts or record.forced != self.seed.forced:
            return False
        return not self.nodes or self.weight + weight_of(record) <= BUDGET

    def take(self, seed: NodeRecord) -> None:
        """Put a ready node in, and what can follow it, depth first."""
        if seed in self.inside:
            return
        stack = [iter((seed,))]
        while stack and not self.full:
            record = next(stack[-1], None)
            if record is None:
                stack.pop()
            elif self.accepts(record):
                self.nodes.append(record)
                self.inside.add(record)
                self.weight += weight_of(record)
                stack.append(self._freed(record))

    def _freed(self, record: NodeRecord) -> Iterator[NodeRecord]:
        """Yield the dependants for which `record` was the last missing input."""
        for dependant in record.dependants:
            if dependant.stage is Stage.WAITING and self.execution in dependant.wanted_by:
                left = self.left.get(dependant, dependant.waiting) - 1
                self.left[dependant] = left
                if left == 0:
                    yield dependant
