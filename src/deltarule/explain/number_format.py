"""How numbers are shown in text, LaTeX and MathML; the page has the same rule in JavaScript.

0 is "0"; a size of at least 1e-4 and below 1e6 is shown with ``digits`` decimals; any other with
``digits`` significant digits and a power of ten. Tables and sentences use :func:`short`.
"""

from __future__ import annotations

import math
from typing import Any

from deltarule.maths.printing.boxes import Box, Fenced, Shown, Terms
from deltarule.maths.printing.numbers import DIGITS, number_box, number_text, short

__all__ = [
    "DIGITS",
    "fenced_number",
    "json_number",
    "number_box",
    "number_text",
    "product_box",
    "short",
    "sum_box",
]


def fenced_number(x: float, digits: int = DIGITS) -> Box:
    """A number that may follow an operator: in parentheses if it is negative.

    Examples
    --------
    >>> from deltarule.maths.printing.markup import box_text
    >>> box_text(fenced_number(-2.0, 1))
    '(−2.0)'
    """
    box = number_box(x, digits)
    return Fenced((box,)) if box.negative else box


def product_box(values: Any, digits: int = DIGITS) -> Box:
    """The box of a product of numbers."""
    first, *rest = values
    return Terms(
        (("", number_box(first, digits)), *(("·", fenced_number(x, digits)) for x in rest))
    )


def sum_box(values: Any, digits: int = DIGITS) -> Box:
    """The box of a sum of numbers, with a minus before the size of a negative one."""
    parts: list[tuple[str, Box]] = []
    for x in values:
        box = number_box(x, digits)
        if not parts:
            parts.append(("", box))
        elif box.negative:
            parts.append(("-", Shown(box.mantissa, box.exponent)))
        else:
            parts.append(("+", box))
    return Terms(tuple(parts))


def json_number(x: float) -> float | str:
    """A number for JSON; one that is not finite becomes a text.

    JavaScript's ``Number`` and Python's ``float`` read these texts.

    Examples
    --------
    >>> json_number(0.1), json_number(float("-inf")), json_number(float("nan"))
    (0.1, '-Infinity', 'NaN')
    """
    x = float(x)
    if math.isfinite(x):
        return x
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
