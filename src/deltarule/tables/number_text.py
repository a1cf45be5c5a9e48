"""Numbers as texts of a stated notation: decimal mark, grouping of thousands, unit."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from deltarule.errors import InputError, Message, Parameter
from deltarule.tables.cells import parse_number

__all__ = [
    "PLAIN",
    "NumberFormat",
    "is_money",
    "is_number_like",
    "plain_characters",
    "split_unit",
]

# Characters of numbers in other scripts and fonts, and the ASCII characters that they stand for:
# minus signs, no-break and thin spaces, apostrophes, full-width and Arabic marks.
_SAME = str.maketrans(
    {
        "\u2212": "-",
        "\ufe63": "-",
        "\uff0d": "-",
        "\uff0b": "+",
        "\uff0e": ".",
        "\uff0c": ",",
        "\u066b": ".",
        "\u066c": ",",
        "\u00a0": " ",
        "\u2007": " ",
        "\u2009": " ",
        "\u202f": " ",
        "\u3000": " ",
        "\u2019": "'",
        "\uff05": "%",
        "\uff04": "$",
    }
)
_GROUPING = "'_ "
# A unit neither begins with what a number may go on with, nor holds a digit before its end: "m2".
_UNIT = r"[^\d\s.,'_+\-*/:;()<>=~^#&\\|\"!?\[\]{}]"
_AFFIXED = re.compile(
    rf"(?P<open>\(\s?)?(?P<sign>[+-]?)\s?(?P<prefix>(?:{_UNIT}){{1,4}}\.?)?\s?(?P<inner>[+-]?)"
    r"(?P<body>(?:\d[\d.,'_ ]*[\d.]|\d|[.,]\d+)(?:[eE][+-]?\d+)?)"
    rf"\s?(?P<suffix>{_UNIT}(?:[^\s\d()]{{0,11}}[²³23]?|[^\s\d()]{{0,5}} [^\s\d()]{{1,6}}))?"
    r"(?P<close>\s?\))?"
)

# Before a number, letters are usually a name ("ID 12"), unless they are those of money.
_CURRENCIES = re.compile(
    r"(?i:AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|Fr\.?|GBP|HKD|HUF|INR|JPY|kr\.?|KRW|MXN|NOK|NZD|PLN|RMB|Rp|"
    r"RON|Rs\.?|RUB|SEK|SGD|THB|TRY|USD|ZAR)|[A-Z]{1,2}\$"
)


def plain_characters(text: str) -> str:
    r"""The text with the minus sign U+2212, digits of other scripts and such in ASCII.

    Examples
    --------
    >>> plain_characters("\u22121\u202f255"), plain_characters("\uff11\uff12")
    ('-1 255', '12')
    """
    if text.isascii():
        return text
    text = text.translate(_SAME)
    if text.isascii():
        return text
    return "".join(
        each if each.isascii() else str(unicodedata.decimal(each, each)) for each in text
    )


def split_unit(text: str) -> re.Match[str] | None:
    """A text of plain characters as sign, unit and digits; None if it is no number with a unit.

    Examples
    --------
    >>> split_unit("-$5.20").group("sign", "prefix", "body", "suffix")
    ('-', '$', '5.20', None)
    >>> split_unit("12 kg").group("body", "suffix"), split_unit("12 Main Street 5")
    (('12', 'kg'), None)
    """
    return _AFFIXED.fullmatch(text)


def is_number_like(text: str) -> bool:
    """Whether a text is a number in some notation, perhaps with a unit after it, or one of money.

    Examples
    --------
    >>> [is_number_like(text) for text in ("1,5", "1'255", "$3", "3 kg", "(1.2)", "A3", "3-4")]
    [True, True, True, True, True, False, False]
    """
    match = split_unit(plain_characters(text))
    return match is not None and (not match["prefix"] or is_money(match["prefix"]))


def is_money(prefix: str) -> bool:
    """Whether a text is the symbol or the code of a currency.

    Examples
    --------
    >>> [is_money(prefix) for prefix in ("$", "€", "CHF", "US$", "ID")]
    [True, True, True, True, False]
    """
    symbols = all(unicodedata.category(each) == "Sc" for each in prefix)
    return symbols or _CURRENCIES.fullmatch(prefix) is not None


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column of text are written.

    Parameters
    ----------
    decimal : str or None
        The decimal mark. None where it is not stated, and is inferred or a point.
    thousands : str or None
        What separates groups of digits, ``""`` for nothing; a blank stands for no-break and thin
        spaces too. None where it is not stated.
    prefix, suffix : str
        A unit that every number has, such as ``"$"`` or ``"kg"``; blanks may stand beside it.
    parentheses : bool
        Whether ``(1.20)`` is -1.20.

    Raises
    ------
    InputError
        If a mark is none, or both are the same.

    Examples
    --------
    >>> NumberFormat(decimal=",", thousands=".").parse("1.234,5")
    1234.5
    >>> NumberFormat(suffix="kg").parse("-3 kg"), NumberFormat(suffix="kg").parse("3 lb")
    (-3.0, None)
    >>> NumberFormat(thousands=",").parse("1,255"), NumberFormat(thousands=",").parse("12,55")
    (1255.0, None)
    """

    decimal: str | None = "."
    thousands: str | None = ""
    prefix: str = ""
    suffix: str = ""
    parentheses: bool = False

    def __post_init__(self) -> None:
        for name in ("decimal", "thousands"):
            mark = getattr(self, name)
            if mark is None or (name == "thousands" and mark == ""):
                continue
            plain = plain_characters(mark) if isinstance(mark, str) else ""
            allowed = plain in (".", ",") or (name == "thousands" and plain in tuple(_GROUPING))
            if not allowed:
                expected = "'.' or ','" if name == "decimal" else "one of . , ' _ and a blank"
                raise InputError(parameter=name, given=mark, expected=expected)
            object.__setattr__(self, name, plain)
        if self.decimal is not None and self.decimal == self.thousands:
            raise InputError(
                Message(
                    Parameter("decimal"),
                    " and ",
                    Parameter("thousands"),
                    f" are both {self.decimal!r}",
                ),
                parameter="thousands",
                given=self.thousands,
                expected="two different marks",
            )

    @property
    def reads_plain(self) -> bool:
        """Whether every number written with a decimal point alone has its usual value."""
        return self.decimal in (".", None) and self.thousands != "."

    def describe(self) -> str:
        """What its numbers are written with, for messages; empty for the plain format.

        Examples
        --------
        >>> NumberFormat(",", ".", suffix="kg").describe()
        "with ',' as the decimal mark, '.' between thousands and 'kg'"
        """
        marks = []
        if self.decimal == ",":
            marks.append("',' as the decimal mark")
        if self.thousands:
            marks.append(f"{self.thousands!r} between thousands")
        marks += [repr(unit) for unit in (self.prefix, self.suffix) if unit]
        if not marks:
            return ""
        return f"with {' and '.join(filter(None, [', '.join(marks[:-1]), marks[-1]]))}"

    def parse(self, text: str) -> float | None:
        """The number a text spells in this format, or None.

        A number whose whole part is longer than one digit begins with no 0, except where the
        format is the plain one.
        """
        text = plain_characters(text).strip()
        unit_free = not (self.prefix or self.suffix or self.parentheses)
        decimal, thousands = self.decimal or ".", self.thousands or ""
        if unit_free and decimal == "." and not thousands:
            return parse_number(text)
        sign, body = "", text
        if not unit_free or not text[-1:].isdigit():
            match = split_unit(text)
            if match is None:
                return None
            if (match["prefix"] or "", match["suffix"] or "") != (self.prefix, self.suffix):
                return None
            negative = match["open"] is not None
            signs = match["sign"] + match["inner"]
            if negative != (match["close"] is not None) or len(signs) + negative > 1:
                return None
            if negative and not self.parentheses:
                return None
            sign, body = "-" if negative else signs, match["body"]
        elif text[:1] in "+-":
            sign, body = text[:1], text[1:]
        if _body_pattern(decimal, thousands).fullmatch(body) is None:
            return None
        if thousands:
            body = body.replace(thousands, "")
        return parse_number(sign + body.replace(decimal, "."))


PLAIN = NumberFormat()
"""A decimal point, and nothing else."""


@functools.lru_cache(maxsize=64)
def _body_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    point, mark = re.escape(decimal), re.escape(thousands)
    plain, grouped = r"(?:0|[1-9]\d*)", "(?!)"
    if thousands:
        # In groups of three, or as in India with groups of two before the last.
        grouped = rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|[1-9]\d?(?:{mark}\d\d)+{mark}\d{{3}})"
    # Nobody groups the digits of a number with an exponent: 9,471e+01 has a decimal comma.
    return re.compile(
        rf"(?:{plain}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?|{grouped}(?:{point}\d*)?",
        re.ASCII,
    )
