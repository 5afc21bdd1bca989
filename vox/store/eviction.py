"""What goes first when a store is full, and what never goes: pure functions over what is held.

GDSF (greedy dual size frequency): a blob is worth `clock + hits × cost / bytes`, where the clock is the worth
of the last one that went when this was last asked for. Cheap, large, seldom used and long forgotten blobs go
first.

A blob may go only if it can be computed again: some claim says how, and each of its inputs is here, can
itself be computed again, or was never here (a constant of a program, or a value of a peer). That what may go
goes changes nothing about what else may: it can be computed again, so what stands on it can too.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vox.digest import Digest

# A full store frees a tenth at once: choosing reads the whole index.
HEADROOM = 0.1
# More than a twentieth of what is computed had been thrown away before: the quota is too small for the work.
RECOMPUTE_RATIO_MAX = 0.05
RECOMPUTE_MS_MIN = 1000.0
# What a look-up, a kernel's call and a commit cost beside the kernel itself.
OVERHEAD_MS = 0.1


@dataclass(frozen=True, slots=True)
class Held:
    """A blob that is held: what it takes, and how often and when (by the clock) it was asked for."""

    digest: Digest
    stored_bytes: int
    hits: int = 1
    clock: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to compute a blob again."""

    inputs: tuple[Digest, ...]
    cost_ms: float


Recipes = Mapping[Digest, Sequence[Recipe]]


def worth(held: Held, recipes: Recipes) -> float:
    """Return the clock at which a blob goes."""
    cost_ms = min((recipe.cost_ms for recipe in recipes.get(held.digest, ())), default=0.0) + OVERHEAD_MS
    return held.clock + held.hits * cost_ms / max(1, held.stored_bytes)


def recomputable(here: Collection[Digest], gone: Collection[Digest], recipes: Recipes) -> set[Digest]:
    """Return what can be computed again from what was never here, or is here and stays.

    What is here and cannot be computed stays. `gone` are blobs that were here once. A claim whose result is
    its own input, such as of an operator that changes nothing, explains nothing.
    """
    sound = {d: [way for way in ways if d not in way.inputs] for d, ways in recipes.items()}
    recipes = {digest: ways for digest, ways in sound.items() if ways}
    reach = _Reach(gone, recipes)
    reach.found(digest for digest in here if digest not in recipes)
    stays: set[Digest] = set()
    while left := [d for d in here if d in recipes and d not in reach.founded]:
        # No claim brings these back; where claims only explain each other in a circle, one has to stay.
        known = {*here, *reach.founded}
        hopeless = [d for d in left if not any(known.issuperset(way.inputs) for way in recipes[d])]
        new = hopeless or [min(left)]
        stays.update(new)
        reach.found(new)
    return {digest for digest in reach.founded if digest in recipes} - stays


class _Reach:
    """What can be had, growing."""

    def __init__(self, gone: Collection[Digest], recipes: Recipes) -> None:
        self.founded: set[Digest] = set()
        self._users: dict[Digest, list[tuple[Digest, Recipe]]] = {}
        inputs: dict[Digest, None] = {}
        ready = []
        for output, ways in recipes.items():
            for recipe in ways:
                inputs.update(dict.fromkeys(recipe.inputs))
                if not recipe.inputs:
                    ready.append(output)
                for name in recipe.inputs:
                    self._users.setdefault(name, []).append((output, recipe))
        self.found(ready)
        self.found(name for name in inputs if name not in recipes and name not in gone)

    def found(self, digests: Iterable[Digest]) -> None:
        todo = list(digests)
        while todo:
            digest = todo.pop()
            if digest not in self.founded:
                self.founded.add(digest)
                users = self._users.get(digest, ())
                todo += [output for output, way in users if self.founded.issuperset(way.inputs)]


@dataclass(frozen=True, slots=True)
class Choice:
    """What goes, what that frees, and the clock afterwards."""

    victims: tuple[Held, ...]
    freed_bytes: int
    clock: float


def choose(
    held: Iterable[Held], recipes: Recipes, may_go: Collection[Digest], bytes_wanted: int, clock: float
) -> Choice:
    """Choose blobs of at least `bytes_wanted` in all, or all that may go, the least worth first."""
    order = [(worth(item, recipes), item.digest, item) for item in held if item.digest in may_go]
    heapq.heapify(order)
    victims, freed = [], 0
    while order and freed < bytes_wanted:
        value, _, item = heapq.heappop(order)
        victims.append(item)
        freed += item.stored_bytes
        clock = max(clock, value)
    return Choice(tuple(victims), freed, clock)


def admits(candidate: Held, cost_ms: float, choice: Choice, recipes: Recipes) -> bool:
    """Tell whether a blob is worth more than everything that would have to go for it.

    Otherwise the two would chase each other: each computed again because the other had thrown it out.
    """
    lost = sum(max(0.0, worth(item, recipes) - item.clock) * item.stored_bytes for item in choice.victims)
    return candidate.hits * (cost_ms + OVERHEAD_MS) >= lost


def alarming(recomputed_ms: float, computed_ms: float) -> bool:
    """Tell whether too much is computed only because it was thrown away."""
    return recomputed_ms >= RECOMPUTE_MS_MIN and recomputed_ms > RECOMPUTE_RATIO_MAX * computed_ms
