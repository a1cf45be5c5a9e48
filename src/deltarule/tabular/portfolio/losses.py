"""The losses that a portfolio can be trained and selected by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError, Message, Parameter
from deltarule.maths import LOSSES, Loss
from deltarule.maths.namespace import numpy_namespace
from deltarule.tabular.network_targets import loss_and_output
from deltarule.tabular.portfolio.selection import mean_loss
from deltarule.tabular.portfolio.target_scale import TargetScale

__all__ = ["CLASS_LOSSES", "NUMBER_LOSSES", "Criterion", "PortfolioLoss", "portfolio_loss"]

CLASS_LOSSES = ("log_loss", "brier")
"""The names of losses of classes."""
NUMBER_LOSSES = ("squared_error", "absolute_error", "huber", "quantile", "poisson")
"""The names of losses of numbers."""

Criterion = Callable[[NDArray[np.float64], NDArray[Any], NDArray[np.float64]], float]


@dataclasses.dataclass(frozen=True)
class PortfolioLoss:
    """A loss, and the output activation of networks that are trained by it.

    Attributes
    ----------
    name : str
    loss : Loss
        Of the networks: of numbers that are divided by their standard deviation, or by their mean
        for Poisson.
    output : str
    """

    name: str
    loss: Loss
    output: str

    @property
    def allows_logarithms(self) -> bool:
        """Whether members may learn ln y: their factor is fitted to squared errors."""
        return self.name == "squared_error"

    def scale(self, y: NDArray[Any], n_classes: int, w: NDArray[np.float64]) -> TargetScale:
        """Return the scale on which networks learn targets with row weights w.

        Raises
        ------
        InputError
            If a target is below 0, or all are 0, and the loss is Poisson's.
        """
        target = TargetScale.fit(y, n_classes, w)
        if self.name != "poisson":
            return target
        if target.low < 0 or target.mean <= 0:
            raise InputError(
                Message(Parameter("loss"), f" is 'poisson' and the least target is {target.low:g}"),
                parameter="loss",
                given=self.name,
                expected="targets of at least 0, one of them above 0",
            )
        return dataclasses.replace(target, mean=0.0, std=target.mean)

    def criterion(self, target: TargetScale) -> Criterion:
        """Return the function of predictions, targets and weights that selects members."""
        if self.name in ("log_loss", "squared_error"):
            return mean_loss
        if self.name == "brier":
            return _brier
        terms = self.loss.bind(numpy_namespace()).from_output

        def of_numbers(
            outputs: NDArray[np.float64], y: NDArray[Any], weights: NDArray[np.float64]
        ) -> float:
            a = (outputs - target.mean) / target.std
            if self.name == "poisson":
                a = np.maximum(a, np.finfo(np.float32).tiny)
            values = terms(a[:, None], ((y - target.mean) / target.std)[:, None])[0]
            return float(weights @ values[:, 0])

        return of_numbers


def _brier(outputs: NDArray[np.float64], y: NDArray[Any], weights: NDArray[np.float64]) -> float:
    """Return the weighted mean of Σ_k (p_k − y_k)²."""
    of_truth = outputs[np.arange(len(y)), y.astype(np.intp)]
    return float(weights @ ((outputs**2).sum(axis=1) - 2 * of_truth + 1))


def portfolio_loss(loss: str | Loss | None, n_classes: int) -> PortfolioLoss:
    """Return the loss of a name, or of a loss with other parameters; K = 0 for numbers.

    None is log loss, or squared error.

    Raises
    ------
    InputError
        If there is no such loss for this target.

    Examples
    --------
    >>> portfolio_loss("brier", 3).output
    'softmax'
    >>> str(portfolio_loss(LOSSES.get("quantile", levels=0.9), 0).loss)
    'quantile(levels=[0.9])'
    """
    names = CLASS_LOSSES if n_classes else NUMBER_LOSSES
    name = names[0] if loss is None else loss.name if isinstance(loss, Loss) else loss
    if not isinstance(name, str) or name not in names:
        what = "classes" if n_classes else "numbers"
        raise InputError(
            Message(Parameter("loss"), f" is {loss!s}, and the targets are {what}"),
            parameter="loss",
            given=loss,
            expected=f"one of {', '.join(names)}",
        )
    if name in ("log_loss", "squared_error"):
        return PortfolioLoss(name, *loss_and_output("auto", n_classes))
    if name == "brier":
        return PortfolioLoss(name, *loss_and_output("squared_error", n_classes))
    record = loss if isinstance(loss, Loss) else LOSSES.get(name)
    return PortfolioLoss(name, record, "exp" if name == "poisson" else "identity")
