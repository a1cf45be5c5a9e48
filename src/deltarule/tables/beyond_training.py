"""Numbers far from all that training saw, where a prediction is a guess."""

from __future__ import annotations

import numpy as np

from deltarule.tables.notes import Note
from deltarule.tables.schema import Column, Schema
from deltarule.tables.typed_columns import TypedColumns

__all__ = ["beyond_training"]

_MOST_ROWS = 3
_MOST_NOTES = 20


def beyond_training(schema: Schema, typed: TypedColumns) -> list[str]:
    """Which columns have numbers or dates far outside the range of training, a note for each.

    Far is more than the length of the range below or above it.

    Parameters
    ----------
    schema : Schema
    typed : TypedColumns
        Rows that are to be predicted.

    Examples
    --------
    >>> schema = Schema((Column("age", "number", minimum=18.0, maximum=80.0),))
    >>> beyond_training(schema, TypedColumns({"age": np.array([30.0, 450.0])}, np.arange(2)))
    ["column 'age': 1 cell is far outside the range of training, 18 … 80: 450 (row 2); \
what is predicted from it is a guess"]
    """
    found = list[str]()
    for column in schema.columns:
        low, high = column.minimum, column.maximum
        cells = typed.columns.get(column.name)
        if column.kind == "category" or low is None or high is None or cells is None or low == high:
            continue
        values = np.asarray(cells, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            far = np.flatnonzero((values > high + (high - low)) | (values < low - (high - low)))
        if not len(far):
            continue
        shown = ", ".join(
            f"{Column('', column.kind, minimum=x, maximum=x).span()} (row {typed.rows[i] + 1})"
            for i, x in ((i, float(values[i])) for i in far[:_MOST_ROWS])
        )
        one = len(far) == 1
        count = "1 cell is" if one else f"{len(far)} cells are"
        more = ", …" if len(far) > _MOST_ROWS else ""
        said = (
            f"column {column.name!r}: {count} far outside the range of training, "
            f"{column.span()}: {shown}{more}; what is predicted from {'it' if one else 'them'} "
            "is a guess"
        )
        found.append(Note(("beyond training", column.name), said))
    more_notes = len(found) - _MOST_NOTES
    rest = Note(("beyond training",), f"so are cells of {more_notes} more columns")
    return [*found[:_MOST_NOTES], *([rest] if more_notes > 0 else [])]
