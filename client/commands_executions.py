"""`vox list`, `show`, `watch`, `cancel`, `get`: executions, and values from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from client.commands_run import deliver, emit, plain
from client.options import Options, common
from vox.errors import UsageError

if TYPE_CHECKING:
    from client.session import Session
    from vox.plan import Plan


@click.command("list", epilog="Example: vox list --json")
@common()
def list_executions(options: Options) -> int:
    """List executions, newest first."""
    with _session(options) as session:
        found = session.engine.executions()
    if options.json:
        emit({"schema": 1, "executions": found})
        return 0
    for entry in found:
        nodes = entry["nodes"]
        counts = f"{nodes['computed']} computed, {nodes['reused']} reused of {nodes['total']}"
        click.echo(f"{entry['execution']}  {entry['state']:<9}  {entry['seconds']:8.2f} s  {counts}")
    if not found:
        click.echo("no executions", err=True)
    return 0


@click.command(epilog="Example: vox show EXECUTION")
@click.argument("execution")
@click.option(
    "--timeline", type=click.Path(path_type=Path), help="Write what ran where and when, for chrome://tracing."
)
@common()
def show(execution: str, timeline: Path | None, options: Options) -> int:
    """Show one execution: its state, its goals, its errors."""
    with _session(options) as session:
        document = session.engine.show(execution)
        trace = None if timeline is None else session.engine.timeline(document["execution"])
    if timeline is not None:
        try:
            timeline.write_text(json.dumps(trace), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{timeline} cannot be written: {error.strerror}") from error
    if options.json:
        emit(document)
    else:
        _print_execution(document)
    return 0


@click.command(epilog="Example: vox watch EXECUTION")
@click.argument("execution")
@click.option("--out", type=click.Path(path_type=Path), help="Also write its saves, into this folder.")
@common()
def watch(execution: str, out: Path | None, options: Options) -> int:
    """Follow an execution until it ends; Ctrl-C stops following, not the execution."""
    from client.interrupts import Interrupts
    from client.render import watcher_for
    from client.session import Execution

    with _session(options) as session, Interrupts() as interrupts:
        followed = Execution(session, execution, None)
        plan = _outline(session.engine.show(execution))
        watcher = watcher_for(plan, quiet=options.quiet or options.json)
        try:
            for event in followed:
                watcher.see(event)
        except KeyboardInterrupt:
            watcher.close()
            return interrupts.leave(followed)
        finally:
            watcher.close()
        if out is not None:
            return deliver(session, None, followed.result(), out, options)
        document = session.engine.show(execution)
    if options.json:
        emit(document)
    else:
        _print_execution(document)
    return 0 if document["state"] == "succeeded" else 5 if document["state"] == "cancelled" else 1


@click.command(epilog="Example: vox cancel EXECUTION")
@click.argument("execution")
@common()
def cancel(execution: str, options: Options) -> int:
    """Stop an execution. What it has computed is kept."""
    with _session(options) as session:
        asked = session.engine.cancel(execution)
    if options.json:
        emit({"schema": 1, "execution": execution, "cancelled": asked})
    else:
        click.echo(f"{execution} is cancelled" if asked else f"{execution} had ended already", err=True)
    return 0


@click.command(epilog="Example: vox get EXECUTION:gtv.nii.gz -o gtv.nii.gz")
@click.argument("what", metavar="NODE|EXECUTION:GOAL")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write.")
@common()
def get(what: str, output: Path | None, options: Options) -> int:
    """Get the value of a node (node:...), or of a goal of an execution.

    Numbers, booleans and strings are printed; images are written to the file of -o.
    """
    from client.saves import write_file, write_save
    from vox.digest import Digest
    from vox.imgql.show import show_value
    from vox.operators.codec import decode_value, read_header

    with _session(options) as session:
        goal = None if what.startswith("node:") else _goal(session, what)
        digest = Digest.parse(session.engine.node(what)["digest"] if goal is None else goal["digest"])
        if goal is not None and goal.get("file") and _same_format(goal["label"], output):
            blob = session.engine.read(Digest.parse(goal["file"]))
            path = output or Path(goal["label"]).name
            written = write_save(blob, str(path), Path()).path
            click.echo(f"saved {written}", err=True)
            return 0
        blob = session.engine.read(digest)
        kind, _, _ = read_header(blob)
        if kind in ("null", "boolean", "integer", "number", "string"):
            value: Any = decode_value(blob)
            if options.json:
                emit({"schema": 1, "digest": str(digest), "type": kind, "value": plain(value)})
            else:
                click.echo(show_value(value))
            return 0
        if output is None:
            raise UsageError(f"{what} is a {kind}", hint="name a file with -o FILE")
        if kind == "file":
            write_save(blob, str(output), Path())
        elif output.suffix == ".vox":
            write_file(output, [blob])
        else:
            write_save(_as_file(blob, output), str(output), Path())
        click.echo(f"saved {output}", err=True)
    return 0


def _session(options: Options) -> Session:
    from client.engines import open_session

    return open_session(options.settings(), options.coordinator)


def _goal(session: Session, what: str) -> dict[str, Any]:
    execution, colon, label = what.partition(":")
    if not colon or not label:
        raise UsageError(f"{what!r} names no value", hint="write node:<64 digits> or EXECUTION:GOAL")
    document = session.engine.show(execution)
    for goal in document["goals"]:
        if goal["label"] == label:
            if not goal.get("digest"):
                raise UsageError(f"{label} has no value: it is {goal['state']}")
            return dict(goal)
    known = ", ".join(goal["label"] for goal in document["goals"])
    raise UsageError(f"execution {execution} has no goal {label!r}", hint=f"its goals are {known}")


def _outline(document: dict[str, Any]) -> Plan:
    """Return as much of an execution's plan as its document tells: the goals."""
    from client.results import goal_from_json
    from vox.errors import Span
    from vox.plan import Goal, Plan

    nowhere = Span("", 0, 0, 0, 0)
    found = (goal_from_json(goal) for goal in document["goals"])
    return Plan({}, tuple(Goal(each.kind, each.label, each.node, nowhere, each.type) for each in found))


def _same_format(label: str, output: Path | None) -> bool:
    def ending(name: str) -> str:
        return Path(name.removesuffix(".gz")).suffix

    return output is None or ending(label) == ending(output.name)


def _as_file(blob: bytes | memoryview, output: Path) -> bytes:
    """Return the blob of the file that saving a value under that name would write."""
    from vox.operators.codec import decode_value, encode_value
    from vox.operators.files import file_image, file_mask
    from vox.operators.values import Image, Mask

    value = decode_value(blob)
    ending = Path(output.name.removesuffix(".gz")).suffix
    if isinstance(value, Mask):
        return b"".join(encode_value(file_mask(value, ending)))
    if isinstance(value, Image):
        return b"".join(encode_value(file_image(value, ending)))
    raise UsageError(f"a {type(value).__name__} is not an image", hint="name a .vox file to keep it as it is")


def _print_execution(document: dict[str, Any]) -> None:
    from client.problems import ToldError
    from client.render import render_error
    from vox.imgql.show import show_value

    nodes = document["nodes"]
    counts = ", ".join(f"{count} {name}" for name, count in nodes.items() if count or name == "total")
    click.echo(f"{document['execution']}: {document['state']} after {document['seconds']:.2f} s ({counts})")
    for goal in document["goals"]:
        value = f" = {show_value(goal['value'])}" if "value" in goal else ""
        click.echo(f"  {goal['kind']} {goal['label']}: {goal['state']}{value}")
    for error in document["errors"]:
        click.echo(render_error(ToldError(error)), err=True)
