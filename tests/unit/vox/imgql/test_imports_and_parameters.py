from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.imgql import bundle, error_of, plan_of, printed, resolve, term
from vox.errors import ProgramError
from vox.imgql import Bundle, SourceText, collect, compile_bundle, read_beside, read_source
from vox.imgql.imports import library_files
from vox.imgql.parser import parse


def test_imported_declarations_stand_where_the_import_does() -> None:
    files = {"a.imgql": "let k = 1", "b.imgql": 'import "a"\nlet j = k .+. 1'}
    plan = plan_of('let k = 5\nimport "b.imgql"\nimport "a.imgql"\nprint "j" j\nprint "k" k', files)
    assert [term(plan, goal.node) for goal in plan.goals] == [("num_add", 1.0, 1.0), 1.0]


def test_files_that_import_each_other_are_taken_in_once() -> None:
    files = {"a.imgql": 'import "b"\nlet k = 1', "b.imgql": 'import "a"\nlet j = 2'}
    assert term_of('import "a"\nprint "x" j .+. k', files) == ("num_add", 2.0, 1.0)


def term_of(text: str, files: dict[str, str]) -> object:
    plan = plan_of(text, files)
    return term(plan, plan.goals[0].node)


def test_a_program_that_imports_itself_is_not_run_twice() -> None:
    plan = plan_of('import "main.imgql"\nprint "x" 1', {"main.imgql": 'import "main.imgql"\nprint "x" 1'})
    assert len(plan.goals) == 1


def test_imports_are_found_beside_the_file_then_in_the_working_folder_then_in_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study" / "parts").mkdir(parents=True)
    (tmp_path / "study" / "parts" / "one.imgql").write_text('import "two"\nlet one = two')
    (tmp_path / "study" / "parts" / "two.imgql").write_text("let two = 22")
    (tmp_path / "two.imgql").write_text("let two = 2")
    (tmp_path / "here.imgql").write_text("let here = 3")
    main = tmp_path / "study" / "main.imgql"
    imports = 'import "parts/one"\nimport "here"\nimport "RegionCalculus"\n'
    main.write_text(f'{imports}print "a" one\nprint "b" here\nprint "c" two')
    gathered = collect(read_source(main), read_beside)
    assert sorted(gathered.sources) == ["here.imgql", "study/parts/one.imgql", "study/parts/two.imgql"]
    plan = compile_bundle(gathered, resolve)
    assert [term(plan, goal.node) for goal in plan.goals] == [22.0, 3.0, 22.0]


def test_a_bundle_travels_as_json() -> None:
    gathered = bundle('import "a"\nload i = "x.nii"\nprint "k" k', {"a.imgql": "let k = 7"})
    again = Bundle.from_json(json.loads(json.dumps(gathered.to_json())))
    assert again.sources == gathered.sources
    assert again.loads == gathered.loads
    assert list(compile_bundle(again, resolve).nodes) == list(compile_bundle(gathered, resolve).nodes)


@pytest.mark.parametrize(
    "document",
    [{}, {"program": 3}, {"program": "", "sources": 3}, {"program": "", "sources": {"a": 1}},
     {"program": "", "imports": 3}, {"program": "", "imports": [[1]]}],
)  # fmt: skip
def test_a_document_that_is_no_bundle_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ProgramError):
        Bundle.from_json(document)


def test_a_file_from_outside_cannot_pass_for_the_librarys() -> None:
    def read(importing: str, asked: str) -> SourceText:
        return SourceText("<library>/../../../../etc/passwd", "let k = 1")

    gathered = collect(SourceText("m", 'import "k"\nprint "k" k'), read)
    assert gathered.sources == {}


def test_the_loads_of_a_program_are_listed_with_their_places() -> None:
    gathered = bundle(
        'load a = "a.nii"\nload b = "b.nii"\nprint "v" max(intensity(c))', parameters={"c": "c.nii"}
    )
    assert [(path, span.line) for path, span in gathered.loads] == [("c.nii", 1), ("a.nii", 1), ("b.nii", 2)]


def test_a_parameter_replaces_the_path_of_a_load() -> None:
    gathered = bundle('load a = "a.nii"\nsave "x.nii" a', parameters={"a": "@other"})
    assert [path for path, _ in gathered.loads] == ["other"]


def test_the_library_is_without_errors() -> None:
    assert [path.name for path in library_files()] == ["RegionCalculus.imgql", "stdlib.imgql"]
    for path in library_files():
        assert parse(SourceText(path.name, path.read_text(encoding="utf-8")), imported=True)[1] == []


@pytest.mark.parametrize(
    ("text", "value", "meaning"),
    [
        ("let k = 3", 4, 4.0),
        ("let k = 3", "4.5", 4.5),
        ("let k = 3", "-1e3", -1000.0),
        ("let k = true", "false", False),
        ("let k = true", False, False),
        ('let k = "a"', "3", "3"),
        ("", 4.0, 4.0),
        ("", "4", 4.0),
        ("", "true", True),
        ("", "some text", "some text"),
    ],
)
def test_a_parameter_replaces_a_literal_or_fills_a_free_name(
    text: str, value: str | float, meaning: object
) -> None:
    assert printed(f'{text}\nprint "k" k', k=value) == [meaning]


def test_an_images_path_fills_a_free_name_as_a_load() -> None:
    plan = plan_of('print "v" volume(touch(intensity(flair) >. 1, border))', flair="case.nii.gz")
    assert len(plan.goals) == 1
    assert plan_of('save "x.nii" odd', odd="@no ending").goals


def test_a_parameter_changes_every_literal_let_of_its_name_and_nothing_in_imports() -> None:
    files = {"lib.imgql": "let k = 1\nlet j = k"}
    plan = plan_of('import "lib"\nlet k = 2\nprint "a" j\nprint "b" k', files, k=9)
    assert [term(plan, goal.node) for goal in plan.goals] == [1.0, 9.0]


def test_a_free_name_that_no_parameter_fills_is_an_unknown_name() -> None:
    assert error_of('print "v" flair').code == "E0201"
