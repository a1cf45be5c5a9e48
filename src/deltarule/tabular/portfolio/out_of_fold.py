"""The predictions of networks for the rows they were not trained on, and what is chosen by them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError
from deltarule.tables import TableEncoder
from deltarule.tabular.portfolio.candidates import Candidate
from deltarule.tabular.portfolio.losses import Criterion
from deltarule.tabular.portfolio.members import Member, Portfolio, encoders_of
from deltarule.tabular.portfolio.selection import fit_temperature, select_greedily
from deltarule.tabular.portfolio.target_scale import TargetScale

__all__ = ["OutOfFold", "mean_over_folds"]


def mean_over_folds(
    n_rows: int,
    folds: Sequence[NDArray[np.int64]],
    predictions: Sequence[NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return each row's mean over the folds that it is in, and 0 where it is in none.

    Parameters
    ----------
    n_rows : int
    folds : sequence of arrays of row numbers
    predictions : sequence of arrays of shape (rows of the fold, K), or (rows of the fold,)

    Returns
    -------
    array of shape (n_rows, K), or (n_rows,)

    Examples
    --------
    >>> folds = [np.array([0, 1]), np.array([1])]
    >>> mean_over_folds(3, folds, [np.array([1.0, 2.0]), np.array([4.0])])
    array([1., 3., 0.])
    """
    total = np.zeros((n_rows, *predictions[0].shape[1:]))
    counts = np.zeros((n_rows, *[1] * (total.ndim - 1)))
    for rows, each in zip(folds, predictions, strict=True):
        total[rows] += each
        counts[rows] += 1
    return total / np.maximum(counts, 1)


class OutOfFold:
    """The candidates that were trained on some folds, and their predictions for the rows of these.

    Parameters
    ----------
    target : TargetScale
    y, shares : array of shape (N,)
        The targets, and the row weights, whose sum is 1.
    folds : sequence of arrays of row numbers
    criterion : Criterion
    numbers : sequence of int
        Of the folds.
    candidates : sequence of Candidate
        One without a network for each of these folds, or with one that diverged, is left out.

    Attributes
    ----------
    trained : list of Candidate
        Those that are not left out.
    losses : list of float
        The out-of-fold loss of each.
    """

    def __init__(
        self,
        target: TargetScale,
        y: NDArray[Any],
        shares: NDArray[np.float64],
        folds: Sequence[NDArray[np.int64]],
        criterion: Criterion,
        numbers: Sequence[int],
        candidates: Sequence[Candidate],
    ) -> None:
        self._folds, self._numbers, self._criterion = folds, numbers, criterion
        self.trained = [each for each in candidates if each.is_trained(numbers)]
        self._n_rows = len(y)
        self._rows = np.unique(np.concatenate([folds[k] for k in numbers]))
        self._y = y[self._rows]
        self._shares = shares[self._rows] / shares[self._rows].sum()
        self._target = self._with_log_factor(target, y, shares)
        self._outputs = [self._mean(each, self._target)[self._rows] for each in self.trained]
        self.losses = [self._criterion(each, self._y, self._shares) for each in self._outputs]

    def _mean(self, candidate: Candidate, target: TargetScale) -> NDArray[np.float64]:
        """Return each row's mean prediction by networks not trained on it; 0 in no fold."""
        folds = [self._folds[k] for k in self._numbers]
        outputs = [
            target.decode(candidate.held_out_outputs(k, rows), candidate.configuration.log_target)
            for k, rows in zip(self._numbers, folds, strict=True)
        ]
        return mean_over_folds(self._n_rows, folds, outputs)

    def _with_log_factor(
        self, target: TargetScale, y: NDArray[Any], shares: NDArray[np.float64]
    ) -> TargetScale:
        """Return the scale with the factor of least squared error of predictions by logarithms."""
        of_logs = [each for each in self.trained if each.configuration.log_target]
        if not of_logs:
            return target
        mean = sum(self._mean(each, target) for each in of_logs) / len(of_logs)
        factor = (shares * mean) @ y / ((shares * mean) @ mean)
        return dataclasses.replace(target, log_factor=float(factor))

    def _weights(self) -> NDArray[np.float64]:
        penalties = None
        if not self._target.n_classes:
            # Of classes it was measured to be no help: noise costs them less, by the temperature.
            optimism = [each.optimism(self._numbers) for each in self.trained]
            penalties = np.array(optimism) * np.array(self.losses)
        return select_greedily(
            self._outputs, self._y, self._shares, loss=self._criterion, penalties=penalties
        )

    def promising(self) -> list[Candidate]:
        """Return the candidates that the selection picks."""
        if not self.trained:
            return []
        weights = self._weights()
        return [each for each, weight in zip(self.trained, weights, strict=True) if weight > 0]

    def members(self, weights: Sequence[float] | NDArray[np.float64]) -> tuple[Member, ...]:
        """Return the candidates as members of a portfolio with these weights."""
        return tuple(
            Member(
                candidate.configuration,
                tuple(candidate.models[k] for k in self._numbers),
                float(weight),
                loss,
                candidate.seconds,
            )
            for candidate, weight, loss in zip(self.trained, weights, self.losses, strict=True)
        )

    def portfolio(self, encoders: dict[str, TableEncoder]) -> Portfolio:
        """Choose the weights of the candidates, and calibrate.

        Raises
        ------
        DataError
            If every network diverged.
        """
        if not self.trained:
            raise DataError(
                "every network of the portfolio diverged; expected columns and a target whose "
                "numbers can be trained on; look for values out of all proportion"
            )
        target, weights = self._target, self._weights()
        members = self.members(weights)
        mean = sum(weight * each for weight, each in zip(weights, self._outputs, strict=True))
        temperature = 1.0
        if target.n_classes:
            temperature = fit_temperature(mean, self._y, self._shares, self._criterion)
        oof = np.full((self._n_rows, *mean.shape[1:]), np.nan)
        oof[self._rows] = target.calibrate(mean, temperature)
        folds = tuple(self._folds[k] for k in self._numbers)
        return Portfolio(target, encoders_of(members, encoders), members, temperature, oof, folds)
