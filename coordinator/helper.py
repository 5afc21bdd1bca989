"""`--with-worker`: a worker of this machine that lives and dies with the coordinator."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading

from coordinator.settings import CoordinatorSettings

log = logging.getLogger("vox.coordinator")

NAME = "with-coordinator"
STOP_S = 30.0
RESTART_S = 2.0


class Helper:
    """A worker process, started again when it dies."""

    def __init__(self, url: str, token: str, settings: CoordinatorSettings) -> None:
        # The same store: what it computes is here without being fetched.
        arguments = ["join", url, "--store", str(settings.store), "--name", NAME, "--no-p2p"]
        arguments += ["--storage-backend", settings.keeping.backend]
        arguments += ["--config", str(settings.config)] if settings.config is not None else []
        arguments += ["--parent", str(os.getpid())]
        # Arguments can be read by everybody on the machine, the environment only by its owner.
        self._environment = {**os.environ, "VOX_JOIN_TOKEN": token}
        self._command = [sys.executable, "-P", "-m", "worker.main", *arguments]
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process = self._spawn()
        self._thread = threading.Thread(target=self._watch, name="vox-helper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let it end what it computes; kill it when that takes too long."""
        self._stopping.set()
        with self._lock:
            process = self._process
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._thread.join(RESTART_S + 1.0)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            status = self._process.wait()
            if self._stopping.wait(RESTART_S):
                return
            log.warning("the worker of this machine ended with %d; it is started again", status)
            with self._lock:
                if self._stopping.is_set():
                    return
                self._process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        # It keeps a log of its own; a terminal has one voice.
        return subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
