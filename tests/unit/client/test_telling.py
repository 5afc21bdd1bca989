"""How things are told: errors, progress, graphs, settings on the command line."""

from __future__ import annotations

import io
import re

import pytest

from client.explanations import explanation
from client.options import parse_setting
from client.problems import ToldError
from client.remote import Address, RemoteEngine, parse_events
from client.render import Plain, Tally, render_error
from vox.digest import Digest, NodeId
from vox.errors import InputError, Span, StoreFull, UsageError, VoxError
from vox.events import ExecutionFinished, ExecutionStarted, NodeDone, NodeStarted, State
from vox.fragment import How
from vox.imgql.source import SourceText
from vox.plan import Apply, Constant, Goal, Plan, Source, Type, node_id

SPAN = Span("p.imgql", 2, 7, 2, 12)


def small_plan() -> Plan:
    one, source = Constant(1.0), Source(Digest.of(b"x"))
    add = Apply("add_vs@1", (node_id(source), node_id(one)))
    saved = Apply("file_image@1", (node_id(add),), (("format", ".nii"),))
    nodes = {node_id(node): node for node in (one, source, add, saved)}
    goal = Goal("save", 'a"b.nii', node_id(add), SPAN, Type.IMAGE, node_id(saved))
    return Plan(nodes, (goal,), {node_id(add): SPAN}, {node_id(add): Type.IMAGE})


def test_an_error_is_told_with_code_place_and_help() -> None:
    error = InputError("no file `a.nii`", hint="look elsewhere", span=SPAN)
    text = render_error(error, {"p.imgql": SourceText("p.imgql", 'let a = 1\nload "a.nii"\n')})
    assert text.splitlines()[0] == "error[E0301]: no file `a.nii`"
    assert "p.imgql:2:7" in text
    assert "^^^^^" in text
    assert text.endswith("= help: look elsewhere")


def test_an_error_told_by_a_coordinator_keeps_its_code_place_and_status() -> None:
    told = ToldError(InputError("words", hint="h", span=SPAN).to_json(), 422)
    assert (told.code, told.hint, list(told.spans), told.exit_status) == ("E0301", "h", [SPAN], 2)
    assert ToldError({"code": "E9999", "message": "m"}, 401).exit_status == 4
    assert ToldError({"code": "E9999", "message": "m", "spans": [{"file": 1}]}).spans == ()
    assert ToldError(StoreFull("full").to_json()).exit_status == 1


def test_every_error_class_has_an_explanation() -> None:
    def kinds(kind: type[VoxError]) -> list[type[VoxError]]:
        return [kind, *(below for each in kind.__subclasses__() for below in kinds(each))]

    # Other tests define errors of their own; they are alive in the same process.
    for kind in (kind for kind in kinds(VoxError) if not kind.__module__.startswith("test")):
        assert explanation(kind.code), kind
    assert not explanation("E9998")


def test_plain_progress_has_one_line_per_goal() -> None:
    plan, stream = small_plan(), io.StringIO()
    (goal,) = plan.goals
    watcher = Plain(plan, stream)
    watcher.see(ExecutionStarted("x", 4, 2))
    watcher.see(NodeStarted("x", goal.node, "add_vs@1", "w"))
    assert watcher.tally.slowest()[0][:2] == ("add_vs", "p.imgql:2")
    watcher.see(NodeDone("x", goal.node, "add_vs@1", Digest.of(b"y"), 1, How.COMPUTED, "w", 3))
    watcher.see(ExecutionFinished("x", State.SUCCEEDED))
    watcher.close()
    assert stream.getvalue() == 'a"b.nii: computed (3/4 nodes: 1 computed, 2 reused)\n'


def test_a_tally_counts_each_way_a_node_can_end() -> None:
    tally = Tally(small_plan())
    tally.see(ExecutionStarted("x", 4, 1))
    for how in How:
        tally.see(NodeDone("x", NodeId.of(how.encode()), "o", Digest.of(b""), 1, how, "w", 1))
    assert (tally.computed, tally.reused, tally.fetched, tally.done) == (1, 2, 1, 4)


def test_server_sent_events_are_read_and_strangers_passed_over() -> None:
    lines = (
        ": a comment\n\nid: 3\nevent: execution-started\n"
        'data: {"kind": "execution-started", "execution": "x", "total": 2, "reused": 0}\n\n'
        'id: 4\ndata: {"kind": "from-the-future"}\n\nid: 5\ndata: not json\n\nid: 6\n'
        'data: {"kind": "execution-finished",\ndata: "execution": "x", "state": "succeeded"}\n\n'
        'id: 7\ndata: {"kind": "cut'
    )
    found = list(parse_events(io.BytesIO(lines.encode())))
    assert found == [(3, ExecutionStarted("x", 2, 0)), (6, ExecutionFinished("x", State.SUCCEEDED))]


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http:///x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        RemoteEngine(Address(url))


def test_an_address_needs_no_scheme() -> None:
    assert RemoteEngine(Address("somewhere:8700")).url == "http://somewhere:8700"


def test_a_setting_is_a_name_and_a_text() -> None:
    assert parse_setting("a=b=c") == ("a", "b=c")
    for wrong in ("a", "=b"):
        with pytest.raises(UsageError, match=re.escape(wrong)):
            parse_setting(wrong)
