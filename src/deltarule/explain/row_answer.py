"""What a model says about one row: the prediction, the columns that made it so, and its error.

The prediction and the parts of its columns are in the units of the table: those of the target where
it is a number, percentage points of a probability where it is a class. The parts are integrated
gradients, so they add up to the prediction less that of a start: a row of average numbers, with no
level of any category, which no table has. What the prediction would be with another cell is
computed beside them, since a part does not say so. :mod:`deltarule.explain.row_text` writes both as
text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.explain.attributions import attribute
from deltarule.explain.cell_changes import CellChange, cell_changes
from deltarule.explain.columns import table_cell
from deltarule.explain.comparison import Comparison, comparison_of, known_parts
from deltarule.explain.explanation import Explanation
from deltarule.explain.number_format import json_number
from deltarule.explain.portfolio_parts import portfolio_parts
from deltarule.explain.row_text import row_text
from deltarule.explain.subject_builders import subject_of
from deltarule.explain.training_parts import compared_rows, training_parts
from deltarule.explain.words import record_words
from deltarule.tables import TextColumn, TypedColumns
from deltarule.tabular import NetworkModel, PortfolioModel, TableModel
from deltarule.tabular.diagnostics.rows import COVERAGE
from deltarule.tabular.intervals import interval_levels
from deltarule.tabular.network_fit import true_values
from deltarule.tabular.network_targets import decode_outputs
from deltarule.tabular.scores import row_losses

__all__ = ["ColumnPart", "RowAnswer", "model_answer", "row_answer"]


@dataclasses.dataclass(frozen=True)
class ColumnPart:
    """A column, its cell in the row (None if it is missing), and its part of the prediction."""

    name: str
    cell: Any
    part: float


@dataclasses.dataclass(frozen=True)
class RowAnswer:
    """The prediction for one row, taken apart by columns, and its error.

    Attributes
    ----------
    target : str
        The name of the target's column.
    predicted, actual : float or str
        The prediction and the table's cell: numbers, or labels; ``actual`` is None if unknown.
    value, start : float
        The number that is taken apart, and the same of a row of zeros: the prediction in the
        target's unit, or the probability of the predicted class.
    columns : tuple of ColumnPart
        The parts of ``value - start``, the largest first.
    error : float
        The sum of the parts less ``value - start``, from the numerical integration.
    loss, mean_loss : float or None
        The loss of the row, and the weighted mean over the rows that it is compared with; None
        without a target.
    larger, rows : int
        The number of these rows with a larger loss, and of these rows in all.
    part : str
        Which rows these are: those of the same part of the training table, ``"train"``,
        ``"valid"`` or ``"test"``; ``"seen"`` for all of that table, if its parts are not known,
        and ``""`` or ``"unknown"`` for all rows of another one, or of one that may be another.
    loss_words : str
        The loss in words.
    typical_error : float or None
        Of a number: the root of the weighted mean square of the rows' errors, in its unit.
    changes : tuple of CellChange
        What would be predicted with other cells, the column of the largest change first.
    interval : tuple of (low, high), or None
        Of a number that a whole portfolio predicts: what holds 90 % of the targets of new rows.
    networks : int
        How many networks make the prediction; 1 unless it is that of a whole portfolio.
    whole : float, str or None
        What the whole portfolio predicts, if the network is of a member; None without one.
    whole_probability : float or None
        The portfolio's probability of that class.
    classes : int
        The number of classes; 0 of a number.
    second : str or None
        Of more than two classes, the one of the second largest probability.
    second_probability : float or None
    """

    target: str
    predicted: Any
    actual: Any
    value: float
    start: float
    columns: tuple[ColumnPart, ...]
    error: float
    loss: float | None
    mean_loss: float | None
    larger: int
    rows: int
    loss_words: str
    typical_error: float | None = None
    changes: tuple[CellChange, ...] = ()
    networks: int = 1
    part: str = ""
    whole: Any = None
    whole_probability: float | None = None
    classes: int = 0
    second: str | None = None
    second_probability: float | None = None
    interval: tuple[float, float] | None = None

    @property
    def is_number(self) -> bool:
        """Whether the target is a number."""
        return not isinstance(self.predicted, str)

    def text(self, *, terms: int | None = None, digits: int | None = None) -> str:
        """The answer in plain text.

        Parameters
        ----------
        terms : int, optional
            The number of columns that are listed; 8 if not given.
        digits : int, optional
            The significant digits of the prediction; 6 if not given.
        """
        return row_text(self, terms=terms, digits=digits)

    def to_dict(self) -> dict[str, Any]:
        """The answer as a dictionary for JSON."""
        found = {
            field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)
        }
        found["interval"] = None if self.interval is None else list(map(json_number, self.interval))
        found["columns"] = [
            {"name": each.name, "cell": _plain(each.cell), "part": json_number(each.part)}
            for each in self.columns
        ]
        found["changes"] = [
            {
                "name": each.name,
                "cell": _plain(each.cell),
                "values": [
                    {"cell": _plain(cell), "value": json_number(value)}
                    | ({"predicted": each.predicted[i]} if each.predicted else {})
                    for i, (cell, value) in enumerate(each.values)
                ],
            }
            for each in self.changes
        ]
        return found

    def __str__(self) -> str:
        return self.text()


def model_answer(
    model: TableModel, typed: TypedColumns, sample: int, explanation: Explanation | None = None
) -> RowAnswer:
    """What a model of a table predicts for a row, in the table's units, and why.

    Of a portfolio, the parts are those of all its networks together. Without a target there is no
    error.

    Parameters
    ----------
    model : TableModel
    typed : TypedColumns
        Rows of a table, by :func:`~deltarule.tables.apply_schema` with the model's schema.
    sample : int
        The number of the row among them.
    explanation : Explanation, optional
        That of a single network on these rows, if there is one already.

    Examples
    --------
    See ``deltarule explain MODEL DATA --row R``, which prints it.
    """
    if isinstance(model, PortfolioModel):
        return _portfolio_answer(model, typed, sample)
    assert isinstance(model, NetworkModel)
    if typed.target is not None:
        explanation = explanation or Explanation(subject_of(model, typed))
        parts = known_parts(explanation.subject) or training_parts(model, typed)
        return row_answer(explanation, sample, model=model, typed=typed, parts=parts)
    # The passes compare with a target; a stand-in takes its place, and nothing of that is kept.
    stand_in: Any = np.zeros(len(typed))
    if model.classes:
        stand_in = TextColumn(np.zeros(len(typed), dtype=np.int32), [model.classes[0]])
    filled = dataclasses.replace(typed, target=stand_in)
    found = row_answer(Explanation(subject_of(model, filled.take([sample]))), 0)
    k = _class_number(model, found.predicted)
    unknown: dict[str, Any] = {"actual": None, "loss": None, "mean_loss": None}
    return dataclasses.replace(
        found,
        **unknown,
        typical_error=None,
        rows=len(typed),
        changes=cell_changes(model, typed, sample, [each.name for each in found.columns], k),
    )


def row_answer(
    explanation: Explanation,
    sample: int,
    *,
    model: TableModel | None = None,
    typed: TypedColumns | None = None,
    whole: Any = None,
    parts: Sequence[str] | None = None,
) -> RowAnswer:
    """The prediction of a network for a row of a table in the table's units, with its parts.

    Parameters
    ----------
    explanation : Explanation
        Of a table model on rows of a table.
    sample : int
        The number of the row in the explanation.
    model, typed : TableModel and TypedColumns, optional
        The model and the rows that are explained, to predict the row with other cells.
    whole : array or number, optional
        What the whole portfolio predicts for the row: probabilities, or a number.
    parts : sequence of str, optional
        In which part of the training each row was, as
        :func:`~deltarule.explain.training_parts.training_parts` says of the model: the row is
        compared with the rows of its own part. Without it, with all rows, unless the explanation
        knows the parts itself.

    Returns
    -------
    RowAnswer

    Raises
    ------
    InputError
        If the explanation is not of rows of a table, or there is no such row.

    Examples
    --------
    See ``deltarule explain MODEL DATA --row R``, which prints it.
    """
    subject = explanation.subject
    if subject.target is None:
        raise InputError(
            "the rows do not come from a table, so there are no columns and units; "
            "use attribute(…) for the inputs of the network"
        )
    cost = explanation.cost(sample)
    net, target = subject.net, subject.target
    code, actual = target.code, target.cells[sample]
    outputs = subject.forward.A[-1][sample]
    decoded = decode_outputs(net, code, outputs[None])[0]
    k = None
    compared, at = comparison_of(subject, known_parts(subject) if parts is None else parts)
    like = compared.of_row(at[sample])
    if code.task == "regression":
        best, sign, scale, shift = 0, 1.0, float(code.std), float(code.mean)
        predicted: Any = float(decoded)
        actual = float(actual)
    else:
        k = int(np.argmax(decoded))
        predicted, actual = str(code.classes[k]), str(actual)
        one = net.n_outputs == 1
        best, sign = (0, 1.0 if k else -1.0) if one else (k, 1.0)
        # Of two classes with one output, the probability of the first is 1 − a.
        scale, shift = sign, 0.0 if sign > 0 else 1.0
    found = attribute(subject, rows=[sample], of=best)
    own = scale * found.by_column[0]
    cells = {column.name: column.cells[sample] for column in subject.columns}
    names = [name for name, _ in found.columns]
    columns = _sorted_parts({name: (cells[name], own[i]) for i, name in enumerate(names)})
    portfolio: Any = None
    share: float | None = None
    if whole is not None:
        values = np.atleast_1d(np.asarray(whole, dtype=np.float64))
        portfolio = float(values[0])
        if code.task != "regression":
            portfolio, share = str(code.classes[int(values.argmax())]), float(values.max())
    changes: tuple[CellChange, ...] = ()
    if model is not None and typed is not None:
        whole_rows = None if subject.table is None else subject.table.whole
        place = sample
        if whole_rows is not None:
            typed, place = whole_rows.typed, int(whole_rows.at[sample])
        changes = cell_changes(model, typed, place, [each.name for each in columns], k)
    return RowAnswer(
        target=target.name,
        predicted=predicted,
        actual=actual,
        value=scale * float(found.value[0]) + shift,
        start=scale * float(found.baseline_value[0]) + shift,
        columns=columns,
        error=scale * float(found.error[0]),
        loss=cost.value,
        mean_loss=like.mean,
        larger=like.larger(float(compared.losses[at[sample]])),
        rows=like.rows,
        part=compared.parts[at[sample]],
        loss_words=record_words(net.loss),
        typical_error=like.typical,
        changes=changes,
        whole=portfolio,
        whole_probability=share,
        **_beside(code.classes, outputs),
    )


def _portfolio_answer(model: PortfolioModel, typed: TypedColumns, sample: int) -> RowAnswer:
    """The answer of all networks of a portfolio together."""
    row = typed.take([sample])
    own = model.outputs(row)[0]
    k = None if model.task == "regression" else int(np.argmax(own))
    predicted: Any = float(own) if k is None else str(model.classes[k])
    parts = portfolio_parts(model.portfolio, row, k or 0)
    cells = {
        name: (table_cell(row.columns[name][0], model.schema[name].kind), part)
        for name, part in parts.columns.items()
    }
    columns = _sorted_parts(cells)
    actual = loss = mean_loss = typical = None
    of_rows = training_parts(model, typed)
    n_compared = int(compared_rows(of_rows, sample).sum())
    larger, words = 0, "log loss" if model.classes else "squared error"
    if typed.target is not None:
        outputs, truth = model.outputs(typed), true_values(model.target, typed)
        losses = row_losses(model.task, truth, outputs)
        weights = np.ones(len(typed)) if typed.weights is None else typed.weights
        gaps = None if model.classes else outputs - truth
        like = Comparison(of_rows, losses, weights, gaps).of_row(sample)
        actual = str(typed.target[sample]) if model.classes else float(truth[sample])
        loss, mean_loss, typical = float(losses[sample]), like.mean, like.typical
        larger = like.larger(loss)
    return RowAnswer(
        target="target" if model.schema.target is None else model.schema.target.name,
        predicted=predicted,
        actual=actual,
        value=parts.value,
        start=parts.start,
        columns=columns,
        error=parts.error,
        loss=loss,
        mean_loss=mean_loss,
        larger=larger,
        rows=n_compared,
        part=of_rows[sample],
        loss_words=words,
        typical_error=typical,
        changes=cell_changes(model, typed, sample, [each.name for each in columns], k),
        networks=sum(len(member.models) for member in model.members()),
        interval=_interval(model, row, own),
        **_beside(model.classes, own),
    )


def _interval(model: PortfolioModel, row: TypedColumns, own: Any) -> tuple[float, float] | None:
    """Return the interval of one row's prediction; None of classes."""
    if not model.has_intervals:
        return None
    low, high = model.quantiles(row, np.array([own]), interval_levels(COVERAGE))[0]
    return float(low), float(high)


def _beside(classes: Sequence[Any], probabilities: Any) -> dict[str, Any]:
    """The number of classes, and of more than two the second with its probability."""
    if len(classes) < 3:
        return {"classes": len(classes)}
    second = int(np.argsort(-probabilities, kind="stable")[1])
    return {
        "classes": len(classes),
        "second": str(classes[second]),
        "second_probability": float(probabilities[second]),
    }


def _sorted_parts(parts: dict[str, tuple[Any, Any]]) -> tuple[ColumnPart, ...]:
    """Return the parts of the columns, given with their cells, the largest first."""
    found = [ColumnPart(name, cell, float(part)) for name, (cell, part) in parts.items()]
    return tuple(sorted(found, key=lambda each: -abs(each.part)))


def _class_number(model: TableModel, predicted: Any) -> int | None:
    return model.classes.index(predicted) if model.classes else None


def _plain(value: Any) -> Any:
    return json_number(value) if isinstance(value, float) else value
