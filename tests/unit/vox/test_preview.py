"""What a submission would do, told beforehand."""

from __future__ import annotations

import json

import pytest

from tests.support.imgql import plan_of
from vox.digest import Digest, NodeId
from vox.plan import Apply, Plan
from vox.preview import outline, preview
from vox.store.contract import Result

TEXT = """load f = "a.nii"
let image = intensity(f)
let bright = image >. 100
save "m.nii" bright
print "v" volume(bright)
print "n" 3
"""


@pytest.fixture
def plan() -> Plan:
    return plan_of(TEXT)


def result(name: NodeId, size: int = 10) -> Result:
    return Result(name, None, Digest.of(name.sha256), size)


def test_nothing_known_is_everything_to_compute(plan: Plan) -> None:
    document = preview(plan, {})
    work = sum(isinstance(node, Apply) for _, node in plan)
    assert document["nodes"] == {
        "total": len(plan),
        "reused": len(plan) - work,
        "fetchable": 0,
        "to_compute": work,
    }
    assert document["estimate"] == {"seconds": None, "bytes": 0}
    assert [goal["known"] for goal in document["goals"]] == [False, False, False]


def test_counts_of_a_goal_are_of_what_it_alone_needs(plan: Plan) -> None:
    save, volume, number = (goal["nodes"] for goal in preview(plan, {})["goals"])
    assert number == {"total": 1, "reused": 1, "fetchable": 0, "to_compute": 0}
    assert save["to_compute"] == volume["to_compute"]
    assert preview(plan, {})["nodes"]["to_compute"] == save["to_compute"] + 1  # the rest is shared


def test_a_preview_stops_at_what_is_known(plan: Plan) -> None:
    save, volume, _ = plan.goals
    bright = {save.node: result(save.node)}
    assert preview(plan, bright)["nodes"]["to_compute"] == 2
    known = bright | {name: result(name) for name in (save.wanted, volume.node)}
    document = preview(plan, known)
    assert document["nodes"]["to_compute"] == 0
    assert document["estimate"]["seconds"] == 0.0
    assert all(goal["known"] for goal in document["goals"][:2])


def test_what_is_known_but_not_here_is_fetched_and_its_bytes_counted_once(plan: Plan) -> None:
    save, volume, _ = plan.goals
    known = {name: result(name) for name in (save.node, save.wanted, volume.node)}
    document = preview(plan, known, {known[save.node].digest, known[volume.node].digest})
    assert document["nodes"]["fetchable"] == 2
    assert document["nodes"]["to_compute"] == 0
    assert document["estimate"]["bytes"] == 20
    assert sum(count for name, count in document["nodes"].items() if name != "total") == len(plan)


def test_an_outline_is_json_with_goals_and_warnings(plan: Plan) -> None:
    document = json.loads(json.dumps(outline(plan)))
    assert [goal["label"] for goal in document["goals"]] == ["m.nii", "v", "n"]
    twice = plan_of(TEXT + 'save "m.nii" image')
    assert outline(twice)["warnings"]
