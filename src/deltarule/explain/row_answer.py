"""What a model says about one row: the prediction, the columns that made it so, and the loss.

The prediction and the attributions of its columns are in the units of the table: those of the
target where it is a number, percentage points of a probability where it is a class. Attributions
are integrated gradients, so they add up to the prediction less that of a row of zeros: of average
numbers, with no level of any category.
"""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

import numpy as np

from deltarule.errors import InputError, printable
from deltarule.explain.attributions import attribute
from deltarule.explain.explanation import Explanation
from deltarule.explain.number_format import json_number, short
from deltarule.explain.words import record_words
from deltarule.tabular.network_targets import decode_outputs

__all__ = ["ColumnPart", "RowAnswer", "row_answer"]

# Columns that a text lists; the others are added up in one line.
_LISTED = 8
_WIDTH = 100


@dataclasses.dataclass(frozen=True)
class ColumnPart:
    """A column, its cell in the row (None if it is missing), and its part of the prediction."""

    name: str
    cell: Any
    part: float


@dataclasses.dataclass(frozen=True)
class RowAnswer:
    """The prediction of a network for one row, taken apart by columns, and its loss.

    Attributes
    ----------
    target : str
        The name of the target's column.
    predicted, actual : float or str
        The network's prediction and the table's cell: numbers, or labels.
    value, start : float
        The number that is taken apart, and the same of a row of zeros: the prediction in the
        target's unit, or the probability of the predicted class.
    columns : tuple of ColumnPart
        The parts of ``value - start``, the largest first.
    error : float
        The sum of the parts less ``value - start``, from the numerical integration.
    loss, mean_loss : float
        C_i, and the weighted mean over the rows.
    larger, rows : int
        The number of rows with a larger loss, and of rows in all.
    loss_words : str
        The loss in words.
    whole : float, str or None
        What the whole portfolio predicts, if the network is of a member; None without one.
    whole_probability : float or None
        The portfolio's probability of that class.
    """

    target: str
    predicted: Any
    actual: Any
    value: float
    start: float
    columns: tuple[ColumnPart, ...]
    error: float
    loss: float
    mean_loss: float
    larger: int
    rows: int
    loss_words: str
    whole: Any = None
    whole_probability: float | None = None

    @property
    def is_number(self) -> bool:
        """Whether the target is a number."""
        return not isinstance(self.predicted, str)

    def text(self) -> str:
        """The answer in plain text."""
        return "\n".join([*self._prediction(), "", *self._parts(), "", *self._loss()])

    def _prediction(self) -> list[str]:
        name = printable(self.target)
        who = f"{name} is predicted"
        lines = []
        if self.whole is not None:
            known = _label(self.whole, self.whole_probability)
            lines += [
                f"The portfolio predicts {name} as {known}.",
                "Its network, which is explained:",
            ]
        probability = None if self.is_number else self.value
        table = short(self.actual, 6) if self.is_number else repr(self.actual)
        line = f"{who} as {_label(self.predicted, probability)}; the table has {table}, "
        if not self.is_number:
            verdict = "right" if self.predicted == self.actual else "wrong"
            return [*lines, f"{line}so the prediction is {verdict}."]
        gap = self.predicted - self.actual
        if gap == 0:
            return [*lines, f"{line}the same."]
        word = "high" if gap > 0 else "low"
        return [*lines, f"{line}so the prediction is {short(abs(gap), 6)} too {word}."]

    def _parts(self) -> list[str]:
        scale = 1.0 if self.is_number else 100.0
        digits = 4
        unit = (
            f"in the unit of {printable(self.target)}"
            if self.is_number
            else f"in percentage points of the probability of {printable(repr(self.predicted))}"
        )
        shown, others = self.columns[:_LISTED], self.columns[_LISTED:]
        rows = [("inputs of 0: average numbers, no levels", "", short(scale * self.start, 6))]
        rows += [(printable(c.name), _cell(c.cell), _signed(scale * c.part, digits)) for c in shown]
        if others:
            rest = sum(column.part for column in others)
            many = f"{len(others)} other column{'s' if len(others) > 1 else ''}"
            rows.append((many, "", _signed(scale * rest, digits)))
        rows.append(("together, the prediction", "", short(scale * self.value, 6)))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [
            f"  {a.ljust(widths[0])}  {b.ljust(widths[1])}  {c.rjust(widths[2])}"
            for a, b, c in rows
        ]
        return [f"What made it so, {unit}:", *lines]

    def _loss(self) -> list[str]:
        count = f"{self.larger} of {self.rows} rows have a larger one"
        if not self.larger:
            count = f"no other of {self.rows} rows has a larger one"
        mean = f"the mean over the rows is {short(self.mean_loss, 4)}"
        words = self.loss_words + (" of the standardised number" if self.is_number else "")
        line = f"The loss ({words}) is {short(self.loss, 4)}; {mean}, and {count}."
        return textwrap.wrap(line, _WIDTH)

    def to_dict(self) -> dict[str, Any]:
        """The answer as a dictionary for JSON."""
        found = {
            field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)
        }
        found["columns"] = [
            {"name": each.name, "cell": _plain(each.cell), "part": json_number(each.part)}
            for each in self.columns
        ]
        return found

    def __str__(self) -> str:
        return self.text()


def row_answer(explanation: Explanation, sample: int, *, whole: Any = None) -> RowAnswer:
    """The prediction of a row of a table in the table's units, with the parts of its columns.

    Parameters
    ----------
    explanation : Explanation
        Of a table model on rows of a table.
    sample : int
        The number of the row in the explanation.
    whole : array or number, optional
        What the whole portfolio predicts for the row: probabilities, or a number.

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
    if code.task == "regression":
        best, sign, scale, shift = 0, 1.0, float(code.std), float(code.mean)
        predicted: Any = float(decoded)
        actual = float(actual)
    else:
        number = int(np.argmax(decoded))
        predicted, actual = str(code.classes[number]), str(actual)
        one = net.n_outputs == 1
        best, sign = (0, 1.0 if number else -1.0) if one else (number, 1.0)
        # Of two classes with one output, the probability of the first is 1 − a.
        scale, shift = sign, 0.0 if sign > 0 else 1.0
    found = attribute(subject, rows=[sample], of=best)
    parts = scale * found.by_column[0]
    cells = {column.name: column.cells[sample] for column in subject.columns}
    order = np.argsort(-np.abs(parts), kind="stable")
    losses, w = subject.per_sample.loss, subject.w
    portfolio: Any = None
    share: float | None = None
    if whole is not None:
        values = np.atleast_1d(np.asarray(whole, dtype=np.float64))
        portfolio = float(values[0])
        if code.task != "regression":
            portfolio, share = str(code.classes[int(values.argmax())]), float(values.max())
    return RowAnswer(
        target=target.name,
        predicted=predicted,
        actual=actual,
        value=scale * float(found.value[0]) + shift,
        start=scale * float(found.baseline_value[0]) + shift,
        columns=tuple(
            ColumnPart(found.columns[i][0], cells[found.columns[i][0]], float(parts[i]))
            for i in order
        ),
        error=scale * float(found.error[0]),
        loss=cost.value,
        mean_loss=float(w @ losses),
        larger=int((losses > cost.value).sum()),
        rows=len(losses),
        loss_words=record_words(net.loss),
        whole=portfolio,
        whole_probability=share,
    )


def _label(value: Any, probability: float | None) -> str:
    if not isinstance(value, str):
        return short(value, 6)
    known = "" if probability is None else f", with a probability of {short(100 * probability)} %"
    return printable(repr(value)) + known


def _signed(x: float, digits: int) -> str:
    return f"+{short(x, digits)}" if x > 0 else short(x, digits)


def _cell(cell: Any) -> str:
    if cell is None:
        return "missing"
    text = short(cell, 6) if isinstance(cell, float) else printable(str(cell))
    return text if len(text) <= 30 else f"{text[:29]}…"


def _plain(value: Any) -> Any:
    return json_number(value) if isinstance(value, float) else value
