"""Every kernel beside the same operator done the way VoxLogicA 2 does it: one run, same data, ratios.

Two threads (`VOX_BENCH_THREADS`), everything warm, medians; results are compared voxel for voxel. Beside each
stands what moving the operator's bytes once would take at the bandwidth that the machine has just shown. The
volume is a head as `vox demo` writes it, its background set to zero as in skull-stripped scans; `NOISE` rows
use the worst case for runs.
"""

import gzip
import os
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from benchmarks import reference as ref
from benchmarks.measure import bandwidth, demo_case, seconds
from client.phantom import nifti_bytes
from vox import kernels
from vox.operators import files, fused, intensity, logic, space, spatial, texture
from vox.operators.fuse import Numbers, before
from vox.operators.values import Image, Mask

THREADS = int(os.environ.get("VOX_BENCH_THREADS", "2"))
WIDTH = 240


class Table:
    """Rows as they come, and what one may ask of each."""

    def __init__(self, bytes_per_s):
        self.bytes_per_s = bytes_per_s
        self.missed = []
        print(
            f"{'operator':34}{'reference':>11}{'vox':>10}{'ratio':>8}{'must':>6}{'once':>9}  same", flush=True
        )

    def row(self, name, ours, theirs, moved, must, same=None):
        """Measure both in turn, so that a busy moment of the machine meets both."""
        their_s, their_least, wanted = seconds(theirs, runs=5)
        our_s, our_least, got = seconds(ours, runs=15)
        ratio = their_least / our_least
        agrees = "-" if same is None else "yes" if same(got, wanted) else "NO"
        if ratio < must or agrees == "NO":
            self.missed.append(f"{name}: {ratio:.1f}x, must {must}x, same: {agrees}")
        once_ms = 1e3 * moved / self.bytes_per_s
        times = f"{1e3 * their_s:9.1f}ms{1e3 * our_s:8.2f}ms{ratio:7.1f}x"
        print(f"{name:34}{times}{must:5}x{once_ms:7.2f}ms  {agrees}", flush=True)
        return got


def same_mask(mask, image):
    return bool((kernels.bits.unpack(mask.words, WIDTH) == (ref.array_of(image) != 0)).all())


def same_image(ours, theirs):
    return bool((ours.voxels == ref.array_of(theirs)).all())


def near_image(ours, theirs):
    """Equal but for the rounding of the reference's own sums."""
    return bool(np.abs(ours.voxels - ref.array_of(theirs)).max() <= 1e-6)


def both(voxels, like):
    """Return an image for us and one for the reference."""
    return Image(like, voxels), ref.image_of(voxels.astype(np.float32))


def mask_for(mask):
    return ref.image_of(kernels.bits.unpack(mask.words, WIDTH).astype(np.uint8))


def main():
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(THREADS)
    os.environ["NUMBA_NUM_THREADS"] = str(THREADS)
    case = demo_case()
    head = np.where(case.flair < 90, 0, case.flair).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder, kernels.parallel.limit(THREADS):
        paths = [Path(folder) / name for name in ("flair.nii.gz", "seg.nii.gz")]
        for path, voxels in zip(paths, (head, case.truth), strict=True):
            path.write_bytes(nifti_bytes(voxels))
        speed = bandwidth()
        print(f"{THREADS} threads; a copy moves {speed / 1e9:.1f} GB/s, read and written", flush=True)
        table = Table(speed)
        measure(table, paths)
        whole_program(table, paths)
        for line in table.missed:
            print("missed", line)


def measure(table, paths):
    flair = files.read_image(paths[0])
    place, voxels = flair.geometry, flair.voxels
    _, image = both(voxels, place)
    n, words = voxels.size, voxels.shape[0] * voxels.shape[1] * place.words * 8
    bright = intensity.geq_sv(620.0, flair)
    brain = logic.mask_not(spatial.through(spatial.near(space.border(place)), intensity.leq_sv(89.0, flair)))
    a, b = mask_for(bright), mask_for(brain)
    table.row(
        "and", lambda: logic.mask_and(bright, brain), lambda: ref.logical_and(a, b), 3 * words, 50, same_mask
    )
    table.row(
        "or", lambda: logic.mask_or(bright, brain), lambda: ref.logical_or(a, b), 3 * words, 50, same_mask
    )
    table.row("not", lambda: logic.mask_not(bright), lambda: ref.logical_not(a), 2 * words, 50, same_mask)
    table.row("volume", lambda: logic.volume(bright), lambda: ref.volume(a), words, 50, lambda p, q: p == q)
    table.row(
        "dice",
        lambda: (
            2 * logic.volume(logic.mask_and(bright, brain)) / (logic.volume(bright) + logic.volume(brain))
        ),
        lambda: ref.dice(a, b),
        4 * words,
        50,
        lambda p, q: p == q,
    )
    more = Numbers.between(after_number(300.0), np.inf)
    table.row(
        "image >. number (int16)",
        lambda: fused.compared(flair, more),
        lambda: ref.greater(image, 300.0),
        2 * n + words,
        1,
        same_mask,
    )
    table.row("near", lambda: spatial.near(bright), lambda: ref.near(a), 2 * words, 300, same_mask)
    table.row(
        "interior", lambda: spatial.interior(bright), lambda: ref.interior(a), 2 * words, 300, same_mask
    )
    for radius in (5.0, 2.0):
        table.row(
            f"opening radius {radius:g}",
            lambda r=radius: opened(bright, r),
            lambda r=radius: ref.opened(a, r),
            4 * words,
            200,
            same_mask,
        )
    for radius in (2.0, 5.0, 10.0):
        table.row(
            f"dt(a) <. {radius:g}",
            lambda r=radius: nearer(bright, r),
            lambda r=radius: ref.less(ref.dt(a), r),
            2 * words,
            200,
            same_mask,
        )
    edge = space.border(place)
    e, low = mask_for(edge), intensity.leq_sv(89.0, flair)
    lower = mask_for(low)
    table.row(
        "through", lambda: spatial.through(edge, low), lambda: ref.through(e, lower), 3 * words, 15, same_mask
    )
    table.row("maxvol", lambda: spatial.maxvol(bright), lambda: ref.maxvol(a), 2 * words, 15, same_mask)
    noise = Mask(place, kernels.bits.pack(np.random.default_rng(1).random(place.shape) < 0.5))
    m = mask_for(noise)
    table.row(
        "through NOISE",
        lambda: spatial.through(edge, noise),
        lambda: ref.through(e, m),
        3 * words,
        8,
        same_mask,
    )
    table.row("maxvol NOISE", lambda: spatial.maxvol(noise), lambda: ref.maxvol(m), 2 * words, 8, same_mask)
    table.row(
        "percentiles int16",
        lambda: intensity.percentiles(flair, brain, 0.5),
        lambda: ref.percentiles(image, b, 0.5),
        6 * n,
        25,
        same_image,
    )
    smooth = (voxels * np.float32(0.37) + np.random.default_rng(2).random(voxels.shape, np.float32)).astype(
        "f4"
    )
    floats, float_image = both(smooth, place)
    table.row(
        "percentiles float32",
        lambda: intensity.percentiles(floats, brain, 0.5),
        lambda: ref.percentiles(float_image, b, 0.5),
        8 * n,
        6,
        same_image,
    )
    table.row(
        "percentiles int16 >. 0.95",
        lambda: ranked(flair, brain, 0.95),
        lambda: ref.greater(ref.percentiles(image, b, 0.5), 0.95),
        2 * n + 2 * words,
        1,
        same_mask,
    )
    high = float(voxels.max())
    table.row(
        "crossCorrelation(3, ..., 20)",
        lambda: texture.cross_correlation(3.0, flair, flair, bright, 0.0, high, 20.0),
        lambda: ref.cross_correlation(3, image, a, 0.0, high, 20),
        6 * n,
        40,
        near_image,
    )
    table.row("dt", lambda: spatial.dt(bright), lambda: ref.dt(a), 4 * n, 2, same_image)
    table.row(
        "gradient",
        lambda: Image(place, kernels.gradient.magnitude(floats.voxels, (1.0, 1.0, 1.0))),
        lambda: ref.gradient(float_image),
        8 * n,
        40,
        same_image,
    )
    table.row(
        "otsu, 256 bins",
        lambda: intensity.otsu(flair, brain, 256.0),
        lambda: ref.otsu(image, b, 256),
        2 * n + words,
        10,
        same_mask,
    )


def after_number(number):
    return -before(-number)


def nearer(mask, radius):
    """dt(a) <. r as the fused group runs it."""
    return fused.unmade("dt@1", [mask], Numbers.between(-np.inf, before(radius)))


def farther(mask, radius):
    return fused.unmade("dt@1", [mask], Numbers.between(radius, np.inf))


def opened(mask, radius):
    return nearer(farther(logic.mask_not(mask), radius), radius)


def ranked(image, where, number):
    return fused.unmade(
        "percentiles@1", [image, where, 0.5], Numbers.between(after_number(np.float32(number)), np.inf)
    )


def grow(a, b):
    return logic.mask_or(a, spatial.through(spatial.near(a), b))


def dice(a, b):
    return 2 * logic.volume(logic.mask_and(a, b)) / (logic.volume(a) + logic.volume(b))


def ours(paths, bounds=(0.97, 0.93)):
    """The glioblastoma program as one would fuse it, from the files to the Dice coefficients."""
    flair, truth = (files.read_image(path) for path in paths)
    target = intensity.geq_sv(1.0, truth)
    border = space.border(flair.geometry)
    background = spatial.through(spatial.near(border), intensity.leq_sv(89.0, flair))
    brain = logic.mask_not(background)
    seeds = opened(ranked(flair, brain, bounds[0]), 5.0)
    grown = grow(seeds, opened(ranked(flair, brain, bounds[1]), 2.0))
    low, high = intensity.minimum(flair), intensity.maximum(flair)
    likeness = texture.cross_correlation(3.0, flair, flair, grown, low, high, 20.0)
    alike = opened(fused.compared(likeness, Numbers.between(after_number(0.25), np.inf)), 2.0)
    tumour = grow(grown, alike)
    return [dice(mask, target) for mask in (seeds, grown, tumour)]


def theirs(paths, bounds=(0.97, 0.93)):
    flair, truth = (ref.read(path) for path in paths)
    target = ref.geq_sv(1.0, truth)
    background = ref.through(ref.near(ref.border(flair)), ref.leq_sv(89.0, flair))
    brain = ref.logical_not(background)
    ranks = ref.percentiles(flair, brain, 0.5)
    seeds = ref.opened(ref.greater(ranks, bounds[0]), 5.0)
    candidates = ref.opened(ref.greater(ranks, bounds[1]), 2.0)
    grown = ref.logical_or(seeds, ref.through(ref.near(seeds), candidates))
    low, high = ref.extremes(flair)
    likeness = ref.cross_correlation(3, flair, grown, low, high, 20)
    alike = ref.opened(ref.greater(likeness, 0.25), 2.0)
    tumour = ref.logical_or(grown, ref.through(ref.near(grown), alike))
    return [ref.dice(mask, target) for mask in (seeds, grown, tumour)]


def whole_program(table, paths):
    raw = sum(len(gzip.decompress(path.read_bytes())) for path in paths)
    table.row(
        "whole program, files to Dice",
        lambda: ours(paths),
        lambda: theirs(paths),
        raw,
        60,
        lambda p, q: p == q,
    )


if __name__ == "__main__":
    main()
