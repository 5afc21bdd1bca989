"""A report: one page, nothing from elsewhere, whatever names the program and its files have."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

from client.report import Picture, Proof, Report, methods, numbers
from client.report_page import page
from tests.support.imgql import plan_of
from vox.digest import Digest
from vox.plan import Goal
from vox.submitted import Submitted

EVIL = '<script>alert("x")</script>&'
TEXT = """load f = "a.nii"
let image = intensity(f)
print "v" max(image)
save "m.nii" image >. 3
"""


def report(**prints: str) -> Report:
    plan = plan_of(TEXT)
    document = {
        "execution": "abc",
        "state": "partial",
        "seconds": 1.5,
        "nodes": {"total": 9, "computed": 5, "reused": 4, "fetched": 0, "failed": 0, "skipped": 0},
        "goals": [{"kind": "print", "label": EVIL, "state": "failed"}],
        "errors": [{"code": "E0400", "message": EVIL, "hint": EVIL}],
    }
    goal = plan.goals[0]
    named = [(Goal("print", label, goal.node, goal.span, goal.type), text) for label, text in prints.items()]
    return Report(
        document,
        plan,
        Submitted("p.imgql", {"p.imgql": TEXT + EVIL}, {"k": EVIL}, {EVIL: Digest.of(b"x")}),
        prints=[*named, *((each, text) for each, text in [(goal, EVIL)] if not prints)],
        pictures=[Picture(EVIL, EVIL, "data:image/png;base64,AAAA")],
        proofs=[Proof(EVIL, "blob:" + "0" * 64, False, 3, ("peer:" + "1" * 64,))],
        operators=Counter({"max@1": 2}),
        sources=[(EVIL, "blob:" + "2" * 64)],
        version="0.1.0",
        plan_digest="blob:" + "3" * 64,
        program_digest="blob:" + "4" * 64,
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_a_page_runs_nothing_and_loads_nothing() -> None:
    text = page(report())
    tags = Tags()
    tags.feed(text)
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in tags.seen}
    for _, attributes in tags.seen:
        assert not [name for name in attributes if name.startswith("on")]
        assert not (attributes.get("src") or "data:").partition("data:")[0]
        assert (attributes.get("href") or "#").startswith("#")
    assert EVIL not in text
    assert "http" not in re.sub(r"http-equiv", "", text)


def test_what_went_wrong_comes_first() -> None:
    text = page(report())
    assert text.index("E0400") < text.index("<h2>Results")
    assert "not every step is attested" in text


def test_every_goal_s_line_can_be_reached() -> None:
    text = page(report())
    for link in set(re.findall(r'href="#(L\d+)"', text)):
        assert f'id="{link}"' in text


def test_prints_of_cases_become_one_table_with_means() -> None:
    found = report(**{"one/dice": "0.5", "two/dice": "0.7", "two/note": '"x"'})
    assert found.table == [["case", "dice", "note"], ["one", "0.5", ""], ["two", "0.7", '"x"']]
    assert numbers(found.table) == ["mean ± sd", "0.6 ± 0.141", ""]
    assert "0.6 ± 0.141" in page(found)
    assert report(**{"one/dice": "0.5", "plain": "0.7"}).table is None


def test_the_methods_say_program_plan_counts_and_signers() -> None:
    text = methods(report())
    assert "SHA-256 444444444444…" in text
    assert "SHA-256 333333333333…" in text
    assert "5 were computed and 4 were known" in text
    assert "one machine" in text
