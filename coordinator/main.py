"""`vox-coordinator`: start it, stop it, see how it is, let others in."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from vox import __version__, runfile
from vox.daemons import stop_process, told
from vox.errors import ClusterError, CoordinatorUnreachable

# Importing and opening everything takes a few seconds on a busy machine.
READY_S = 90.0
STOP_S = 60.0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vox-coordinator")
def main() -> None:
    """Run the head of a cluster."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Of the Dask scheduler; 8786 by default.")
@click.option("--http-port", type=click.IntRange(0, 65535), help="Of the HTTP interface; 8700 by default.")
@click.option("--store", default="", help="Folder of the store.")
@click.option("--storage-backend", default="", help="Kind of store; sqlite by default.")
@click.option("--with-worker", is_flag=True, help="Also run a worker on this machine.")
@click.option("--no-tls", is_flag=True, help="Speak plain HTTP off loopback: others can read along.")
@click.option("--require-token", is_flag=True, help="Want a token on loopback too: for shared machines.")
@click.option("--no-p2p", is_flag=True, help="Do not announce this machine, nor look for others.")
@click.option("--peer", "peers", multiple=True, help="HOST:PORT of a machine to ask for results. Repeatable.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file.")
@click.option("--foreground", is_flag=True, help="Stay here instead of going to the background.")
@click.option("--detached", is_flag=True, hidden=True)
@told
def start(foreground: bool, **flags: Any) -> None:
    """Start the coordinator, and print the line that workers join with."""
    settings = _settings(**flags)
    if foreground:
        from coordinator.daemon import CoordinatorDaemon

        CoordinatorDaemon(settings, lambda: _say_where(runfile.read(settings.run_file))).run()
        return
    if runfile.read(settings.run_file) is not None:
        raise runfile.AlreadyRunning(
            "a coordinator is running already", hint="see `vox-coordinator status`, or stop it first"
        )
    _say_where(_spawn(settings))


@main.command()
@told
def stop() -> None:
    """Let running work end, and stop the coordinator of this user."""
    path = runfile.coordinator_file()
    document = _running()
    if not stop_process(int(document["pid"]), STOP_S, lambda: runfile.read(path) is not None):
        raise ClusterError("the coordinator does not end", hint="its log says more", code="E0808")
    click.echo("stopped", err=True)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@told
def status(as_json: bool) -> None:
    """Show the coordinator of this user and its workers."""
    document = _running()
    workers = _get(document, "/api/v1/workers")["workers"]
    if as_json:
        click.echo(json.dumps({"schema": 1, **document, "workers": workers}))
        return
    click.echo(f"running at {document['url']}  pid {document['pid']}  store {document['store']}")
    for worker in workers:
        click.echo(f"  worker {worker['name']}: {worker['slots']} threads")
    if not workers:
        click.echo("  no workers; `vox-coordinator token` prints the line to join with")


@main.command()
@click.option(
    "--join", "kind", flag_value="join", default=True, help="For one machine to join (the default)."
)
@click.option("--api", "kind", flag_value="api", help="For people and programs, to use the HTTP interface.")
@told
def token(kind: str) -> None:
    """Print a new token."""
    from coordinator.settings import coordinator_dir

    if kind == "api":
        from p2p.authority import ApiTokens

        click.echo(ApiTokens(coordinator_dir()).mint())
        return
    document = runfile.read(runfile.coordinator_file())
    line = _join_token()
    click.echo(line)
    if document is not None:
        click.echo(f"vox-worker join {document['url']} --token {line}", err=True)


def _settings(
    *,
    host: str,
    port: int | None,
    http_port: int | None,
    store: str,
    storage_backend: str,
    with_worker: bool,
    no_tls: bool,
    require_token: bool,
    no_p2p: bool,
    peers: tuple[str, ...],
    config: Path | None,
    detached: bool,
) -> Any:
    from coordinator.settings import (
        DASK_PORT,
        HTTP_PORT,
        CoordinatorSettings,
        checked_host,
        coordinator_dir,
        is_loopback,
    )
    from vox.settings import load, store_path

    settings = load(config, flags={"store.backend": storage_backend or None})
    address = checked_host(host)
    return CoordinatorSettings(
        host=address,
        port=DASK_PORT if port is None else port,
        http_port=HTTP_PORT if http_port is None else http_port,
        store=Path(store).expanduser().absolute() if store else store_path(settings),
        directory=coordinator_dir(),
        tls=not is_loopback(address) and not no_tls,
        token_needed=require_token or not is_loopback(address),
        with_worker=with_worker,
        detached=detached,
        p2p=settings.p2p.enabled and not no_p2p,
        peers=(*settings.p2p.peers, *peers),
        keeping=settings.store,
        config=config.absolute() if config is not None else None,
    )


def _spawn(settings: Any) -> dict[str, Any]:
    """Start the same command in the background; return its run file's content once it is ready."""
    errors = settings.directory / "start.log"
    settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # -P: a folder called `coordinator` where the user stands is not ours.
    command = [sys.executable, "-P", "-m", "coordinator.main", *sys.argv[1:], "--foreground", "--detached"]
    with errors.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        document = runfile.read(settings.run_file)
        if document is not None and document["pid"] == child.pid:
            return document
        if child.poll() is not None:
            sys.stderr.write(errors.read_text(encoding="utf-8", errors="replace"))
            sys.exit(child.returncode or 1)
        time.sleep(0.05)
    child.terminate()
    raise ClusterError(f"the coordinator was not ready in {READY_S:.0f} s", hint=f"see {settings.log_file}")


def _say_where(document: dict[str, Any] | None) -> None:
    assert document is not None
    click.echo(f"coordinator at {document['url']}")
    click.echo("join it, on any machine that reaches it, with")
    click.echo(f"  vox-worker join {document['url']} --token {_join_token()}")
    if document["token_needed"]:
        click.echo("programs need a token: vox-coordinator token --api")
    if document["ca_file"]:
        click.echo(f"and the cluster's certificate: {document['ca_file']}")


def _join_token() -> str:
    from coordinator.settings import coordinator_dir
    from p2p.authority import ClusterAuthority, JoinTokens

    directory = coordinator_dir()
    return JoinTokens(directory, ClusterAuthority.load_or_create(directory).fingerprint).mint()


def _running() -> dict[str, Any]:
    document = runfile.read(runfile.coordinator_file())
    if document is None:
        raise CoordinatorUnreachable(
            "no coordinator of yours runs on this machine", hint="start one with `vox-coordinator start`"
        )
    return document


def _get(document: dict[str, Any], path: str) -> dict[str, Any]:
    """Ask the running coordinator, with the token that it keeps for this user's commands."""
    import ssl
    from urllib.error import URLError
    from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

    context = ssl.create_default_context(cafile=document["ca_file"] or None)
    # The coordinator is on this machine; a proxy for the web is not meant for it.
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    request = Request(document["url"] + path)
    token_file = Path(document["token_file"])
    if token_file.is_file():
        request.add_header("Authorization", f"Bearer {token_file.read_text(encoding='utf-8').strip()}")
    try:
        with opener.open(request, timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except (URLError, TimeoutError, ValueError) as error:
        raise CoordinatorUnreachable(
            f"the coordinator does not answer at {document['url']}: {error}", hint="its log says more"
        ) from error


if __name__ == "__main__":
    main()
