"""Values in a row, choices among them, statistics of numbers, and text.

The elements of a row are inputs of their own. Where only some of them belong to the row (`filter` by
something computed), the first half of the inputs are booleans that say which, and `guarded` is true.
Importing this module does not import numpy.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence as Row

from vox.errors import OperatorError
from vox.operators.codec import digest_of, encode_value
from vox.operators.values import FileBytes, Geometry, Image, Item, Mask, Record, Sequence, Value

_TEXT_MAX = 1 << 20


def item_of(value: Value) -> Item:
    """Return what stands for a value in a sequence: itself if it is small, else its blob's name."""
    if isinstance(value, Image | Mask | Geometry | FileBytes):
        return digest_of(encode_value(value))
    return value


def _chosen(inputs: Row[Value], guarded: bool) -> list[Value]:
    if not guarded:
        return list(inputs)
    half = len(inputs) // 2
    return [value for flag, value in zip(inputs[:half], inputs[half:], strict=True) if flag]


def _numbers(operator: str, inputs: Row[Value], guarded: bool) -> list[float]:
    values = _chosen(inputs, guarded)
    for value in values:
        if not isinstance(value, bool | int | float):
            raise OperatorError(
                f"`{operator}` needs numbers, not {type(value).__name__.lower()}s",
                operator=operator,
                code="E0420",
            )
    return [float(value) for value in values]  # type: ignore[arg-type]


def _not_empty(operator: str, values: Row[object]) -> None:
    if not values:
        raise OperatorError(
            f"`{operator}` of an empty sequence",
            operator=operator,
            code="E0421",
            hint="look at the length first, or filter less",
        )


def sequence(*inputs: Value, guarded: bool = False) -> Sequence:
    """Return the inputs in a row."""
    return Sequence(tuple(item_of(value) for value in _chosen(inputs, guarded)))


def whole_index(operator: str, number: Value) -> int:
    """Return an index as an integer (E0422: it is none)."""
    if isinstance(number, bool) or not isinstance(number, int | float | str):
        raise OperatorError(f"`{operator}` needs a number as index", operator=operator, code="E0422")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value != math.floor(value) or value < 0:
        raise OperatorError(
            f"`{operator}` needs a whole number from 0, not {number!r}",
            operator=operator,
            code="E0422",
            hint="`floor(…)` makes a number whole",
        )
    return int(value)


def pick(number: Value, *inputs: Value, guarded: bool = False) -> Value:
    """Return the input with this number, from 0."""
    at, values = whole_index("index", number), _chosen(inputs, guarded)
    if at >= len(values):
        raise OperatorError(
            f"index {at} of a sequence of {len(values)}", operator="index", code="E0423", hint="count from 0"
        )
    return values[at]


def item(held: Value, key: Value) -> Value:
    """Return an element of a sequence by its number, of a record by its name, a character of a text."""
    if isinstance(held, Record):
        for name, value in held.fields:
            if name == key:
                return _plain(value)
        known = ", ".join(name for name, _ in held.fields)
        raise OperatorError(f"no field {key!r}: there are {known}", operator="index", code="E0424")
    if isinstance(held, Sequence):
        return pick(key, *(_plain(each) for each in held.elements))
    if isinstance(held, str):
        return pick(key, *held)
    raise OperatorError("only a sequence, a record or a text has an index", operator="index", code="E0424")


def _plain(element: Item) -> Value:
    if element is None or isinstance(element, bool | int | float | str | Sequence | Record):
        return element
    raise OperatorError("this element is an image", operator="index", code="E0424")


def choose(condition: Value, first: Value, second: Value) -> Value:
    """Return the first value if the condition holds, else the second."""
    if not isinstance(condition, bool | int | float):
        raise OperatorError("`if` needs a boolean or a number", operator="if", code="E0420")
    return first if condition else second


def length(*inputs: Value, guarded: bool = False) -> int:
    """Return how many."""
    return len(_chosen(inputs, guarded))


def held_length(held: Value) -> int:
    """Return how many elements a computed sequence, record or text has."""
    if isinstance(held, Sequence):
        return len(held.elements)
    if isinstance(held, Record):
        return len(held.fields)
    if isinstance(held, str):
        return len(held)
    raise OperatorError("only a sequence, a record or a text has a length", operator="length", code="E0424")


def argmax(*inputs: Value, guarded: bool = False) -> int:
    """Return the number of the first largest."""
    values = _numbers("argmax", inputs, guarded)
    _not_empty("argmax", values)
    return max(range(len(values)), key=values.__getitem__)


def argsort(*inputs: Value, guarded: bool = False) -> Sequence:
    """Return the numbers of the elements in ascending order; equal ones keep theirs."""
    values = _numbers("argsort", inputs, guarded)
    order: list[int] = sorted(range(len(values)), key=values.__getitem__)
    return Sequence(tuple(order))


def mean(*inputs: Value, guarded: bool = False) -> float:
    """Return the arithmetic mean, correctly rounded sum."""
    values = _numbers("mean", inputs, guarded)
    _not_empty("mean", values)
    return math.fsum(values) / len(values)


def median(*inputs: Value, guarded: bool = False) -> float:
    """Return the middle value, or the mean of the two."""
    values = _numbers("median", inputs, guarded)
    _not_empty("median", values)
    return float(statistics.median(values))


def stdev(*inputs: Value, guarded: bool = False) -> float:
    """Return the sample standard deviation; 0 for fewer than two."""
    values = _numbers("stdev", inputs, guarded)
    return float(statistics.stdev(values)) if len(values) > 1 else 0.0


def tally(*inputs: Value, guarded: bool = False) -> Sequence:
    """Return each value with its count, by value."""
    counts = Counter(_numbers("tally", inputs, guarded))
    return Sequence(tuple(Sequence((value, counts[value])) for value in sorted(counts)))


def floor(number: float) -> int:
    """Return the largest integer that is not greater (E0422: there is none)."""
    if not math.isfinite(number):
        raise OperatorError(f"`floor` of {number:g}", operator="floor", code="E0422")
    return math.floor(number)


def division(a: float, b: float) -> float:
    """Return a / b (E0425 if b is 0)."""
    if b == 0:
        raise OperatorError(
            "division by zero",
            operator="/",
            code="E0425",
            hint="divide by what is never 0, such as `num_max(b, 1)` for a count; both branches of a computed"
            " `if` are computed",
        )
    return float(a) / float(b)


def num_max(a: float, b: float) -> float:
    """Return the larger of two numbers."""
    return float(b) if b > a else float(a)


def num_min(a: float, b: float) -> float:
    """Return the smaller of two numbers."""
    return float(b) if b < a else float(a)


def equals(a: Value, b: Value) -> bool:
    """Return whether two small values are the same; 3 and 3.0 are."""
    return a == b


def concat(*inputs: Value) -> str:
    """Return the texts of the inputs in a row."""
    return _bounded("concat", "".join(text_of(value) for value in inputs))


def format_string(template: str, *inputs: Value) -> str:
    """Fill the `{}` of a template, as Python's `str.format` does (E0426 if it cannot)."""
    # Attributes and indices in a template would reach into the machinery behind the values.
    if any("." in field.split(":")[0] or "[" in field.split(":")[0] for field in template.split("{")[1:]):
        raise OperatorError("a template holds plain fields only", operator="format_string", code="E0426")
    shown = [value if isinstance(value, bool | int | float | str) else text_of(value) for value in inputs]
    try:
        return _bounded("format_string", template.format(*shown))
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise OperatorError(
            f"the template {template!r} does not fit its values: {error}",
            operator="format_string",
            code="E0426",
            hint="numbers are floats: write {:.0f} for a whole one, {:.2%} for percents",
        ) from None


def split(text: str, separator: str = ",") -> Sequence:
    """Return the parts of a text."""
    if not separator:
        raise OperatorError("an empty separator", operator="strings.split", code="E0426")
    return Sequence(tuple(text.split(separator)))


def text_of(value: Value | Item) -> str:
    """Return a value as V2 shows it: Python's words."""
    if isinstance(value, Sequence):
        return f"[{', '.join(_inside(each) for each in value.elements)}]"
    if isinstance(value, Record):
        return "{" + ", ".join(f"{name!r}: {_inside(each)}" for name, each in value.fields) + "}"
    if value is None or isinstance(value, bool | int | float | str):
        return str(value)
    if isinstance(value, Image | Mask):
        size = "x".join(map(str, value.geometry.size))
        return f"<{type(value).__name__.lower()} {size}>"
    return f"<{value}>"


def _inside(value: Item) -> str:
    return repr(value) if isinstance(value, str) else text_of(value)


def _bounded(operator: str, text: str) -> str:
    if len(text) > _TEXT_MAX:
        raise OperatorError(f"`{operator}` makes a text of more than a million characters", code="E0426")
    return text
