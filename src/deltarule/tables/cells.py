"""Parsing of single cells: missing tokens, numbers, dates and text.

Every reader (text files, databases, frames) calls these functions, so that a file and the
same data in a frame give the same table.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, InputError
from deltarule.tables.date_text import EPOCH, days_since_1970, parse_date
from deltarule.tables.text_column import TextColumn
from deltarule.tables.unreadable_columns import UnreadableColumn

__all__ = [
    "DEFAULT_NA",
    "EXACT_LIMIT",
    "canonical_label",
    "clean_text",
    "column_from_cells",
    "date_label",
    "is_big_integer",
    "is_rounded",
    "is_truth_value",
    "is_unicode",
    "is_zero_padded",
    "mask_tokens",
    "missing_tokens",
    "number_label",
    "parse_date",
    "parse_number",
    "text_column",
    "time_label",
]

DEFAULT_NA: tuple[str, ...] = ("", "NA", "N/A", "?", "nan", "null")
"""The texts that mean *missing*, compared without case and surrounding blanks."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# A number that is its value's only plain writing but for sign, point and exponent: "007" is none.
_PLAIN_NUMBER = re.compile(
    r"[+-]?(?:(?P<whole>0|[1-9]\d*)(?:\.(?P<fraction>\d*))?|\.\d+)(?P<exponent>[eE][+-]?\d+)?",
    re.ASCII,
)
_PADDED = re.compile(r"[+-]?0\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
# What any date begins with, tried first since nearly all labels are none.
_MAY_BE_DATE = re.compile(r"\d{4}[-/]\d|\d\d?[-/. ] ?[A-Za-z]{3}|[A-Za-z]{3,9}\.? \d\d?,? \d{4}")
EXACT_LIMIT = 2**53
"""Integers beyond, either side of 0, are not all float64 numbers."""
# A float64 that is an integer is a label of digits up to here, as 10**22 is the last power of
# ten that is a float64.
_DIGITS_LIMIT = 10**22


def missing_tokens(na: str | Iterable[str]) -> tuple[str, ...]:
    """Normalise missing tokens: stripped, in lower case, without duplicates.

    Parameters
    ----------
    na : str or iterable of str
        Texts that mean *missing*. The empty text always does.

    Returns
    -------
    tuple of str
        Stripped, in lower case, each once, in the order given, ``""`` first.

    Raises
    ------
    InputError
        If a token is not text.

    Examples
    --------
    >>> missing_tokens(["NA", "-999", "na "])
    ('', 'na', '-999')
    """
    if not isinstance(na, Iterable):
        raise InputError(parameter="na", given=na, expected="texts that mean missing")
    tokens = [""]
    for token in [na] if isinstance(na, str) else na:
        if not isinstance(token, str):
            raise InputError(
                f"missing-value token {token!r} is a {type(token).__name__}; expected text, "
                f"such as {str(token)!r}"
            )
        if (plain := token.strip().lower()) not in tokens:
            tokens.append(plain)
    return tuple(tokens)


def parse_number(text: str) -> float | None:
    """The number a text spells, or None.

    Decimal notation with a point and an optional exponent, as Python's
    ``float`` reads it, but no underscores, no hexadecimal, no ``nan``, and
    nothing infinite (``1e999`` included).

    Examples
    --------
    >>> parse_number("1e3"), parse_number("-.5"), parse_number(" 01 ")
    (1000.0, -0.5, 1.0)
    >>> [parse_number(t) for t in ("1_000", "0x10", "inf", "1,5", "1e999", "")]
    [None, None, None, None, None, None]
    """
    text = text.strip()
    if _NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    return value if abs(value) < float("inf") else None


def number_label(value: float) -> str:
    """A number as a label: ``1.0`` is ``"1"``, as a file would have it.

    Examples
    --------
    >>> number_label(1.0), number_label(-2.5), number_label(1e300)
    ('1', '-2.5', '1e+300')
    """
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) <= _DIGITS_LIMIT else repr(value)


def time_label(text: str) -> str:
    """A time of day without the zeros that end its fraction, whatever unit its column has.

    Examples
    --------
    >>> time_label("13:30:00.000000"), time_label("13:30:00.500"), time_label("13:30:00")
    ('13:30:00', '13:30:00.5', '13:30:00')
    """
    return text.rstrip("0").rstrip(".") if "." in text else text


def date_label(days: float) -> str:
    """Days since 1970-01-01 as a label: a date, or a time in UTC, to the microsecond.

    Examples
    --------
    >>> date_label(1.0), date_label(1.5)
    ('1970-01-02', '1970-01-02T12:00:00')
    """
    try:
        moment = EPOCH + timedelta(microseconds=round(days * 86_400e6))
    except (OverflowError, ValueError):  # before the year 1 or after 9999
        return number_label(days)
    moment = moment.replace(tzinfo=None)
    return moment.date().isoformat() if days == days // 1 else moment.isoformat()


def canonical_label(text: str) -> str:
    """The label of a text as a category or class: equal values have equal labels.

    It depends on the text alone, so that a file and the same values in a typed source have the
    same labels. A number has the label of :func:`number_label` however it is written; one with
    leading zeros is a text. An integer beyond 2⁵³ keeps all its digits. ``True`` and ``TRUE``
    are ``true``. A date or time is as :func:`date_label` writes it.

    Examples
    --------
    >>> [canonical_label(text) for text in ("1", "1.0", "+1", "1e0", "-0", ".50")]
    ['1', '1', '1', '1', '0', '0.5']
    >>> [canonical_label(text) for text in ("007", "9007199254740993", "TRUE", "Ulm")]
    ['007', '9007199254740993', 'true', 'Ulm']
    >>> canonical_label("2014-09-24 00:00")
    '2014-09-24'
    """
    if (match := _PLAIN_NUMBER.fullmatch(text)) is not None:
        value = float(text)
        if abs(value) <= EXACT_LIMIT - 1:
            return number_label(value)
        if match["whole"] and not match["exponent"] and not (match["fraction"] or "").strip("0"):
            digits = match["whole"] if text[0] != "-" else "-" + match["whole"]
            # Python refuses to convert texts of thousands of digits to an integer.
            exact = len(digits) < 400 and abs(value) > _DIGITS_LIMIT and int(digits) == value
            return number_label(value) if exact else digits
        return number_label(value) if abs(value) < float("inf") else text
    if is_truth_value(text):
        return text.lower()
    if _MAY_BE_DATE.match(text) and (days := parse_date(text)) is not None:
        return date_label(days)
    return text


def is_truth_value(text: str) -> bool:
    """Whether a text is *true* or *false*, in letters of any case.

    Examples
    --------
    >>> [is_truth_value(text) for text in ("TRUE", "false", "1", "yes")]
    [True, True, False, False]
    """
    return len(text) <= 5 and text.lower() in ("true", "false")


def is_rounded(low: Any, high: Any) -> bool:
    """Whether integers from ``low`` to ``high`` would lose digits as float64.

    Neither is a number where there is none.

    Examples
    --------
    >>> is_rounded(0, 2**53), is_rounded(-(2**60), 0), is_rounded(None, None)
    (False, True, False)
    """
    known = [int(each) for each in (low, high) if not _is_missing(each)]
    return any(abs(each) > EXACT_LIMIT for each in known)


def is_zero_padded(text: str) -> bool:
    """Whether a text is a number but for leading zeros, as a postal code may be.

    Examples
    --------
    >>> [is_zero_padded(text) for text in ("01234", "007.5", "0", "0.5", "00")]
    [True, True, False, False, True]
    """
    return _PADDED.fullmatch(text) is not None


def is_big_integer(text: str) -> bool:
    """Whether a text is an integer, written in digits, beyond what float64 holds exactly.

    Examples
    --------
    >>> is_big_integer("9007199254740993"), is_big_integer("1e16"), is_big_integer("-5")
    (True, False, False)
    """
    digits = text[1:] if text[:1] in ("+", "-") else text
    return (
        len(digits) >= 16
        and digits.isascii()
        and digits.isdigit()
        and (len(digits) > 16 or int(digits) > EXACT_LIMIT)
    )


def clean_text(
    column: TextColumn,
    tokens: tuple[str, ...],
    name: str = "",
    source: str = "the table",
) -> TextColumn:
    """Strip the cells of a text column, and make those missing that equal a missing token.

    Raises
    ------
    DataError
        If a cell of the column ``name`` is no Unicode text, and could not be written down.

    Examples
    --------
    >>> clean_text(TextColumn.from_cells([" a ", "?", None, "a"]), missing_tokens("?")).tolist()
    ['a', None, None, 'a']
    """

    def clean(cell: str) -> str:
        text = cell.strip()
        if not is_unicode(text):
            row = int(np.argmax(column.codes == column.texts.index(cell))) + 1
            raise DataError(
                f"{source}: column {name!r} holds {cell!r} in row {row}, which is no Unicode text "
                "(half of a surrogate pair, or bytes that are not UTF-8); expected text; correct "
                "the cell where it comes from"
            )
        return text

    cleaned = column.map_texts(clean)
    if "" in cleaned.texts:
        cleaned = cleaned.map_texts(lambda text: text or None)
    return cleaned.without(lambda text: text.lower() in tokens)


def is_unicode(text: str) -> bool:
    r"""Whether a text can be encoded as UTF-8; a lone half of a surrogate pair cannot.

    Examples
    --------
    >>> is_unicode("größe"), is_unicode("\ud800")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def mask_tokens(
    values: NDArray[np.float64],
    tokens: tuple[str, ...],
    parse: Callable[[str], float | None] = parse_number,
) -> NDArray[np.float64]:
    """Replace numbers by NaN where a missing token spells the same number, or the same date.

    Examples
    --------
    >>> mask_tokens(np.array([1.0, -999.0]), missing_tokens(["NA", "-999"]))
    array([ 1., nan])
    """
    numbers = _numbers_of(tokens, parse)
    return np.where(np.isin(values, numbers), np.nan, values) if numbers else values


@functools.lru_cache(maxsize=64)
def _numbers_of(tokens: tuple[str, ...], parse: Callable[[str], float | None]) -> list[float]:
    """The numbers that tokens spell; a table in chunks asks for each column of each."""
    return [number for token in tokens if (number := parse(token)) is not None]


def object_array(values: list[Any]) -> NDArray[np.object_]:
    """A 1-d object array; ``np.array`` would turn equal-length lists into a matrix.

    Examples
    --------
    >>> object_array(["a", None])
    array(['a', None], dtype=object)
    """
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def column_from_cells(
    name: str, cells: list[Any], tokens: tuple[str, ...], source: str
) -> tuple[NDArray[np.float64] | TextColumn, str | None]:
    """Convert Python objects of mixed types to one column.

    Parameters
    ----------
    name : str
        The column's name, for messages.
    cells : list
        None, NaN and NaT are missing. Numbers (int, float, Decimal, NumPy's)
        make a number column, or texts where an int or Decimal is beyond 2⁵³; a bool is
        ``"true"`` or ``"false"``; dates and times are days since 1970. Where texts and others are
        mixed, all are text.
    tokens : tuple of str
        What :func:`missing_tokens` gave.
    source : str
        Where the cells come from, for messages.

    Returns
    -------
    column : ndarray of float64, or TextColumn
        NaN where missing.
    kind : str or None
        ``"date"`` if the numbers are days since 1970.

    Raises
    ------
    UnreadableColumn
        If a cell is a list, a dictionary, bytes or anything else without a text.

    Examples
    --------
    >>> column_from_cells("a", [1, None, 2.5], missing_tokens(()), "here")
    (array([1. , nan, 2.5]), None)
    >>> column_from_cells("a", [True, "x"], missing_tokens(()), "here")[0].tolist()
    ['true', 'x']
    """
    types = set(map(type, cells))
    if types <= {str, type(None)}:
        return clean_text(TextColumn.from_cells(cells), tokens, name, source), None
    cells = [None if _is_missing(cell) else cell for cell in cells]
    known = [cell for cell in cells if cell is not None]
    if known and all(map(_is_number, known)):
        if any(map(_is_exact_beyond, known)):  # a float64 would round it
            return _to_text_column(name, cells, tokens, source), None
        values = np.array([np.nan if c is None else float(c) for c in cells])
        return mask_tokens(values, tokens), None
    if known and all(isinstance(cell, date) for cell in known):
        return np.array([np.nan if c is None else days_since_1970(c) for c in cells]), "date"
    return _to_text_column(name, cells, tokens, source), None


def text_column(name: str, cells: list[Any], source: str) -> TextColumn:
    """Convert Python objects to a column of texts; only None, NaN and the empty text are missing.

    Raises
    ------
    DataError
        If a cell is a list, a dictionary, bytes or anything else without a text.

    Examples
    --------
    >>> text_column("id", ["007", 7, 7.0, 2**60, None, " NA "], "here").tolist()
    ['007', '7', '7', '1152921504606846976', None, 'NA']
    """
    known = [None if _is_missing(cell) else cell for cell in cells]
    return _to_text_column(name, known, ("",), source)


def _to_text_column(
    name: str, cells: list[Any], tokens: tuple[str, ...], source: str
) -> TextColumn:
    texts = TextColumn.from_cells(_cell_texts(name, cells, source))
    return clean_text(texts, tokens, name, source)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float | Decimal | np.number) and not isinstance(cell, bool)


def _is_exact_beyond(cell: Any) -> bool:
    """Whether a cell is of an exact type, and beyond the integers that float64 holds exactly."""
    if isinstance(cell, Decimal) and not cell.is_finite():
        return False
    return isinstance(cell, int | np.integer | Decimal) and abs(int(cell)) > EXACT_LIMIT


def _is_missing(cell: Any) -> bool:
    """None, any NaN, and pandas' NA and NaT, which are known by name without importing pandas."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    # Of any number type, only NaN differs from itself.
    return bool(_is_number(cell) and cell != cell)


def _cell_texts(name: str, cells: list[Any], source: str) -> list[str | None]:
    texts: list[str | None] = []
    for row, cell in enumerate(cells, start=1):
        if cell is None or isinstance(cell, str):
            texts.append(None if cell is None else str(cell))
        elif isinstance(cell, bool | np.bool_):
            texts.append("true" if cell else "false")
        elif isinstance(cell, int | np.integer):
            texts.append(str(cell))
        elif isinstance(cell, Decimal):
            texts.append(format(cell, "f"))
        elif _is_number(cell):
            texts.append(number_label(float(cell)))
        elif isinstance(cell, date):
            texts.append(cell.isoformat())
        elif isinstance(cell, time):
            texts.append(time_label(cell.isoformat()))
        else:
            what = f" holds a {type(cell).__name__} in row {row}"
            raise UnreadableColumn(source, name, what)
    return texts
