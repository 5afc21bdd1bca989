"""Inputs: from the path in a `load` to the blob of what the file holds.

A file is decoded once. What came out is remembered with the file's size, times and inode, so that the next
submission only asks for its status; a path is never believed, and never part of any name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vox.clock import Clock, SystemClock
from vox.digest import Digest
from vox.encoding import EncodingError, decode, encode
from vox.errors import InputError, Span
from vox.operators.values import Geometry, SourceInfo

if TYPE_CHECKING:
    from vox.operators.codec import Buffer
    from vox.store.contract import Store

# Raise with whatever changes what decoding a file gives: older facts are then decoded again.
_FACT_VERSION = 1
# File times tick every few milliseconds: what was changed this recently could change again unseen.
_RACY_S = 0.1


@dataclass(frozen=True)
class Input:
    """A resolved input: the file, its status when it was decoded, what it holds."""

    path: Path
    info: SourceInfo


class Sources:
    """Resolves the inputs of programs.

    Parameters
    ----------
    folders
        Where relative paths are looked for, in order: the program's folder, the working folder, `--data`.
    facts
        Where decoded files are remembered; None remembers nothing.
    """

    def __init__(self, folders: Sequence[Path], facts: Store | None, clock: Clock | None = None) -> None:
        self.folders = folders
        self.facts = facts
        self.clock = clock or SystemClock()
        self._parts: dict[Digest, Sequence[Buffer]] = {}
        self._paths: dict[Digest, Path] = {}

    def resolve(self, text: str, span: Span | None = None) -> Input:
        """Return what the file named `text` holds.

        Raises
        ------
        InputError
            E0301 not there, E0302 a directory, E0303 not readable, E0304 of no known kind, E0305 changing.
        """
        path = self.find(text, span)
        before = _status(path, span)
        key = f"source:{path}"
        known = self._recall(key, before)
        if known is None:
            known = self._decode(path, before, span)
            changed = max(before.st_mtime, before.st_ctime)
            if self.facts is not None and self.clock.now() - changed > _RACY_S:
                self.facts.remember(key, _fact(before, known))
        self._paths[known.digest] = path
        return Input(path, known)

    def find(self, text: str, span: Span | None = None) -> Path:
        """Return the absolute path, links followed, of the first file of that name; InputError if none is."""
        given = Path(text).expanduser()
        tried = [given] if given.is_absolute() else [folder / given for folder in self.folders]
        for candidate in tried:
            if candidate.exists():
                return candidate.resolve()
        # A link whose end is missing is a file of git-annex or DataLad that was not fetched.
        dangling = next((path for path in tried if path.is_symlink()), None)
        if dangling is not None:
            raise InputError(
                f"`{text}` is a link to a file that is not here",
                hint="get its content first (for example `datalad get` or `git annex get`)",
                span=span,
            )
        places = ", ".join(dict.fromkeys(str(path.parent) for path in tried))
        raise InputError(f"no file `{text}`", hint=f"looked in {places}; see --data DIR", span=span)

    def parts(self, digest: Digest) -> Sequence[Buffer]:
        """Return the blob of a resolved input; reads the file again if it was only remembered."""
        if digest not in self._parts:
            path = self._paths[digest]
            found = self._decode(path, _status(path, None), None)
            if found.digest != digest:
                raise _changing(path, None)
        return self._parts[digest]

    def forget_parts(self) -> None:
        """Let go of decoded voxels: they are where they are needed."""
        self._parts.clear()

    def _recall(self, key: str, status: os.stat_result) -> SourceInfo | None:
        if self.facts is None:
            return None
        raw = self.facts.recall([key]).get(key)
        return None if raw is None else _read_fact(raw, status)

    def _decode(self, path: Path, before: os.stat_result, span: Span | None) -> SourceInfo:
        from vox.operators.codec import digest_of, encode_value
        from vox.operators.files import read_image

        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise _unreadable(path, error, span) from error
        try:
            image = read_image(path)
        except InputError as error:
            raise InputError(error.message, hint=error.hint, code=error.code, span=span) from error
        if _stamp(_status(path, span)) != _stamp(before):
            raise _changing(path, span)
        parts = encode_value(image)
        digest = digest_of(parts)
        self._parts[digest] = parts
        self._paths[digest] = path
        return SourceInfo(digest, image.geometry, image.components, image.voxels.dtype.name)


def to_json(info: SourceInfo) -> dict[str, Any]:
    """Return a source as the HTTP API takes it."""
    geometry = info.geometry
    return {
        "digest": str(info.digest),
        "geometry": {
            "size": list(geometry.size),
            "spacing": list(geometry.spacing),
            "origin": list(geometry.origin),
            "direction": list(geometry.direction),
        },
        "components": info.components,
        "dtype": info.dtype,
    }


def _status(path: Path, span: Span | None) -> os.stat_result:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error, span) from error
    if path.is_dir():
        raise InputError(
            f"{path} is a directory, an image file is needed",
            hint="name one file; a DICOM series is converted to NIfTI first",
            code="E0302",
            span=span,
        )
    return status


def _unreadable(path: Path, error: OSError, span: Span | None) -> InputError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return InputError(f"cannot read {path}: {reason}", hint="check its rights", code="E0303", span=span)
    return InputError(f"cannot read {path}: {reason}", hint="check the disk", code="E0303", span=span)


def _changing(path: Path, span: Span | None) -> InputError:
    return InputError(
        f"{path} changed while it was read",
        hint="wait until it is written, then submit again",
        code="E0305",
        span=span,
    )


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]


def _fact(status: os.stat_result, info: SourceInfo) -> bytes:
    geometry = info.geometry
    return encode(
        [
            _FACT_VERSION,
            _stamp(status),
            info.digest.sha256,
            [list(geometry.size), list(geometry.spacing), list(geometry.origin), list(geometry.direction)],
            info.components,
            info.dtype,
        ]
    )


def _read_fact(raw: bytes, status: os.stat_result) -> SourceInfo | None:
    try:
        term: Any = decode(raw)
        version, stamp, digest, geometry, components, dtype = term
        if version != _FACT_VERSION or stamp != _stamp(status):
            return None
        size, *lengths = geometry
        spacing, origin, direction = (tuple(float(value) for value in row) for row in lengths)
        place = Geometry(tuple(size), spacing, origin, direction)
        return SourceInfo(Digest(digest), place, int(components), str(dtype))
    except (EncodingError, ValueError, TypeError):
        # A damaged fact costs a decoding, no more.
        return None


def folders_for(program: Path | None, data: Sequence[Path]) -> list[Path]:
    """Return where inputs are looked for: the program's folder, the working folder, `--data`."""
    first = [] if program is None else [program.resolve().parent]
    return [*first, Path.cwd(), *(folder.resolve() for folder in data)]
