"""Errors by group: for which rows a model is wrong more often, or by more, than for others."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tables import TextColumn
from deltarule.tables.number_encoders import weighted_quantiles
from deltarule.tabular.diagnostics.classes import wilson_interval
from deltarule.tabular.diagnostics.group_loss import GroupLoss, group_loss
from deltarule.tabular.diagnostics.importance import sample_of_rows
from deltarule.tabular.diagnostics.rows import ScoredRows
from deltarule.tabular.scores import power_of_two, row_losses
from deltarule.tabular.verdict import effective_number

__all__ = ["ErrorGroup", "ErrorShare", "GroupErrors", "KindsOfError", "group_errors"]

# The most levels of a category with a group of their own, and the parts of a number's range.
_MOST_LEVELS, _PARTS = 8, 4
# Fewer rows than this say nothing about their group.
_LEAST_ROWS = 10
# The first of two classes is that of interest only if it is so much rarer than the second.
_MUCH_RARER = 0.5
_MOST_COLUMNS, _MOST_ROWS = 200, 50_000


@dataclasses.dataclass(frozen=True)
class ErrorShare:
    """How many of some rows of a group something is true of, such as a kind of error.

    Attributes
    ----------
    rows, count : int
        The rows that are looked at, and those of them of which it is true. Those of weight 0 do not
        count.
    share : float or None
        The share, weighted; None without rows.
    others : float or None
        The same of the rows that are not of the group; None without such rows.
    worse : bool
        Whether it is more than that of the others, beyond chance: whether ``least`` is above 0.
    least, most : float or None
        The interval of ``share − others``, by Newcombe, at the level ``kinds_level`` of
        :class:`GroupErrors`; None with fewer than ten rows, or without others.
    """

    rows: int
    count: int
    share: float | None
    others: float | None
    worse: bool
    least: float | None = None
    most: float | None = None


@dataclasses.dataclass(frozen=True)
class KindsOfError:
    """How often one class is predicted, and how often wrongly.

    Attributes
    ----------
    predicted : ErrorShare
        Of all rows, those that are predicted to be of the class.
    missed : ErrorShare
        Of the rows that are of the class, those that are predicted otherwise.
    false : ErrorShare
        Of the rows that are not, those that are predicted to be of the class.
    """

    predicted: ErrorShare
    missed: ErrorShare
    false: ErrorShare


@dataclasses.dataclass(frozen=True)
class ErrorGroup:
    """The rows whose cells in one column are alike, and the model's error on them.

    Attributes
    ----------
    column : str
    kind : {"level", "others", "range", "missing"}
        One level of a category, its rarer levels together, numbers in a range, or missing cells.
    level : str
        The level; "" of other kinds.
    low_cell, high_cell : float or None
        The smallest and the largest number of the rows, for a date in days since 1970-01-01; None
        of other kinds.
    rows : int
        Those of weight 0 do not count.
    error : float
        The share of rows that are predicted wrong, or the mean absolute error.
    low, high : float
        A 95 % interval of it: by Wilson, or by Student's t.
    bias : float or None
        Of numbers: the mean of ``predicted − true``; above 0 predictions are too high.
    others : float
        The error on all other rows.
    worse : bool
        Whether the error, or of classes the mean log loss, is above that of the other rows beyond
        chance: whether ``least`` of it, of an interval so wide that those of all groups together
        hold with a probability of 95 %, is above 0.
    least, most : float
        This interval of ``error − others``, by Newcombe; ``level`` of :class:`GroupErrors` is its
        level.
    loss : GroupLoss or None
        Of classes: the mean log loss, and its interval.
    kinds : KindsOfError or None
        Of classes: of ``label`` of :class:`GroupErrors`.
    """

    column: str
    kind: str
    level: str
    low_cell: float | None
    high_cell: float | None
    rows: int
    error: float
    low: float
    high: float
    bias: float | None
    others: float
    worse: bool
    least: float
    most: float
    kinds: KindsOfError | None = None
    loss: GroupLoss | None = None

    @property
    def more_errors(self) -> bool:
        """Whether the error is above that of the other rows beyond chance."""
        return self.least > 0


@dataclasses.dataclass(frozen=True)
class GroupErrors:
    """The errors of all groups, the worst first.

    Attributes
    ----------
    error : float
        That of all rows.
    groups : tuple of ErrorGroup
        Those that are worse beyond chance first, then the others, each by their error.
    small : int
        The number of groups of less than ten rows, which are left out.
    rows, of_rows : int
        The number of rows that were used, drawn with a fixed seed, and that there are.
    label : str or None
        The class that the kinds of errors are of: the second of two, or the first if it is less
        than half as frequent, and the rarest of several; None of numbers, or where all rows are of
        one class.
    kinds : KindsOfError or None
        Of that class, over all rows.
    level : float
        Of the intervals of differences: 1 − 0.05 divided by their number, which is that of the
        groups, and of classes twice that, since each has one of its errors and one of its losses.
    kinds_level : float
        Of those of the kinds of errors, which are three for each group: 1 − 0.05 divided by three
        times the number of groups.
    as_rare : tuple of str
        Of several classes, the others that have as few rows as ``label``, the first of them.
    """

    error: float
    groups: tuple[ErrorGroup, ...]
    small: int
    rows: int
    of_rows: int
    label: str | None = None
    kinds: KindsOfError | None = None
    level: float = 0.95
    kinds_level: float = 0.95
    as_rare: tuple[str, ...] = ()

    @property
    def worse(self) -> tuple[ErrorGroup, ...]:
        """The groups whose error or loss is above that of the other rows beyond chance."""
        return tuple(group for group in self.groups if group.worse)


def group_errors(rows: ScoredRows) -> GroupErrors:
    """Return the errors of a model by groups of rows, for each column.

    A category has a group for each of its most frequent levels, eight at most; numbers and dates
    have four ranges of about as many rows; missing cells are a group.

    Parameters
    ----------
    rows : ScoredRows

    References
    ----------
    Newcombe (1998), "Interval estimation for the difference between independent proportions".

    Examples
    --------
    >>> from deltarule.tables import Schema, TypedColumns
    >>> from deltarule.tables.schema import Column
    >>> x = np.arange(80.0)
    >>> rows = ScoredRows("given", "regression", (), Schema((Column("x", "number"),)),
    ...                   TypedColumns({"x": x}, np.arange(80)), x, x + (x >= 60), np.ones(80), len)
    >>> worst = group_errors(rows).groups[0]
    >>> worst.low_cell, worst.high_cell, worst.error, worst.bias, worst.worse
    (60.0, 79.0, 1.0, 1.0, True)
    """
    of_classes = rows.task == "classification"
    index = sample_of_rows(len(rows), _MOST_ROWS)
    outputs, truth, weights = rows.outputs[index], rows.truth[index], rows.weights[index]
    if not weights.any():
        weights = np.ones(len(index))
    gaps: NDArray[np.float64]
    if of_classes:
        gaps = (outputs.argmax(axis=1) != truth).astype(np.float64)
    else:
        gaps = np.asarray(outputs - truth, dtype=np.float64)
    # Scaling by a power of two is exact, and keeps the square of 1e300 finite.
    unit = power_of_two(gaps)
    masks = []
    for name in rows.schema.names[:_MOST_COLUMNS]:
        for what, mask in _parts_of(rows.typed.columns[name][index], weights):
            # A group of all rows compares with none.
            if mask[weights > 0].any() and not mask[weights > 0].all():
                masks.append(({"column": name, **what}, mask))
    large = [(what, mask) for what, mask in masks if (weights[mask] > 0).sum() >= _LEAST_ROWS]
    # Of classes each group has two differences: of its errors, and of its losses.
    level = 1 - 0.05 / ((1 + of_classes) * max(len(large), 1))
    losses = row_losses(rows.task, truth, outputs) if of_classes else None
    found = [
        _group(what, mask, gaps / unit, weights, losses, 1 - level, unit) for what, mask in large
    ]
    kinds_level = 1 - 0.05 / (3 * max(len(large), 1))  # three shares of each group
    label = kinds = None
    others = list[int]()
    if of_classes and (named := _class_of_interest(truth, weights)):
        k, *others = named
        label = str(rows.classes[k])
        true, predicted = truth == k, outputs.argmax(axis=1) == k
        everywhere = np.ones(len(truth), dtype=np.bool_)
        kinds = _kinds_of_error(everywhere, true, predicted, weights, 1.0)
        alpha = 1 - kinds_level
        found = [
            dataclasses.replace(group, kinds=_kinds_of_error(mask, true, predicted, weights, alpha))
            for group, (_, mask) in zip(found, large, strict=True)
        ]
    order = sorted(found, key=_order)
    return GroupErrors(
        float(np.average(np.abs(gaps / unit), weights=weights)) * unit,
        tuple(order),
        len(masks) - len(large),
        len(index),
        len(rows),
        label,
        kinds,
        level,
        kinds_level,
        tuple(str(rows.classes[each]) for each in others),
    )


def _order(group: ErrorGroup) -> tuple[bool, bool, float, int]:
    """Return by what groups are sorted: those first that are worse, and of them by their errors."""
    return not group.worse, not group.more_errors, -group.error, -group.rows


def _class_of_interest(truth: NDArray[Any], weights: NDArray[np.float64]) -> list[int]:
    """Return the number of the class that kinds of errors are of, and those that are as rare.

    Of two classes it is the second, as scikit-learn's ``pos_label`` is 1, unless the first has
    less than half of its weight; of several the rarest one. None if there is only one.
    """
    rarest = _rarest(truth, weights)
    if not rarest or truth.max() > 1:
        return rarest
    of_first, of_second = np.bincount(truth, weights=weights, minlength=2)
    return [0 if of_first < _MUCH_RARER * of_second else 1]


def _rarest(truth: NDArray[Any], weights: NDArray[np.float64]) -> list[int]:
    """Return the numbers of the classes of the least weight that there is; none if there is one.

    Several have the same number of rows, or the same sum of weights.
    """
    present, index = np.unique(truth[weights > 0], return_inverse=True)
    if len(present) < 2:
        return []
    totals = np.bincount(index, weights=weights[weights > 0])
    return [int(each) for each in present[totals == totals.min()]]


def _kinds_of_error(
    mask: NDArray[np.bool_],
    true: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    weights: NDArray[np.float64],
    alpha: float,
) -> KindsOfError:
    """Return how often a class is predicted in a group, is missed, and is predicted falsely."""
    return KindsOfError(
        _share(mask, predicted, weights, alpha),
        _share(mask, ~predicted, np.where(true, weights, 0.0), alpha),
        _share(mask, predicted, np.where(true, 0.0, weights), alpha),
    )


def _share(
    mask: NDArray[np.bool_], what: NDArray[np.bool_], weights: NDArray[np.float64], alpha: float
) -> ErrorShare:
    """Return of how many rows of a group, of those with weight, something is true."""
    own, rest = mask & (weights > 0), ~mask & (weights > 0)
    n, count = int(own.sum()), int((own & what).sum())
    share = float(np.average(what[own], weights=weights[own])) if n else None
    others = float(np.average(what[rest], weights=weights[rest])) if rest.any() else None
    if others is None or n < _LEAST_ROWS:
        return ErrorShare(n, count, share, others, False)
    least, most = _difference(what.astype(np.float64), own, rest, weights, alpha, True)
    return ErrorShare(n, count, share, others, least > 0, least, most)


def _parts_of(
    cells: Any, weights: NDArray[np.float64]
) -> list[tuple[dict[str, Any], NDArray[np.bool_]]]:
    """Return the groups of a column: what they are, and their rows."""
    none: dict[str, Any] = {"level": "", "low_cell": None, "high_cell": None}
    found: list[tuple[dict[str, Any], NDArray[np.bool_]]] = []
    if isinstance(cells, TextColumn):
        missing = np.asarray(cells.is_missing())
        by_count = sorted(cells.counts().items(), key=lambda item: (-item[1], item[0]))
        # A single rare level stands for itself.
        shown = by_count[:_MOST_LEVELS] if len(by_count) > _MOST_LEVELS + 1 else by_count
        codes = [cells.texts.index(level) for level, _ in shown]
        for (level, _), code in zip(shown, codes, strict=True):
            found.append(({**none, "kind": "level", "level": level}, cells.codes == code))
        if len(shown) < len(by_count):
            found.append(({**none, "kind": "others"}, ~np.isin(cells.codes, codes) & ~missing))
    else:
        numbers = np.asarray(cells, dtype=np.float64)
        missing = np.isnan(numbers)
        for low, high in _ranges(numbers, weights):
            mask = (numbers >= low) & (numbers <= high)
            found.append(({**none, "kind": "range", "low_cell": low, "high_cell": high}, mask))
    if missing.any():
        found.append(({**none, "kind": "missing"}, missing))
    return found


def _ranges(
    numbers: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Return ranges of about as many known numbers each; one for each of few numbers."""
    used = ~np.isnan(numbers) & (weights > 0)
    known = np.unique(numbers[used])
    if len(known) <= _PARTS:
        return [(float(each), float(each)) for each in known]
    inner = np.arange(1, _PARTS) / _PARTS
    edges = np.unique(np.asarray(weighted_quantiles(numbers[used], inner.tolist(), weights[used])))
    part = np.searchsorted(edges, known, side="left")
    return [
        (float(known[part == k].min()), float(known[part == k].max()))
        for k in range(len(edges) + 1)
        if (part == k).any()
    ]


def _group(
    what: dict[str, Any],
    mask: NDArray[np.bool_],
    gaps: NDArray[np.float64],
    weights: NDArray[np.float64],
    losses: NDArray[np.float64] | None,
    alpha: float,
    unit: float,
) -> ErrorGroup:
    """Return a group with its error, compared with the other rows' at the level ``alpha``."""
    of_classes = losses is not None
    loss = None if losses is None else group_loss(losses, mask, weights, alpha)
    sizes = np.abs(gaps)
    error, low, high = _interval(sizes[mask], weights[mask], 0.05, of_classes)
    others = float(np.average(sizes[~mask], weights=weights[~mask]))
    bias = None if of_classes else unit * float(np.average(gaps[mask], weights=weights[mask]))
    least, most = _difference(sizes, mask, ~mask, weights, alpha, of_classes)
    return ErrorGroup(
        **what,
        rows=int((weights[mask] > 0).sum()),
        error=unit * error,
        low=unit * low,
        high=unit * high,
        bias=bias,
        others=unit * others,
        worse=least > 0 or (loss is not None and loss.worse),
        least=unit * least,
        most=unit * most,
        loss=loss,
    )


def _difference(
    values: NDArray[np.float64],
    own: NDArray[np.bool_],
    rest: NDArray[np.bool_],
    weights: NDArray[np.float64],
    alpha: float,
    of_classes: bool,
) -> tuple[float, float]:
    """Return the ends of the interval of a group's mean less that of the rest, at ``1 − alpha``.

    By Newcombe's interval of a difference, of the ends of the intervals of both.
    """
    mean, low, high = _interval(values[own], weights[own], alpha, of_classes)
    others, low_of_others, high_of_others = _interval(
        values[rest], weights[rest], alpha, of_classes
    )
    gap = mean - others
    least = gap - float(np.hypot(mean - low, high_of_others - others))
    return least, gap + float(np.hypot(high - mean, others - low_of_others))


def _interval(
    values: NDArray[np.float64], weights: NDArray[np.float64], alpha: float, of_classes: bool
) -> tuple[float, float, float]:
    """Return a weighted mean, and the ends of its interval at the level ``1 − alpha``."""
    from scipy.special import stdtrit

    n = effective_number(weights)
    mean = float(np.average(values, weights=weights))
    if of_classes:
        return (mean, *wilson_interval(mean, n, 1 - alpha))
    half = float("inf")
    if n > 1:
        shares = weights / weights.sum()
        variance = float(((values - mean) ** 2 @ shares**2) * n / (n - 1))
        half = float(stdtrit(n - 1, 1 - alpha / 2)) * variance**0.5
    return mean, max(mean - half, 0.0), mean + half
