"""The list of operators: names, versions, signatures, where their kernels are.

Pure data: nothing of numpy or numba is imported until `Operator.load` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

from vox.plan import Type


@dataclass(frozen=True)
class Operator:
    """A pure function of values.

    Attributes
    ----------
    name, version
        Together the `identity` that is hashed. Whoever changes what the kernel returns raises the version.
    inputs, output
        The signature.
    kernel
        `module:function`; called as `function(*values, **parameters)`.
    commutative
        The reducer sorts the inputs, so that `a & b` and `b & a` are one node.
    determinism
        `exact`: bit-identical everywhere. `library`: bit-identical for one version of SimpleITK.
    cost
        `scalar` takes microseconds, `mask` and `image` move memory, `heavy` computes for long per voxel: what
        the scheduler assumes before it has measured.
    summary
        One line for `vox operators`.
    optional
        How many of the last inputs may be left out.
    variadic
        Whether the last input may stand any number of times, or not at all.
    masks
        Whether a mask is taken as it is where an image is asked for.
    moves
        Whether an image that comes out may lie elsewhere than those that go in.
    """

    name: str
    version: int
    inputs: tuple[Type, ...]
    output: Type
    kernel: str
    summary: str
    commutative: bool = False
    determinism: Literal["exact", "library"] = "exact"
    cost: Literal["scalar", "mask", "image", "heavy"] = "image"
    optional: int = 0
    variadic: bool = False
    masks: bool = False
    moves: bool = False

    @cached_property
    def identity(self) -> str:
        """`name@version`, as it stands in nodes and actions."""
        return f"{self.name}@{self.version}"

    def load(self) -> Callable[..., Any]:
        """Import the kernel."""
        module, _, function = self.kernel.partition(":")
        kernel: Callable[..., Any] = getattr(import_module(module), function)
        return kernel


class Registry:
    """Operators by identity and by name."""

    def __init__(self, operators: Iterable[Operator]) -> None:
        self._by_identity: dict[str, Operator] = {}
        self._by_name: dict[str, Operator] = {}
        for operator in operators:
            assert operator.name not in self._by_name, operator.name
            self._by_identity[operator.identity] = operator
            self._by_name[operator.name] = operator

    def __iter__(self) -> Any:
        return iter(self._by_identity.values())

    def named(self, name: str) -> Operator:
        """Return the current version of an operator.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self._by_name[name]

    def of(self, identity: str) -> Operator:
        """Return the operator of a node.

        Raises
        ------
        KeyError
            If this installation does not have that operator in that version.
        """
        return self._by_identity[identity]
