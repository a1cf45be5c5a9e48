"""Scores of predictions that are made chunk by chunk, in memory that does not grow with the rows.

Accuracy, log loss, errors and R² are sums over the rows. The area under the ROC curve needs the
order of all rows by probability; here rows are counted in narrow bins of the probability, and the
scores say how far the result may be off.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tabular.scores import power_of_two

__all__ = ["ScoreSums"]

_EPS = np.finfo(np.float64).eps
# The bits of a float32 below ½, in steps of 2^shift: bins of 2^(shift − 23) of the probability.
_HALF_BITS = 0x3F000000
_SHIFT, _MOST_SUMS = 8, 1 << 22


class ScoreSums:
    """The sums that :func:`~deltarule.tabular.scores.score_outputs` follows from.

    Parameters
    ----------
    task : str
    n_classes : int

    Attributes
    ----------
    auc_error : float
        By how much the AUC may differ from that of the exact probabilities.

    Examples
    --------
    >>> sums = ScoreSums("regression", 0)
    >>> sums.add(np.array([1.0]), np.array([1.0]), None)
    >>> sums.add(np.array([3.0]), np.array([2.0]), None)
    >>> sums.scores()
    {'r2': 0.5, 'rmse': 0.7071067811865476, 'mae': 0.5}
    """

    def __init__(self, task: str, n_classes: int = 0) -> None:
        self.task, self.n_rows = task, 0
        self.auc_error = 0.0
        self._weight = 0.0
        # Σ w of right predictions and Σ w log loss; or Σ w e², Σ w |e|, and of the targets.
        self._sums = np.zeros(2 if n_classes else 4)
        self._centre, self._unit = 0.0, 0.0
        self._range = np.inf, -np.inf
        curves = n_classes if n_classes > 2 else min(n_classes, 1)
        # With more classes bins are wider, so that all of them together stay small.
        self._shift = _SHIFT
        while curves * 2 * self._n_bins() > _MOST_SUMS:
            self._shift += 1
        self._curves = np.zeros((curves, 2, self._n_bins() if curves else 0))

    def _n_bins(self) -> int:
        return 2 * ((_HALF_BITS >> self._shift) + 1)

    def add(
        self, truth: NDArray[Any], outputs: NDArray[Any], weights: NDArray[np.float64] | None
    ) -> None:
        """Add rows: class numbers and probabilities, or numbers and predictions, and weights."""
        if not len(truth):
            return
        w = np.ones(len(truth)) if weights is None else weights
        self.n_rows += len(truth)
        self._weight += float(w.sum())
        if self.task == "regression":
            self._add_numbers(truth, outputs, w)
            return
        p = outputs.astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        of_truth = np.clip(p[np.arange(len(truth)), truth], _EPS, 1 - _EPS)
        right = outputs.argmax(axis=1) == truth
        self._sums += [float(w @ right), float(w @ -np.log(of_truth))]
        columns = [1] if len(self._curves) == 1 else range(len(self._curves))
        for curve, label in zip(self._curves, columns, strict=True):
            bins, is_label = self._bins(p[:, label]), truth == label
            for k, chosen in enumerate((~is_label, is_label)):
                curve[k] += np.bincount(bins[chosen], w[chosen], curve.shape[1])

    def _add_numbers(
        self, truth: NDArray[np.float64], outputs: NDArray[np.float64], w: NDArray[np.float64]
    ) -> None:
        if not self._unit:  # a power of two, so that squares of numbers near 1e300 are finite
            self._unit = power_of_two(truth)
            self._centre = float(np.average(truth / self._unit))
        errors = outputs / self._unit - truth / self._unit
        spread = truth / self._unit - self._centre
        self._sums += [w @ errors**2, w @ np.abs(errors), w @ spread, w @ spread**2]
        weighted = truth[w > 0]
        if len(weighted):
            low, high = self._range
            self._range = min(low, float(weighted.min())), max(high, float(weighted.max()))

    def _bins(self, p: NDArray[np.float64]) -> NDArray[np.int64]:
        """The bin of each probability: by the bits of p below ½, and of 1 − p above."""
        near = np.minimum(p, 1 - p).astype(np.float32)
        steps = near.view(np.int32).astype(np.int64) >> self._shift
        return np.where(p < 0.5, steps, self._n_bins() - 1 - steps)

    def scores(self) -> dict[str, float | None]:
        """The scores of all rows so far, by the names that ``score_outputs`` has."""
        if self.task == "regression":
            squared, absolute, first, second = (self._sums / self._weight).tolist()
            spread = second - first**2
            defined = self.n_rows > 1 and self._range[0] < self._range[1] and spread > 0
            return {
                "r2": 1 - squared / spread if defined else None,
                "rmse": math.sqrt(squared) * self._unit,
                "mae": absolute * self._unit,
            }
        accuracy, log_loss = (self._sums / self._weight).tolist()
        return {"accuracy": accuracy, "log_loss": log_loss, "auc": self._auc()}

    def _auc(self) -> float | None:
        """The mean area of the curves of classes that some rows have, and others have not."""
        found, errors = [], []
        for others, own in self._curves:
            pairs = float(own.sum() * others.sum())
            if pairs > 0:
                above = others.sum() - np.cumsum(others)  # of the bins above each
                tied = float(own @ others)
                found.append(1 - float(own @ above + tied / 2) / pairs)
                errors.append(tied / 2 / pairs)
        if not found:
            return None
        self.auc_error = float(np.mean(errors))
        return float(np.mean(found))
