"""Rows and fields of text files that are none of the table: repeated headers, empty last fields."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deltarule.errors import DataError
from deltarule.tables.column_values import is_missing
from deltarule.tables.table import Table, join_items
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_header import Header

__all__ = ["without_repeated_header", "without_trailing_field"]


def without_trailing_field(table: Table, header: Header) -> Table:
    """The table without the field behind the delimiter that ends each row, which is empty.

    Raises
    ------
    DataError
        If a row has something there, with its line.
    """
    if not header.trailing:
        return table
    name = header.names[-1]
    known = np.flatnonzero(~is_missing(table.column(name)))
    if len(known):
        row = int(known[0])
        raise DataError(
            f"{table.source}, {table.where(row)}: {len(header.names)} fields, the last "
            f"{table[name][row]!r}; expected {len(header.names) - 1}, as in the header, and "
            f"nothing behind the last {header.delimiter!r}; name one more column, or remove the "
            "field"
        )
    return table.without([name])


def without_repeated_header(table: Table, header: Header, tokens: tuple[str, ...]) -> Table:
    """The table without rows that repeat the names of its columns, as in joined files.

    Examples
    --------
    >>> table = Table(("x", "y"), {"x": np.array(["1", "x"], dtype=object),
    ...                            "y": np.array(["2", "y"], dtype=object)})
    >>> without_repeated_header(table, Header(("x", "y"), ",", 1, 1), ())["x"].tolist()
    ['1']
    """
    if len(table.names) < 2 or header.unnamed or header.trailing:
        return table
    repeats = np.ones(len(table), dtype=bool)
    for name in table.names:
        column = table.column(name)
        if not isinstance(column, TextColumn) or name not in column.texts:
            return table
        repeats &= column.codes == list(column.texts).index(name)
        if not repeats.any():
            return table
    rows = np.flatnonzero(repeats)
    if len(rows) == len(table):
        return table
    lines = join_items((table.where(int(row)) for row in rows), 5)
    kept = table.take(~repeats)
    what = "a row that repeats" if len(rows) == 1 else f"{len(rows)} rows that repeat"
    note = f"{table.source}: {what} the names of the columns left out: {lines}"
    return replace(kept, notes=(*kept.notes, note))
