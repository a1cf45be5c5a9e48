"""Training a portfolio: every configuration on every fold, selection, and calibration."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, Diverged
from deltarule.maths import Network
from deltarule.tables import Schema, TableEncoder, TypedColumns
from deltarule.tables.column_encoders import mean_and_std
from deltarule.tabular.network_targets import loss_and_output
from deltarule.tabular.portfolio.configurations import Configuration, default_configurations
from deltarule.tabular.portfolio.folds import make_folds
from deltarule.tabular.portfolio.selection import (
    apply_temperature,
    fit_temperature,
    mean_loss,
    select_greedily,
)
from deltarule.tabular.probabilities import probabilities_of
from deltarule.tabular.settings import automatic_batch_rows
from deltarule.training import Model, TrainingResult, train_many
from deltarule.training.threads import blas_threads_for

__all__ = ["Member", "Portfolio", "TargetScale", "fit_portfolio"]

_PATIENCE = 20


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
        Of wall-clock time that its training took.
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


@dataclasses.dataclass(frozen=True)
class TargetScale:
    """The scale on which networks learn a target.

    Attributes
    ----------
    n_classes : int
        0 for a number.
    mean, std, low, high : float
        Of the training targets, if these are numbers.
    """

    n_classes: int
    mean: float = 0.0
    std: float = 1.0
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def fit(cls, y: NDArray[Any], n_classes: int, w: NDArray[np.float64]) -> TargetScale:
        """Return the scale of training targets with row weights w."""
        if n_classes:
            return cls(n_classes)
        mean, std = mean_and_std(np.asarray(y, np.float64), w)
        return cls(0, mean, std, float(y.min()), float(y.max()))

    def encode(self, net: Network, y: NDArray[Any]) -> NDArray[Any]:
        """Return a network's targets: class numbers for a softmax, else one column of numbers."""
        if net.n_outputs > 1:
            return y.astype(np.int64)
        column = ((y.astype(np.float64) - self.mean) / self.std).astype(net.dtype)
        return np.asarray(column[:, None])

    def decode(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities of shape (N, K), or numbers of shape (N,), of outputs a^L."""
        if self.n_classes:
            return probabilities_of(outputs)
        return outputs[:, 0] * self.std + self.mean

    def calibrate(
        self, predictions: NDArray[np.float64], temperature: float
    ) -> NDArray[np.float64]:
        """Return probabilities at a temperature, or numbers within the range of training."""
        if self.n_classes:
            return apply_temperature(predictions, temperature)
        return np.clip(predictions, self.low, self.high)


@dataclasses.dataclass(frozen=True, eq=False)
class Portfolio:
    """Networks of several configurations, whose weighted mean is the prediction.

    Attributes
    ----------
    target : TargetScale
    encoders : mapping of str to TableEncoder
        By the encoding of numbers.
    members : tuple of Member
        All that were trained, those of weight 0 included.
    temperature : float
        What the logarithms of the mean probabilities are divided by.
    oof : array of shape (N, K), or (N,)
        The out-of-fold predictions: each row's by the networks that were not trained on it. A
        portfolio that was read from a file has none, and only the members of weight above 0.
    """

    target: TargetScale
    encoders: dict[str, TableEncoder]
    members: tuple[Member, ...]
    temperature: float
    oof: NDArray[np.float64]

    def encoder_of(self, member: Member) -> TableEncoder:
        """Return the encoder of a member's inputs."""
        return self.encoders[_encoding(member.configuration)]

    def predict(self, typed: TypedColumns) -> NDArray[np.float64]:
        """Predict probabilities of shape (N, K), or numbers of shape (N,)."""
        total: Any = 0.0
        encoded: dict[str, NDArray[np.float32]] = {}
        for member in self.members:
            if member.weight == 0:
                continue
            numbers = _encoding(member.configuration)
            if numbers not in encoded:
                encoded[numbers] = self.encoders[numbers].transform(typed, dtype=np.float32)
            outputs = member.mean_outputs(encoded[numbers])
            total = total + member.weight * self.target.decode(outputs)
        return self.target.calibrate(total, self.temperature)


def _encoding(configuration: Configuration) -> str:
    """Return the key of the encoder that a configuration uses."""
    bins = configuration.bins if configuration.numbers == "piecewise_linear" else ""
    return f"{configuration.numbers}{bins}"


def fit_portfolio(
    typed: TypedColumns,
    schema: Schema,
    y: NDArray[Any],
    n_classes: int = 0,
    *,
    weights: NDArray[np.float64] | None = None,
    groups: NDArray[np.int64] | None = None,
    configurations: Sequence[Configuration] | None = None,
    seed: int = 0,
    progress: Callable[[str], Any] | None = None,
) -> Portfolio:
    """Train all configurations on all folds, and choose their weights by out-of-fold loss.

    Each network keeps the epoch of the least loss on the fold it was not trained on. The encoders
    see the cells of all rows, but no target.

    Parameters
    ----------
    typed : TypedColumns
        The columns to predict from.
    schema : Schema
        Of these columns.
    y : array of shape (N,)
        Class numbers 0 … K−1, or numbers.
    n_classes : int
        K; 0 for numbers.
    weights : array of shape (N,), optional
        Row weights.
    groups : array of shape (N,), optional
        Rows of the same group are in the same fold.
    configurations : sequence of Configuration, optional
        :func:`default_configurations` unless given.
    seed : int
    progress : callable, optional
        Called with the name of each configuration when its training begins.

    Returns
    -------
    Portfolio

    Raises
    ------
    DataError
        If every network diverged.
    """
    task = "classification" if n_classes else "regression"
    configurations = configurations or default_configurations(task)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    target = TargetScale.fit(y, n_classes, w)
    folds = make_folds(len(y), y.astype(np.int64) if n_classes else None, groups, seed)
    shares = w / w.sum()
    encoders: dict[str, TableEncoder] = {}
    encoded: dict[str, NDArray[np.float32]] = {}
    members: list[Member] = []
    predictions: list[NDArray[np.float64]] = []
    for number, configuration in enumerate(configurations):
        if progress is not None:
            progress(configuration.name)
        started = time.perf_counter()
        key = _encoding(configuration)
        if key not in encoded:
            encoders[key] = TableEncoder(
                numbers=configuration.numbers, bins=configuration.bins, min_rows=1
            ).fit(typed, schema, weights=w)
            encoded[key] = encoders[key].transform(typed, dtype=np.float32)
        X = encoded[key]
        net = _network(X.shape[1], n_classes, configuration)
        first = (seed * len(configurations) + number) * len(folds)
        models = _train_folds(net, X, target.encode(net, y), w, folds, first, configuration)
        if models is None:
            continue
        oof = _out_of_fold(target, models, X, folds)
        score = mean_loss(oof, y, shares)
        members.append(Member(configuration, models, 0.0, score, time.perf_counter() - started))
        predictions.append(oof)
    if not members:
        raise DataError(
            "every network of the portfolio diverged; expected columns and a target whose numbers "
            "can be trained on; look for values out of all proportion"
        )
    member_weights = select_greedily(predictions, y, shares)
    members = [
        dataclasses.replace(member, weight=float(weight))
        for member, weight in zip(members, member_weights, strict=True)
    ]
    oof = sum(weight * each for weight, each in zip(member_weights, predictions, strict=True))
    temperature = fit_temperature(oof, y, shares) if n_classes else 1.0
    calibrated = target.calibrate(oof, temperature)
    return Portfolio(target, encoders, tuple(members), temperature, calibrated)


def _network(n_inputs: int, n_classes: int, configuration: Configuration) -> Network:
    """Return the network of a configuration, in float32."""
    loss, output = loss_and_output("auto", n_classes)
    return Network(
        [n_inputs, *configuration.layers, n_classes if n_classes > 2 else 1],
        activation=configuration.activation,
        output_activation=output,
        loss=loss,
        dtype=np.float32,
    )


def _train_folds(
    net: Network,
    X: NDArray[np.float32],
    Y: NDArray[Any],
    w: NDArray[np.float64],
    folds: Sequence[NDArray[np.int64]],
    first_seed: int,
    configuration: Configuration,
) -> tuple[Model, ...] | None:
    """Train one network without each fold; None if one of them diverged."""
    n_rows = len(X)
    batch = automatic_batch_rows(n_rows)
    with blas_threads_for(net, batch):
        results: list[TrainingResult | Diverged] = train_many(
            net,
            X,
            Y,
            seeds=range(first_seed, first_seed + len(folds)),
            sample_weight=w,
            validation=list(folds),
            learning_rate=configuration.learning_rate,
            l2=configuration.l2,
            dropout=configuration.dropout,
            epochs=configuration.epochs_for(n_rows),
            batch_size=batch,
            stopping=_PATIENCE,
            schedule="cosine",
            rule="adam",
            on_diverged="keep",
        )
    if any(isinstance(result, Diverged) for result in results):
        return None
    return tuple(Model(net, r.theta, r.history) for r in results if isinstance(r, TrainingResult))


def _out_of_fold(
    target: TargetScale,
    models: Sequence[Model],
    X: NDArray[np.float32],
    folds: Sequence[NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Return each row's mean prediction by the networks that were not trained on it."""
    total = np.zeros((len(X), target.n_classes) if target.n_classes else len(X))
    counts = np.zeros(len(X))
    for model, rows in zip(models, folds, strict=True):
        total[rows] += target.decode(model.predict(X[rows]).astype(np.float64))
        counts[rows] += 1
    return total / (counts[:, None] if target.n_classes else counts)
