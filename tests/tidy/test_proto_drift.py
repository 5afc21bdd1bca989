"""The committed gRPC code is what proto/ says."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def generated(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*_pb2*")}


def test_the_committed_code_is_what_the_proto_files_say(tmp_path: Path) -> None:
    (tmp_path / "vox/wire/v1").mkdir(parents=True)
    subprocess.run(
        ["sh", str(ROOT / "proto/generate.sh"), str(tmp_path)],
        env={**os.environ, "PYTHON": sys.executable},
        check=True,
        timeout=120,
        capture_output=True,
    )
    fresh, committed = generated(tmp_path / "vox/wire/v1"), generated(ROOT / "vox/wire/v1")
    assert fresh.keys() == committed.keys()
    stale = [name for name in fresh if fresh[name] != committed[name]]
    assert not stale, "run proto/generate.sh and commit what it writes"
