"""How values are printed."""

from __future__ import annotations

import math


def v1_number(value: float) -> str:
    """Return a number as VoxLogicA 1 prints it: ten significant digits, `.0` after a whole one."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    text = f"{value:.10g}"
    return text if text.strip("-0123456789") else f"{text}.0"


def show_value(value: object, *, v2: bool = False) -> str:
    """Return a printed value.

    V1 shows numbers with ten digits and strings in double quotes, as F#'s `%A` does; V2 shows what Python's
    `str` does. Sequences, records and images only V2 prints.
    """
    if v2 or not (value is None or isinstance(value, bool | int | float | str)):
        from vox.operators.sequences import text_of

        return text_of(value)  # type: ignore[arg-type]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    return "null" if value is None else v1_number(float(value))
