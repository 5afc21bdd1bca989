"""What must hold of the scheduler after every notice. Looks at everything; tests call it, nobody else."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.graph import Graph
from coordinator.outcomes import LOSSES_MAX
from coordinator.records import ExecutionRecord, FragmentRecord, NodeRecord, Stage, WorkerRecord
from vox.plan import Apply, Constant


def check(graph: Graph, workers: Mapping[str, WorkerRecord], fragments: Mapping[str, FragmentRecord]) -> None:
    """Assert every invariant.

    Raises
    ------
    AssertionError
        If one does not hold.
    """
    _check_fragments(workers, fragments)
    for realm in graph.realms.values():
        for record in realm.values():
            _check_record(record, fragments)
    for execution in graph.executions.values():
        _check_execution(execution, graph)
    for execution in graph.executions.values():
        idle = any(worker.free > 0 for worker in workers.values())
        light = any(worker.free > 0 and not worker.light for worker in workers.values())
        if execution.room:
            assert not (idle and execution.head(execution.heap)), "a ready node and a free slot never meet"
            assert not (light and execution.head(execution.light_heap)), "nor do those on scalars"


def _check_fragments(workers: Mapping[str, WorkerRecord], fragments: Mapping[str, FragmentRecord]) -> None:
    held = {name: f for worker in workers.values() for name, f in worker.fragments.items()}
    assert held == dict(fragments), "a fragment is held by exactly the worker it names"
    seen: set[NodeRecord] = set()
    for fragment in fragments.values():
        assert fragment.name in workers[fragment.worker].fragments
        assert fragment.records or fragment.cancelled, "a fragment has nodes"
        if fragment.copy:
            assert fragment.twin is not None
            assert fragment.twin.twin is fragment
            continue
        assert fragment.wanted == sum(1 for record in fragment.records if record.wanted_by)
        assert fragment.cancelled or fragment.wanted
        for record in fragment.records:
            assert record.stage is Stage.RUNNING
            assert record.fragment is fragment
            assert record not in seen, "a node runs once"
            seen.add(record)
    for worker in workers.values():
        assert worker.free >= 0, "no worker has more than it takes"
        assert worker.light == sum(f.light for f in worker.fragments.values()) <= 1


def _check_record(record: NodeRecord, fragments: Mapping[str, FragmentRecord]) -> None:
    assert (record.stage is Stage.RUNNING) == (record.fragment is not None), record
    assert record.wanted_by or record.stage is Stage.RUNNING, "nobody wants it, and it is still here"
    if record.fragment is not None:
        assert fragments.get(record.fragment.name) is record.fragment
    if record.stage is Stage.DONE:
        assert record.digest is not None
        return
    assert record.losses <= LOSSES_MAX
    if record.stage in (Stage.WAITING, Stage.READY):
        assert record.inputs is not None
        waiting = sum(1 for needed in record.inputs if needed.stage is not Stage.DONE)
        assert record.waiting == waiting + record.delayed, record
        assert (record.waiting == 0) == (record.stage is Stage.READY), record
        assert not any(needed.broken for needed in record.inputs), "it stands behind a broken one"
        for needed in record.inputs:
            assert record in needed.dependants
            assert set(record.wanted_by) <= set(needed.wanted_by), "who wants a node wants its inputs"
    if record.stage is Stage.READY:
        for execution in record.wanted_by:
            assert any(entry is record for *_, entry in execution.heap_of(record)), "ready, and on no heap"


def _check_execution(execution: ExecutionRecord, graph: Graph) -> None:
    tally = execution.tally
    assert all(count >= 0 for count in tally.values()), tally
    assert execution.open == sum(record.open for record in execution.records.values())
    assert len(execution.plan) == sum(tally.values()) + execution.open + execution.window.open, tally
    _check_uses(execution)
    for name, record in execution.records.items():
        assert execution in record.wanted_by
        assert not isinstance(record.node, Constant) or record.stage is Stage.DONE
        if record.open:
            assert graph.realms[execution.realm][name] is record
    assert execution.goals_open == sum(goal.state == "running" for goal in execution.goals)
    assert execution.goals_open, "all goals have ended, and the execution has not"
    for goal in execution.goals:
        wanted = execution.records.get(goal.goal.wanted)
        if goal.state == "running" and wanted is not None:
            assert not wanted.broken, "a goal waits for a node that will never come"


def _check_uses(execution: ExecutionRecord) -> None:
    """A node is remembered as long as a node that needs it has not ended, or a goal pins it; no longer."""
    window, nodes = execution.window, execution.plan.nodes
    uses = dict.fromkeys(execution.records, 0)
    needing = [name for name, record in execution.records.items() if record.open]
    for name in window.names[window.at :]:
        if name not in execution.known and isinstance(nodes[name], Apply):
            needing.append(name)
    for name in needing:
        for needed in dict.fromkeys(execution.plan.inputs(name)):
            if needed in uses and not isinstance(nodes[needed], Constant):
                uses[needed] += 1
    kept = {record.name: count for record, count in execution.uses.items()}
    assert uses == kept, "uses are the nodes that have not ended"
    for name, count in uses.items():
        assert count or name in execution.pinned, "nobody needs it, and it is still here"
