"""The command line as people use it: in a process and in folders of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUN_S = 180.0

PROGRAM = """
load file = "image.nii.gz"
let image = intensity(file)
let level = 150
let bright = image >. level
print "volume" volume(bright)
save "out/bright.nii.gz" bright
print "is large" volume(bright) .>. 10
print "name" "ball"
save "image.nii" image
"""
# What has no business in a process that only looks something up.
HEAVY = {
    "numpy",
    "numba",
    "SimpleITK",
    "distributed",
    "dask",
    "grpc",
    "cryptography",
    "fastapi",
    "zeroconf",
    "rich",
}
# Minutes of work in a hundred goals, to be interrupted.
SLOW = 'load f = "big.nii.gz"\nlet i = intensity(f)\n' + "".join(
    f'save "c{n}.nii.gz" crossCorrelation(4, i, i, i >. {n}, 0, 400, {60 + n})\n' for n in range(120)
)

# Run the command line, then write down which modules that cost.
_TELL_MODULES = """
import sys, os
from client.main import status_of
status = status_of(sys.argv[2:])
open(sys.argv[1], "w").write("\\n".join(sorted(sys.modules)))
sys.exit(status)
"""


@dataclass
class Shell:
    """A folder with a home of its own."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VOX_")}
        home = self.folder / ".home"
        own = {
            "PYTHONPATH": str(ROOT),
            "VOX_STATE_DIR": str(home / "state"),
            "VOX_CONFIG_DIR": str(home / "config"),
            "VOX_STORE_PATH": str(home / "store"),
            "NO_COLOR": "1",
        }
        return kept | own | self.settings

    def vox(self, *arguments: str, timeout_s: float = RUN_S) -> subprocess.CompletedProcess[str]:
        """Run `vox` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "client.main", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        """Run `vox`, which has to succeed; return its standard output."""
        done = self.vox(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def document(self, *arguments: str) -> dict[str, Any]:
        """Run `vox ... --json`, which has to succeed; return the document."""
        found: dict[str, Any] = json.loads(self.ok(*arguments, "--json"))
        assert found["schema"] == 1
        return found

    def modules(self, *arguments: str) -> set[str]:
        """Run `vox`, which has to succeed; return every module that it imported."""
        told = self.folder / "modules.txt"
        done = subprocess.run(
            [sys.executable, "-c", _TELL_MODULES, str(told), *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return set(told.read_text().split())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `vox` in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "client.main", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def write(self, name: str, text: str) -> str:
        """Write a program; return its name."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


def write_image(
    path: Path, *, size: tuple[int, int, int] = (12, 10, 8), seed: int = 1, kind: str = "int16"
) -> None:
    """Write a small noisy image with a bright ball."""
    import numpy as np
    import SimpleITK as sitk

    x, y, z = size
    grid = np.ogrid[:z, :y, :x]
    ball = sum((g - n / 2) ** 2 for g, n in zip(grid, (z, y, x), strict=True)) < (min(size) / 3) ** 2
    noise = np.random.default_rng(seed).integers(0, 100, (z, y, x))
    sitk.WriteImage(sitk.GetImageFromArray((noise + 300 * ball).astype(kind)), str(path))
