"""Training a portfolio: configurations on folds, some of them left out after the first ones."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines import engine_of_precision, make_engine
from deltarule.maths import Loss, Network
from deltarule.tables import Schema, TableEncoder, TypedColumns
from deltarule.tables.cells_checksum import cells_checksum
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
from deltarule.tabular.portfolio.losses import PortfolioLoss, portfolio_loss
from deltarule.tabular.portfolio.members import Portfolio, encoding_of
from deltarule.tabular.portfolio.out_of_fold import OutOfFold
from deltarule.tabular.portfolio.plan import Plan, make_plan
from deltarule.tabular.portfolio.target_scale import TargetScale
from deltarule.tabular.text_projection import fit_free_text
from deltarule.training import Checkpoint, StopFlag
from deltarule.training.checkpoint import as_checkpoint
from deltarule.training.checkpoint_pool import CheckpointPool
from deltarule.training.interrupt import interruptible
from deltarule.training.recovery import checked_policy
from deltarule.training.run_description import data_digest

__all__ = ["StoppedTooEarly", "fit_portfolio"]


class StoppedTooEarly(KeyboardInterrupt):
    """Training was stopped before a first configuration had networks."""


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
    precision: str = "full",
    threads: int | None = None,
    progress: Callable[[str], Any] | None = None,
    stop: StopFlag | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    on_divergence: str = "halve_learning_rate",
) -> Portfolio:
    """Train configurations on folds, and choose their weights by out-of-fold loss.

    Each network keeps the epoch of the least loss on the fold it was not trained on. The encoders
    see the cells of all rows; where they see the target, as for categories of many levels, each
    fold is encoded by the rows outside of it. All configurations are trained on
    the first folds, and only those that the selection picks there on the others.

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
    precision : {"full", "bfloat16"}
        Of the matrix products in training, as for :func:`deltarule.train`, of the networks that are
        large enough to be faster with ``"bfloat16"``.
    threads : int, optional
        How many networks are trained at the same time; as many as there are cores unless given, or,
        within joblib's context with a backend of other processes, as many as that has.
    progress : callable, optional
        Called with the name of each configuration when its training begins, and the best
        out-of-fold loss so far, as one text, in a thread of training.
    stop : StopFlag, optional
        Ends training, as the end of a time budget does, and the first configuration too. Ctrl-C in
        the main thread raises it.
    checkpoint : path or Checkpoint, optional
        A folder in which trained networks are saved, and the states of those that are in training
        for long. The same call goes on from there, and gives the portfolio of an uninterrupted one.
        A time budget includes the time up to the last write.
    on_divergence : {"halve_learning_rate", "restore_best", "raise"}
        How a network that diverged is trained again, as in :func:`deltarule.train`; or an error.
        The notes of the portfolio say so. A configuration whose network diverges again is left out.

    Returns
    -------
    Portfolio

    Raises
    ------
    DataError
        If every network diverged.
    Diverged
        If a network diverged, with ``on_divergence="raise"``.
    MissingCapability
        If this processor has no matrix products of the precision.
    InputError
        If the quality is unknown, or the time budget not above 0; or if the checkpoint is of other
        data or settings.
    FileError
        If the checkpoint's folder cannot be used.
    StoppedTooEarly
        If ``stop`` was raised, or Ctrl-C pressed, before a first configuration had networks.
    """
    policy = checked_policy(on_divergence)
    engine = engine_of_precision("auto", precision)
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
            on_divergence=policy,
            precision=precision,
        )
        for k, each in enumerate(plan.configurations)
        if (target.suits_logarithms and by.allows_logarithms) or not each.log_target
    ]
    out_of_fold = functools.partial(OutOfFold, target, y, shares, folds, criterion)
    first_folds = min(plan.first_folds or len(folds), len(folds))
    first, others = range(first_folds), range(first_folds, len(folds))
    shown = Progress(
        progress,
        lambda candidate: out_of_fold(first, [candidate]).losses[0],
        f"out-of-fold {by.name.replace('_', ' ')}",
    )
    make_engine(engine)  # compiles in this thread, in which Ctrl-C ends it
    stop = StopFlag() if stop is None else stop
    flag = StopFlag(stop)  # the end of a time budget raises this one alone
    rest = candidates
    with contextlib.ExitStack() as stack:
        pool = None
        if checkpoint is not None:
            described = _description(typed, schema, y, w, folds, plan, seed, by.name)
            if precision != "full":
                described["precision"] = precision
            pool = stack.enter_context(
                CheckpointPool(as_checkpoint(checkpoint), described, keep_states=False)
            )
            if deadline is not None:
                deadline -= pool.earlier_seconds
        stack.enter_context(interruptible(stop))
        if deadline is not None:
            train_candidates(candidates[:1], first, folds, w, stop, shown, threads, pool)
            rest = candidates[1:]
        with raised_at(deadline, flag):
            train_candidates(rest, first, folds, w, flag, shown, threads, pool, deadline)
            if others:
                chosen = out_of_fold(first, candidates).promising()
                train_candidates(chosen, others, folds, w, flag, shown, threads, pool, deadline)
    found = out_of_fold(range(len(folds)), candidates)
    if not found.trained:  # training ended before all folds
        found = out_of_fold(first, candidates)
    if stop and not found.trained and not any(each.diverged for each in candidates):
        raise StoppedTooEarly
    portfolio = found.portfolio(inputs.encoders)
    left_out = out_of_fold(first, [each for each in candidates if each not in found.trained])
    return dataclasses.replace(
        portfolio,
        left_out=left_out.members([0.0] * len(left_out.trained)),
        notes=tuple(filter(None, (each.note() for each in candidates))),
    )


def _description(
    typed: TypedColumns,
    schema: Schema,
    y: NDArray[Any],
    w: NDArray[np.float64],
    folds: Sequence[NDArray[np.int64]],
    plan: Plan,
    seed: int,
    loss: str,
) -> dict[str, Any]:
    """Return what a portfolio depends on, for its checkpoint."""
    return {
        "columns": cells_checksum(typed),
        "schema": schema.to_dict(),
        "targets": data_digest(y),
        "weights": data_digest(w),
        "seed": seed,
        "loss": loss,
        "configurations": [each.name for each in plan.configurations],
        "first folds": plan.first_folds,
        "folds": [data_digest(rows) for rows in folds],
    }


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
        key = encoding_of(configuration)
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
