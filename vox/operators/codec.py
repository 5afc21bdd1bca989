"""Encoding v1: one value, one blob.

A blob is a canonical CBOR header, zeros up to the next multiple of 64 bytes, and a raw payload. The header is
`["vox.value.v1", kind, {field: term}]`. Scalars live in the header and have no payload. Voxels are
little-endian, x fastest; masks are their words. docs/store-format.md tells it to other languages.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import abc
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from vox.digest import Digest
from vox.encoding import EncodingError, Term, decode_prefix, encode
from vox.operators.values import (
    WORD_BITS,
    FileBytes,
    Geometry,
    Image,
    Item,
    Mask,
    Record,
    Sequence,
    Value,
)
from vox.plan import Type

if TYPE_CHECKING:
    import numpy as np

MAGIC = "vox.value.v1"
ALIGNMENT = 64
# Dimension, extent and component limits that a decoder accepts: 2^31 voxels per axis is beyond any scanner.
_EXTENT_MAX = 2**31 - 1
_DTYPES = ("float32", "uint8", "int8", "int16", "uint16")

Buffer: TypeAlias = "bytes | memoryview"


class CodecError(ValueError):
    """Bytes that are not one of our values."""


def encode_value(value: Value) -> list[Buffer]:
    """Return the blob of `value` in parts, without copying the payload."""
    head = _head(value)
    if isinstance(value, FileBytes):
        return [head, value.data]
    if isinstance(value, Mask):
        return [head, _payload(value.words, "<u8")]
    if isinstance(value, Image):
        return [head, _payload(value.voxels, value.voxels.dtype.newbyteorder("<").str)]
    return [head]


def canonical(value: Value) -> Value:
    """Return `value` as it comes back from its blob, so that a value means the same kept or not.

    -0.0 becomes 0.0 and text NFC; arrays are frozen, because blobs are.
    """
    if type(value) is float:
        return value + 0.0
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Sequence | Record):
        plain = _item(_term(value))
        assert isinstance(plain, Sequence | Record)
        return plain
    if isinstance(value, Mask):
        value.words.flags.writeable = False
    elif isinstance(value, Image):
        value.voxels.flags.writeable = False
    return value


def digest_of(parts: abc.Sequence[Buffer]) -> Digest:
    """Return the name of a blob given in parts."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part)
    return Digest(hasher.digest())


def decode_value(blob: Buffer) -> Value:
    """Read a blob. Arrays are views of `blob`, read-only.

    Raises
    ------
    CodecError
        If the blob is not exactly one value in encoding v1.
    """
    kind, fields, start = read_header(blob)
    try:
        value = _decoded(kind, fields, memoryview(blob)[start:])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CodecError(f"a damaged {kind}: {error}") from error
    # One value has one encoding: no other fields, no integers for floats, nothing in the padding.
    if _head(value) != bytes(blob[:start]):
        raise CodecError(f"a {kind} that is not in canonical form")
    return value


def _decoded(kind: str, fields: dict[str, Any], payload: memoryview) -> Value:
    if kind in ("null", "boolean", "integer", "number", "string"):
        return _scalar(kind, fields, payload)
    if kind in ("sequence", "record"):
        held = _item(fields["items"])
        if len(payload) or not isinstance(held, Sequence if kind == "sequence" else Record):
            raise ValueError("not a sequence or record")
        return held
    if kind == "file":
        return FileBytes(_text(fields["media_type"]), bytes(payload))
    if kind not in ("geometry", "mask", "image"):
        raise ValueError("an unknown kind of value")
    geometry = _geometry(fields)
    if kind == "mask":
        return _mask(geometry, payload)
    if kind == "image":
        return _image(geometry, fields, payload)
    if payload:
        raise ValueError("a geometry has no payload")
    return geometry


def read_header(blob: Buffer) -> tuple[str, dict[str, Any], int]:
    """Return the kind, the fields and the offset of the payload, from the first bytes of a blob."""
    try:
        # A header is a few hundred bytes; a scalar's may be as long as its text.
        head = blob if len(blob) <= 4096 else bytes(blob[:4096])
        try:
            term, end = decode_prefix(head)
        except EncodingError:
            term, end = decode_prefix(blob)
    except EncodingError as error:
        raise CodecError(f"no header: {error}") from error
    match term:
        case [magic, str(kind), dict(fields)] if magic == MAGIC:
            return kind, fields, end + _padding(end)
    raise CodecError("not a value of vox")


def type_of(blob: Buffer) -> Type:
    """Return what a blob holds, from its header; an image of several components is a model."""
    kind, fields, _ = read_header(blob)
    if kind == "image":
        return Type.IMAGE if fields.get("components") == 1 else Type.MODEL
    return {"integer": Type.NUMBER, "null": Type.STRING}.get(kind) or Type(kind)


def _head(value: Value) -> bytes:
    if value is None or isinstance(value, bool | int | float | str):
        # `_header(kind, {"value": value})`, written out: every scalar of every plan passes here.
        head = _scalar_prefix(_scalar_kind(value)) + encode(value)
        return head + bytes(_padding(len(head)))
    if isinstance(value, Geometry):
        return _header("geometry", _geometry_fields(value))
    if isinstance(value, Sequence | Record):
        kind = "sequence" if isinstance(value, Sequence) else "record"
        return _header(kind, {"items": _term(value)})
    if isinstance(value, FileBytes):
        return _header("file", {"media_type": value.media_type})
    if isinstance(value, Mask):
        return _header("mask", _geometry_fields(value.geometry))
    if isinstance(value, Image):
        stored: dict[str, Term] = {"dtype": value.voxels.dtype.name, "components": value.components}
        return _header("image", {**_geometry_fields(value.geometry), **stored})
    raise CodecError(f"{type(value).__name__} is not a value")


def _term(item: Item) -> Term:
    """Return what stands in a header for an item: bytes for a digest, an array, a map, a scalar."""
    if isinstance(item, Sequence):
        return [_term(each) for each in item.elements]
    if isinstance(item, Record):
        return {unicodedata.normalize("NFC", name): _term(each) for name, each in item.fields}
    if isinstance(item, Digest):
        return item.sha256
    if isinstance(item, str):
        return unicodedata.normalize("NFC", item)
    return item + 0.0 if type(item) is float else item


def _item(term: Term) -> Item:
    if isinstance(term, list | tuple):
        return Sequence(tuple(_item(each) for each in term))
    if isinstance(term, dict):
        return Record(tuple((str(name), _item(each)) for name, each in sorted(term.items())))
    if isinstance(term, bytes):
        return Digest(term)
    assert term is None or isinstance(term, bool | int | float | str)
    return term


@lru_cache(maxsize=8)
def _scalar_prefix(kind: str) -> bytes:
    return encode([MAGIC, kind, {"value": None}])[:-1]


_SCALAR_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _scalar_kind(value: bool | int | float | str | None) -> str:
    if value is None:
        return "null"
    return _SCALAR_KINDS[type(value)]


def _header(kind: str, fields: dict[str, Term]) -> bytes:
    head = encode([MAGIC, kind, fields])
    return head + bytes(_padding(len(head)))


def _padding(length: int) -> int:
    return -length % ALIGNMENT


def _geometry_fields(geometry: Geometry) -> dict[str, Term]:
    return {
        "size": list(geometry.size),
        "spacing": [float(v) for v in geometry.spacing],
        "origin": [float(v) for v in geometry.origin],
        "direction": [float(v) for v in geometry.direction],
    }


def _payload(array: np.ndarray[Any, Any], dtype: str) -> memoryview:
    import numpy as np

    flat: np.ndarray[Any, Any] = np.ascontiguousarray(array, dtype=dtype).reshape(-1)
    return memoryview(flat.view(np.uint8))  # type: ignore[arg-type]


def _scalar(kind: str, fields: dict[str, Any], payload: memoryview) -> Value:
    value = fields["value"]
    if len(payload) or len(fields) != 1 or _scalar_kind(value) != kind:
        raise ValueError("not a scalar")
    return value  # type: ignore[no-any-return]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _geometry(fields: dict[str, Any]) -> Geometry:
    size = tuple(fields["size"])
    dimension = len(size)
    if dimension not in (2, 3) or not all(type(n) is int and 0 < n <= _EXTENT_MAX for n in size):
        raise ValueError("size")
    numbers = [tuple(float(v) for v in fields[name]) for name in ("spacing", "origin", "direction")]
    if [len(n) for n in numbers] != [dimension, dimension, dimension**2]:
        raise ValueError("geometry")
    return Geometry(size, *numbers)


def _array(payload: memoryview, dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    import numpy as np

    array = np.frombuffer(payload, dtype).reshape(shape)
    array.flags.writeable = False
    return array


def _mask(geometry: Geometry, payload: memoryview) -> Mask:
    z, y, _ = geometry.shape
    words = _array(payload, "<u8", (z, y, geometry.words))
    used = geometry.size[0] % WORD_BITS
    if used and (words[..., -1] >> used).any():
        raise ValueError("bits are set in the padding of rows")
    return Mask(geometry, words)


def _image(geometry: Geometry, fields: dict[str, Any], payload: memoryview) -> Image:
    import numpy as np

    name, components = fields["dtype"], fields["components"]
    if name not in _DTYPES or type(components) is not int or not 1 <= components <= 4:
        raise ValueError("dtype or components")
    shape = geometry.shape if components == 1 else (*geometry.shape, components)
    return Image(geometry, _array(payload, np.dtype(name).newbyteorder("<").str, shape))
