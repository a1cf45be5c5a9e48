"""Whether the texts of a table can be saved: found out before anything is trained on them."""

from __future__ import annotations

from collections.abc import Iterable

from deltarule.errors import DataError
from deltarule.tables.schema import Schema
from deltarule.tables.typed_columns import TypedColumns

__all__ = ["check_unicode"]


def check_unicode(typed: TypedColumns, schema: Schema) -> None:
    r"""Refuse labels, levels and names that hold half a surrogate pair, which no text file can.

    JSON's ``"\ud83d"`` and cells of a frame may hold one; what would become of it is a model
    that nobody could print the labels of.

    Raises
    ------
    DataError
        Naming the column, the row and the text.

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
        if not _is_text(name):
            raise DataError(
                f"the column name {name!r} is no text (half of a surrogate pair); rename the column"
            )
    columns = dict(typed.columns)
    if typed.target is not None and schema.target is not None:
        columns[schema.target.name] = typed.target
    for name, cells in columns.items():
        if cells.dtype != object or all(map(_is_text, _texts(set(cells.tolist())))):
            continue
        at = next(i for i, cell in enumerate(cells) if isinstance(cell, str) and not _is_text(cell))
        raise DataError(
            f"column {name!r} holds {cells[at]!r} in row {int(typed.rows[at]) + 1}, which is no "
            "text (half of a surrogate pair) and could not be saved; correct the cell, or leave "
            "the column out with ignore"
        )


def _texts(cells: Iterable[object]) -> Iterable[str]:
    return (cell for cell in cells if isinstance(cell, str))


def _is_text(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text) if not text.isascii() else True
