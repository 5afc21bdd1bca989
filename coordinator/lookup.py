"""What is known already: asked of the coordinator's store, and for goals of its neighbours."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from coordinator.contract import DynamicExecutionConfig
from coordinator.needs import known_results
from coordinator.notices import Known
from vox.digest import NodeId
from vox.operators.codec import digest_of, encode_value
from vox.plan import Constant, Plan
from vox.store.contract import Blob, Neighbours, Nobody, Store

# Names asked for at a submission: a second's work, and some tens of megabytes.
LOOK_MAX = 250_000


class LookUp:
    """Look-ups for plans."""

    def __init__(self, store: Store, neighbours: Neighbours) -> None:
        self._store = store
        self._neighbours = neighbours

    def plan(self, plan: Plan, config: DynamicExecutionConfig) -> dict[NodeId, Known]:
        """Return what is known, goals first; keep the blobs of goals that are constants.

        Beyond `LOOK_MAX` nodes the walk ends: workers look for the rest when they come to it.
        """
        known = self._constants(plan)
        if config.reads and config.execution_engine != "sequential":
            wanted = [goal.wanted for goal in plan.goals]
            also = [goal.node for goal in plan.goals if goal.file is not None]
            ask = self._neighbours.results

            def look_up(names: Collection[NodeId]) -> Mapping[NodeId, Known]:
                nonlocal ask
                found = self._store.results(names)
                unknown = [name for name in names if name not in found]
                # Neighbours are asked for goals alone: workers ask them for what they are about to compute.
                asked, ask = ask, Nobody().results
                found = {**found, **(asked(unknown) if unknown else {})}
                return {name: Known(result.digest, result.size) for name, result in found.items()}

            known |= known_results(plan, wanted, look_up, also, LOOK_MAX)
        return known

    def below(self, plan: Plan, names: Collection[NodeId]) -> Mapping[NodeId, Known]:
        """Return what is known below nodes that have to be computed again."""
        inputs = [below for name in names if name in plan.nodes for below in plan.inputs(name)]
        return known_results(plan, inputs, self._own)

    def _own(self, names: Collection[NodeId]) -> Mapping[NodeId, Known]:
        found = self._store.results(names)
        return {name: Known(result.digest, result.size) for name, result in found.items()}

    def _constants(self, plan: Plan) -> dict[NodeId, Known]:
        known = {}
        for goal in plan.goals:
            node = plan.nodes[goal.node]
            if isinstance(node, Constant):
                parts = encode_value(node.value)
                blob = Blob(digest_of(parts), parts)
                if self._store.missing([blob.digest]):
                    self._store.put([blob], [])
                known[goal.node] = Known(blob.digest, blob.size)
        return known
