"""Check before training that the texts of a table can be saved as UTF-8."""

from __future__ import annotations

import numpy as np

from deltarule.errors import DataError
from deltarule.tables.cells import is_unicode
from deltarule.tables.schema import Schema
from deltarule.tables.text_column import TextColumn
from deltarule.tables.typed_columns import TypedColumns

__all__ = ["check_unicode"]


def check_unicode(typed: TypedColumns, schema: Schema) -> None:
    r"""Refuse labels, levels and names with an unpaired surrogate, which UTF-8 cannot encode.

    JSON's ``"\ud83d"`` and cells of a frame may hold one; a model with such a label could not be
    saved or printed.

    Raises
    ------
    DataError
        Naming the column and, for a cell, its row and text.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.tables.schema import Column
    >>> cells = {"town": np.array(["Bonn", "Ulm\ud83d"], dtype=object)}
    >>> schema = Schema((Column("town", "category"),))
    >>> check_unicode(TypedColumns(cells, np.arange(2)), schema)
    Traceback (most recent call last):
    deltarule.errors.DataError: column 'town' holds 'Ulm\ud83d' in row 2, which is no text...
    """
    for name in typed.columns:
        if not is_unicode(name):
            raise DataError(
                f"the column name {name!r} is no text (half of a surrogate pair); rename the column"
            )
    columns = dict(typed.columns)
    if typed.target is not None and schema.target is not None:
        columns[schema.target.name] = typed.target
    for name, cells in columns.items():
        if not isinstance(cells, TextColumn):
            continue
        invalid = cells.lookup([not is_unicode(text) for text in cells.texts], False)
        if not invalid.any():
            continue
        at = int(np.argmax(invalid))
        raise DataError(
            f"column {name!r} holds {cells[at]!r} in row {int(typed.rows[at]) + 1}, which is no "
            "text (half of a surrogate pair) and could not be saved; correct the cell, or leave "
            "the column out with ignore"
        )
