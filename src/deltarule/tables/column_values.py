"""Whole columns as numbers, days or labels, and what could not be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tables.cells import number_label, object_array, parse_date, parse_number
from deltarule.tables.table import Table

__all__ = [
    "NUMERIC_SHARE",
    "as_days",
    "as_labels",
    "as_numbers",
    "describe_cells",
    "looks_decimal_comma",
]

NUMERIC_SHARE = 0.95
"""The share of a column's known cells that must be numbers for it to be a number column."""

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)


def as_numbers(column: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A column as float64, and where a cell is neither a number nor missing.

    Examples
    --------
    >>> as_numbers(np.array(["1", None, "x"], dtype=object))
    (array([ 1., nan, nan]), array([False, False,  True]))
    >>> as_numbers(np.array([1.0, np.inf]))
    (array([ 1., nan]), array([False,  True]))
    """
    if column.dtype != object:
        bad = np.isinf(column)
        return np.where(bad, np.nan, column), bad
    return _parse_texts(column, parse_number)


def as_days(column: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A column of dates as days since 1970-01-01, and where a cell is no date.

    Numbers are days already.

    Examples
    --------
    >>> as_days(np.array(["1970-01-03", "soon"], dtype=object))
    (array([ 2., nan]), array([False,  True]))
    """
    return as_numbers(column) if column.dtype != object else _parse_texts(column, parse_date)


def _parse_texts(
    column: NDArray[Any], parse: Callable[[str], float | None]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each different text is parsed once."""
    cells = column.tolist()
    parsed = {cell: parse(cell) for cell in set(cells) - {None}}
    numbers = {cell: np.nan if value is None else value for cell, value in parsed.items()}
    numbers[None] = np.nan
    values = np.fromiter((numbers[cell] for cell in cells), np.float64, len(cells))
    unread = {cell for cell, value in parsed.items() if value is None}
    bad = np.fromiter((cell in unread for cell in cells), np.bool_, len(cells))
    return values, bad


def as_labels(column: NDArray[Any]) -> NDArray[np.object_]:
    """A column as text, None where missing; numbers as a file would write them.

    Examples
    --------
    >>> as_labels(np.array([1.0, 2.5, np.nan]))
    array(['1', '2.5', None], dtype=object)
    """
    if column.dtype == object:
        return column
    return object_array([None if np.isnan(x) else number_label(x) for x in column.tolist()])


def describe_cells(table: Table, name: str, where: NDArray[np.bool_], limit: int = 3) -> str:
    """The first few cells of a column, each with its line, for messages.

    Examples
    --------
    >>> table = Table(("a",), {"a": np.array(["x", "1", "y"], dtype=object)})
    >>> describe_cells(table, "a", np.array([True, False, True]))
    "row 1 'x', row 3 'y'"
    """
    rows = np.flatnonzero(where)
    cells = as_labels(table[name][rows[:limit]])
    shown = [
        f"{table.where(int(row))} {'(missing)' if cell is None else repr(_shorten(cell))}"
        for row, cell in zip(rows[:limit], cells, strict=True)
    ]
    more = f" and {len(rows) - limit} more" if len(rows) > limit else ""
    return ", ".join(shown) + more


def _shorten(cell: str) -> str:
    return cell if len(cell) <= 40 else cell[:37] + "..."


def looks_decimal_comma(levels: list[str]) -> bool:
    """Whether texts look like numbers written with a decimal comma.

    Examples
    --------
    >>> looks_decimal_comma(["1,5", "-0,25", "3"]), looks_decimal_comma(["a,b", "1"])
    (True, False)
    """
    if not any(_DECIMAL_COMMA.fullmatch(level) for level in levels):
        return False
    read = [
        _DECIMAL_COMMA.fullmatch(level) is not None or parse_number(level) is not None
        for level in levels
    ]
    return sum(read) >= NUMERIC_SHARE * len(read)
