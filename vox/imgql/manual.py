"""What operators do, in a sentence or two with an example: the words of `vox operators NAME`."""

from __future__ import annotations

# Name in the catalogue: what exactly it does, and how it is written.
MANUAL: dict[str, tuple[str, str]] = {
    "near": (
        "Dilation by the full box of neighbours (8 in 2D, 26 in 3D), whatever the spacing; outside is false.",
        "volume(near(m))",
    ),
    "interior": (
        "Erosion by the full box of neighbours; outside counts as true, so interior(tt) is tt.",
        "interior(m)",
    ),
    "through": (
        "Components of the second mask, fully connected, with a voxel of the first.",
        "through(a, b)",
    ),
    "dt": (
        "Signed Euclidean distance in millimetres to the outermost layer of the mask: 0 on it, negative"
        " inside. Without any voxel +1.8e19 everywhere, with all -1.8e19.",
        "dt(m)",
    ),
    "percentiles": (
        "For voxels of the mask the share of its voxels with a smaller value, plus the given part of those"
        " with an equal one; -1 outside.",
        "percentiles(i, m, 0.5)",
    ),
    "otsu": ("Otsu's threshold of the histogram over the mask; false outside it.", "otsu(i, m, 256)"),
    "maxvol": ("The component with most voxels; of several equal ones, all.", "maxvol(m)"),
    "lcc": ("Components numbered from 1 by their first voxel, x fastest; 0 is background.", "lcc(m)"),
    "volume": ("The number of true voxels, not cubic millimetres.", "volume(m)"),
    "avg": ("The mean over a mask, in double precision; an empty mask is an error.", "avg(i, m)"),
    "border": ("Voxels whose index is the first or last of some axis.", "touch(m, border)"),
    "crossCorrelation": (
        "Pearson correlation of the histogram in the box around each voxel of a with that of b over m; values"
        " from lo up to, not including, hi are counted.",
        "crossCorrelation(5, a, b, m, min(b), max(b), 100)",
    ),
    "divide": ("Voxel by voxel; where the divisor is 0 the largest float32.", "i / j"),
    "division": ("Division of numbers; by 0 it is an error in V2.", "a / b"),
    "num_div": ("Division of numbers; by 0 it is infinite, 0 by 0 is nan.", "a ./. b"),
    "geq_sv": ("Voxels that are at least the number, rounded to float32 first.", "3 .<= i"),
    "leq_sv": ("Voxels that are at most the number, rounded to float32 first.", "3 .>= i"),
    "pick": ("The element with a computed number; the first has 0.", "xs[argmax(ys)]"),
    "mean": ("The arithmetic mean of a list of numbers; of an empty one it is an error.", "mean(xs)"),
    "median": ("The middle one of a list of numbers, or the mean of the two in the middle.", "median(xs)"),
    "stdev": ("The sample standard deviation; 0 for fewer than two numbers.", "stdev(xs)"),
    "tally": ("Pairs of a value and how often it occurs, by value.", "tally(xs)"),
    "argmax": ("The number of the first largest element.", "files[argmax(scores)]"),
    "strings.concat": ("Texts in a row; numbers are written as Python does.", 'concat("n", 3)'),
    "strings.format_string": ("Python's `str.format`.", 'format_string("{:.2%}", dice)'),
}


def spellings(operator: str) -> list[str]:
    """Return the names by which programs of V1 call an operator."""
    from vox.imgql.vocabulary import v1_builtins

    return [name for name, builtin in v1_builtins().items() if builtin.operator.name == operator]
