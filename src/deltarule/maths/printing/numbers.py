"""How a number is shown in text and formulas; the page has the same rule in JavaScript."""

from __future__ import annotations

import math

from deltarule.maths.printing.boxes import Shown
from deltarule.maths.printing.markup import box_text

__all__ = ["DIGITS", "as_listed", "as_read", "number_box", "number_text", "plain", "short"]

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


def short(x: float, digits: int = 3) -> str:
    """A number with ``digits`` significant digits and no trailing zeros, for tables and sentences.

    Examples
    --------
    >>> short(0.000012345), short(1234.5), short(0.25), short(float("inf")), short(float("nan"))
    ('1.23 × 10^−5', '1230', '0.25', '∞', '—')
    >>> short(1234.56789, 6), short(-2.0)
    ('1234.57', '−2')
    >>> short(27762.39, 6), short(1200.0, 2)
    ('27762.4', '1200')
    """
    if math.isnan(x):
        return "—"
    if x == 0 or math.isinf(x):
        return number_text(x)
    rounded = float(f"{x:.{digits - 1}e}")
    if not 1e-3 <= abs(x) < 1e6:
        mantissa, _, exponent = f"{rounded:.{digits - 1}e}".partition("e")
        return box_text(Shown(mantissa.removeprefix("-"), str(int(exponent)), x < 0))
    # More decimals than that would print how float64 stores the rounded number.
    decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
    text = f"{rounded:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if decimals else text).replace("-", "−")


def plain(value: float, digits: int = 3, *, zeros: bool = False) -> str:
    """Return a number as text, with thousands separated; ``zeros`` keeps those at the end.

    Examples
    --------
    >>> plain(1234567.0), plain(-0.25), plain(20000.0, 2), plain(1830.32, 6)
    ('1.23 × 10^6', '−0.25', '20,000', '1,830.32')
    """
    if math.isfinite(value) and 1000 <= abs(value) < 1e6:
        rounded = float(f"{value:.{digits - 1}e}")
        decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
        shown = f"{rounded:,.{decimals}f}"
        if decimals and (rounded.is_integer() or not zeros):
            shown = shown.rstrip("0").rstrip(".")
        return shown.replace("-", "−")
    if zeros and not float(value).is_integer() and 1e-3 <= abs(value) < 1000:
        return f"{value:#.{digits}g}".rstrip(".").replace("-", "−")
    return short(value, digits)


def as_read(value: float) -> str:
    """Write a number of a table with all digits that it has there.

    Examples
    --------
    >>> as_read(27762.39), as_read(-2.0), as_read(0.1)
    ('27762.39', '−2', '0.1')
    """
    return repr(float(value)).removesuffix(".0").replace("-", "−")


def as_listed(value: float) -> str:
    """Return a number of the table with the digits that it has there, or four if it has many.

    Examples
    --------
    >>> as_listed(24484.0), as_listed(27762.39), as_listed(-0.5), as_listed(1 / 3)
    ('24,484', '27,762.39', '−0.5', '0.3333')
    """
    has_few = len(as_read(abs(value)).replace(".", "").strip("0")) <= 7
    if has_few and (value == 0 or 1e-4 <= abs(value) < 1e9):
        return f"{value + 0.0:,}".removesuffix(".0").replace("-", "−")
    return plain(value, 4)
