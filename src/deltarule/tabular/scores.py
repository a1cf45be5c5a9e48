"""Scores of predictions: the numbers that scikit-learn's metrics give, without its import.

Importing scikit-learn takes longer than to predict and score most tables. Each function repeats the
operations of the metric that it names, in their order.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["power_of_two", "row_losses", "score_outputs"]


def score_outputs(
    task: str, truth: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float | None]:
    """Score predictions, with row weights of shape (N,) or None.

    ``truth`` holds class numbers, or numbers in the target's own unit, shape (N,); ``outputs``
    holds probabilities of shape (N, classes), or numbers of shape (N,).

    Returns
    -------
    dict
        ``accuracy``, ``log_loss`` and ``auc`` (one class against the rest, averaged, for
        more than two); or ``r2``, ``rmse`` and ``mae``. A score that is not defined for these
        rows, such as the AUC of a single class, is None.

    Examples
    --------
    >>> score_outputs("regression", np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    {'r2': 0.5, 'rmse': 0.7071067811865476, 'mae': 0.5}
    """
    if task == "regression":
        return _regression_scores(truth, outputs, weights)
    probabilities = outputs.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {
        "accuracy": float(np.average(outputs.argmax(axis=1) == truth, weights=weights)),
        "log_loss": _log_loss(truth, probabilities, weights),
        "auc": _auc(truth, probabilities, weights),
    }


def _log_loss(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None) -> float:
    """As ``sklearn.metrics.log_loss``: the mean of −log p of the true class, eps ≤ p ≤ 1 − eps."""
    eps = np.finfo(np.float64).eps
    of_truth = np.clip(probabilities[np.arange(len(truth)), truth], eps, 1 - eps)
    # The logarithm of the C library, as there; NumPy's may differ in the last digit.
    logs = np.fromiter(map(math.log, of_truth.tolist()), np.float64, len(truth))
    return float(np.average(-logs, weights=weights))


def _regression_scores(
    truth: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None
) -> dict[str, float | None]:
    # Scaling by a power of two is exact, and keeps the square of 1e300 finite.
    unit = max(power_of_two(truth), power_of_two(outputs))
    errors = outputs / unit - truth / unit
    weighted_truth = truth if weights is None else truth[weights > 0]
    mean = np.average(truth / unit, weights=weights)
    spread = np.average((truth / unit - mean) ** 2, weights=weights)
    mse = np.average(errors**2, weights=weights)
    defined = len(weighted_truth) > 1 and np.ptp(weighted_truth) > 0 and spread > 0
    return {
        "r2": float(1 - mse / spread) if defined else None,
        "rmse": float(np.sqrt(mse)) * unit,
        "mae": float(np.average(np.abs(errors), weights=weights)) * unit,
    }


def power_of_two(values: np.ndarray) -> float:
    """Return the largest power of two up to the largest absolute value; 1 for zeros.

    Examples
    --------
    >>> power_of_two(np.array([-5.0, 3.0]))
    4.0
    """
    largest = float(np.abs(values).max()) if len(values) else 0.0
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 0 else 1.0


def _auc(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None) -> float | None:
    """Return the AUC of each class against the rest, averaged over classes where it is defined."""
    weighted = slice(None) if weights is None else weights > 0
    results = []
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    for label in columns:
        is_label = truth == label
        if is_label[weighted].any() and not is_label[weighted].all():
            results.append(_binary_auc(is_label, probabilities[:, label], weights))
    return float(np.mean(results)) if results else None


def _binary_auc(is_label: np.ndarray, probability: np.ndarray, weights: np.ndarray | None) -> float:
    """As ``sklearn.metrics.roc_auc_score``: the area below the curve of both rates."""
    if weights is not None:
        some = weights != 0
        is_label, probability, weights = is_label[some], probability[some], weights[some]
    order = np.argsort(-probability, kind="stable")
    true, sorted_probability = is_label[order].astype(np.float64), probability[order]
    ends = np.append(np.flatnonzero(np.diff(sorted_probability)), len(true) - 1)
    if weights is None:
        hits = np.cumsum(true)[ends]
        alarms = 1 + ends.astype(np.float64) - hits
    else:
        w = weights[order]
        hits, alarms = np.cumsum(true * w)[ends], np.cumsum((1 - true) * w)[ends]
    if len(ends) > 2:  # points on a line between others
        corner = np.logical_or(np.diff(alarms, 2), np.diff(hits, 2))
        kept = np.flatnonzero(np.concatenate([[True], corner, [True]]))
        hits, alarms = hits[kept], alarms[kept]
    hits, alarms = np.append(0.0, hits), np.append(0.0, alarms)
    return float(np.trapezoid(hits / hits[-1], alarms / alarms[-1]))


def row_losses(task: str, truth: np.ndarray, outputs: np.ndarray, unit: float = 1.0) -> np.ndarray:
    """Return the squared error, in units of ``unit``, or the log loss of each row, shape (N,).

    Examples
    --------
    >>> row_losses("regression", np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array([0., 4.])
    """
    if task == "regression":
        squares: np.ndarray = (outputs / unit - truth / unit) ** 2
        return squares
    of_truth = outputs.astype(np.float64)[np.arange(len(truth)), truth]
    # As in scikit-learn's log loss, a probability of 0 counts as eps.
    return -np.log(np.clip(of_truth, np.finfo(np.float64).eps, 1.0))
