"""Ctrl-C and SIGTERM while an execution runs.

Here in this process, the execution is stopped: kernels end, nothing half-written stays. On a coordinator it
goes on, and we say how to come back; who insists within two seconds cancels it.
"""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from client.session import Execution

INTERRUPTED = 130
_SECOND_THOUGHT_S = 2.0


class Interrupts:
    """While this is entered, SIGTERM is a KeyboardInterrupt like SIGINT."""

    def __init__(self) -> None:
        self.terminated = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        def on_term(number: int, frame: FrameType | None) -> None:
            self.terminated = True
            raise KeyboardInterrupt

        try:
            self._before = signal.signal(signal.SIGTERM, on_term)
        except ValueError:
            # Not in the main thread: whoever embeds us has the signals.
            self._before = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def leave(self, execution: Execution) -> int:
        """Stop or detach; return the exit status."""
        from client.remote import RemoteEngine

        if not isinstance(execution.session.engine, RemoteEngine):
            click.echo("interrupted: stopping after the operators that run", err=True)
            execution.cancel()
            return INTERRUPTED
        name = execution.name
        click.echo(f"\nexecution {name} goes on without you.", err=True)
        click.echo(f"  vox watch {name}    follow it again", err=True)
        click.echo(f"  vox cancel {name}   stop it (or press Ctrl-C again now)", err=True)
        if self.terminated:
            return INTERRUPTED
        try:
            time.sleep(_SECOND_THOUGHT_S)
        except KeyboardInterrupt:
            execution.cancel()
            click.echo(f"execution {name} is cancelled", err=True)
        return INTERRUPTED
