"""Selection of configurations by their out-of-fold predictions, and calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["apply_temperature", "fit_temperature", "mean_loss", "select_greedily"]

_PICKS = 25
# The least probability that a loss is computed from: a float32 rounds smaller ones to 0.
LEAST_PROBABILITY = 1e-7


def mean_loss(outputs: NDArray[np.float64], y: NDArray[Any], weights: NDArray[np.float64]) -> float:
    """Return the weighted mean of log loss, or of squared error.

    Parameters
    ----------
    outputs : array of shape (N, K), or (N,)
        Probabilities of K classes, or numbers.
    y : array of shape (N,)
        Class numbers, or numbers.
    weights : array of shape (N,)
        They add to 1.

    Examples
    --------
    >>> mean_loss(np.array([1.0, 3.0]), np.array([1.0, 1.0]), np.array([0.5, 0.5]))
    2.0
    """
    if outputs.ndim == 1:
        return float(weights @ (outputs - y) ** 2)
    of_truth = outputs[np.arange(len(y)), y.astype(np.intp)]
    return float(weights @ -np.log(np.maximum(of_truth, LEAST_PROBABILITY)))


def select_greedily(
    outputs: Sequence[NDArray[np.float64]],
    y: NDArray[Any],
    weights: NDArray[np.float64],
    picks: int = _PICKS,
    loss: Callable[..., float] = mean_loss,
    penalties: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the weight of each candidate in a mean of picks, with replacement.

    Each pick is the candidate with which the mean of all picks so far has the least loss; the
    picks up to the least loss of all are kept. A tie goes to a candidate that is picked already.

    Parameters
    ----------
    outputs : sequence of arrays of shape (N, K), or (N,)
        The out-of-fold predictions of each candidate.
    y, weights : array of shape (N,)
        As :func:`mean_loss` takes them.
    picks : int
    loss : callable
        Of mean predictions, targets and weights, as :func:`mean_loss`.
    penalties : array of shape (candidates,), optional
        Their weighted mean is added to the loss of a mean.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble selection from libraries of models".

    Examples
    --------
    >>> y, w = np.array([1.0, 2.0]), np.array([0.5, 0.5])
    >>> select_greedily([y + 1.0, y - 1.0, y + 5.0], y, w, picks=10)
    array([0.5, 0.5, 0. ])
    """
    counts = np.zeros(len(outputs), dtype=np.int64)
    added = np.zeros(len(outputs)) if penalties is None else penalties
    total = np.zeros_like(outputs[0])
    best, kept = np.inf, counts
    for pick in range(1, picks + 1):
        losses = np.array([loss((total + each) / pick, y, weights) for each in outputs])
        losses += (counts @ added + added) / pick
        ties = losses <= losses.min() * (1 + 1e-12)
        chosen = int(
            np.argmax(ties & (counts > 0)) if (ties & (counts > 0)).any() else ties.argmax()
        )
        total = total + outputs[chosen]
        counts = counts.copy()
        counts[chosen] += 1
        if losses[chosen] < best * (1 - 1e-12):
            best, kept = float(losses[chosen]), counts
    shares: NDArray[np.float64] = kept / kept.sum()
    return shares


def apply_temperature(
    probabilities: NDArray[np.float64], temperature: float
) -> NDArray[np.float64]:
    """Return probabilities p^(1/T), divided by their sum over classes; shape (N, K).

    Examples
    --------
    >>> apply_temperature(np.array([[0.2, 0.8]]), 2.0).round(3)
    array([[0.333, 0.667]])
    """
    logits = np.log(np.maximum(probabilities, LEAST_PROBABILITY)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    scaled: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return scaled


def fit_temperature(
    probabilities: NDArray[np.float64],
    y: NDArray[Any],
    weights: NDArray[np.float64],
    loss: Callable[..., float] = mean_loss,
) -> float:
    """Return the temperature between 1/e and e with the least log loss, or another loss.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    >>> round(fit_temperature(p, np.array([0, 1, 0, 1]), np.full(4, 0.25)), 2)
    2.0
    """
    from scipy.optimize import minimize_scalar

    def loss_at(log_temperature: float) -> float:
        scaled = apply_temperature(probabilities, float(np.exp(log_temperature)))
        return loss(scaled, y, weights)

    found = minimize_scalar(loss_at, bounds=(-1.0, 1.0), method="bounded")
    return float(np.exp(found.x))
