"""The operators that V2 adds: arrays, surfaces, drawing, and what is there to try things with."""

from __future__ import annotations

from vox.operators.registry import Operator
from vox.plan import Type

_N, _I, _M, _V = Type.NUMBER, Type.IMAGE, Type.MASK, Type.MODEL
_R, _A = Type.RECORD, Type.ANY

ARRAYS = tuple(
    Operator(
        f"arrays.{name}",
        1,
        inputs,
        output,
        f"vox.operators.arrays:{name}",
        summary,
        optional=optional,
        masks=True,
    )
    for name, inputs, output, optional, summary in (
        ("dice_score", (_V, _V, _N), _R, 1, "overlap of the voxels with a label"),
        ("jaccard_index", (_V, _V, _N), _R, 1, "intersection over union of the voxels with a label"),
        ("pixel_accuracy", (_V, _V), _R, 0, "share of equal voxels"),
        ("confusion_matrix", (_V, _V, _N), _R, 1, "true labels against predicted ones"),
        ("count_pixels", (_V, _N), _N, 1, "voxels with a value, or that are not 0"),
        (
            "threshold_equal",
            (_V, _N, _N, _N),
            _I,
            2,
            "one number where voxels have a value, another elsewhere",
        ),
        ("array_stats", (_V,), _R, 0, "extremes, mean, deviation, sum and number of voxels"),
        ("compare_arrays", (_V, _V), _R, 0, "second - first"),
    )
)

MEASURES = (
    Operator("gradient", 1, (_I,), _I, "vox.operators.arrays:gradient", "length of the gradient, per mm"),
    Operator("avg0", 1, (_I, _M), _N, "vox.operators.arrays:average_or_zero", "mean over a mask, or 0"),
    Operator(
        "hd95", 1, (_M, _M), _N, "vox.operators.arrays:hd95", "95th percentile of surface distances, mm"
    ),
    Operator("nsd", 1, (_M, _M, _N), _N, "vox.operators.arrays:nsd", "share of surfaces within some mm"),
    Operator(
        "n4",
        1,
        (_I, _M),
        _I,
        "vox.operators.sitk:bias_corrected",
        "image without its bias field",
        determinism="library",
        cost="heavy",
    ),
    Operator(
        "extract",
        1,
        (_V, _A, _A),
        _V,
        "vox.operators.sitk:extract",
        "part of an image; a size of 0 leaves an axis out",
        determinism="library",
        masks=True,
        moves=True,
    ),
)

GEOM = tuple(
    Operator(
        name,
        1,
        inputs,
        output,
        f"vox.operators.geom:{name.partition('.')[2]}",
        summary,
        cost=cost,  # type: ignore[arg-type]
        optional=optional,
        moves=name == "geom.blank",
    )
    for name, inputs, output, cost, optional, summary in (
        ("geom.blank", (_N, _N, _N), _I, "image", 1, "flat image of one number: height, width, number"),
        ("geom.circle", (_I, _N, _N, _N, _N), _I, "image", 0, "filled circle: image, cx, cy, radius, number"),
        (
            "geom.regular_polygon",
            (_I, _N, _N, _N, _N, _N),
            _I,
            "image",
            0,
            "filled polygon: image, cx, cy, radius, sides, number",
        ),
        ("test.fibonacci", (_N,), _N, "scalar", 0, "Fibonacci number"),
        ("test.timewaste", (_N, _N), _N, "heavy", 0, "work for nothing: size, rounds"),
    )
)

OPERATORS = (*ARRAYS, *MEASURES, *GEOM)
