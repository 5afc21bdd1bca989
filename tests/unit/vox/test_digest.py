"""Names: four kinds that never mix."""

import copy
import hashlib
import pickle

import pytest

from vox.digest import ActionId, Digest, NodeId, PeerId

KINDS = (Digest, NodeId, ActionId, PeerId)
RAW = hashlib.sha256(b"voxel").digest()


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_reads_back_what_it_wrote(kind: type[Digest]) -> None:
    assert kind.parse(str(kind(RAW))) == kind(RAW)


def test_kinds_never_compare_equal_even_with_the_same_bytes() -> None:
    assert len({kind(RAW) for kind in KINDS}) == len(KINDS)
    assert Digest(RAW) != RAW


def test_kinds_do_not_order_with_one_another() -> None:
    with pytest.raises(TypeError):
        assert Digest(RAW) < NodeId(RAW)


@pytest.mark.parametrize("raw", [b"", RAW[:-1], RAW + b"x", bytearray(RAW), RAW.hex()])
def test_anything_but_thirty_two_bytes_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Digest(raw)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "blob:",
        "node:" + RAW.hex(),
        "blob:" + RAW.hex().upper(),
        "blob:" + RAW.hex() + "0",
        "blob:" + "z" * 64,
    ],
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - bytes.fromhex has words of its own
        Digest.parse(text)


def test_a_name_is_immutable_and_survives_pickle_and_copy() -> None:
    name = Digest(RAW)
    with pytest.raises(AttributeError):
        name.sha256 = b""  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(name)) == name == copy.deepcopy(name)


def test_the_name_of_parts_is_the_name_of_their_concatenation() -> None:
    assert Digest.of(b"vo", b"", memoryview(b"xel")) == Digest(RAW)
