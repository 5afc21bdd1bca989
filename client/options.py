"""Flags that commands share, and what follows from them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from client.programs import Asked
from coordinator.contract import DynamicExecutionConfig
from vox import settings as settings_module
from vox.errors import UsageError
from vox.settings import Settings, parse_duration

Command = Callable[..., Any]


@dataclass(frozen=True)
class Options:
    """What every command understands."""

    json: bool
    coordinator: str | None
    config: Path | None
    verbose: bool
    quiet: bool

    def settings(self, **flags: object) -> Settings:
        """Read the settings, flags above all."""
        return settings_module.load(
            self.config, flags={key.replace("__", "."): value for key, value in flags.items()}
        )


@dataclass(frozen=True)
class Running:
    """What submissions understand."""

    parameters: dict[str, str]
    data: tuple[Path, ...]
    out: Path
    config: DynamicExecutionConfig
    provenance: bool = True
    table: Path | None = None
    asked: Asked = field(default_factory=Asked)


_FOLDER = click.Path(path_type=Path)


def common(coordinator: bool = True) -> Callable[[Command], Command]:
    """Add the flags of every command; the function gets `options`."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def wrapper(**values: Any) -> Any:
            options = Options(
                values.pop("as_json"),
                values.pop("coordinator", None),
                values.pop("config"),
                values.pop("verbose"),
                values.pop("quiet"),
            )
            _hush(options.verbose)
            return function(options=options, **values)

        flags = [
            click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
            click.option("--config", type=_FOLDER, help="Settings file instead of the nearest vox.toml."),
            click.option("-v", "--verbose", is_flag=True, help="Say more; show where mistakes of vox are."),
            click.option("-q", "--quiet", is_flag=True, help="No progress."),
        ]
        if coordinator:
            flags.insert(1, click.option("--coordinator", metavar="URL", help="The coordinator to ask."))
        for flag in reversed(flags):
            wrapper = flag(wrapper)
        return wrapper

    return decorate


def inputs(function: Command) -> Command:
    """Add the flags that say what a program is applied to; the function gets `parameters`, `data`."""

    @functools.wraps(function)
    def wrapper(**values: Any) -> Any:
        parameters = dict(parse_setting(text) for text in values.pop("settings"))
        asked = Asked(values.pop("dialect"), values.pop("cases"), values.pop("layout"))
        return function(parameters=parameters, asked=asked, **values)

    wrapper = click.option(
        "--layout",
        default="brats",
        metavar="NAME",
        help="Layout of cases: brats, bids, nnunet, glob:…",
    )(wrapper)
    wrapper = click.option(
        "--cases", default="", metavar="PATTERN", help="Run once for each case in these folders."
    )(wrapper)
    wrapper = click.option(
        "--dialect",
        type=click.Choice(["auto", "v1", "v2"]),
        default="auto",
        help="The dialect of the program, where its text does not tell.",
    )(wrapper)
    wrapper = click.option(
        "--data", multiple=True, type=_FOLDER, help="Another folder to look for input files in."
    )(wrapper)
    return click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Give a parameter of the program."
    )(wrapper)


def running(function: Command) -> Command:
    """Add the flags of submissions; the function gets `running`."""

    @functools.wraps(function)
    def wrapper(**values: Any) -> Any:
        fresh, blind, mute = (values.pop(key) for key in ("fresh", "no_read_cache", "no_write_cache"))
        cacheless = values.pop("no_cache", False)
        config = DynamicExecutionConfig(
            execution_engine=values.pop("execution_engine", None) or "dynamic",
            keep_going=values.pop("keep_going"),
            reads=not (fresh or blind or cacheless),
            writes=not (mute or cacheless),
            priority=values.pop("priority"),
            timeout_s=_duration(values.pop("timeout")),
        )
        chosen = Running(
            values.pop("parameters"),
            tuple(values.pop("data")),
            values.pop("out"),
            config,
            values.pop("provenance"),
            values.pop("table"),
            values.pop("asked"),
        )
        return function(running=chosen, **values)

    flags = [
        click.option("--out", type=_FOLDER, default=Path(), help="Where saves with a relative name go."),
        click.option(
            "--provenance/--no-provenance",
            default=True,
            help="Whether NAME.vox.json is written beside every save.",
        ),
        click.option(
            "--table",
            type=_FOLDER,
            metavar="FILE",
            help="Write the prints of all cases, a row for each, as .csv or .tsv.",
        ),
        click.option("--fresh", is_flag=True, help="Compute everything again, and keep it."),
        click.option("--no-read-cache", is_flag=True, help="Do not use earlier results."),
        click.option("--no-write-cache", is_flag=True, help="Do not keep results."),
        click.option(
            "--keep-going/--fail-fast", default=True, help="Whether other goals go on after a failure."
        ),
        click.option("--priority", type=int, default=0, help="Higher runs first."),
        click.option("--timeout", metavar="TIME", default="", help="Cancel after this long, such as 2h."),
    ]
    for flag in reversed(flags):
        wrapper = flag(wrapper)
    return inputs(wrapper)


def parse_setting(text: str) -> tuple[str, str]:
    """Read `name=value`; what the text means is the program's business."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set {text!r} is not NAME=VALUE", hint="for example --set threshold=0.95")
    return name.strip(), value


def _hush(verbose: bool) -> None:
    """Keep what parts write to their log off the terminal: people are told what they can mend."""
    import logging

    log = logging.getLogger("vox")
    if verbose:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    elif not log.handlers:
        log.addHandler(logging.NullHandler())
        log.propagate = False


def _duration(text: str) -> float:
    try:
        return parse_duration(text) if text else 0.0
    except ValueError as error:
        raise UsageError(f"--timeout {text!r}: {error}", hint="write for example 90s or 2h") from error
