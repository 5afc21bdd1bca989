"""`vox verify`, `vox report`: is a file what its provenance says; and an execution as one page."""

from __future__ import annotations

from pathlib import Path

import click

from client.commands_run import emit
from client.options import Options, common
from vox.errors import InputError, UsageError

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: vox verify gtv.nii.gz")
@click.argument("file", type=_PATH)
@click.option("--provenance", "sidecar", type=_PATH, help="The sidecar, if it is not FILE.vox.json.")
@click.option(
    "--signer", "signers", multiple=True, metavar="PEER", help="Who may have signed; others may not."
)
@common(coordinator=False)
def verify(file: Path, sidecar: Path | None, signers: tuple[str, ...], options: Options) -> int:
    """Check FILE against its provenance: bytes, every step from the inputs, every signature. Offline.

    Exit status 0 when all of it holds; 1, with the first thing that does not, when not.
    """
    from vox.digest import PeerId
    from vox.provenance import SUFFIX, check

    try:
        named = {PeerId.parse(text) for text in signers}
    except ValueError as error:
        raise UsageError(f"--signer: {error}", hint="peer:<64 digits>, see `vox peers list`") from error
    beside = sidecar or file.with_name(file.name + SUFFIX)
    found = check(_read(beside), [_read(file)], named)
    if options.json:
        emit(
            {
                "schema": 1,
                "file": str(file),
                "holds": True,
                "node": str(found.node),
                "digest": str(found.digest),
                "steps": found.steps,
                "inputs": [{"name": name, "digest": str(digest)} for name, digest in found.inputs],
                "signers": [str(peer) for peer in found.signers],
            }
        )
        return 0
    click.echo(f"{file}: holds; {found.steps} steps, {len(found.signers)} signers")
    for name, digest in found.inputs:
        click.echo(f"  from {name or 'an input'} {digest}")
    for peer in found.signers:
        click.echo(f"  signed by {peer}")
    return 0


@click.command(epilog="Example: vox report EXECUTION -o report.html")
@click.argument("execution")
@click.option("-o", "--output", type=_PATH, default=Path("report.html"), help="The HTML file to write.")
@common()
def report(execution: str, output: Path, options: Options) -> int:
    """Write EXECUTION as one HTML file: pictures, numbers, program, provenance, a methods paragraph.

    The file needs nothing else: no network, no script. It can be sent by mail.
    """
    from client.engines import open_session
    from client.report import gather
    from client.report_page import page
    from client.saves import write_file

    with open_session(options.settings(), options.coordinator) as session:
        found = gather(session, execution)
    if found.execution["state"] == "running":
        raise UsageError(f"execution {execution} has not ended", hint=f"`vox watch {execution}` follows it")
    write_file(output, [page(found).encode()])
    if options.json:
        emit({"schema": 1, "execution": execution, "path": str(output)})
    elif not options.quiet:
        click.echo(f"saved {output}", err=True)
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", hint="a sidecar is written beside every save"
        ) from error
