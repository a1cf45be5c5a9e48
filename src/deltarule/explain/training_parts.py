"""In which part of the training a row was: whether the model learned from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.errors import DataError
from deltarule.tables import TypedColumns
from deltarule.tabular import TableModel
from deltarule.tabular.division import division_of
from deltarule.tabular.splitting import table_parts

__all__ = [
    "COMPARED_WORDS",
    "PART_WORDS",
    "compared_rows",
    "knows_its_table",
    "other_table",
    "training_parts",
]

PART_WORDS = {
    "train": "It is one of the rows that the model learned from: that it is predicted well, or "
    "badly, says little about new rows.",
    "valid": "It is a validation row: the training stopped by such rows, and did not learn from "
    "them.",
    "test": "It is a test row, which the training did not see.",
    "seen": "The table is the one the model was made from, and most of its rows are those it "
    "learned from.",
    "": "The model was made from another table, so whether it learned from such a row is not "
    "known.",
    "unknown": "The model was saved without a checksum of its table, so whether it learned from "
    "such a row is not known.",
}
"""What each part says about a row, in words."""

COMPARED_WORDS = {
    "train": "training rows",
    "valid": "validation rows",
    "test": "test rows",
    "seen": "rows of the table, most of which the model learned from",
    "": "rows given here",
    "unknown": "rows given here",
}
"""Which rows the loss of such a row is compared with, after their number."""


def compared_rows(parts: Sequence[str], sample: int) -> np.ndarray:
    """Return which rows a row is compared with: those of its own part of the training.

    The loss of rows that a model learned from is smaller than that of others. Where the parts are
    not known, these are all rows.

    Examples
    --------
    >>> compared_rows(["train", "test", "train"], 2).tolist()
    [True, False, True]
    >>> compared_rows(["", ""], 0).tolist()
    [True, True]
    """
    return np.array([part == parts[sample] for part in parts], dtype=bool)


def knows_its_table(model: TableModel) -> bool:
    """Whether a model can tell its table by the cells; one of a table larger than memory cannot."""
    return bool(model.report.get("fingerprint"))


def other_table(model: TableModel, typed: TypedColumns) -> str:
    """Return that rows are of another table than that of the training; "" if they are of it.

    Of a model that does not know its table by the cells, that this is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.tables import apply_schema, table_from_frame
    >>> from deltarule.tabular import fit_table
    >>> table = {"x": np.arange(60.0), "y": np.arange(60.0) % 7}
    >>> model = fit_table(table, "y", quality="fast")
    >>> typed = apply_schema(model.schema, table_from_frame(table))
    >>> other_table(model, typed)
    ''
    >>> print(other_table(model, typed.take([0, 1])).partition("), ")[2])
    which has 60 rows; 2 of the 2 rows here are equal to one of them
    """
    if typed.target is not None and model.trained_on(typed):
        return ""
    schema = model.schema
    named = f" ({schema.source!r})" if schema.source else ""
    has = f"which has {schema.n_rows:,} rows"
    if not knows_its_table(model):
        what = f"whether these rows are the table that the model was made from{named}, {has}"
        return f"{what}, is not known: it was saved without a checksum of its cells"
    seen = model.rows_seen(typed)
    if seen is not None and seen.found:
        has += f"; {seen.found:,} of the {seen.compared:,} rows here are equal to one of them"
    return f"these rows are not the table that the model was made from{named}, {has}"


def training_parts(model: TableModel, typed: TypedColumns) -> list[str]:
    """Return the part of the training that each row was in.

    It is ``"train"``, ``"valid"`` or ``"test"``, ``"seen"`` if only the table is known to be that
    of the training, ``""`` if it is another, and ``"unknown"`` if that cannot be known.
    """
    if not knows_its_table(model):
        return ["unknown"] * len(typed)
    if typed.target is None or not model.trained_on(typed):
        return [""] * len(typed)
    division = division_of(model.settings, model.report)
    if division is None:
        return ["seen"] * len(typed)
    settings, rows_of = division
    try:
        parts = table_parts(model.schema, typed, settings)
    except DataError:
        return ["seen"] * len(typed)
    sizes = {name: len(rows) for name, rows in parts.items()}
    known = {name: rows_of.get(name) for name in sizes}
    if sizes != known:
        return ["seen"] * len(typed)
    found = np.full(len(typed), "seen", dtype=object)
    for name, rows in parts.items():
        found[rows] = name
    return list(found)
