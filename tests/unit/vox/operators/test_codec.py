"""One value, one blob: what is written is read back, and what is not exactly one value is refused."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.support.vectors import value_of
from tests.support.volumes import flags, geometry, image, mask, voxels
from vox.encoding import encode
from vox.operators import intensity
from vox.operators.codec import (
    ALIGNMENT,
    CodecError,
    decode_value,
    digest_of,
    encode_value,
    read_header,
    type_of,
)
from vox.operators.values import FileBytes, Geometry, Image, Mask
from vox.plan import Type

VECTORS = json.loads((Path(__file__).parents[3] / "golden" / "value-vectors.json").read_text())
PLACE = geometry((67, 3, 2), (0.5, 1.0, 2.0), (-1.0, 0.1, 3.0))
MASK = mask(PLACE, np.arange(402) % 7 == 0)
IMAGE = image(PLACE, np.arange(402) / 3)
COLOUR = intensity.rgb(IMAGE, IMAGE, IMAGE)
PNG = FileBytes("image/png", b"\x89PNG")
VALUES = [None, True, False, 3, -7, 2.5, "text", PLACE, MASK, IMAGE, COLOUR, PNG]


def blob_of(value):
    return b"".join(bytes(part) for part in encode_value(value))


def equal(a, b):
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    if isinstance(a, Mask):
        return a.geometry == b.geometry and (a.words == b.words).all()
    if isinstance(a, Image):
        same = a.voxels.dtype == b.voxels.dtype and a.voxels.tobytes() == b.voxels.tobytes()
        return a.geometry == b.geometry and same
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["digest"][:17])
def test_a_committed_vector_is_encoded_and_decoded_as_it_says(vector):
    blob = bytes.fromhex(vector["blob"])
    value = value_of(vector["value"])
    assert blob_of(value) == blob
    assert equal(decode_value(blob), value)
    assert vector["digest"] == "blob:" + hashlib.sha256(blob).hexdigest()


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_what_is_written_is_read_back(value):
    assert equal(decode_value(blob_of(value)), value)
    assert equal(decode_value(memoryview(blob_of(value))), value)


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_the_digest_of_the_parts_is_the_digest_of_the_blob(value):
    assert digest_of(encode_value(value)).sha256 == hashlib.sha256(blob_of(value)).digest()


def test_different_values_have_different_blobs():
    assert len({blob_of(value) for value in VALUES}) == len(VALUES)
    assert len({blob_of(value) for value in (1, 1.0, True, "1")}) == 4
    assert blob_of(-0.0) == blob_of(0.0)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, Type.BOOLEAN),
        (2.5, Type.NUMBER),
        (3, Type.NUMBER),
        ("t", Type.STRING),
        (PLACE, Type.GEOMETRY),
        (MASK, Type.MASK),
        (IMAGE, Type.IMAGE),
        (COLOUR, Type.MODEL),
        (FileBytes("image/png", b""), Type.FILE),
    ],
)
def test_the_type_is_in_the_header(value, kind):
    assert type_of(blob_of(value)) is kind


def test_arrays_are_aligned_read_only_views_of_the_blob():
    for value in (MASK, IMAGE):
        blob = blob_of(value)
        _, _, start = read_header(blob)
        assert start % ALIGNMENT == 0
        array = decode_value(blob).words if isinstance(value, Mask) else decode_value(blob).voxels
        assert not array.flags.writeable
        assert np.shares_memory(array, np.frombuffer(blob, np.uint8))


def test_arrays_in_another_memory_order_have_the_same_blob():
    turned = Image(PLACE, np.asfortranarray(IMAGE.voxels))
    strided = Mask(PLACE, np.repeat(MASK.words, 2, axis=2)[..., ::2])
    swapped = Image(PLACE, IMAGE.voxels.astype(">f4"))
    assert blob_of(turned) == blob_of(swapped) == blob_of(IMAGE)
    assert blob_of(strided) == blob_of(MASK)


def test_padding_bits_are_zero_after_a_round_trip():
    assert (flags(decode_value(blob_of(MASK))) == flags(MASK)).all()
    assert (voxels(decode_value(blob_of(IMAGE))) == voxels(IMAGE)).all()


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_a_blob_cut_short_or_run_over_is_refused(value):
    blob = blob_of(value)
    for cut in sorted({0, 1, 5, len(blob) // 2, len(blob) - 1}):
        if isinstance(value, FileBytes) and cut > len(blob) // 2:
            continue  # a file's payload is whatever is there
        with pytest.raises(CodecError):
            decode_value(blob[:cut])
    if not isinstance(value, FileBytes):
        with pytest.raises(CodecError):
            decode_value(blob + b"\0")


def damaged(kind, **changes):
    """A header with one field another."""
    fields = {
        "size": [3, 2],
        "spacing": [1.0, 1.0],
        "origin": [0.0, 0.0],
        "direction": [1.0, 0.0, 0.0, 1.0],
        "dtype": "uint8",
        "components": 1,
    }
    head = encode(["vox.value.v1", kind, {**fields, **changes}])
    return head + bytes(-len(head) % ALIGNMENT) + bytes(6)


def test_an_undamaged_header_is_read():
    assert decode_value(damaged("image")).geometry.size == (3, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": [3]},
        {"size": [3, 2, 1, 1]},
        {"size": [0, 2]},
        {"size": [-3, -2]},
        {"size": [2**31, 2**31]},
        {"size": [3.0, 2.0]},
        {"size": [True, 6]},
        {"spacing": [1.0]},
        {"direction": [1.0, 0.0]},
        {"origin": "here"},
        {"dtype": "object"},
        {"dtype": "float64"},
        {"components": 0},
        {"components": 5},
        {"components": 2},
        {"components": "1"},
    ],
)
def test_a_header_that_makes_no_sense_is_refused(changes):
    with pytest.raises(CodecError):
        decode_value(damaged("image", **changes))


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x00" * 64,
        b"\xff" * 200,
        encode(["vox.value.v2", "number", {"value": 1.0}]),
        encode(["vox.value.v1", "sound", {}]),
        encode(["vox.value.v1", "number", {"value": "1"}]),
        encode(["vox.value.v1", "number", {}]),
        encode(["vox.value.v1", "number", {"value": 1.0, "more": 2}]),
        encode({"vox.value.v1": 1}),
    ],
    ids=range(9),
)
def test_what_is_no_value_is_refused(blob):
    with pytest.raises(CodecError):
        decode_value(blob + bytes(-len(blob) % ALIGNMENT))


def test_what_is_not_a_value_is_not_written():
    for thing in (b"bytes", [1], {"a": 1}, Geometry, object()):
        with pytest.raises(CodecError):
            encode_value(thing)


def test_a_second_encoding_of_a_value_is_refused():
    integers = damaged("image", spacing=[1, 1])
    more = damaged("image", more=1)
    dirty = bytearray(blob_of(2.5))
    dirty[-1] = 1
    padded = bytearray(blob_of(MASK))
    padded[-1] |= 0x80
    for blob in (integers, more, bytes(dirty), bytes(padded)):
        with pytest.raises(CodecError):
            decode_value(blob)


def test_a_long_text_is_read_back():
    text = "\u2208x" * 5000
    assert decode_value(blob_of(text)) == text
