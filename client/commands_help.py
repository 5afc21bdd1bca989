"""`vox store`, `operators`, `explain`, `mosaic`, `demo`, `doctor`, `completion`."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import click

from client.commands_run import emit
from client.options import Options, common
from vox.errors import StoreError, UsageError, VoxError

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: vox operators percentiles")
@click.argument("name", required=False)
@common(coordinator=False)
def operators(name: str | None, options: Options) -> int:
    """List the operators, or describe the one called NAME."""
    from vox.operators.catalogue import CATALOGUE

    rows = [row for row in CATALOGUE if name is None or row.name == name]
    if not rows:
        from difflib import get_close_matches

        close = get_close_matches(name or "", [row.name for row in CATALOGUE], 1)
        hint = f"did you mean `{close[0]}`?" if close else "`vox operators` lists them"
        raise UsageError(f"no operator is called `{name}`", hint=hint)
    if options.json:
        emit({"schema": 1, "operators": [_operator_json(row) for row in rows]})
        return 0
    width = max(len(_signature(row)) for row in rows)
    for row in rows:
        click.echo(f"{_signature(row):<{width}}  {row.summary}")
    if name is not None:
        row = rows[0]
        click.echo(f"version {row.version}; {row.determinism}; cost {row.cost}")
        _describe(row.name)
    return 0


def _describe(name: str) -> None:
    """Say what an operator does, how it is called, and show it at work."""
    from vox.imgql.manual import MANUAL, spellings

    called = [each for each in spellings(name) if each != name]
    if called:
        click.echo(f"in V1: {' '.join(called)}")
    if name in MANUAL:
        semantics, example = MANUAL[name]
        click.echo(semantics)
        click.echo(f"example: {example}")


@click.command(epilog="Example: vox explain E0201")
@click.argument("code")
@common(coordinator=False)
def explain(code: str, options: Options) -> int:
    """Explain an error code."""
    from client.explanations import explanation

    text = explanation(code.upper())
    if not text:
        raise UsageError(f"no error has the code {code}", hint="codes look like E0201")
    if options.json:
        emit({"schema": 1, "code": code.upper(), "text": text})
    else:
        click.echo(f"{code.upper()}: {text}")
    return 0


@click.command(epilog="Example: vox mosaic flair.nii.gz gtv.nii.gz -o mosaic.png --truth seg.nii.gz")
@click.argument("base", type=_PATH)
@click.argument("mask", type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, help="The PNG file to write.")
@click.option("--truth", type=_PATH, help="A mask whose outline is drawn for comparison.")
@common(coordinator=False)
def mosaic(base: Path, mask: Path, output: Path, truth: Path | None, options: Options) -> int:
    """Draw slices of the image BASE with MASK over them."""
    from client.mosaic import write_mosaic

    write_mosaic(base, mask, output, truth)
    if options.json:
        emit({"schema": 1, "path": str(output)})
    elif not options.quiet:
        click.echo(f"saved {output}", err=True)
    return 0


@click.command(epilog="Example: vox demo there --cases 3 && cd there && vox submit quickstart.imgql")
@click.argument("folder", type=_PATH, default=Path("vox-demo"))
@click.option("--cases", type=click.IntRange(1, 1000), default=1, help="How many synthetic cases.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=2019, help="The same seed, the same cases.")
@common(coordinator=False)
def demo(folder: Path, cases: int, seed: int, options: Options) -> int:
    """Write the MNI brain, synthetic cases with exact truth, and example programs to FOLDER."""
    from client.demo import write_demo

    written = write_demo(folder, cases=cases, seed=seed)
    if options.json:
        emit({"schema": 1, "files": [str(path) for path in written]})
        return 0
    for path in written:
        click.echo(str(path))
    if not options.quiet:
        click.echo(f"now: cd {folder} && vox submit quickstart.imgql", err=True)
    return 0


@click.command(epilog="Example: vox doctor")
@common()
def doctor(options: Options) -> int:
    """Look for what could be wrong with this installation."""
    from vox import __version__

    findings: list[tuple[str, bool, str]] = [
        ("vox", True, f"{__version__}, Python {platform.python_version()}, {platform.system()}"),
        *_packages(),
        _kernels_finding(),
    ]
    try:
        settings = options.settings()
        findings.append(("settings", True, f"{len(settings.origins)} values set"))
        findings += [_store_finding(settings), _coordinator_finding(settings, options.coordinator)]
    except VoxError as error:
        findings.append(("settings", False, f"{error.message} ({error.hint})"))
    if options.json:
        rows = [{"what": what, "ok": ok, "detail": detail} for what, ok, detail in findings]
        emit({"schema": 1, "findings": rows})
    else:
        for what, ok, detail in findings:
            click.echo(f"{'ok  ' if ok else 'BAD '} {what:<12} {detail}")
    return 0 if all(ok for _, ok, _ in findings) else 1


@click.command(epilog='Example: eval "$(vox completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script of SHELL."""
    from click.shell_completion import get_completion_class

    from client.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "vox", "_VOX_COMPLETE").source())
    return 0


def _kernels_finding() -> tuple[str, bool, str]:
    from vox import kernels

    if kernels.ready():
        return "kernels", True, "compiled"
    return "kernels", True, "not compiled yet: the first program takes up to 20 seconds longer, once"


def _packages() -> list[tuple[str, bool, str]]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("numpy", "numba", "SimpleITK", "cryptography", "distributed", "grpcio", "fastapi"):
        try:
            found.append((name, True, version(name)))
        except PackageNotFoundError:
            found.append((name, False, f"is not installed for {sys.executable}"))
    return found


def _store_finding(settings: Any) -> tuple[str, bool, str]:
    from client.engines import open_store

    try:
        shelf = open_store(settings)
        try:
            stats = shelf.stats()
        finally:
            shelf.close()
    except StoreError as error:
        return ("store", False, f"{error.message} ({error.hint})")
    return ("store", True, f"{stats.path}: {stats.blobs} blobs, {stats.disk_bytes / 1e6:.1f} MB")


def _coordinator_finding(settings: Any, url: str | None) -> tuple[str, bool, str]:
    from client.engines import find_address
    from client.remote import RemoteEngine

    address = find_address(settings, url)
    if address is None:
        return ("coordinator", True, "none: programs run in the process that submits them")
    answers = RemoteEngine(address).answers()
    return ("coordinator", answers, f"{address.url} {'answers' if answers else 'does not answer'}")


def _signature(row: Any) -> str:
    return f"{row.name}({', '.join(kind.v1 for kind in row.inputs)}): {row.output.v1}"


def _operator_json(row: Any) -> dict[str, Any]:
    return {
        "name": row.name,
        "version": row.version,
        "inputs": [str(kind) for kind in row.inputs],
        "output": str(row.output),
        "summary": row.summary,
        "commutative": row.commutative,
        "determinism": row.determinism,
    }
