"""How numbers are shown in text, LaTeX and MathML; the page has the same rule in JavaScript.

0 is "0"; a size of at least 1e-4 and below 1e6 is shown with ``digits`` decimals; any other with
``digits`` significant digits and a power of ten. Tables and sentences use :func:`short`.
"""

from __future__ import annotations

import math
from typing import Any

from deltarule.maths.printing.boxes import Box, Fenced, Shown, Terms
from deltarule.maths.printing.markup import box_text

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

DIGITS = 6


def number_box(x: float, digits: int = DIGITS) -> Shown:
    """The box that shows a number.

    Examples
    --------
    >>> number_box(-1.5e-7)
    Shown(mantissa='1.50000', exponent='-7', negative=True)
    """
    x = float(x)
    if math.isnan(x):
        return Shown("not a number")
    negative, size = x < 0, abs(x)
    if math.isinf(size):
        return Shown("∞", "", negative)
    if size == 0:
        return Shown("0")
    if 1e-4 <= size < 1e6:
        return Shown(f"{size:.{digits}f}", "", negative)
    mantissa, _, exponent = f"{size:.{max(digits - 1, 0)}e}".partition("e")
    return Shown(mantissa, str(int(exponent)), negative)


def number_text(x: float, digits: int = DIGITS) -> str:
    """A number as it is shown in text.

    Examples
    --------
    >>> number_text(-0.12672106229613669), number_text(0), number_text(1.5e-7)
    ('−0.126721', '0', '1.50000 × 10^−7')
    """
    return box_text(number_box(x, digits))


def fenced_number(x: float, digits: int = DIGITS) -> Box:
    """A number that may follow an operator: in parentheses if it is negative.

    Examples
    --------
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


def short(x: float, digits: int = 3) -> str:
    """A number with ``digits`` significant digits and no trailing zeros, for tables and sentences.

    Examples
    --------
    >>> short(0.000012345), short(1234.5), short(0.25), short(float("inf")), short(float("nan"))
    ('1.23 × 10^−5', '1230', '0.25', '∞', '—')
    >>> short(1234.56789, 6), short(-2.0)
    ('1234.57', '−2')
    """
    if math.isnan(x):
        return "—"
    if x == 0 or math.isinf(x):
        return number_text(x)
    rounded = float(f"{x:.{digits - 1}e}")
    if not 1e-3 <= abs(x) < 1e6:
        mantissa, _, exponent = f"{rounded:.{digits - 1}e}".partition("e")
        return box_text(Shown(mantissa.removeprefix("-"), str(int(exponent)), x < 0))
    return f"{rounded:.12f}".rstrip("0").rstrip(".").replace("-", "−")
