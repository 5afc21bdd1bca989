"""Clocks and data that the benchmarks share."""

import statistics
import time
from importlib.resources import files
from pathlib import Path

import numpy as np

from vox.kernels import parallel


def seconds(run, *, runs=7, budget_s=3.0):
    """Return the median and the least of several runs after one that warms up, and what the last one gave."""
    result = run()
    times = []
    while len(times) < runs and (len(times) < 2 or sum(times) < budget_s):
        began = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - began)
    return statistics.median(times), min(times), result


def bandwidth():
    """Return the bytes that a copy of a large array moves per second, read and written, on all threads."""
    source, target = np.ones(1 << 25, np.float64), np.empty(1 << 25, np.float64)

    def run():
        parallel.slabs(lambda a, b: np.copyto(target[a << 20 : b << 20], source[a << 20 : b << 20]), 32)

    _, least, _ = seconds(run)
    return 2 * source.nbytes / least


def demo_case(number=1):
    """Return a case as `vox demo` writes it: int16 voxels and their truth, 240 x 240 x 155 at 1 mm."""
    from client import phantom

    data = Path(str(files("client"))) / "data"
    grey, white = (phantom.read_shipped(data / f"mni_{name}_2mm.nii.gz") for name in ("gm", "wm"))
    return phantom.make_case(grey, white, 2019, number)
