"""The command `vox`. Importing this module costs click and nothing else; commands are loaded when called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from vox import __version__
from vox.errors import VoxError

# Name, where it is, one line: the help page is written from this table without loading any command.
COMMANDS = {
    "submit": ("client.commands_run:submit", "Run a program on the coordinator, or here if there is none."),
    "run": ("client.commands_run:run", "Run a program here, in this process."),
    "plan": ("client.commands_run:plan", "Show what a submission would compute, reuse and fetch."),
    "check": ("client.commands_run:check", "Parse and type-check a program; every finding."),
    "why": ("client.commands_history:why", "Say why a goal was, or would be, computed."),
    "list": ("client.commands_executions:list_executions", "List executions, newest first."),
    "show": ("client.commands_executions:show", "Show one execution."),
    "watch": ("client.commands_executions:watch", "Follow an execution until it ends."),
    "cancel": ("client.commands_executions:cancel", "Stop an execution."),
    "rerun": ("client.commands_history:rerun", "Run the plan of an execution again."),
    "logs": ("client.commands_history:logs", "Show every event of an execution."),
    "get": ("client.commands_executions:get", "Get a value: a node's, or a goal's of an execution."),
    "report": ("client.commands_proof:report", "Write an execution as one HTML file."),
    "verify": ("client.commands_proof:verify", "Check an output file against its provenance, offline."),
    "store": ("client.commands_store:store", "Look at the store of this machine, and look after it."),
    "audit": ("client.commands_store:audit", "Show who did what to the store, and whether that is all."),
    "peers": ("client.commands_machine:peers", "Look at the machines of the cluster."),
    "config": ("client.commands_machine:config", "Show the settings and where each came from."),
    "fmt": ("client.commands_language:fmt", "Lay programs out."),
    "repl": ("client.commands_language:repl", "Type declarations and expressions, see what they are."),
    "operators": ("client.commands_help:operators", "List the operators, or describe one."),
    "explain": ("client.commands_help:explain", "Explain an error code."),
    "mosaic": ("client.commands_help:mosaic", "Draw a result on its image, as PNG."),
    "demo": ("client.commands_help:demo", "Write images and programs to play with."),
    "doctor": ("client.commands_help:doctor", "Look for what could be wrong with this installation."),
    "completion": ("client.commands_help:completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a near miss is named."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, 1)
            help_text = f" Did you mean `{close[0]}`?" if close else ""
            ctx.fail(f"No such command '{args[0]}'.{help_text}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First steps: `vox demo there`, then `cd there` and `vox submit quickstart.imgql`.",
)
@click.version_option(__version__, prog_name="vox")
def cli() -> None:
    """Declarative medical image analysis: interactive, shared, verifiable."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every way out has its documented exit status."""
    sys.exit(status_of(arguments))


def status_of(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        returned: Any = cli.main(arguments, prog_name="vox", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        _json_error(arguments, {"code": "E0101", "message": error.format_message(), "hint": "", "spans": []})
        return error.exit_code
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not try to flush it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except VoxError as error:
        return _report(error, arguments)
    except Exception as error:
        # A mistake of ours: still no traceback in the face of somebody who cannot mend it.
        if _verbose(arguments):
            raise
        told = VoxError(
            f"{type(error).__name__}: {error}", hint="a mistake in vox; -v shows where it happened"
        )
        return _report(told, arguments)
    return returned if isinstance(returned, int) else 0


def _report(error: VoxError, arguments: list[str] | None) -> int:
    from client.render import render_error

    click.echo(render_error(error, getattr(error, "sources", None)), err=True)
    found = [item.to_json() for item in getattr(error, "diagnostics", ()) if hasattr(item, "to_json")]
    _json_error(arguments, *(found or [error.to_json()]))
    if _verbose(arguments):
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)
    return error.exit_status


def _json_error(arguments: list[str] | None, *errors: dict[str, object]) -> None:
    if "--json" in (sys.argv[1:] if arguments is None else arguments):
        import json

        click.echo(json.dumps({"schema": 1, "errors": list(errors)}, indent=1))


def _verbose(arguments: list[str] | None) -> bool:
    words = sys.argv[1:] if arguments is None else arguments
    return any(word in ("-v", "--verbose") for word in words)


if __name__ == "__main__":
    main()
