"""Residuals of a model of numbers, and the coverage of its intervals."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tables import TypedColumns
from deltarule.tables.number_encoders import weighted_quantiles
from deltarule.tabular.diagnostics.classes import wilson_interval
from deltarule.tabular.diagnostics.rows import COVERAGE, ScoredRows
from deltarule.tabular.verdict import effective_number

__all__ = ["Residuals", "residual_interval", "residuals"]


@dataclasses.dataclass(frozen=True, eq=False)
class Residuals:
    """What a model of numbers leaves of the target.

    Attributes
    ----------
    truth, predicted : array of shape (N,)
    residuals : array of shape (N,)
        ``truth − predicted``.
    quantiles : array of shape (3,)
        The 5 %, 50 % and 95 % quantiles of the residuals.
    intervals : array of shape (N, 2), or None
        What is predicted to hold 90 % of the targets.
    coverage : float or None
        How many of these rows' targets the intervals hold; None without intervals, or where these
        rows are those that the intervals were made from.
    coverage_interval : tuple of float, or None
        A 95 % interval of it, by Wilson.
    """

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    residuals: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    intervals: NDArray[np.float64] | None
    coverage: float | None
    coverage_interval: tuple[float, float] | None
    nominal: float = COVERAGE


def residuals(rows: ScoredRows) -> Residuals:
    """Return the residuals of rows, and how many of them the intervals cover.

    Raises
    ------
    InputError
        If the model predicts classes.
    """
    rows.need("regression", "a plot of residuals")
    left = rows.truth - rows.outputs
    used = rows.weights > 0
    quantiles = weighted_quantiles(left[used], [0.05, 0.5, 0.95], rows.weights[used])
    coverage, ends = None, None
    if rows.intervals is not None and rows.part in ("test", "given"):
        inside = (rows.intervals[:, 0] <= rows.truth) & (rows.truth <= rows.intervals[:, 1])
        coverage = float(np.average(inside, weights=rows.weights))
        ends = wilson_interval(coverage, effective_number(rows.weights))
    return Residuals(
        np.asarray(rows.truth, dtype=np.float64),
        rows.outputs,
        left,
        np.asarray(quantiles),
        rows.intervals,
        coverage,
        ends,
    )


def residual_interval(
    left: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Return the ends of the interval round a prediction that holds 90 % of the targets.

    They are quantiles of the residuals of rows that networks were not trained on, the same for all
    predictions.

    Examples
    --------
    >>> residual_interval(np.arange(-9.0, 10.0), None)
    {'coverage': 0.9, 'ends': [-9.0, 9.0]}
    """
    from deltarule.tabular.intervals import Intervals

    order = np.argsort(left, kind="stable")
    w = np.ones(len(left)) if weights is None else weights[order]
    levels = [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]
    nothing = TypedColumns({}, rows=np.arange(1))
    ends = Intervals(None, "", 0.0, left[order], w, 0.0).quantiles(nothing, np.zeros(1), levels)[0]
    return {"coverage": COVERAGE, "ends": ends.tolist()}
