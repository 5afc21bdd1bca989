"""`vox store …` and `vox audit`: what this machine keeps, and how it is looked after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from client.commands_run import emit
from client.options import Options, common
from vox.errors import ExecutionUnknown, UsageError

if TYPE_CHECKING:
    from vox.digest import NodeId

_PATH = click.Path(path_type=Path)


@click.group()
def store() -> None:
    """Look at the store of this machine, and look after it."""


@contextmanager
def _opened(options: Options, *, verb: str = "", read_only: bool = False) -> Iterator[Any]:
    """Open the configured store; `verb` is one that not every backend has."""
    from client.engines import open_store

    opened = open_store(options.settings(), read_only=read_only)
    try:
        if verb and not hasattr(opened, verb):
            backend = opened.stats().backend
            raise UsageError(f"a store of the kind `{backend}` cannot do that", hint="sqlite and hybrid can")
        yield opened
    finally:
        opened.close()


@store.command("stats", epilog="Example: vox store stats --json")
@common(coordinator=False)
def store_stats(options: Options) -> int:
    """Count what the store holds."""
    from dataclasses import asdict

    with _opened(options) as shelf:
        stats = shelf.stats()
    if options.json:
        emit({"schema": 1, **asdict(stats)})
        return 0
    click.echo(f"{stats.path} ({stats.backend})")
    click.echo(f"{stats.blobs} blobs, {stats.results} results")
    click.echo(f"{stats.blob_bytes / 1e6:.1f} MB of values in {stats.disk_bytes / 1e6:.1f} MB of disk")
    if stats.quota_bytes:
        click.echo(f"quota {stats.quota_bytes / 1e6:.1f} MB, {stats.evicted} blobs evicted so far")
    if stats.alarm:
        share = f"{stats.recomputed_ratio:.0%}"
        click.echo(f"{share} of the work was done before and thrown away: raise the quota", err=True)
    return 0


@store.command("check", epilog="Example: vox store check --sample 0.1 --seed 3")
@click.option("--sample", type=click.FloatRange(0, 1), default=1.0, help="The share of blobs to read.")
@click.option("--seed", type=int, default=0, help="Which share it is.")
@common(coordinator=False)
def store_check(sample: float, seed: int, options: Options) -> int:
    """Read every blob; set the damaged ones aside. They are computed or fetched again when needed."""
    with _opened(options) as shelf:
        damaged = shelf.check(sample, seed) if sample < 1 else shelf.check()
    if options.json:
        emit({"schema": 1, "corrupt": [str(digest) for digest in damaged]})
    else:
        for digest in damaged:
            click.echo(f"{digest} was damaged and is set aside")
        click.echo("every blob is what its name says" if not damaged else f"{len(damaged)} damaged", err=True)
    return 1 if damaged else 0


@store.command("collect", epilog="Example: vox store collect --to 10GB --dry-run")
@click.option("--to", metavar="SIZE", default="", help="Also let go what is worth least, down to this size.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@common(coordinator=False)
def store_collect(to: str, dry_run: bool, options: Options) -> int:
    """Remove blobs that no result names any more; pinned ones and inputs of results stay."""
    from vox.settings import parse_size

    try:
        target = parse_size(to) if to else None
    except ValueError as error:
        raise UsageError(f"--to {to!r}: {error}", hint="write for example 10GB") from error
    with _opened(options, verb="collect") as shelf:
        before = shelf.stats().disk_bytes
        went = shelf.collect(target, dry=dry_run)
        freed = before - shelf.stats().disk_bytes
    if options.json:
        names = [str(digest) for digest in went]
        emit({"schema": 1, "dry_run": dry_run, "collected": names, "freed_bytes": freed})
    else:
        click.echo(f"{len(went)} blobs {'would go' if dry_run else f'went, {freed / 1e6:.1f} MB are free'}")
    return 0


@store.command("backup", epilog="Example: vox store backup /mnt/copies/today")
@click.argument("folder", type=_PATH)
@common(coordinator=False)
def store_backup(folder: Path, options: Options) -> int:
    """Write a copy of the store, while work goes on, to a new FOLDER."""
    with _opened(options, verb="backup") as shelf:
        shelf.backup(folder.absolute())
    return _told(options, {"backup": str(folder)}, f"the store is copied to {folder}")


@store.command("restore", epilog="Example: vox store restore /mnt/copies/today")
@click.argument("backup", type=_PATH)
@common(coordinator=False)
def store_restore(backup: Path, options: Options) -> int:
    """Put a copy in the store's place; what was there is kept beside it."""
    from vox.settings import store_path
    from vox.store.backup import restore

    folder = store_path(options.settings())
    aside = restore(backup, folder)
    with _opened(options) as shelf:
        if hasattr(shelf, "note"):
            shelf.note("restore", [backup.name])
    kept = f"; what was there is in {aside}" if aside else ""
    told = {"store": str(folder), "before": str(aside) if aside else None}
    return _told(options, told, f"{folder} is as it was{kept}")


@store.command("mark", epilog="Example: vox store mark before-the-experiment")
@click.argument("name")
@common(coordinator=False)
def store_mark(name: str, options: Options) -> int:
    """Give this moment a NAME, to which `vox store rollback` goes back."""
    with _opened(options, verb="mark") as shelf:
        shelf.mark(name)
    return _told(options, {"mark": name}, f"`vox store rollback {name}` goes back to here")


@store.command("rollback", epilog="Example: vox store rollback before-the-experiment")
@click.argument("name", metavar="MARK", required=False)
@click.option("--until", default="", metavar="MARK", help="Take back only up to this later mark.")
@click.option("--list", "listed", is_flag=True, help="List the marks.")
@common(coordinator=False)
def store_rollback(name: str | None, until: str, listed: bool, options: Options) -> int:
    """Take back every result since a MARK; nodes have the results they had then.

    The name of an execution of this machine is a mark too: then only what it computed is taken back.
    """
    with _opened(options, verb="roll_back") as shelf:
        if listed or name is None:
            marks = shelf.marks()
            if options.json:
                emit({"schema": 1, "marks": [{"name": n, "at_s": at_s} for n, (_, at_s) in marks.items()]})
            else:
                for each, (claims, _) in marks.items():
                    click.echo(f"{each}  (after claim {claims})")
            return 0
        taken = shelf.roll_back(name, until, _nodes_of(name, options))
    return _told(options, {"mark": name, "withdrawn": taken}, f"{taken} results were taken back")


def _nodes_of(execution: str, options: Options) -> list[NodeId] | None:
    """Return the nodes of an execution; None if the name is not one's."""
    from client.engines import open_local

    with open_local(options.settings()) as session:
        try:
            engine: Any = session.engine
            return list(engine.coordinator.plan(execution).nodes)
        except ExecutionUnknown:
            return None


@store.command("export", epilog="Example: vox store export there --backend filesystem")
@click.argument("folder", type=_PATH)
@click.option("--backend", default="", help="Of the new store; the same kind by default.")
@click.option("--key", default="", metavar="KEY", help="Encrypt it: file:PATH, phrase:WORDS, or prompt.")
@common(coordinator=False)
def store_export(folder: Path, backend: str, key: str, options: Options) -> int:
    """Copy blobs, claims and pins to a store in FOLDER, of any kind, encrypted or not."""
    from dataclasses import replace

    from vox.store import open_store
    from vox.store.backends import options_of
    from vox.store.export import export

    settings = options.settings().store
    wanted = options_of(replace(settings, key=key, quota_bytes=0))
    with _opened(options, verb="claims") as source:
        target: Any = open_store(backend or settings.backend, folder, wanted)
        try:
            blobs, claims, damaged = export(source, target)
        finally:
            target.close()
    told = {"blobs": blobs, "claims": claims, "corrupt": [str(digest) for digest in damaged]}
    _told(options, told, f"{blobs} blobs and {claims} claims were copied, {len(damaged)} blobs were damaged")
    return 1 if damaged else 0


@store.command("key", epilog="Example: vox store key ~/vox.key")
@click.argument("file", type=_PATH)
@click.option("--rotate", is_flag=True, help="Let the new key open this store, instead of the old one.")
@common(coordinator=False)
def store_key(file: Path, rotate: bool, options: Options) -> int:
    """Write a new key FILE; with --rotate it becomes the store's."""
    from vox.settings import store_path
    from vox.store import encryption

    encryption.write_key_file(file)
    if rotate:
        settings = options.settings()
        old = encryption.read_secret(settings.store.key or "prompt")
        try:
            encryption.rotate(store_path(settings), old, encryption.read_secret(f"file:{file}"))
        except BaseException:
            file.unlink()
            raise
    told = {"key": str(file), "rotated": rotate}
    return _told(options, told, f"{file} is the key: whoever loses it loses what it locks")


@click.command(epilog="Example: vox audit --verb delete")
@click.option("--verb", default="", help="Only deeds that begin with this word.")
@common(coordinator=False)
def audit(verb: str, options: Options) -> int:
    """Show who did what to the store, oldest first, and verify that nothing was changed or left out."""
    from datetime import UTC, datetime

    with _opened(options, verb="audit") as shelf:
        entries, broken, head = shelf.audit()
    shown = [entry for entry in entries if entry.verb.startswith(verb)]
    if options.json:
        deeds = [
            {"at_s": e.at_s, "who": e.who, "verb": e.verb, "names": list(e.names), "count": e.count}
            for e in shown
        ]
        emit({"schema": 1, "entries": deeds, "intact": broken is None, "head": head.hex()})
    else:
        for entry in shown:
            when = datetime.fromtimestamp(entry.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
            what = entry.names[0] if entry.count == 1 else f"{entry.count} names"
            click.echo(f"{when}  {entry.who}  {entry.verb}  {what}")
        if broken is None:
            click.echo(
                f"{len(entries)} entries, nothing was changed; the last hash is {head.hex()}", err=True
            )
        else:
            click.echo(f"entry {broken} is not what was written: somebody changed the log", err=True)
    return 0 if broken is None else 4


def _told(options: Options, document: dict[str, Any], sentence: str) -> int:
    if options.json:
        emit({"schema": 1, **document})
    else:
        click.echo(sentence)
    return 0
