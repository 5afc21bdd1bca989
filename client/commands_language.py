"""`vox fmt` and `vox repl`: writing programs."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from client.options import Options, common
from vox.errors import UsageError, VoxError

if TYPE_CHECKING:
    from client.session import Session

_PATH = click.Path(path_type=Path)
_COMMANDS = (":help", ":show", ":load", ":reset", ":quit")
_HELP = """a declaration (x = …) is remembered; an expression is computed and shown
:show     the program so far        :load FILE   take in a file
:reset    forget everything         :quit        leave"""


@click.command(epilog="Example: vox fmt --check *.imgql")
@click.argument("files", nargs=-1, required=True, type=_PATH)
@click.option("--check", is_flag=True, help="Write nothing; exit status 1 if a file would change.")
@click.option("--dialect", type=click.Choice(["auto", "v1", "v2"]), default="auto")
@common(coordinator=False)
def fmt(files: tuple[Path, ...], check: bool, dialect: str, options: Options) -> int:
    """Lay programs out: one command a line, one blank between tokens. Comments stay."""
    from client.saves import write_file
    from vox.imgql.compile import parse_program
    from vox.imgql.formatter import format_program
    from vox.imgql.imports import read_source

    changed = 0
    for path in files:
        source = read_source(path)
        try:
            done = format_program(parse_program(source.text, source.name, dialect))
        except VoxError as error:
            error.__dict__["sources"] = {source.name: source}
            raise
        if done != source.text:
            changed += 1
            click.echo(f"{'would change' if check else 'formatted'} {path}", err=True)
            if not check:
                write_file(path, [done.encode()])
    return 1 if check and changed else 0


@click.command(epilog="Example: vox repl")
@common()
def repl(options: Options) -> int:
    """Type declarations and expressions of V2; see what they are worth at once."""
    from client.engines import open_session

    with open_session(options.settings(), options.coordinator) as session:
        talk = Talk(session)
        with _Lines(talk):
            while True:
                try:
                    line = input("vox> ").strip()
                except EOFError:
                    return 0
                except KeyboardInterrupt:
                    click.echo()
                    continue
                if line == ":quit":
                    return 0
                if line:
                    talk.say(line)


class Talk:
    """A program that grows by a line at a time."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Take in a line: a command of the prompt, a declaration, or an expression to compute."""
        if line.startswith(":"):
            self._command(line)
            return
        from vox.imgql.scanner2 import command_here

        declares = command_here(line, 0) is not None
        try:
            program = [*self.lines, line if declares else f'print "" {line}']
            shown = self._run(program)
        except VoxError as error:
            from client.render import render_error

            click.echo(render_error(error, getattr(error, "sources", None)), err=True)
            return
        if declares and not line.startswith(("print", "save")):
            self.lines.append(line)
        for text in shown:
            click.echo(text)

    def names(self) -> list[str]:
        """Return what can be completed: own names, the language's, those of namespaces."""
        from vox.imgql.lower import overloads
        from vox.operators.catalogue import CATALOGUE

        own = [line.partition("=")[0].removeprefix("let ").partition("(")[0].strip() for line in self.lines]
        known = {*own, *overloads(), *(row.name for row in CATALOGUE), *_COMMANDS}
        return sorted(name for name in known if name[:1].isalpha() or name[:1] in ":_")

    def _command(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == ":show":
            click.echo("\n".join(self.lines))
        elif word == ":reset":
            self.lines.clear()
        elif word == ":load":
            try:
                self.lines.append(Path(rest.strip()).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                click.echo(f"cannot read {rest}: {error}", err=True)
        else:
            click.echo(_HELP)

    def _run(self, program: list[str]) -> list[str]:
        """Submit what was said; declarations alone are only checked."""
        from client.programs import Asked
        from vox.imgql.show import show_value
        from vox.operators.codec import decode_value

        with TemporaryDirectory() as folder:
            path = Path(folder) / "repl.imgql"
            path.write_text("\n".join(program), encoding="utf-8")
            try:
                request = self.session.prepare(path, {}, (), Asked("v2"))
            except VoxError as error:
                if error.code == "E0207":
                    return []
                raise
        execution = self.session.submit(request)
        for _ in execution:
            pass
        result: Any = execution.result()
        for told in result.errors:
            raise UsageError(str(told.get("message", "")), hint=str(told.get("hint", "")))
        goals = [goal for goal in result.goals if goal.digest is not None and goal.kind == "print"]
        return [
            show_value(decode_value(self.session.engine.read(goal.digest)), v2=True) for goal in goals[-1:]
        ]


class _Lines:
    """The terminal's line editor: completion by tab, history across sessions."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    def __enter__(self) -> None:
        if not sys.stdin.isatty():
            return
        with suppress(ImportError):
            import readline

            from vox.settings import state_dir

            self.history = state_dir() / "repl-history"
            with suppress(OSError):
                readline.read_history_file(self.history)
            readline.set_completer(self._complete)
            readline.set_completer_delims(" \t\n()[],+-*/<>=!&|:")
            readline.parse_and_bind("tab: complete")

    def __exit__(self, *_: object) -> None:
        if sys.stdin.isatty():
            with suppress(ImportError, OSError, AttributeError):
                import readline

                self.history.parent.mkdir(parents=True, exist_ok=True)
                readline.set_history_length(5000)
                readline.write_history_file(self.history)

    def _complete(self, text: str, state: int) -> str | None:
        found = [name for name in self.talk.names() if name.startswith(text)]
        return found[state] if state < len(found) else None
