from __future__ import annotations

import json
import math

import pytest

from tests.support.imgql import plan_of
from vox.imgql.export import from_json, to_dot, to_json
from vox.imgql.show import show_value, v1_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9.0, "9.0"),
        (-3.0, "-3.0"),
        (0.0, "0.0"),
        (1342885.0, "1342885.0"),
        (0.8663475533015994, "0.8663475533"),
        (0.1, "0.1"),
        (1e9, "1000000000.0"),
        (1e10, "1e+10"),
        (1e15, "1e+15"),
        (12345678901.0, "1.23456789e+10"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (2 / 3, "0.6666666667"),
        (math.nan, "nan"),
        (math.inf, "infinity"),
        (-math.inf, "-infinity"),
    ],
)
def test_a_number_is_printed_as_v1_prints_it(value: float, text: str) -> None:
    assert v1_number(value) == text


def test_booleans_are_small_and_strings_are_quoted() -> None:
    assert [show_value(v) for v in (True, False, "a b", 3, 2.5)] == ["true", "false", '"a b"', "3.0", "2.5"]


TEXT = 'load i = "a.nii"\nlet m = intensity(i) >=. nan\nsave "m.nii" m\nprint "say \\"" volume(m)'.replace(
    '\\"', "'"
)


def test_an_export_is_deterministic_and_lists_inputs_first() -> None:
    plan = plan_of(TEXT)
    assert to_dot(plan) == to_dot(plan_of(TEXT))
    document = to_json(plan)
    assert document == to_json(plan_of(TEXT))
    assert [row["id"] for row in document["nodes"]] == [str(name) for name in plan.nodes]
    json.dumps(document, allow_nan=False)


def test_the_json_export_has_the_fields_of_voxlogica_2() -> None:
    document = to_json(plan_of('print "a" 1 .+. 2'))
    assert [row["type"] for row in document["nodes"]] == ["constant", "constant", "operation"]
    assert set(document["nodes"][2]["arguments"]) == {"0", "1"}
    assert document["goals"][0]["operation"] == "print"


def test_the_dot_export_quotes_whatever_a_program_holds() -> None:
    dot = to_dot(plan_of('print "line\nbreak \\" "quo\\te\n"'))
    assert dot.startswith("digraph {\n")
    assert dot.endswith("}\n")
    assert all(line.startswith("  ") for line in dot.splitlines()[1:-1])


def test_an_exported_plan_is_read_back_with_names_shape_and_places() -> None:
    plan = plan_of(TEXT)
    again = from_json(json.loads(json.dumps(to_json(plan))))
    assert list(again.nodes) == list(plan.nodes)
    assert all(again.inputs(name) == plan.inputs(name) for name in plan.nodes)
    assert (again.goals, again.origins, again.types) == (plan.goals, plan.origins, plan.types)
    with pytest.raises(ValueError, match="not a plan"):
        from_json({"nodes": [{}]})
