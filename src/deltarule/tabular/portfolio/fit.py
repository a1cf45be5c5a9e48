"""Training a portfolio: every configuration on every fold, selection, and calibration."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines import make_engine
from deltarule.errors import DataError
from deltarule.maths import Loss, Network
from deltarule.tables import Schema, TableEncoder, TypedColumns
from deltarule.tables.target_statistics import target_columns
from deltarule.tabular.portfolio.candidates import (
    Candidate,
    Progress,
    deadline_of,
    raised_at,
    train_candidates,
)
from deltarule.tabular.portfolio.configurations import Configuration
from deltarule.tabular.portfolio.folds import make_folds
from deltarule.tabular.portfolio.losses import Criterion, PortfolioLoss, portfolio_loss
from deltarule.tabular.portfolio.plan import make_plan
from deltarule.tabular.portfolio.selection import fit_temperature, select_greedily
from deltarule.tabular.portfolio.target_scale import TargetScale
from deltarule.tabular.text_projection import fit_free_text
from deltarule.training import Model, StopFlag
from deltarule.training.interrupt import interruptible

__all__ = ["Member", "Portfolio", "StoppedTooEarly", "TargetScale", "fit_portfolio"]


class StoppedTooEarly(KeyboardInterrupt):
    """Training was stopped before a first configuration had networks."""


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
        All that were trained, those of weight 0 included.
    temperature : float
        What the logarithms of the mean probabilities are divided by.
    oof : array of shape (N, K), or (N,)
        The out-of-fold predictions: each row's by the networks that were not trained on it; NaN
        where there is none, since a time budget ended before all folds. A portfolio that was read
        from a file has none at all, and only the members of weight above 0.
    """

    target: TargetScale
    encoders: dict[str, TableEncoder]
    members: tuple[Member, ...]
    temperature: float
    oof: NDArray[np.float64]

    @property
    def used(self) -> tuple[Member, ...]:
        """The members of weight above 0."""
        return tuple(member for member in self.members if member.weight > 0)

    def ranked(self) -> list[Member]:
        """Return all members, the one of the least out-of-fold loss first."""
        return sorted(self.members, key=lambda member: member.score)

    def pruned(self) -> Portfolio:
        """Return the portfolio of the members of weight above 0, with the encoders they need."""
        encoders = _encoders_of(self.used, self.encoders)
        return dataclasses.replace(self, members=self.used, encoders=encoders)

    def encoder_of(self, member: Member) -> TableEncoder:
        """Return the encoder of a member's inputs."""
        return self.encoders[_encoding(member.configuration)]

    def predict(self, typed: TypedColumns) -> NDArray[np.float64]:
        """Predict probabilities of shape (N, K), or numbers of shape (N,)."""
        total: Any = 0.0
        encoded: dict[str, NDArray[np.float32]] = {}
        for member in self.used:
            numbers = _encoding(member.configuration)
            if numbers not in encoded:
                encoded[numbers] = self.encoders[numbers].transform(typed, dtype=np.float32)
            outputs = member.mean_outputs(encoded[numbers])
            decoded = self.target.decode(outputs, member.configuration.log_target)
            total = total + member.weight * decoded
        return self.target.calibrate(total, self.temperature)


def _encoding(configuration: Configuration) -> str:
    """Return the key of the encoder that a configuration uses."""
    bins = configuration.bins if configuration.numbers == "piecewise_linear" else ""
    levels = "" if configuration.one_hot_levels is None else f"/{configuration.one_hot_levels}"
    pairs, scale = configuration.random_features, configuration.random_scale
    random = f"+{pairs}x{scale:g}" if pairs else ""
    return f"{configuration.numbers}{bins}{levels}{random}"


def _encoders_of(
    members: Sequence[Member], encoders: dict[str, TableEncoder]
) -> dict[str, TableEncoder]:
    """Return the encoders of these members."""
    keys = {_encoding(member.configuration) for member in members}
    return {key: encoder for key, encoder in encoders.items() if key in keys}


def fit_portfolio(
    typed: TypedColumns,
    schema: Schema,
    y: NDArray[Any],
    n_classes: int = 0,
    *,
    weights: NDArray[np.float64] | None = None,
    groups: NDArray[np.int64] | None = None,
    loss: str | Loss | None = None,
    splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None,
    quality: str = "default",
    time_budget: float | None = None,
    started: float | None = None,
    configurations: Sequence[Configuration] | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[str], Any] | None = None,
    stop: StopFlag | None = None,
) -> Portfolio:
    """Train configurations on folds, and choose their weights by out-of-fold loss.

    Each network keeps the epoch of the least loss on the fold it was not trained on. The encoders
    see the cells of all rows; where they see the target, as for categories of many levels, each
    fold is encoded by the rows outside of it. All configurations are trained on
    the first folds, and only the promising ones on the others.

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
    loss : str or Loss, optional
        What networks are trained by and chosen by: log_loss or brier; squared_error,
        absolute_error, huber, quantile or poisson. The first, unless given.
    splits : sequence of (training rows, held-out rows), optional
        In place of the folds. Categories of many levels are encoded by folds of their own.
    quality : {"default", "fast", "best"}
        How many configurations and folds; see :func:`make_plan`.
    time_budget : float, optional
        Seconds of wall-clock time. When they are over, training ends, and the networks so far are
        the portfolio; the first configuration is trained in any case. Which networks these are
        depends on the clock.
    started : float, optional
        When the time budget began, by :func:`time.perf_counter`; now, unless given.
    configurations : sequence of Configuration, optional
        Those of the quality unless given.
    seed : int
    threads : int, optional
        How many networks are trained at the same time; as many as there are cores unless given.
    progress : callable, optional
        Called with the name of each configuration when its training begins, and the best
        out-of-fold loss so far, as one text, in a thread of training.
    stop : StopFlag, optional
        Ends training, as the end of a time budget does, and the first configuration too. Ctrl-C in
        the main thread raises it.

    Returns
    -------
    Portfolio

    Raises
    ------
    DataError
        If every network diverged.
    InputError
        If the quality is unknown, or the time budget not above 0.
    StoppedTooEarly
        If ``stop`` was raised, or Ctrl-C pressed, before a first configuration had networks.
    """
    deadline = deadline_of(time_budget, started)
    plan = make_plan(
        quality, "classification" if n_classes else "regression", len(y), configurations
    )
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    shares = w / w.sum()
    by = portfolio_loss(loss, n_classes)
    target = by.scale(y, n_classes, w)
    criterion = by.criterion(target)
    classes = y.astype(np.int64) if n_classes else None
    folds = make_folds(len(y), classes, groups, seed, n_folds=plan.folds, repeats=plan.repeats)
    # Every row is in one fold of a repeat; one repeat is enough to encode it without its target.
    of_target = target_columns(y if n_classes else (y - target.mean) / target.std, n_classes)
    inputs = _Inputs(typed, schema, w, of_target, folds[: plan.folds])
    training_rows = None
    if splits is not None:
        training_rows = [rows for rows, _ in splits]
        folds = [held_out for _, held_out in splits]
    candidates = [
        Candidate(
            each,
            *_network_and_data(inputs, target, y, each, by),
            first_seed=(seed * len(plan.configurations) + k) * len(folds),
            training_rows=training_rows,
        )
        for k, each in enumerate(plan.configurations)
        if (target.suits_logarithms and by.allows_logarithms) or not each.log_target
    ]
    out_of_fold = functools.partial(_OutOfFold, target, y, shares, folds, criterion)
    first_folds = min(plan.first_folds or len(folds), len(folds))
    first, others = range(first_folds), range(first_folds, len(folds))
    shown = Progress(
        progress,
        lambda candidate: out_of_fold(first, [candidate]).losses()[0],
        by.name.replace("_", " "),
    )
    make_engine()  # compiles in this thread, in which Ctrl-C ends it
    stop = StopFlag() if stop is None else stop
    flag = StopFlag(stop)  # the end of a time budget raises this one alone
    rest = candidates
    with interruptible(stop):
        if deadline is not None:
            train_candidates(candidates[:1], first, folds, w, stop, shown, threads)
            rest = candidates[1:]
        with raised_at(deadline, flag):
            train_candidates(rest, first, folds, w, flag, shown, threads)
            if others:
                chosen = out_of_fold(first, candidates).promising()
                train_candidates(chosen, others, folds, w, flag, shown, threads)
    found = out_of_fold(range(len(folds)), candidates)
    if not found.trained:  # training ended before all folds
        found = out_of_fold(first, candidates)
    if stop and not found.trained and not any(each.diverged for each in candidates):
        raise StoppedTooEarly
    return found.portfolio(inputs.encoders)


class _Inputs:
    """The fitted encoders, and the training rows encoded by each."""

    def __init__(
        self,
        typed: TypedColumns,
        schema: Schema,
        w: NDArray[np.float64],
        targets: NDArray[np.float64],
        folds: Sequence[NDArray[np.int64]],
    ) -> None:
        self.typed, self.schema, self.w = typed, schema, w
        self.targets, self.folds = targets, folds
        self.encoders: dict[str, TableEncoder] = {}
        self.encoded: dict[str, NDArray[np.float32]] = {}

    def __call__(self, configuration: Configuration) -> NDArray[np.float32]:
        """Return the rows as a configuration encodes them."""
        key = _encoding(configuration)
        if key not in self.encoders:
            n_columns = self.targets.shape[1]
            n_numbers = sum(column.kind != "category" for column in self.schema.columns)
            encoder = TableEncoder(
                numbers=configuration.numbers,
                bins=configuration.bins_for(len(self.typed), n_numbers),
                min_rows=1,
                one_hot_levels=configuration.one_hot_levels,
                calendar=True,
                random_features=configuration.random_features,
                random_scale=configuration.random_scale,
            )
            labels = [str(k) for k in range(n_columns)] if n_columns > 1 else [""]
            encoder.fit(self.typed, self.schema, self.w, self.targets, labels, fit_free_text)
            X = encoder.transform(self.typed, dtype=np.float32)
            encoder.write_cross_fitted(X, self.typed, self.targets, self.folds, self.w)
            self.encoders[key], self.encoded[key] = encoder, X
        return self.encoded[key]


def _network_and_data(
    inputs: _Inputs,
    target: TargetScale,
    y: NDArray[Any],
    configuration: Configuration,
    by: PortfolioLoss,
) -> tuple[Network, NDArray[np.float32], NDArray[Any]]:
    """Return a configuration's network, in float32, with its rows and targets."""
    X = inputs(configuration)
    net = Network(
        [X.shape[1], *configuration.layers, target.n_classes if target.n_classes > 2 else 1],
        activation=configuration.activation,
        output_activation=by.output,
        loss=by.loss,
        dtype=np.float32,
    )
    return net, X, target.encode(net, y, configuration.log_target)


class _OutOfFold:
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

    def _mean(self, candidate: Candidate, target: TargetScale) -> NDArray[np.float64]:
        """Return each row's mean prediction by networks not trained on it; 0 in no fold."""
        total = np.zeros((self._n_rows, target.n_classes) if target.n_classes else self._n_rows)
        counts = np.zeros(self._n_rows)
        for k in self._numbers:
            rows = self._folds[k]
            outputs = candidate.held_out_outputs(k, rows)
            total[rows] += target.decode(outputs, candidate.configuration.log_target)
            counts[rows] += 1
        counts = np.maximum(counts, 1)
        return total / (counts[:, None] if target.n_classes else counts)

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
        return select_greedily(self._outputs, self._y, self._shares, loss=self._criterion)

    def losses(self) -> list[float]:
        """Return the out-of-fold loss of each candidate."""
        return [self._criterion(each, self._y, self._shares) for each in self._outputs]

    def promising(self) -> list[Candidate]:
        """Return the candidates that the selection picks, and the better half."""
        if not self.trained:
            return []
        losses = np.argsort(self.losses(), kind="stable")
        better = set(losses[: (len(self.trained) + 1) // 2].tolist())
        weights = self._weights()
        return [each for k, each in enumerate(self.trained) if weights[k] > 0 or k in better]

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
        members = tuple(
            Member(
                candidate.configuration,
                tuple(candidate.models[k] for k in self._numbers),
                float(weight),
                loss,
                candidate.seconds,
            )
            for candidate, weight, loss in zip(self.trained, weights, self.losses(), strict=True)
        )
        mean = sum(weight * each for weight, each in zip(weights, self._outputs, strict=True))
        temperature = 1.0
        if target.n_classes:
            temperature = fit_temperature(mean, self._y, self._shares, self._criterion)
        oof = np.full((self._n_rows, *mean.shape[1:]), np.nan)
        oof[self._rows] = target.calibrate(mean, temperature)
        return Portfolio(target, _encoders_of(members, encoders), members, temperature, oof)
