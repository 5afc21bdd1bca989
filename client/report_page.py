"""A report as one HTML page: no script, nothing from elsewhere, readable in print and in the dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from client.report import Report, methods, numbers

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --mark: #b35c00; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
code, pre, .id { font-family: ui-monospace, monospace; font-size: .85rem; }
.id { overflow-wrap: anywhere; }
table { border-collapse: collapse; } .wide { overflow-x: auto; }
td, th { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
tfoot td { font-weight: 600; }
figure { margin: 1rem 0; } img { max-width: 100%; border-radius: 4px; }
figcaption { font-size: .9rem; }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; border-radius: 4px; line-height: 1.35; }
pre span.l { display: block; } pre span.l:target { outline: 2px solid var(--mark); }
pre span.g { border-left: 3px solid var(--mark); margin-left: -.8rem; padding-left: calc(.8rem - 3px); }
pre i { font-style: normal; opacity: .5; user-select: none; }
.bad { border-left: 4px solid #c00; padding: .2rem .8rem; margin: .6rem 0; background: #c001; }
@media print { body { margin: 0; max-width: none; } figure { break-inside: avoid; } }
""".strip()


def page(report: Report) -> str:
    """Return the page."""
    document = report.execution
    name = report.submitted.filename.rpartition("/")[2] if report.submitted is not None else "a program"
    nodes = document["nodes"]
    counts = ", ".join(f"{nodes[key]} {key}" for key in nodes if nodes[key] and key != "total")
    parts = [
        f"<h1>{escape(name)}</h1>",
        f"<p>{escape(document['state'])} in {document['seconds']:.2f} s: {nodes['total']} nodes ({counts});"
        f' execution <span class="id">{escape(document["execution"])}</span></p>',
        *_problems(report),
        *_section("Results", _prints(report)),
        *_section("Images", _pictures(report)),
        *_section("Methods", [f"<p>{escape(methods(report))}</p>"]),
        *_section("Program", _program(report)),
        *_section("Inputs", _inputs(report)),
        *_section("Provenance", _proofs(report)),
        *_section("Operators", _operators(report)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:;'
        " style-src 'unsafe-inline'\">\n"
        f"<title>{escape(name)}</title>\n<style>\n{_STYLE}\n</style>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _section(title: str, parts: Sequence[str]) -> list[str]:
    return [f"<h2>{title}</h2>", *parts] if parts else []


def _problems(report: Report) -> list[str]:
    errors = [
        f"{error.get('code', '')} {error.get('message', '')} {error.get('hint', '')}"
        for error in report.execution["errors"]
    ]
    lost = [
        f"{goal['kind']} {goal['label']}: {goal['state']}"
        for goal in report.execution["goals"]
        if goal["state"] != "succeeded"
    ]
    gaps = [f"{proof.label}: not every step is attested" for proof in report.proofs if not proof.complete]
    return [f'<p class="bad">{escape(text.strip())}</p>' for text in (*errors, *lost, *gaps, *report.notes)]


def _prints(report: Report) -> list[str]:
    cases = report.table
    if cases is not None:
        return _table(cases[0], cases[1:], numbers(cases))
    rows = []
    for goal, text in report.prints:
        place = f'<a href="#L{goal.span.line}">line {goal.span.line}</a>'
        rows.append(f'<tr><td>{escape(goal.label)}<td class="n">{escape(text)}<td>{place}')
    return ["<table>", *rows, "</table>"] if rows else []


def _pictures(report: Report) -> list[str]:
    found = []
    for picture in report.pictures:
        on = f" on {escape(picture.base)}" if picture.base else ""
        text = f"{escape(picture.label)}{on}"
        found.append(
            f'<figure><img src="{picture.uri}" alt="{text}"><figcaption>{text}</figcaption></figure>'
        )
    return found


def _program(report: Report) -> list[str]:
    if report.submitted is None:
        return ["<p>The text was not kept.</p>"]
    goals = {(goal.span.file, goal.span.line) for goal in report.plan.goals}
    main, parts = report.submitted.filename, []
    for name, text in sorted(report.submitted.texts.items(), key=lambda item: item[0] != main):
        lines = []
        for number, line in enumerate(text.splitlines(), 1):
            at = f' id="L{number}"' if name == main else ""
            mark = " g" if (name, number) in goals else ""
            lines.append(f'<span class="l{mark}"{at}><i>{number:>4}</i>  {escape(line)}</span>')
        title = "" if name == main else f"<h3><code>{escape(name)}</code></h3>"
        parts.append(f"{title}<pre>{''.join(lines)}</pre>")
    given = report.submitted.parameters
    if given:
        parts += _table(["parameter", "value"], [[name, str(given[name])] for name in sorted(given)])
    return parts


def _inputs(report: Report) -> list[str]:
    return _table(["file", "content"], report.sources) if report.sources else []


def _proofs(report: Report) -> list[str]:
    names = [["plan", report.plan_digest], ["program", report.program_digest or "not kept"]]
    rows = [
        [
            proof.label,
            proof.digest,
            f"{proof.steps} steps, {'all attested' if proof.complete else 'not all attested'}",
            ", ".join(proof.signers) or "nobody",
        ]
        for proof in report.proofs
    ]
    parts = _table(["", "SHA-256"], names)
    if rows:
        parts += _table(["file", "content", "chain", "signed by"], rows)
        parts.append("<p>Check a file beside its sidecar with <code>vox verify FILE</code>.</p>")
    return parts


def _operators(report: Report) -> list[str]:
    rows = [[name, str(count)] for name, count in sorted(report.operators.items())]
    return _table(["operator", "applied"], rows) if rows else []


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], foot: Sequence[str] | None = None
) -> list[str]:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}{_kind(cell)}>{escape(cell)}" for cell in cells)

    parts = ['<div class="wide"><table>', "<thead>" + row(head, "th"), "<tbody>"]
    parts += [row(cells, "td") for cells in rows]
    if foot is not None:
        parts.append("<tfoot>" + row(foot, "td"))
    return [*parts, "</table></div>"]


def _kind(cell: str) -> str:
    """Return the class of a cell: names of content are long, numbers stand to the right."""
    if cell.startswith(("blob:", "peer:", "node:")):
        return ' class="id"'
    return ' class="n"' if cell.replace(".", "", 1).replace("-", "", 1).isdigit() else ""
