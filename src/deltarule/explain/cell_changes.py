"""What a model would predict for a row if one of its cells were another, all else the same.

The parts of a prediction compare the row with a start that is no row; these predictions compare it
with rows that differ in one cell, and are computed by the model's own predict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.explain.columns import table_cell
from deltarule.tables import TextColumn, TypedColumns
from deltarule.tables.schema import Column
from deltarule.tabular import NetworkModel, TableModel

__all__ = ["CellChange", "cell_changes", "encoded_cells"]

# Shares of a column's known cells below the values that are tried; where there are fewer cells, the
# range of the training rows is divided instead.
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
_ENOUGH_CELLS = 20
_MOST_LEVELS = 6
# The most columns, and the most cells of all rows that are made, which bound time and memory.
_MOST_COLUMNS = 200
_MOST_CELLS = 2_000_000


@dataclasses.dataclass(frozen=True)
class CellChange:
    """The predictions for a row if the cell of one column were another.

    Attributes
    ----------
    name : str
        The column.
    cell : float, str or None
        The row's own cell; None if it is missing.
    values : tuple of (float or str, float)
        Other cells, and what is then predicted: the number, or the probability of the class that
        is predicted for the row as it is.
    predicted : tuple of str
        The class that is predicted with each of them, that of the largest probability; none where a
        number is predicted.
    """

    name: str
    cell: Any
    values: tuple[tuple[Any, float], ...]
    predicted: tuple[str, ...] = ()

    def largest(self, value: float) -> float:
        """The largest difference from the prediction for the row as it is."""
        return max(abs(each - value) for _, each in self.values)


def cell_changes(
    model: TableModel, typed: TypedColumns, sample: int, names: Sequence[str], k: int | None = None
) -> tuple[CellChange, ...]:
    """Predict a row again with other cells, one column at a time; the largest change first.

    Numbers and dates are tried at quantiles of the column in ``typed``, at most five, categories at
    the most frequent levels of training.

    Parameters
    ----------
    model : TableModel
    typed : TypedColumns
        Rows of a table.
    sample : int
        The number of the row among them.
    names : sequence of str
        The columns, the first of which are looked at where there are very many.
    k : int, optional
        The number of the class whose probability is wanted; None where a number is predicted.
    """
    most = max(_MOST_CELLS // (len(typed.columns) * len(_SHARES)), 1)
    tried = []
    for name in names[: min(_MOST_COLUMNS, most)]:
        others = _others(model.schema[name], typed.columns[name], sample)
        if others:
            tried.append((name, others))
    if not tried:
        return ()
    n_rows = sum(len(others) for _, others in tried)
    rows = typed.take(np.full(n_rows, sample))
    columns, at = dict(rows.columns), 0
    for name, others in tried:
        columns[name] = _with(columns[name], at, others)
        at += len(others)
    outputs = model.outputs(dataclasses.replace(rows, columns=columns))
    values = (outputs if k is None else outputs[:, k]).astype(np.float64)
    classes = [] if k is None else [str(model.classes[c]) for c in outputs.argmax(axis=1)]
    found, at = [], 0
    value = model.outputs(typed.take([sample]))
    own = float(value[0] if k is None else value[0, k])
    for name, others in tried:
        kind = model.schema[name].kind
        pairs = zip(others, values[at : at + len(others)], strict=True)
        cells = tuple((table_cell(other, kind), float(each)) for other, each in pairs)
        then = tuple(classes[at : at + len(others)])
        found.append(CellChange(name, table_cell(typed.columns[name][sample], kind), cells, then))
        at += len(others)
    return tuple(sorted(found, key=lambda change: -change.largest(own)))


def encoded_cells(
    model: NetworkModel, typed: TypedColumns
) -> tuple[list[tuple[Any, ...]], np.ndarray]:
    """Return cells that may stand in any row, column by column, and the inputs they become.

    With them the network itself tells what it would predict for any row if one cell were another.

    Parameters
    ----------
    model : NetworkModel
        Each of its inputs is of one column.
    typed : TypedColumns
        Rows of a table.

    Returns
    -------
    cells : list of tuple
        For each column that has inputs, in their order, the cells that :func:`cell_changes` tries,
        those that some rows have included: up to five numbers, or seven levels.
    inputs : array of shape (M, n_0)
        Row m has the inputs that the cells number m of all columns become.
    """
    names = [code.name for code in model.encoder.column_encoders]
    tried = [_others(model.schema[name], typed.columns[name], None) for name in names]
    most = max((len(cells) for cells in tried), default=0)
    rows = typed.take(np.zeros(most, dtype=np.intp))
    columns = dict(rows.columns)
    for name, cells in zip(names, tried, strict=True):
        if cells:
            padded = [*cells, *cells[-1:] * (most - len(cells))]
            columns[name] = _with(columns[name], 0, padded)
    inputs = model.encoder.transform(
        dataclasses.replace(rows, columns=columns), dtype=model.model.net.dtype
    )
    kinds = [model.schema[name].kind for name in names]
    found = [
        tuple(table_cell(cell, kind) for cell in cells)
        for cells, kind in zip(tried, kinds, strict=True)
    ]
    return found, inputs


def _others(column: Column, cells: Any, sample: int | None) -> list[Any]:
    """Return the cells that are tried in place of the row's; of all rows if ``sample`` is None."""
    if isinstance(cells, TextColumn):
        own = None if sample is None else cells[sample]
        levels = [level for level, count in column.levels if level != own and count > 1]
        return levels[: _MOST_LEVELS + (sample is None)]
    values = np.asarray(cells, dtype=np.float64)
    known = values[np.isfinite(values)]
    if len(known) >= _ENOUGH_CELLS:
        tried = np.unique(np.quantile(known, _SHARES, method="nearest"))
    elif column.minimum is None or column.maximum is None:
        return []
    else:
        tried = np.linspace(column.minimum, column.maximum, len(_SHARES))
        # Such numbers stand in no table, and are written whole.
        tried = np.array([float(f"{each:.6g}") for each in tried])
        if float(column.minimum).is_integer() and float(column.maximum).is_integer():
            tried = np.unique(np.round(tried))
    return [float(each) for each in tried if sample is None or each != values[sample]]


def _with(cells: Any, at: int, others: Sequence[Any]) -> Any:
    """Return a column's cells with others from row ``at`` on."""
    place = slice(at, at + len(others))
    if isinstance(cells, TextColumn):
        texts = cells.objects()
        texts[place] = others
        return TextColumn.from_cells(texts)
    numbers = np.array(cells, dtype=np.float64)
    numbers[place] = others
    return numbers
