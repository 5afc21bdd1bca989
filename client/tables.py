"""Values as texts and tables: what is saved that is no image, and what all cases came to."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from client.session import Session


def plain_value(value: Any) -> Any:
    """Return a value as JSON knows it: infinities and NaN as text, an image as a sentence."""
    from vox.operators.sequences import text_of
    from vox.operators.values import Record
    from vox.operators.values import Sequence as Row

    if isinstance(value, Row):
        return [plain_value(each) for each in value.elements]
    if isinstance(value, Record):
        return {name: plain_value(each) for name, each in value.fields}
    if isinstance(value, float) and value - value != 0.0:
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else text_of(value)


def write_text(session: Session, goal: Any, out: Path) -> Path:
    """Write a value that is no image: as JSON if its name ends so, else as it is printed."""
    from client.saves import destination, write_file
    from vox.operators.codec import decode_value
    from vox.operators.sequences import text_of

    value = decode_value(session.engine.read(goal.digest))
    text = json.dumps(plain_value(value), indent=1) if goal.label.endswith(".json") else text_of(value)
    path = destination(goal.label, out)
    write_file(path, [f"{text}\n".encode()])
    return path


def case_rows(
    cases: Mapping[str, object], goals: Sequence[Any], extras: Mapping[int, Mapping[str, Any]]
) -> list[list[str]]:
    """Return a table with a row for each case and a column for each print."""
    columns: dict[str, None] = {}
    cells: dict[str, dict[str, str]] = {name: {} for name in cases}
    for at, goal in enumerate(goals):
        # A case may have slashes in its name, as a label may.
        case = next((name for name in cases if goal.label.startswith(f"{name}/")), None)
        if case is None or goal.kind != "print":
            continue
        label = goal.label[len(case) + 1 :]
        columns[label] = None
        value = extras.get(at, {}).get("value")
        cells[case][label] = "" if value is None else str(value)
    head = ["case", *columns]
    return [head, *([case, *(row.get(label, "") for label in columns)] for case, row in cells.items())]


def write_table(rows: list[list[str]], path: Path) -> None:
    """Write the table of cases: tabs between the columns of a `.tsv`, commas between those of any other."""
    from client.saves import write_file

    text = io.StringIO()
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    write_file(path, [text.getvalue().encode()])


def show_table(rows: list[list[str]]) -> None:
    """Show the table of cases on the standard output: with lines on a terminal, aligned text elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table()
        for at, title in enumerate(rows[0]):
            table.add_column(Text(title), justify="left" if at == 0 else "right")
        for row in rows[1:]:
            table.add_row(*map(Text, row))
        Console().print(table)
        return
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
