"""Who is called what, and where.

All declarations of a program and its imports stand in one row and are numbered. A declaration sees what has a
lower number than itself, so there is no recursion and no forward reference, and a later declaration of the
same name changes nothing for what stands before it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from vox.imgql.source import SourceText
from vox.imgql.syntax import Expression


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """A name's meaning: an expression with formals, or a node that is there already (a loaded image)."""

    number: int
    name: str
    formals: tuple[str, ...]
    value: Expression | None
    node: int
    source: SourceText
    library: bool
    at: int


class Scope:
    """All declarations, found by name and number."""

    def __init__(self) -> None:
        self.count = 0
        self._numbers: dict[str, list[int]] = {}
        self._declarations: dict[str, list[Declaration]] = {}

    def declare(
        self,
        name: str,
        source: SourceText,
        at: int,
        *,
        formals: tuple[str, ...] = (),
        value: Expression | None = None,
        node: int = -1,
        library: bool = False,
    ) -> None:
        """Add a declaration after all others."""
        declaration = Declaration(self.count, name, formals, value, node, source, library, at)
        self._numbers.setdefault(name, []).append(self.count)
        self._declarations.setdefault(name, []).append(declaration)
        self.count += 1

    def find(self, name: str, before: int) -> Declaration | None:
        """Return the last declaration of a name whose number is lower than `before`."""
        numbers = self._numbers.get(name)
        if numbers is None:
            return None
        index = bisect_left(numbers, before)
        return self._declarations[name][index - 1] if index else None

    def names(self, before: int) -> Iterator[str]:
        """Yield the names that are known there."""
        return (name for name, numbers in self._numbers.items() if numbers[0] < before)

    def first_after(self, name: str, number: int) -> Declaration | None:
        """Return the declaration of a name that comes too late for a place, if there is one."""
        numbers = self._numbers.get(name, [])
        index = bisect_left(numbers, number)
        return self._declarations[name][index] if index < len(numbers) else None


# Shared, never written to: most declarations of a large program have no formals.
_NONE: dict[str, int] = {}


class Environment:
    """Where an expression is evaluated: what it may see, its arguments, and who called for it.

    `site` is where the last file that is not the library's asked: what people should look at.
    """

    __slots__ = ("arguments", "before", "declaration", "parent", "site", "source", "used")

    def __init__(
        self,
        source: SourceText,
        before: int,
        declaration: Declaration | None = None,
        arguments: dict[str, int] | None = None,
        parent: Environment | None = None,
        used: tuple[int, int] = (0, 0),
    ) -> None:
        self.source = source
        self.before = before
        self.declaration = declaration
        self.arguments = _NONE if arguments is None else arguments
        self.parent = parent
        self.used = used
        self.site: tuple[SourceText, int, int] | None = None
        if declaration is not None and declaration.library and parent is not None:
            self.site = parent.site or (parent.source, *used)
