"""Scores of a table model and of its baselines, computed by scikit-learn's metrics."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Baseline", "Comparison", "baselines", "compare_outputs", "score_outputs"]

# Two models are called different if their mean losses differ by more standard errors than this.
_STANDARD_ERRORS = 2.0
# The maximum number of iterations of the logistic regression.
_MOST_STEPS = 1000


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
    unit = max(_power_of_two(truth), _power_of_two(outputs))
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


def _power_of_two(values: np.ndarray) -> float:
    """Return the largest power of two up to the largest absolute value; 1 for zeros."""
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


class Comparison(NamedTuple):
    """Which of two models fits some rows better, and whether the difference is significant.

    ``gain`` is the decrease of the mean loss from the second to the first model (log loss for
    classes, squared error for numbers, scaled by a power of two), and ``error`` its standard error
    over these rows. ``verdict`` is ``"better"`` or ``"worse"`` if the gain differs from 0 by more
    than two standard errors, else ``"no different"``.
    """

    gain: float
    error: float
    verdict: str


def compare_outputs(
    task: str,
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    weights: np.ndarray | None = None,
) -> Comparison:
    """Compare two models' outputs row by row on the same rows.

    The losses of one row under two models are correlated, so that the standard error of their
    difference is far smaller than that of either score.

    Examples
    --------
    >>> truth = np.array([1.0, 2.0, 3.0, 4.0])
    >>> compare_outputs("regression", truth, truth + 0.1, truth - [0.5, 0.4, 0.6, 0.5]).verdict
    'better'
    """
    w = np.ones(len(truth)) if weights is None else weights
    weighted = w > 0
    unit = max(map(_power_of_two, (truth, first, second))) if task == "regression" else 1.0
    losses = [_row_losses(task, truth, outputs, unit)[weighted] for outputs in (first, second)]
    gains = losses[1] - losses[0]
    share = w[weighted] / w[weighted].sum()
    gain = float((share * gains).sum())
    spread = float(np.sqrt((share**2 * (gains - gain) ** 2).sum()))
    error = spread * math.sqrt(len(gains) / max(len(gains) - 1, 1))
    significant = len(gains) > 1 and abs(gain) > _STANDARD_ERRORS * error
    verdict = "no different" if not significant else "better" if gain > 0 else "worse"
    return Comparison(gain, error, verdict)


def _row_losses(task: str, truth: np.ndarray, outputs: np.ndarray, unit: float) -> np.ndarray:
    """Return the squared error, in units of ``unit``, or the log loss of each row, shape (N,)."""
    if task == "regression":
        squares: np.ndarray = (outputs / unit - truth / unit) ** 2
        return squares
    of_truth = outputs.astype(np.float64)[np.arange(len(truth)), truth]
    # As in scikit-learn's log loss, a probability of 0 counts as eps.
    return -np.log(np.clip(of_truth, np.finfo(np.float64).eps, 1.0))


class Baseline(NamedTuple):
    """The predictions of a simple model.

    ``outputs`` are as :func:`score_outputs` takes them; ``note`` is a warning, or "".
    """

    outputs: np.ndarray
    note: str = ""


def baselines(
    task: str,
    n_classes: int,
    train: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    X: np.ndarray,
    *,
    linear: bool = True,
) -> dict[str, Baseline]:
    """Fit two simple models, a constant and a linear one on the same features, and predict.

    The constant is the training mean, or the shares of the classes. The linear model is ridge
    regression, or logistic regression, with scikit-learn's default strength.

    ``train`` holds the encoded training rows: X, y and their weights or None. ``X`` holds the rows
    to predict. Return the baselines ``"constant"`` and ``"linear"``; without ``linear``, only the
    constant, since the linear model takes most of the time.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> results = baselines("regression", 0, (x, 2 * x[:, 0], None), x[:1])
    >>> results["constant"].outputs
    array([3.])
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    features, y, weights = train
    w = np.ones(len(y)) if weights is None else weights
    features, rows = features.astype(np.float64), X.astype(np.float64)
    if task == "regression":
        constant = np.full(len(rows), float(np.average(y, weights=w)))
        results = {"constant": Baseline(constant)}
        if linear:
            model, note = _fit_linear(Ridge(), features, y, w)
            results["linear"] = Baseline(model.predict(rows), note)
        return results
    shares = np.bincount(y, weights=w, minlength=n_classes) / w.sum()
    outputs = np.tile(shares, (len(rows), 1))
    results = {"constant": Baseline(outputs)}
    if not linear:
        return results
    results["linear"] = Baseline(outputs)
    # A class without training rows cannot be fitted; its probability stays 0.
    if np.count_nonzero(shares) > 1:
        weighted = w > 0
        model = LogisticRegression(max_iter=_MOST_STEPS)
        model, note = _fit_linear(model, features[weighted], y[weighted], w[weighted])
        outputs = np.zeros((len(rows), n_classes))
        outputs[:, model.classes_] = model.predict_proba(rows)
        results["linear"] = Baseline(outputs, note)
    return results


def _fit_linear(model: Any, X: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[Any, str]:
    """Fit a linear model; return it with a note where the fit is doubtful."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, sample_weight=w)
    if any("converge" in str(warning.message) for warning in caught):
        return model, (
            f"the linear baseline was cut off after {_MOST_STEPS} steps; it could be better than "
            "shown"
        )
    if any("conditioned" in str(warning.message).lower() for warning in caught):
        return model, "the linear baseline's equations are nearly singular; take it with care"
    return model, ""
