"""The runner: looks before it computes, keeps what it computed, and says so only when it is durable.

Caches
------
With `reads` a node's result is taken, in this order, from the own store by NodeId, from the neighbours by
NodeId, and from the own store by ActionId (other node, same inputs: early cutoff). Without, every node is
computed, and only blobs that other nodes of the execution made are read. Operators on scalars that have
shown to cost less than a look-up are run first and looked up afterwards, many at a time (worker.kernels).

Without `writes` blobs still go to the store, because other workers and the client need them, but no claim is
recorded: no later execution finds them, and collecting sweeps them away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256

from vox.attest import Attestation, Signer
from vox.clock import Clock, SystemClock
from vox.digest import ActionId, Digest, NodeId
from vox.encoding import Term
from vox.errors import BlobCorrupt, BlobMissing, VoxError
from vox.fragment import Done, Failed, Fragment, How, Lost, Outcome, Report
from vox.operators.apply import apply
from vox.operators.catalogue import CATALOGUE
from vox.operators.codec import CodecError, canonical, decode_value, digest_of, encode_value
from vox.operators.registry import Registry
from vox.operators.values import Value
from vox.plan import Apply, Constant, Node, action_id
from vox.store.contract import Blob, Neighbours, Nobody, Store
from vox.store.holds import Holds
from worker.cache import ValueCache
from worker.keeping import Keeper, Waiting, believable, given_blobs
from worker.kernels import LIGHT_SAMPLE, Kernels

CACHE_BYTES = 512 * 10**6
# Actions whose claim is remembered: thousands of nodes may be one action, with a claim for each in the store.
_BELIEVED_MAX = 20_000


class Runner:
    """Runs fragments, several at a time from several threads.

    Parameters
    ----------
    store, signer, neighbours
        Where results are kept, who vouches for them, whom to ask.
    catalogue
        The operators.
    threads
        For kernels, shared by the fragments that run at the same time; 0 means one for each processor.
    cache_bytes
        Of decoded values kept in memory.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        neighbours: Neighbours | None = None,
        *,
        catalogue: Registry = CATALOGUE,
        threads: int = 0,
        cache_bytes: int = CACHE_BYTES,
        clock: Clock | None = None,
    ) -> None:
        self.store = store
        self.holds = Holds(store)
        self.signer = signer
        self.neighbours = neighbours or Nobody()
        self.catalogue = catalogue
        self.cache = ValueCache(cache_bytes)
        self.kernels = Kernels(catalogue)
        self.clock = clock or SystemClock()
        self.believed: dict[ActionId, Attestation] = {}
        self._threads = threads
        self._lock = threading.Lock()
        self._active = 0

    def run(self, fragment: Fragment, cancelled: Callable[[], bool] = lambda: False) -> Report:
        """Run a fragment; look at `cancelled` between two nodes.

        Returns
        -------
        Report
            Everything in it that is done is durable, or was before.
        """
        with self._lock:
            self._active += 1
        try:
            with self.holds.during(fragment.name, given_blobs(fragment)):
                return _Run(self, fragment, cancelled).report()
        finally:
            with self._lock:
                self._active -= 1

    def remember(self, claim: Attestation) -> None:
        """Keep a claim that is durable and believed at hand."""
        with self._lock:
            if len(self.believed) >= _BELIEVED_MAX:
                self.believed.clear()
            self.believed[claim.statement.action] = claim

    @contextmanager
    def kernel_threads(self) -> Iterator[None]:
        """Give a kernel its share of the threads."""
        from vox.kernels import parallel

        with parallel.limit(max(1, (self._threads or parallel.cores()) // max(1, self._active))):
            yield


class _Run:
    """One fragment."""

    def __init__(self, runner: Runner, fragment: Fragment, cancelled: Callable[[], bool]) -> None:
        self.runner = runner
        self.fragment = fragment
        self.cancelled = cancelled
        self.nodes = dict(fragment.nodes)
        self.digests = dict(fragment.known)
        self.outcomes: dict[NodeId, Outcome] = {}
        self.found: dict[NodeId, Done] = {}
        # Constants, and results that are not in the store yet.
        self.values: dict[Digest, tuple[Value]] = {}
        self.keeper = Keeper(runner, fragment)
        self.computed: set[NodeId] = set()

    def report(self) -> Report:
        """Run everything."""
        try:
            if self.fragment.reads and not self.fragment.shared:
                self._look_up()
            for level in self._levels():
                self._run_level(level)
        except VoxError as error:
            self._fail_rest(error)
        self._flush()
        ended = tuple(self.outcomes[name] for name in self.nodes if name in self.outcomes)
        return Report(self.fragment.name, ended)

    def _fail_rest(self, error: VoxError) -> None:
        """The store cannot be asked: one error for each node that does not stand behind another one."""
        waiting = {result.name for result in self.keeper.waiting}
        ended = waiting | self.outcomes.keys()
        for name, node in self.nodes.items():
            if isinstance(node, Apply) and name not in ended:
                inside = [i for i in node.inputs if isinstance(self.nodes.get(i), Apply)]
                if ended.issuperset(inside):
                    self._fail(name, error)

    def _levels(self) -> list[list[NodeId]]:
        """Return nodes by distance from what is known, so that a level's actions are asked at once.

        Light nodes are not asked for: they stand in the level of their last input, behind it.
        """
        depth: dict[NodeId, int] = {}
        levels: list[list[NodeId]] = [[]]
        light = self.runner.kernels.light
        for name, node in self.nodes.items():
            mine = 0
            if isinstance(node, Apply):
                for needed in node.inputs:
                    above = depth.get(needed, 0)
                    mine = above if above > mine else mine
                mine += light(node.operator) is None
            depth[name] = mine
            while mine >= len(levels):
                levels.append([])
            levels[mine].append(name)
        return levels

    def _look_up(self) -> None:
        """Ask for all results of the fragment by name: the own store, then the neighbours."""
        names = [name for name, node in self.nodes.items() if isinstance(node, Apply)]
        results = self.runner.store.results(names)
        unknown = [name for name in names if name not in results]
        fetched = self.runner.neighbours.results(unknown) if unknown else {}
        for how, known in ((How.REUSED, results), (How.FETCHED, fetched)):
            actions = {result.action for result in known.values() if result.action is not None}
            claims = self.runner.store.attestations(actions) if actions else {}
            for name, result in known.items():
                offered = claims.get(result.action, ()) if result.action is not None else ()
                claim = next((c for c in offered if c.statement.output == result.digest), None)
                if claim is not None:
                    self.found[name] = Done(name, result.digest, result.size, how, 0, claim)

    def _run_level(self, level: Sequence[NodeId]) -> None:
        actions: dict[NodeId, ActionId] = {}
        light = self.runner.kernels.light
        for name in level:
            node = self.nodes[name]
            if not isinstance(node, Apply) or name in self.found or light(node.operator) is not None:
                continue
            if self._has_inputs(node):
                digests = tuple([self.digests[i] for i in node.inputs])
                actions[name] = action_id(node.operator, digests, node.parameters)
        claims = self._claims(set(actions.values())) if self.fragment.reads and actions else {}
        for name in level:
            if self.cancelled():
                return
            node = self.nodes[name]
            if not isinstance(node, Apply):
                self._given(name, node)
            elif name in self.found:
                if self._has_inputs(node):
                    self._take(self.found[name])
            elif name in self.computed or not self._has_inputs(node):
                continue
            elif name not in actions:
                self._run_light(name, node)
            elif claim := claims.get(actions[name]):
                self._cut_off(name, claim)
            else:
                self._compute(name)

    def _has_inputs(self, node: Apply) -> bool:
        return all(i in self.digests for i in node.inputs)

    def _given(self, name: NodeId, node: Node) -> None:
        """Constants are values already; sources are blobs already."""
        if isinstance(node, Constant):
            value = canonical(node.value)
            parts = encode_value(value)
            digest, how = digest_of(parts), How.COMPUTED
            size = sum(len(part) for part in parts)
            self.values[digest] = (value,)
        else:
            assert not isinstance(node, Apply)
            digest, size, how = node.digest, 0, How.REUSED
        self._take(Done(name, digest, size, how, 0, None))

    def _take(self, done: Done) -> None:
        self.digests[done.node] = done.digest
        self.outcomes[done.node] = done

    def _claims(self, actions: Collection[ActionId]) -> dict[ActionId, Attestation]:
        return believable(self.runner, actions, self.runner.believed)

    def _cut_off(self, name: NodeId, claim: Attestation) -> None:
        """Another node was the same action. Only who computed it may vouch for it under a new name."""
        statement = claim.statement
        self._take(Done(name, statement.output, statement.size, How.REUSED, 0, claim))
        if statement.issuer == self.runner.signer.peer and self.fragment.writes:
            node = self.nodes[name]
            assert isinstance(node, Apply)
            stated = replace(statement, node=name)
            self._wait(
                Waiting(name, node, None, statement.action, statement.inputs, None, How.REUSED, 0, stated)
            )

    # Computing

    def _compute(self, name: NodeId) -> None:
        """Run a node, and before it those of its inputs whose results are known but whose blobs are gone."""
        stack = [name]
        while stack:
            top = stack[-1]
            node = self.nodes[top]
            assert isinstance(node, Apply)
            try:
                values, absent = self._read_inputs(node)
            except (VoxError, CodecError) as error:
                self._fail(stack.pop(), error)
                continue
            again = [i for i in absent if isinstance(self.nodes.get(i), Apply) and i not in self.computed]
            if again:
                stack += again
                continue
            stack.pop()
            self.computed.add(top)
            if absent:
                self.digests.pop(top, None)
                if absent[0] not in self.nodes:
                    self.outcomes[top] = Lost(top, absent[0])
                else:
                    self.outcomes.pop(top, None)
            else:
                self._run_kernel(top, node, values)

    def _fail(self, name: NodeId, error: VoxError | CodecError) -> None:
        self.computed.add(name)
        self.digests.pop(name, None)
        if isinstance(error, VoxError):
            self.outcomes[name] = Failed(name, error.code, error.message, error.hint, error.retryable)
        else:
            hint = "the store may have been written by another version"
            self.outcomes[name] = Failed(name, "E0412", f"an input cannot be read: {error}", hint, False)

    def _read_inputs(self, node: Apply) -> tuple[list[Value], list[NodeId]]:
        """Return the values of the inputs, or the names of those that are nowhere."""
        gone = [i for i in node.inputs if i not in self.digests]
        if gone:
            return [], gone
        wanted = dict.fromkeys(self.digests[i] for i in node.inputs)
        values = {digest: self._read(digest) for digest in wanted}
        absent = [digest for digest, value in values.items() if value is None]
        if absent:
            here = self.runner.neighbours.fetch(absent, self.fragment.peers)
            values |= {digest: self._read(digest) for digest in absent if digest in here}
        ordered = [values[self.digests[i]] for i in node.inputs]
        missing = [i for i, value in zip(node.inputs, ordered, strict=True) if value is None]
        return [value[0] for value in ordered if value is not None], list(dict.fromkeys(missing))

    def _read(self, digest: Digest) -> tuple[Value] | None:
        held = self.values.get(digest) or self.runner.cache.get(digest)
        if held is not None:
            return held
        try:
            blob = self.runner.store.read(digest)
        except (BlobMissing, BlobCorrupt):
            return None
        value = decode_value(blob)
        self.runner.cache.keep(digest, value, len(blob))
        return (value,)

    def _run_kernel(self, name: NodeId, node: Apply, values: Collection[Value]) -> None:
        runner = self.runner
        try:
            kernel = runner.kernels.of(node.operator)
            began = runner.clock.monotonic()
            if kernel.operator.cost == "scalar":
                value = apply(kernel.operator, tuple(values), node.parameters)
            else:
                with runner.kernel_threads():
                    value = apply(kernel.operator, tuple(values), node.parameters)
            seconds = max(0.0, runner.clock.monotonic() - began)
            parts = encode_value(value)
        except (VoxError, CodecError) as error:
            self._fail(name, error)
            return
        kernel.note(seconds)
        wall_ms = round(1000 * seconds)
        blob = Blob(digest_of(parts), parts)
        inputs = tuple(self.digests[i] for i in node.inputs)
        action = action_id(node.operator, inputs, node.parameters)
        self.values[blob.digest] = (value,)
        self.digests[name] = blob.digest
        runner.cache.keep(blob.digest, value, blob.size)
        result = Waiting(name, node, kernel.operator, action, inputs, blob, How.COMPUTED, wall_ms)
        self._wait(result, wall_ms, blob.size)

    def _run_light(self, name: NodeId, node: Apply) -> None:
        """Run a kernel that costs less than to ask for its result; whatever is unusual goes the long way."""
        kernel = self.runner.kernels.light(node.operator)
        digests, values = self.digests, self.values
        inputs = tuple([digests[i] for i in node.inputs])
        held = [values.get(digest) or self._read(digest) for digest in inputs]
        if kernel is None or kernel.call is None or None in held:
            self._compute(name)
            return
        try:
            timed = len(self.keeper.waiting) % LIGHT_SAMPLE == 0
            began = self.runner.clock.monotonic() if timed else 0.0
            parameters = dict(node.parameters) if node.parameters else _NO_PARAMETERS
            value = canonical(kernel.call(*[value for (value,) in held], **parameters))  # type: ignore[misc]
            if timed:
                kernel.note(self.runner.clock.monotonic() - began)
            (head,) = encode_value(value)
        except Exception:
            # It will fail again, and get its words there.
            self._compute(name)
            return
        blob = Blob(Digest(sha256(head).digest()), (head,))
        digests[name] = blob.digest
        values[blob.digest] = (value,)
        action = action_id(node.operator, inputs, node.parameters)
        self._wait(Waiting(name, node, kernel.operator, action, inputs, blob, unasked=True), 0, len(head))

    # Keeping

    def _wait(self, result: Waiting, wall_ms: int = 0, blob_bytes: int = 0) -> None:
        if self.keeper.add(result, wall_ms, blob_bytes):
            self._flush()

    def _flush(self) -> None:
        """Make what waits durable, then report it."""
        kept, failed = self.keeper.flush()
        for done in kept:
            self._take(done)
        unkept = {result.name for result, _ in failed}
        for result, error in failed:
            self._fail(result.name, error)
            if not unkept.isdisjoint(result.node.inputs):
                del self.outcomes[result.name]  # behind another one that failed
        if self.fragment.writes:
            for done in kept:
                if done.wall_ms and done.attestation is not None:
                    self.values.pop(done.digest, None)
                    self.runner.remember(done.attestation)


_NO_PARAMETERS: dict[str, Term] = {}
