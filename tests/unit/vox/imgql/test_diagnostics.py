from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.imgql import bundle, error_of, findings_of, plan_of
from vox.errors import ProgramError, VoxError
from vox.imgql import Diagnostic, SourceText, parse_program, render_all
from vox.imgql.codes import CODES, explain
from vox.imgql.diagnostics import did_you_mean, settle
from vox.imgql.imports import decode_source, read_source

# For every code the shortest program that earns it, and the place and words that its author sees.
CASES = [
    ("E0201", 'print "x" volum(3)', "main.imgql:1:11", "unknown name `volum`", "did you mean `volume`?"),
    ("E0201", 'print "x" k\nlet k = 1', "main.imgql:1:11", "unknown name `k`", "declared later, in line 2"),
    ("E0201", 'let f(x) = f(x)\nprint "x" f(1)', "main.imgql:1:12", "unknown name `f`", "no recursion"),
    ("E0202", 'print "x" (1 .+. 2', "main.imgql:1:19", "expected an operator or `)`", ""),
    ("E0203", 'print "x 1', "main.imgql:1:7", "never closed", "add the closing"),
    ("E0204", 'print "x" 1 § 2', "main.imgql:1:13", "`§` means nothing here", ""),
    ("E0206", "// nothing\n", "main.imgql:1:1", "the program is empty", "print"),
    ("E0207", "let x = 3", "main.imgql:1:1", "has no goals", "add a `save` or a `print`"),
    (
        "E0208",
        'let f(a, b) = a\nprint "x" f(1)',
        "main.imgql:2:11",
        "`f` requires 2 arguments, got 1",
        "f(a, b)",
    ),
    ("E0208", 'let k = 1\nprint "x" k(1, 2)', "main.imgql:2:11", "`k` requires 0 arguments, got 2", ""),
    (
        "E0209",
        'load i = "a.nii"\nprint "x" volume(i)',
        "main.imgql:2:11",
        "`volume` requires valuation(bool), called with model",
        "intensity",
    ),
    (
        "E0209",
        'print "x" 1 .+. true',
        "main.imgql:1:13",
        "`.+.` requires (number,number), called with (number,bool)",
        "",
    ),
    (
        "E0210",
        'load i = "a.nii"\nprint "x" i',
        "main.imgql:2:11",
        "printing an expression of type model",
        "`save`",
    ),
    ("E0211", 'save "x.nii" 3', "main.imgql:1:14", 'of type number to file "x.nii"', "`print`"),
    ("E0212", 'load i = "a.nii"\nsave "x.tif" i', "main.imgql:2:6", '"x.tif"', ".nii.gz"),
    ("E0213", 'load i = "a.nii"\nsave "x.png" i', "main.imgql:2:6", "more than 2 dimensions", ".nii.gz"),
    ("E0214", 'import "no"\nprint "x" 1', "main.imgql:1:8", 'import "no" not found', "library"),
    ("E0216", 'print "x" volume(tt)', "main.imgql:1:18", "no model loaded", "load"),
    (
        "E0217",
        'load a = "a.nii"\nload b = "small.nii"\nprint "x" 1',
        "main.imgql:2:10",
        "has 4×5×5 voxels",
        "resample",
    ),
    ("E0218", "x = 3\n", "main.imgql:1:1", "a declaration without `let`", "write `let`"),
    (
        "E0218",
        'print "x" for i in s do i',
        "main.imgql:1:11",
        "V2 dialect, which this version does not run",
        "",
    ),
    ("E0218", 'print "x" let y = 1 in y', "main.imgql:1:11", "`let … in …`", ""),
    ("E0218", 'print "x" fold + 0 (s)', "main.imgql:1:11", "fold", ""),
    ("E0218", 'print "x" [1, 2]', "main.imgql:1:11", "list in square brackets", ""),
    ("E0218", 'print "x" s[0]', "main.imgql:1:12", "index or slice", ""),
    ("E0218", 'print "x" $cwd', "main.imgql:1:11", "system variable", "--set"),
    ("E0218", 'print "x" strings.concat("a", "b")', "main.imgql:1:18", "a name of a namespace", ""),
    ("E0218", 'print "x" +(1, 2)', "main.imgql:1:11", "an operator called as a function", "between"),
    ("E0218", 'print "x" ReadImage("a")', "main.imgql:1:11", "belongs to the V2 dialect", ""),
    ("E0218", 'print "x" range(3)', "main.imgql:1:11", "belongs to the V2 dialect", ""),
    ("E0218", 'import "simpleitk"\nprint "x" 1', "main.imgql:1:8", "import of a namespace", ""),
    (
        "E0219",
        'load m = "m.json"\nsave "x" ap("r")',
        "main.imgql:1:10",
        "graphs, polyhedra or posets",
        "variant",
    ),
    ("E0219", 'print "x" eta(1, 2)', "main.imgql:1:11", "graphs, polyhedra or posets", ""),
    ("E0223", 'print "x" 1 .>>. 2', "main.imgql:1:13", "unknown operator `.>>.`", "did you mean"),
    ("E0223", 'print "x" 3 > 2', "main.imgql:1:13", "unknown operator `>`", "two numbers: `n .>. k`"),
    ("E0209", 'print "x" 3 * 2', "main.imgql:1:13", "`*` requires", "for these two write `.*.`"),
    ("E0223", 'print "x" !I tt', "main.imgql:1:11", "unknown operator `!I`", "put a space into `! I`"),
    (
        "E0301",
        'load i = "missing.nii"\nprint "x" max(intensity(i))',
        "main.imgql:1:10",
        "not there",
        "look again",
    ),
]


@pytest.mark.parametrize(("code", "text", "place", "message", "help"), CASES, ids=lambda v: str(v)[:28])
def test_an_error_has_a_code_a_place_words_and_help(
    code: str, text: str, place: str, message: str, help: str
) -> None:
    error = error_of(text)
    assert error.code == code
    assert error.exit_status == 2
    first = error.diagnostics[0]
    assert isinstance(first, Diagnostic)
    shown = render_all(error.diagnostics, bundle(text).texts())
    assert f"--> {place}\n" in f"{shown}\n"
    assert message in first.message
    assert help in first.help
    assert "Traceback" not in shown
    assert len([d for d in error.diagnostics if d.code == code]) == 1  # type: ignore[attr-defined]


def test_every_code_is_earned_by_some_test_of_this_file() -> None:
    files = [Path(__file__), Path(__file__).with_name("test_diagnostics_v2.py")]
    files.append(Path(__file__).with_name("test_cases.py"))
    here = "".join(path.read_text(encoding="utf-8") for path in files)
    missing = [code for code in CODES if code != "E0200" and f'"{code}"' not in here]
    assert not missing


def test_every_code_is_explained_in_sentences() -> None:
    for code, text in CODES.items():
        assert re.fullmatch(r"[EW]02\d\d", code)
        assert text.endswith(".")
    assert explain("E9999") == ""


def test_the_reference_lists_every_code() -> None:
    text = (Path(__file__).parents[4] / "docs" / "errors.md").read_text(encoding="utf-8")
    assert [code for code in CODES if f"## {code} " not in text] == []
    assert len(CODES) >= 60


def test_a_program_that_is_not_utf8_is_refused_with_its_place() -> None:
    with pytest.raises(ProgramError) as caught:
        parse_program(b"let a = 1\nlet b = \xff", "latin.imgql")
    assert caught.value.code == "E0205"
    assert (caught.value.spans[0].line, caught.value.spans[0].column) == (2, 9)


def test_a_command_is_refused_in_an_imported_file() -> None:
    error = error_of('import "lib"\nprint "x" 1', {"lib.imgql": 'let a = 1\nprint "y" a'})
    assert error.code == "E0215"
    assert error.spans[0].file == "lib.imgql"


def test_a_parameter_nobody_uses_is_an_error_with_a_suggestion() -> None:
    error = error_of('let threshold = 3\nprint "x" threshold', treshold=4)
    assert error.code == "E0220"
    assert "did you mean `threshold`?" in error.hint


def test_a_parameter_of_another_type_is_an_error() -> None:
    assert error_of('let k = 3\nprint "x" k', k="many").code == "E0221"
    assert error_of('let k = 1 .+. 2\nprint "x" k', k=3).code == "E0221"
    assert error_of('load i = "a.nii"\nprint "x" max(intensity(i))', i=3).code == "E0221"


def test_an_expansion_without_bounds_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every step doubles the number of different arguments.
    monkeypatch.setattr("vox.imgql.graph.NODES_MAX", 10_000)
    text = 'load i = "a.nii"\nlet f0(a) = a\n'
    text += "".join(f"let f{n + 1}(a) = f{n}(N a) | f{n}(I a)\n" for n in range(40))
    error = error_of(text + 'print "x" volume(f40(intensity(i) >. 1))')
    assert error.code == "E0222"


def test_an_image_elsewhere_in_space_is_a_warning_and_is_moved() -> None:
    plan = plan_of('load a = "a.nii"\nload b = "moved.nii"\nsave "x.nii" b')
    assert [d.code for d in plan.warnings] == ["W0250"]  # type: ignore[attr-defined]
    assert any("conform@" in getattr(node, "operator", "") for node in plan.nodes.values())


def test_saving_twice_to_one_file_is_a_warning() -> None:
    found = findings_of('load a = "a.nii"\nsave "x.nii" a\nsave "x.nii" a')
    assert [d.code for d in found] == ["W0251"]


def test_more_findings_than_can_be_read_are_counted() -> None:
    found = settle([Diagnostic("error", "E0201", f"unknown name `x{n}`") for n in range(150)])
    assert len(found) == 101
    assert found[-1].code == "W0252"
    assert found[-1].message == "50 more findings are not shown"


def test_all_goals_are_checked_in_one_run() -> None:
    error = error_of('print "a" nosuch1\nprint "b" 1\nprint "c" nosuch2 .+. nosuch3\nsave "c.nii" 3')
    assert [d.code for d in error.diagnostics] == ["E0201"] * 3 + ["E0211"]  # type: ignore[attr-defined]


def test_one_mistake_in_a_declaration_is_reported_once_however_often_it_is_used() -> None:
    error = error_of('let a = nosuch\nprint "a" a\nprint "b" a .+. a\nprint "c" a')
    assert len(error.diagnostics) == 1


def test_an_error_shows_how_the_program_came_there() -> None:
    error = error_of('let f(x) = g(x) .+. x\nlet h(x) = f(x)\nprint "a" h(1)')
    first = error.diagnostics[0]
    assert isinstance(first, Diagnostic)
    assert [note.text for note in first.notes] == ["in `f`, used here", "in `h`, used here"]
    assert [note.span.line for note in first.notes if note.span] == [2, 3]


def test_an_error_inside_the_library_points_at_the_program() -> None:
    error = error_of('load i = "a.nii"\nsave "x.nii" grow(intensity(i) >. 1, i)')
    assert error.spans[0].file == "main.imgql"
    assert (error.spans[0].line, error.spans[0].column) == (2, 14)


def test_the_rendering_is_the_documented_one() -> None:
    text = 'let hyperIntense = 1\nlet veryIntense = 2\nprint "x" hyperIntense .+. veryIntens\n'
    error = error_of(text)
    assert render_all(error.diagnostics, bundle(text).texts()) == (
        "error[E0201]: unknown name `veryIntens`\n"
        " --> main.imgql:3:28\n"
        "  |\n"
        '3 | print "x" hyperIntense .+. veryIntens\n'
        "  |                            ^^^^^^^^^^ not defined here\n"
        "  = help: did you mean `veryIntense`?"
    )


def test_colour_is_only_there_when_it_is_asked_for() -> None:
    diagnostic = findings_of("let x = 3")[0]
    sources = {"main.imgql": SourceText("main.imgql", "let x = 3")}
    assert "\033[" not in diagnostic.render(sources)
    assert "\033[" in diagnostic.render(sources, color=True)


def test_a_line_of_a_megabyte_is_shown_around_the_place() -> None:
    text = 'print "x" ' + "1 .+. " * 20_000 + "nosuch"
    shown = findings_of(text)[0].render({"main.imgql": SourceText("main.imgql", text)})
    assert len(shown) < 1000
    assert "^^^^^^ not defined here" in shown


def test_the_caret_stands_under_its_character_after_tabs() -> None:
    text = 'print "x"\tnosuch'
    lines = findings_of(text)[0].render({"main.imgql": SourceText("main.imgql", text)}).splitlines()
    assert lines[-1] == "  | " + " " * 9 + "\t^^^^^^ not defined here"


def test_json_has_the_fields_of_the_interfaces() -> None:
    document = findings_of('print "x" nosuch')[0].to_json()
    assert document["code"] == "E0201"
    assert document["spans"] == [
        {"file": "main.imgql", "line": 1, "column": 11, "end_line": 1, "end_column": 17}
    ]
    assert set(document) == {"code", "severity", "message", "hint", "spans"}


def test_suggestions_are_near_or_not_made() -> None:
    assert did_you_mean("intensty", ["intensity", "density"]) == "did you mean `intensity`?"
    assert did_you_mean("zebra", ["intensity"]) == ""
    assert did_you_mean("x" * 1000, ["y" * 1000]) == ""


def test_a_program_file_that_cannot_be_read_is_an_input_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.imgql"):
        with pytest.raises(VoxError) as caught:
            read_source(path)
        assert caught.value.exit_status == 2
        assert caught.value.code == "E0301"


def test_a_program_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vox.imgql.imports.SOURCE_BYTES_MAX", 10)
    with pytest.raises(ProgramError) as caught:
        decode_source(b"let xxxxxxx = 1", "big.imgql")
    assert caught.value.code == "E0222"
