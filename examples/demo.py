"""The main job from end to end: a coordinator, two workers, a program, a picture; and again, for nothing.

Run by `make demo`. Everything it makes is below ./demo-out; whatever happens, it stops what it starts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

OUT = Path("demo-out").absolute()
BIN = Path(sys.executable).parent
WORKERS = ("one", "two")
JOIN_S, SUBMIT_S, STOP_S = 120.0, 240.0, 60.0


def main() -> int:
    """Run the demonstration; return its exit status."""
    begin = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    environment = {
        **os.environ,
        "VOX_STATE_DIR": str(OUT / "state"),
        "VOX_STORE_PATH": str(OUT / "coordinator-store"),
        "VOX_CONFIG_DIR": str(OUT / "config"),
    }
    workers: list[subprocess.Popen[bytes]] = []
    started = False
    try:
        title("Images and programs")
        run(environment, "vox", "demo", str(OUT / "data"), "--cases", "1")
        title("A coordinator and two workers")
        started = True
        run(environment, "vox-coordinator", "start", "--http-port", "0", "--port", "0")
        url = json.loads(run(environment, "vox-coordinator", "status", "--json", show=False))["url"]
        for name in WORKERS:
            workers.append(join(environment, url, name))
        wait_for_workers(environment, workers)
        run(environment, "vox-coordinator", "status")
        title("The quickstart: lesions on a FLAIR image, compared with the truth")
        first = submit(environment, "results")
        picture(environment)
        title("The same again: everything is known, nothing is computed")
        second = submit(environment, "again")
        title("The same without a coordinator, in one process, with a store of its own")
        alone = {
            **environment,
            "VOX_STATE_DIR": str(OUT / "nobody"),
            "VOX_STORE_PATH": str(OUT / "own-store"),
        }
        third = submit(alone, "embedded")
        return report(first, second, third, time.monotonic() - begin)
    except (subprocess.SubprocessError, OSError, RuntimeError) as error:
        say(f"the demonstration failed: {error}")
        show_logs()
        return 1
    finally:
        title("Shutting down")
        stop(environment, workers, started)


def join(environment: dict[str, str], url: str, name: str) -> subprocess.Popen[bytes]:
    """Start a worker in its own process, with its own store and a one-time token."""
    token = run(environment, "vox-coordinator", "token", show=False).split()[0]
    store = OUT / f"worker-{name}-store"
    words = [
        "vox-worker",
        "join",
        url,
        "--token",
        token,
        "--name",
        name,
        "--threads",
        "1",
        "--store",
        str(store),
    ]
    say("$ " + " ".join(words).replace(token, "TOKEN").replace(str(OUT), "demo-out"))
    with (OUT / f"worker-{name}.log").open("wb") as log:
        return subprocess.Popen(
            command(words), env=environment, stdout=log, stderr=log, start_new_session=True
        )


def wait_for_workers(environment: dict[str, str], workers: list[subprocess.Popen[bytes]]) -> None:
    """Wait until both are there."""
    deadline = time.monotonic() + JOIN_S
    while time.monotonic() < deadline:
        status = json.loads(run(environment, "vox-coordinator", "status", "--json", show=False))
        if len(status["workers"]) == len(WORKERS):
            return
        for process in workers:
            if process.poll() is not None:
                raise RuntimeError(f"a worker ended with status {process.returncode}")
        time.sleep(0.3)
    raise RuntimeError(f"the workers did not join within {JOIN_S:.0f} s")


def submit(environment: dict[str, str], folder: str) -> dict[str, Any]:
    """Submit the quickstart as a person would; return what `vox list` says of it, timed from outside."""
    words = ["vox", "submit", str(OUT / "data" / "quickstart.imgql"), "--out", str(OUT / folder)]
    say("$ " + " ".join(words).replace(str(OUT), "demo-out"))
    begin = time.monotonic()
    subprocess.run(command(words), env=environment, timeout=SUBMIT_S, check=True)
    wall = time.monotonic() - begin
    newest: dict[str, Any] = json.loads(run(environment, "vox", "list", "--json", show=False))["executions"][
        0
    ]
    return {**newest, "wall": wall}


def picture(environment: dict[str, str]) -> None:
    """Draw the result on the image, the truth around it."""
    data = OUT / "data"
    run(
        environment,
        *("vox", "mosaic", str(data / "case001_flair.nii.gz"), str(OUT / "results" / "gtv.nii.gz")),
        *("--truth", str(data / "case001_seg.nii.gz"), "-o", str(OUT / "mosaic.png")),
    )


def report(first: dict[str, Any], second: dict[str, Any], third: dict[str, Any], seconds: float) -> int:
    """Say whether all was as it should be."""
    title("Summary")
    nodes = second["nodes"]
    names = ("gtv.nii.gz", "brain.nii.gz", "seeds.nii.gz", "likeness.nii.gz")
    same = all(
        (OUT / "results" / name).read_bytes() == (OUT / folder / name).read_bytes()
        for name in names
        for folder in ("again", "embedded")
    )
    nothing = nodes["computed"] == 0 and second["state"] == "succeeded"
    say(f"first, two workers   {first['wall']:6.2f} s   {first['nodes']}")
    say(f"second, two workers  {second['wall']:6.2f} s   {second['nodes']}")
    say(f"embedded             {third['wall']:6.2f} s   {third['nodes']}")
    say(f"nothing was computed the second time: {'yes' if nothing else 'NO'}")
    say(f"files are the same, byte for byte, on two workers and embedded: {'yes' if same else 'NO'}")
    say("look at demo-out/mosaic.png: orange is the result, sky blue the truth")
    say(f"the whole demonstration took {seconds:.0f} s")
    return 0 if same and nothing else 1


def stop(environment: dict[str, str], workers: list[subprocess.Popen[bytes]], started: bool) -> None:
    """Stop what was started: workers first, by their own process, then the coordinator."""
    for process in workers:
        if process.poll() is None:
            process.terminate()
    for process in workers:
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
    if started:
        words = command(["vox-coordinator", "stop"])
        subprocess.run(words, env=environment, timeout=2 * STOP_S, check=False, stderr=subprocess.DEVNULL)
    say("all processes have ended")


def run(environment: dict[str, str], *words: str, show: bool = True) -> str:
    """Run a command of vox; return its standard output."""
    if show:
        say("$ " + " ".join(words).replace(str(OUT), "demo-out"))
    done = subprocess.run(
        command(list(words)),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=SUBMIT_S,
        check=False,
    )
    if show and done.stdout:
        say(done.stdout.rstrip().replace(str(OUT), "demo-out"))
    if done.returncode:
        raise RuntimeError(f"`{words[0]} {words[1]}` ended with status {done.returncode}")
    return done.stdout


def command(words: list[str]) -> list[str]:
    """Return the command line of a program of this environment, installed or only importable."""
    script = BIN / words[0]
    module = {"vox": "client.main", "vox-coordinator": "coordinator.main", "vox-worker": "worker.main"}
    begin = [str(script)] if script.exists() else [sys.executable, "-m", module[words[0]]]
    return [*begin, *words[1:]]


def show_logs() -> None:
    """Show the ends of the logs: what a failure leaves to read."""
    for log in sorted(OUT.rglob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        if lines:
            say(f"--- {log.relative_to(OUT.parent)}", *lines)


def title(text: str) -> None:
    """Write a headline."""
    say("", f"== {text}")


def say(*lines: str) -> None:
    """Write lines at once, so that they stand between those of the commands."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
