"""A trained portfolio: the networks of several configurations, and their weighted mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.tables import TableEncoder, TypedColumns
from deltarule.tabular.portfolio.configurations import Configuration
from deltarule.tabular.portfolio.target_scale import TargetScale
from deltarule.training import Model

__all__ = ["Member", "Portfolio", "encoders_of", "encoding_of"]


@dataclasses.dataclass(frozen=True, eq=False)
class Member:
    """The networks of one configuration, one trained without each fold.

    Attributes
    ----------
    configuration : Configuration
    models : tuple of Model
    weight : float
        The member's weight in the mean over members.
    score : float
        The mean loss of its out-of-fold predictions.
    seconds : float
        Of training, added over its networks.
    """

    configuration: Configuration
    models: tuple[Model, ...]
    weight: float
    score: float
    seconds: float

    def mean_outputs(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean outputs a^L of its networks for encoded rows, shape (N, n_L)."""
        total = np.zeros((len(X), self.models[0].net.n_outputs))
        for model in self.models:
            total += model.predict(X)
        return total / len(self.models)


@dataclasses.dataclass(frozen=True, eq=False)
class Portfolio:
    """Networks of several configurations, whose weighted mean is the prediction.

    Attributes
    ----------
    target : TargetScale
    encoders : mapping of str to TableEncoder
        By the encoding of numbers.
    members : tuple of Member
        All that were trained on every fold, those of weight 0 included.
    temperature : float
        What the logarithms of the mean probabilities are divided by.
    oof : array of shape (N, K), or (N,)
        The out-of-fold predictions: each row's by the networks that were not trained on it; NaN
        where there is none, since a time budget ended before all folds. A portfolio that was read
        from a file has none at all, and only the members of weight above 0.
    folds : tuple of arrays of row numbers
        The rows that the networks of each number were not trained on: network k of every member
        without those of fold k. Empty if the portfolio was read from a file, or updated.
    left_out : tuple of Member
        Those that were trained on the first folds alone, and scored on them; they have no part in
        the predictions. None if the portfolio was read from a file.
    notes : tuple of str
        What became of networks that diverged, a sentence for each configuration.
    """

    target: TargetScale
    encoders: dict[str, TableEncoder]
    members: tuple[Member, ...]
    temperature: float
    oof: NDArray[np.float64]
    folds: tuple[NDArray[np.int64], ...] = ()
    left_out: tuple[Member, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[Member, ...]:
        """The members of weight above 0."""
        return tuple(member for member in self.members if member.weight > 0)

    def ranked(self) -> list[Member]:
        """Return all that were trained: the members, then those left out, each the best first."""
        parts = self.members, self.left_out
        return [each for part in parts for each in sorted(part, key=lambda each: each.score)]

    def leaderboard(self) -> list[dict[str, Any]]:
        """Return the configurations, the best first, with loss, weight, networks and seconds.

        Those with fewer networks than the others were left out after the first folds, and their
        loss is of these.
        """
        return [
            {
                "configuration": member.configuration.name,
                "out_of_fold_loss": member.score,
                "weight": member.weight,
                "networks": len(member.models),
                "seconds": member.seconds,
            }
            for member in self.ranked()
        ]

    def pruned(self) -> Portfolio:
        """Return the portfolio of the members of weight above 0, with the encoders they need."""
        encoders = encoders_of(self.used, self.encoders)
        return dataclasses.replace(self, members=self.used, encoders=encoders, left_out=())

    def encoder_of(self, member: Member) -> TableEncoder:
        """Return the encoder of a member's inputs."""
        return self.encoders[encoding_of(member.configuration)]

    def predict(self, typed: TypedColumns) -> NDArray[np.float64]:
        """Predict probabilities of shape (N, K), or numbers of shape (N,)."""
        total: Any = 0.0
        encoded: dict[str, NDArray[np.float32]] = {}
        for member in self.used:
            numbers = encoding_of(member.configuration)
            if numbers not in encoded:
                encoded[numbers] = self.encoders[numbers].transform(typed, dtype=np.float32)
            outputs = member.mean_outputs(encoded[numbers])
            decoded = self.target.decode(outputs, member.configuration.log_target)
            total = total + member.weight * decoded
        return self.target.calibrate(total, self.temperature)


def encoding_of(configuration: Configuration) -> str:
    """Return the key of the encoder that a configuration uses."""
    bins = configuration.bins if configuration.numbers == "piecewise_linear" else ""
    levels = "" if configuration.one_hot_levels is None else f"/{configuration.one_hot_levels}"
    pairs, scale = configuration.random_features, configuration.random_scale
    random = f"+{pairs}x{scale:g}" if pairs else ""
    return f"{configuration.numbers}{bins}{levels}{random}"


def encoders_of(
    members: Sequence[Member], encoders: dict[str, TableEncoder]
) -> dict[str, TableEncoder]:
    """Return the encoders of these members."""
    keys = {encoding_of(member.configuration) for member in members}
    return {key: encoder for key, encoder in encoders.items() if key in keys}
