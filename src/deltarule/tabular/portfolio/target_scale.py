"""The scale on which the networks of a portfolio learn a target."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.maths import Network
from deltarule.tables import TargetEncoder
from deltarule.tables.column_encoders import mean_and_std
from deltarule.tabular.network_targets import class_targets
from deltarule.tabular.portfolio.selection import apply_temperature
from deltarule.tabular.probabilities import probabilities_of

__all__ = ["TargetScale"]


@dataclasses.dataclass(frozen=True)
class TargetScale:
    """The scale on which networks learn a target.

    Attributes
    ----------
    n_classes : int
        0 for a number.
    mean, std, low, high : float
        Of the training targets, if these are numbers.
    log_mean, log_std : float
        Of their logarithms, if these exist.
    log_factor : float
        What a prediction by logarithms is multiplied by: e^(mean of ln y) is below the mean of y.
    """

    n_classes: int
    mean: float = 0.0
    std: float = 1.0
    low: float = 0.0
    high: float = 1.0
    log_mean: float = 0.0
    log_std: float = 1.0
    log_factor: float = 1.0

    @classmethod
    def fit(cls, y: NDArray[Any], n_classes: int, w: NDArray[np.float64]) -> TargetScale:
        """Return the scale of training targets with row weights w."""
        if n_classes:
            return cls(n_classes)
        y = np.asarray(y, np.float64)
        logs = mean_and_std(np.log(y), w) if y.min() > 0 else (0.0, 1.0)
        return cls(0, *mean_and_std(y, w), float(y.min()), float(y.max()), *logs)

    @property
    def suits_logarithms(self) -> bool:
        """Whether the targets are above 0, and the largest is over three times the least."""
        return 0 < 3 * self.low < self.high

    def target_encoder(self, target: TargetEncoder) -> TargetEncoder:
        """Return the encoder of a target for a single network that learned on this scale."""
        if self.n_classes:
            return target
        return TargetEncoder.from_dict(target.to_dict() | {"mean": self.mean, "std": self.std})

    def encode(self, net: Network, y: NDArray[Any], log: bool = False) -> NDArray[Any]:
        """Return a network's targets: of classes for a softmax, else one column of numbers."""
        if net.n_outputs > 1:
            return class_targets(net, y.astype(np.int64))
        y = y.astype(np.float64)
        column = (np.log(y) - self.log_mean) / self.log_std if log else (y - self.mean) / self.std
        return np.asarray(column.astype(net.dtype)[:, None])

    def decode(self, outputs: NDArray[np.float64], log: bool = False) -> NDArray[np.float64]:
        """Return probabilities of shape (N, K), or numbers of shape (N,), of outputs a^L."""
        if self.n_classes:
            return probabilities_of(outputs)
        if not log:
            return outputs[:, 0] * self.std + self.mean
        logs = outputs[:, 0] * self.log_std + self.log_mean
        # No prediction is far beyond the targets of training; e^1000 would be none at all.
        return self.log_factor * np.exp(np.clip(logs, np.log(self.low), np.log(self.high)))

    def calibrate(
        self, predictions: NDArray[np.float64], temperature: float
    ) -> NDArray[np.float64]:
        """Return probabilities at a temperature, or numbers within the range of training."""
        if self.n_classes:
            return apply_temperature(predictions, temperature)
        return np.clip(predictions, self.low, self.high)
