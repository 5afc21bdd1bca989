"""Canonical bytes of a term: what is hashed and signed.

Deterministic CBOR as RFC 8949 section 4.2 defines it, over a closed set of types: null, booleans,
integers of at most 64 bits, float64 in its shortest exact form, NFC text, bytes, arrays, and maps keyed by
text or integers. `3`, `3.0`, `"3"` and `true` are four different terms; `-0.0` is `0.0`; there is one NaN.
Everything else (sets, tags, other keys) is refused, never turned into text.
"""

from __future__ import annotations

import math
import struct
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Term: TypeAlias = (
    "bool | int | float | str | bytes | Sequence[Term] | Mapping[str, Term] | Mapping[int, Term] | None"
)

# A plan's parameters nest two or three deep; eight leaves room and bounds a hostile decoder's stack.
DEPTH_MAX = 8

_NULL, _TRUE, _FALSE = b"\xf6", b"\xf5", b"\xf4"
_NAN = b"\xf9\x7e\x00"
_HALF, _SINGLE, _DOUBLE = struct.Struct(">e"), struct.Struct(">f"), struct.Struct(">d")
_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)


class EncodingError(ValueError):
    """A term that has no canonical form, or bytes that are not one."""


def encode(term: Term) -> bytes:
    """Return the one encoding of `term`.

    Raises
    ------
    EncodingError
        If the term holds a type, an integer or a depth outside the closed set.
    """
    if type(term) is int and term >= 0:
        return head(_UINT, term)
    out: list[bytes] = []
    _write(term, out, 0)
    return b"".join(out)


def decode(data: bytes | memoryview) -> Term:
    """Read one canonical term that fills `data` exactly.

    Raises
    ------
    EncodingError
        If the bytes are cut short, run over, or are not in canonical form.
    """
    term, end = decode_prefix(data)
    if end != len(data):
        raise EncodingError(f"{len(data) - end} bytes after the term")
    return term


def decode_prefix(data: bytes | memoryview, start: int = 0) -> tuple[Term, int]:
    """Read one canonical term at `start`; return it and the offset after it."""
    reader = _Reader(bytes(data) if isinstance(data, memoryview) else data, start)
    return reader.term(0), reader.at


def head(major: int, value: int) -> bytes:
    """Return the first bytes of an item: its major type, and a length or an integer."""
    if value < 24:
        return bytes((major << 5 | value,))
    if value < 0x100:
        return bytes((major << 5 | 24, value))
    if value < 0x10000:
        return struct.pack(">BH", major << 5 | 25, value)
    if value < 0x100000000:
        return struct.pack(">BI", major << 5 | 26, value)
    if value < 1 << 64:
        return struct.pack(">BQ", major << 5 | 27, value)
    raise EncodingError("integers are limited to 64 bits")


def _float(value: float) -> bytes:
    if math.isnan(value):
        return _NAN
    value += 0.0  # -0.0 becomes 0.0
    for lead, form in ((b"\xf9", _HALF), (b"\xfa", _SINGLE)):
        try:
            packed = form.pack(value)
        except OverflowError:
            continue
        if form.unpack(packed)[0] == value:
            return lead + packed
    return b"\xfb" + _DOUBLE.pack(value)


def _utf8(text: str) -> bytes:
    try:
        return unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError as error:
        raise EncodingError("text holds half a character (a lone surrogate)") from error


def _write(term: Term, out: list[bytes], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise EncodingError(f"deeper than {DEPTH_MAX}")
    kind = type(term)
    if term is None:
        out.append(_NULL)
    elif kind is bool:
        out.append(_TRUE if term else _FALSE)
    elif isinstance(term, int):
        out.append(head(_UINT, term) if term >= 0 else head(_NINT, -1 - term))
    elif isinstance(term, float):
        out.append(_float(term))
    elif isinstance(term, str):
        text = _utf8(term)
        out += (head(_TEXT, len(text)), text)
    elif isinstance(term, bytes):
        out += (head(_BYTES, len(term)), term)
    elif isinstance(term, list | tuple):
        out.append(head(_ARRAY, len(term)))
        for item in term:
            _write(item, out, depth + 1)
    elif isinstance(term, Mapping):
        _write_map(term, out, depth)
    else:
        raise EncodingError(f"{kind.__name__} has no canonical form")


def _write_map(term: Mapping[str, Term] | Mapping[int, Term], out: list[bytes], depth: int) -> None:
    pairs = []
    for key, value in term.items():
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise EncodingError("keys are text or integers")
        pairs.append((encode(key), value))
    pairs.sort(key=lambda pair: pair[0])
    out.append(head(_MAP, len(pairs)))
    previous = b""
    for encoded_key, value in pairs:
        if encoded_key == previous:
            raise EncodingError("two keys are the same after normalisation")
        previous = encoded_key
        out.append(encoded_key)
        _write(value, out, depth + 1)


class _Reader:
    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.at = start

    def take(self, count: int) -> bytes:
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise EncodingError("cut short")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def argument(self, extra: int) -> int:
        if extra < 24:
            return extra
        if extra > 27:
            raise EncodingError("indefinite or reserved length")
        size = 1 << (extra - 24)
        value = int.from_bytes(self.take(size), "big")
        if value < (24 if size == 1 else 1 << (4 * size)):
            raise EncodingError("a length is not in its shortest form")
        return value

    def term(self, depth: int) -> Term:
        if depth > DEPTH_MAX:
            raise EncodingError(f"deeper than {DEPTH_MAX}")
        first = self.take(1)[0]
        major, extra = first >> 5, first & 31
        if major == _SIMPLE:
            return self.simple(first)
        value = self.argument(extra)
        if major == _UINT:
            return value
        if major == _NINT:
            return -1 - value
        if major == _BYTES:
            return self.take(value)
        if major == _TEXT:
            return self.text(value)
        if major == _ARRAY:
            if value > len(self.data) - self.at:
                raise EncodingError("cut short")
            return [self.term(depth + 1) for _ in range(value)]
        if major == _MAP:
            return self.map(value, depth)
        raise EncodingError("tags are not used")

    def text(self, size: int) -> str:
        try:
            text = self.take(size).decode()
        except UnicodeDecodeError as error:
            raise EncodingError("text is not UTF-8") from error
        if not unicodedata.is_normalized("NFC", text):
            raise EncodingError("text is not NFC")
        return text

    def map(self, size: int, depth: int) -> Mapping[str, Term]:
        result: dict[str, Term] = {}
        previous = b""
        for _ in range(size):
            begin = self.at
            key = self.term(depth + 1)
            encoded = self.data[begin : self.at]
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise EncodingError("keys are text or integers")
            if encoded <= previous:
                raise EncodingError("keys are not in canonical order")
            previous = encoded
            result[key] = self.term(depth + 1)  # type: ignore[index]
        return result

    def simple(self, first: int) -> Term:
        if first in (0xF4, 0xF5):
            return first == 0xF5
        if first == 0xF6:
            return None
        forms = {0xF9: _HALF, 0xFA: _SINGLE, 0xFB: _DOUBLE}
        if first not in forms:
            raise EncodingError("an unused simple value")
        form = forms[first]
        raw = self.take(form.size)
        value: float = form.unpack(raw)[0]
        if _float(value) != bytes((first,)) + raw:
            raise EncodingError("a float is not in its shortest form")
        return value
