"""Scores of a table model and of its baselines, by scikit-learn's metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["MAIN_SCORE", "baseline_outputs", "score_outputs"]

MAIN_SCORE = {"classification": "accuracy", "regression": "r2"}
"""The score a table is summed up by, for each task."""


def score_outputs(
    task: str, truth: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float | None]:
    """The scores of predictions.

    Parameters
    ----------
    task : {"classification", "regression"}
    truth : array of shape (N,)
        Class numbers, or numbers in the target's own unit.
    outputs : array
        Probabilities of shape (N, classes), or numbers of shape (N,).
    weights : array of shape (N,), optional
        Row weights.

    Returns
    -------
    dict
        ``accuracy``, ``log_loss`` and ``auc`` (one class against the rest, averaged, for
        more than two); or ``r2``, ``rmse`` and ``mae``. A score that these rows do not
        define, such as the AUC of a single class, is None.

    Examples
    --------
    >>> import numpy as np
    >>> score_outputs("regression", np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    {'r2': 0.5, 'rmse': 0.7071067811865476, 'mae': 0.5}
    """
    from sklearn import metrics

    if task == "regression":
        mse = metrics.mean_squared_error(truth, outputs, sample_weight=weights)
        spread = np.ptp(truth[weights > 0] if weights is not None else truth) if len(truth) else 0
        r2 = metrics.r2_score(truth, outputs, sample_weight=weights) if spread > 0 else None
        return {
            "r2": None if r2 is None else float(r2),
            "rmse": float(np.sqrt(mse)),
            "mae": float(metrics.mean_absolute_error(truth, outputs, sample_weight=weights)),
        }
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


def _auc(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None) -> float | None:
    """One against the rest, averaged over the classes that occur with and without."""
    from sklearn import metrics

    keep = slice(None) if weights is None else weights > 0
    found = []
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    for label in columns:
        is_label = truth == label
        if is_label[keep].any() and not is_label[keep].all():
            found.append(
                metrics.roc_auc_score(is_label, probabilities[:, label], sample_weight=weights)
            )
    return float(np.mean(found)) if found else None


def baseline_outputs(
    task: str,
    n_classes: int,
    train: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    X: Mapping[str, np.ndarray],
) -> dict[str, dict[str, np.ndarray]]:
    """What two simple models predict: a constant, and a linear model on the same features.

    The constant is the training mean, or the classes' shares. The linear model is ridge
    regression, or logistic regression, with scikit-learn's default strength.

    Parameters
    ----------
    task : {"classification", "regression"}
    n_classes : int
    train : tuple (X, y, weights or None)
        Encoded training rows.
    X : mapping of str to array
        Encoded rows to predict, by the name of the part.

    Returns
    -------
    dict of dict of array
        ``{"constant": {part: outputs}, "linear": {part: outputs}}``.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    features, y, weights = train
    features = features.astype(np.float64)
    w = np.ones(len(y)) if weights is None else weights
    found: dict[str, dict[str, np.ndarray]] = {"constant": {}, "linear": {}}
    if task == "regression":
        mean = float(np.average(y, weights=w))
        ridge = Ridge().fit(features, y, sample_weight=w)
        for part, rows in X.items():
            found["constant"][part] = np.full(len(rows), mean)
            found["linear"][part] = ridge.predict(rows.astype(np.float64))
        return found
    shares = np.bincount(y, weights=w, minlength=n_classes) / w.sum()
    # A class with no training rows cannot be fitted; its probability stays 0, as it should.
    present = np.flatnonzero(shares > 0)
    linear: Any = None
    if len(present) > 1:
        linear = LogisticRegression(max_iter=2000).fit(features, y, sample_weight=w)
    for part, rows in X.items():
        found["constant"][part] = np.tile(shares, (len(rows), 1))
        outputs = np.tile(shares, (len(rows), 1))
        if linear is not None:
            outputs = np.zeros((len(rows), n_classes))
            outputs[:, linear.classes_] = linear.predict_proba(rows.astype(np.float64))
        found["linear"][part] = outputs
    return found
