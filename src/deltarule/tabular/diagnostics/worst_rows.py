"""The rows of a part with their predictions and losses, the largest loss first."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tables import TypedColumns
from deltarule.tabular.network_fit import true_values
from deltarule.tabular.scores import row_losses

if TYPE_CHECKING:
    from deltarule.tabular.model import TableModel

__all__ = ["RankedRows", "ranked_rows"]


@dataclasses.dataclass(frozen=True, eq=False)
class RankedRows:
    """Rows with their predictions, in the order of the table, and their order by loss.

    Attributes
    ----------
    numbers : array of shape (N,)
        The number of each row in the table, from 1 below the header.
    actual, predicted : array of shape (N,)
        Numbers in the target's unit, or labels.
    losses : array of shape (N,)
        The log loss, or of a number the squared error.
    probabilities : array of shape (N,), or None
        The probability of the table's class; None of numbers.
    order : array of shape (N,)
        The places of the rows by loss, the largest first; of equal ones the table's first.
    """

    numbers: NDArray[np.int64]
    actual: NDArray[Any]
    predicted: NDArray[Any]
    losses: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None
    order: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)


def ranked_rows(
    model: TableModel, typed: TypedColumns, outputs: NDArray[np.float64] | None = None
) -> RankedRows:
    """Return rows with the losses of a model's predictions for them.

    Parameters
    ----------
    model : TableModel
    typed : TypedColumns
        With the target.
    outputs : array of shape (N, classes), or (N,), optional
        The predictions, if they are known already.

    Raises
    ------
    DataError
        If the target has an unknown class.

    Examples
    --------
    >>> from deltarule.tables import apply_schema, table_from_frame
    >>> from deltarule.tabular import fit_table
    >>> x = np.linspace(-2, 2, 200)
    >>> table = {"x": x, "y": np.where(x == x[7], 9.0, x**2)}
    >>> model = fit_table(table, "y", quality="fast")
    >>> rows = ranked_rows(model, apply_schema(model.schema, table_from_frame(table)))
    >>> int(rows.numbers[rows.order[0]]), float(rows.actual[rows.order[0]])
    (8, 9.0)
    """
    outputs = model.outputs(typed) if outputs is None else outputs
    truth = true_values(model.target, typed)
    losses = row_losses(model.task, truth, outputs)
    actual, predicted, probabilities = truth, outputs, None
    if model.task == "classification":
        labels = np.array(list(map(str, model.classes)), dtype=object)
        actual, predicted = labels[truth], labels[outputs.argmax(axis=1)]
        probabilities = outputs[np.arange(len(truth)), truth]
    return RankedRows(
        numbers=np.asarray(typed.rows, dtype=np.int64) + 1,
        actual=actual,
        predicted=predicted,
        losses=losses,
        probabilities=probabilities,
        order=np.argsort(-losses, kind="stable"),
    )
