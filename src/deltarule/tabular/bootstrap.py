"""Bootstrap intervals of the scores of several models on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tabular.scores import power_of_two, row_losses

__all__ = ["bootstrap_intervals"]

_RESAMPLES, _LEAST_RESAMPLES = 1000, 200
# The number of rows that are drawn in all beyond which there are fewer resamples, and at a time.
_MOST_DRAWS, _CHUNK_DRAWS = 2_000_000, 500_000
_LEVEL = 0.95


def bootstrap_intervals(
    task: str,
    truth: NDArray[Any],
    outputs: Mapping[str, NDArray[np.float64]],
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return 95 % percentile intervals of the scores that :func:`score_outputs` gives.

    Each resample draws N of the N rows with replacement, the same for all models and scores. There
    are 1000 of them, fewer from 2000 rows on, and 200 from 10 000 rows on.

    Parameters
    ----------
    task : {"classification", "regression"}
    truth : array of shape (N,)
        Class numbers, or numbers in the target's unit.
    outputs : mapping of str to array of shape (N, classes), or (N,)
        The predictions of each model.
    weights : array of shape (N,), optional
        Row weights.
    seed : int
        Of the resamples: not that of a training, so that the same predictions of the same rows have
        the same intervals, whoever computes them.

    Returns
    -------
    dict
        ``"level"``, ``"resamples"``, and ``"scores"``: for each model and score the two ends, or
        None where the score is not defined in most of the resamples.

    References
    ----------
    Efron and Tibshirani (1993), "An introduction to the bootstrap".

    Examples
    --------
    >>> truth = np.arange(50.0)
    >>> outputs = {"a": truth + np.resize([1.0, -1.0], 50)}
    >>> found = bootstrap_intervals("regression", truth, outputs)["scores"]["a"]["mae"]
    >>> np.round(found, 12).tolist()
    [1.0, 1.0]
    """
    n = len(truth)
    w = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    resamples = int(np.clip(_MOST_DRAWS // max(n, 1), _LEAST_RESAMPLES, _RESAMPLES))
    # Scaling by a power of two is exact, and keeps the square of 1e300 finite.
    unit = 1.0
    if task == "regression":
        unit = max(map(power_of_two, (truth, *outputs.values())))
    terms = {name: _row_terms(task, truth, each, unit) for name, each in outputs.items()}
    rankings = {
        name: _rankings(truth, each) if task == "classification" else []
        for name, each in outputs.items()
    }
    drawn: dict[str, dict[str, list[NDArray[np.float64]]]] = {name: {} for name in outputs}
    rng = np.random.default_rng([seed, 0xB007])
    chunk = max(_CHUNK_DRAWS // max(n, 1), 1)
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        rows = rng.integers(0, n, size=(count, n)) + n * np.arange(count)[:, None]
        counts = np.bincount(rows.ravel(), minlength=count * n).reshape(count, n)
        shares = counts * w
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = shares / shares.sum(axis=1, keepdims=True)
            for name, found in drawn.items():
                values = _scores(task, terms[name], shares, unit)
                if task == "classification":
                    values["auc"] = np.full(count, np.nan)
                if rankings[name]:
                    of_classes = np.array([_aucs(*each, shares) for each in rankings[name]])
                    defined = np.isfinite(of_classes)
                    total = np.where(defined, of_classes, 0.0).sum(axis=0)
                    values["auc"] = total / defined.sum(axis=0)
                for score, each in values.items():
                    found.setdefault(score, []).append(each)
    return {
        "level": _LEVEL,
        "resamples": resamples,
        "scores": {
            name: {score: _ends(np.concatenate(each)) for score, each in found.items()}
            for name, found in drawn.items()
        },
    }


def _ends(values: NDArray[np.float64]) -> list[float] | None:
    """Return the ends of the middle 95 % of resampled scores."""
    known = values[np.isfinite(values)]
    if 2 * len(known) < len(values):
        return None
    low, high = np.quantile(known, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return [float(low), float(high)]


def _row_terms(
    task: str, truth: NDArray[Any], outputs: NDArray[np.float64], unit: float
) -> NDArray[np.float64]:
    """Return what the scores are weighted means of, a column for each."""
    if task == "regression":
        errors = outputs / unit - truth / unit
        y = truth / unit - np.mean(truth / unit)
        return np.column_stack([errors**2, np.abs(errors), y, y**2])
    right = outputs.argmax(axis=1) == truth
    return np.column_stack([right, row_losses(task, truth, outputs)])


def _scores(
    task: str, terms: NDArray[np.float64], shares: NDArray[np.float64], unit: float
) -> dict[str, NDArray[np.float64]]:
    """Return the scores that are functions of weighted means, one for each row of shares."""
    means = shares @ terms
    if task == "classification":
        return {"accuracy": means[:, 0], "log_loss": means[:, 1]}
    mse, mae, mean, square = means.T
    spread = square - mean**2
    r2 = np.where(spread > 1e-12 * square, 1 - mse / spread, np.nan)
    return {"r2": r2, "rmse": np.sqrt(mse) * unit, "mae": mae * unit}


def _rankings(
    truth: NDArray[Any], outputs: NDArray[np.float64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
    """Return for each class the rows by its probability, where ties begin, and whether it is it."""
    found = []
    for label in [1] if outputs.shape[1] == 2 else range(outputs.shape[1]):
        p = outputs[:, label]
        order = np.argsort(p, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(p[order]) > 0])
        is_label = (truth == label)[order]
        if is_label.any() and not is_label.all():
            found.append((order, starts, is_label))
    return found


def _aucs(
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    is_label: NDArray[np.bool_],
    shares: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the AUC of a class for each row of shares; NaN where it is not defined."""
    sorted_shares = shares[:, order]
    of_label = np.add.reduceat(sorted_shares * is_label, starts, axis=1)
    others = np.add.reduceat(sorted_shares * ~is_label, starts, axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    total = of_label.sum(axis=1) * others.sum(axis=1)
    # Rounding must not make it more than 1.
    return np.asarray(np.minimum((of_label * below).sum(axis=1) / total, 1.0))
