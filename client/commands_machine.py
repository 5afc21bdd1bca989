"""`vox config show`, `vox peers`: what is set here, and who is around."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click

from client.commands_run import emit
from client.options import Options, common
from vox.errors import CoordinatorUnreachable


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command("show", epilog="Example: vox config show --json")
@common(coordinator=False)
def config_show(options: Options) -> int:
    """Show every setting, its value, and where that came from."""
    from vox.settings import SECTIONS, store_path

    settings = options.settings()
    rows: list[dict[str, Any]] = []
    for section in SECTIONS:
        part = getattr(settings, section)
        for item in fields(part):
            key, value = f"{section}.{item.name}", getattr(part, item.name)
            if key == "store.path" and not value:
                value = str(store_path(settings))
            value = list(value) if isinstance(value, tuple) else value
            rows.append({"key": key, "value": value, "origin": settings.origins.get(key, "default")})
    if options.json:
        emit({"schema": 1, "settings": rows})
        return 0
    width = max(len(row["key"]) for row in rows)
    texts = [_toml(row["value"]) for row in rows]
    column = min(40, max(map(len, texts)))
    for row, text in zip(rows, texts, strict=True):
        click.echo(f"{row['key']:<{width}} = {text:<{column}}  {row['origin']}")
    return 0


@click.group()
def peers() -> None:
    """Look at the machines of the cluster."""


@peers.command("list", epilog="Example: vox peers list --coordinator http://127.0.0.1:8700")
@common()
def peers_list(options: Options) -> int:
    """List the members of the coordinator's cluster: who was let in, and who takes work now."""
    engine = _coordinator(options)
    try:
        members = engine.call("GET", "/cluster/members")["members"]
        workers = engine.call("GET", "/workers")["workers"]
    finally:
        engine.close()
    if options.json:
        emit({"schema": 1, "members": members, "workers": workers})
        return 0
    for member in members:
        click.echo(f"{member['peer']}  {member['name']}  {_when(member.get('joined_at'))}")
    if not members:
        click.echo("nobody has joined", err=True)
    for worker in workers:
        where = f" at {worker['peer']}" if worker["peer"] else ""
        click.echo(f"worker {worker['name']}{where} takes {worker['slots']} fragments at a time")
    return 0


@peers.command("discover", epilog="Example: vox peers discover")
@common()
def peers_discover(options: Options) -> int:
    """List the machines that the coordinator hears of now: by zeroconf, from each other, and by its list."""
    engine = _coordinator(options)
    try:
        found = engine.call("GET", "/peers")
    finally:
        engine.close()
    if options.json:
        emit(found)
        return 0
    for peer in found["peers"]:
        addresses = ", ".join(peer["addresses"]) or "no address"
        click.echo(f"{peer['peer']}  {peer['name']}  {addresses}")
    for address in found["addresses"]:
        click.echo(f"asked now: {address}")
    if not found["peers"] and not found["addresses"]:
        click.echo("nobody is heard of", err=True)
    return 0


def _coordinator(options: Options) -> Any:
    from client.engines import open_remote
    from client.remote import RemoteEngine

    try:
        session = open_remote(options.coordinator, settings=options.settings())
    except CoordinatorUnreachable as error:
        raise CoordinatorUnreachable(
            "only a coordinator knows peers, and none is configured or runs on this machine", hint=error.hint
        ) from error
    if session.facts is not None:
        session.facts.close()
    engine = session.engine
    assert isinstance(engine, RemoteEngine)
    return engine


def _when(seconds: object) -> str:
    from datetime import UTC, datetime

    if not isinstance(seconds, int | float):
        return ""
    return f"joined {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _toml(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
