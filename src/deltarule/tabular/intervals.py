"""Prediction intervals of a portfolio of networks for numbers, by its out-of-fold residuals."""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.errors import DataError, InputError
from deltarule.records import real_number
from deltarule.tables import Schema, TypedColumns
from deltarule.tables.schema import Column
from deltarule.tabular.portfolio import Configuration, Portfolio
from deltarule.training import StopFlag

__all__ = ["Intervals", "fit_intervals", "interval_levels", "time_for_portfolio"]

# Small networks: little can be learned from absolute residuals, and much is noise.
_CONFIGURATIONS = (
    Configuration("linear", "robust", learning_rate=1e-2, l2=1.0, epochs=100),
    Configuration("piecewise_linear", "piecewise_linear", learning_rate=1e-2, l2=1.0, epochs=100),
    Configuration("silu", "robust", (64,), "silu", l2=1.0, dropout=0.1, epochs=100),
    Configuration(
        "silu_piecewise", "piecewise_linear", (64,), "silu", 2e-3, 1.0, dropout=0.2, epochs=100
    ),
)
# With fewer rows all have one scale; of more rows, a sample is enough to learn scales from.
_LEAST_ROWS, _MOST_ROWS = 40, 5000
_EXPONENTS = np.linspace(0.0, 2.0, 41)
_PORTFOLIO_SHARE = 0.9
# The least scale, as a part of the root mean square residual.
_LEAST_SCALE = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class Intervals:
    """What turns predictions into quantiles: q_τ(x) = f(x) + σ(x) Q_τ.

    Q_τ is the quantile of the scores (y_i − f_i)/σ_i of the training rows, where f_i and σ_i are
    predicted by networks that were not trained on row i. σ = exp(b g) with a portfolio g for the
    logarithms of absolute residuals, which has the columns of the table and the prediction as its
    inputs. Since σ > 0, quantiles do not cross.

    Attributes
    ----------
    scale : Portfolio or None
        g; None if σ is 1 everywhere.
    column : str
        The name that the prediction has among the columns of g.
    exponent : float
        b, the one of the largest normal likelihood of the residuals.
    scores : array of shape (N,)
        In ascending order.
    weights : array of shape (N,)
        The row weight of each score, 1 on average.
    std : float
        The root of the weighted mean of the squared scores.

    References
    ----------
    Barber, Candès, Ramdas and Tibshirani (2021), "Predictive inference with the jackknife+";
    Papadopoulos, Gammerman and Vovk (2008), "Normalized nonconformity measures for regression
    conformal prediction".

    Examples
    --------
    >>> even = Intervals(None, "", 0.0, np.arange(-9.0, 10.0), np.ones(19), 5.5)
    >>> typed = TypedColumns({}, rows=np.arange(2))
    >>> even.quantiles(typed, np.array([0.0, 100.0]), [0.05, 0.5, 0.95])
    array([[ -9.,   0.,   9.],
           [ 91., 100., 109.]])
    """

    scale: Portfolio | None
    column: str
    exponent: float
    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    std: float

    def scales(self, typed: TypedColumns, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return σ(x) of each row, shape (N,)."""
        if self.scale is None:
            return np.ones(len(predictions))
        extended = _with_column(typed, self.column, predictions)
        sigma: NDArray[np.float64] = np.exp(self.exponent * self.scale.predict(extended))
        return sigma

    def deviations(
        self, typed: TypedColumns, predictions: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the standard deviation of y − f(x) of each row, shape (N,)."""
        return self.std * self.scales(typed, predictions)

    def quantiles(
        self, typed: TypedColumns, predictions: NDArray[np.float64], levels: ArrayLike
    ) -> NDArray[np.float64]:
        """Return the quantiles q_τ(x) of each row at levels τ, shape (N, number of levels).

        Parameters
        ----------
        typed : TypedColumns
            Of rows to predict.
        predictions : array of shape (N,)
            Of the portfolio for these rows.
        levels : array-like of numbers between 0 and 1
            A level that N scores cannot tell from 0 or 1 has the least or the largest score.

        Raises
        ------
        InputError
            If a level is not between 0 and 1.
        """
        of_scores = np.array([self._score(level) for level in check_levels(levels)])
        sigma = self.scales(typed, predictions)
        found: NDArray[np.float64] = predictions[:, None] + sigma[:, None] * of_scores
        return found

    def extended(
        self,
        typed: TypedColumns,
        predictions: NDArray[np.float64],
        y: NDArray[np.float64],
        weights: NDArray[np.float64] | None = None,
    ) -> Intervals:
        """Return the intervals with the scores of more rows, by the same scale.

        Parameters
        ----------
        typed : TypedColumns
        predictions : array of shape (N,)
            By networks that were not trained on the row.
        y : array of shape (N,)
        weights : array of shape (N,), optional
            Row weights.
        """
        w = np.ones(len(y)) if weights is None else weights / weights.mean()
        scores = np.concatenate([self.scores, (y - predictions) / self.scales(typed, predictions)])
        w = np.concatenate([self.weights, w])
        return _of_scores(self.scale, self.column, self.exponent, scores, w)

    def _score(self, level: float) -> float:
        """Return Q_τ, with one more score of mean weight at the far end that τ is nearer to."""
        scores, weights = self.scores, self.weights
        if level < 0.5:
            scores, weights, level = -scores[::-1], weights[::-1], 1 - level
        reached = np.cumsum(weights) / (weights.sum() + weights.mean())
        # Rounding must not make rank (N + 1) τ the next one.
        index = min(int(np.searchsorted(reached, level - 1e-12)), len(scores) - 1)
        return float(scores[index] if scores is self.scores else -scores[index])


def interval_levels(coverage: Any) -> tuple[float, float]:
    """Return the levels (1 − c)/2 and (1 + c)/2 of the ends of intervals of coverage c.

    Raises
    ------
    InputError
        If c is not between 0 and 1.

    Examples
    --------
    >>> interval_levels(0.5)
    (0.25, 0.75)
    """
    is_number = isinstance(coverage, numbers.Real) and not isinstance(coverage, bool)
    if not is_number or not 0 < coverage < 1:
        raise InputError(parameter="coverage", given=coverage, expected="a number between 0 and 1")
    return (1 - float(coverage)) / 2, (1 + float(coverage)) / 2


def time_for_portfolio(time_budget: Any) -> Any:
    """Return the part of a time budget for the portfolio itself; the rest is for the intervals.

    What is no time budget is returned as it is.

    Examples
    --------
    >>> time_for_portfolio(100), time_for_portfolio(None), time_for_portfolio(0)
    (90.0, None, 0)
    """
    seconds = real_number(time_budget) or 0.0
    return _PORTFOLIO_SHARE * seconds if 0 < seconds < float("inf") else time_budget


def check_levels(levels: ArrayLike) -> NDArray[np.float64]:
    """Return levels of quantiles as an array of shape (n,); refuse those not between 0 and 1.

    Examples
    --------
    >>> check_levels(0.5)
    array([0.5])
    """
    try:
        values = np.atleast_1d(np.asarray(levels, dtype=np.float64))
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if values.ndim != 1 or not values.size or not ((values > 0) & (values < 1)).all():
        raise InputError(
            parameter="quantiles", given=levels, expected="numbers between 0 and 1, both excluded"
        )
    return values


def fit_intervals(
    typed: TypedColumns,
    schema: Schema,
    y: NDArray[np.float64],
    oof: NDArray[np.float64],
    *,
    weights: NDArray[np.float64] | None = None,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    stop: StopFlag | None = None,
    **options: Any,
) -> Intervals:
    """Fit the scale of residuals, and return the intervals of a portfolio.

    Parameters
    ----------
    typed : TypedColumns
        The training rows.
    schema : Schema
        Of these columns.
    y, oof : array of shape (N,)
        The targets, and the portfolio's out-of-fold predictions. Rows without one (NaN) are left
        out.
    weights, groups : array of shape (N,), optional
        As :func:`~deltarule.tabular.portfolio.fit_portfolio` takes them.
    seed : int
        Of the networks, and of the sample that they are trained on if there are more than 5000
        rows.
    stop : StopFlag, optional
        Ends training, as for ``fit_portfolio``.
    **options
        ``time_budget``, ``started``, ``threads`` and ``precision``, as ``fit_portfolio`` takes
        them.

    Returns
    -------
    Intervals
        Of one scale for all rows, if there are fewer than 40, or no network could be trained, or
        training was stopped before one was.
    """
    from deltarule.tabular.portfolio.fit import StoppedTooEarly, fit_portfolio

    known = np.flatnonzero(np.isfinite(oof))
    typed, residuals, predicted = typed.take(known), (y - oof)[known], oof[known]
    w = np.ones(len(known)) if weights is None else weights[known] / weights[known].mean()
    groups = None if groups is None else groups[known]
    spread = float(np.sqrt(np.average(residuals**2, weights=w)))
    if len(known) < _LEAST_ROWS or spread == 0:
        return _of_scores(None, "", 0.0, residuals, w)
    column = "(prediction)"
    while column in schema.names:
        column = f"({column})"
    typed = _with_column(typed, column, predicted)
    schema = dataclasses.replace(schema, columns=(*schema.columns, Column(column, "number")))
    sizes = np.abs(residuals)
    # Half of the median is added, so that residuals near 0, which say little, are not far away.
    logs = np.log(sizes + max(float(np.median(sizes)) / 2, _LEAST_SCALE * spread))
    sample = np.arange(len(known))
    if len(known) > _MOST_ROWS:
        sample = np.sort(np.random.default_rng(seed).permutation(len(known))[:_MOST_ROWS])
    if np.ptp(logs[sample]) == 0 or (groups is not None and np.ptp(groups[sample]) == 0):
        return _of_scores(None, "", 0.0, residuals, w)
    try:
        scale = fit_portfolio(
            typed.take(sample),
            schema,
            logs[sample],
            weights=w[sample],
            groups=None if groups is None else groups[sample],
            quality="fast",
            configurations=_CONFIGURATIONS,
            seed=seed,
            stop=stop,
            **options,
        ).pruned()
    except (DataError, StoppedTooEarly):  # every network diverged, or none was trained
        return _of_scores(None, "", 0.0, residuals, w)
    g = scale.predict(typed)
    own = np.isfinite(scale.oof)
    g[sample[own]] = scale.oof[own]
    exponent = min(_EXPONENTS, key=lambda b: _negative_log_likelihood(residuals, b * g, w))
    return _of_scores(scale, column, float(exponent), residuals / np.exp(exponent * g), w)


def _of_scores(
    scale: Portfolio | None,
    column: str,
    exponent: float,
    scores: NDArray[np.float64],
    w: NDArray[np.float64],
) -> Intervals:
    order = np.argsort(scores, kind="stable")
    std = float(np.sqrt(np.average(scores**2, weights=w)))
    return Intervals(scale, column, exponent, scores[order], w[order], std)


def _negative_log_likelihood(
    residuals: NDArray[np.float64], log_scales: NDArray[np.float64], w: NDArray[np.float64]
) -> float:
    """Return mean(ln σ_i) + ½ ln mean(r_i²/σ_i²), for normal distributions, less constants."""
    squares = np.average((residuals / np.exp(log_scales)) ** 2, weights=w)
    return float(np.average(log_scales, weights=w) + 0.5 * np.log(squares))


def _with_column(typed: TypedColumns, name: str, values: NDArray[np.float64]) -> TypedColumns:
    return dataclasses.replace(typed, columns={**typed.columns, name: values})
