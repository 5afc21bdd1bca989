"""A coordinator off loopback and a worker on another host: TLS and tokens everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cluster import Cluster, Process, wait_until
from tests.support.namespaces import Host, needs_namespaces, two_hosts

pytestmark = needs_namespaces

ASK = """
import json, ssl, sys, urllib.request
url, ca, token, body = sys.argv[1:]
request = urllib.request.Request(url, body.encode() or None, {"Content-Type": "application/json"})
if token:
    request.add_header("Authorization", "Bearer " + token)
try:
    with urllib.request.urlopen(request, timeout=20, context=ssl.create_default_context(cafile=ca)) as answer:
        print(json.dumps([answer.status, json.load(answer)]))
except urllib.error.HTTPError as error:
    print(json.dumps([error.code, json.load(error)]))
"""


def ask(host: Host, url: str, ca: Path, token: str = "", body: str = "") -> tuple[int, dict]:
    """Make an HTTP call from a host, checking the server's certificate and name."""
    command = [*host.prefix, sys.executable, "-c", ASK, url, str(ca), token, body]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    status, answer = json.loads(done.stdout)
    return status, answer


@pytest.mark.parametrize("listen", ["its address", pytest.param("everywhere", marks=pytest.mark.slow)])
def test_a_worker_of_another_host_joins_by_token_over_tls(tmp_path: Path, listen: str) -> None:
    with two_hosts() as (one, two):
        cluster = Cluster(tmp_path, prefix=one.prefix)
        worker: Process | None = None
        try:
            cluster.start("--host", one.address if listen == "its address" else "0.0.0.0")
            url = f"https://{one.address}:{cluster.http_port}"
            assert cluster.url.startswith("https://")
            ca = Path(cluster.document["ca_file"])

            # Health is open; everything else wants a token.
            assert ask(two, f"{url}/healthz", ca)[0] == 200
            status, problem = ask(two, f"{url}/api/v1/executions", ca)
            assert (status, problem["code"]) == (401, "E0610")
            assert ask(two, f"{url}/api/v1/executions", ca, "vox-api-" + "a" * 26)[0] == 401
            token = cluster.token("--api")
            assert ask(two, f"{url}/api/v1/executions", ca, token)[0] == 200

            worker = cluster.spawn(
                *("worker.main", "join", url, "--token", cluster.token(), "--name", "far"),
                *("--threads", "1", "--no-p2p"),
                machine="far",
                prefix=two.prefix,
            )

            def joined() -> bool:
                assert worker is not None
                assert worker.popen.poll() is None, worker.said
                return bool(ask(two, f"{url}/api/v1/workers", ca, token)[1]["workers"])

            wait_until(joined, "the worker of the other host joined")
            (known,) = ask(one, f"{url}/api/v1/workers", ca, token)[1]["workers"]
            assert known["peer"].startswith(two.address + ":")

            body = json.dumps({"program": 'print "v" 6 .*. 7'})
            status, document = ask(two, f"{url}/api/v1/executions", ca, token, body)
            assert status == 201

            def ended() -> dict | None:
                found = ask(two, f"{url}/api/v1/executions/{document['execution']}", ca, token)[1]
                return found if found["state"] != "running" else None

            finished = wait_until(ended, "the execution ends")
            assert finished["goals"][0]["value"] == 42.0
            assert finished["nodes"]["computed"] == 1
            # The user of the coordinator needs neither address nor token.
            status_command = cluster.run("coordinator.main", "status")
            assert "far" in status_command.stdout, status_command.stderr
            assert worker.terminate() == 0
            assert "Traceback" not in worker.said
        finally:
            cluster.close()


@pytest.mark.slow
def test_a_worker_finds_its_coordinator_by_multicast(tmp_path: Path) -> None:
    with two_hosts() as (one, two):
        cluster = Cluster(tmp_path, prefix=one.prefix)
        try:
            process = cluster.spawn(
                *("coordinator.main", "start", "--foreground", "--host", one.address),
                *("--port", "0", "--http-port", "0"),
                machine="head",
            )
            wait_until(cluster.run_file.is_file, "the coordinator is ready")
            worker = cluster.spawn(
                *("worker.main", "join", "--token", cluster.token(), "--name", "far", "--threads", "1"),
                machine="far",
                prefix=two.prefix,
            )
            wait_until(
                lambda: "joined as far" in worker.said or worker.popen.poll() is not None, "the worker joined"
            )
            assert "joined as far" in worker.said, worker.said + process.said
            assert worker.terminate() == 0
            assert process.terminate() == 0
        finally:
            cluster.close()
