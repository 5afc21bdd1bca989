"""The house rules that no linter knows: sizes, places, words."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("vox", "p2p", "worker", "coordinator", "client")
GENERATED = "vox/wire/v1/"
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def tracked(*suffixes: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [
        ROOT / name
        for name in listed.stdout.splitlines()
        if name.endswith(suffixes) and (ROOT / name).is_file()
    ]


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules() -> list[Path]:
    return [
        path
        for path in tracked(".py")
        if path.relative_to(ROOT).parts[0] in ROOMS and GENERATED not in path.as_posix()
    ]


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    long = {place(p): n for p in modules() if (n := len(p.read_text().splitlines())) > MODULE_LINES_MAX}
    assert not long


def test_no_function_is_longer_than_sixty_lines() -> None:
    long = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                begin = (first.end_lineno or node.lineno) if documented else node.lineno
                lines = (node.end_lineno or begin) - begin
                if lines > FUNCTION_LINES_MAX:
                    long[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = lines
    assert not long


def test_proto_holds_no_python_and_tests_hold_no_packages() -> None:
    assert not list((ROOT / "proto").rglob("*.py"))
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_every_module_says_what_it_is() -> None:
    silent = [place(p) for p in modules() if not ast.get_docstring(ast.parse(p.read_text()))]
    assert not silent


# Each word with the house's own noun; looked for in names that we define, not in prose or foreign APIs.
TEXT_FILES = (".py", ".md", ".toml", ".yml", ".sh", ".imgql", ".json", ".service", "Makefile", ".ci/run")
FORBIDDEN_NAMES = {"workflow": "plan", "artifact": "blob", "neighbor": "peer"}


@pytest.mark.parametrize("word", sorted(FORBIDDEN_NAMES))
def test_names_use_the_nouns_of_the_house(word: str) -> None:
    pattern = re.compile(rf"\b(def|class)\s+\w*{word}\w*", re.IGNORECASE)
    guilty = [place(p) for p in modules() if pattern.search(p.read_text())]
    assert not guilty, f"say {FORBIDDEN_NAMES[word]}"


def test_nothing_is_left_to_do_in_the_code() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert not [place(p) for p in modules() if pattern.search(p.read_text())]


def test_no_path_of_a_developers_machine_is_committed() -> None:
    personal = re.compile(r"/(home|Users)/\w+/|" + re.escape(f"{ROOT}/"))
    guilty = [place(p) for p in tracked(*TEXT_FILES) if personal.search(p.read_text(errors="replace"))]
    assert not guilty


def test_locks_name_no_registry() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert not re.search(r"https?://|--index-url|--find-links", (ROOT / name).read_text())


def test_every_documented_error_code_exists_and_every_code_is_documented() -> None:
    pattern = re.compile(r"\bE\d{4}\b")
    used = {code for p in modules() for code in pattern.findall(p.read_text())}
    documented = set(pattern.findall((ROOT / "docs" / "errors.md").read_text()))
    assert used - documented == set()
    assert documented - used == set()
