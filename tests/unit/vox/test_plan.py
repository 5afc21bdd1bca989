"""Names of nodes and actions: what they depend on, and what they do not."""

import pytest

from vox.digest import Digest, NodeId
from vox.encoding import EncodingError, encode
from vox.plan import Apply, Constant, Source, action_id, node_id

A, B = NodeId.of(b"a"), NodeId.of(b"b")
P, Q = Digest.of(b"p"), Digest.of(b"q")


def test_constants_of_different_types_are_different_nodes() -> None:
    values = [3, 3.0, "3", True, 1, 1.0, False, 0, 0.0, None, "", "true"]
    assert len({node_id(Constant(value)) for value in values}) == len(values)


def test_minus_zero_is_zero_and_there_is_one_nan() -> None:
    assert node_id(Constant(-0.0)) == node_id(Constant(0.0))
    assert node_id(Constant(float("nan"))) == node_id(Constant(-float("nan")))


def test_texts_that_look_the_same_are_the_same() -> None:
    assert node_id(Constant("caf\u00e9")) == node_id(Constant("cafe\u0301"))


def test_a_node_depends_on_operator_version_inputs_their_order_and_parameters() -> None:
    variants = [
        Apply("near@1", (A,)),
        Apply("near@2", (A,)),
        Apply("interior@1", (A,)),
        Apply("through@1", (A, B)),
        Apply("through@1", (B, A)),
        Apply("near@1", (A,), (("format", ".nii"),)),
        Apply("near@1", (A,), (("format", ".png"),)),
    ]
    assert len({node_id(node) for node in variants}) == len(variants)


def test_the_order_of_parameters_does_not_matter() -> None:
    one = Apply("near@1", (A,), (("a", 1), ("b", 2)))
    two = Apply("near@1", (A,), (("b", 2), ("a", 1)))
    assert node_id(one) == node_id(two)


def test_a_source_a_constant_and_an_action_never_share_a_name() -> None:
    names = {node_id(Source(P)).sha256, node_id(Constant(str(P))).sha256, action_id("x@1", (P,)).sha256}
    assert len(names) == 3


def test_an_action_depends_on_results_not_on_how_they_came_to_be() -> None:
    assert action_id("near@1", (P,)) == action_id("near@1", (P,))
    assert action_id("near@1", (P,)) != action_id("near@1", (Q,))
    assert action_id("through@1", (P, Q)) != action_id("through@1", (Q, P))


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(EncodingError):
        node_id(Apply("near@1", (A,), (("bad", {1, 2}),)))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 23, 24, 300])
@pytest.mark.parametrize("parameters", [(), (("format", ".nii"),)])
def test_the_short_way_to_a_name_gives_the_canonical_one(
    count: int, parameters: tuple[tuple[str, str], ...]
) -> None:
    names = tuple(NodeId.of(bytes((i % 256,))) for i in range(count))
    term = ["vox.apply.v1", "f@1", [name.sha256 for name in names], dict(parameters)]
    assert node_id(Apply("f@1", names, parameters)) == NodeId.of(encode(term))
