"""Columns that number or name the rows, as pandas and R write them beside a table's own."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from deltarule.tables.column_values import read_cells
from deltarule.tables.schema import Column
from deltarule.tables.table import Table

__all__ = ["index_reason"]

# The names that pandas gives its index in a CSV that was read and written, and in Parquet.
_INDEX_NAME = re.compile(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__")


def index_reason(table: Table, column: Column) -> str | None:
    """Why a column is left out that numbers or names the rows; None if it does neither.

    It is one without a name in its source, or with one that pandas gives its index, whose cells
    are whole numbers, or texts, each once (in each of several files) and none missing. Whether it
    is one is decided when a schema is inferred, and not when a later table is read.

    Examples
    --------
    >>> table = Table(("column1", "size"), {"column1": np.array([0.0, 1.0, 2.0]),
    ...                                     "size": np.array([1.5, 2.0, 1.0])},
    ...               unnamed=("column1",))
    >>> index_reason(table, Column("column1", "number", distinct=3))
    'it has no name, and numbers the rows'
    """
    name, n_files = column.name, max(1, len(table.files))
    is_unnamed = name in table.unnamed
    if not is_unnamed and not _INDEX_NAME.fullmatch(name):
        return None
    if column.kind == "date" or column.missing or len(table) < 2 * n_files:
        return None
    if column.distinct * n_files < len(table):
        return None
    verb = "names"
    cells: Any = table.column(name)
    if column.kind == "number":
        cells, verb = read_cells(table, name, "number")[0], "numbers"
    else:
        cells = cells.codes
    files = np.zeros(len(table)) if table.file_of is None else table.file_of
    if np.unique(np.stack([files, cells]), axis=1).shape[1] < len(table):
        return None
    if column.kind == "number" and not (np.floor(cells) == cells).all():
        return None
    return f"{'it has no name' if is_unnamed else 'it is an index of pandas'}, and {verb} the rows"
