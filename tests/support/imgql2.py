"""Programs of V2 in a test: compiled against a few tiny images, and run by the simplest interpreter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vox.digest import Digest, NodeId
from vox.errors import InputError, ProgramError, Span, VoxError
from vox.imgql import Bundle, Diagnostic, SourceText, check_bundle, collect, compile_bundle
from vox.imgql.inputs import Inputs
from vox.imgql.parameters import Parameter
from vox.operators.apply import apply
from vox.operators.catalogue import CATALOGUE
from vox.operators.sequences import text_of
from vox.operators.values import Geometry, Image, SourceInfo, Value
from vox.plan import Apply, Constant, Plan, Source

FLAT = Geometry((7, 7), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
AWAY = Geometry((7, 7), (1.0, 1.0), (9.0, 0.0), (1.0, 0.0, 0.0, 1.0))
CUBE = Geometry((5, 5, 5), (1.0,) * 3, (0.0,) * 3, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
RAMP = np.arange(49, dtype=np.float32).reshape(1, 7, 7)
IMAGES = {
    "flat.nii": Image(FLAT, RAMP),
    "away.nii": Image(AWAY, RAMP),
    "cube.nii": Image(CUBE, np.arange(125, dtype=np.float32).reshape(5, 5, 5)),
    **{f"c{n}.nii": Image(FLAT, RAMP * np.float32(n + 1)) for n in range(4)},
}
SYSTEM = {"$stem": "main", "$cwd": "/data", "$dir": "/data/programs", "$file": "main.imgql"}


def resolve(path: str, span: Span) -> SourceInfo:
    """Say what one of the images is."""
    if path not in IMAGES:
        raise InputError(f"no file `{path}`", span=span)
    image = IMAGES[path]
    return SourceInfo(Digest.of(path.encode()), image.geometry, image.components, "float32")


def list_folder(root: str, pattern: str, recursive: bool, full: bool, span: Span) -> list[str]:
    """Every folder holds the four cases, but one is not there."""
    if root == "nowhere":
        raise InputError(f"no folder `{root}`", code="E0275", span=span)
    return [f"c{n}.nii" for n in range(4)]


def read_lines(path: str, span: Span) -> list[str]:
    """Every text is a table of two rows."""
    return ["a,1", "b,2"]


INPUTS = Inputs(list_folder=list_folder, read_lines=read_lines, system=SYSTEM)


def bundle2(
    text: str,
    files: Mapping[str, str] = {},
    parameters: Mapping[str, Parameter] = {},
    dialect: str = "auto",
) -> Bundle:
    def read(importing: str, asked: str) -> SourceText | None:
        return SourceText(asked, files[asked]) if asked in files else None

    return collect(SourceText("main.imgql", text), read, parameters=parameters, dialect=dialect)


def plan2(text: str, files: Mapping[str, str] = {}, dialect: str = "auto", **parameters: Parameter) -> Plan:
    bundle = bundle2(text, files, parameters, dialect)
    return compile_bundle(bundle, resolve, parameters=parameters, inputs=INPUTS)


def findings2(text: str, files: Mapping[str, str] = {}, dialect: str = "auto") -> list[Diagnostic]:
    return check_bundle(bundle2(text, files, dialect=dialect), resolve, inputs=INPUTS)


def error2(text: str, files: Mapping[str, str] = {}, dialect: str = "auto") -> ProgramError:
    try:
        plan2(text, files, dialect)
    except ProgramError as error:
        return error
    raise AssertionError("no error")


def run2(text: str, files: Mapping[str, str] = {}, dialect: str = "auto", **given: Parameter) -> list[str]:
    """Return the lines that a program prints, and the codes of errors while it runs."""
    plan = plan2(text, files, dialect, **given)
    images = {Digest.of(path.encode()): image for path, image in IMAGES.items()}
    values: dict[NodeId, Value] = {}
    errors: dict[NodeId, VoxError] = {}
    for name, node in plan:
        broken = next((errors[i] for i in plan.inputs(name) if i in errors), None)
        if broken is not None:
            errors[name] = broken
        elif isinstance(node, Constant):
            values[name] = node.value
        elif isinstance(node, Source):
            values[name] = images[node.digest]
        else:
            assert isinstance(node, Apply)
            try:
                inputs = [values[each] for each in node.inputs]
                values[name] = apply(CATALOGUE.of(node.operator), inputs, node.parameters)
            except VoxError as error:
                errors[name] = error
    return [
        f"{goal.label}={errors[goal.node].code if goal.node in errors else text_of(values[goal.node])}"
        for goal in plan.goals
        if goal.kind == "print"
    ]
