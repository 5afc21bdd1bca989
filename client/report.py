"""What a report tells of an execution: gathered here, written as a page by `client.report_page`."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vox.digest import Digest, NodeId
from vox.errors import VoxError
from vox.plan import Apply, Goal, Plan, Source, Type

if TYPE_CHECKING:
    from client.session import Session
    from vox.submitted import Submitted

# A page of a hundred pictures is 20 MB: more is not looked at, and not sent by mail.
PICTURES_MAX = 100


@dataclass(frozen=True)
class Picture:
    """A mosaic as a data URI, under the goal's label; `base` is the input it is drawn on."""

    label: str
    base: str
    uri: str


@dataclass(frozen=True)
class Proof:
    """The provenance of a save, in short."""

    label: str
    digest: str
    complete: bool
    steps: int
    signers: tuple[str, ...]


@dataclass
class Report:
    """Everything on the page."""

    execution: dict[str, Any]
    plan: Plan
    submitted: Submitted | None
    prints: list[tuple[Goal, str]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    operators: Counter[str] = field(default_factory=Counter)
    sources: list[tuple[str, str]] = field(default_factory=list)
    version: str = ""
    plan_digest: str = ""
    program_digest: str = ""

    @property
    def table(self) -> list[list[str]] | None:
        """Prints of several cases (`case/label`) as rows of cases; None when they are not such."""
        named = [(goal.label.partition("/"), text) for goal, text in self.prints]
        cases = dict.fromkeys(case for (case, slash, _), _ in named if slash)
        if len(cases) < 2 or any(not slash for (_, slash, _), _ in named):
            return None
        columns = dict.fromkeys(label for (_, _, label), _ in named)
        cells = {(case, label): text for (case, _, label), text in named}
        return [
            ["case", *columns],
            *([case, *(cells.get((case, label), "") for label in columns)] for case in cases),
        ]


def gather(session: Session, execution: str) -> Report:
    """Ask for everything that a report tells of an execution that has ended."""
    from client.results import result_from_json
    from vox import __version__
    from vox.imgql.show import show_value
    from vox.operators.codec import decode_value
    from vox.provenance import plan_digest

    document = session.engine.show(execution)
    plan = session.engine.plan_of(execution)
    submitted = session.engine.submitted(execution)
    report = Report(document, plan, submitted, version=__version__, plan_digest=str(plan_digest(plan)))
    report.operators = Counter(node.operator for _, node in plan if isinstance(node, Apply))
    names: dict[Digest, str] = {}
    if submitted is not None:
        report.program_digest = str(submitted.digest)
        names = {digest: path for path, digest in submitted.inputs.items()}
    digests = dict.fromkeys(node.digest for _, node in plan if isinstance(node, Source))
    report.sources = [(names.get(digest, ""), str(digest)) for digest in digests]
    result = result_from_json(document)
    for goal, asked in zip(result.goals, plan.goals, strict=False):
        if goal.state != "succeeded" or goal.digest is None:
            continue
        try:
            if goal.kind == "print":
                value: Any = decode_value(session.engine.read(goal.digest))
                report.prints.append((asked, show_value(value)))
            else:
                _save(session, report, execution, goal, asked, names)
        except VoxError as error:
            report.notes.append(f"{goal.label}: {error.message}")
    return report


def _save(
    session: Session, report: Report, execution: str, goal: Any, asked: Goal, names: Mapping[Digest, str]
) -> None:
    from vox.provenance import signers_of

    found = session.engine.provenance(execution, goal)
    signers = tuple(str(peer) for peer in signers_of(found))
    report.proofs.append(
        Proof(goal.label, found["blob"], bool(found["complete"]), len(found["chain"]), signers)
    )
    if goal.type in (Type.MASK, Type.IMAGE) and len(report.pictures) < PICTURES_MAX:
        drawn = _picture(session, report.plan, asked, goal.digest, names)
        if drawn is not None:
            report.pictures.append(drawn)


def _picture(
    session: Session, plan: Plan, asked: Goal, digest: Digest, names: Mapping[Digest, str]
) -> Picture | None:
    """Draw a mask over the first input it comes from, and an image as it is."""
    from client.mosaic import draw_mosaic, png_bytes
    from client.session import as_image
    from vox.operators.codec import decode_value
    from vox.operators.values import Image, Mask

    value = decode_value(session.engine.read(digest))
    if isinstance(value, Image):
        nothing = Image(value.geometry, value.voxels != value.voxels)
        return Picture(asked.label, "", _uri(png_bytes(draw_mosaic(value, nothing))))
    source = _first_source(plan, asked.node)
    base = None if source is None else decode_value(session.engine.read(source))
    if not (isinstance(value, Mask) and isinstance(base, Image)):
        return None
    if source is None or base.geometry.size != value.geometry.size:
        return None
    pixels = draw_mosaic(base, as_image(value))
    return Picture(asked.label, names.get(source, "its input"), _uri(png_bytes(pixels)))


def _first_source(plan: Plan, goal: NodeId) -> Digest | None:
    seen, stack, found = {goal}, [goal], set[NodeId]()
    while stack:
        name = stack.pop()
        if isinstance(plan.nodes[name], Source):
            found.add(name)
        for below in plan.inputs(name):
            if below not in seen:
                seen.add(below)
                stack.append(below)
    for name, node in plan:
        if name in found and isinstance(node, Source):
            return node.digest
    return None


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def methods(report: Report) -> str:
    """Return a paragraph for the methods section of a paper."""
    nodes, sources = report.execution["nodes"], len(report.sources)
    kinds = len({name.partition("@")[0] for name in report.operators})
    signers = sorted({peer for proof in report.proofs for peer in proof.signers})
    applied = sum(report.operators.values())
    parts = [
        f"Images were analysed with vox {report.version}, which evaluates declarative programs of the image"
        f" query language ImgQL. The program{_named(report.program_digest)} was reduced to a plan of"
        f" {len(report.plan)} nodes ({_short(report.plan_digest)}), in which {kinds} operators are applied"
        f" {applied} times to {sources} input image{'s' * (sources != 1)}.",
        f"Of these nodes {nodes['computed']} were computed and {nodes['reused'] + nodes['fetched']} were"
        " known: constants, inputs, and results of the same operators on the same inputs.",
    ]
    if report.submitted is not None and report.submitted.parameters:
        given = ", ".join(f"{name} = {value}" for name, value in sorted(report.submitted.parameters.items()))
        parts.append(f"Parameters were set to {given}.")
    parts.append(
        "Inputs and results are identified by the SHA-256 of their content; the same program on the same"
        " inputs gives the same bits."
    )
    if signers:
        who = "one machine" if len(signers) == 1 else f"{len(signers)} machines"
        parts.append(f"Every computed step is attested by an Ed25519 signature of {who}.")
    return " ".join(parts)


def _named(digest: str) -> str:
    return f" ({_short(digest)})" if digest else ""


def _short(digest: str) -> str:
    return f"SHA-256 {digest.partition(':')[2][:12]}…"


def numbers(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return mean and standard deviation below each column of a table; nothing below what is no number."""
    import statistics

    texts = ["mean ± sd"]
    for column in range(1, len(rows[0])):
        try:
            values = [float(row[column]) for row in rows[1:] if row[column]]
        except ValueError:
            values = []
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        texts.append(f"{statistics.fmean(values):.6g} ± {spread:.3g}" if values else "")
    return texts
