"""Where V2 keeps its names: which namespaces there are, and what of them this installation can run.

All of them can be used as they are: an import only says where to look first. A function of another namespace
than `default` and `vox1` is the operator of the catalogue that is called `namespace.function`: a row there is
all it takes. The names below are known to have no kernel yet, so that the checker can tell them from mistyped
ones.
"""

from __future__ import annotations

from functools import cache

from vox.operators import sitk_signatures
from vox.operators.catalogue import CATALOGUE
from vox.operators.registry import Operator

ALWAYS = ("default", "vox1")
NAMESPACES = (*ALWAYS, "simpleitk", "arrays", "strings", "geom", "nnunet", "test")
# Namespaces that need more than the package itself: what to install.
EXTRAS = {"nnunet": "torch and nnunetv2"}

_PLANNED = {
    "default": "combine keep dask_map contralateral_asymmetry",
    "vox1": "slic label_mean",
    "nnunet": "train make_predictor predict env_check",
    "test": "impure demo_data enqueue enqueue_advanced workflow_controller",
}
PLANNED = {space: frozenset(names.split()) for space, names in _PLANNED.items()}
PLANNED["simpleitk"] = sitk_signatures.UNUSABLE


@cache
def members(namespace: str) -> frozenset[str]:
    """Return the names of a namespace that have operators."""
    head = f"{namespace}."
    return frozenset(o.name.removeprefix(head) for o in CATALOGUE if o.name.startswith(head))


def operator(namespace: str, name: str) -> Operator | None:
    """Return the operator behind a function of a namespace."""
    full = name if namespace in ALWAYS else f"{namespace}.{name}"
    if namespace in ALWAYS and "." in name:
        return None
    try:
        return CATALOGUE.named(full)
    except KeyError:
        return None


def planned(name: str) -> str | None:
    """Return the namespace that will have a function."""
    return next((space for space, names in PLANNED.items() if name in names), None)
