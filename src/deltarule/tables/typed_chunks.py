"""A schema applied to chunks of a table; rows that do not fit it are rejected, one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError
from deltarule.tables.column_values import is_missing
from deltarule.tables.missing_cells import apply_missing_tokens
from deltarule.tables.rejects import MOST_REJECTED, Rejects
from deltarule.tables.schema import Schema
from deltarule.tables.table import Table
from deltarule.tables.typed_columns import TypedColumns, apply_schema, numeric_columns

__all__ = ["typed_chunk"]

# So many rows of a chunk may be rejected, however small it is.
_ALWAYS = 10


def typed_chunk(
    schema: Schema, table: Table, rejects: Rejects, *, need_target: bool = True
) -> TypedColumns | None:
    """Convert a chunk's columns to the kinds of a schema; None if no row is left.

    Rows without a target are left out. A row that has a cell of another kind than its column, an
    unknown class, or a weight that cannot be used is rejected.

    Raises
    ------
    DataError
        If more than a hundredth of the chunk's rows do not fit the schema.

    Examples
    --------
    >>> from deltarule.tables.schema import Column
    >>> schema = Schema((Column("x", "number"),))
    >>> cells = {"x": np.array(["1", "2,5", "3"], dtype=object)}
    >>> with Rejects() as rejects:
    ...     typed = typed_chunk(schema, Table(("x",), cells), rejects, need_target=False)
    ...     typed.columns["x"], typed.rows, rejects.count
    (array([1., 3.]), array([0, 2]), 1)
    """
    kept = np.arange(len(table))
    if need_target and schema.target is not None and schema.target.name in table:
        kept = _rows_with_target(schema, table)
        if not len(kept):
            return None
    rows = table if len(kept) == len(table) else table.take(kept)
    try:
        typed = apply_schema(schema, rows, need_target=need_target)
    except DataError as error:
        good = _fitting_rows(schema, rows, rejects, error, need_target)
        if not len(good):
            return None
        kept = kept[good]
        typed = apply_schema(schema, rows.take(good), need_target=need_target)
    return TypedColumns(typed.columns, kept[typed.rows], typed.target, typed.weights, typed.notes)


def _rows_with_target(schema: Schema, table: Table) -> NDArray[np.int64]:
    assert schema.target is not None
    target = schema.target
    tokens = {target.name: target.na} if target.na else {}
    kept = [target.name] if target.keep_na else []
    clean = apply_missing_tokens(
        table, [target.name], schema.na, tokens, numeric_columns(schema), kept
    )
    return np.flatnonzero(~is_missing(clean.column(target.name)))


def _fitting_rows(
    schema: Schema, table: Table, rejects: Rejects, error: DataError, need_target: bool
) -> NDArray[np.int64]:
    """The rows that the schema can be applied to; the others are rejected, or are too many."""
    most = max(_ALWAYS, int(MOST_REJECTED * len(table)))
    bad: list[tuple[int, DataError]] = []
    pending = [np.arange(len(table))]
    while pending:
        rows = pending.pop()
        try:
            apply_schema(schema, table.take(rows), need_target=need_target)
        except DataError as found:
            if len(rows) == 1:
                bad.append((int(rows[0]), found))
                if len(bad) > most:
                    raise error from None
                continue
            half = len(rows) // 2
            pending += [rows[half:], rows[:half]]
    for row, reason in bad:
        cells = ", ".join(f"{name}={table[name][row]}" for name in table.names)
        rejects.add(*table.place(row), f"{reason}", cells)
    good: NDArray[np.int64] = np.setdiff1d(np.arange(len(table)), [row for row, _ in bad])
    return good
