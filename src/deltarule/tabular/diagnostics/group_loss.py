"""The mean log loss of the rows of a group beside that of the other rows, and a test of it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from deltarule.tabular.verdict import effective_number

__all__ = ["GroupLoss", "group_loss"]


@dataclasses.dataclass(frozen=True)
class GroupLoss:
    """The mean log loss of a group, which judges the probabilities of its rows.

    Attributes
    ----------
    mean, others : float
        Of the rows of the group, and of all other rows.
    least, most : float
        The interval of ``mean − others``, at the level ``level`` of
        :class:`~deltarule.tabular.diagnostics.GroupErrors`.
    """

    mean: float
    others: float
    least: float
    most: float

    @property
    def worse(self) -> bool:
        """Whether the mean is above that of the others beyond chance: ``least`` is above 0."""
        return self.least > 0


def group_loss(
    losses: NDArray[np.float64],
    own: NDArray[np.bool_],
    weights: NDArray[np.float64],
    alpha: float,
) -> GroupLoss:
    r"""Return the mean losses, and the interval of their difference at the level 1 − alpha.

    .. math:: d \pm t_{1-\alpha/2,\nu}\, s

    where d is the difference of the means, and s its standard error by Welch, with ν degrees of
    freedom. If the other rows are fewer than those of the group, s is not below the standard error
    of a common variance: losses have a long tail to the right, so that of a few rows which all
    happen to be predicted well the variance is far too small. Without that, the test claimed a
    group that is not worse on up to a third of simulated tables; with it, on 1.2 % at most, of all
    groups at the level of :func:`group_errors`.

    Examples
    --------
    >>> losses = np.concatenate([np.tile([1.0, 1.2], 30), np.tile([0.2, 0.4], 30)])
    >>> found = group_loss(losses, np.arange(120) < 60, np.ones(120), 0.05)
    >>> round(found.mean, 6), round(found.others, 6), found.worse
    (1.1, 0.3, True)
    """
    from scipy.special import stdtrit

    mean, variance, n = _moments(losses[own], weights[own])
    others, variance_of_others, m = _moments(losses[~own], weights[~own])
    gap = mean - others
    if n <= 1 or m <= 1:
        return GroupLoss(mean, others, -math.inf, math.inf)
    parts = variance / n, variance_of_others / m
    total = sum(parts)
    common = ((n - 1) * variance + (m - 1) * variance_of_others) / (n + m - 2)
    squares = parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1)
    df = total**2 / squares if squares > 0 else n + m - 2
    square = max(total, common * (1 / n + 1 / m)) if m < n else total
    half = float(stdtrit(df, 1 - alpha / 2)) * math.sqrt(square)
    return GroupLoss(mean, others, gap - half, gap + half)


def _moments(
    losses: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return the weighted mean, the variance of a row, and the effective number of rows."""
    n = effective_number(weights)
    mean = float(np.average(losses, weights=weights))
    if n <= 1:
        return mean, 0.0, n
    spread = float(np.average((losses - mean) ** 2, weights=weights))
    return mean, spread * n / (n - 1), n
