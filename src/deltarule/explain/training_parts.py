"""In which part of the training a row was: whether the model learned from it."""

from __future__ import annotations

import numpy as np

from deltarule.errors import DataError
from deltarule.tables import TypedColumns
from deltarule.tabular import PortfolioModel, TableModel, TableSettings
from deltarule.tabular.splitting import table_parts

__all__ = ["PART_WORDS", "training_parts"]

PART_WORDS = {
    "train": "It is one of the rows that the model learned from: that it is predicted well, or "
    "badly, says little about new rows.",
    "valid": "It is a validation row: the training stopped by such rows, and did not learn from "
    "them.",
    "test": "It is a test row, which the training did not see.",
    "seen": "The table is the one the model was made from, and most of its rows are those it "
    "learned from.",
    "": "The table is not, cell by cell, the one the model was made from, so whether the row was "
    "learned from is not known.",
}
"""What each part says about a row, in words."""


def training_parts(model: TableModel, typed: TypedColumns) -> list[str]:
    """Return the part of the training that each row was in.

    It is ``"train"``, ``"valid"`` or ``"test"``, ``"seen"`` if only the table is known to be that
    of the training, and ``""`` if it is another.
    """
    if typed.target is None or not model.trained_on(typed):
        return [""] * len(typed)
    given = dict(model.settings)
    if isinstance(model, PortfolioModel):
        given["valid"] = 0.0
    if not {"test", "valid", "seed"} <= set(given):
        return ["seen"] * len(typed)
    settings = TableSettings(test=given["test"], valid=given["valid"], seed=given["seed"])
    try:
        parts = table_parts(model.schema, typed, settings)
    except DataError:
        return ["seen"] * len(typed)
    sizes = {name: len(rows) for name, rows in parts.items()}
    known = {name: model.report["rows"].get(name) for name in sizes}
    if sizes != known:
        return ["seen"] * len(typed)
    found = np.full(len(typed), "seen", dtype=object)
    for name, rows in parts.items():
        found[rows] = name
    return list(found)
