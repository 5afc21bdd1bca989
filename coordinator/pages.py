"""Pages: the events of many nodes at once, as they come from one fragment.

A fragment of two thousand sums starts and ends in a moment; making, writing and keeping an event for each of
its nodes would cost more than the nodes. A page holds what they share once and is told apart only for who
looks. To the journal it is one JSON object with columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, TypeAlias

from vox.digest import Digest, NodeId
from vox.events import Event, NodeDone, NodeStarted, from_json, to_json
from vox.fragment import How

_NAME_HEX = 64


class NodesStarted:
    """A worker holds these nodes."""

    kind: ClassVar[str] = "nodes-started"
    __slots__ = ("at_s", "execution", "nodes", "operators", "worker")

    def __init__(self, execution: str, worker: str) -> None:
        self.execution = execution
        self.worker = worker
        # Since the execution began; set when the page is published.
        self.at_s = 0.0
        self.nodes: list[NodeId] = []
        self.operators: list[str] = []

    def __len__(self) -> int:
        return len(self.nodes)

    def add(self, node: NodeId, operator: str) -> None:
        """Add a node."""
        self.nodes.append(node)
        self.operators.append(operator)

    def events(self) -> Iterator[Event]:
        """Tell the events apart."""
        for node, operator in zip(self.nodes, self.operators, strict=True):
            yield NodeStarted(self.execution, node, operator, self.worker)

    def to_document(self) -> dict[str, Any]:
        """Return the journal's form."""
        return {
            "kind": self.kind,
            "execution": self.execution,
            "worker": self.worker,
            "at_s": round(self.at_s, 6),
            "nodes": b"".join([node.sha256 for node in self.nodes]).hex(),
            "operators": _runs(self.operators),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> NodesStarted:
        """Read `to_document`'s form."""
        page = cls(document["execution"], document["worker"])
        page.at_s = document.get("at_s", 0.0)
        page.nodes = [NodeId(name) for name in _names(document["nodes"])]
        page.operators = _unrun(document["operators"])
        return page


class NodesDone:
    """These nodes have results."""

    kind: ClassVar[str] = "nodes-done"
    __slots__ = ("at_s", "digests", "execution", "hows", "nodes", "operators", "sizes", "walls_ms", "worker")

    def __init__(self, execution: str, worker: str) -> None:
        self.execution = execution
        self.worker = worker
        self.at_s = 0.0
        self.nodes: list[NodeId] = []
        self.operators: list[str] = []
        self.digests: list[Digest] = []
        self.sizes: list[int] = []
        self.hows: list[How] = []
        self.walls_ms: list[int] = []

    def __len__(self) -> int:
        return len(self.nodes)

    def add(self, node: NodeId, operator: str, digest: Digest, size: int, how: How, wall_ms: int) -> None:
        """Add a node."""
        self.nodes.append(node)
        self.operators.append(operator)
        self.digests.append(digest)
        self.sizes.append(size)
        self.hows.append(how)
        self.walls_ms.append(wall_ms)

    def events(self) -> Iterator[Event]:
        """Tell the events apart."""
        columns = (self.nodes, self.operators, self.digests, self.sizes, self.hows, self.walls_ms)
        for node, operator, digest, size, how, wall_ms in zip(*columns, strict=True):
            yield NodeDone(self.execution, node, operator, digest, size, how, self.worker, wall_ms)

    def to_document(self) -> dict[str, Any]:
        """Return the journal's form."""
        return {
            "kind": self.kind,
            "execution": self.execution,
            "worker": self.worker,
            "at_s": round(self.at_s, 6),
            "nodes": b"".join([node.sha256 for node in self.nodes]).hex(),
            "digests": b"".join([digest.sha256 for digest in self.digests]).hex(),
            "operators": _runs(self.operators),
            "sizes": _runs(self.sizes),
            "hows": _runs(self.hows),
            "walls_ms": _runs(self.walls_ms),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> NodesDone:
        """Read `to_document`'s form."""
        page = cls(document["execution"], document["worker"])
        page.at_s = document.get("at_s", 0.0)
        page.nodes = [NodeId(name) for name in _names(document["nodes"])]
        page.digests = [Digest(name) for name in _names(document["digests"])]
        page.operators = _unrun(document["operators"])
        page.sizes = _unrun(document["sizes"])
        page.hows = [How(how) for how in _unrun(document["hows"])]
        page.walls_ms = _unrun(document["walls_ms"])
        return page


Page: TypeAlias = NodesStarted | NodesDone
_PAGES: dict[str, type[NodesStarted] | type[NodesDone]] = {p.kind: p for p in (NodesStarted, NodesDone)}


def count_of(item: Event | Page) -> int:
    """Return how many events an item of the journal is."""
    return len(item) if isinstance(item, NodesStarted | NodesDone) else 1


def events_of(items: Iterable[Event | Page]) -> Iterator[Event]:
    """Tell the events of items apart, in order."""
    for item in items:
        if isinstance(item, NodesStarted | NodesDone):
            yield from item.events()
        else:
            yield item


def to_document(item: Event | Page) -> dict[str, Any]:
    """Return the journal's form of an item."""
    return item.to_document() if isinstance(item, NodesStarted | NodesDone) else to_json(item)


def from_document(document: dict[str, Any]) -> Event | Page:
    """Read `to_document`'s form."""
    page = _PAGES.get(document["kind"])
    return from_json(document) if page is None else page.from_document(document)


def _names(text: str) -> Iterator[bytes]:
    for at in range(0, len(text), _NAME_HEX):
        yield bytes.fromhex(text[at : at + _NAME_HEX])


def _runs(column: Sequence[Any]) -> list[Any]:
    """Return a column as itself, or as [[value], count] when it is one value throughout."""
    if column and column.count(column[0]) == len(column):
        return [[column[0]], len(column)]
    return list(column)


def _unrun(column: list[Any]) -> list[Any]:
    if column and isinstance(column[0], list):
        return column[0] * int(column[1])
    return column
