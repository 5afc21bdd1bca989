"""`vox submit`, `run`, `plan`, `check`: from a program's file to its results."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from client.options import Options, Running, common, inputs, running
from client.programs import Asked
from vox.errors import CoordinatorUnreachable, SettingsError, VoxError

if TYPE_CHECKING:
    from client.interrupts import Interrupts
    from client.request import Request
    from client.session import Session
    from vox.settings import Settings

PROGRAM = click.argument("program", type=click.Path(path_type=Path))


@click.command(epilog="Example: vox submit quickstart.imgql --set threshold=0.9 --out results")
@PROGRAM
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done: the same as `vox plan`.")
@running
@common()
def submit(program: Path, dry_run: bool, running: Running, options: Options) -> int:
    """Run PROGRAM on the coordinator, or in this process if there is none.

    Prints go to stdout in program order, saves to files, everything else to stderr.
    """
    from client.engines import open_session
    from client.interrupts import Interrupts

    settings = options.settings()
    with Interrupts() as interrupts, open_session(settings, options.coordinator) as session:
        running = tuned(running, settings)
        request = session.prepare(program, running.parameters, running.data, running.asked)
        warn(request)
        if dry_run:
            return show_plan(session, request, running, options)
        return execute(session, request, running, options, interrupts)


@click.command(epilog="Example: vox run quickstart.imgql --execution-engine sequential")
@PROGRAM
@click.option("--execution-engine", type=click.Choice(["dynamic", "sequential"]), help="How nodes are run.")
@click.option(
    "--storage-backend",
    metavar="NAME",
    help="Where results are kept: sqlite, hybrid, filesystem, memory, tiered, or a plugin's.",
)
@click.option("--progress", is_flag=True, help="Show progress even when stderr is not a terminal or with -q.")
@click.option("--save-task-graph-as-dot", "dot", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--save-task-graph-as-json", "graph", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--save-syntax", "syntax", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep results of other runs.")
@running
@common(coordinator=False)
def run(
    program: Path,
    storage_backend: str | None,
    progress: bool,
    dot: Path | None,
    graph: Path | None,
    syntax: Path | None,
    running: Running,
    options: Options,
) -> int:
    """Run PROGRAM in this process, whatever coordinator is configured."""
    from client.engines import open_local
    from client.interrupts import Interrupts

    settings = options.settings(store__backend=storage_backend)
    with Interrupts() as interrupts, open_local(settings) as session:
        running = tuned(running, settings)
        request = session.prepare(program, running.parameters, running.data, running.asked)
        warn(request)
        save_graphs(request, dot, graph, syntax)
        if progress:
            options = replace(options, quiet=False)
        return execute(session, request, running, options, interrupts, progress=progress)


@click.command(epilog="Example: vox plan quickstart.imgql --json")
@PROGRAM
@running
@common()
def plan(program: Path, running: Running, options: Options) -> int:
    """Show what submitting PROGRAM would compute, reuse and fetch."""
    from client.engines import open_session

    settings = options.settings()
    with open_session(settings, options.coordinator) as session:
        running = tuned(running, settings)
        request = session.prepare(program, running.parameters, running.data, running.asked)
        warn(request)
        return show_plan(session, request, running, options)


@click.command(epilog="Example: vox check quickstart.imgql")
@PROGRAM
@inputs
@common(coordinator=False)
def check(
    program: Path, parameters: dict[str, Any], data: tuple[Path, ...], asked: Asked, options: Options
) -> int:
    """Parse and type-check PROGRAM: every finding, not just the first. Nothing is computed."""
    from client.engines import open_facts
    from client.request import prepare

    facts = open_facts(options.settings())
    try:
        request = prepare(program, parameters, data, facts, asked)
    finally:
        if facts is not None:
            facts.close()
    warn(request)
    if options.json:
        goals = [
            {"kind": goal.kind, "label": goal.label, "node": str(goal.node), "type": str(goal.type)}
            for goal in request.plan.goals
        ]
        emit({"schema": 1, "goals": goals, "errors": [], "warnings": warnings_json(request)})
    else:
        click.echo(
            f"{program}: {len(request.plan.goals)} goals, {len(request.plan)} nodes, no errors", err=True
        )
    return 0


def execute(
    session: Session,
    request: Request,
    running: Running,
    options: Options,
    interrupts: Interrupts,
    *,
    progress: bool = False,
) -> int:
    """Submit, follow, write and print; return the exit status."""
    from client.render import watcher_for

    quiet = (options.quiet or options.json) and not progress
    execution = session.submit(request, config=running.config)
    watcher = watcher_for(request.plan, quiet=quiet)
    try:
        for event in execution:
            watcher.see(event)
        result = execution.result()
    except KeyboardInterrupt:
        watcher.close()
        return interrupts.leave(execution)
    finally:
        watcher.close()
    return deliver(
        session, request, result, running.out, options, provenance=running.provenance, table=running.table
    )


def tuned(running: Running, settings: Settings) -> Running:
    """Return how to run, with what the settings say where no flag said otherwise."""
    engine = settings.engine
    chosen = running.config.execution_engine
    if engine.execution_engine not in ("dynamic", "sequential"):
        raise SettingsError(
            f"`engine.execution_engine` is {engine.execution_engine!r}",
            hint="dynamic and sequential are known",
        )
    if chosen == "dynamic" and engine.execution_engine == "sequential":
        chosen = "sequential"
    config = replace(
        running.config,
        execution_engine=chosen,
        retries=engine.retries,
        max_concurrent_nodes=engine.max_concurrent_nodes,
    )
    return replace(running, config=config)


def deliver(
    session: Session,
    request: Request | None,
    result: Any,
    out: Path,
    options: Options,
    *,
    provenance: bool = True,
    table: Path | None = None,
) -> int:
    """Write the saves, print the prints, in program order; then say how it ended."""
    from client.problems import ToldError
    from client.render import render_error
    from client.results import result_to_json
    from client.tables import case_rows, show_table, write_table

    extras: dict[int, dict[str, Any]] = {}
    errors: list[VoxError] = [ToldError(document) for document in result.errors]
    for at, goal in enumerate(result.goals):
        if goal.state != "succeeded" or goal.digest is None:
            continue
        try:
            extras[at] = deliver_goal(
                session,
                goal,
                out,
                options,
                execution=result.execution if provenance else "",
                v2=request is not None and request.v2,
            )
        except CoordinatorUnreachable:
            raise
        except VoxError as error:
            errors.append(error)
            extras[at] = {"state": "failed"}
    texts = None if request is None else request.texts
    if request is not None and request.cases:
        rows = case_rows(request.cases, result.goals, extras)
        if table is not None:
            write_table(rows, table)
        if not options.json:
            show_table(rows)
    if options.json:
        document = result_to_json(result, extras)
        document["errors"] = [each.to_json() for each in errors]
        if errors and document["state"] == "succeeded":
            document["state"] = "partial" if len(errors) < len(result.goals) else "failed"
        emit(document)
    for each in errors:
        click.echo(render_error(each, texts), err=True)
    if not options.quiet and not options.json:
        click.echo(ending(result), err=True)
    if str(result.state) == "cancelled":
        return 5
    return 1 if errors or str(result.state) != "succeeded" else 0


def deliver_goal(
    session: Session, goal: Any, out: Path, options: Options, *, execution: str = "", v2: bool = False
) -> dict[str, Any]:
    """Write or print one goal; return what JSON says of it. With its execution, a save gets a sidecar."""
    from client.saves import write_save, write_sidecar
    from client.tables import plain_value, write_text
    from vox.imgql.show import show_value
    from vox.operators.codec import decode_value

    if goal.kind == "print":
        value: Any = decode_value(session.engine.read(goal.digest))
        if not options.json:
            click.echo(f"{goal.label}={show_value(value, v2=v2)}")
        return {"value": plain_value(value)}
    if goal.file is None:
        return {"path": str(write_text(session, goal, out))}
    saved = write_save(session.engine.read(goal.file), goal.label, out)
    if not (options.json or options.quiet):
        click.echo(f"saved {saved.path}", err=True)
    if not execution:
        return {"path": str(saved.path)}
    beside = write_sidecar(saved, session.engine.provenance(execution, goal))
    return {"path": str(saved.path), "provenance": str(beside)}


def ending(result: Any) -> str:
    """Say in one line how an execution ended."""
    counts = result.nodes
    parts = [f"{counts.computed} computed", f"{counts.reused} reused"]
    parts += [f"{getattr(counts, k)} {k}" for k in ("fetched", "failed", "skipped") if getattr(counts, k)]
    head = f"{result.state} in {result.seconds:.2f} s: {counts.total} nodes, {', '.join(parts)}"
    return f"{head} (execution {result.execution})"


def show_plan(session: Session, request: Request, running: Running, options: Options) -> int:
    """Print what a submission would do."""
    document = session.engine.plan(request, running.config)
    if options.json:
        emit(document)
        return 0
    nodes = document["nodes"]
    for goal in document["goals"]:
        state = "known" if goal.get("known") else "to compute"
        counts = f" ({counted(goal['nodes'])})" if goal.get("nodes") else ""
        click.echo(f"{goal['kind']} {goal['label']}: {state}{counts}")
    line = f"{nodes['total']} nodes: {counted(nodes)}"
    estimate = document["estimate"]
    if estimate["bytes"]:
        line += f"; {estimate['bytes'] / 1e6:.1f} MB to fetch"
    if estimate["seconds"]:
        line += f"; about {estimate['seconds']:.1f} s"
    click.echo(line)
    return 0


def counted(nodes: Mapping[str, int]) -> str:
    """Say what a plan would do with nodes."""
    line = f"{nodes['to_compute']} to compute, {nodes['reused']} reused"
    return f"{line}, {nodes['fetchable']} to fetch" if nodes["fetchable"] else line


def save_graphs(request: Request, dot: Path | None, graph: Path | None, syntax: Path | None) -> None:
    """Write what VoxLogicA-2's flags ask for."""
    from client.saves import write_file
    from vox.imgql.export import to_dot, to_json

    if dot is not None:
        write_file(dot, [to_dot(request.plan).encode()])
    if graph is not None:
        write_file(graph, [json.dumps(to_json(request.plan), indent=1).encode()])
    if syntax is not None:
        write_file(syntax, [request.printed().encode()])


def warn(request: Request) -> None:
    """Show what the checker found strange but right."""
    from vox.imgql.diagnostics import render_all

    if request.plan.warnings:
        click.echo(render_all(request.plan.warnings, request.texts), err=True)


def warnings_json(request: Request) -> list[object]:
    """Return the checker's warnings as JSON."""
    return [item.to_json() for item in request.plan.warnings if hasattr(item, "to_json")]


def plain(value: Any) -> Any:
    """Return a scalar as JSON knows it: infinities and NaN as text."""
    return str(value) if isinstance(value, float) and value - value != 0.0 else value


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.flush()
