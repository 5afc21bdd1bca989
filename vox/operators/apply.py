"""Applying an operator to values: the one place where kernels are called and their failures get words."""

from __future__ import annotations

from collections.abc import Sequence

from vox.encoding import Term
from vox.errors import OperatorError, VoxError
from vox.operators.codec import canonical
from vox.operators.registry import Operator, Registry
from vox.operators.values import Value


class KernelMemoryError(OperatorError):
    """A kernel asked for more memory than there is; elsewhere or later there may be more."""

    code = "E0411"
    retryable = True


def find(identity: str, catalogue: Registry) -> Operator:
    """Return an operator by `name@version`.

    Raises
    ------
    OperatorError
        E0410, if this installation does not have it.
    """
    try:
        return catalogue.of(identity)
    except KeyError:
        raise OperatorError(
            f"this installation has no operator {identity}",
            operator=identity,
            hint="all machines of a cluster need the same version of vox",
            code="E0410",
        ) from None


def apply(operator: Operator, inputs: Sequence[Value], parameters: Sequence[tuple[str, Term]]) -> Value:
    """Run an operator's kernel; the value means the same as what comes back from its blob.

    Raises
    ------
    OperatorError
        The kernel's own, or one with code E0411 (memory) or E0499 (a mistake of ours).
    """
    try:
        return canonical(operator.load()(*inputs, **dict(parameters)))
    except VoxError:
        raise
    except MemoryError:
        raise KernelMemoryError(
            "there is not enough memory",
            operator=operator.identity,
            hint="run fewer things at once, or use a machine with more memory",
        ) from None
    except Exception as error:
        said = (str(error).splitlines() or [""])[0]
        raise OperatorError(
            f"internal error: {type(error).__name__}: {said}"[:500],
            operator=operator.identity,
            hint="please report this, with the program and its inputs if you can share them",
            code="E0499",
        ) from error
