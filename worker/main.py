"""`vox-worker`: join a cluster, leave it, see who of this machine is in one."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from vox import __version__, runfile
from vox.daemons import stop_process, told
from vox.errors import ClusterError, CoordinatorUnreachable

# A kernel may end first, then connections are closed.
LEAVE_S = 45.0
FIND_S = 3.0
NAMES_MAX = 20


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vox-worker")
def main() -> None:
    """Put this machine to work for a coordinator."""


@main.command()
@click.argument("address", default="")
@click.option("--token", default="", envvar="VOX_JOIN_TOKEN", help="One-time token, for the first time.")
@click.option("--store", default="", help="Folder of the store.")
@click.option("--storage-backend", default="", help="Kind of store; sqlite by default.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Fragments at a time; all cores by default.")
@click.option("--memory", default="", help="What values may take at a time, for example 4GB.")
@click.option("--no-p2p", is_flag=True, help="Do not announce this machine, nor look for others.")
@click.option("--name", default="", help="How people see this worker; the host's name by default.")
@click.option("--host", default="", help="Address to listen on; the one facing the coordinator by default.")
@click.option("--peer", "peers", multiple=True, help="HOST:PORT of a machine to ask for results. Repeatable.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file.")
@click.option("--parent", type=int, default=0, hidden=True)
@told
def join(
    address: str,
    token: str,
    store: str,
    storage_backend: str,
    threads: int | None,
    memory: str,
    no_p2p: bool,
    name: str,
    host: str,
    peers: tuple[str, ...],
    config: Path | None,
    parent: int,
) -> None:
    """Join the cluster of the coordinator at ADDRESS, and work until told to stop.

    Without ADDRESS: the coordinator that this worker joined before, or one found in the local network.
    """
    from vox.settings import load
    from worker.daemon import WorkerDaemon
    from worker.enrolment import normalise
    from worker.settings import resolve

    common = load(config)
    for attempt in range(NAMES_MAX):
        settings = resolve(
            common,
            coordinator=normalise(address) if address else "",
            token=token,
            name=name,
            store=store,
            host=host,
            threads=threads or 0,
            memory=memory,
            p2p=not no_p2p,
            peers=peers,
            backend=storage_backend,
            parent=parent,
        )
        try:
            WorkerDaemon(settings, _find_coordinator).run()
            return
        except runfile.AlreadyRunning:
            # Another worker that was started in the same moment took the first free name.
            if name or attempt == NAMES_MAX - 1:
                raise


@main.command()
@click.option("--name", default="", help="Only this worker; all of this user's by default.")
@told
def leave(name: str) -> None:
    """Let workers of this machine end what they compute, and stop them."""
    found = [document for document in _running() if name in ("", document["name"])]
    if not found:
        raise ClusterError("no such worker is running here", hint="see `vox-worker status`", code="E0808")
    for document in found:
        is_running = partial(_is_running, _run_file(document["name"]))
        if not stop_process(int(document["pid"]), LEAVE_S, is_running):
            raise ClusterError(f"worker {document['name']} does not end", hint="its log says more")
        click.echo(f"{document['name']} left", err=True)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@told
def status(as_json: bool) -> None:
    """Show the workers that run on this machine."""
    found = _running()
    if as_json:
        click.echo(json.dumps({"schema": 1, "workers": found}))
        return
    for document in found:
        click.echo(
            f"{document['name']}  pid {document['pid']}  {document['threads']} threads  "
            f"of {document['coordinator']}  store {document['store']}"
        )
    if not found:
        click.echo("no worker is running here", err=True)


def _running() -> list[dict[str, Any]]:
    from worker.settings import workers_dir

    folder = workers_dir()
    paths = sorted(folder.glob("*/worker.json")) if folder.is_dir() else []
    return [document for path in paths if (document := runfile.read(path)) is not None]


def _is_running(path: Path) -> bool:
    return runfile.read(path) is not None


def _run_file(name: str) -> Path:
    from worker.settings import workers_dir

    return workers_dir() / name / "worker.json"


def _find_coordinator(cluster: str) -> str:
    from p2p.discovery import find_coordinators, interfaces_of

    # A coordinator of this machine alone announces itself on loopback only.
    interfaces = list(dict.fromkeys([*interfaces_of(""), "127.0.0.1"]))
    for found in find_coordinators(FIND_S, interfaces):
        if found.cluster.startswith(cluster):
            scheme = "http" if found.properties.get("tls") == "0" else "https"
            return f"{scheme}://{found.address}"
    raise CoordinatorUnreachable(
        "no coordinator was found in the local network",
        hint="name one: `vox-coordinator start` prints the line to join with",
    )


if __name__ == "__main__":
    main()
