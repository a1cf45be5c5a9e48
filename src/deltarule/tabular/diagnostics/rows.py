"""The rows that a model is judged on, with its predictions for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError
from deltarule.tables import Schema, TypedColumns, apply_schema, table_from_frame
from deltarule.tabular.division import division_of
from deltarule.tabular.intervals import interval_levels
from deltarule.tabular.network_fit import true_values
from deltarule.tabular.splitting import row_weights, table_parts

if TYPE_CHECKING:
    from deltarule.tabular.model import TableModel

__all__ = ["ScoredRows", "scored_part", "scored_rows"]

COVERAGE = 0.9
"""The coverage that intervals are made for."""


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows with their targets, a model's predictions for them, and how to predict others.

    Attributes
    ----------
    part : {"test", "out_of_fold", "valid", "train", "seen", "given"}
        What the rows are to the model: test rows; training rows with out-of-fold predictions;
        validation rows; training rows; all rows of the training table, of a model that does not
        say which of them it was trained on; or the rows of another table.
    task : {"classification", "regression"}
    classes : tuple of str
        Empty for regression.
    schema : Schema
    typed : TypedColumns
    truth : array of shape (N,)
        Class numbers, or numbers in the target's unit.
    outputs : array of shape (N, classes), or (N,)
    weights : array of shape (N,)
    predict : callable
        From typed columns to outputs.
    intervals : array of shape (N, 2), or None
        Of a number: what holds 90 % of the targets, if the model has such intervals.
    """

    part: str
    task: str
    classes: tuple[str, ...]
    schema: Schema
    typed: TypedColumns
    truth: NDArray[Any]
    outputs: NDArray[np.float64]
    weights: NDArray[np.float64]
    predict: Callable[[TypedColumns], NDArray[np.float64]]
    intervals: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def shares(self) -> NDArray[np.float64]:
        """The weights, divided by their sum."""
        found: NDArray[np.float64] = self.weights / self.weights.sum()
        return found

    def need(self, task: str, what: str) -> None:
        """Refuse rows of the other task.

        Raises
        ------
        InputError
            If the task is not ``task``.
        """
        if self.task != task:
            kinds = {"classification": "classes", "regression": "numbers"}
            raise InputError(
                f"{what} is of a model of {kinds[task]}, and this one predicts {kinds[self.task]}"
            )


def scored_rows(model: TableModel, table: Any) -> ScoredRows:
    """Return the rows of a table that a model is judged on.

    Of the table that it was trained on these are the test rows. If none were held out: all
    rows with their out-of-fold predictions, as long as a portfolio has these (it is not saved with
    them); the validation rows of a single network; otherwise the training rows. They are all rows
    of any other table, and where the model does not say how its rows were divided.

    Parameters
    ----------
    model : TableModel
    table : TypedColumns, Table, frame, or mapping of str to column
        With the target.

    Raises
    ------
    DataError
        If the table's columns do not fit the model's, or its target has an unknown class.

    Examples
    --------
    >>> from deltarule.tabular import fit_table
    >>> x = np.linspace(-2, 2, 200)
    >>> table = {"x": x, "y": x**2}
    >>> model = fit_table(table, "y", quality="fast")
    >>> rows = scored_rows(model, table)
    >>> rows.part, len(rows), len(scored_rows(model, {"x": x[:9], "y": x[:9] ** 2}))
    ('test', 40, 9)
    """
    typed = table
    if not isinstance(table, TypedColumns):
        typed = apply_schema(model.schema, table_from_frame(table, na=model.schema.na))
    part, outputs = "given", None
    division = division_of(model.settings, model.report)
    is_training_table = model.trained_on(typed)
    if is_training_table and division is None:
        part = "seen"
    elif is_training_table and division is not None:
        index = table_parts(model.schema, typed, division[0])
        part = next(name for name in ("test", "valid", "train") if name in index)
        rows = index[part]
        if part == "train":
            rows, outputs = _out_of_fold(model, typed, rows)
            part = part if outputs is None else "out_of_fold"
        typed = typed.take(rows)
    return scored_part(model, typed, part, outputs)


def scored_part(
    model: TableModel,
    typed: TypedColumns,
    part: str,
    outputs: NDArray[np.float64] | None = None,
) -> ScoredRows:
    """Return rows that are of a part, with the model's outputs for them unless they are given."""
    outputs = model.outputs(typed) if outputs is None else outputs
    intervals, ends = None, model.report.get("residual_interval")
    if model.has_intervals:
        intervals = model.quantiles(typed, outputs, interval_levels(COVERAGE))
    elif ends is not None:
        intervals = outputs[:, None] + np.array(ends["ends"])
    return ScoredRows(
        part=part,
        task=model.task,
        classes=model.classes,
        schema=model.schema,
        typed=typed,
        truth=true_values(model.target, typed),
        outputs=outputs,
        weights=row_weights(typed),
        predict=model.outputs,
        intervals=intervals,
    )


def _out_of_fold(
    model: TableModel, typed: TypedColumns, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Return the training rows with out-of-fold predictions, and these; None for none."""
    portfolio = getattr(model, "portfolio", None)
    used = rows[row_weights(typed.take(rows)) > 0]
    if portfolio is None or len(portfolio.oof) != len(used):
        return rows, None
    known = np.isfinite(portfolio.oof.reshape(len(used), -1)).all(axis=1)
    return used[known], portfolio.oof[known]
