"""Every operator there is: the table from which the checker, the runner and the help are made."""

from __future__ import annotations

from vox.operators import catalogue_v2, sitk_signatures
from vox.operators.registry import Operator, Registry
from vox.plan import Type

_B, _N, _S = Type.BOOLEAN, Type.NUMBER, Type.STRING
_I, _M, _V = Type.IMAGE, Type.MASK, Type.MODEL
_G, _F = Type.GEOMETRY, Type.FILE


def _family(module: str, *rows: Operator) -> tuple[Operator, ...]:
    assert all(row.kernel.startswith(f"vox.operators.{module}:") for row in rows)
    return rows


ARITHMETIC = _family(
    "arithmetic",
    Operator("num_add", 1, (_N, _N), _N, "vox.operators.arithmetic:num_add", "a + b", cost="scalar"),
    Operator("num_sub", 1, (_N, _N), _N, "vox.operators.arithmetic:num_sub", "a - b", cost="scalar"),
    Operator("num_mul", 1, (_N, _N), _N, "vox.operators.arithmetic:num_mul", "a * b", cost="scalar"),
    Operator("num_div", 1, (_N, _N), _N, "vox.operators.arithmetic:num_div", "a / b, IEEE", cost="scalar"),
    Operator("num_eq", 1, (_N, _N), _B, "vox.operators.arithmetic:num_eq", "a = b", cost="scalar"),
    Operator("num_leq", 1, (_N, _N), _B, "vox.operators.arithmetic:num_leq", "a <= b", cost="scalar"),
    Operator("num_lt", 1, (_N, _N), _B, "vox.operators.arithmetic:num_lt", "a < b", cost="scalar"),
    Operator("num_geq", 1, (_N, _N), _B, "vox.operators.arithmetic:num_geq", "a >= b", cost="scalar"),
    Operator("num_gt", 1, (_N, _N), _B, "vox.operators.arithmetic:num_gt", "a > b", cost="scalar"),
    Operator("add", 1, (_I, _I), _I, "vox.operators.arithmetic:add", "voxelwise a + b"),
    Operator("subtract", 1, (_I, _I), _I, "vox.operators.arithmetic:subtract", "voxelwise a - b"),
    Operator("multiply", 1, (_I, _I), _I, "vox.operators.arithmetic:multiply", "voxelwise a * b"),
    Operator(
        "divide",
        1,
        (_I, _I),
        _I,
        "vox.operators.arithmetic:divide",
        "voxelwise a / b; x/0 is the float32 max",
    ),
    Operator("add_vs", 1, (_I, _N), _I, "vox.operators.arithmetic:add_vs", "image + number"),
    Operator("sub_vs", 1, (_I, _N), _I, "vox.operators.arithmetic:sub_vs", "image - number"),
    Operator("mul_vs", 1, (_I, _N), _I, "vox.operators.arithmetic:mul_vs", "image * number"),
    Operator("div_vs", 1, (_I, _N), _I, "vox.operators.arithmetic:div_vs", "image * (1 / number)"),
    Operator("sub_sv", 1, (_N, _I), _I, "vox.operators.arithmetic:sub_sv", "number - image"),
    Operator(
        "div_sv", 1, (_N, _I), _I, "vox.operators.arithmetic:div_sv", "number / image; x/0 is the float32 max"
    ),
    Operator("abs", 1, (_I,), _I, "vox.operators.arithmetic:absolute", "voxelwise |a|"),
)

LOGIC = _family(
    "logic",
    Operator("bool_and", 1, (_B, _B), _B, "vox.operators.logic:bool_and", "a and b", cost="scalar"),
    Operator("bool_or", 1, (_B, _B), _B, "vox.operators.logic:bool_or", "a or b", cost="scalar"),
    Operator("bool_not", 1, (_B,), _B, "vox.operators.logic:bool_not", "not a", cost="scalar"),
    Operator(
        "and", 1, (_M, _M), _M, "vox.operators.logic:mask_and", "intersection", commutative=True, cost="mask"
    ),
    Operator("or", 1, (_M, _M), _M, "vox.operators.logic:mask_or", "union", commutative=True, cost="mask"),
    Operator("not", 1, (_M,), _M, "vox.operators.logic:mask_not", "complement", cost="mask"),
    Operator("volume", 1, (_M,), _N, "vox.operators.logic:volume", "number of true voxels", cost="mask"),
)

INTENSITY = _family(
    "intensity",
    Operator(
        "intensity",
        1,
        (_V,),
        _I,
        "vox.operators.intensity:intensity",
        "grey level; luminance of a colour image",
    ),
    Operator("red", 1, (_V,), _I, "vox.operators.intensity:red", "first component"),
    Operator("green", 1, (_V,), _I, "vox.operators.intensity:green", "second component"),
    Operator("blue", 1, (_V,), _I, "vox.operators.intensity:blue", "third component"),
    Operator("alpha", 1, (_V,), _I, "vox.operators.intensity:alpha", "fourth component, or 255"),
    Operator("rgb", 1, (_I, _I, _I), _V, "vox.operators.intensity:rgb", "three-component image"),
    Operator("rgba", 1, (_I, _I, _I, _I), _V, "vox.operators.intensity:rgba", "four-component image"),
    Operator("eq_sv", 1, (_N, _I), _M, "vox.operators.intensity:eq_sv", "voxels equal to a number"),
    Operator("geq_sv", 1, (_N, _I), _M, "vox.operators.intensity:geq_sv", "voxels >= a number"),
    Operator("leq_sv", 1, (_N, _I), _M, "vox.operators.intensity:leq_sv", "voxels <= a number"),
    Operator("between", 1, (_N, _N, _I), _M, "vox.operators.intensity:between", "voxels in [a, b]"),
    Operator("mask", 1, (_I, _M), _I, "vox.operators.intensity:mask", "image inside a mask, 0 outside"),
    Operator("max", 1, (_I,), _N, "vox.operators.intensity:maximum", "largest value of an image"),
    Operator("min", 1, (_I,), _N, "vox.operators.intensity:minimum", "smallest value of an image"),
    Operator("avg", 1, (_I, _M), _N, "vox.operators.intensity:average", "mean of an image over a mask"),
    Operator(
        "percentiles",
        1,
        (_I, _M, _N),
        _I,
        "vox.operators.intensity:percentiles",
        "rank of each voxel in a mask",
    ),
    Operator("otsu", 1, (_I, _M, _N), _M, "vox.operators.intensity:otsu", "Otsu's threshold inside a mask"),
)

SPATIAL = _family(
    "spatial",
    Operator("near", 1, (_M,), _M, "vox.operators.spatial:near", "voxels in or next to a mask", cost="mask"),
    Operator(
        "interior",
        1,
        (_M,),
        _M,
        "vox.operators.spatial:interior",
        "voxels with no neighbour outside",
        cost="mask",
    ),
    Operator(
        "through",
        1,
        (_M, _M),
        _M,
        "vox.operators.spatial:through",
        "components of b that meet a",
        cost="mask",
    ),
    Operator("lcc", 1, (_M,), _I, "vox.operators.spatial:lcc", "labels of connected components"),
    Operator("maxvol", 1, (_M,), _M, "vox.operators.spatial:maxvol", "the largest components", cost="mask"),
    Operator("dt", 1, (_M,), _I, "vox.operators.spatial:dt", "signed Euclidean distance, mm", cost="heavy"),
)

TEXTURE = _family(
    "texture",
    Operator(
        "crossCorrelation",
        1,
        (_N, _I, _I, _M, _N, _N, _N),
        _I,
        "vox.operators.texture:cross_correlation",
        "correlation of local histograms with a reference region's",
        cost="heavy",
    ),
)

SPACE = _family(
    "space",
    Operator(
        "geometry", 1, (_V,), _G, "vox.operators.space:geometry", "where an image's voxels are", cost="scalar"
    ),
    Operator("conform", 1, (_V, _G), _V, "vox.operators.space:conform", "the same voxels at another place"),
    Operator("tt", 1, (_G,), _M, "vox.operators.space:tt", "every voxel", cost="mask"),
    Operator("ff", 1, (_G,), _M, "vox.operators.space:ff", "no voxel", cost="mask"),
    Operator(
        "bconstant", 1, (_B, _G), _M, "vox.operators.space:bconstant", "every voxel or none", cost="mask"
    ),
    Operator("constant", 1, (_N, _G), _I, "vox.operators.space:constant", "one number everywhere"),
    Operator("border", 1, (_G,), _M, "vox.operators.space:border", "the outermost voxels", cost="mask"),
    Operator("x", 1, (_G,), _I, "vox.operators.space:x", "first index of each voxel"),
    Operator("y", 1, (_G,), _I, "vox.operators.space:y", "second index of each voxel"),
    Operator("z", 1, (_G,), _I, "vox.operators.space:z", "third index of each voxel; 0 in 2D"),
)

# Parameter `format` of the encoders: ".nii", ".png", ".jpg", ".bmp". A save of ".nii.gz" asks for ".nii": the
# deflate stream depends on the zlib at hand and is made when the file is written (docs/adr/0003).
FILES = _family(
    "files",
    Operator(
        "file_model",
        1,
        (_V,),
        _F,
        "vox.operators.files:file_model",
        "bytes of an image file",
        determinism="library",
    ),
    Operator(
        "file_image",
        1,
        (_I,),
        _F,
        "vox.operators.files:file_image",
        "bytes of an image file",
        determinism="library",
    ),
    Operator(
        "file_mask",
        1,
        (_M,),
        _F,
        "vox.operators.files:file_mask",
        "bytes of an image file",
        determinism="library",
    ),
)

_A, _Q = Type.ANY, Type.SEQUENCE

# What is done with values in a row. The elements are inputs of their own; see vox/operators/sequences.py.
SEQUENCES = _family(
    "sequences",
    *(
        Operator(
            name,
            1,
            inputs,
            output,
            f"vox.operators.sequences:{kernel}",
            summary,
            cost="scalar",
            variadic=inputs[-1] is _A and name not in ("choose", "item", "equals", "held_length"),
            optional=1 if name == "strings.split" else 0,
        )
        for name, inputs, output, kernel, summary in (
            ("sequence", (_A,), _Q, "sequence", "values in a row"),
            ("pick", (_N, _A), _A, "pick", "the value with a number among several"),
            ("item", (_A, _A), _A, "item", "an element of a computed sequence or record"),
            ("choose", (_B, _A, _A), _A, "choose", "one of two values"),
            ("length", (_A,), _N, "length", "how many"),
            ("held_length", (_A,), _N, "held_length", "how many elements a computed sequence has"),
            ("argmax", (_A,), _N, "argmax", "the number of the first largest"),
            ("argsort", (_A,), _Q, "argsort", "numbers of elements in ascending order"),
            ("mean", (_A,), _N, "mean", "arithmetic mean"),
            ("median", (_A,), _N, "median", "middle value"),
            ("stdev", (_A,), _N, "stdev", "sample standard deviation"),
            ("tally", (_A,), _Q, "tally", "each value with its count"),
            ("floor", (_N,), _N, "floor", "largest integer that is not greater"),
            ("division", (_N, _N), _N, "division", "a / b; by zero it is an error"),
            ("num_max", (_N, _N), _N, "num_max", "the larger number"),
            ("num_min", (_N, _N), _N, "num_min", "the smaller number"),
            ("equals", (_A, _A), _B, "equals", "whether two small values are the same"),
            ("strings.concat", (_A,), _S, "concat", "texts in a row"),
            ("strings.format_string", (_S, _A), _S, "format_string", "a template with its fields filled"),
            ("strings.split", (_S, _S), _Q, "split", "parts of a text"),
        )
    ),
)

CATALOGUE = Registry(
    (
        *(*ARITHMETIC, *LOGIC, *INTENSITY, *SPATIAL, *TEXTURE, *SPACE, *SEQUENCES, *FILES),
        *catalogue_v2.OPERATORS,
        *sitk_signatures.operators(),
    )
)
