"""A real cluster on loopback for tests: a coordinator and workers in processes and folders of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

START_S = 90.0
STOP_S = 60.0
RUN_S = 180.0


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = START_S) -> Any:
    """Return the first true answer of `condition`, or fail."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s")


@dataclass
class Process:
    """A program that runs, and what it said."""

    name: str
    popen: subprocess.Popen[bytes]
    output: Path

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def terminate(self, timeout_s: float = STOP_S) -> int:
        """Ask it to end; return its exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout_s)

    def kill(self) -> None:
        """Kill it as a power cut would, and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(STOP_S)


@dataclass
class Cluster:
    """A coordinator, its workers, and a way to speak to it."""

    folder: Path
    prefix: Sequence[str] = ()
    coordinator: Process | None = None
    workers: dict[str, Process] = field(default_factory=dict)
    every: list[Process] = field(default_factory=list)
    http_port: int = 0
    dask_port: int = 0

    def environment(self, machine: str) -> dict[str, str]:
        """Return the environment of a pretended machine: folders of its own, no settings of this one."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VOX_")}
        home = self.folder / machine
        home.mkdir(parents=True, exist_ok=True)
        return kept | {
            # Whether or not the project is installed, what is tested is this tree.
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "VOX_STATE_DIR": str(home / "state"),
            "VOX_CONFIG_DIR": str(home / "config"),
            "VOX_STORE_PATH": str(home / "store"),
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, module: str, *arguments: str, machine: str = "head") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*self.prefix, sys.executable, "-m", module, *arguments],
            env=self.environment(machine),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )

    def spawn(
        self, module: str, *arguments: str, machine: str, prefix: Sequence[str] | None = None
    ) -> Process:
        """Start a program in a process group of its own."""
        output = self.folder / f"{machine}-{len(self.every)}.out"
        with output.open("wb") as file:
            popen = subprocess.Popen(
                [*(self.prefix if prefix is None else prefix), sys.executable, "-m", module, *arguments],
                env=self.environment(machine),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(machine, popen, output)
        self.every.append(process)
        return process

    @property
    def run_file(self) -> Path:
        return self.folder / "head" / "state" / "coordinator.json"

    @property
    def document(self) -> dict[str, Any]:
        """What the coordinator says about itself."""
        content: dict[str, Any] = json.loads(self.run_file.read_bytes())
        return content

    @property
    def url(self) -> str:
        return str(self.document["url"])

    def start(self, *arguments: str) -> Process:
        """Start the coordinator; the second time on the ports of the first."""
        process = self.spawn(
            "coordinator.main",
            "start",
            "--foreground",
            *("--port", str(self.dask_port), "--http-port", str(self.http_port)),
            *("--no-p2p", *arguments),
            machine="head",
        )

        def ready() -> bool:
            assert process.popen.poll() is None, process.said
            with contextlib.suppress(OSError, ValueError):
                return bool(self.document["pid"] == process.popen.pid)
            return False

        wait_until(ready, "the coordinator is ready")
        self.coordinator = process
        self.http_port = urlsplit(self.url).port or 0
        self.dask_port = urlsplit(self.document["scheduler"]).port or 0
        return process

    def token(self, kind: str = "--join") -> str:
        """Return a new token."""
        done = self.run("coordinator.main", "token", kind)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def join(self, name: str, *arguments: str, wait: bool = True, threads: int = 1) -> Process:
        """Start a worker as if on a machine of its own."""
        process = self.spawn(
            "worker.main",
            "join",
            self.url,
            *("--token", self.token(), "--name", name, "--threads", str(threads), "--no-p2p", *arguments),
            machine=name,
        )
        self.workers[name] = process
        if wait:
            self.wait_for_workers(name)
        return process

    def wait_for_workers(self, *names: str, timeout_s: float = START_S) -> None:
        """Wait until the coordinator knows these workers."""

        def there() -> bool:
            for name in names:
                assert self.workers[name].popen.poll() is None, self.workers[name].said
            with contextlib.suppress(OSError):
                _, answer = self.call("GET", "/api/v1/workers")
                return set(names) <= {worker["name"] for worker in answer["workers"]}
            return False

        wait_until(there, f"workers {names} have joined", timeout_s)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Make one HTTP call; JSON in, JSON out."""
        raw = isinstance(body, bytes)
        data = body if raw or body is None else json.dumps(body).encode()
        status, _, answer = self.call_raw(
            method, path, data, {} if raw else {"Content-Type": "application/json"} | dict(headers or {})
        )
        return status, json.loads(answer) if answer else None

    def call_raw(
        self, method: str, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Make one HTTP call; bytes in, bytes out."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            connection.request(method, path, data, dict(headers or {}))
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def submit(self, program: str, sources: Mapping[str, Any] | None = None, **config: Any) -> str:
        """Submit a program; return the execution's name."""
        body = {"program": program, "sources": sources or {}, "config": config}
        status, answer = self.call("POST", "/api/v1/executions", body)
        assert status == 201, answer
        return str(answer["execution"])

    def finished(self, execution: str, timeout_s: float = RUN_S) -> dict[str, Any]:
        """Wait for the end of an execution; return its document."""

        def document() -> Any:
            _, answer = self.call("GET", f"/api/v1/executions/{execution}")
            return answer if answer["state"] != "running" else None

        found: dict[str, Any] = wait_until(document, "the execution ends", timeout_s)
        return found

    def close(self) -> None:
        """Kill what is left."""
        for process in reversed(self.every):
            process.kill()


@contextlib.contextmanager
def running_cluster(folder: Path, workers: Sequence[str] = ("a", "b"), **options: Any) -> Iterator[Cluster]:
    """Start a coordinator and workers; everything is gone at the end, whatever happened."""
    cluster = Cluster(folder)
    try:
        cluster.start(*options.get("arguments", ()))
        for name in workers:
            cluster.join(name, wait=False, threads=options.get("threads", 1))
        if workers:
            cluster.wait_for_workers(*workers)
        yield cluster
    finally:
        cluster.close()


def image_source(seed: int, size: tuple[int, int, int] = (32, 24, 16)) -> tuple[dict[str, Any], bytes]:
    """Return a random image as a submission names it, and its blob."""
    import numpy as np

    from vox.operators.codec import digest_of, encode_value
    from vox.operators.values import Geometry, Image

    identity = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    geometry = Geometry(size, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), identity)
    voxels = np.random.default_rng(seed).integers(0, 256, geometry.shape).astype(np.uint8)
    parts = encode_value(Image(geometry, voxels))
    source = {
        "digest": str(digest_of(parts)),
        "geometry": {
            "size": list(size),
            "spacing": list(geometry.spacing),
            "origin": list(geometry.origin),
            "direction": list(identity),
        },
        "components": 1,
        "dtype": "uint8",
    }
    return source, b"".join(bytes(part) for part in parts)


def reference(program: str, sources: Mapping[str, tuple[dict[str, Any], bytes]]) -> dict[str, str]:
    """Return the digests of a program's goals, computed in this process by one runner on an empty store."""
    from coordinator.api_models import SourceModel, Submission
    from vox.attest import Signer
    from vox.fragment import Done, Fragment
    from vox.store.memory import MemoryStore
    from worker.runner import Runner

    models = {path: SourceModel(**source) for path, (source, _) in sources.items()}
    plan = Submission(program=program, sources=models).plan()
    store = MemoryStore()
    for _, blob in sources.values():
        store.write([blob])
    report = Runner(store, Signer(Signer.generate())).run(Fragment("all", tuple(plan), {}))
    digests = {outcome.node: outcome.digest for outcome in report.outcomes if isinstance(outcome, Done)}
    return {goal.label: str(digests[goal.node]) for goal in plan.goals}
