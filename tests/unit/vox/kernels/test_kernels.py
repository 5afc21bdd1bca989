"""Words of masks, threads, compiled code and its cache."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from vox import kernels
from vox.kernels import (
    bits,
    components,
    distance,
    gradient,
    neighbours,
    parallel,
    ranks,
    statistics,
    strips,
    texture,
    voxelwise,
)

RNG = np.random.default_rng(1)
WIDTHS = [1, 2, 7, 8, 9, 63, 64, 65, 127, 128, 129, 200]


@pytest.mark.parametrize("width", WIDTHS)
def test_packing_is_what_the_layout_says(width):
    flags = RNG.random((3, 4, width)) < 0.5
    words = bits.pack(flags)
    assert words.shape == (3, 4, bits.words_of(width))
    for z, y, x in np.ndindex(flags.shape):
        assert (int(words[z, y, x // 64]) >> (x % 64)) & 1 == flags[z, y, x]
    assert (bits.unpack(words, width) == flags).all()
    assert bits.count(words) == flags.sum()


@pytest.mark.parametrize("width", WIDTHS)
def test_padding_stays_zero(width):
    shape = (2, 3, width)
    everything = bits.constant(shape, True)
    assert bits.count(everything) == 6 * width
    assert bits.count(bits.constant(shape, False)) == 0
    assert bits.count(bits.complement(bits.constant(shape, False), width)) == 6 * width
    assert bits.count(bits.complement(everything, width)) == 0
    assert bits.count(neighbours.near(everything, width)) == 6 * width
    assert bits.count(neighbours.interior(everything, width)) == 6 * width


def test_a_voxel_spreads_over_the_edge_of_a_word():
    for x in (0, 62, 63, 64, 65, 127, 128, 129):
        flags = np.zeros((3, 3, 130), bool)
        flags[1, 1, x] = True
        spread = bits.unpack(neighbours.near(bits.pack(flags), 130), 130)
        wanted = np.zeros_like(flags)
        wanted[:, :, max(0, x - 1) : x + 2] = True
        assert (spread == wanted).all()


def test_every_slab_is_run_once_for_any_number_of_threads():
    for threads in (1, 2, 3, 8):
        for planes in (0, 1, 2, 7, 100):
            seen = np.zeros(planes, int)

            def run(start, stop, seen=seen):
                seen[start:stop] += 1

            with parallel.limit(threads):
                parallel.slabs(run, planes)
            assert (seen == 1).all()


def test_the_limit_holds_inside_and_is_undone():
    before = parallel.threads()
    with parallel.limit(3):
        assert parallel.threads() == 3
        with parallel.limit(1):
            assert parallel.threads() == 1
        assert parallel.threads() == 3
    assert parallel.threads() == before
    with pytest.raises(ValueError, match="at least one"), parallel.limit(0):
        pass


def test_at_most_the_allowed_threads_work_at_once():
    lock, now, most = threading.Lock(), 0, 0

    def run(start, stop):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.002)
        with lock:
            now -= 1

    with parallel.limit(2):
        parallel.slabs(run, 40)
    assert 1 <= most <= 2


def test_an_error_in_a_slab_comes_out_and_the_pool_lives_on():
    def fail(start, stop):
        raise RuntimeError(f"slab {start}")

    for _ in range(20):
        with parallel.limit(4), pytest.raises(RuntimeError, match="slab"):
            parallel.slabs(fail, 50)
    done = []
    with parallel.limit(4):
        parallel.slabs(lambda start, stop: done.append(stop - start), 50)
    assert sum(done) == 50


def test_slabs_inside_slabs_and_from_many_threads_end():
    counted = []

    def outer(start, stop):
        parallel.slabs(lambda a, b: counted.append(b - a), 10)

    def caller():
        with parallel.limit(4):
            parallel.slabs(outer, 8, rows=1)

    callers = [threading.Thread(target=caller) for _ in range(8)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(30)
    assert not any(thread.is_alive() for thread in callers)
    assert sum(counted) % 10 == 0
    assert sum(counted) >= 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_makes_its_own_pool():
    program = (
        "import os, sys\n"
        "from vox.kernels import parallel\n"
        "done = []\n"
        "with parallel.limit(2):\n"
        "    parallel.slabs(lambda a, b: done.append(b - a), 40)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        done.clear()\n"
        "        parallel.slabs(lambda a, b: done.append(b - a), 40)\n"
        "        os._exit(0 if sum(done) == 40 else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_warming_loads_every_compiled_module_and_tells_how_long_it_took():
    told = []
    seconds = kernels.warm(lambda name, each: told.append((name, each)))
    assert [name for name, _ in told] == list(kernels._COMPILED)
    assert set(kernels._COMPILED) <= set(kernels.__all__)
    assert seconds >= sum(each for _, each in told) * 0.9


EVERY_SIGNATURE = """
from vox import kernels
from vox.kernels import compare, components, counting, distance, gradient, histograms, neighbours, ranks
from vox.kernels import squares, strips, texture
modules = (compare, components, counting, distance, gradient, histograms)
modules += (neighbours, ranks, squares, strips, texture)
before = {(m, n): len(getattr(t, "signatures", ())) for m in modules for n, t in vars(m).items()}
kernels.warm()
for (module, name), count in before.items():
    thing = getattr(module, name)
    if getattr(thing, "__module__", "") == module.__name__ and len(getattr(thing, "signatures", ())) != count:
        print(name)
"""


def test_each_kernel_is_compiled_for_its_written_signatures_only():
    # In a process of its own: what other tests compile there does not count.
    told = subprocess.run(
        [sys.executable, "-c", EVERY_SIGNATURE], capture_output=True, text=True, timeout=120, check=True
    )
    assert told.stdout == ""


@pytest.mark.parametrize(
    "module", ["vox.kernels", "vox.operators.arithmetic", "vox.operators.logic", "vox.operators.agreement"]
)
def test_importing_what_scalars_need_imports_neither_numpy_nor_numba(module):
    program = f"import sys, {module}; sys.exit(bool({{'numpy', 'numba', 'SimpleITK'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def told_cache(tmp_path, **changes):
    """Where a fresh process lets numba keep its code."""
    environment = {**os.environ, "HOME": str(tmp_path / "home"), **changes}
    for name, value in list(environment.items()):
        if value == "":
            del environment[name]
    told = subprocess.run(
        [sys.executable, "-c", "import os, vox.kernels; print(os.environ['NUMBA_CACHE_DIR'])"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return Path(told.stdout.strip())


def test_compiled_code_is_kept_where_the_user_may_write(tmp_path):
    chosen = told_cache(tmp_path, NUMBA_CACHE_DIR="", VOX_CACHE_DIR=str(tmp_path / "cache"))
    assert chosen == tmp_path / "cache" / "numba"
    assert chosen.is_dir()
    own = told_cache(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "own"))
    assert own == tmp_path / "own"


def test_a_cache_that_cannot_be_made_does_not_stop_the_process(tmp_path):
    (tmp_path / "file").write_text("in the way")
    chosen = told_cache(tmp_path, NUMBA_CACHE_DIR="", VOX_CACHE_DIR=str(tmp_path / "file"))
    assert chosen.is_dir()
    chosen.rmdir()


def test_the_nearest_of_far_apart_voxels_is_found_across_planes():
    flags = np.zeros((40, 5, 130), bool)
    flags[0, 0, 0] = flags[39, 4, 129] = True
    got = distance.signed(bits.pack(flags), 130, (0.5, 3.0, 2.0))
    z, y, x = np.indices(flags.shape).astype(float)
    first = ((x * 0.5) ** 2 + (y * 3.0) ** 2) + (z * 2.0) ** 2
    second = (((x - 129) * 0.5) ** 2 + ((y - 4) * 3.0) ** 2) + ((z - 39) * 2.0) ** 2
    wanted = np.sqrt(np.minimum(first, second)).astype(np.float32)
    assert (np.abs(got) == wanted).all()


@pytest.mark.parametrize("shape", [(1, 57, 3), (43, 2, 5), (21, 35, 70), (9, 8, 1), (17, 16, 2)])
@pytest.mark.parametrize("density", [0.002, 0.02, 0.3])
# Rounded; whole; multiples of a fraction; exact, and too far for 16 bits.
@pytest.mark.parametrize(
    "spacing", [(0.7, 1.3, 2.5), (1.0, 1.0, 1.0), (0.9375, 0.9375, 3.0), (8.0, 8.0, 9.0)]
)
def test_distances_are_the_same_to_the_last_bit_over_many_blocks_of_lines(shape, density, spacing):
    sx, sy, sz = spacing
    rng = np.random.default_rng(int(1000 * density))
    flags = rng.random(shape) < density
    flags[rng.integers(shape[0]), rng.integers(shape[1]), rng.integers(shape[2])] = True
    words = bits.pack(flags)
    contour = np.argwhere(bits.unpack(neighbours.contour(words, shape[2]), shape[2])).astype(float)
    z, y, x = np.indices(shape).astype(float)
    least = np.full(shape, np.inf)
    for cz, cy, cx in contour:
        square = (((x - cx) * sx) ** 2 + ((y - cy) * sy) ** 2) + ((z - cz) * sz) ** 2
        np.minimum(least, square, out=least)
    wanted = np.sqrt(least).astype(np.float32) * np.where(flags, np.float32(-1), np.float32(1))
    for threads in (1, 3):
        with parallel.limit(threads):
            assert distance.signed(words, shape[2], spacing).tobytes() == wanted.tobytes()


def test_ranks_by_sorting_are_ranks_by_counting():
    values = RNG.integers(-500, 500, (20, 30, 70)).astype(np.int16)
    words = bits.pack(RNG.random(values.shape) < 0.7)
    counted = ranks.percentiles(values, words, 0.5)
    assert counted.tobytes() == ranks.percentiles(values.astype(np.float32), words, 0.5).tobytes()


def test_floats_are_ordered_by_their_keys():
    special = np.float32([-np.inf, -3e38, -1.5, -1e-45, -0.0, 0.0, 1e-45, 1.5, 3e38, np.inf, np.nan])
    keys = [int(ranks._key(number)) for number in special.view(np.uint32)]
    assert keys == sorted(keys)
    assert keys[4] == keys[5]
    assert len(set(keys)) == 10


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e30])
def test_ranks_are_found_among_values_that_lie_anyhow(scale):
    values = (RNG.normal(size=(3, 40, 70)) * scale).astype(np.float32)
    values[0, :30] = np.float32(scale)
    values[1, 0, :5] = [np.nan, np.inf, -np.inf, 0.0, -0.0]
    flags = RNG.random(values.shape) < 0.8
    kept = np.sort(values[flags & ~np.isnan(values)])
    less, most = (np.searchsorted(kept, values, side=side) for side in ("left", "right"))
    wanted = ((less + 0.5 * (most - less)) / len(kept)).astype(np.float32)
    wanted[~flags | np.isnan(values)] = -1
    assert ranks.percentiles(values, bits.pack(flags), 0.5).tobytes() == wanted.tobytes()


def test_bins_are_half_open_and_nan_is_in_none():
    row = np.float32([np.nan, -1, 0, 0.99, 1, 9.99, 10, np.inf]).reshape(1, 1, -1)
    assert texture.bin_of(row, 0.0, 10.0, 10).ravel().tolist() == [10, 10, 0, 0, 1, 9, 10, 10]


def test_the_mean_is_added_in_one_order():
    values = np.float32([1e8, 1.0, -1e8, 1.0]).reshape(1, 1, 4)
    assert statistics.mean(values, np.uint64([[[15]]])) == 0.5
    assert np.isnan(statistics.mean(np.float32([[[np.nan, 1]]]), np.uint64([[[3]]])))


def test_a_sum_beyond_float32_is_infinite_without_a_warning(recwarn):
    large = np.full((1, 1, 4), np.float32(3e38))
    assert np.isinf(voxelwise.add(large, large)).all()
    assert np.isinf(voxelwise.single(1e300))
    assert not recwarn.list


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 70), (2, 2, 2), (5, 1, 64), (4, 7, 65), (9, 9, 63)])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.1, 0.3, 0.6, 1.0])
def test_components_in_strips_are_those_of_single_rows(monkeypatch, shape, density):
    rng = np.random.default_rng(int(100 * density))
    monkeypatch.setattr(components, "_WORDS_PER_RUN", 1e-9)
    for _ in range(5):
        words, seeds = bits.pack(rng.random(shape) < density), bits.pack(rng.random(shape) < 0.05)
        assert (strips.through(seeds, words) == components.through(seeds, words)).all()
        assert (strips.largest(words) == components.largest(words)).all()


def test_noise_takes_strips_and_smooth_masks_take_rows():
    noise = bits.pack(RNG.random((20, 40, 200)) < 0.5)
    assert components._scattered(noise)
    assert not components._scattered(bits.constant((20, 40, 200), True))
    assert (components.largest(noise) == strips.largest(noise)).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 5), (6, 2, 9), (11, 12, 70)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.3, 2.5)])
def test_the_gradient_is_itks(shape, spacing):
    voxels = (RNG.normal(size=shape) * 400).astype(np.float32)
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    wanted = SimpleITK.GetArrayFromImage(SimpleITK.GradientMagnitude(image, True))
    assert gradient.magnitude(voxels, spacing).tobytes() == wanted.tobytes()


def test_otsu_of_numbers_too_far_apart_for_bins_has_no_classes():
    assert statistics.otsu_threshold(np.float32([-255.5, 3.4e38]), 2) == np.inf


def test_compiling_is_said_once_and_remembered(tmp_path):
    program = (
        "import logging; from vox import kernels\n"
        "print(kernels.ready()); kernels.ranks; kernels.counting; kernels.compare\n"
        "print(kernels._mark('ranks').exists(), kernels.ready())\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "1"}
    told = [
        subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
        )
        for _ in range(2)
    ]
    assert [run.stdout for run in told] == ["False\nTrue False\n"] * 2
    assert told[0].stderr.count("compiling kernels") == 1
    assert told[1].stderr == ""
