"""Conversion of columns to numbers, days or labels, with masks of unreadable cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deltarule.tables.cells import (
    canonical_label,
    date_label,
    is_big_integer,
    is_truth_value,
    is_zero_padded,
    number_label,
    parse_number,
)
from deltarule.tables.date_text import (
    compact_width,
    date_reader,
    date_value,
)
from deltarule.tables.number_text import PLAIN, NumberFormat, is_number_like
from deltarule.tables.table import Cells, Table
from deltarule.tables.text_column import TextColumn

__all__ = [
    "NUMERIC_SHARE",
    "as_days",
    "as_labels",
    "as_numbers",
    "as_texts",
    "describe_cells",
    "has_exact_texts",
    "is_missing",
    "of_another_kind",
    "read_cells",
]

NUMERIC_SHARE = 0.95
"""The share of a column's known cells that must be numbers for it to be a number column."""


def as_numbers(
    column: Cells, number_format: NumberFormat = PLAIN
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Convert a column to float64; also a mask of the cells that are no numbers and not missing.

    Texts are numbers in the format that is given.

    Examples
    --------
    >>> as_numbers(TextColumn.from_cells(["1", None, "x"]))
    (array([ 1., nan, nan]), array([False, False,  True]))
    >>> as_numbers(np.array([1.0, np.inf]))
    (array([ 1., nan]), array([False,  True]))
    """
    if isinstance(column, TextColumn):
        return _parse_texts(column, number_format.parse)
    bad = np.isinf(column)
    return (np.where(bad, np.nan, column) if bad.any() else column), bad


def as_days(
    column: Cells, date_format: str | None = None, *, is_date: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Convert a column of dates to days since 1970-01-01; also a mask of cells that are no dates.

    Texts are dates in the format, or in one that needs none. Numbers are days already if
    ``is_date``, which the source says; else they are dates only by a format of digits alone.

    Examples
    --------
    >>> as_days(TextColumn.from_cells(["1970-01-03", "soon"]))
    (array([ 2., nan]), array([False,  True]))
    >>> as_days(np.array([19700103.0]), "%Y%m%d", is_date=False)
    (array([2.]), array([False]))
    """
    if not isinstance(column, TextColumn):
        if is_date:
            return as_numbers(column)
        width = compact_width(date_format)
        if width is None:
            return np.full(len(column), np.nan), ~np.isnan(column)
        # A number has lost the zeros that its date began with.
        column = as_texts(column).map_texts(lambda text: text.zfill(width))
    return _parse_texts(column, date_reader(date_format))


def read_cells(table: Table, name: str, kind: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A column as numbers or as days, as ``kind`` says; also a mask of cells that are no such.

    A number is no date, and a date no number, whatever they are stored as.

    Examples
    --------
    >>> table = Table(("d",), {"d": np.array([16337.0, np.nan])}, kinds={"d": "date"})
    >>> read_cells(table, "d", "date")
    (array([16337.,    nan]), array([False, False]))
    >>> read_cells(table, "d", "number")
    (array([nan, nan]), array([ True, False]))
    """
    column, is_date = table.column(name), table.kinds.get(name) == "date"
    if kind != "number":
        return as_days(column, table.date_formats.get(name), is_date=is_date)
    if not isinstance(column, TextColumn) and is_date:
        return np.full(len(column), np.nan), ~np.isnan(column)
    written = table.number_formats.get(name, PLAIN)
    values, bad = as_numbers(column, written)
    if not isinstance(column, TextColumn) and name in table.parsed and not written.reads_plain:
        # Read with a decimal point, where the mark is another: only integers are what they seem.
        bad = bad | (~np.isnan(values) & (values != np.round(values)))
        values = np.where(bad, np.nan, values)
    return values, bad


def of_another_kind(table: Table, name: str, kind: str) -> NDArray[np.bool_]:
    """The mask of cells that hold a value, but not one of this kind: a date among numbers.

    Such cells are no accident that leaves a cell unknown, as a word in a number column is.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["2014-09-24", "16337", "true", "1,5", "soon", None])
    >>> table = Table(("a",), {"a": cells})
    >>> of_another_kind(table, "a", "date")
    array([False,  True,  True,  True, False, False])
    >>> of_another_kind(table, "a", "number")
    array([ True, False,  True,  True, False, False])
    """
    column = table.column(name)
    if not isinstance(column, TextColumn):
        bad = read_cells(table, name, kind)[1]
        return bad & ~np.isinf(column)

    read = (
        table.number_formats.get(name, PLAIN).parse
        if kind == "number"
        else date_reader(table.date_formats.get(name))
    )

    def is_other(text: str) -> bool:
        return read(text) is None and (
            date_value(text) is not None
            or parse_number(text) is not None
            or is_truth_value(text)
            or is_number_like(text)
        )

    return column.lookup([is_other(text) for text in column.texts], False).astype(np.bool_)


def _parse_texts(
    column: TextColumn, parse: Callable[[str], float | None]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Parse each distinct text once: the values, and where a text could not be parsed."""
    # float() of None is no number; NumPy reads it as NaN.
    parsed = np.array([parse(text) for text in column.texts], dtype=np.float64)
    return column.lookup(parsed, np.nan), column.lookup(np.isnan(parsed), False)


def as_labels(column: Cells, kind: str | None = None) -> TextColumn:
    """A column as labels, in which equal values are equal, however they were written.

    ``kind`` is what the source says of the column: the numbers of a ``"date"`` are days.
    See :func:`~deltarule.tables.cells.canonical_label`.

    Examples
    --------
    >>> as_labels(np.array([1.0, 2.5, np.nan])).tolist()
    ['1', '2.5', None]
    >>> as_labels(TextColumn.from_cells(["1.0", "+2.50", "007"])).tolist()
    ['1', '2.5', '007']
    >>> as_labels(np.array([1.0]), "date").tolist()
    ['1970-01-02']
    """
    if isinstance(column, TextColumn):
        return column.map_texts(canonical_label)
    return as_texts(column, kind)


def as_texts(column: Cells, kind: str | None = None) -> TextColumn:
    """A column as text: texts as they are written, numbers as a file would write them.

    Examples
    --------
    >>> as_texts(TextColumn.from_cells(["1.0", "True"])).tolist()
    ['1.0', 'True']
    """
    if isinstance(column, TextColumn):
        return column
    known = ~np.isnan(column)
    distinct, codes = np.unique(column[known], return_inverse=True)
    all_codes = np.full(len(column), -1, dtype=np.int32)
    write = date_label if kind == "date" else number_label
    # Two moments within a microsecond have the same text.
    texts = TextColumn.from_cells([write(x) for x in distinct.tolist()])
    all_codes[known] = texts.codes[codes]
    return TextColumn(all_codes, texts.texts)


def has_exact_texts(column: TextColumn) -> bool:
    """Whether some texts would lose digits as numbers: leading zeros, or integers beyond 2⁵³.

    Examples
    --------
    >>> has_exact_texts(TextColumn.from_cells(["1", "02"]))
    True
    """
    return any(is_zero_padded(text) or is_big_integer(text) for text in column.texts)


def is_missing(column: Cells) -> NDArray[np.bool_]:
    """The mask of missing cells.

    Examples
    --------
    >>> is_missing(np.array([1.0, np.nan]))
    array([False,  True])
    """
    return column.is_missing() if isinstance(column, TextColumn) else np.isnan(column)


def describe_cells(table: Table, name: str, where: NDArray[np.bool_], limit: int = 3) -> str:
    """The first few cells of a column, each with its line, for messages.

    Examples
    --------
    >>> table = Table(("a",), {"a": TextColumn.from_cells(["x", "1", "y"])})
    >>> describe_cells(table, "a", np.array([True, False, True]))
    "row 1 'x', row 3 'y'"
    """
    rows = np.flatnonzero(where)
    cells = as_texts(table.column(name)[rows[:limit]], table.kinds.get(name))
    shown = [
        f"{table.where(int(row))} {'(missing)' if cell is None else repr(_shorten(cell))}"
        for row, cell in zip(rows[:limit], cells, strict=True)
    ]
    more = f" and {len(rows) - limit} more" if len(rows) > limit else ""
    return ", ".join(shown) + more


def _shorten(cell: str) -> str:
    return cell if len(cell) <= 40 else cell[:37] + "..."
