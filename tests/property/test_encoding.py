"""Canonical bytes: one term, one encoding; other bytes are refused; other implementations agree."""

import hashlib
import json
import math
import unicodedata
from pathlib import Path

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.vectors import document_of, term_of
from vox.encoding import DEPTH_MAX, EncodingError, decode, decode_prefix, encode

VECTORS = json.loads((Path(__file__).parents[1] / "golden" / "encoding-vectors.json").read_text())

INTEGERS = st.integers(-(2**64), 2**64 - 1)
TEXTS = st.text(max_size=30).map(lambda text: unicodedata.normalize("NFC", text))
SCALARS = st.one_of(st.none(), st.booleans(), INTEGERS, st.floats(), TEXTS, st.binary(max_size=30))
TERMS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(TEXTS, inner, max_size=5),
        st.dictionaries(st.integers(-300, 300), inner, max_size=5),
    ),
    max_leaves=20,
)


def depth_of(term):
    if isinstance(term, dict):
        return 1 + max((depth_of(v) for v in term.values()), default=0)
    return 1 + max(map(depth_of, term), default=0) if isinstance(term, list) else 0


SHALLOW = TERMS.filter(lambda term: depth_of(term) <= DEPTH_MAX)


def same(a, b):
    """Equality in which 1, 1.0 and True differ, -0.0 is 0.0, and there is one NaN."""
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


# -- committed vectors


@pytest.mark.parametrize("vector", VECTORS["terms"], ids=lambda v: v["bytes"][:16] or "empty")
def test_a_committed_vector_is_encoded_as_it_says(vector):
    term, data = term_of(vector["term"]), bytes.fromhex(vector["bytes"])
    assert encode(term) == data
    assert same(decode(data), term)


@pytest.mark.parametrize("vector", VECTORS["terms"], ids=lambda v: v["bytes"][:16] or "empty")
def test_another_implementation_reads_and_writes_the_same_bytes(vector):
    term, data = term_of(vector["term"]), bytes.fromhex(vector["bytes"])
    assert same(cbor2.loads(data), term)
    plain = 0.0 if isinstance(term, float) and term == 0 else term
    assert cbor2.dumps(plain, canonical=True) == data or holds_map(term)


def holds_map(term):
    """Maps are left out: cbor2 sorts keys by length first (RFC 7049), we by bytes (RFC 8949, 4.2.1)."""
    return isinstance(term, dict) or (isinstance(term, list) and any(map(holds_map, term)))


@pytest.mark.parametrize("kind", ["nodes", "actions"])
def test_a_committed_name_is_the_hash_of_its_term(kind):
    for vector in VECTORS[kind]:
        data = encode(term_of(vector["term"]))
        assert vector["name"] == f"{kind[:-1]}:{hashlib.sha256(data).hexdigest()}"
        assert same(cbor2.loads(data), term_of(vector["term"]))


# -- one term, one encoding


@given(SHALLOW)
@settings(max_examples=120, deadline=None)
def test_what_is_written_is_read_back(term):
    assert same(decode(encode(term)), term)


@given(SHALLOW)
@settings(max_examples=120, deadline=None)
def test_cbor2_reads_what_we_write(term):
    assert same(cbor2.loads(encode(term)), term)


@given(SHALLOW, SHALLOW)
@settings(max_examples=100, deadline=None)
def test_two_terms_share_bytes_only_if_they_are_the_same(a, b):
    assert (encode(a) == encode(b)) == same(a, b)


@given(st.dictionaries(TEXTS, SCALARS, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(mapping, random):
    items = list(mapping.items())
    random.shuffle(items)
    assert encode(dict(items)) == encode(mapping)


@given(st.text(max_size=30))
def test_text_is_encoded_in_composed_form(text):
    assert (
        encode(text)
        == encode(unicodedata.normalize("NFC", text))
        == encode(unicodedata.normalize("NFD", text))
    )


@given(SHALLOW)
def test_documents_of_terms_are_read_back(term):
    assert same(term_of(json.loads(json.dumps(document_of(term)))), term)


# -- other bytes are refused


@given(st.binary(max_size=40))
@settings(max_examples=500)
def test_bytes_that_decode_are_the_encoding_of_what_they_decode_to(data):
    try:
        term = decode(data)
    except EncodingError:
        return
    assert encode(term) == data


@given(SHALLOW, st.data())
@settings(max_examples=120, deadline=None)
def test_a_changed_byte_is_refused_or_means_another_term(term, data):
    blob = bytearray(encode(term))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    try:
        changed = decode(bytes(blob))
    except EncodingError:
        return
    assert encode(changed) == bytes(blob)
    assert not same(changed, term)


@given(SHALLOW, st.data())
@settings(deadline=None)
def test_a_term_cut_short_is_refused(term, data):
    blob = encode(term)
    with pytest.raises(EncodingError):
        decode(blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(SHALLOW, st.binary(min_size=1, max_size=5))
@settings(deadline=None)
def test_bytes_after_a_term_are_refused_by_decode_and_left_by_the_prefix(term, rest):
    blob = encode(term)
    with pytest.raises(EncodingError):
        decode(blob + rest)
    found, end = decode_prefix(b"??" + blob + rest, 2)
    assert same(found, term)
    assert end == 2 + len(blob)


@pytest.mark.parametrize(
    "data",
    [
        "1817",  # 23 in two bytes
        "190001",  # 1 in three
        "1a0000ffff",  # 65535 in five
        "1b00000000ffffffff",  # 2^32 - 1 in nine
        "5801aa",  # a byte string's length in two bytes
        "f90001ff",  # something after
        "fa3f800000",  # 1.0 as a single
        "fb3ff0000000000000",  # 1.0 as a double
        "f98000",  # -0.0
        "f97e01",  # another NaN
        "fa7fc00000",  # NaN as a single
        "fb7ff8000000000000",  # NaN as a double
        "a2616201616102",  # keys out of order
        "a2616101616102",  # the same key twice
        "a1f501",  # true as a key
        "a1f9000001",  # a float as a key
        "a1408001",  # bytes as a key
        "5f4101ff",  # indefinite bytes
        "7f6161ff",  # indefinite text
        "9f01ff",  # indefinite array
        "bf616101ff",  # indefinite map
        "c11a514b67b0",  # a tag
        "f7",  # undefined
        "f820",  # another simple value
        "ff",  # a break alone
        "62c328",  # text that is not UTF-8
        "6365cc81",  # text that is not composed
        "1c",  # a reserved length
        "9bffffffffffffffff",  # an array longer than anything
        "5bffffffffffffffff",
        "bbffffffffffffffff",
        "",
    ],
)
def test_bytes_that_are_not_canonical_are_refused(data):
    with pytest.raises(EncodingError):
        decode(bytes.fromhex(data))


def test_nesting_has_a_limit_on_both_sides():
    def nested(levels):
        term = []
        for _ in range(levels - 1):
            term = [term]
        return term

    assert decode(encode(nested(DEPTH_MAX))) == nested(DEPTH_MAX)
    with pytest.raises(EncodingError):
        encode(nested(DEPTH_MAX + 2))
    with pytest.raises(EncodingError):
        decode(b"\x81" * 100_000 + b"\x80")


@pytest.mark.parametrize(
    "term",
    [
        {1, 2},
        object(),
        1j,
        bytearray(b"a"),
        2**64,
        -(2**64) - 1,
        {1.5: 1},
        {True: 1},
        {None: 1},
        {b"k": 1},
        range(3),
    ],
    ids=repr,
)
def test_what_has_no_canonical_form_is_refused_and_never_turned_into_text(term):
    with pytest.raises(EncodingError):
        encode(term)


def test_keys_that_become_the_same_text_are_refused():
    with pytest.raises(EncodingError):
        encode({"caf\u00e9": 1, "cafe\u0301": 2})


@given(st.text(max_size=5).filter(lambda t: any(0xD800 <= ord(c) < 0xE000 for c in t) is False))
def test_every_text_without_lone_surrogates_has_bytes(text):
    assert decode(encode(text)) == unicodedata.normalize("NFC", text)


def test_a_lone_surrogate_has_no_canonical_form():
    with pytest.raises(EncodingError):
        encode("\ud800")
