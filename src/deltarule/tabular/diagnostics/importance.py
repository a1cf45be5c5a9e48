"""Permutation importance: what a model loses if the cells of a column change rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tables import TypedColumns
from deltarule.tabular.diagnostics.rows import ScoredRows
from deltarule.tabular.scores import power_of_two, row_losses

__all__ = ["Importance", "permutation_importance", "sample_of_rows"]

_REPEATS = 5
# The most rows, and the fewest where there are many columns; the most rows that are predicted,
# their cells, and the rows that are predicted at a time.
_MOST_ROWS, _LEAST_ROWS = 1000, 100
_MOST_PREDICTIONS, _MOST_CELLS, _ROWS_OF_A_CALL = 20_000, 6_000_000, 4000
_MEASURES = {"classification": "log loss", "regression": "squared error / variance"}
# Keeps the random numbers apart from others of the same seed.
_KEY = 0x1A9


@dataclasses.dataclass(frozen=True, eq=False)
class Importance:
    """The rise of a model's mean loss if the cells of one column are permuted.

    Attributes
    ----------
    columns : tuple of str
        The most important first.
    mean : array of shape (columns,)
        The mean over rows and permutations of the loss with permuted cells less that without.
    low, high : array of shape (columns,)
        Its 95 % interval over rows, by Student's t.
    measure : str
        The loss: log loss, or the squared error divided by the target's variance, which is the
        fall of R².
    rows, of_rows : int
        The number of rows that were used, drawn with a fixed seed, and that there are.
    repeats : int
        The number of permutations of each column.
    left_out : tuple of str
        Columns that were not looked at, since there are too many: those with the least rise in one
        permutation of few rows.

    References
    ----------
    Breiman (2001), "Random forests"; Fisher, Rudin and Dominici (2019), "All models are wrong, but
    many are useful".
    """

    columns: tuple[str, ...]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    measure: str
    rows: int
    of_rows: int
    repeats: int
    left_out: tuple[str, ...] = ()

    def strongest(self, most: int) -> tuple[str, ...]:
        """Return the columns whose interval is above 0, the most important first."""
        return tuple(
            name for name, low in zip(self.columns[:most], self.low[:most], strict=True) if low > 0
        )


def sample_of_rows(n: int, most: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the numbers of at most ``most`` of n rows, drawn with a fixed seed, in order.

    Examples
    --------
    >>> sample_of_rows(3, 5), len(sample_of_rows(100, 5))
    (array([0, 1, 2]), 5)
    """
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng([seed, _KEY]).permutation(n)[:most])


def permutation_importance(rows: ScoredRows, repeats: int = _REPEATS) -> Importance:
    """Return the permutation importance of all columns on rows.

    At most 1000 rows are used, and fewer where there are many columns, so that some 20 000 rows are
    predicted in all. From some 40 columns on only the most promising are looked at.

    Parameters
    ----------
    rows : ScoredRows
    repeats : int
        The number of permutations of each column.
    """
    names = tuple(rows.schema.names)
    predictions = min(_MOST_PREDICTIONS, _MOST_CELLS // max(len(names), 1))
    per_row = max(len(names) * repeats, 1)
    most = int(np.clip(predictions // per_row, _LEAST_ROWS, _MOST_ROWS))
    index = sample_of_rows(len(rows), most)
    left_out: tuple[str, ...] = ()
    at_once = max(predictions // (len(index) * repeats), 1)
    if len(names) > at_once:
        most = int(np.clip(predictions // len(names), _LEAST_ROWS // 5, _LEAST_ROWS // 2))
        few = index[sample_of_rows(len(index), most, seed=1)]
        rises, shares = _rises(rows, few, names, 1)
        order = np.argsort(-(rises @ shares), kind="stable")
        kept = {names[k] for k in order[:at_once]}
        left_out = tuple(name for name in names if name not in kept)
        names = tuple(name for name in names if name in kept)
    rises, shares = _rises(rows, index, names, repeats)
    mean = rises @ shares
    number = 1 / float((shares**2).sum())
    half = np.full(len(names), np.inf)
    if number > 1:
        variance = ((rises - mean[:, None]) ** 2 @ shares**2) * number / (number - 1)
        half = _quantile(number - 1) * np.sqrt(variance)
    order = np.argsort(-mean, kind="stable")
    return Importance(
        tuple(names[k] for k in order),
        mean[order],
        (mean - half)[order],
        (mean + half)[order],
        _MEASURES[rows.task],
        len(index),
        len(rows),
        repeats,
        left_out,
    )


def _quantile(df: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.975))


def _rises(
    rows: ScoredRows, index: NDArray[np.int64], names: tuple[str, ...], repeats: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean rise of each row's loss, shape (columns, rows), and the rows' shares."""
    typed, truth = rows.typed.take(index), rows.truth[index]
    shares = rows.weights[index]
    shares = shares / shares.sum() if shares.sum() > 0 else np.full(len(index), 1 / len(index))
    base = rows.predict(typed)
    unit, spread = 1.0, 1.0
    if rows.task == "regression":
        unit = max(power_of_two(truth), power_of_two(base))
        spread = float(shares @ (truth / unit - shares @ (truth / unit)) ** 2) or 1.0
    losses = row_losses(rows.task, truth, base, unit)
    rng = np.random.default_rng([repeats, _KEY])
    permuted = np.concatenate([rng.permutation(len(index)) for _ in range(repeats)])
    own = np.tile(np.arange(len(index)), repeats)
    found = []
    # Several columns at a time, since each call encodes all columns.
    at_once = max(_ROWS_OF_A_CALL // len(own), 1)
    for start in range(0, len(names), at_once):
        batch = names[start : start + at_once]
        stacked = np.tile(own, len(batch))
        columns = {name: cells[stacked] for name, cells in typed.columns.items()}
        for k, name in enumerate(batch):
            cells_of = stacked.copy()
            cells_of[k * len(own) : (k + 1) * len(own)] = permuted
            columns[name] = typed.columns[name][cells_of]
        outputs = rows.predict(TypedColumns(columns, rows=index[stacked]))
        of_rows = row_losses(rows.task, truth[stacked], outputs, unit)
        found.append(of_rows.reshape(len(batch), repeats, -1).mean(axis=1) - losses)
    return np.concatenate(found) / spread, shares


def with_cells(typed: TypedColumns, name: str, cells: Any) -> TypedColumns:
    """Return rows with other cells in one column.

    Examples
    --------
    >>> rows = TypedColumns({"x": np.zeros(2)}, np.arange(2))
    >>> with_cells(rows, "x", np.ones(2)).columns["x"]
    array([1., 1.])
    """
    return dataclasses.replace(typed, columns={**typed.columns, name: cells})
