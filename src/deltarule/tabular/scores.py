"""Scores of predictions, computed by scikit-learn's metrics."""

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
    from sklearn import metrics

    if task == "regression":
        return _regression_scores(truth, outputs, weights)
    labels = np.arange(outputs.shape[1])
    probabilities = outputs.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {
        "accuracy": float(
            metrics.accuracy_score(truth, outputs.argmax(axis=1), sample_weight=weights)
        ),
        "log_loss": float(
            metrics.log_loss(truth, probabilities, labels=labels, sample_weight=weights)
        ),
        "auc": _auc(truth, probabilities, weights),
    }


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
    from sklearn import metrics

    weighted = slice(None) if weights is None else weights > 0
    results = []
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    for label in columns:
        is_label = truth == label
        if is_label[weighted].any() and not is_label[weighted].all():
            results.append(
                metrics.roc_auc_score(is_label, probabilities[:, label], sample_weight=weights)
            )
    return float(np.mean(results)) if results else None


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
