"""What is known of SimpleITK's functions without loading it: their signatures, and their operators."""

from __future__ import annotations

from typing import NamedTuple

from vox.operators.registry import Operator
from vox.operators.sitk_table import REFUSED, ROWS
from vox.plan import Type

NAMESPACE = "simpleitk."
_RESULTS = {"M": Type.MODEL, "N": Type.NUMBER, "S": Type.STRING, "Q": Type.SEQUENCE}
# Where a vector is wanted a number does, and what overloads do not agree on is for the run to see.
_TYPES = {"I": Type.MODEL, "n": Type.NUMBER, "i": Type.NUMBER, "e": Type.NUMBER, "s": Type.STRING}
_WORDS = {
    "I": "image",
    "n": "number",
    "i": "integer",
    "e": "enumeration",
    "b": "boolean",
    "s": "string",
    "U": "[integers]",
    "D": "[numbers]",
    "B": "[booleans]",
    "L": "[[integers]]",
    "V": "[images]",
    "P": "[[old, new]]",
}


class Signature(NamedTuple):
    """A row of the table."""

    same_place: bool
    result: str
    overloads: tuple[str, ...]


def _signatures() -> dict[str, Signature]:
    table = {}
    for line in ROWS.splitlines():
        name, kind, letters = line.split(" ")
        table[name] = Signature(kind[0] == "=", kind[1], tuple(letters.split(";")))
    return table


SIGNATURES = _signatures()
# Functions that no program can use: they touch the process, files or transforms.
UNUSABLE = frozenset(REFUSED.split())


def shown(name: str) -> str:
    """Return the signatures of a function for people."""
    texts = []
    for letters in SIGNATURES[name].overloads:
        required, _, optional = letters.partition("?")
        words = [_WORDS[each] for each in required] + [f"{_WORDS[each]}?" for each in optional]
        texts.append(f"({', '.join(words)})")
    return " or ".join(texts)


def operators() -> tuple[Operator, ...]:
    """Return the rows of the catalogue."""
    return tuple(_operator(name, signature) for name, signature in SIGNATURES.items())


def _operator(name: str, signature: Signature) -> Operator:
    every = [letters.replace("?", "") for letters in signature.overloads]
    longest = max(every, key=len)
    low = min(len(letters.partition("?")[0]) for letters in signature.overloads)
    inputs = []
    for at in range(len(longest)):
        kinds = {_TYPES.get(letters[at], Type.ANY) for letters in every if at < len(letters)}
        inputs.append(kinds.pop() if len(kinds) == 1 else Type.ANY)
    return Operator(
        NAMESPACE + name,
        1,
        tuple(inputs),
        _RESULTS[signature.result],
        f"vox.operators.sitk:itk_{name}",
        f"SimpleITK's {name}{shown(name)}"[:100],
        determinism="library",
        optional=len(longest) - low,
        masks=True,
        moves=not signature.same_place,
    )
