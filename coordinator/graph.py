"""The nodes that executions need, and how they move from WAITING to an end. Pure, the scheduler's lower half.

It knows nothing of workers and fragments but the names that outcomes carry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coordinator.costs import CostModel
from coordinator.goals import Goals
from coordinator.notices import Known
from coordinator.records import Cost, ExecutionRecord, FragmentRecord, NodeRecord, Stage
from coordinator.window import OPEN_MAX, REFILL
from vox.digest import Digest, NodeId
from vox.events import NodeSkipped
from vox.fragment import How
from vox.plan import Apply, Constant, Node, Source

# Results of nodes that were forgotten a moment ago: another execution of the same plan may just be looking.
REMEMBERED_MAX = 8_192


class Graph(Goals):
    """Records of nodes, shared by executions of one realm.

    Attributes
    ----------
    at
        Notices so far: the scheduler's only clock.
    unwanted
        Fragments that lost an interested one, once for each node.
    """

    def __init__(self, costs: CostModel) -> None:
        super().__init__()
        self.costs = costs
        self._orders = 0
        self.at = 0
        self.realms: dict[str, dict[NodeId, NodeRecord]] = {}
        self.unwanted: list[FragmentRecord] = []
        self._outlooks: dict[str, tuple[Cost, float, bool]] = {}
        self._young: dict[NodeId, tuple[Digest, int, tuple[str, ...]]] = {}
        self._old: dict[NodeId, tuple[Digest, int, tuple[str, ...]]] = {}

    def order(self) -> int:
        """Return the next number of an order of arrival."""
        self._orders += 1
        return self._orders

    # What is needed

    def fill(self, execution: ExecutionRecord) -> None:
        """Make records of the next nodes of an execution, as many as there is room for."""
        window = execution.window
        if not len(window) or execution.open > OPEN_MAX - REFILL:
            return
        realm = self.realms.setdefault(execution.realm, {})
        self._outlooks.clear()
        while len(window) and execution.open < OPEN_MAX:
            name, uses, rank_ms = window.take()
            self._come(execution, realm, name, uses, rank_ms)
        if not len(window):
            execution.known = {}

    def _come(
        self,
        execution: ExecutionRecord,
        realm: dict[NodeId, NodeRecord],
        name: NodeId,
        uses: int,
        rank_ms: float,
    ) -> None:
        """Let an execution want the next node of its window; all of its inputs have come before."""
        node = execution.plan.nodes[name]
        known = execution.known.get(name)
        waits = known is None and isinstance(node, Apply)
        execution.window.open -= waits
        record = self._join(execution, realm, name, node, known)
        execution.uses[record] = uses
        record.rank_ms = max(record.rank_ms, rank_ms)
        if record.stage is Stage.DONE:
            if name in execution.goals_by_node:
                self.want_blob(execution, record)
            if waits:
                execution.tally["reused"] += 1
                assert isinstance(node, Apply)
                for needed in dict.fromkeys(node.inputs):
                    other = execution.records.get(needed)
                    if other is not None and not isinstance(other.node, Constant):
                        self._used(execution, other, name)
        elif not waits:
            # It was known, and is being computed again for somebody else.
            execution.tally["reused"] -= 1
            execution.open += 1
            self._begin(self._enlist(execution, record, execution.known))
        else:
            execution.open += 1
            if record.inputs is None:
                self._link(execution, record)
                if record.fragment is None:
                    self.requeue(record)
            elif record.stage is Stage.READY:
                execution.push(record)

    def _join(
        self,
        execution: ExecutionRecord,
        realm: dict[NodeId, NodeRecord],
        name: NodeId,
        node: Node,
        known: Known | None,
    ) -> NodeRecord:
        record = realm.get(name)
        if record is None or record.broken:
            record = realm[name] = self._new(realm, name, node, known)
        if record.fragment is not None and not record.wanted_by:
            # It ran on after a cancel, and its inputs may have been dropped.
            record.fragment.wanted += 1
            self._unlink(record)
        execution.records[name] = record
        record.wanted_by[execution] = How.REUSED
        return record

    def _new(
        self, realm: dict[NodeId, NodeRecord], name: NodeId, node: Node, known: Known | None
    ) -> NodeRecord:
        if isinstance(node, Apply):
            outlook = self._outlooks.get(node.operator)
            if outlook is None:
                outlook = self._outlooks[node.operator] = self.costs.outlook(node.operator)
            record = NodeRecord(name, node, self.order(), outlook[0], realm)
            _, record.expected_ms, record.light = outlook
        else:
            record = NodeRecord(name, node, self.order(), "scalar", realm)
        if isinstance(node, Source):
            known = known or Known(node.digest)
        elif realm is self.realms.get(""):
            remembered = self._young.get(name) or self._old.get(name)
            if remembered is not None:
                known = Known(*remembered[:2])
                record.where = remembered[2]
        if known is not None:
            record.stage = Stage.DONE
            record.digest, record.size = known.digest, known.size
        assert record.stage is Stage.DONE or isinstance(node, Apply)
        return record

    def _link(self, execution: ExecutionRecord, record: NodeRecord) -> None:
        """Tie an open node to its inputs, which all have records."""
        node, records = record.node, execution.records
        assert isinstance(node, Apply)
        inputs, constants = [], []
        for name in dict.fromkeys(node.inputs):
            other = records.get(name)
            if other is None or isinstance(other.node, Constant):  # which may be the goal of a print
                constants.append(name)
            else:
                inputs.append(other)
                other.dependants[record] = None
        record.inputs = tuple(inputs)
        record.constants = tuple(constants)

    def _enlist(
        self, execution: ExecutionRecord, root: NodeRecord, known: Mapping[NodeId, Known]
    ) -> list[tuple[ExecutionRecord, NodeRecord]]:
        """Let an execution want what an open node needs, however deep: it was not meant to run.

        The caller begins what is returned.
        """
        realm = self.realms.setdefault(execution.realm, {})
        plan, new = execution.plan, []
        stack = [root]
        while stack:
            record = stack.pop()
            for name in dict.fromkeys(plan.inputs(record.name)):
                if isinstance(plan.nodes[name], Constant):
                    continue
                other = execution.records.get(name)
                uses = 0
                if other is not None and other.broken:
                    # Whoever shares the realm would get a new record: all of them try again, together.
                    uses, other = self._unbreak(execution, other), None
                if other is None:
                    other = self._join(execution, realm, name, plan.nodes[name], known.get(name))
                    execution.uses[other] = uses
                    if other.open:
                        self._uncount(execution)
                        execution.open += 1
                        stack.append(other)
                execution.uses[other] += 1
            new.append((execution, record))
        return new

    def _unbreak(self, execution: ExecutionRecord, record: NodeRecord) -> int:
        """Forget that a node is broken, as if it had never been needed; return its uses."""
        del execution.records[record.name]
        del record.wanted_by[execution]
        execution.tally["failed" if record.stage is Stage.FAILED else "skipped"] -= 1
        execution.tally["reused"] += 1
        if not record.wanted_by:
            self.forget(record)
        return execution.uses.pop(record)

    def _begin(self, new: Sequence[tuple[ExecutionRecord, NodeRecord]]) -> None:
        """Let nodes wait for their inputs, which all have records now."""
        for execution, record in reversed(new):
            if record.open and record.inputs is None:
                self._link(execution, record)
        for execution, record in reversed(new):
            if execution not in record.wanted_by or record.fragment is not None or not record.open:
                continue
            if record.stage is Stage.READY:
                execution.push(record)
            else:
                self.requeue(record)

    def _uncount(self, execution: ExecutionRecord, how: How = How.REUSED) -> None:
        """Take back a node that was counted as ended; how, nobody remembers when it was long ago."""
        tally = execution.tally
        tally[next(kind for kind in (how.value, *tally) if tally[kind])] -= 1

    def make_ready(self, record: NodeRecord) -> None:
        """Count what a node waits for; with nothing to wait for it is ready."""
        waiting = 1 if record.delayed else 0
        for needed in record.inputs or ():
            waiting += needed.stage is not Stage.DONE
        record.waiting = waiting
        if waiting:
            record.stage = Stage.WAITING
            return
        record.stage = Stage.READY
        for execution in record.wanted_by:
            execution.push(record)

    def requeue(self, record: NodeRecord) -> None:
        """Put back a node that was RUNNING; or away, when nobody wants it or an input is broken."""
        record.fragment = None
        record.stage = Stage.WAITING
        if not record.wanted_by:
            self.forget(record)
            return
        for needed in record.inputs or ():
            if needed.broken:
                self._skip(record, needed.name)
                return
        self.make_ready(record)

    # What is not needed any more

    def forget(self, record: NodeRecord) -> None:
        """Drop a record that nobody wants."""
        self._unlink(record)
        realm = record.realm
        if realm.get(record.name) is record:
            del realm[record.name]
            if record.digest is not None and realm is self.realms.get("") and isinstance(record.node, Apply):
                if len(self._young) >= REMEMBERED_MAX:
                    self._old, self._young = self._young, {}
                self._young[record.name] = (record.digest, record.size, record.where)

    def _unlink(self, record: NodeRecord) -> None:
        for needed in record.inputs or ():
            needed.dependants.pop(record, None)
        record.inputs = None

    def _ended(self, record: NodeRecord, cause: NodeId) -> None:
        """A node has a result or never will: it needs its inputs no more."""
        inputs, record.inputs = record.inputs or (), None
        for needed in inputs:
            needed.dependants.pop(record, None)
        for execution in tuple(record.wanted_by):
            execution.open -= 1
            execution.ended_ms += record.expected_ms
            for needed in inputs:
                self._used(execution, needed, cause)
            if not execution.uses[record] and record.name not in execution.pinned:
                self._let_go(execution, record, cause)

    def _used(self, execution: ExecutionRecord, record: NodeRecord, cause: NodeId) -> None:
        left = execution.uses[record] = execution.uses[record] - 1
        if not left and record.name not in execution.pinned:
            self._let_go(execution, record, cause)

    def _let_go(self, execution: ExecutionRecord, first: NodeRecord, cause: NodeId) -> None:
        """An execution needs a node no more; if that has not ended, it and what only it needs is skipped."""
        if first.stage is Stage.DONE:  # as nearly always
            del execution.uses[first], execution.records[first.name], first.wanted_by[execution]
            if not first.wanted_by:
                self.forget(first)
            return
        stack = [first]
        while stack:
            record = stack.pop()
            del execution.uses[record]
            del execution.records[record.name]
            del record.wanted_by[execution]
            if record.open:
                execution.open -= 1
                execution.tally["skipped"] += 1
                self.publish(NodeSkipped(execution.name, record.name, cause))
                for needed in record.inputs or ():
                    left = execution.uses[needed] = execution.uses[needed] - 1
                    if not left and needed.name not in execution.pinned:
                        stack.append(needed)
                if record.fragment is not None and not record.wanted_by:
                    self.unwanted.append(record.fragment)
            if not record.wanted_by and record.fragment is None:
                self.forget(record)

    def _skip(self, first: NodeRecord, cause: NodeId) -> None:
        stack = [first]
        while stack:
            record = stack.pop()
            if record.stage not in (Stage.WAITING, Stage.READY) or not record.wanted_by:
                continue
            record.stage = Stage.SKIPPED
            for execution in tuple(record.wanted_by):
                execution.tally["skipped"] += 1
                self.publish(NodeSkipped(execution.name, record.name, cause))
                self.settle(execution, record.name, "skipped")
            stack += [d for d in record.dependants if d.stage in (Stage.WAITING, Stage.READY)]
            self._ended(record, cause)
