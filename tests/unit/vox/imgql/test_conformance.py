"""Whole programs on a tiny image: text in, numbers out, by the simplest interpreter there can be."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.imgql import bundle
from vox.digest import Digest, NodeId
from vox.errors import Span
from vox.imgql import compile_bundle, show_value
from vox.operators.apply import apply
from vox.operators.catalogue import CATALOGUE
from vox.operators.values import Geometry, Image, SourceInfo, Value
from vox.plan import Apply, Constant, Source

FLAT = Geometry((7, 7), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
CUBE = Geometry((5, 5, 5), (1.0,) * 3, (0.0,) * 3, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
IMAGES = {
    "flat.nii": Image(FLAT, np.arange(49, dtype=np.float32).reshape(1, 7, 7)),
    "cube.nii": Image(CUBE, np.arange(125, dtype=np.float32).reshape(5, 5, 5)),
}


def run(text: str) -> list[str]:
    """Return the lines that a program prints."""

    def resolve(path: str, span: Span) -> SourceInfo:
        return SourceInfo(Digest.of(path.encode()), IMAGES[path].geometry, 1, "float32")

    plan = compile_bundle(bundle(text), resolve)
    images = {Digest.of(path.encode()): image for path, image in IMAGES.items()}
    values: dict[NodeId, Value] = {}
    for name, node in plan:
        if isinstance(node, Constant):
            values[name] = node.value
        elif isinstance(node, Source):
            values[name] = images[node.digest]
        else:
            assert isinstance(node, Apply)
            inputs = [values[each] for each in node.inputs]
            values[name] = apply(CATALOGUE.of(node.operator), inputs, node.parameters)
    shown = []
    for goal in plan.goals:
        value = values[goal.node]
        assert value is None or isinstance(value, bool | int | float | str)
        shown.append(f"{goal.label}={show_value(value)}")
    return shown


FLAT_HEAD = 'load img = "flat.nii"\nlet i = intensity(img)\n'
CUBE_HEAD = 'load img = "cube.nii"\nlet i = intensity(img)\n'
SQUARE = "let s = ((x >=. 1) & (x <=. 5)) & (y >=. 1) & (y <=. 5)\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('print "a" 1 .-. 2 .-. 3', "a=2.0"),
        ('print "a" 1 ./. 0', "a=infinity"),
        ('print "a" (0 ./. 0) .=. (0 ./. 0)', "a=false"),
        ('print "a" "text"', 'a="text"'),
        ('let f(x) = x\nlet x = 3\nlet g = x\nlet x = 4\nprint "g" g', "g=3.0"),
        (f'{FLAT_HEAD}print "v" volume(near(i =. 24))', "v=9.0"),
        (f'{FLAT_HEAD}print "v" volume(near(i =. 0))', "v=4.0"),
        (f'{CUBE_HEAD}print "v" volume(near(i =. 62))', "v=27.0"),
        (f'{CUBE_HEAD}print "v" volume(near(i =. 0))', "v=8.0"),
        (f'{FLAT_HEAD}print "v" volume(interior(tt))', "v=49.0"),
        (f'{FLAT_HEAD}print "v" volume(!ff & ff)', "v=49.0"),
        (f'{FLAT_HEAD}print "v" volume(border)', "v=24.0"),
        (f'{CUBE_HEAD}print "v" volume(border)', "v=98.0"),
        (f'{FLAT_HEAD}{SQUARE}print "d" min(dt(s))', "d=-2.0"),
        (f'{FLAT_HEAD}{SQUARE}print "d" max(dt(s))', "d=1.414213538"),
        (f'{FLAT_HEAD}{SQUARE}print "v" volume(B+ s)', "v=24.0"),
        (f'{FLAT_HEAD}{SQUARE}print "v" volume(distleq(1, s))', "v=45.0"),
        (f'{FLAT_HEAD}print "v" volume((i <. 2) | (i =. 30) | maxvol((i <. 2) | i >. 46))', "v=5.0"),
        (f'{FLAT_HEAD}print "v" volume(maxvol((i <. 2) | i >. 46))', "v=4.0"),
        (f'{FLAT_HEAD}print "a" min(crossCorrelation(1, i, i, tt, 3, 3, 5))', "a=1.0"),
        (f'{FLAT_HEAD}print "v" volume(touch(i <. 3, border))', "v=3.0"),
        (f'{FLAT_HEAD}{SQUARE}print "v" volume(touch(s, border))', "v=25.0"),
        (f'{FLAT_HEAD}{SQUARE}print "v" volume(s ~> border)', "v=0.0"),
        (f'{FLAT_HEAD}{SQUARE}print "v" volume((I s) S s & ! I s)', "v=9.0"),
        (f'{FLAT_HEAD}print "v" volume((5 .<= i) & i <=. 5)', "v=1.0"),
        (f'{FLAT_HEAD}print "v" volume(5 .>= i)', "v=6.0"),
        (f'{FLAT_HEAD}print "v" volume(5 .< i)', "v=43.0"),
        (f'{FLAT_HEAD}print "v" max(norm(3, i))', "v=3.0"),
        (f'{FLAT_HEAD}print "v" max(divZ(i, i, constant(7)))', "v=7.0"),
        (f'{FLAT_HEAD}{SQUARE}print "v" volume(ifB(false, tt, s))', "v=25.0"),
        (f'{FLAT_HEAD}{SQUARE}print "v" max(ifN(true, constant(2), i))', "v=2.0"),
        (f'{FLAT_HEAD}{SQUARE}print "v" volume(imopen(s, 1)) .=. volume(s)', "v=false"),
        (f'{FLAT_HEAD}print "v" max(red(overlayColor(i <. 3, img, 99, 0, 0)))', "v=99.0"),
        (f'{FLAT_HEAD}print "v" max(booleanToNumber(3, i <. 3))', "v=3.0"),
    ],
)
def test_a_program_prints_what_the_language_says(text: str, line: str) -> None:
    assert run(text) == [line]


REGIONS = (
    'import "RegionCalculus"\n'
    + FLAT_HEAD
    + (
        "let big = ((x >=. 1) & (x <=. 5)) & (y >=. 1) & (y <=. 5)\n"
        "let inner = ((x >=. 2) & (x <=. 4)) & (y >=. 2) & (y <=. 4)\n"
        "let edge = ((x >=. 1) & (x <=. 2)) & (y >=. 2) & (y <=. 4)\n"
        "let cross = (x <=. 3) & (y =. 3)\n"
        "let beside = (x =. 6)\n"
        "let far = (x =. 0) & (y =. 6)\n"
        "let dot = (x =. 3) & (y =. 3)\n"
    )
)
RELATIONS = {
    ("inner", "big"): "p pp ntpp o",
    ("edge", "big"): "p pp tpp o",
    ("big", "inner"): "pi ppi ntppi o",
    ("big", "edge"): "pi ppi tppi o",
    ("big", "big"): "p pi o eq",
    ("cross", "big"): "o po",
    ("beside", "big"): "dr ec",
    ("far", "dot"): "dr dc",
}


@pytest.mark.parametrize(("a", "b"), RELATIONS)
def test_region_calculus_tells_how_regions_lie(a: str, b: str) -> None:
    names = ["p", "pp", "pi", "ppi", "o", "po", "dr", "eq", "dc", "ec", "tpp", "ntpp", "tppi", "ntppi"]
    lines = run(REGIONS + "\n".join(f'print "{name}" {name}({a}, {b})' for name in names))
    true = {line.split("=")[0] for line in lines if line.endswith("=true")}
    assert true == set(RELATIONS[a, b].split())


def test_percentiles_rank_as_the_reference_says() -> None:
    for c, expected in ((0, (0, 0.5)), (0.5, (0.25, 0.625)), (1, (0.5, 0.75))):
        # The values 1 1 2 5, at four voxels.
        text = (
            FLAT_HEAD + "let m = i <. 4\n"
            "let v = (constant(1) +. 0) + booleanToNumber(1, i =. 2) + booleanToNumber(4, i =. 3)\n"
            f"let r = percentiles(v, m, {c})\n"
            'print "a" avg(r, i =. 0)\nprint "b" avg(r, i =. 2)\nprint "out" avg(r, i =. 40)'
        )
        assert run(text) == [f"a={show_value(expected[0])}", f"b={show_value(expected[1])}", "out=-1.0"]
