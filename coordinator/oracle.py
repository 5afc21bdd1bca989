"""`execution_engine = "sequential"`: the plan is interpreted here, in one thread, and only goals are kept."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from coordinator.contract import GoalResult, NodeCounts
from coordinator.notices import Command, Finish, Publish
from vox import sequential
from vox.errors import Cancelled, VoxError
from vox.events import ExecutionFinished, ExecutionStarted, State
from vox.operators.codec import encode_value
from vox.operators.registry import Registry
from vox.plan import Goal, Plan
from vox.store.contract import Blob, Store

log = logging.getLogger("vox.coordinator")

GoalState = Literal["succeeded", "failed", "skipped", "cancelled"]


@dataclass(frozen=True, slots=True)
class Interpreted:
    """What is to be done because of an interpretation: the oracle's word, in place of the scheduler's."""

    commands: tuple[Command, ...]


@dataclass(slots=True)
class _Reading:
    plan: Plan
    stop: threading.Event = field(default_factory=threading.Event)


class Oracle:
    """Interprets plans, each in a thread of its own. `tell` is called once for each, from that thread."""

    def __init__(self, store: Store, catalogue: Registry, tell: Callable[[Interpreted], None]) -> None:
        self._store = store
        self._catalogue = catalogue
        self._tell = tell
        self._readings: dict[str, _Reading] = {}

    def start(self, execution: str, plan: Plan) -> Interpreted:
        """Begin with a plan."""
        reading = self._readings[execution] = _Reading(plan)
        thread = threading.Thread(
            target=self._run, args=(execution, reading), name="vox-sequential", daemon=True
        )
        thread.start()
        return Interpreted((Publish(ExecutionStarted(execution, len(plan), 0)),))

    def cancel(self, execution: str, error: dict[str, Any] | None) -> Interpreted | None:
        """End an interpretation now; the thread follows after its node. None when there is none."""
        reading = self._readings.pop(execution, None)
        if reading is None:
            return None
        reading.stop.set()
        goals = tuple(_result(goal, "cancelled") for goal in reading.plan.goals)
        counts = NodeCounts(total=len(reading.plan), skipped=len(reading.plan))
        return _end(execution, State.CANCELLED, counts, goals, () if error is None else (error,))

    def close(self) -> None:
        """Stop all between two nodes; they stay unfinished."""
        for execution in tuple(self._readings):
            self._readings.pop(execution).stop.set()

    def _run(self, execution: str, reading: _Reading) -> None:
        try:
            end = self._interpret(execution, reading)
        except Cancelled:
            return
        except Exception as error:
            log.exception("a plan could not be interpreted")
            problem = error if isinstance(error, VoxError) else VoxError(f"internal error: {error}")
            goals = tuple(_result(goal, "failed") for goal in reading.plan.goals)
            total = len(reading.plan)
            counts = NodeCounts(total=total, skipped=total)
            end = _end(execution, State.FAILED, counts, goals, (problem.to_json(),))
        if self._readings.pop(execution, None) is not None:
            self._tell(end)

    def _interpret(self, execution: str, reading: _Reading) -> Interpreted:
        plan = reading.plan
        found = sequential.interpret(
            plan, self._store.read, catalogue=self._catalogue, cancelled=reading.stop.is_set
        )
        goals = []
        for came in found.goals:
            state: GoalState = "succeeded"
            if came.error is not None:
                state = "failed" if came.goal.wanted in found.failed else "skipped"
            else:
                self._keep(came)
            goals.append(
                GoalResult(
                    came.goal.kind,
                    came.goal.label,
                    state,
                    came.goal.node,
                    came.goal.type,
                    came.digest,
                    came.file_digest,
                )
            )
        failed, skipped = len(found.failed), len(found.skipped)
        counts = NodeCounts(
            total=len(plan),
            computed=len(found.computed),
            reused=len(plan) - len(found.computed) - failed - skipped,
            failed=failed,
            skipped=skipped,
        )
        states = {goal.state for goal in goals}
        state_all = State.SUCCEEDED
        if states - {"succeeded"}:
            state_all = State.PARTIAL if "succeeded" in states else State.FAILED
        errors = []
        for name, error in found.failed.items():
            span = plan.origins.get(name)
            node = plan.nodes[name]
            operator = getattr(node, "operator", type(node).__name__.lower())
            document = error.to_json() | {"message": f"{operator}: {error.message}"}
            errors.append(document | {"spans": [] if span is None else [span.to_json()]})
        return _end(execution, state_all, counts, tuple(goals), tuple(errors))

    def _keep(self, came: sequential.GoalValue) -> None:
        blobs = []
        for digest, value in ((came.digest, came.value), (came.file_digest, came.file)):
            if digest is not None:
                blobs.append(Blob(digest, encode_value(value)))
        self._store.put(blobs, [])


def _result(goal: Goal, state: GoalState) -> GoalResult:
    return GoalResult(goal.kind, goal.label, state, goal.node, goal.type)


def _end(
    execution: str,
    state: State,
    counts: NodeCounts,
    goals: tuple[GoalResult, ...],
    errors: tuple[dict[str, Any], ...],
) -> Interpreted:
    finished = Publish(ExecutionFinished(execution, state))
    return Interpreted((finished, Finish(execution, state, counts, goals, errors)))
