"""A kernel that returns other bytes under the same version would poison every store: results are pinned."""

import json

import pytest

from tests.golden import regenerate
from vox.operators.codec import digest_of, encode_value

PINNED = json.loads(regenerate.RESULTS.read_text())


@pytest.mark.parametrize("operator", regenerate.ours(), ids=lambda operator: operator.identity)
def test_an_operator_returns_what_its_version_returned_before(operator):
    found = str(digest_of(encode_value(regenerate.result_of(operator))))
    assert found == PINNED.get(operator.identity), (
        f"{operator.identity} returns something else than is pinned: raise its version, then run "
        "`python -m tests.golden.regenerate`"
    )


def test_nothing_else_is_pinned():
    assert set(PINNED) == {operator.identity for operator in regenerate.ours()}


def test_the_pinned_results_are_of_many_kinds():
    """Digests that coincide would pin less than they seem to; only these are equal on purpose."""
    by_digest: dict[str, list[str]] = {}
    for name, digest in PINNED.items():
        by_digest.setdefault(digest, []).append(name.partition("@")[0])
    truths = {"equals", "bool_and", "bool_not", "bool_or", "num_eq", "num_geq", "num_gt", "num_leq", "num_lt"}
    for names in by_digest.values():
        assert len(names) == 1 or set(names) <= truths or set(names) == {"tt", "bconstant"}, names


def test_the_vectors_of_values_are_what_the_code_says():
    assert json.loads(regenerate.VALUES.read_text()) == regenerate.value_vectors()


def test_the_vectors_of_encodings_are_what_the_code_says():
    assert json.loads(regenerate.ENCODINGS.read_text()) == regenerate.encoding_vectors()
