"""Calibration and confusion of a model of classes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tabular.diagnostics.rows import ScoredRows
from deltarule.tabular.verdict import effective_number

__all__ = ["Calibration", "Confusion", "calibration", "confusion", "wilson_interval"]

_DIAGRAM_BINS = 10
# Of the expected calibration error, as in the literature.
_ERROR_BINS = 15
_DRAWS = 200


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """How often what a model predicts with a probability is true.

    The bins are equal parts of [0, 1]; those without rows are left out.

    Attributes
    ----------
    label : str or None
        The class whose probability it is; None for that of the most probable class.
    predicted, observed : array of shape (bins,)
        The mean probability, and how often it was true.
    low, high : array of shape (bins,)
        A 95 % interval of ``observed``, by Wilson.
    rows : array of shape (bins,)
        The number of rows.
    probabilities : array of shape (N,)
    error : float
        The expected calibration error: Σ_b (w_b/w) |observed_b − predicted_b| over 15 equal bins of
        the probability of the most probable class.
    error_by_chance : float
        What it would be on average if each probability were right, with rows as these.
    error_limit : float
        What it would stay below in 95 of 100 cases if each probability were right: only a larger
        error shows that the probabilities are off.

    References
    ----------
    Guo et al. (2017), "On calibration of modern neural networks"; Wilson (1927), "Probable
    inference, the law of succession, and statistical inference".
    """

    label: str | None
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    error: float
    error_by_chance: float
    error_limit: float


def calibration(rows: ScoredRows) -> Calibration:
    """Return the calibration of probabilities: of the second of two classes, else of the largest.

    Raises
    ------
    InputError
        If the model predicts numbers.
    """
    rows.need("classification", "calibration")
    top = rows.outputs.max(axis=1)
    right = rows.outputs.argmax(axis=1) == rows.truth
    p, true, label = top, right, None
    if len(rows.classes) == 2:
        p, true, label = rows.outputs[:, 1], rows.truth == 1, rows.classes[1]
    index = _bins(p, _DIAGRAM_BINS)
    found = []
    for each in np.unique(index):
        at = index == each
        w = rows.weights[at]
        if not w.sum() > 0:
            continue
        observed = float(np.average(true[at], weights=w))
        ends = wilson_interval(observed, effective_number(w))
        found.append((np.average(p[at], weights=w), observed, *ends, np.count_nonzero(at)))
    predicted, observed_, low, high, counts = np.array(found).T
    # What is drawn for the error by chance: true with the predicted probability, row by row.
    rng = np.random.default_rng(0)
    draws = [
        _calibration_error(top, rng.random(len(top)) < top, rows.shares)
        for _ in range(_DRAWS if len(rows) <= 10_000 else _DRAWS // 5)
    ]
    return Calibration(
        label,
        predicted,
        observed_,
        low,
        high,
        counts.astype(np.int64),
        np.asarray(p, dtype=np.float64),
        _calibration_error(top, right, rows.shares),
        float(np.mean(draws)),
        float(np.quantile(draws, 0.95)),
    )


def _bins(p: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Return the number of the bin of each probability among n equal ones."""
    return np.minimum((p * n).astype(np.int64), n - 1)


def _calibration_error(
    top: NDArray[np.float64], right: NDArray[np.bool_], shares: NDArray[np.float64]
) -> float:
    difference = np.bincount(_bins(top, _ERROR_BINS), shares * (right - top), _ERROR_BINS)
    return float(np.abs(difference).sum())


def wilson_interval(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share among n rows, at the level 95 % unless given.

    Examples
    --------
    >>> low, high = wilson_interval(0.5, 100)
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    if not n > 0:
        return 0.0, 1.0
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


@dataclasses.dataclass(frozen=True, eq=False)
class Confusion:
    """How many rows of each class are predicted as each class.

    Attributes
    ----------
    matrix : array of shape (K, K)
        The number of rows, or the sum of their weights, of class i that are predicted as j.
    labels : tuple of str
    recall, precision : array of shape (K,)
        The diagonal divided by the sums of rows, and of columns; NaN where there is none.
    """

    matrix: NDArray[Any]
    labels: tuple[str, ...]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]

    def mistakes(self, most: int = 5) -> list[tuple[str, str, float]]:
        """Return the most frequent mistakes: the class, what is predicted, and how many rows."""
        wrong = np.array(self.matrix, dtype=np.float64)
        np.fill_diagonal(wrong, 0.0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        found = [np.unravel_index(each, wrong.shape) for each in order]
        return [
            (self.labels[i], self.labels[j], float(wrong[i, j]))
            for i, j in found
            if wrong[i, j] > 0
        ]

    def most_frequent(self) -> list[tuple[str, str, float]]:
        """Return all mistakes that are as frequent as the most frequent one."""
        found = self.mistakes(self.matrix.size)
        return [each for each in found if each[2] == found[0][2]]

    def never_predicted(self) -> list[tuple[str, float]]:
        """Return the classes of rows that no row is predicted to be, with their number of rows."""
        totals, predicted = self.matrix.sum(axis=1), self.matrix.sum(axis=0)
        return [
            (label, float(total))
            for label, total, n in zip(self.labels, totals, predicted, strict=True)
            if total > 0 and n == 0
        ]


def confusion(rows: ScoredRows) -> Confusion:
    """Return the confusion matrix of the most probable classes.

    Raises
    ------
    InputError
        If the model predicts numbers.
    """
    rows.need("classification", "a confusion matrix")
    weights = None if rows.typed.weights is None else rows.weights
    n = len(rows.classes)
    cells = rows.truth * n + rows.outputs.argmax(axis=1)
    matrix = np.bincount(cells, weights, minlength=n * n).reshape(n, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.diag(matrix) / matrix.sum(axis=1)
        precision = np.diag(matrix) / matrix.sum(axis=0)
    return Confusion(matrix, rows.classes, recall, precision)
