"""Whether one model predicts better than another: a t test on paired losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from deltarule.tabular.scores import power_of_two, row_losses

__all__ = [
    "LEAST_PAIRS",
    "Comparison",
    "PairedOutputs",
    "compare",
    "effective_number",
    "relative_loss",
]

LEAST_PAIRS = 30
"""With fewer test rows than this, no verdict is given."""

# A verdict is wrong for at most this share of tables on which two models are equally good.
_ERROR_RATE = 0.05
# A smaller difference, as a fraction of the larger loss, is rounding.
_ROUNDING = 1e-9


class PairedOutputs(NamedTuple):
    """The outputs of several models for the same rows, which none of them was trained on.

    ``outputs`` maps the name of each model to probabilities, shape (N, classes), or numbers, (N,);
    ``truth`` holds class numbers or numbers, and ``weights`` row weights, both of shape (N,).
    """

    truth: np.ndarray
    weights: np.ndarray
    outputs: dict[str, np.ndarray]

    def with_known_classes(self, task: str, learned: np.ndarray) -> PairedOutputs:
        """Leave out rows of classes that no training row has, of which no model can know."""
        if task == "regression":
            return self
        known = np.isin(self.truth, learned)
        outputs = {name: each[known] for name, each in self.outputs.items()}
        return PairedOutputs(self.truth[known], self.weights[known], outputs)


class Comparison(NamedTuple):
    """Which of two models predicts better, by a t test on paired losses.

    Attributes
    ----------
    verdict : {"better", "worse", "no different"}
        ``"better"`` or ``"worse"`` if ``abs(t)`` is above ``quantile``.
    measure : str
        The loss: log loss, or the squared error divided by the target's variance.
    gain : float
        By how much the mean loss of the first model is smaller than that of the second.
    standard_error : float
    t : float or None
        ``gain / standard_error``; None if that is a division by zero.
    df : float
        The degrees of freedom.
    quantile : float
        The 97.5 % quantile of Student's t with ``df`` degrees of freedom.
    folds : int
        How many folds the pairs come from; 0 if they are rows of one test part.
    pairs : int
        The number of rows that both models predicted.
    """

    verdict: str
    measure: str
    gain: float
    standard_error: float
    t: float | None
    df: float
    quantile: float
    folds: int
    pairs: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dictionary that JSON can hold."""
        return self._asdict()


def effective_number(weights: np.ndarray) -> float:
    """Return the number of equal weights that would give a mean of the same variance.

    Examples
    --------
    >>> effective_number(np.array([1.0, 1.0, 0.0])), effective_number(np.array([4.0, 1.0, 1.0]))
    (2.0, 2.0)
    """
    if not weights.sum() > 0:
        return 0.0
    share = weights / weights.max()
    return round(float(share.sum() ** 2 / (share**2).sum()), 9)


def relative_loss(
    task: str, truth: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return the mean loss divided by that of the best constant for the same rows.

    Examples
    --------
    >>> relative_loss("regression", np.array([0.0, 2.0]), np.array([0.5, 1.5]))
    0.25
    """
    w = np.ones(len(truth)) if weights is None else weights
    sample = PairedOutputs(truth, w, {"": outputs})
    if task == "regression":
        unit, spread = _scale(task, [sample])
        return float(np.average(row_losses(task, truth, outputs, unit) / spread, weights=w))
    shares = np.bincount(truth, weights=w) / w.sum()
    entropy = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
    loss = float(np.average(row_losses(task, truth, outputs), weights=w))
    return loss / entropy if entropy > 0 else loss


def compare(task: str, samples: Sequence[PairedOutputs], first: str, second: str) -> Comparison:
    r"""Compare two models by their losses on the same rows.

    With one sample, the test rows of one pair of models, the pairs are its rows and the test is
    the paired t test. With several, the scored rows of K folds, the pairs are the mean losses
    of the folds. Their differences d_k are correlated, since any two folds share most
    of their training rows, so that the test is the corrected one of Nadeau and Bengio
    (*Machine Learning* 52, 2003):

    .. math:: t = \bar d \Big/ \sqrt{\Big(\frac1K + \frac1{K-1}\Big) s_d^2}

    with K - 1 degrees of freedom, where 1/(K - 1) is the number of scored rows per training row.
    With weights, K is the effective number of folds, and of rows.

    Parameters
    ----------
    task : {"classification", "regression"}
    samples : sequence of PairedOutputs
    first, second : str
        The names of the models.

    Examples
    --------
    >>> truth = np.arange(40.0)
    >>> outputs = {"a": truth + 0.1, "b": truth + np.resize([0.5, 0.4, -0.6], 40)}
    >>> sample = PairedOutputs(truth, np.ones(40), outputs)
    >>> compare("regression", [sample], "a", "b").verdict
    'better'
    """
    unit, spread = _scale(task, samples) if task == "regression" else (1.0, 1.0)
    rows_of_folds = len(samples) > 1
    gains, shares, losses = [], [], []
    for sample in samples:
        loss_of = {
            name: row_losses(task, sample.truth, sample.outputs[name], unit) / spread
            for name in (first, second)
        }
        weighted = sample.weights > 0
        w = sample.weights[weighted]
        difference = (loss_of[second] - loss_of[first])[weighted]
        if not len(w):
            continue
        losses.append(
            max(float(np.average(loss[weighted], weights=w)) for loss in loss_of.values())
        )
        if rows_of_folds:
            gains.append(np.array([np.average(difference, weights=w)]))
            shares.append(np.array([w.sum()]))
        else:
            gains.append(difference)
            shares.append(w)
    d, weights = np.concatenate(gains), np.concatenate(shares)
    share = weights / weights.sum()
    number = effective_number(weights)
    gain = float((share * d).sum())
    # Deviations from the mean are squared after division by the largest, which cannot overflow.
    scale = float(np.abs(d - gain).max()) or 1.0
    df = max(number - 1, 0.0)
    variance = float((share**2 * ((d - gain) / scale) ** 2).sum()) * number / df if df else 0.0
    if rows_of_folds and df:
        variance *= 1 + number / df
    error = math.sqrt(variance) * scale
    quantile = _quantile(df)
    rounding = _ROUNDING * max(losses)
    significant = df > 0 and abs(gain) > max(quantile * error, rounding)
    return Comparison(
        verdict="no different" if not significant else "better" if gain > 0 else "worse",
        measure="log loss" if task == "classification" else "squared error / variance",
        gain=gain,
        standard_error=error,
        t=gain / error if error > 0 else None,
        df=df,
        quantile=quantile,
        folds=len(samples) if rows_of_folds else 0,
        pairs=sum(int(np.count_nonzero(sample.weights)) for sample in samples),
    )


def _scale(task: str, samples: Sequence[PairedOutputs]) -> tuple[float, float]:
    """Return a power of two, and the variance of the truth in its square; 1 for none."""
    truth = np.concatenate([sample.truth for sample in samples])
    weights = np.concatenate([sample.weights for sample in samples])
    outputs = [values for sample in samples for values in sample.outputs.values()]
    unit = max(map(power_of_two, (truth, *outputs)))
    mean = np.average(truth / unit, weights=weights)
    spread = float(np.average((truth / unit - mean) ** 2, weights=weights))
    # Far smaller than the largest output, it would make the losses overflow.
    return unit, spread if spread > 1e-200 else 1.0


def _quantile(df: float) -> float:
    """Return the quantile of Student's t for a two-sided test; infinite without freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - _ERROR_RATE / 2)) if df > 0 else math.inf
