"""Why: the places where two plans differ, and what about them differs."""

from __future__ import annotations

import pytest

from tests.support.imgql import plan_of
from vox.digest import Digest, NodeId
from vox.explain import Cause, Difference, differences
from vox.operators.catalogue import CATALOGUE
from vox.plan import Apply, Goal, Plan, Source, Type, node_id

TEXT = """load f = "a.nii"
let image = intensity(f)
let low = 100
let bright = image >. low
save "m.nii" grow(bright, image >. 50)
"""


def commutative(operator: str) -> bool:
    return CATALOGUE.of(operator).commutative


def compare(old: Plan, new: Plan) -> list[Difference]:
    return differences(old, old.goals[0].wanted, new, new.goals[0].wanted, commutative)


def test_the_same_plan_has_no_differences() -> None:
    assert compare(plan_of(TEXT), plan_of(TEXT + "\n// a remark\n")) == []


def test_a_changed_literal_is_named_with_its_place() -> None:
    (found,) = compare(plan_of(TEXT), plan_of(TEXT.replace("low = 100", "low =\n  120")))
    assert (found.cause, found.text) == (Cause.CONSTANT, "100 -> 120")
    assert found.span is not None
    assert found.before is not None
    assert (found.span.line, found.span.column) == (4, 3)
    assert (found.before.line, found.before.column) == (3, 11)


def test_a_literal_changed_to_one_that_was_there_is_placed_where_it_is_used() -> None:
    (found,) = compare(plan_of(TEXT), plan_of(TEXT.replace("low = 100", "low = 50")))
    assert found.text == "100 -> 50"
    assert found.span is not None


def test_another_input_is_told_as_such() -> None:
    (found,) = compare(plan_of(TEXT), plan_of(TEXT.replace("a.nii", "b.nii")))
    assert found.cause is Cause.INPUT
    assert found.span is not None
    assert found.span.line == 1


def test_another_format_is_a_changed_parameter() -> None:
    text = TEXT.replace('"m.nii"', '"m.png"').replace("a.nii", "flat.png")
    other = text.replace('"m.png"', '"m.bmp"')
    (found,) = compare(plan_of(text), plan_of(other))
    assert found.cause is Cause.PARAMETER
    assert ".png" in found.text
    assert ".bmp" in found.text


def test_another_operator_is_another_structure() -> None:
    (found,) = compare(plan_of(TEXT), plan_of(TEXT.replace("bright = image >. low", "bright = image <. low")))
    assert found.cause is Cause.STRUCTURE


def test_swapped_arguments_are_another_structure() -> None:
    text = 'load f = "a.nii"\nlet i = intensity(f)\nlet j = i *. 2\nsave "m.nii" %s\n'
    found = compare(plan_of(text % "i - j"), plan_of(text % "j - i"))
    assert [each.cause for each in found] == [Cause.STRUCTURE]


def test_inputs_of_commutative_operators_are_paired_with_what_they_were() -> None:
    text = 'load f = "a.nii"\nlet i = intensity(f)\nlet j = i >. 1 \nsave "m.nii" %s & %s\n'
    for k in range(12):
        old = plan_of(text % (f"(i >. {k + 2})", f"(i <. {k + 3})"))
        new = plan_of(text % (f"(i <. {k + 3})", f"(i >. {k + 99})"))
        (found,) = compare(old, new)
        assert (found.cause, found.text) == (Cause.CONSTANT, f"{k + 2} -> {k + 99}")
        both = text.replace("intensity(f)", "intensity(f) *. %d")
        (found,) = compare(
            plan_of(both % (k + 2, "(i >. 1)", "(i >. 2)")), plan_of(both % (k + 70, "(i >. 1)", "(i >. 2)"))
        )
        assert found.text == f"{k + 2} -> {k + 70}"


def simple(operator: str, content: bytes = b"a") -> Plan:
    source = Source(Digest.of(content))
    top = Apply(operator, (node_id(source),))
    span = plan_of('print "a" 1').goals[0].span
    nodes = {node_id(node): node for node in (source, top)}
    return Plan(nodes, (Goal("print", "x", node_id(top), span, Type.NUMBER),))


def test_another_version_of_an_operator_is_told() -> None:
    (found,) = differences(
        simple("median@1"), goal_of(simple("median@1")), simple("median@2"), goal_of(simple("median@2"))
    )
    assert found.cause is Cause.OPERATOR
    assert found.text == "median@1 -> median@2"


def goal_of(plan: Plan) -> NodeId:
    return plan.goals[0].node


@pytest.mark.parametrize("depth", [20_000])
def test_deep_plans_are_compared_without_recursion(depth: int) -> None:
    def chain(content: bytes) -> Plan:
        nodes: dict[NodeId, Source | Apply] = {}
        node: Source | Apply = Source(Digest.of(content))
        for _ in range(depth):
            nodes[node_id(node)] = node
            node = Apply("not@1", (node_id(node),))
        nodes[node_id(node)] = node
        return Plan(nodes, (Goal("print", "x", node_id(node), span, Type.MASK),))

    span = plan_of('print "a" 1').goals[0].span
    old, new = chain(b"a"), chain(b"b")
    assert [each.cause for each in differences(old, goal_of(old), new, goal_of(new))] == [Cause.INPUT]
