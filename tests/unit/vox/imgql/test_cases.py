"""Layouts of data sets, as lists of paths."""

from __future__ import annotations

import pytest

from vox.errors import UsageError
from vox.imgql.cases import Case, bind, find_cases

BRATS = [
    f"data/{case}/{case}_{name}.nii.gz"
    for case in ("BraTS20_001", "BraTS20_002")
    for name in ("flair", "seg")
]


@pytest.mark.parametrize(
    ("layout", "paths", "case", "files"),
    [
        ("brats", BRATS, "BraTS20_001", {"flair", "seg"}),
        ("brats", ["P1/P1-t1n.nii.gz", "P1/P1-T1-ce.nii"], "P1", {"t1n", "t1ce"}),
        ("bids", ["sub-1/anat/sub-1_T1w.nii.gz", "sub-1/anat/sub-1_FLAIR.nii"], "sub-1", {"t1w", "flair"}),
        ("bids", ["sub-1/ses-a/anat/sub-1_ses-a_label-lesion_mask.nii.gz"], "sub-1_ses-a", {"lesionmask"}),
        ("nnunet", ["imagesTr/a_b_0001.nii.gz", "labelsTr/a_b.nii.gz"], "a_b", {"i0001", "seg"}),
        ("glob:{case}/{name}.nii", ["x/T1.nii", "x/T1.txt", "y/z/T1.nii"], "x", {"t1"}),
        ("glob:**/{case}/{case}.{name}.png", ["d/x/x.red.png", "d/x/y.red.png"], "x", {"red"}),
        ("glob:{case}.nii.gz", ["one.nii.gz"], "one", {"image"}),
    ],
)
def test_paths_become_cases(layout: str, paths: list[str], case: str, files: set[str]) -> None:
    found = find_cases(paths, layout)
    assert found[0].name == case
    assert set(found[0].files) == files
    assert set(found[0].files.values()) <= set(paths)


@pytest.mark.parametrize(
    ("code", "paths", "layout"),
    [
        ("E0270", BRATS, "bratz"),
        ("E0270", BRATS, "glob:*.nii"),
        ("E0271", ["readme.txt", "a.nii"], "brats"),
        ("E0273", ["P/P_a.nii", "P/P_a.nii.gz"], "brats"),
    ],
)
def test_what_is_no_data_set_is_refused(code: str, paths: list[str], layout: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_cases(paths, layout)
    assert caught.value.code == code


def test_a_case_fills_the_names_that_a_program_leaves_open() -> None:
    case = find_cases(BRATS)[1]
    bound = bind(case, ["flair", "threshold"], given=["threshold"])
    assert bound == {"flair": "@data/BraTS20_002/BraTS20_002_flair.nii.gz"}
    with pytest.raises(UsageError) as caught:
        bind(Case("one", {"flair": "x"}), ["flaire"])
    assert caught.value.code == "E0272"
    assert "`flair`" in caught.value.hint
