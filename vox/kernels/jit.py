"""The door to numba: one set of options, the array types of signatures, and a few instructions.

Every compiled function has one written signature, so it is compiled once, when its module is first imported,
and then read from the cache. Inputs are typed read-only: numba accepts writeable arrays for them too, and
arrays that come out of the store are read-only.
"""

from __future__ import annotations

from typing import Any, Final

from numba import njit, types
from numba.extending import intrinsic

OPTIONS: Final[dict[str, Any]] = {
    "nogil": True,
    "cache": True,
    "boundscheck": False,
    "error_model": "numpy",
}

__all__ = [
    "OPTIONS",
    "add_saturating",
    "array",
    "larger",
    "njit",
    "ones",
    "smaller",
    "trailing_zeros",
    "types",
    "view",
]


def array(dtype: Any, dimension: int) -> Any:
    """Return the type of an array that a kernel writes."""
    return types.Array(dtype, dimension, "C")


def view(dtype: Any, dimension: int) -> Any:
    """Return the type of an array that a kernel only reads."""
    return types.Array(dtype, dimension, "C", readonly=True)


@intrinsic
def trailing_zeros(_context: Any, _word: Any) -> Any:
    """Return the index of the lowest set bit of a word that is not zero."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), emit


@intrinsic
def ones(_context: Any, _word: Any) -> Any:
    """Return how many bits of a word are set."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), emit


def _binary(name: str) -> Any:
    """Return one of LLVM's instructions on two unsigned integers of one type."""

    @intrinsic
    def instruction(_context: Any, first: Any, second: Any) -> Any:
        def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            from llvmlite import ir

            kind = arguments[0].type
            function = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind, kind]))
            return builder.call(function, arguments)

        return first(first, first), emit

    return instruction


# A sum that stops at the type's largest number; the smaller and the larger of two.
add_saturating = _binary("llvm.uadd.sat")
smaller = _binary("llvm.umin")
larger = _binary("llvm.umax")
