"""Write the committed test vectors and result digests again: `python -m tests.golden.regenerate`.

Run it after a kernel's version was raised on purpose, and read the difference before committing it. A digest
that changes under the same `name@version` is refused unless `--same-version` is given, which is right only
before the first release.
"""

import json
import sys
from pathlib import Path

import numpy as np

from tests.support.vectors import document_of, document_of_value
from tests.support.volumes import geometry, image, mask
from vox.digest import Digest, NodeId
from vox.encoding import encode
from vox.operators import intensity
from vox.operators.catalogue import CATALOGUE
from vox.operators.codec import digest_of, encode_value
from vox.operators.values import FileBytes, Record, Sequence
from vox.plan import Apply, Constant, Source, Type, action_id, node_id

HERE = Path(__file__).parent
RESULTS, VALUES, ENCODINGS = (
    HERE / f"{name}.json" for name in ("operator-results", "value-vectors", "encoding-vectors")
)


def operands():
    """The small inputs of the golden results, by type, several of each; made without a random generator."""
    place = geometry((67, 9, 5), (1.0, 0.9375, 2.5), (-30.0, 12.5, 7.0))
    # Multiplicative hashing of the index: the same numbers everywhere and for ever.
    index = np.arange(place.voxels, dtype=np.uint64)
    noise = (index * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(44)
    first = image(place, (noise % np.uint64(1201)).astype(np.int16) - 200, "int16")
    second = image(place, (noise % np.uint64(997)).astype(np.float32) / np.float32(7) - np.float32(31.25))
    third = image(place, noise % np.uint64(251), "uint8")
    z, y, x = np.indices(place.shape) // np.array([2, 4, 6]).reshape(3, 1, 1, 1)
    patches = mask(
        place, ((x % 3 > 0) & ((z * 7 + y * 3 + x * 5) % 11 < 6)).ravel() & (noise % np.uint64(67) > 0)
    )
    seeds = mask(place, noise % np.uint64(401) == 0)
    return {
        Type.IMAGE: [first, second, third, first],
        Type.MASK: [patches, seeds],
        Type.NUMBER: [2.5, 100.0, 7.0, 12.0],
        Type.BOOLEAN: [True, False],
        Type.MODEL: [intensity.rgb(first, second, third), first],
        Type.GEOMETRY: [place],
    }


# Where the numbers at hand make no sense for an operator, its own: (position, number).
NUMBERS = {
    "percentiles": {2: 0.5},
    "between": {0: 100.0, 1: 700.0},
    "otsu": {2: 32.0},
    "crossCorrelation": {0: 2.0, 4: 0.0, 5: 1000.0, 6: 11.0},
    "eq_sv": {0: 115.0},
    "geq_sv": {0: 600.0},
    "leq_sv": {0: 600.0},
}
# Operators of any values: the whole row.
ROWS = {
    "sequence": [1.5, "a", True, operands()[Type.IMAGE][2]],
    "pick": [2.0, 5.0, "b", "c"],
    "item": [Record((("a", 1), ("b", Sequence((2.25,))))), "b"],
    "choose": [False, 1.0, "second"],
    "length": [1.0, 2.0, 3.0, 4.0, 5.0],
    "held_length": [Sequence((1, 2, 3))],
    "argmax": [1.0, 3.0, 3.0],
    "argsort": [3.0, 1.0, 3.0, 2.0],
    "mean": [0.1, 0.2, 0.4],
    "median": [7.0, 1.0, 4.0, 2.0],
    "stdev": [1.0, 2.0, 4.5],
    "tally": [0.9, 0.8, 0.9],
    "floor": [-9.5],
    "equals": [3, 3.0],
    "division": [22.0, 7.0],
    "num_max": [11.5, 5.0],
    "num_min": [13.0, 6.25],
    "strings.concat": ["n", 3.0, 2, True],
    "strings.format_string": ["{:.2%} {}", 0.25, "x"],
    "strings.split": ["a,b,c", ","],
}
LABELS = [image(geometry((5, 4)), (np.arange(20) * step) % 3, "uint8") for step in (5, 7)]
FLAT = image(geometry((13, 11), (0.5, 2.0)), np.arange(143), "int16")
ROWS |= {
    **{
        f"arrays.{name}": LABELS
        for name in ("dice_score", "jaccard_index", "pixel_accuracy", "confusion_matrix", "compare_arrays")
    },
    "arrays.count_pixels": [LABELS[0], 1.0],
    "arrays.threshold_equal": [LABELS[1], 2.0, 255.0],
    "arrays.array_stats": [FLAT],
    "avg0": [operands()[Type.IMAGE][1], operands()[Type.MASK][0]],
    "geom.blank": [4.0, 7.0, 2.5],
    "geom.circle": [FLAT, 6.0, 5.0, 3.0, -1.0],
    "geom.regular_polygon": [FLAT, 6.0, 5.0, 4.5, 5.0, -1.0],
    "test.fibonacci": [30.0],
    "test.timewaste": [100.0, 5.0],
}
ELSEWHERE = geometry((67, 9, 5), (2.0, 2.0, 2.0), (1.0, 2.0, 3.0))


def result_of(operator):
    """Apply an operator to the golden operands."""
    stock = {kind: list(values) for kind, values in operands().items()}
    arguments = (
        []
        if operator.name in ROWS
        else [stock[kind].pop(0) if len(stock[kind]) > 1 else stock[kind][0] for kind in operator.inputs]
    )
    for position, number in NUMBERS.get(operator.name, {}).items():
        arguments[position] = number
    if operator.name == "through":
        arguments.reverse()
    if operator.name in ROWS:
        arguments = ROWS[operator.name]
    if operator.name == "conform":
        arguments[1] = ELSEWHERE
    parameters = {"format": ".nii"} if operator.output is Type.FILE else {}
    return operator.load()(*arguments, **parameters)


def ours():
    """Every operator but those that SimpleITK computes: their bytes are that library's."""
    return [o for o in CATALOGUE if not o.kernel.startswith("vox.operators.sitk:")]


def results():
    """The digest of each operator's golden result, by `name@version`."""
    return {o.identity: str(digest_of(encode_value(result_of(o)))) for o in ours()}


def values():
    """Values whose encodings are committed."""
    flat, deep = geometry((3, 2), (0.5, 2.0), (-1.5, 0.1)), geometry((65, 2, 1))
    ramp = np.arange(6)
    return [
        *(
            None,
            True,
            False,
            0,
            -1,
            2**63,
            0.0,
            -0.0,
            0.1,
            1e300,
            float("nan"),
            float("inf"),
            "",
            "caf\u00e9",
        ),
        *(flat, deep, mask(flat, ramp % 2), mask(deep, np.arange(130) % 3 == 0)),
        *(image(flat, ramp - 3, dtype) for dtype in ("float32", "int8", "int16")),
        *(image(flat, ramp, dtype) for dtype in ("uint8", "uint16")),
        image(flat, np.float32([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38])),
        intensity.rgb(*(image(flat, ramp + shift) for shift in (0, 10, 20))),
        FileBytes("image/png", b"\x89PNG\r\n\x1a\n"),
    ]


def value_vectors():
    """Each value with its blob and digest."""
    made = []
    for value in values():
        parts = encode_value(value)
        blob = b"".join(bytes(part) for part in parts)
        made.append({"value": document_of_value(value), "blob": blob.hex(), "digest": str(digest_of(parts))})
    return made


def terms():
    """Terms whose encodings are committed."""
    integers = [0, 1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1]
    floats = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        65504.0,
        65520.0,
        1e5,
        3.4028234663852886e38,
        1e300,
        5e-324,
        2.0**-24,
    ]
    return [
        *(None, True, False, *integers, *(-1 - n for n in integers)),
        *(*floats, float("inf"), float("-inf"), float("nan")),
        *("", "a", "3", "caf\u00e9", "\u2208 \U0001f9e0", "x" * 24, b"", b"\x00\xff", bytes(24)),
        *([], [1, [2, [3]]], [3, 3.0, "3", True], list(range(24))),
        *({}, {"b": 1, "a": 2, "aa": 3}, {1: "x", -1: "y", "1": "z"}, {"a": {"b": [None, {"c": b"d"}]}}),
    ]


def nodes():
    """Nodes whose names are committed."""
    a, b = NodeId.of(b"a"), NodeId.of(b"b")
    constants = [Constant(v) for v in (None, True, 3, 3.0, -0.0, float("nan"), "3", "caf\u00e9")]
    applied = [Apply("near@1", (a,)), Apply("through@1", (a, b)), Apply("through@1", (b, a))]
    return [*constants, Source(Digest.of(b"p")), *applied, Apply("file_mask@1", (a,), (("format", ".nii"),))]


def node_term(node):
    """The term whose SHA-256 is the node's name."""
    if isinstance(node, Apply):
        return ["vox.apply.v1", node.operator, [n.sha256 for n in node.inputs], dict(node.parameters)]
    if isinstance(node, Constant):
        return ["vox.constant.v1", node.value]
    return ["vox.source.v1", node.digest.sha256]


def actions():
    """Actions whose names are committed: operator, inputs, parameters."""
    p, q = Digest.of(b"p"), Digest.of(b"q")
    return [("near@1", (p,), ()), ("and@1", (p, q), ()), ("file_mask@1", (p,), (("format", ".png"),))]


def action_term(operator, inputs, parameters):
    """The term whose SHA-256 is the action's name."""
    return ["vox.action.v1", operator, [digest.sha256 for digest in inputs], dict(parameters)]


def encoding_vectors():
    """Terms with their bytes, nodes and actions with their terms and names."""
    return {
        "terms": [{"term": document_of(term), "bytes": encode(term).hex()} for term in terms()],
        "nodes": [{"term": document_of(node_term(n)), "name": str(node_id(n))} for n in nodes()],
        "actions": [
            {
                "term": document_of(
                    ["vox.action.v1", operator, [d.sha256 for d in inputs], dict(parameters)]
                ),
                "name": str(action_id(operator, inputs, parameters)),
            }
            for operator, inputs, parameters in actions()
        ],
    }


def main() -> None:
    """Write the three files."""
    fresh = results()
    if RESULTS.exists() and "--same-version" not in sys.argv:
        old = json.loads(RESULTS.read_text())
        changed = [name for name in fresh if name in old and old[name] != fresh[name]]
        if changed:
            sys.exit(f"raise the version of {', '.join(changed)}: the result changed")
    for path, document in ((RESULTS, fresh), (VALUES, value_vectors()), (ENCODINGS, encoding_vectors())):
        path.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
