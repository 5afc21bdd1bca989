"""Why a node is computed: the first places where two plans differ, and what about them differs.

Two goals are compared from the goal downwards. Where both have the same operator with as many inputs, the
difference lies among the inputs; where they do not, it lies here. Inputs of commutative operators stand in
the order of their names, which says nothing: they are paired so that the fewest differences are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations
from typing import Any, TypeAlias

from vox.digest import NodeId
from vox.errors import Span
from vox.plan import Apply, Constant, Node, Plan, Source

# Pairs of nodes looked at, and inputs whose order is tried: beyond these, inputs are paired as they stand.
_PAIRS_MAX = 200_000
_TRIED_MAX = 4
# A difference in shape explains less than any number of changed leaves: pairings that need none win.
_SHAPE_COST = 1_000


class Cause(StrEnum):
    """Everything that can be the reason for computing a node. The list is closed."""

    INPUT = "input-changed"
    CONSTANT = "constant-changed"
    PARAMETER = "parameter-changed"
    OPERATOR = "operator-version-changed"
    STRUCTURE = "structure-changed"
    GONE = "result-not-here"
    NEVER = "never-computed-here"


SENTENCES: Mapping[Cause, str] = {
    Cause.INPUT: "the bytes of an input changed",
    Cause.CONSTANT: "a constant changed",
    Cause.PARAMETER: "a parameter of an operator changed",
    Cause.OPERATOR: "another version of an operator is used",
    Cause.STRUCTURE: "the program asks for something else here",
    Cause.GONE: "the result was computed before, and is not here (any more)",
    Cause.NEVER: "it was never computed here",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two plans differ.

    `span` is where the new program says it, `before` where the old one did.
    """

    cause: Cause
    old: NodeId
    new: NodeId
    text: str
    span: Span | None
    before: Span | None

    def to_json(self) -> dict[str, Any]:
        """Return the form of `vox why --json`."""
        return {
            "cause": str(self.cause),
            "text": self.text,
            "old": str(self.old),
            "new": str(self.new),
            "span": None if self.span is None else self.span.to_json(),
            "old_span": None if self.before is None else self.before.to_json(),
        }


Pair: TypeAlias = tuple[NodeId, NodeId]


def differences(
    old: Plan,
    old_goal: NodeId,
    new: Plan,
    new_goal: NodeId,
    commutative: Callable[[str], bool] = lambda operator: False,
) -> list[Difference]:
    """Return where the ancestors of two nodes differ, inputs first; nothing when the nodes are the same.

    Parameters
    ----------
    commutative
        Tells of an operator (`name@version`) whether the order of its inputs means nothing.
    """
    comparison = _Comparison(old, new, commutative)
    order = {name: number for number, name in enumerate(new.nodes)}
    found = comparison.of((old_goal, new_goal))
    return [comparison.tell(pair) for pair in sorted(found, key=lambda pair: order[pair[1]])]


class _Comparison:
    """Pairs of nodes, each looked at once."""

    def __init__(self, old: Plan, new: Plan, commutative: Callable[[str], bool]) -> None:
        self.old, self.new = old, new
        self.commutative = commutative
        self.users: dict[Pair, Pair] = {}
        self.known: dict[Pair, frozenset[Pair]] = {}

    def of(self, goal: Pair) -> frozenset[Pair]:
        """Return the pairs that differ for a reason of their own, without recursion: plans are deep."""
        stack = [goal]
        while stack:
            pair = stack[-1]
            if pair in self.known:
                stack.pop()
                continue
            if pair[0] == pair[1]:
                self.known[pair] = frozenset()
                continue
            choices = self.pairings(pair)
            waiting = [below for choice in choices for below in choice if below not in self.known]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            own = frozenset([pair]) if self.differs(pair) else frozenset()
            best = min((self.sum(choice) for choice in choices), key=self.cost, default=frozenset())
            self.known[pair] = own | best
            for below in min(choices, key=lambda choice: self.cost(self.sum(choice)), default=()):
                self.users.setdefault(below, pair)
        return self.known[goal]

    def sum(self, choice: tuple[Pair, ...]) -> frozenset[Pair]:
        """Return what differs below some pairs."""
        return frozenset().union(*(self.known[below] for below in choice))

    def cost(self, found: frozenset[Pair]) -> int:
        """Return how much would have to be changed."""
        return sum(_SHAPE_COST if self.cause(pair) is Cause.STRUCTURE else 1 for pair in found)

    def differs(self, pair: Pair) -> bool:
        """Return whether two nodes differ in themselves, whatever their inputs are."""
        return self.cause(pair) is not None

    def cause(self, pair: Pair) -> Cause | None:
        """Return what about two nodes differs; None when only their inputs do."""
        old, new = self.old.nodes[pair[0]], self.new.nodes[pair[1]]
        match old, new:
            case Constant(), Constant():
                return Cause.CONSTANT if pair[0] != pair[1] else None
            case Source(), Source():
                return Cause.INPUT if old != new else None
            case Apply(), Apply() if _name(old) == _name(new) and self._inputs_fit(old, new):
                if old.operator != new.operator:
                    return Cause.OPERATOR
                return Cause.PARAMETER if dict(old.parameters) != dict(new.parameters) else None
        return Cause.STRUCTURE

    def _inputs_fit(self, old: Apply, new: Apply) -> bool:
        if len(old.inputs) != len(new.inputs):
            return False
        # The same inputs in another order are another question, not other inputs.
        same_bag = Counter(old.inputs) == Counter(new.inputs)
        return not (same_bag and old.inputs != new.inputs)

    def pairings(self, pair: Pair) -> list[tuple[Pair, ...]]:
        """Return the ways to pair the inputs of two nodes that are one operator; none for others."""
        old, new = self.old.nodes[pair[0]], self.new.nodes[pair[1]]
        if not (isinstance(old, Apply) and isinstance(new, Apply)):
            return []
        if self.cause(pair) is Cause.STRUCTURE:
            return []
        if not self.commutative(new.operator):
            return [tuple(zip(old.inputs, new.inputs, strict=True))]
        common = Counter(old.inputs) & Counter(new.inputs)
        left, right = _without(old.inputs, common), _without(new.inputs, common)
        if len(left) > _TRIED_MAX or len(self.known) > _PAIRS_MAX:
            return [tuple(zip(left, right, strict=True))]
        return [tuple(zip(left, order, strict=True)) for order in dict.fromkeys(permutations(right))]

    def tell(self, pair: Pair) -> Difference:
        """Return a difference in words, with its places."""
        cause = self.cause(pair)
        assert cause is not None
        old, new = self.old.nodes[pair[0]], self.new.nodes[pair[1]]
        user = self.users.get(pair, pair)
        span = self.new.origins.get(pair[1])
        before = self.old.origins.get(pair[0])
        # A value that stood in the program before has its first place elsewhere: its user's is this one.
        if pair[1] in self.old.nodes:
            span = self.new.origins.get(user[1], span)
        if pair[0] in self.new.nodes:
            before = self.old.origins.get(user[0], before)
        return Difference(cause, *pair, _words(cause, old, new), span, before)


def _words(cause: Cause, old: Node, new: Node) -> str:
    if cause is Cause.PARAMETER and isinstance(old, Apply) and isinstance(new, Apply):
        was, now = dict(old.parameters), dict(new.parameters)
        changed = sorted(key for key in {*was, *now} if was.get(key) != now.get(key))
        parts = [f"{key} {_shown(was.get(key))} -> {_shown(now.get(key))}" for key in changed]
        return f"{_name(new)}: {', '.join(parts)}"
    return f"{_label(old)} -> {_label(new)}"


def _label(node: Node) -> str:
    if isinstance(node, Apply):
        return node.operator
    return _shown(node.value) if isinstance(node, Constant) else f"input {node.digest.short}"


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{value:.10g}" if isinstance(value, float) else repr(value)


def _name(node: Apply) -> str:
    return node.operator.partition("@")[0]


def _without(names: tuple[NodeId, ...], common: Counter[NodeId]) -> list[NodeId]:
    left, rest = Counter(common), []
    for name in names:
        if left[name]:
            left[name] -= 1
        else:
            rest.append(name)
    return rest
