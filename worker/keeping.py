"""What a fragment has computed, on its way to the disk: attested in batches, reported when durable."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from vox.attest import Attestation, Statement
from vox.digest import ActionId, Digest, NodeId
from vox.errors import StoreFull, VoxError
from vox.fragment import Done, Fragment, How
from vox.operators.registry import Operator
from vox.plan import Apply, Source
from vox.store.contract import Blob
from worker.environment import environment

if TYPE_CHECKING:
    from worker.runner import Runner

# What a crash may cost: results wait for the disk no longer, and no more of them, than this.
WAIT_MS_MAX = 50
WAIT_BYTES_MAX = 4 << 20
WAIT_NODES_MAX = 1024


class Waiting:
    """A result that is not durable yet; `unasked` while nobody has looked whether it was known."""

    __slots__ = (
        "action",
        "blob",
        "how",
        "inputs",
        "name",
        "node",
        "operator",
        "statement",
        "unasked",
        "wall_ms",
    )

    def __init__(
        self,
        name: NodeId,
        node: Apply,
        operator: Operator | None,
        action: ActionId,
        inputs: tuple[Digest, ...],
        blob: Blob | None,
        how: How = How.COMPUTED,
        wall_ms: int = 0,
        statement: Statement | None = None,
        unasked: bool = False,
    ) -> None:
        self.name = name
        self.node = node
        self.operator = operator
        self.action = action
        self.inputs = inputs
        self.blob = blob
        self.how = how
        self.wall_ms = wall_ms
        self.statement = statement
        self.unasked = unasked


class Keeper:
    """The results of one fragment that wait for the disk."""

    def __init__(self, runner: Runner, fragment: Fragment) -> None:
        self._runner = runner
        self._fragment = fragment
        self.waiting: list[Waiting] = []
        self._ms = 0
        self._bytes = 0
        self._unasked = 0

    def add(self, result: Waiting, wall_ms: int, blob_bytes: int) -> bool:
        """Let a result wait; return whether it is time to flush."""
        self.waiting.append(result)
        self._ms += wall_ms
        self._bytes += blob_bytes
        self._unasked += result.unasked
        return len(self.waiting) >= WAIT_NODES_MAX or self._bytes >= WAIT_BYTES_MAX or self._ms >= WAIT_MS_MAX

    def flush(self) -> tuple[list[Done], list[tuple[Waiting, VoxError]]]:
        """Make what waits durable; return what may be reported, and what could not be kept."""
        batch, self.waiting = self.waiting, []
        asks = self._unasked and self._fragment.reads
        self._ms = self._bytes = self._unasked = 0
        if not batch:
            return [], []
        done: list[Done] = []
        try:
            done, again = self._known_after_all(batch) if asks else ([], [])
            if done:
                taken = {known.node for known in done}
                batch = [result for result in batch if result.name not in taken]
            return done + self._keep(batch + again, {result.name for result in again}), []
        except StoreFull:
            kept, failed = self._keep_what_fits(batch)
            return done + kept, failed
        except VoxError as error:
            return done, [(result, error) for result in batch]

    def _keep_what_fits(self, batch: list[Waiting]) -> tuple[list[Done], list[tuple[Waiting, VoxError]]]:
        """Keep results one by one; who stands behind one that does not fit shares its error."""
        done: list[Done] = []
        failed: list[tuple[Waiting, VoxError]] = []
        errors: dict[NodeId, VoxError] = {}
        for result in batch:
            error = next((errors[name] for name in result.node.inputs if name in errors), None)
            try:
                if error is None:
                    done += self._keep([result], ())
            except VoxError as caught:
                error = caught
            if error is not None:
                errors[result.name] = error
                failed.append((result, error))
        return done, failed

    def _known_after_all(self, batch: list[Waiting]) -> tuple[list[Done], list[Waiting]]:
        """Look for actions that were run unasked: who claims the same result is believed.

        Their blobs are at hand, and kept, because those of the claims may be gone. An action that was known
        under another name only gets this one too, if the claim is our own.
        """
        unasked = [result for result in batch if result.unasked]
        runner = self._runner
        claims = believable(runner, {result.action: None for result in unasked}, runner.believed)
        if not claims:
            return [], []
        done, again, blobs = [], [], {}
        for result in unasked:
            claim = claims.get(result.action)
            if claim is None or result.blob is None or claim.statement.output != result.blob.digest:
                continue
            stated = claim.statement
            done.append(Done(result.name, stated.output, stated.size, How.REUSED, 0, claim))
            blobs[stated.output] = result.blob
            if stated.node != result.name and stated.issuer == runner.signer.peer and self._fragment.writes:
                result.how, result.statement = How.REUSED, replace(stated, node=result.name)
                again.append(result)
        gone = runner.store.missing(blobs)
        if gone:
            runner.store.put([blobs[digest] for digest in gone], [])
        return done, again

    def _keep(self, batch: list[Waiting], told: Collection[NodeId]) -> list[Done]:
        if not batch:
            return []
        runner = self._runner
        claims = runner.signer.attest(state(runner, batch))
        blobs = {result.blob.digest: result.blob for result in batch if result.blob is not None}
        runner.store.put(tuple(blobs.values()), claims if self._fragment.writes else [])
        return [
            Done(result.name, claim.statement.output, claim.statement.size, result.how, result.wall_ms, claim)
            for result, claim in zip(batch, claims, strict=True)
            if result.name not in told
        ]


def given_blobs(fragment: Fragment) -> set[Digest]:
    """Return what a fragment reads that it does not make."""
    return {
        *fragment.known.values(),
        *(node.digest for _, node in fragment.nodes if isinstance(node, Source)),
    }


def state(runner: Runner, batch: Collection[Waiting]) -> list[Statement]:
    """Return what is to be signed: one statement for each result."""
    issuer, here = runner.signer.peer, environment()
    now = max(0, int(runner.clock.now()))
    stated = []
    for result in batch:
        if result.statement is None:
            assert result.blob is not None
            assert result.operator is not None
            result.statement = Statement(
                result.action,
                result.name,
                result.blob.digest,
                result.blob.size,
                result.inputs,
                here,
                result.operator.determinism,
                result.wall_ms,
                issuer,
                now,
            )
        stated.append(result.statement)
    return stated


def believable(
    runner: Runner, actions: Collection[ActionId], known: dict[ActionId, Attestation]
) -> dict[ActionId, Attestation]:
    """Return a claim to believe for each action: the own one; or anybody's, when all agree."""
    claims = {action: known[action] for action in actions if action in known}
    rest = [action for action in actions if action not in claims]
    if not rest:
        return claims
    for action, offered in runner.store.attestations(rest).items():
        own = [claim for claim in offered if claim.statement.issuer == runner.signer.peer]
        if own or len({claim.statement.output for claim in offered}) == 1:
            claims[action] = (own or offered)[-1]
            runner.remember(claims[action])
    return claims
