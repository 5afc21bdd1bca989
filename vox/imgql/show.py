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


def show_value(value: bool | int | float | str | None) -> str:
    """Return a printed value: numbers in V1's style, strings in double quotes, as F#'s `%A` does."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    return "null" if value is None else v1_number(float(value))
