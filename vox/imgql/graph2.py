"""The plan while a V2 program is reduced: what is known of nodes before anything runs.

Three things are known of some nodes. The *value* of scalars that depend on constants alone: it chooses
branches and elements, while the node itself stays what it is. The *elements* of sequences: they are nodes.
And the *place* of images: `border`, `x` or `constant(3)` stand at a hole until they meet an image that lies
somewhere; then all that was made of them is made again at that place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vox.errors import VoxError
from vox.imgql.graph import Graph, Place
from vox.operators.catalogue import CATALOGUE
from vox.operators.registry import Operator
from vox.operators.values import Geometry
from vox.plan import Constant, Parameters, Type

IMAGES = (Type.MASK, Type.IMAGE, Type.MODEL)
SCALARS = (Type.NUMBER, Type.BOOLEAN, Type.STRING)
GUARDED: Parameters = (("guarded", True),)
Scalar = bool | int | float | str


class Misplaced(Exception):
    """Images of different geometry are combined."""

    def __init__(self, first: Geometry, second: Geometry) -> None:
        self.first = first
        self.second = second


class Graph2(Graph):
    """Hash-consed nodes, with values, elements and places."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[int, Scalar] = {}
        self.elements: dict[int, tuple[int, ...]] = {}
        self.flags: dict[int, tuple[int, ...]] = {}
        # What the elements of a computed sequence are, where one can say.
        self.item_types: dict[int, Type] = {}
        # Of images: the node of their geometry, which is `hole` while they have none.
        self.where: dict[int, int] = {}
        self.sizes: dict[int, Geometry] = {}
        # Of `x`, `y` and `z` where the size is known: the largest index, so that loops can go up to it.
        self.last: dict[int, float] = {}
        # Nodes that depend on the hole, with what they were made of.
        self.open: dict[int, tuple[Operator, tuple[int, ...], Parameters]] = {}
        self._closed: dict[tuple[int, int], int] = {}
        self.hole = self._keep(("hole",), lambda: Constant("no geometry yet"), Type.GEOMETRY, _NOWHERE)

    def scalar(self, value: Scalar, place: Place) -> int:
        """Return the node of a constant; whole numbers of `range` and the like stay whole."""
        if type(value) is int:
            node = self._keep((int, value), lambda: Constant(value), Type.NUMBER, place)
        else:
            node = self.constant(value, place)
            if isinstance(value, float):
                value += 0.0
        self.values[node] = value
        return node

    def located(self, node: int, geometry: Geometry | None, place: Place) -> int:
        """Say where an input lies; return the node of its geometry."""
        if node not in self.where:
            self.where[node] = super().apply(CATALOGUE.named("geometry"), (node,), place)
            if geometry is not None:
                self.sizes[self.where[node]] = geometry
        return self.where[node]

    def row(self, elements: Sequence[int], place: Place, flags: Sequence[int] = ()) -> int:
        """Return the node of a sequence of nodes; with `flags`, of those whose flag is true."""
        if flags:
            keep = [self.values.get(flag) for flag in flags]
            if None not in keep:
                elements, flags = [e for e, k in zip(elements, keep, strict=True) if k], ()
        node = self.make("sequence", (*flags, *elements), place, GUARDED if flags else ())
        self.elements[node] = tuple(elements)
        if flags:
            self.flags[node] = tuple(flags)
        return node

    def make(
        self,
        name: str | Operator,
        inputs: Sequence[int],
        place: Place,
        parameters: Parameters = (),
        output: Type | None = None,
    ) -> int:
        """Return the node of an operator, at the place of the images it is applied to.

        Raises
        ------
        Misplaced
            If they have different geometries.
        """
        operator = CATALOGUE.named(name) if isinstance(name, str) else name
        if not self.open and not self.where and self.hole not in inputs:
            node = self.apply(operator, inputs, place, parameters)
            self._fold(node, operator, inputs, parameters)
            self._typed(node, output)
            return node
        together = operator.name not in _APART and not operator.moves
        found = self._place(inputs) if together else None
        if found is not None and self.open:
            inputs = [self.close(each, found, place) for each in inputs]
        is_open = any(each in self.open or each == self.hole for each in inputs)
        node = self.apply(operator, inputs, place, parameters)
        if is_open:
            self.open[node] = (operator, tuple(inputs), parameters)
        self._typed(node, output)
        if operator.name in _AXES and inputs[0] in self.sizes:
            size = (*self.sizes[inputs[0]].size, 1)
            self.last[node] = size[_AXES[operator.name]] - 1.0
        self._fold(node, operator, inputs, parameters)
        if self.types[node] in (*IMAGES, Type.ANY) and node not in self.where:
            given = next((each for each in inputs if self.types[each] is Type.GEOMETRY), found)
            if given is not None:
                self.where[node] = given
            elif is_open:
                self.where[node] = self.hole
            elif self.types[node] is not Type.ANY:
                self.where[node] = super().apply(CATALOGUE.named("geometry"), (node,), place)
        return node

    def close(self, node: int, geometry: int, place: Place) -> int:
        """Return what a node becomes when the hole is this geometry."""
        todo = [node]
        while todo:
            top = todo[-1]
            if self._now(top, geometry) is not None:
                todo.pop()
                continue
            operator, inputs, parameters = self.open[top]
            waiting = [each for each in inputs if self._now(each, geometry) is None]
            if waiting:
                todo += waiting
                continue
            todo.pop()
            changed = [self._now(each, geometry) for each in inputs]
            made = self.make(operator, [each for each in changed if each is not None], place, parameters)
            self._closed[top, geometry] = made
            self.types[made] = self.types[top]
            if top in self.elements:
                self.elements[made] = tuple(self.close(each, geometry, place) for each in self.elements[top])
                if top in self.flags:
                    self.flags[made] = tuple(self.close(each, geometry, place) for each in self.flags[top])
        found = self._now(node, geometry)
        assert found is not None
        return found

    def at_home(self, node: int) -> int:
        """Return what a node becomes where all images of the program so far lie, if they have one size."""
        if node not in self.open or len(set(self.sizes.values())) != 1:
            return node
        before = len(self.nodes)
        closed = self.close(node, next(iter(self.sizes)), _NOWHERE)
        for made in range(before, len(self.nodes)):
            self.origins[made] = self.origins[node]
        return closed

    def places(self, nodes: Iterable[int]) -> list[int]:
        """Return the geometries where these nodes lie, each once; sequences are looked into."""
        found: dict[object, int] = {}
        todo = list(nodes)[::-1]
        while todo:
            node = todo.pop()
            if node in self.elements:
                todo.extend(reversed(self.elements[node][:16]))
                continue
            geometry = self.where.get(node, self.hole)
            if geometry != self.hole:
                found.setdefault(self.sizes.get(geometry, geometry), geometry)
        return list(found.values())

    def _now(self, node: int, geometry: int) -> int | None:
        if node == self.hole:
            return geometry
        return self._closed.get((node, geometry)) if node in self.open else node

    def _place(self, inputs: Sequence[int]) -> int | None:
        """Return the geometry of the first placed image; all others must fit it."""
        first: int | None = None
        for each in inputs:
            geometry = self.where.get(each, self.hole)
            if geometry == self.hole or geometry == first:
                continue
            if first is None:
                first = geometry
                continue
            mine, theirs = self.sizes.get(first), self.sizes.get(geometry)
            if mine is not None and theirs is not None and not mine.same_place(theirs):
                raise Misplaced(mine, theirs)
        return first

    def _typed(self, node: int, output: Type | None) -> None:
        if output is not None:
            self.types[node] = output

    def _fold(self, node: int, operator: Operator, inputs: Sequence[int], parameters: Parameters) -> None:
        """Work out a scalar of constants with the operator's own kernel; an error is left to the run."""
        if operator.name == "max" and inputs[0] in self.last:
            self.values[node] = self.last[inputs[0]]
        if operator.cost != "scalar" or node in self.values or operator.output not in (*SCALARS, Type.ANY):
            return
        known = self.values
        if not inputs or not all(each in known for each in inputs):
            return
        try:
            value = operator.load()(*(known[each] for each in inputs), **dict(parameters))
        except VoxError:
            return
        if isinstance(value, bool | int | float | str):
            self.values[node] = value
            if operator.output is Type.ANY:
                kinds = {bool: Type.BOOLEAN, str: Type.STRING}
                self.types[node] = kinds.get(type(value), Type.NUMBER)


def _nowhere() -> Place:
    from vox.imgql.source import SourceText

    return (SourceText("<nowhere>", ""), 0, 0)


_NOWHERE = _nowhere()
# Rows may hold images of different places; a choice among images has the place of the first.
_APART = ("sequence",)
_AXES = {"x": 0, "y": 1, "z": 2}
