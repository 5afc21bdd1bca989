"""What the HTTP API takes, and the documents it answers with."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from coordinator.api_models import ConfigModel, DynamicSubmission, SourceModel, Submission, parse_digest
from coordinator.contract import DynamicExecutionConfig
from tests.support.cluster import image_source
from vox.errors import InputError, ProgramError, UsageError
from vox.plan import Apply

PROGRAM = """import "lib"
load a = "a.nii"
print "v" volume(big(intensity(a)))
save "m.nii" big(intensity(a))
"""
LIBRARY = "let big(x) = x >. 100"


def submission(**changes: object) -> Submission:
    source, _ = image_source(1)
    fields = {"program": PROGRAM, "imports": {"lib": LIBRARY}, "sources": {"a.nii": source}, **changes}
    return Submission.model_validate(fields)


def test_a_submission_becomes_the_plan_of_its_program() -> None:
    plan = submission().plan()
    assert [goal.label for goal in plan.goals] == ["v", "m.nii"]
    operators = {node.operator.partition("@")[0] for _, node in plan if isinstance(node, Apply)}
    assert "volume" in operators


def test_names_of_files_do_not_change_the_plan() -> None:
    other = submission(filename="elsewhere/other.imgql").plan()
    assert [goal.node for goal in other.goals] == [goal.node for goal in submission().plan().goals]


def test_a_parameter_changes_the_plan() -> None:
    program = 'let t = 3\nprint "t" t .+. 1'
    plans = [submission(program=program, parameters=given).plan() for given in ({}, {"t": 3}, {"t": 4})]
    goals = [plan.goals[0].node for plan in plans]
    assert goals[0] == goals[1] != goals[2]


def test_a_load_without_a_source_says_where_it_is() -> None:
    with pytest.raises((InputError, ProgramError)) as caught:
        submission(sources={}).plan()
    assert "a.nii" in caught.value.message
    assert caught.value.spans[0].line == 2


def test_an_import_that_was_not_sent_is_a_program_error() -> None:
    with pytest.raises(ProgramError, match="lib"):
        submission(imports={}).plan()


@pytest.mark.parametrize(
    "change", [{"size": [4, 4]}, {"spacing": [1.0, 1.0]}, {"direction": [1.0] * 4}, {"size": [0, 4, 4]}]
)
def test_a_geometry_whose_parts_do_not_fit_is_a_usage_error(change: dict[str, object]) -> None:
    source, _ = image_source(1)
    source["geometry"].update(change)
    with pytest.raises(UsageError):
        SourceModel.model_validate(source).value()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_geometry_of_no_numbers_is_refused(number: str) -> None:
    source, _ = image_source(1)
    text = json.dumps(source).replace('"spacing": [1.0', f'"spacing": [{number}', 1)
    with pytest.raises(ValidationError):
        SourceModel.model_validate(json.loads(text))


def test_a_config_becomes_the_engine_s_own() -> None:
    assert ConfigModel().value() == DynamicExecutionConfig()
    given = ConfigModel(retries=0, priority=3, storage_backend="sqlite", cache_size="1GB")
    assert given.value() == DynamicExecutionConfig(retries=0, priority=3)


def test_voxlogica_2s_words_are_the_same_submission() -> None:
    words = DynamicSubmission(program="x", execution_engine="sequential", storage_backend="hybrid")
    assert words.submission().config.execution_engine == "sequential"


def test_a_digest_is_read_with_and_without_its_prefix() -> None:
    digits = "ab" * 32
    assert parse_digest(digits) == parse_digest(f"blob:{digits}")
    for wrong in ("", "blob:", digits[:-1], f"node:{digits}", digits.upper(), "../" + digits):
        with pytest.raises(UsageError):
            parse_digest(wrong)
