"""A world for the scheduler: workers and stores as data, everything that can go wrong, one seed."""

from __future__ import annotations

import random

from coordinator.contract import DynamicExecutionConfig, WorkerInfo
from coordinator.notices import (
    CancelAsked,
    CancelFragment,
    Due,
    Finish,
    FragmentBroken,
    FragmentReported,
    Gather,
    GoalsGathered,
    Known,
    Later,
    PlanSubmitted,
    Publish,
    PublishPage,
    StartFragment,
    Tick,
    WorkerArrived,
    WorkerGone,
)
from coordinator.scheduler import Scheduler
from vox.digest import Digest, NodeId
from vox.events import ExecutionFinished, NodeDone
from vox.fragment import Done, Failed, Fragment, How, Lost, Report
from vox.plan import Apply, Constant, Plan, Source

SECRET = b"digest of "


def digest_of_node(name: NodeId) -> Digest:
    return Digest.of(SECRET, name.sha256)


class World:
    """Workers run fragments at once or late; blobs live in stores that may vanish."""

    def __init__(self, seed: int, *, trouble: float = 0.1, poison: frozenset[NodeId] = frozenset()) -> None:
        self.random = random.Random(seed)
        self.trouble = trouble
        self.poison = poison
        costs = ("scalar", "scalar", "mask", "image", "heavy")
        self.scheduler = Scheduler("f", "home:1", lambda identity: costs[hash_of(identity) % len(costs)])
        self.stores: dict[str, set[Digest]] = {"": set()}
        self.workers: dict[str, int] = {}
        self.held: dict[str, tuple[Fragment, str]] = {}
        self.inbox: list[object] = []
        self.plans: dict[str, Plan] = {}
        self.finished: dict[str, Finish] = {}
        self.events: list[object] = []
        self.runs: dict[NodeId, int] = {}
        self.names = 0
        self.now_s = 0.0
        self.old: list[object] = []

    # What tests do

    def submit(self, plan: Plan, config: DynamicExecutionConfig | None = None, known=()) -> str:
        self.names += 1
        name = f"e{self.names}"
        self.plans[name] = plan
        for node in plan.nodes.values():
            if isinstance(node, Source):
                self.stores[""].add(node.digest)
        found = {k: Known(digest_of_node(k), 8) for k in known}
        for goal in plan.goals:
            if isinstance(plan.nodes[goal.node], Constant):
                found[goal.node] = Known(digest_of_node(goal.node), 8)
                self.stores[""].add(digest_of_node(goal.node))
        self.handle(PlanSubmitted(name, plan, config or DynamicExecutionConfig(), found))
        return name

    def join(self, slots: int = 1) -> str:
        self.names += 1
        name = f"w{self.names}"
        self.workers[name] = slots
        self.stores[name] = set()
        self.handle(WorkerArrived(WorkerInfo(name, slots, f"{name}:1")))
        return name

    def leave(self, name: str) -> None:
        del self.workers[name]
        del self.stores[name]
        self.held = {f: (g, w) for f, (g, w) in self.held.items() if w != name}
        self.handle(WorkerGone(name))

    def settle(self, turns: int = 100_000) -> None:
        """Let everything that is under way end, without trouble."""
        self.trouble = 0.0
        while turns and (self.held or self.inbox):
            self.turn()
            turns -= 1
        assert turns, "it never ends"

    def turn(self) -> None:
        """Something happens."""
        if self.inbox and (not self.held or self.random.random() < 0.5):
            notice = self.inbox.pop(self.random.randrange(len(self.inbox)))
            self.old.append(notice)
            self.handle(notice)
        elif self.held:
            fragment, worker = self.held.pop(self.random.choice(list(self.held)))
            self.run(fragment, worker)

    def mischief(self) -> None:
        """Something goes wrong outside of any fragment."""
        chance = self.random.random()
        if chance < 0.15 and self.workers:
            self.leave(self.random.choice(list(self.workers)))
        elif chance < 0.4:
            self.join(self.random.randint(1, 3))
        elif chance < 0.6:
            # The coordinator's own store keeps what it gathered.
            store = self.stores[self.random.choice(list(self.stores))]
            for digest in sorted(store) if store is not self.stores[""] else ():
                if self.random.random() < 0.3:
                    store.discard(digest)
        elif chance < 0.7:
            # Long enough for whatever runs to be late.
            self.now_s += self.random.choice((1.0, 10.0, 1000.0))
            self.scheduler.stragglers.work_ms += self.random.choice((0.0, 1e6))
            self.handle(Tick(self.now_s))
        elif chance < 0.85 and self.old:
            self.handle(self.random.choice(self.old))  # heard twice, or late

    def cancel(self, execution: str) -> None:
        self.handle(CancelAsked(execution))

    # What the world does

    def handle(self, notice) -> None:
        if isinstance(notice, FragmentReported):
            # Only digests below what is lost may be told, as the coordinator's look-ups do.
            notice = FragmentReported(notice.report, notice.worker, self.below(notice.report.outcomes))
        commands = self.scheduler.handle(notice)
        self.scheduler.check()
        for command in commands:
            match command:
                case StartFragment(fragment, worker):
                    assert worker in self.workers
                    assert Fragment.from_bytes(fragment.to_bytes()) == fragment
                    self.check_fragment(fragment)
                    self.held[fragment.name] = (fragment, worker)
                case CancelFragment(name):
                    if name in self.held:
                        fragment, worker = self.held.pop(name)
                        self.inbox.append(FragmentReported(Report(name, ()), worker))
                case Gather(execution, blobs, _):
                    everywhere = set().union(*self.stores.values())
                    here = tuple(n for n, d in blobs if d in everywhere)
                    self.stores[""] |= {d for _, d in blobs if d in everywhere}
                    gone = tuple(n for n, d in blobs if d not in everywhere)
                    self.inbox.append(GoalsGathered(execution, here, gone))
                case Finish():
                    assert command.execution not in self.finished
                    self.finished[command.execution] = command
                case Publish(event):
                    self.events.append(event)
                case PublishPage(page):
                    self.events += page.events()
                case Later(_, token):
                    self.inbox.append(Due(token))

    def check_fragment(self, fragment: Fragment) -> None:
        inside: set[NodeId] = set()
        for name, node in fragment.nodes:
            for needed in node.inputs if isinstance(node, Apply) else ():
                assert needed in inside or needed in fragment.known, "a fragment has all it needs"
            inside.add(name)
        assert not inside & fragment.known.keys()
        assert len(inside) == len(fragment.nodes) <= 4000

    def below(self, outcomes) -> dict[NodeId, Known]:
        lost = [o.input for o in outcomes if isinstance(o, Lost)]
        found = {}
        for plan in self.plans.values():
            for name in lost:
                for needed in plan.inputs(name) if name in plan.nodes else ():
                    if self.random.random() < 0.5 and isinstance(plan.nodes[needed], Apply):
                        found[needed] = Known(digest_of_node(needed), 8)
        return found

    def run(self, fragment: Fragment, worker: str) -> None:
        if self.random.random() < self.trouble / 2:
            self.inbox.append(FragmentBroken(fragment.name, worker, "the wire broke"))
            return
        store, outcomes, digests = self.stores[worker], [], dict(fragment.known)
        everywhere = set().union(*self.stores.values())
        for name, node in fragment.nodes:
            if isinstance(node, Constant):
                digests[name] = digest_of_node(name)
                outcomes.append(Done(name, digests[name], 8, How.COMPUTED, 0, None))
                continue
            assert isinstance(node, Apply)
            if any(i not in digests for i in node.inputs):
                continue
            lost = next(
                (i for i in node.inputs if i in fragment.known and digests[i] not in everywhere), None
            )
            if lost is not None:
                outcomes.append(Lost(name, lost))
            elif name in self.poison:
                self.runs[name] = self.runs.get(name, 0) + 1
                outcomes.append(Failed(name, "E0400", "poison", "", self.random.random() < 0.5))
            elif self.random.random() < self.trouble / 4:
                outcomes.append(Failed(name, "E0411", "no memory", "", True))
            else:
                self.runs[name] = self.runs.get(name, 0) + 1
                digests[name] = digest_of_node(name)
                store.add(digests[name])
                how = self.random.choice((How.COMPUTED, How.REUSED)) if fragment.reads else How.COMPUTED
                outcomes.append(Done(name, digests[name], 8, how, 1, None))
                everywhere.add(digests[name])
        self.inbox.append(FragmentReported(Report(fragment.name, tuple(outcomes)), worker))

    # What must be true at the end

    def check_end(self, execution: str) -> Finish:
        finish, plan = self.finished[execution], self.plans[execution]
        counts = finish.nodes.to_json()
        assert counts.pop("total") == sum(counts.values()) == len(plan), counts
        assert min(counts.values()) >= 0
        published = [e for e in self.events if e.execution == execution]
        assert isinstance(published[-1], ExecutionFinished)
        for goal in finish.goals:
            assert goal.state != "running"
            if goal.state == "succeeded":
                wanted = goal.file if goal.file is not None else goal.digest
                assert wanted in self.stores[""], "a goal's blob is here"
        assert all(e.node in plan.nodes for e in published if isinstance(e, NodeDone))
        return finish


def hash_of(text: str) -> int:
    return int.from_bytes(Digest.of(text.encode()).sha256[:4], "big")
