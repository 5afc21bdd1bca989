"""Whether an image file is all there.

The libraries that read NIfTI, JPEG, BMP and TIFF fill up what is missing with zeros or grey and say nothing,
or only on the terminal. A result computed from half an image is worse than none, so these are looked at
first. The other formats' readers notice by themselves.
"""

from __future__ import annotations

import gzip
import mmap
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from vox.errors import InputError
from vox.operators import nifti

_BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
# zlib's number for the largest window, and gzip's header and checksum around the stream.
_GZIP_BITS = 16 + 15
_AGAIN = "copy or download it again"
# A page of a TIFF has a dozen or two tags; a stack has as many pages as slices.
_TAGS_MAX, _PAGES_MAX = 4096, 1 << 20
_STRIPS = {273: "offset", 279: "length", 324: "offset", 325: "length"}
_INTEGERS = {3: "H", 4: "I", 16: "Q"}


def check(named: str) -> None:
    """Look at a file that exists.

    Raises
    ------
    InputError
        E0303 if it is cut short, or damaged in a way that its reader does not see.
    """
    lower = named.lower()
    if lower.endswith((".nii", ".nii.gz")):
        _check_nifti(named)
    elif lower.endswith((".jpg", ".jpeg", ".bmp", ".tif", ".tiff")):
        _check_picture(named)


def check_voxels(named: str, voxel_bytes: int) -> None:
    """Look, once it is known how many bytes the voxels take, at formats that keep them as they are.

    Raises
    ------
    InputError
        E0303 if the file is shorter than its voxels.
    """
    path = Path(named)
    ending = path.suffix.lower()
    if ending in (".hdr", ".img"):
        path = path.with_suffix(".img" if path.suffix.islower() else ".IMG")
    elif ending == ".vtk":
        with open(named, "rb") as file:
            if b"BINARY" not in file.read(1024):
                return
    elif ending != ".gipl":
        return
    if path.is_file() and path.stat().st_size < voxel_bytes:
        raise _damaged(
            named, f"is cut short: its voxels take {voxel_bytes} bytes, {path.stat().st_size} are there"
        )


def _check_nifti(named: str) -> None:
    """Read to the end: only there is the checksum of a compressed file."""
    try:
        with open(named, "rb") as file:
            compressed = named.lower().endswith(".gz") and file.peek(2)[:2] == _GZIP_MAGIC
            header, size = _unpacked(file) if compressed else _plain(named, file)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(named, "is damaged: it cannot be decompressed to its end") from error
    wanted = nifti.announced_bytes(header)
    if wanted is None:
        raise _damaged(named, "is not a NIfTI file")
    if not nifti.says_where(header):
        raise _damaged(named, "does not say where its voxels are: numbers are missing in its header")
    if size < wanted:
        raise _damaged(named, f"is cut short: {wanted} bytes are announced, {size} are there")


def nifti_bytes(named: str) -> bytes | None:
    """Return a NIfTI-1 file's bytes, inflated and with their checksum verified.

    None if it is anything else than one whole stream of about the length that its header announces.
    """
    from isal import isal_zlib

    try:
        raw = Path(named).read_bytes()
        if raw[:2] != _GZIP_MAGIC:
            return raw
        head = isal_zlib.decompressobj(_GZIP_BITS).decompress(raw[:_BLOCK_BYTES], nifti.HEADER_BYTES)
        wanted = nifti.announced_bytes(head)
        if not wanted:
            return None
        # Without a limit a small file could fill the memory.
        stream = isal_zlib.decompressobj(_GZIP_BITS)
        data: bytes = stream.decompress(raw, wanted + _BLOCK_BYTES)
    except (OSError, ValueError, isal_zlib.IsalError):  # type: ignore[misc]
        return None
    return data if stream.eof and not stream.unused_data else None


def _unpacked(file: BinaryIO) -> tuple[bytes, int]:
    with gzip.GzipFile(fileobj=file) as stream:
        header = stream.read(nifti.HEADER_BYTES)
        size = len(header)
        while block := stream.read(_BLOCK_BYTES):
            size += len(block)
    return header, size


def _plain(named: str, file: BinaryIO) -> tuple[bytes, int]:
    return file.read(nifti.HEADER_BYTES), Path(named).stat().st_size


def _check_picture(named: str) -> None:
    if Path(named).stat().st_size == 0:
        raise _damaged(named, "is empty")
    with open(named, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            whole = _is_whole(data)
        except struct.error:
            whole = False
    if not whole:
        raise _damaged(named, "is cut short or damaged")


def _is_whole(data: mmap.mmap) -> bool:
    """Whether everything that a picture announces is there. What is no picture is left to its reader."""
    if data[:2] == b"\xff\xd8":
        # The end mark follows the last scan; a preview inside the header has both before it.
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda") > 0
    if data[:2] == b"BM":
        return int(struct.unpack_from("<I", data, 2)[0]) <= len(data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return all(end <= len(data) for end in _tiff_ends(data))
    return True


def _tiff_ends(data: mmap.mmap) -> Iterator[int]:
    """Tell where the pages of a TIFF, and their strips or tiles, end; struct.error if a page is not there."""
    order = "<" if data[:1] == b"I" else ">"
    big = b"+" in data[2:4]
    counts, offsets, tag_bytes = ("Q", "Q", 20) if big else ("H", "I", 12)
    at = _number(data, order + offsets, 8 if big else 4)
    seen: set[int] = set()
    while at:
        if at in seen or len(seen) == _PAGES_MAX:
            raise struct.error("pages without an end")
        seen.add(at)
        tags = _number(data, order + counts, at)
        if tags > _TAGS_MAX:
            raise struct.error("too many tags")
        first = at + struct.calcsize(order + counts)
        yield first + tags * tag_bytes
        found: dict[str, tuple[int, ...]] = {}
        for i in range(tags):
            tag, values = _tiff_tag(data, order, first + i * tag_bytes, offsets)
            if tag in _STRIPS:
                found[_STRIPS[tag]] = values
        for offset, length in zip(found.get("offset", ()), found.get("length", ()), strict=False):
            yield offset + length
        at = _number(data, order + offsets, first + tags * tag_bytes)


def _tiff_tag(data: mmap.mmap, order: str, at: int, offsets: str) -> tuple[int, tuple[int, ...]]:
    """Return a tag's number, and its values if they are places or lengths of strips."""
    tag, kind = struct.unpack_from(order + "HH", data, at)
    count = _number(data, order + offsets, at + 4)
    if tag not in _STRIPS or kind not in _INTEGERS:
        return tag, ()
    field = struct.calcsize(order + offsets)
    layout = f"{order}{count}{_INTEGERS[kind]}"
    if count > len(data):
        raise struct.error("too many strips")
    inline = struct.calcsize(layout) <= field
    place = at + 4 + field if inline else _number(data, order + offsets, at + 4 + field)
    return tag, struct.unpack_from(layout, data, place)


def _number(data: mmap.mmap, layout: str, at: int) -> int:
    return cast(int, struct.unpack_from(layout, data, at)[0])


def _damaged(named: str, what: str) -> InputError:
    return InputError(f"`{named}` {what}", hint=_AGAIN, code="E0303")
