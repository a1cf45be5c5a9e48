"""Scores of a table model and of its baselines, by scikit-learn's metrics."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Baseline", "Comparison", "baselines", "compared", "score_outputs"]

# How many standard errors two models must differ by to be called different.
_CLEAR = 2.0


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


class Comparison(NamedTuple):
    """Which of two models fits some rows better, and whether that can be told.

    Attributes
    ----------
    gain : float
        How much lower the first model's mean loss is: log loss for classes, squared error
        for numbers.
    error : float
        The standard error of the gain over these rows.
    verdict : str
        ``"better"`` or ``"worse"`` where the gain is beyond two standard errors of 0, else
        ``"no different"``.
    """

    gain: float
    error: float
    verdict: str


def compared(
    task: str,
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    weights: np.ndarray | None = None,
) -> Comparison:
    """The first model's outputs against the second's, row by row on the same rows.

    The losses of one row under two models go up and down together, so the error of
    their difference is far smaller than that of either score.

    Parameters
    ----------
    task, truth, weights
        As for :func:`score_outputs`.
    first, second : array
        Outputs of two models.

    Examples
    --------
    >>> truth = np.array([1.0, 2.0, 3.0, 4.0])
    >>> compared("regression", truth, truth + 0.1, truth - [0.5, 0.4, 0.6, 0.5]).verdict
    'better'
    """
    w = np.ones(len(truth)) if weights is None else weights
    kept = w > 0
    gains = _row_losses(task, truth, second)[kept] - _row_losses(task, truth, first)[kept]
    share = w[kept] / w[kept].sum()
    gain = float((share * gains).sum())
    spread = float(np.sqrt((share**2 * (gains - gain) ** 2).sum()))
    error = spread * math.sqrt(len(gains) / max(len(gains) - 1, 1))
    clear = len(gains) > 1 and abs(gain) > _CLEAR * error
    verdict = "no different" if not clear else "better" if gain > 0 else "worse"
    return Comparison(gain, error, verdict)


def _row_losses(task: str, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    if task == "regression":
        loss: np.ndarray = (outputs.astype(np.float64) - truth) ** 2
        return loss
    of_truth = outputs.astype(np.float64)[np.arange(len(truth)), truth]
    # As scikit-learn's log loss: a probability of 0 counts as the least above it.
    return -np.log(np.clip(of_truth, np.finfo(np.float64).eps, 1.0))


class Baseline(NamedTuple):
    """What a simple model predicts.

    Attributes
    ----------
    outputs : array
        As :func:`score_outputs` takes them.
    note : str
        What a reader should know of it; mostly empty.
    """

    outputs: np.ndarray
    note: str = ""


def baselines(
    task: str,
    n_classes: int,
    train: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    X: np.ndarray,
) -> dict[str, Baseline]:
    """What two simple models predict: a constant, and a linear model on the same features.

    The constant is the training mean, or the classes' shares. The linear model is ridge
    regression, or logistic regression, with scikit-learn's default strength.

    Parameters
    ----------
    task : {"classification", "regression"}
    n_classes : int
    train : tuple (X, y, weights or None)
        Encoded training rows.
    X : array
        Encoded rows to predict.

    Returns
    -------
    dict of Baseline
        Under ``"constant"`` and ``"linear"``.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> found = baselines("regression", 0, (x, 2 * x[:, 0], None), x[:1])
    >>> found["constant"].outputs
    array([3.])
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    features, y, weights = train
    w = np.ones(len(y)) if weights is None else weights
    features, rows = features.astype(np.float64), X.astype(np.float64)
    if task == "regression":
        constant = np.full(len(rows), float(np.average(y, weights=w)))
        linear, note = _fitted_linear(Ridge(), features, y, w)
        return {"constant": Baseline(constant), "linear": Baseline(linear.predict(rows), note)}
    shares = np.bincount(y, weights=w, minlength=n_classes) / w.sum()
    outputs = np.tile(shares, (len(rows), 1))
    found = {"constant": Baseline(outputs), "linear": Baseline(outputs)}
    # A class with no training rows cannot be fitted; its probability stays 0, as it should.
    if np.count_nonzero(shares) > 1:
        kept = w > 0
        model = LogisticRegression(max_iter=_MOST_STEPS)
        linear, note = _fitted_linear(model, features[kept], y[kept], w[kept])
        outputs = np.zeros((len(rows), n_classes))
        outputs[:, linear.classes_] = linear.predict_proba(rows)
        found["linear"] = Baseline(outputs, note)
    return found


_MOST_STEPS = 1000


def _fitted_linear(model: Any, X: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[Any, str]:
    """The model, and a note where it is not what it could be."""
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
