"""Notes on columns that alone predict the target almost perfectly: it may have leaked into them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import Message, Parameter
from deltarule.tables.column_values import read_cells
from deltarule.tables.equal_labels import merged_labels
from deltarule.tables.implausible_values import outside_range
from deltarule.tables.schema import Column
from deltarule.tables.table import Cells, Table
from deltarule.tables.text_column import TextColumn

__all__ = ["with_leak_notes"]

# The most rows that are looked at, by which a column costs milliseconds.
_MOST_ROWS = 10_000
# With fewer rows, or fewer outside of the most frequent class, chance finds such columns.
_LEAST_ROWS = 30
_LEAST_OTHERS = 10
_LEAST_MISSING = 5
# R², and the part of the constant's errors that is avoided.
_ALMOST = 0.995
_ALMOST_CLASSES = 0.98
_EXACT = 1e-9
_BINS = 32


def with_leak_notes(
    table: Table, columns: Iterable[Column], target: Column, *, is_class: bool
) -> tuple[Column, ...]:
    """The columns with a note where one alone predicts the target almost perfectly.

    Numbers predict by a straight line, by their order, or by their neighbours in value among
    other rows; categories by the rows of the same level. Whatever is learned is applied to other
    rows: half of them learn, the other half is predicted, and the reverse, so that values that
    occur once predict nothing. A column may also be missing in just the rows of a class.

    Parameters
    ----------
    table : Table
        With a known target in every row.
    columns : iterable of Column
        Those to look at.
    target : Column
    is_class : bool
        Whether the target is a class.

    Examples
    --------
    >>> celsius = np.arange(40.0) % 11
    >>> table = Table(("f", "y"), {"f": 1.8 * celsius + 32, "y": celsius})
    >>> (column,) = with_leak_notes(
    ...     table, [Column("f", "number")], Column("y", "number"), is_class=False)
    >>> print(column.notes[0])
    in all 40 rows the target 'y' is 0.555556 · 'f' - 17.7778; if this is known only together \
with the target, leave it out with ignore='f'
    """
    columns = tuple(columns)
    rng = np.random.default_rng(0)
    rows, weights = _sample(table, target, is_class, rng)
    if len(rows) < _LEAST_ROWS:
        return columns
    sample = _rows_of(table, rows)
    if is_class:
        y = _codes(merged_labels(sample, target.name)[0]).astype(np.float64)
    else:
        y = read_cells(sample, target.name, target.kind)[0]
    finder = _LeakFinder(sample, y, weights, target.name, rng, len(table), is_class=is_class)
    found = []
    for column in columns:
        note = finder.note(column)
        found.append(replace(column, notes=(*column.notes, *note)) if note else column)
    return tuple(found)


def _sample(
    table: Table, target: Column, is_class: bool, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows to look at, and how many rows of the table each stands for; rare classes are kept."""
    n_rows = len(table)
    if n_rows <= _MOST_ROWS:
        return np.arange(n_rows), np.ones(n_rows)
    if not is_class:
        rows = np.sort(rng.choice(n_rows, _MOST_ROWS, replace=False))
        return rows, np.full(len(rows), n_rows / len(rows))
    codes = _codes(merged_labels(table, target.name)[0])
    counts = np.bincount(codes)
    most = max(_MOST_ROWS // int(np.count_nonzero(counts)), 100)
    order = rng.permutation(n_rows)
    order = order[np.argsort(codes[order], kind="stable")]
    rank = np.arange(n_rows) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.sort(order[rank < most])
    return rows, (counts / counts.clip(1, most))[codes[rows]]


def _rows_of(table: Table, rows: NDArray[np.int64]) -> Table:
    """The table with these rows, whose columns of text hold only the texts that occur in them."""
    taken = table.take(rows)
    columns: dict[str, Cells] = {}
    for name, cells in taken.columns.items():
        columns[name] = cells
        if isinstance(cells, TextColumn):
            used, codes = np.unique(cells.codes, return_inverse=True)
            first = int(used[0] < 0)
            texts = [cells.texts[code] for code in used[first:].tolist()]
            columns[name] = TextColumn(codes - first, texts)
    return replace(taken, columns=columns)


def _codes(labels: TextColumn) -> NDArray[np.int64]:
    """Numbers of the labels, from 0; -1 where missing."""
    return labels.codes.astype(np.int64)


class _LeakFinder:
    """Finds what a column alone says about the target in a sample of rows."""

    def __init__(
        self,
        sample: Table,
        y: NDArray[np.float64],
        weights: NDArray[np.float64],
        target: str,
        rng: np.random.Generator,
        n_rows: int,
        *,
        is_class: bool,
    ) -> None:
        self._sample, self._y, self._w, self._target = sample, y, weights, target
        self._is_class, self._n_rows = is_class, n_rows
        self._half = rng.permutation(len(y)) % 2 == 0

    def note(self, column: Column) -> list[str]:
        """Return a note if the column alone predicts the target almost perfectly."""
        x = self._values(column)
        known = ~np.isnan(x)
        found = self._missing_with_value(known)
        if not found and np.count_nonzero(known) >= _LEAST_ROWS:
            if self._is_class:
                found = self._class_figure(x, known, column.kind)
            elif column.kind == "category":
                found = self._level_figure(x[known], known)
            else:
                found = self._curve_figure(x[known], self._y[known], known, column.name)
        if not found:
            return []
        return [
            Message(
                f"{found}; if this is known only together with the target, leave it out with ",
                Parameter("ignore", column.name),
            )
        ]

    def _values(self, column: Column) -> NDArray[np.float64]:
        """The cells as numbers, NaN where missing; levels by number."""
        if column.kind == "category":
            codes = _codes(merged_labels(self._sample, column.name)[0]).astype(np.float64)
            return np.where(codes < 0, np.nan, codes)
        values, _ = read_cells(self._sample, column.name, column.kind)
        return np.where(outside_range(values, column.low, column.high), np.nan, values)

    def _rows_text(self, known: NDArray[np.bool_], where: str = "") -> str:
        n = int(np.count_nonzero(known))
        sampled = " looked at" if len(known) < self._n_rows else ""
        return f"all {n:,} rows{where}{sampled}"

    def _missing_with_value(self, known: NDArray[np.bool_]) -> str:
        """A class, or the most frequent number, that goes with missing cells."""
        missing = ~known
        if min(np.count_nonzero(missing), np.count_nonzero(known)) < _LEAST_MISSING:
            return ""
        values, numbers, counts = np.unique(self._y, return_inverse=True, return_counts=True)
        if not self._is_class and counts.max() < _LEAST_MISSING:
            return ""
        candidates = range(len(values)) if self._is_class else [int(counts.argmax())]
        total = np.bincount(numbers, self._w, len(values))
        gone = np.bincount(numbers[missing], self._w[missing], len(values))
        for what, there in (("missing", gone), ("known", total - gone)):
            for value in candidates:
                either = there.sum() + total[value] - there[value]
                others = total.sum() - total[value]
                if min(counts[value], len(numbers) - counts[value]) < _LEAST_MISSING:
                    continue
                if there[value] < _ALMOST_CLASSES * either or others <= 0:
                    continue
                elsewhere = there.sum() - there[value]
                return (
                    f"whether it is missing tells whether the target {self._target!r} is "
                    f"{self._label(values[value])}: it is {what} in "
                    f"{_percent(there[value] / total[value])} of those rows, and in "
                    f"{_percent(elsewhere / others)} of the others"
                )
        return ""

    def _label(self, value: float) -> str:
        if not self._is_class:
            return f"{value:.6g}"
        labels = merged_labels(self._sample, self._target)[0]
        return repr(labels.texts[int(value)])

    def _class_figure(self, x: NDArray[np.float64], known: NDArray[np.bool_], kind: str) -> str:
        y, w = self._y.astype(np.int64), self._w
        total = np.bincount(y, w)
        constant = 1 - total.max() / total.sum()
        if np.count_nonzero(y != total.argmax()) < _LEAST_OTHERS:
            return ""
        levels = np.full(len(x), -1, dtype=np.int64)
        levels[known] = np.unique(x[known], return_inverse=True)[1]
        predictors = [levels]
        if kind != "category" and levels.max() >= _BINS:
            predictors.append(_quantile_bins(x, known, levels))
        wrong = min(float(w[self._majority(each, y) != y].sum() / w.sum()) for each in predictors)
        if kind != "category":
            wrong = min(wrong, float(w[self._nearest(x, known, y) != y].sum() / w.sum()))
        if wrong > (1 - _ALMOST_CLASSES) * constant:
            return ""
        return (
            f"it alone predicts the target {self._target!r} almost perfectly: correctly in "
            f"{_percent(1 - wrong)} of the rows, each predicted from other rows; the most "
            f"frequent class is that of {_percent(1 - constant)}"
        )

    def _majority(self, levels: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
        """The most frequent class of each row's level in the other half of the rows."""
        n_classes = int(y.max()) + 1
        predicted = np.empty_like(y)
        for half in (self._half, ~self._half):
            keys, number = np.unique((levels[half] + 1) * n_classes + y[half], return_inverse=True)
            count = np.bincount(number, self._w[half])
            best = np.full(int(levels.max()) + 2, np.bincount(y[half], self._w[half]).argmax())
            order = np.argsort(count, kind="stable")
            best[keys[order] // n_classes] = keys[order] % n_classes
            predicted[~half] = best[levels[~half] + 1]
        return predicted

    def _nearest(
        self, x: NDArray[np.float64], known: NDArray[np.bool_], y: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The class of the row of the nearest value in the other half of the rows."""
        predicted = self._majority(np.where(known, 0, -1), y)
        for half in (self._half, ~self._half):
            learn, test = np.flatnonzero(half & known), np.flatnonzero(~half & known)
            learn = learn[np.argsort(x[learn], kind="stable")]
            if len(learn):
                above = np.searchsorted(x[learn], x[test]).clip(1, len(learn) - 1)
                low, high = learn[above - 1], learn[above]
                nearest = np.where(x[test] - x[low] <= x[high] - x[test], low, high)
                predicted[test] = y[nearest]
        return predicted

    def _level_figure(self, levels: NDArray[np.float64], known: NDArray[np.bool_]) -> str:
        """R² of the mean of each level in the other half of the rows."""
        y, half = self._y[known], self._half[known]
        codes = levels.astype(np.int64)
        predicted = np.empty_like(y)
        for part in (half, ~half):
            if not part.any():
                return ""
            mean = y[part].mean()
            count = np.bincount(codes[part], minlength=codes.max() + 1)
            total = np.bincount(codes[part], y[part] - mean, codes.max() + 1)
            predicted[~part] = mean + (total / np.maximum(count, 1))[codes[~part]]
        return self._r2_text(_r2(y, predicted), known, "the mean of its level in other rows")

    def _curve_figure(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        known: NDArray[np.bool_],
        name: str,
    ) -> str:
        where = "" if known.all() else " where it is known"
        if np.array_equal(x, y):
            return f"in {self._rows_text(known, where)} it is equal to the target {self._target!r}"
        # Divided, so that no square overflows.
        scale_x, scale_y = np.abs(x).max() or 1.0, np.abs(y).max() or 1.0
        x, y = x / scale_x, y / scale_y
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            return ""
        slope = float(np.mean((x - x.mean()) * (y - y.mean())) / np.var(x)) if np.var(x) else 0.0
        line = y.mean() + slope * (x - x.mean())
        if np.abs(y - line).max() <= _EXACT * np.ptp(y):
            a, b = slope * scale_y / scale_x, float(y.mean() - slope * x.mean()) * scale_y
            shift = "" if abs(b) <= _EXACT * scale_y else f" {'+' if b > 0 else '-'} {abs(b):.6g}"
            return (
                f"in {self._rows_text(known, where)} the target {self._target!r} is "
                f"{a:.6g} · {name!r}{shift}"
            )
        if text := self._r2_text(_r2(y, line), known, "a straight line"):
            return text
        rho = float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])
        if text := self._r2_text(rho * rho, known, "its order"):
            return text
        half = self._half[known]
        predicted = np.full(len(y), np.nan)
        for part in (half, ~half):
            if np.count_nonzero(part) < 2:
                return ""
            at, number = np.unique(x[part], return_inverse=True)
            means = np.bincount(number, y[part]) / np.bincount(number)
            predicted[~part] = np.interp(x[~part], at, means, np.nan, np.nan)
        between = ~np.isnan(predicted)  # beyond the values of the others there is no neighbour
        if np.count_nonzero(between) < 0.9 * len(y):
            return ""
        r2 = _r2(y[between], predicted[between])
        known = known.copy()
        known[known] = between
        return self._r2_text(r2, known, "its neighbours in value among other rows")

    def _r2_text(self, r2: float, known: NDArray[np.bool_], by: str) -> str:
        if not r2 >= _ALMOST:
            return ""
        where = "" if known.all() else " where it can be told"
        shown = np.floor(r2 * 1e4 + 1e-6) / 1e4
        return (
            f"it alone predicts the target {self._target!r} almost perfectly by {by}: "
            f"R² {shown:.4f} in {self._rows_text(known, where)}"
        )


def _quantile_bins(
    x: NDArray[np.float64], known: NDArray[np.bool_], levels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The bin of each value among 32 of equally many rows; -1 where missing."""
    edges = np.unique(np.quantile(x[known], np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = np.full_like(levels, -1)
    bins[known] = np.searchsorted(edges, x[known], side="right")
    return bins


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean rank of each value among all."""
    _, number, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[number], dtype=np.float64)


def _r2(y: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    total = float(np.sum((y - y.mean()) ** 2))
    return 1 - float(np.sum((y - predicted) ** 2)) / total if total > 0 else 0.0


def _percent(share: float) -> str:
    """A share in percent, rounded down; 100 % is said of nothing less.

    Examples
    --------
    >>> _percent(0.99999), _percent(0.5), _percent(1.0), _percent(1e-5)
    ('99.9990 %', '50.0 %', '100.0 %', '0.001 %')
    """
    decimals = 1
    if 0 < share < 1:
        decimals += max(0, int(-np.floor(np.log10(min(share, 1 - share)))) - 3)
    unit = 10.0 ** (decimals + 2)
    return f"{np.floor(share * unit + 1e-6) / unit * 100:.{decimals}f} %"
