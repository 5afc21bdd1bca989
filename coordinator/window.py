"""The part of a plan that is still to come: which nodes are needed, in which order, and by how many others.

Records of nodes cost some hundred bytes each, so a plan of a million nodes is not taken in at once. One walk
back from the goals writes down twelve bytes and a pointer for each node that is needed; records are made when
a node comes near, and forgotten when the last node that needs it has ended.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Iterable, Iterator

from vox.digest import NodeId
from vox.plan import Apply, Constant, Plan

# Open nodes of an execution that have records at a time, and how many places must be free before more come.
OPEN_MAX = 20_000
REFILL = 4_000
# Nodes cheaper than this make no way longer: thousands of them run in the order of the plan.
RANK_MS_MIN = 1.0


class Window:
    """Needed nodes, inputs first; those at `at` and beyond have no records yet.

    Attributes
    ----------
    names, uses, ranks_ms
        For each node, how many needed nodes it is an input of, and how long the longest way from its end to
        a goal is expected to take.
    open
        How many of them are not known: they have to run.
    expected_ms
        What they will probably take, together.
    """

    __slots__ = ("at", "expected_ms", "names", "open", "ranks_ms", "uses")

    def __init__(
        self,
        plan: Plan,
        roots: Iterable[NodeId],
        known: Container[NodeId],
        cost_ms: Callable[[str], float] = lambda _: 0.0,
    ) -> None:
        self.at = 0
        self.open = 0
        self.expected_ms = 0.0
        self.names: list[NodeId] = []
        self.uses = array("I")
        self.ranks_ms = array("f")
        nodes = plan.nodes
        wanted = dict.fromkeys(roots, 0)
        ranks: dict[NodeId, float] = {}
        expected: dict[str, float] = {}
        for name in _reversed(plan):
            if not wanted:
                break
            uses = wanted.pop(name, None)
            if uses is None:
                continue
            rank_ms = ranks.pop(name, 0.0) if ranks else 0.0
            self.names.append(name)
            self.uses.append(uses)
            self.ranks_ms.append(rank_ms)
            node = nodes[name]
            if not isinstance(node, Apply) or name in known:
                continue
            self.open += 1
            expected_ms = expected.get(node.operator)
            if expected_ms is None:
                expected_ms = expected[node.operator] = cost_ms(node.operator)
            self.expected_ms += expected_ms
            if expected_ms >= RANK_MS_MIN:
                rank_ms += expected_ms
            for needed in dict.fromkeys(node.inputs):
                if isinstance(nodes[needed], Constant):
                    continue
                wanted[needed] = wanted.get(needed, 0) + 1
                if rank_ms > 0.0 and rank_ms > ranks.get(needed, 0.0):
                    ranks[needed] = rank_ms
        self.names.reverse()
        self.uses.reverse()
        self.ranks_ms.reverse()

    def __len__(self) -> int:
        return len(self.names) - self.at

    def take(self) -> tuple[NodeId, int, float]:
        """Return the next node, its uses and its rank."""
        at = self.at
        self.at += 1
        return self.names[at], self.uses[at], self.ranks_ms[at]


def _reversed(plan: Plan) -> Iterator[NodeId]:
    nodes = plan.nodes
    return reversed(nodes) if isinstance(nodes, dict) else reversed(list(nodes))
