"""Folders of cases: which files belong to which case, and which name of a program each of them is.

Pure: paths in, bindings out. A case is a folder (`brats`, `bids`), or what files of one folder have in common
(`nnunet`), or what stands for `{case}` in a pattern (`glob:{case}/{name}.nii.gz`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from vox.errors import UsageError
from vox.imgql import codes
from vox.imgql.diagnostics import did_you_mean
from vox.imgql.parameters import image_path

Match = Callable[[str], "tuple[str, str] | None"]
LAYOUTS = ("brats", "bids", "nnunet")
# A data set of a hundred thousand patients is one file list of tens of megabytes.
CASES_MAX = 100_000


@dataclass(frozen=True)
class Case:
    """A patient or a session: its name, and its files by the names that programs use for them."""

    name: str
    files: Mapping[str, str]


def find_cases(paths: Iterable[str], layout: str = "brats") -> tuple[Case, ...]:
    """Return the cases among `paths`, relative to the folder of the data set, by name.

    Raises
    ------
    UsageError
        If the layout is unknown (E0270), nothing is a case (E0271), a case has two files of one name (E0273).
    """
    match = _matcher(layout)
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(paths):
        plain = path.replace("\\", "/")
        named = match(plain)
        if named is not None and image_path(plain) is not None:
            case, name = named
            found.setdefault(case, {}).setdefault(name, []).append(path)
    if not found:
        hint = f"the layout is `{layout}`; others are {', '.join(LAYOUTS)} and glob:{{case}}/{{name}}.nii.gz"
        raise UsageError("no case was found", hint=hint, code=codes.CASES_NONE)
    if len(found) > CASES_MAX:
        raise UsageError(f"more than {CASES_MAX} cases", code=codes.TOO_LARGE)
    cases = []
    for case, files in sorted(found.items()):
        for name, several in files.items():
            if len(several) > 1:
                raise UsageError(
                    f"the case `{case}` has {len(several)} files for `{name}`: {', '.join(several[:3])}",
                    hint="narrow the pattern of --cases",
                    code=codes.CASE_AMBIGUOUS,
                )
        cases.append(Case(case, {name: several[0] for name, several in files.items()}))
    return tuple(cases)


def bind(case: Case, wanted: Iterable[str], given: Iterable[str] = ()) -> dict[str, str]:
    """Return the files of a case for the names that a program leaves open.

    Raises
    ------
    UsageError
        E0272 if the case has no file for one of them.
    """
    have = set(given)
    bound: dict[str, str] = {}
    for name in wanted:
        if name in have:
            continue
        path = case.files.get(name)
        if path is None:
            known = ", ".join(sorted(case.files)) or "nothing"
            hint = did_you_mean(name, case.files) or f"it has {known}; give the name with --set"
            message = f"the case `{case.name}` has no file for `{name}`"
            raise UsageError(message, hint=hint, code=codes.CASE_FILE)
        bound[name] = f"@{path}"
    return bound


def _matcher(layout: str) -> Match:
    if layout.startswith("glob:"):
        return _pattern(layout.removeprefix("glob:"))
    matchers = {"brats": _brats, "bids": _bids, "nnunet": _nnunet}
    if layout not in matchers:
        hint = did_you_mean(layout, LAYOUTS) or f"the layouts are {', '.join(LAYOUTS)} and glob:PATTERN"
        raise UsageError(f"no layout is called `{layout}`", hint=hint, code=codes.CASES_LAYOUT)
    return matchers[layout]


def word(text: str) -> str:
    """Return a text as a name of the language: `T1-ce` is `t1ce`."""
    plain = re.sub(r"[^0-9A-Za-z]", "", text).lower()
    return plain if plain[:1].isalpha() else f"i{plain}"


def _stem(name: str) -> str:
    for ending in (".nii.gz", ".img.gz"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name.rpartition(".")[0] or name


def _brats(path: str) -> tuple[str, str] | None:
    """`any/CASE/CASE_flair.nii.gz`, also `CASE-t1n.nii.gz`, is `flair` of CASE."""
    folders, _, name = path.rpartition("/")
    case, stem = folders.rpartition("/")[2], _stem(name)
    if not case:
        return None
    if stem.lower().startswith(case.lower()):
        stem = stem[len(case) :]
    return case, word(stem) if word(stem) != "i" else "image"


def _bids(path: str) -> tuple[str, str] | None:
    """`sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz` is `t1w` of `sub-01_ses-1`."""
    name = path.rpartition("/")[2]
    parts = _stem(name).split("_")
    if not parts[0].startswith("sub-"):
        return None
    case = "_".join(part for part in parts if part.startswith(("sub-", "ses-")))
    rest = [part for part in parts if not part.startswith(("sub-", "ses-"))]
    kept = [part.partition("-")[2] if part.startswith(("desc-", "label-")) else "" for part in rest[:-1]]
    return case, word("".join([*kept, rest[-1]])) if rest else "image"


def _nnunet(path: str) -> tuple[str, str] | None:
    """`imagesTr/CASE_0000.nii.gz` is `i0000` of CASE, `labelsTr/CASE.nii.gz` is its `seg`."""
    folders, _, name = path.rpartition("/")
    folder, stem = folders.rpartition("/")[2].lower(), _stem(name)
    if folder.startswith("labels"):
        return stem, "seg"
    case, dash, channel = stem.rpartition("_")
    return (case, word(channel)) if dash and channel.isdigit() and len(channel) == 4 else None


def _pattern(pattern: str) -> Match:
    if "{case}" not in pattern:
        raise UsageError(
            "the pattern of a glob layout says where the case's name is",
            hint="for example glob:{case}/{name}.nii.gz",
            code=codes.CASES_LAYOUT,
        )
    parts = re.split(r"(\{case\}|\{name\}|\*\*/|\*|\?)", pattern)
    shapes = {"{case}": "(?P<case>[^/]+?)", "{name}": "(?P<name>[^/]+?)"}
    shapes |= {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    seen: set[str] = set()
    text = ""
    for part in parts:
        name = part.strip("{}")
        text += f"(?P={name})" if part in seen and part[:1] == "{" else shapes.get(part, re.escape(part))
        seen.add(part)
    full = re.compile(text).fullmatch

    def match(path: str) -> tuple[str, str] | None:
        found = full(path)
        if found is None:
            return None
        return found.group("case"), word(found.groupdict().get("name") or "image")

    return match
