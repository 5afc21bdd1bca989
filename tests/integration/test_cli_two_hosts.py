"""The command line on one host, the coordinator on another: certificates and tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.cli import PROGRAM, Shell, write_image
from tests.support.cluster import Cluster
from tests.support.namespaces import needs_namespaces, two_hosts


@needs_namespaces
def test_a_submission_from_another_host_needs_the_certificate_and_a_token(tmp_path: Path) -> None:
    write_image(tmp_path / "image.nii.gz")
    shell = Shell(tmp_path)
    shell.write("p.imgql", PROGRAM)
    (tmp_path / "cluster").mkdir()
    with two_hosts() as (one, two):
        cluster = Cluster(tmp_path / "cluster", prefix=one.prefix)

        def submit(**settings: str) -> subprocess.CompletedProcess[str]:
            shell.settings = settings
            return subprocess.run(
                [*two.prefix, sys.executable, "-m", "client.main", "submit", "p.imgql", "--coordinator", url],
                cwd=tmp_path,
                env=shell.environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )

        try:
            cluster.start("--host", one.address, "--with-worker")
            url = f"https://{one.address}:{cluster.http_port}"
            ca, token = str(cluster.document["ca_file"]), cluster.token("--api")
            stranger = submit(VOX_TOKEN=token)
            assert (stranger.returncode, "error[E0620]" in stranger.stderr) == (4, True), stranger.stderr
            nobody = submit(VOX_HTTP_CA_FILE=ca)
            assert (nobody.returncode, "error[E0610]" in nobody.stderr) == (4, True), nobody.stderr
            missing = submit(VOX_HTTP_CA_FILE=f"{ca}.gone", VOX_TOKEN=token)
            assert (missing.returncode, "error[E0900]" in missing.stderr) == (2, True), missing.stderr
            assert not (tmp_path / "image.nii").exists()
            done = submit(VOX_HTTP_CA_FILE=ca, VOX_TOKEN=token)
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith("volume=")
            assert (tmp_path / "out" / "bright.nii.gz").is_file()
        finally:
            # Asked, not killed: it has a worker in a session of its own, which it ends.
            if cluster.coordinator is not None:
                cluster.coordinator.terminate()
            cluster.close()
