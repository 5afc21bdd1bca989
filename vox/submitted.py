"""What was submitted, as its author gave it: the texts, parameters and input names behind an execution.

Nothing of it is in any name; it is kept beside the execution, for `vox why`, `vox report` and provenance.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vox.digest import Digest
from vox.encoding import encode

Parameter = bool | int | float | str
# A fact of a store is small. Longer programs are not kept: what needs them then does without.
_KEPT_BYTES_MAX = 1 << 20
_READ_BYTES_MAX = 1 << 26


@dataclass(frozen=True)
class Submitted:
    """A program and what it was applied to.

    Attributes
    ----------
    filename
        The program's name, as its spans have it.
    texts
        Its files by the names that spans use, imports included, the library not.
    inputs
        Blobs by the paths in the program's loads.
    """

    filename: str
    texts: Mapping[str, str]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    inputs: Mapping[str, Digest] = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        """The name of the program's text: of its main file, and of the imported ones in any order."""
        main = self.texts.get(self.filename, "")
        others = sorted({text for name, text in self.texts.items() if name != self.filename})
        return Digest.of(encode(["vox.program.v1", main, list(others)]))

    def to_json(self) -> dict[str, Any]:
        """Return the form of the HTTP API."""
        return {
            "schema": 1,
            "filename": self.filename,
            "texts": dict(self.texts),
            "parameters": dict(self.parameters),
            "inputs": {path: str(digest) for path, digest in self.inputs.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Submitted:
        """Read `to_json`'s form; ValueError if it is not one."""
        try:
            inputs = {path: Digest.parse(text) for path, text in document["inputs"].items()}
            return cls(document["filename"], document["texts"], document["parameters"], inputs)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a submission: {error}") from error

    def to_bytes(self) -> bytes | None:
        """Return the form that stores keep; None when it is too long to be a small fact."""
        data = zlib.compress(json.dumps(self.to_json(), ensure_ascii=False).encode())
        return data if len(data) <= _KEPT_BYTES_MAX else None

    @classmethod
    def from_bytes(cls, data: bytes) -> Submitted:
        """Read `to_bytes`' form; ValueError if it is not one."""
        try:
            # Bounded: a few kilobytes can unfold to gigabytes.
            text = zlib.decompressobj().decompress(data, _READ_BYTES_MAX)
            return cls.from_json(json.loads(text))
        except zlib.error as error:
            raise ValueError(f"not a submission: {error}") from error


def key_of(execution: str) -> str:
    """Return the key under which stores keep the submission of an execution."""
    return f"submitted:{execution}"
