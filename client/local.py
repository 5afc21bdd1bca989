"""The engine in this process, as a session sees it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from client.results import result_to_json
from vox.digest import Digest, NodeId
from vox.errors import StoreError, StoreUnusable, UsageError
from vox.events import Event
from vox.plan import Apply, Plan
from vox.preview import Known, preview
from vox.provenance import provenance
from vox.settings import state_dir, store_path
from vox.store.contract import Blob, Store
from vox.submitted import Submitted, key_of

if TYPE_CHECKING:
    from client.embedded import EmbeddedEngine
    from client.request import Request
    from coordinator.contract import (
        DynamicExecutionConfig,
        ExecutionProgress,
        ExecutionResult,
        GoalResult,
    )
    from vox.settings import Settings

Buffer = bytes | memoryview


class LocalEngine:
    """A coordinator's engine over its store, without a coordinator. Closing it closes both."""

    def __init__(self, coordinator: EmbeddedEngine, store: Store) -> None:
        self.coordinator = coordinator
        self.store = store

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of `digests` whose blobs are not in the store."""
        return self.store.missing(digests)

    def put(self, digest: Digest, parts: Sequence[Buffer]) -> None:
        """Keep a blob."""
        self.store.put([Blob(digest, parts)], [])

    def read(self, digest: Digest) -> Buffer:
        """Return a blob, verified."""
        return self.store.read(digest)

    def submit(self, request: Request, config: DynamicExecutionConfig) -> str:
        """Submit the plan; return the execution's name."""
        return self._begin(request.plan, config, request.submitted().to_bytes())

    def rerun(self, execution: str, config: DynamicExecutionConfig) -> str:
        """Run an execution's plan again; return the new one's name."""
        return self._begin(self.coordinator.plan(execution), config, self._recall(execution))

    def _begin(self, plan: Plan, config: DynamicExecutionConfig, kept: bytes | None) -> str:
        execution = self.coordinator.submit(plan, config)
        if kept is not None:
            with suppress(StoreError):  # the execution is worth more than what is told about it
                self.store.remember(key_of(execution), kept)
        return execution

    def _recall(self, execution: str) -> bytes | None:
        key = key_of(execution)
        return self.store.recall([key]).get(key)

    def plan_of(self, execution: str) -> Plan:
        """Return an execution's plan."""
        return self.coordinator.plan(execution)

    def submitted(self, execution: str) -> Submitted | None:
        """Return what an execution was submitted with; None when that is not kept."""
        data = self._recall(execution)
        try:
            return None if data is None else Submitted.from_bytes(data)
        except ValueError:
            return None

    def provenance(self, execution: str, goal: GoalResult) -> dict[str, Any]:
        """Return the signed chain of steps that led to a goal."""
        plan = self.coordinator.plan(execution)
        asked = next(each for each in plan.goals if (each.label, each.node) == (goal.label, goal.node))
        digest = goal.digest if goal.file is None else goal.file
        assert digest is not None
        return provenance(plan, asked, digest, self.store, self.submitted(execution))

    def plan(self, request: Request, config: DynamicExecutionConfig) -> dict[str, Any]:
        """Return what a submission would do."""
        return preview(request.plan, self._known(request.plan) if config.reads else {})

    def _known(self, plan: Plan) -> Mapping[NodeId, Known]:
        """Return the results to begin with whose blobs are here: nobody else has what this store lost."""
        known: Mapping[NodeId, Known] = self.coordinator.known(plan)
        lost = self.store.missing({each.digest for each in known.values()}) if known else set()
        if lost:
            # What stands below a lost result has not been asked for.
            known = self.store.results([name for name, node in plan if isinstance(node, Apply)])
            lost = self.store.missing({each.digest for each in known.values()})
        return {name: each for name, each in known.items() if each.digest not in lost}

    def events(self, execution: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Yield numbered events up to the end."""
        return self.coordinator.events(execution, after)

    def wait(self, execution: str) -> ExecutionResult:
        """Return the end."""
        return self.coordinator.wait(execution)

    def show(self, execution: str) -> dict[str, Any]:
        """Return an execution as JSON."""
        moment: ExecutionProgress | ExecutionResult = self.coordinator.get_progress(execution)
        if moment.state.final:
            moment = self.coordinator.wait(execution)
        return result_to_json(moment, {})

    def timeline(self, execution: str) -> dict[str, Any]:
        """Return what ran where and when, in the form of Chrome's trace viewer."""
        return self.coordinator.timeline(execution)

    def executions(self) -> list[dict[str, Any]]:
        """Return every execution, newest first."""
        return [result_to_json(moment, {}) for moment in self.coordinator.executions()]

    def cancel(self, execution: str) -> bool:
        """Ask for the end."""
        return self.coordinator.cancel_execution(execution)

    def node(self, name: str) -> dict[str, Any]:
        """Return what is known of a node's result."""
        try:
            node = NodeId.parse(name)
        except ValueError as error:
            raise UsageError(f"{name[:80]!r} is not the name of a node", hint="node:<64 digits>") from error
        found = self.store.results([node]).get(node)
        if found is None:
            raise UsageError(f"nothing is known of {name}", hint="submit the program that asks for it")
        here = not self.store.missing([found.digest])
        return {"schema": 1, "node": name, "digest": str(found.digest), "size": found.size, "here": here}

    def close(self) -> None:
        """Let running kernels end, write everything down."""
        self.coordinator.close()


def open_engine(settings: Settings) -> LocalEngine:
    """Open the store, the list of executions, and the engine over both."""
    from client.embedded import embedded

    memory = settings.store.backend == "memory"
    folder = state_dir() / "embedded"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnusable(
            f"cannot write {folder}: {error.strerror}", hint="set VOX_STATE_DIR to a folder of your own"
        ) from error
    engine = embedded(
        None if memory else store_path(settings), settings, ledger_path=folder / "ledger.sqlite"
    )
    return LocalEngine(engine, engine.store)
