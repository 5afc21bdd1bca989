"""What people see while they wait, and when something is wrong. Everything here goes to stderr."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Protocol

from vox.digest import NodeId
from vox.errors import ProgramError, Span, VoxError
from vox.events import (
    Event,
    ExecutionFinished,
    ExecutionStarted,
    NodeDone,
    NodeFailed,
    NodeSkipped,
    NodeStarted,
    WorkerJoined,
    WorkerLeft,
)
from vox.fragment import How

if TYPE_CHECKING:
    from vox.imgql.source import SourceText
    from vox.plan import Plan

# A line every ten seconds is what a log of a night's run can bear.
PLAIN_PERIOD_S = 10.0
# Work shorter than this needs no display: a cached answer is there before one could be read.
_LIVE_AFTER_S = 0.3
_RUNNING_SHOWN = 4


class Watcher(Protocol):
    """Somebody who follows an execution."""

    def see(self, event: Event) -> None:
        """Take the next event."""

    def close(self) -> None:
        """No more will come; the terminal is as it was."""


class Tally:
    """Counts and running operators, out of events alone."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.total = len(plan)
        self.computed = self.reused = self.fetched = self.failed = self.skipped = 0
        self.running: dict[NodeId, tuple[str, float]] = {}
        self.workers: set[str] = set()
        self.begin = time.monotonic()
        # The display is drawn by a thread of its own.
        self._lock = threading.Lock()

    def see(self, event: Event) -> None:
        """Count an event."""
        with self._lock:
            self._count(event)

    def _count(self, event: Event) -> None:
        if isinstance(event, ExecutionStarted):
            self.total, self.reused = event.total, event.reused
        elif isinstance(event, NodeStarted):
            self.running[event.node] = (event.operator, time.monotonic())
        elif isinstance(event, NodeDone):
            self.running.pop(event.node, None)
            self.computed += event.how is How.COMPUTED
            self.reused += event.how is How.REUSED
            self.fetched += event.how is How.FETCHED
        elif isinstance(event, NodeFailed):
            self.running.pop(event.node, None)
            self.failed += event.final
        elif isinstance(event, NodeSkipped):
            self.skipped += 1
        elif isinstance(event, WorkerJoined):
            self.workers.add(event.worker)
        elif isinstance(event, WorkerLeft):
            self.workers.discard(event.worker)

    @property
    def done(self) -> int:
        """Nodes that need no more work."""
        return min(self.total, self.computed + self.reused + self.fetched + self.failed + self.skipped)

    def line(self) -> str:
        """Say where the execution stands."""
        parts = [f"{self.computed} computed", f"{self.reused} reused"]
        for name in ("fetched", "failed", "skipped"):
            if count := getattr(self, name):
                parts.append(f"{count} {name}")
        if self.workers:
            parts.append(f"{len(self.workers)} workers")
        return f"{self.done}/{self.total} nodes: " + ", ".join(parts)

    def slowest(self) -> list[tuple[str, str, float]]:
        """Return the longest running operators: name, place in the program, seconds."""
        now = time.monotonic()
        with self._lock:
            oldest = sorted(self.running.items(), key=lambda item: item[1][1])[:_RUNNING_SHOWN]
        return [
            (name.partition("@")[0], place(self.plan.origins, node), now - since)
            for node, (name, since) in oldest
        ]


class Quiet:
    """Sees nothing: `-q`, `--json`."""

    def see(self, event: Event) -> None:
        """Take the next event."""

    def close(self) -> None:
        """No more will come."""


class Plain:
    """Lines for a log: one per goal, one per ten seconds of silence, one per worker that comes or goes."""

    def __init__(self, plan: Plan, stream: IO[str] | None = None) -> None:
        self.tally = Tally(plan)
        self.stream = stream or sys.stderr
        self.goals = {goal.node: goal.label for goal in plan.goals}
        self.last = time.monotonic()
        self._closed = threading.Event()
        self._clock: threading.Thread | None = None

    def see(self, event: Event) -> None:
        """Take the next event."""
        self.tally.see(event)
        if self._clock is None and isinstance(event, NodeStarted):
            # One operator may run for minutes: somebody has to speak while no event comes.
            self._clock = threading.Thread(target=self._speak_up, name="vox-progress", daemon=True)
            self._clock.start()
        if isinstance(event, NodeDone) and event.node in self.goals:
            self._say(f"{self.goals[event.node]}: {event.how.value} ({self.tally.line()})")
        elif isinstance(event, NodeFailed) and not event.final:
            self._say(f"{event.operator} failed on {event.worker}, it is tried again: {event.message}")
        elif isinstance(event, WorkerLeft):
            self._say(f"worker {event.worker} left; what it held goes to the others")

    def _speak_up(self) -> None:
        while not self._closed.wait(PLAIN_PERIOD_S / 10):
            if time.monotonic() - self.last >= PLAIN_PERIOD_S:
                slow = [f"{name} ({where}, {since:.0f} s)" for name, where, since in self.tally.slowest()]
                running = f"; running {', '.join(slow)}" if slow else ""
                self._say(self.tally.line() + running)

    def _say(self, text: str) -> None:
        self.last = time.monotonic()
        self.stream.write(text + "\n")
        self.stream.flush()

    def close(self) -> None:
        """No more will come."""
        self._closed.set()


class Live:
    """A display that moves, on a terminal."""

    def __init__(self, plan: Plan) -> None:
        self.tally = Tally(plan)
        self.goals = {goal.node for goal in plan.goals}
        self.goals_done: set[NodeId] = set()
        self.display: Any = None

    def see(self, event: Event) -> None:
        """Take the next event."""
        self.tally.see(event)
        if isinstance(event, NodeDone) and event.node in self.goals:
            self.goals_done.add(event.node)
        waited = time.monotonic() - self.tally.begin
        if self.display is None and waited >= _LIVE_AFTER_S and not isinstance(event, ExecutionFinished):
            self._open()

    def _open(self) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self.display = RichLive(
            get_renderable=self._draw,
            console=Console(stderr=True),
            refresh_per_second=8,
            transient=True,
        )
        self.display.start()

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        tally = self.tally
        head = Table.grid(padding=(0, 1))
        seconds = time.monotonic() - tally.begin
        head.add_row(
            ProgressBar(total=max(1, tally.total), completed=tally.done, width=30),
            Text(tally.line()),
            Text(f"{seconds:.0f} s", style="dim"),
        )
        rows = Table.grid(padding=(0, 2))
        for operator, where, since in tally.slowest():
            rows.add_row(
                Text("  running", style="cyan"), operator, Text(where, style="dim"), f"{since:.1f} s"
            )
        goals = Text(f"goals {len(self.goals_done)}/{len(self.goals)}")
        return Group(head, goals, rows)

    def close(self) -> None:
        """No more will come; the terminal is as it was."""
        if self.display is not None:
            self.display.stop()
            self.display = None


def watcher_for(plan: Plan, *, quiet: bool) -> Watcher:
    """Choose by who looks: nobody, a log, a terminal."""
    if quiet:
        return Quiet()
    return Live(plan) if sys.stderr.isatty() else Plain(plan)


def place(origins: Mapping[NodeId, Span], node: NodeId) -> str:
    """Return `file:line` of a node, or nothing."""
    span = origins.get(node)
    return f"{span.file.rpartition('/')[2]}:{span.line}" if span else ""


def excerpt(span: Span, texts: Mapping[str, str]) -> str:
    """Show a place in a program: its line, underlined; its name alone where the text is not known."""
    from vox.imgql.diagnostics import Diagnostic
    from vox.imgql.source import SourceText

    sources = {span.file: SourceText(span.file, texts[span.file])} if span.file in texts else {}
    shown = Diagnostic("warning", "", "", span).render(sources, _colored())
    return shown.partition("\n")[2]


def _colored() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def render_error(error: VoxError, sources: Mapping[str, SourceText] | None = None) -> str:
    """Write an error for a person: code and sentence, place, help.

    `sources` are the program's files by name: under their lines the carets are drawn.
    """
    from vox.imgql.diagnostics import Diagnostic, render_all

    color = _colored()
    if isinstance(error, ProgramError) and error.diagnostics:
        return render_all(error.diagnostics, sources or {}, color)
    place = error.spans[0] if error.spans else None
    findings = [Diagnostic("error", error.code, error.message, place, help=error.hint)]
    for item in getattr(error, "diagnostics", ()):
        if isinstance(item, Mapping) and item.get("message") != error.message:
            code, message, hint = (str(item.get(key) or "") for key in ("code", "message", "hint"))
            findings.append(Diagnostic("error", code, message, help=hint))
    return render_all(findings, sources or {}, color)
