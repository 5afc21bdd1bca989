"""What edits of a program do to the explanation: layout and names nothing, a literal exactly itself."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.imgql import plan_of
from vox.explain import Cause, Difference, differences
from vox.operators.catalogue import CATALOGUE

_LITERAL = re.compile(r"(?<![\w.])\d+(?![\w.])")
_NAME = re.compile(r"\bv\d+\b")


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Lets over lets; every literal is its own number, in no let's name."""
    numbers = iter(range(1000, 2000))
    lines = ['load f = "a.nii"', "let v0 = intensity(f)", f"let v1 = v0 >. {next(numbers)}"]
    images, masks = ["v0"], ["v1"]
    for at in range(2, draw(st.integers(3, 14))):
        image, other = draw(st.sampled_from(images)), draw(st.sampled_from(images))
        mask, second = draw(st.sampled_from(masks)), draw(st.sampled_from(masks))
        forms = {
            f"{image} >. {next(numbers)}": masks,
            f"{mask} & {second}": masks,
            f"({mask} | {second}) & ({image} <. {next(numbers)})": masks,
            f"!{mask}": masks,
            f"{image} + {other}": images,
            f"({image} *. {next(numbers)}) - {other}": images,
        }
        form = draw(st.sampled_from(sorted(forms)))
        lines.append(f"let v{at} = {form}")
        forms[form].append(f"v{at}")
    lines += [f'save "m.nii" {masks[-1]} & v1', f'save "i.nii" {images[-1]} +. {next(numbers)}']
    return "\n".join(lines) + "\n"


def found_in(old_text: str, new_text: str) -> set[tuple[Cause, str]]:
    return {(each.cause, each.text) for each in every(old_text, new_text)}


def every(old_text: str, new_text: str) -> list[Difference]:
    old, new = plan_of(old_text), plan_of(new_text)

    def commutative(operator: str) -> bool:
        return CATALOGUE.of(operator).commutative

    pairs = zip(old.goals, new.goals, strict=True)
    return [each for was, now in pairs for each in differences(old, was.wanted, new, now.wanted, commutative)]


@settings(max_examples=60, deadline=None)
@given(programs(), st.sampled_from(["  ", "\n", "\t", " // a remark\n", "\n\n"]), st.text("abcd", min_size=3))
def test_layout_names_and_remarks_make_no_difference(text: str, space: str, prefix: str) -> None:
    laid_out = text.replace(" = ", f" ={space} ")
    renamed = _NAME.sub(lambda found: f"{prefix}{found[0]}", laid_out)
    assert found_in(text, renamed) == set()


@settings(max_examples=120, deadline=None)
@given(programs(), st.data())
def test_one_changed_literal_is_named_and_nothing_else(text: str, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from(list(_LITERAL.finditer(text))))
    changed = text[: at.start()] + "7" + text[at.end() :]
    found = every(text, changed)
    assert {(each.cause, each.text) for each in found} <= {(Cause.CONSTANT, f"{at[0]} -> 7")}
    line = text.count("\n", 0, at.start()) + 1
    column = at.start() - (text.rfind("\n", 0, at.start()) + 1) + 1
    for each in found:
        assert each.span is not None
        assert (each.span.line, each.span.column) == (line, column)
    reached = plan_of(text).nodes.keys() != plan_of(changed).nodes.keys()
    assert bool(found) == reached
