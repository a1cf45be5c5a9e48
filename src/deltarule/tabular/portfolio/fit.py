"""Training a portfolio: every configuration on every fold, selection, and calibration."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, InputError
from deltarule.maths import Loss, Network
from deltarule.tables import Schema, TableEncoder, TypedColumns
from deltarule.tables.target_statistics import target_columns
from deltarule.tabular.portfolio.candidates import Candidate, deadline_flag, train_candidates
from deltarule.tabular.portfolio.configurations import Configuration
from deltarule.tabular.portfolio.folds import make_folds
from deltarule.tabular.portfolio.losses import Criterion, PortfolioLoss, portfolio_loss
from deltarule.tabular.portfolio.plan import make_plan
from deltarule.tabular.portfolio.selection import fit_temperature, select_greedily
from deltarule.tabular.portfolio.target_scale import TargetScale
from deltarule.tabular.text_projection import fit_free_text
from deltarule.training import Model, StopFlag

__all__ = ["Member", "Portfolio", "TargetScale", "fit_portfolio"]


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
            decoded = self.target.decode(outputs, member.configuration.log_target)
            total = total + member.weight * decoded
        return self.target.calibrate(total, self.temperature)


def _encoding(configuration: Configuration) -> str:
    """Return the key of the encoder that a configuration uses."""
    bins = configuration.bins if configuration.numbers == "piecewise_linear" else ""
    levels = "" if configuration.one_hot_levels is None else f"/{configuration.one_hot_levels}"
    return f"{configuration.numbers}{bins}{levels}"


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
        Called with the name of each configuration when its training begins, in a thread of
        training.

    Returns
    -------
    Portfolio

    Raises
    ------
    DataError
        If every network diverged.
    InputError
        If the quality is unknown, or the time budget not above 0.
    """
    deadline = _deadline(time_budget, started)
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
        _candidate(inputs, target, y, each, by, (seed * len(plan.configurations) + k) * len(folds))
        for k, each in enumerate(plan.configurations)
        if (target.suits_logarithms and by.allows_logarithms) or not each.log_target
    ]
    for each in candidates:
        each.training_rows = training_rows
    first_folds = plan.first_folds or len(folds)
    first, others = list(range(min(first_folds, len(folds)))), list(range(first_folds, len(folds)))
    rest = candidates
    if deadline is not None:
        train_candidates(candidates[:1], first, folds, w, StopFlag(), progress, threads)
        rest = candidates[1:]
    with deadline_flag(deadline) as flag:
        train_candidates(rest, first, folds, w, flag, progress, threads)
        if others:
            chosen = _promising(candidates, target, y, shares, folds, first, criterion)
            train_candidates(chosen, others, folds, w, flag, threads=threads)
    return _select(candidates, inputs.encoders, target, y, shares, folds, first, criterion)


def _deadline(time_budget: float | None, started: float | None) -> float | None:
    """Return when a time budget is over, by :func:`time.perf_counter`."""
    if time_budget is None:
        return None
    is_number = isinstance(time_budget, int | float | np.number) and time_budget > 0
    if not is_number or isinstance(time_budget, bool):
        raise InputError(
            parameter="time_budget", given=time_budget, expected="seconds above 0, or None"
        )
    return (time.perf_counter() if started is None else started) + float(time_budget)


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
            )
            labels = [str(k) for k in range(n_columns)] if n_columns > 1 else [""]
            encoder.fit(self.typed, self.schema, self.w, self.targets, labels, fit_free_text)
            X = encoder.transform(self.typed, dtype=np.float32)
            encoder.write_cross_fitted(X, self.typed, self.targets, self.folds, self.w)
            self.encoders[key], self.encoded[key] = encoder, X
        return self.encoded[key]


def _candidate(
    inputs: _Inputs,
    target: TargetScale,
    y: NDArray[Any],
    configuration: Configuration,
    by: PortfolioLoss,
    first_seed: int,
) -> Candidate:
    """Return a configuration's network, in float32, with its rows and targets."""
    X = inputs(configuration)
    net = Network(
        [X.shape[1], *configuration.layers, target.n_classes if target.n_classes > 2 else 1],
        activation=configuration.activation,
        output_activation=by.output,
        loss=by.loss,
        dtype=np.float32,
    )
    Y = target.encode(net, y, configuration.log_target)
    return Candidate(configuration, net, X, Y, first_seed)


def _promising(
    candidates: Sequence[Candidate],
    target: TargetScale,
    y: NDArray[Any],
    shares: NDArray[np.float64],
    folds: Sequence[NDArray[np.int64]],
    first: Sequence[int],
    criterion: Criterion,
) -> list[Candidate]:
    """Return the candidates that the selection picks on the first folds, and the better half."""
    trained = _trained_on(candidates, first)
    target = _with_log_factor(target, trained, y, shares, folds, first)
    rows = np.unique(np.concatenate([folds[k] for k in first]))
    outputs = [_out_of_fold(each, target, folds, first)[rows] for each in trained]
    of_rows = shares[rows] / shares[rows].sum()
    picked = select_greedily(outputs, y[rows], of_rows, loss=criterion) if outputs else np.zeros(0)
    losses = [criterion(each, y[rows], of_rows) for each in outputs]
    better = set(np.argsort(losses, kind="stable")[: (len(trained) + 1) // 2].tolist())
    return [each for k, each in enumerate(trained) if picked[k] > 0 or k in better]


def _trained_on(candidates: Sequence[Candidate], numbers: Sequence[int]) -> list[Candidate]:
    """Return the candidates with a network for each of these folds."""
    return [
        each for each in candidates if not each.diverged and all(k in each.models for k in numbers)
    ]


def _with_log_factor(
    target: TargetScale,
    candidates: Sequence[Candidate],
    y: NDArray[Any],
    shares: NDArray[np.float64],
    folds: Sequence[NDArray[np.int64]],
    numbers: Sequence[int],
) -> TargetScale:
    """Return the scale with the factor of the least squared error of predictions by logarithms."""
    target = dataclasses.replace(target, log_factor=1.0)
    of_logs = [each for each in candidates if each.configuration.log_target]
    if not of_logs:
        return target
    mean = sum(_out_of_fold(each, target, folds, numbers) for each in of_logs) / len(of_logs)
    # Rows of no fold have the prediction 0.
    factor = (shares * mean) @ y / ((shares * mean) @ mean)
    return dataclasses.replace(target, log_factor=float(factor))


def _select(
    candidates: Sequence[Candidate],
    encoders: dict[str, TableEncoder],
    target: TargetScale,
    y: NDArray[Any],
    shares: NDArray[np.float64],
    folds: Sequence[NDArray[np.int64]],
    first: Sequence[int],
    criterion: Criterion,
) -> Portfolio:
    """Choose the weights of the candidates that were trained on most folds, and calibrate."""
    numbers: Sequence[int] = range(len(folds))
    trained = _trained_on(candidates, numbers)
    if not trained:
        numbers = first
        trained = _trained_on(candidates, first)
    if not trained:
        raise DataError(
            "every network of the portfolio diverged; expected columns and a target whose numbers "
            "can be trained on; look for values out of all proportion"
        )
    target = _with_log_factor(target, trained, y, shares, folds, numbers)
    rows = np.unique(np.concatenate([folds[k] for k in numbers]))
    of_rows = shares[rows] / shares[rows].sum()
    outputs = [_out_of_fold(each, target, folds, numbers)[rows] for each in trained]
    weights = select_greedily(outputs, y[rows], of_rows, loss=criterion)
    members = tuple(
        Member(
            candidate.configuration,
            tuple(candidate.models[k] for k in numbers),
            float(weight),
            criterion(output, y[rows], of_rows),
            candidate.seconds,
        )
        for candidate, weight, output in zip(trained, weights, outputs, strict=True)
    )
    mean = sum(weight * each for weight, each in zip(weights, outputs, strict=True))
    temperature = fit_temperature(mean, y[rows], of_rows, criterion) if target.n_classes else 1.0
    oof = np.full((len(y), *mean.shape[1:]), np.nan)
    oof[rows] = target.calibrate(mean, temperature)
    used = {_encoding(member.configuration) for member in members}
    kept = {key: encoder for key, encoder in encoders.items() if key in used}
    return Portfolio(target, kept, members, temperature, oof)


def _out_of_fold(
    candidate: Candidate,
    target: TargetScale,
    folds: Sequence[NDArray[np.int64]],
    numbers: Sequence[int],
) -> NDArray[np.float64]:
    """Return each row's mean prediction by the networks that were not trained on it."""
    n_rows = len(candidate.X)
    total = np.zeros((n_rows, target.n_classes) if target.n_classes else n_rows)
    counts = np.zeros(n_rows)
    for k in numbers:
        outputs = candidate.models[k].predict(candidate.X[folds[k]]).astype(np.float64)
        total[folds[k]] += target.decode(outputs, candidate.configuration.log_target)
        counts[folds[k]] += 1
    counts = np.maximum(counts, 1)
    return total / (counts[:, None] if target.n_classes else counts)
