"""`vox why`, `rerun`, `logs`: looking back, and doing again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from client.commands_run import deliver, emit, tuned, warn
from client.options import Options, Running, common, inputs, running
from client.programs import Asked
from vox.errors import Span, UsageError, VoxError

if TYPE_CHECKING:
    from client.session import Session
    from vox.events import Event
    from vox.explain import Cause, Difference
    from vox.plan import Goal, Plan

# Executions that are looked through for a goal of some label, newest first.
_SEARCHED_MAX = 100


@dataclass(frozen=True)
class _Side:
    """One of two things compared: a goal, its plan, and the texts that its places are in."""

    name: str
    plan: Plan
    goal: Goal
    texts: Mapping[str, str]


@click.command(epilog="Example: vox why quickstart.imgql:gtv.nii.gz --set veryBright=0.98")
@click.argument("what", metavar="[PROGRAM|EXECUTION:]GOAL")
@click.option("--against", metavar="EXECUTION", help="Compare with this execution instead of the last one.")
@inputs
@common()
def why(
    what: str,
    against: str | None,
    parameters: dict[str, Any],
    data: tuple[Path, ...],
    options: Options,
    asked: Asked,
) -> int:
    """Say why a goal was, or would be, computed: the first places where the plans differ.

    PROGRAM.imgql:GOAL is what submitting the program would do, EXECUTION:GOAL what an execution did, GOAL
    what the newest execution with such a goal did. It is compared with the execution before that.
    """
    from client.engines import open_session

    with open_session(options.settings(), options.coordinator) as session:
        new = _new_side(session, what, parameters, data, asked)
        old = _old_side(session, new, against)
        found = [] if old is None else _differences(old, new)
        state = _state(session, new, old) if not found else None
    if options.json:
        emit(_why_json(new, old, found, state))
    else:
        _print_why(new, old, found, state)
    return 0


@click.command(epilog="Example: vox rerun EXECUTION --fresh")
@click.argument("execution")
@running
@common()
def rerun(execution: str, running: Running, options: Options) -> int:
    """Run the plan of an execution again, on the inputs of then, whatever its files are now."""
    from client.engines import open_session
    from client.interrupts import Interrupts
    from client.render import watcher_for
    from client.session import Execution

    if running.parameters or running.data:
        raise UsageError("a rerun takes the parameters and inputs of then", hint="`vox submit` takes others")
    settings = options.settings()
    with Interrupts() as interrupts, open_session(settings, options.coordinator) as session:
        plan = session.engine.plan_of(execution)
        again = Execution(session, session.engine.rerun(execution, tuned(running, settings).config), None)
        watcher = watcher_for(plan, quiet=options.quiet or options.json)
        try:
            for event in again:
                watcher.see(event)
        except KeyboardInterrupt:
            watcher.close()
            return interrupts.leave(again)
        finally:
            watcher.close()
        return deliver(session, None, again.result(), running.out, options, provenance=running.provenance)


@click.command(epilog="Example: vox logs EXECUTION --json")
@click.argument("execution")
@click.option("--after", type=click.IntRange(0), default=0, help="Leave out events up to this number.")
@common()
def logs(execution: str, after: int, options: Options) -> int:
    """Show every event of an execution, a line each; of one that runs, up to its end.

    With --json a line is a JSON object: the event, and its `number`.
    """
    from client.engines import open_session
    from vox.events import to_json

    with open_session(options.settings(), options.coordinator) as session:
        origins: Mapping[Any, Span] = {}
        if not options.json:
            origins = session.engine.plan_of(execution).origins
        try:
            for number, event in session.engine.events(execution, after):
                if options.json:
                    line = json.dumps({"number": number, **to_json(event)}, ensure_ascii=False)
                else:
                    line = f"{number:>5}  {told(event, origins)}"
                click.echo(line)
        except KeyboardInterrupt:
            return 130
    return 0


def told(event: Event, origins: Mapping[Any, Span]) -> str:
    """Say in one line what happened."""
    from client.render import place
    from vox import events as e

    node = getattr(event, "node", None)
    where = f" ({at})" if node is not None and (at := place(origins, node)) else ""
    match event:
        case e.ExecutionStarted(total=total, reused=reused):
            return f"started: {total} nodes, {reused} known"
        case e.NodeStarted(operator=operator, worker=worker):
            return f"{operator} given to {worker}{where}"
        case e.NodeDone(operator=operator, how=how, size=size, worker=worker, wall_ms=wall_ms):
            took = f" in {wall_ms} ms" if how == "computed" else ""
            return f"{operator} {how}{took}, {size} bytes, {worker}{where}"
        case e.NodeFailed(operator=operator, code=code, message=message, final=final):
            return f"{operator} failed{'' if final else ', is tried again'}: {code} {message}{where}"
        case e.NodeSkipped(node=name, cause=cause):
            return f"node:{name.short} skipped, because node:{cause.short} failed{where}"
        case e.NodeLost(node=name, worker=worker):
            return f"node:{name.short} lost with {worker}, is computed again{where}"
        case e.WorkerJoined(worker=worker):
            return f"worker {worker} joined"
        case e.WorkerLeft(worker=worker):
            return f"worker {worker} left"
    return f"finished: {event.state}"


# Two sides


def _new_side(
    session: Session, what: str, parameters: dict[str, Any], data: tuple[Path, ...], asked: Asked
) -> _Side:
    name, colon, label = what.rpartition(":")
    program = Path(name if colon and name.endswith(".imgql") else what)
    if program.suffix == ".imgql":
        request = session.prepare(program, parameters, data, asked)
        warn(request)
        texts = {key: text.text for key, text in request.texts.items()}
        goals = request.plan.goals
        wanted = label if program != Path(what) else goals[0].label
        return _Side(str(program), request.plan, _goal(request.plan, wanted, str(program)), texts)
    if parameters or data:
        raise UsageError("--set and --data belong to a program", hint="write PROGRAM.imgql:GOAL")
    for execution in [name] if colon else _executions(session):
        found = _side(session, execution, label if colon else what)
        if found is not None:
            return found
    raise UsageError(f"no execution has a goal {label!r}", hint="see `vox list` and `vox show EXECUTION`")


def _old_side(session: Session, new: _Side, against: str | None) -> _Side | None:
    """Return the named execution's goal, or the one of the last execution before the new side."""
    if against:
        found = _side(session, against, new.goal.label)
        if found is None:
            raise UsageError(f"execution {against} has no goal {new.goal.label!r}", hint="see `vox show`")
        return found
    earlier = list(_executions(session))
    if new.name in earlier:
        earlier = earlier[earlier.index(new.name) + 1 :]
    for execution in earlier:
        found = _side(session, execution, new.goal.label)
        if found is not None:
            return found
    return None


def _executions(session: Session) -> Iterator[str]:
    for entry in session.engine.executions()[:_SEARCHED_MAX]:
        yield str(entry["execution"])


def _side(session: Session, execution: str, label: str) -> _Side | None:
    plan = session.engine.plan_of(execution)
    goal = next((goal for goal in plan.goals if goal.label == label), None)
    if goal is None:
        return None
    submitted = session.engine.submitted(execution)
    return _Side(execution, plan, goal, {} if submitted is None else submitted.texts)


def _goal(plan: Plan, label: str, name: str) -> Goal:
    for goal in plan.goals:
        if goal.label == label:
            return goal
    known = ", ".join(goal.label for goal in plan.goals)
    raise UsageError(f"{name} has no goal {label!r}", hint=f"its goals are {known}")


def _differences(old: _Side, new: _Side) -> list[Difference]:
    from vox.explain import differences
    from vox.operators.catalogue import CATALOGUE

    def commutative(operator: str) -> bool:
        try:
            return CATALOGUE.of(operator).commutative
        except KeyError:
            return False

    return differences(old.plan, old.goal.wanted, new.plan, new.goal.wanted, commutative)


def _state(session: Session, new: _Side, old: _Side | None) -> Cause | None:
    """Return why a goal would be computed whose plan is no other than before; None if it would not be."""
    from vox.explain import Cause

    try:
        here = bool(session.engine.node(str(new.goal.wanted)).get("here", True))
    except VoxError:
        return Cause.NEVER if old is None else Cause.GONE
    return None if here else Cause.GONE


def _why_json(new: _Side, old: _Side | None, found: list[Difference], state: Cause | None) -> dict[str, Any]:
    cause = found[0].cause if found else state
    return {
        "schema": 1,
        "goal": new.goal.label,
        "node": str(new.goal.wanted),
        "of": new.name,
        "against": None if old is None else old.name,
        "cause": None if cause is None else str(cause),
        "differences": [each.to_json() for each in found],
    }


def _print_why(new: _Side, old: _Side | None, found: list[Difference], state: Cause | None) -> None:
    from client.render import excerpt
    from vox.explain import SENTENCES

    label = f"{new.goal.kind} {new.goal.label}"
    if not found:
        compared = "nothing to compare with" if old is None else f"the same as in execution {old.name}"
        told = "its result is here: nothing is computed" if state is None else SENTENCES[state]
        click.echo(f"{label}: {compared}; {told}")
        return
    assert old is not None
    click.echo(f"{label}: {SENTENCES[found[0].cause]} since execution {old.name}")
    for each in found:
        click.echo(f"  {each.text}" if each.cause == found[0].cause else f"  {each.text} ({each.cause})")
        if each.span is not None:
            click.echo(excerpt(each.span, new.texts))
        if each.before is not None and not _same_line(each, new, old):
            click.echo("  before:")
            click.echo(excerpt(each.before, old.texts))


def _same_line(each: Difference, new: _Side, old: _Side) -> bool:
    """Whether showing the old line would say nothing that the new one does not."""
    if each.span is None or each.before is None:
        return False
    return each.span.line == each.before.line and old.texts.get(each.before.file) == new.texts.get(
        each.span.file
    )
