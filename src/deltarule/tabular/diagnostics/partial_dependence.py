"""Partial dependence: the mean prediction as a function of one column."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError
from deltarule.tables import TextColumn
from deltarule.tables.table import join_items
from deltarule.tabular.diagnostics.importance import sample_of_rows, with_cells
from deltarule.tabular.diagnostics.rows import ScoredRows

__all__ = ["PartialDependence", "partial_dependence"]

_MOST_ROWS, _MOST_VALUES, _MOST_LEVELS, _MOST_CLASSES = 100, 15, 10, 4


@dataclasses.dataclass(frozen=True, eq=False)
class PartialDependence:
    """The mean prediction over rows if a column has the same cell in all of them.

    Attributes
    ----------
    column : str
    kind : {"number", "date", "category"}
    values : array of shape (G,)
        Numbers, or levels: quantiles of the rows, or the most frequent levels.
    mean : array of shape (G, outputs)
        The mean predictions.
    outputs : tuple of str
        The classes of these probabilities: the second of two, or the most frequent of several; the
        target of a number.
    missing : array of shape (outputs,), or None
        The mean prediction if the cell is missing, where rows have such cells.
    rows, of_rows : int
        The number of rows that were used, drawn with a fixed seed, and that there are.

    References
    ----------
    Friedman (2001), "Greedy function approximation: a gradient boosting machine".
    """

    column: str
    kind: str
    values: NDArray[Any]
    mean: NDArray[np.float64]
    outputs: tuple[str, ...]
    missing: NDArray[np.float64] | None
    rows: int
    of_rows: int


def partial_dependence(rows: ScoredRows, column: str) -> PartialDependence:
    """Return the partial dependence on a column, at up to 15 quantiles or 10 levels.

    Parameters
    ----------
    rows : ScoredRows
    column : str

    Raises
    ------
    InputError
        If there is no such column.
    """
    if column not in rows.schema.names:
        raise InputError(
            parameter="columns",
            given=column,
            expected=f"columns that are predicted from: {join_items(rows.schema.names, 12)}",
        )
    kind = rows.schema[column].kind
    cells: Any = rows.typed.columns[column]
    index = sample_of_rows(len(rows), _MOST_ROWS)
    typed, shares = rows.typed.take(index), rows.weights[index]
    shares = shares / shares.sum() if shares.sum() > 0 else np.full(len(index), 1 / len(index))
    values: NDArray[Any]
    if isinstance(cells, TextColumn):
        by_count = sorted(cells.counts().items(), key=lambda item: -item[1])
        values = np.array([level for level, _ in by_count[:_MOST_LEVELS]], dtype=object)
        is_missing = bool(cells.is_missing().any())
    else:
        known = cells[~np.isnan(cells)]
        values = np.zeros(0)
        if len(known):
            at = np.linspace(0.01, 0.99, _MOST_VALUES)
            values = np.unique(np.quantile(known, at, method="nearest"))
        is_missing = len(known) < len(cells)
    outputs, columns = _outputs(rows)

    n, all_values = len(index), [*values.tolist(), *([None] if is_missing else [])]
    if isinstance(cells, TextColumn):
        filled: Any = TextColumn.from_cells(np.repeat(np.array(all_values, dtype=object), n))
    else:
        filled = np.repeat(np.array(all_values, dtype=np.float64), n)
    stacked = typed.take(np.tile(np.arange(n), len(all_values)))
    predicted = rows.predict(with_cells(stacked, column, filled))
    by_value = predicted.reshape(len(all_values), n, -1)[:, :, columns]
    mean = np.einsum("r,vro->vo", shares, by_value)
    missing = mean[-1] if is_missing else None
    mean = mean[: len(values)]
    return PartialDependence(column, kind, values, mean, outputs, missing, len(index), len(rows))


def _outputs(rows: ScoredRows) -> tuple[tuple[str, ...], list[int]]:
    """Return the names of the outputs that are shown, and their columns."""
    if rows.task == "regression":
        name = "prediction" if rows.schema.target is None else rows.schema.target.name
        return (name,), [0]
    if len(rows.classes) == 2:
        return (rows.classes[1],), [1]
    frequent = np.argsort(-np.bincount(rows.truth, minlength=len(rows.classes)), kind="stable")
    shown = sorted(frequent[:_MOST_CLASSES].tolist())
    return tuple(rows.classes[k] for k in shown), shown
