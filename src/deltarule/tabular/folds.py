"""Cross-validation: the network and its baselines on rows that none of them has seen."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np

from deltarule.engines.threads import usable_threads
from deltarule.tables import Schema, TypedColumns
from deltarule.tabular.baselines import baselines
from deltarule.tabular.network_fit import (
    EncodedParts,
    encode_parts,
    train_network,
    true_values,
)
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import check_parts, class_numbers, fold_rows, row_weights
from deltarule.tabular.verdict import PairedOutputs, relative_loss
from deltarule.training import StopFlag, TrainingResult, split_rows
from deltarule.training.interrupt import interruptible
from deltarule.training.threads import completed_tasks, one_blas_thread, run_in_worker_thread

__all__ = ["Fold", "cross_validate"]

# A fold has at least this many rows.
_LEAST_FOLD_ROWS = 5
# Keeps the seeds of the folds apart from other random numbers of the same seed.
_SEEDS_KEY = 0x5EED5


@dataclasses.dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation.

    Attributes
    ----------
    encoded : EncodedParts
        The fold's training and validation rows, and its scored rows as the part ``"test"``.
    training : TypedColumns
        The training and validation rows together, from which the baselines learn.
    theta : array of shape (p,)
        The parameters of the fold's network.
    pairs : PairedOutputs
        The outputs of ``"network"``, ``"constant"`` and ``"linear"`` for the scored rows.
    training_loss : float
        The network's mean loss on its training rows, divided by that of the best constant.
    """

    encoded: EncodedParts
    training: TypedColumns
    theta: np.ndarray
    pairs: PairedOutputs
    training_loss: float


def cross_validate(
    schema: Schema,
    typed: TypedColumns,
    settings: TableSettings,
    engine: str,
    stop: StopFlag | None = None,
) -> list[Fold] | None:
    """Train a network and both baselines for each fold, on the rows outside of it.

    Encoders, the scale of the target, the epoch that is kept and the baselines come from the rows
    outside of the fold alone. A fold has random numbers of its own, the same for any number of
    threads; the networks are trained at the same time, one on each core.

    Parameters
    ----------
    schema : Schema
    typed : TypedColumns
        All rows.
    settings : TableSettings
    engine : str
        The engine to predict with.
    stop : StopFlag, optional
        Ends the training of all folds. Ctrl-C does the same in the main thread.

    Returns
    -------
    list of Fold, or None
        None if it was ended by ``stop`` or Ctrl-C.

    Raises
    ------
    DataError
        If the rows outside of a fold cannot be trained on.
    Diverged
        If a network diverged.

    Examples
    --------
    >>> from deltarule.tables import apply_schema, infer_schema, table_from_frame
    >>> table = table_from_frame({"x": np.arange(60.0), "y": np.arange(60.0) % 7})
    >>> schema = infer_schema(table, "y")
    >>> settings = TableSettings(layers=(4,), epochs=1, folds=3)
    >>> folds = cross_validate(schema, apply_schema(schema, table), settings, "auto")
    >>> [len(fold.pairs.truth) for fold in folds]
    [20, 20, 20]
    """
    flag = stop if stop is not None else StopFlag()
    count = min(settings.folds, len(typed) // _LEAST_FOLD_ROWS)
    seeds = np.random.SeedSequence(settings.seed, spawn_key=(_SEEDS_KEY,)).generate_state(count)
    classes = class_numbers(typed)
    trained = []
    for scored, seed in zip(
        fold_rows(len(typed), count, settings.seed, classes), seeds, strict=True
    ):
        training = np.setdiff1d(np.arange(len(typed)), scored, assume_unique=True)
        parts = {"train": training, "test": scored}
        own = dataclasses.replace(settings, seed=int(seed))
        if settings.valid > 0:
            # Of the rows outside of the test part, the kept network holds out as many.
            share = settings.valid / (1 - settings.test)
            labels = None if classes is None else classes[training]
            kept, held_out = split_rows(len(training), share, own.seed, labels)
            parts |= {"train": training[kept], "valid": training[held_out]}
        columns = {name: typed.take(rows) for name, rows in parts.items()}
        check_parts(schema, {name: part for name, part in columns.items() if name != "test"})
        trained.append((encode_parts(schema, columns, own), own, typed.take(training)))

    with interruptible(flag):
        results = _train([(encoded, own) for encoded, own, _ in trained], flag)
        folds = []
        for (encoded, own, learned), result in zip(trained, results, strict=True):
            if flag:
                return None
            folds.append(_fold(schema, encoded, own, learned, result, engine))
        return None if flag else folds


def _train(
    networks: list[tuple[EncodedParts, TableSettings]], flag: StopFlag
) -> list[TrainingResult]:
    """Train networks at the same time; raise the error of the first that failed."""

    def train_one(index: int) -> TrainingResult:
        with run_in_worker_thread(flag):
            return train_network(*networks[index])

    tasks = completed_tasks(train_one, len(networks), usable_threads(), flag)
    with one_blas_thread(), contextlib.closing(tasks):
        futures = dict(tasks)
    return [futures[index].result() for index in range(len(networks))]


def _fold(
    schema: Schema,
    encoded: EncodedParts,
    settings: TableSettings,
    training: TypedColumns,
    result: TrainingResult,
    engine: str,
) -> Fold:
    """Fit the baselines of a fold, and predict its scored rows with all three models."""
    scored = encoded.parts["test"]
    target = encoded.target
    truth, learned = true_values(target, scored), true_values(target, training)
    simple = baselines(
        schema, training, learned, len(target.classes), {"test": scored}, seed=settings.seed
    )
    outputs = {"network": encoded.outputs("test", result.theta, engine)}
    outputs |= {name: each.outputs["test"] for name, each in simple.items()}
    pairs = PairedOutputs(truth, row_weights(scored), outputs)
    pairs = pairs.with_known_classes(target.task, learned)
    fitted = encoded.outputs("train", result.theta, engine)
    part = encoded.parts["train"]
    loss = relative_loss(target.task, true_values(target, part), fitted, part.weights)
    return Fold(encoded, training, result.theta, pairs, loss)
