"""From a table to a trained model with honest scores, in one call."""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.tables import (
    Schema,
    Table,
    TableEncoder,
    TableSource,
    TargetEncoder,
    TypedColumns,
    apply_schema,
)
from deltarule.tables.unicode_checks import check_unicode
from deltarule.tabular.model import TableModel, prediction_engine, target_checksum
from deltarule.tabular.network_targets import decode_outputs, network_targets, table_network
from deltarule.tabular.scores import Baseline, baselines, compare_outputs, score_outputs
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import row_weights, split_table, target_values
from deltarule.training import (
    EpochEvent,
    Model,
    Patience,
    Recorder,
    StopFlag,
    StopReason,
    TrainingResult,
    train,
)
from deltarule.training.recording import digest_of_theta
from deltarule.training.threads import blas_threads_for

__all__ = ["fit_table"]

_FEW_TEST_ROWS = 50


def fit_table(
    table: Table,
    schema: Schema,
    settings: TableSettings | None = None,
    *,
    callbacks: Sequence[Callable[[EpochEvent], Any]] = (),
    stop: StopFlag | None = None,
    progress: Callable[[str], Any] | None = None,
    record: bool | TableSource = False,
) -> TableModel:
    """Train a network on a table and score it on rows it has not seen.

    The rows are split into test, validation and training rows (stratified for classes).
    The encoding is learned from the training rows alone: numbers standardised, missing
    ones imputed, categories one-hot encoded, regression targets standardised. The epoch
    with the best validation loss is kept. Beside the network's scores stand those of a
    constant and of a linear model on the same rows and features; these two learn from
    the validation rows as well, since they need none to stop.

    Parameters
    ----------
    table : Table
        From :func:`deltarule.tables.read_table` or ``table_from_frame``.
    schema : Schema
        From :func:`deltarule.tables.infer_schema`, with a target.
    settings : TableSettings, optional
    callbacks, stop
        As for :func:`deltarule.train`.
    progress : callable, optional
        Called with ``"encoding"``, ``"training"`` and ``"scoring"`` when each begins.
    record : bool or TableSource
        Whether to record the training, so that any of its steps can be replayed and explained;
        and if so, where the table came from. The recording is saved with the model.

    Returns
    -------
    TableModel
        ``model.report`` holds the counts of rows and the scores of each part
        (``"train"``, ``"valid"``, ``"test"``), the scores of the baselines, whether the
        network is ``"better"`` than the linear one, ``"worse"`` or ``"no different"`` (by two
        standard errors, row by row; None where ``stop`` was raised, and the linear model
        left out), the time, notes on the scores, and on the data.

    Raises
    ------
    InputError
        If the loss that is named has no meaning for the target.
    DataError
        If there are too few rows, or the table does not fit the schema.
    Diverged
        If training diverged.
    KeyboardInterrupt
        At Ctrl-C before the first epoch was over.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.tabular import TableSettings, fit_table
    >>> from deltarule.tables import infer_schema, table_from_frame
    >>> x = np.linspace(-2, 2, 200)
    >>> table = table_from_frame({"x": x, "y": x**2})
    >>> settings = TableSettings(layers=(16,), learning_rate=0.05, l2=0.0)
    >>> model = fit_table(table, infer_schema(table, "y"), settings)
    >>> model.report["scores"]["test"]["r2"] > 0.99
    True
    """
    settings = settings or TableSettings()
    report_phase = progress or (lambda phase: None)
    started = time.perf_counter()
    report_phase("encoding")
    typed = apply_schema(schema, table)
    check_unicode(typed, schema)
    parts = split_table(schema, typed, settings)
    fitting = parts["train"]
    encoder = TableEncoder().fit(fitting, schema, weights=fitting.weights)
    target = TargetEncoder.from_schema(schema).fit(target_values(fitting), fitting.weights)
    net = table_network(encoder.n_features, target, settings)
    X = {name: encoder.transform(part, dtype=np.float32) for name, part in parts.items()}
    Y = {name: network_targets(net, target, target_values(part)) for name, part in parts.items()}
    held = parts.get("valid")
    recorder = Recorder() if record else None
    report_phase("training")
    batch = settings.batch_rows(len(fitting))
    with blas_threads_for(net, len(fitting) if batch == "auto" else int(batch)):
        result = train(
            net,
            X["train"],
            Y["train"],
            sample_weight=row_weights(fitting),
            validation=None if held is None else (X["valid"], Y["valid"], row_weights(held)),
            **_train_arguments(settings, batch),
            stopping=None if held is None else Patience(settings.patience),
            # The recorder comes first: a callback after it may end training.
            callbacks=callbacks if recorder is None else [recorder, *callbacks],
            stop=stop,
        )
    if result.stop_reason is StopReason.INTERRUPTED and not len(result.history):
        raise KeyboardInterrupt  # there is no epoch to keep
    report_phase("scoring")
    model = Model(net, result.theta, result.history)
    truth = {
        name: target.transform(target_values(part))
        if target.classes
        else np.asarray(target_values(part))
        for name, part in parts.items()
    }
    engine = prediction_engine({"engine": settings.engine})
    outputs = {name: decode_outputs(net, target, model.predict(X[name], engine)) for name in parts}
    scores = {
        name: score_outputs(target.task, truth[name], outputs[name], part.weights)
        for name, part in parts.items()
    }
    last = next(name for name in ("test", "valid", "train") if name in parts)
    # The linear model can take long, so it is left out where training was stopped.
    simple = _baselines(target, parts, X, truth, last, linear=not stop)
    against = None
    if "linear" in simple:
        against = compare_outputs(
            target.task, truth[last], outputs[last], simple["linear"].outputs, parts[last].weights
        )
    report: dict[str, Any] = {
        "task": target.task,
        "rows": {name: len(parts[name]) for name in scores},
        "features": encoder.n_features,
        "parameters": net.n_parameters,
        "scores": scores,
        "baselines": {
            name: score_outputs(target.task, truth[last], each.outputs, parts[last].weights)
            for name, each in simple.items()
        },
        "baselines_on": last,
        "against_linear": None if against is None else against.verdict,
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped": result.stopped,
        "engine": result.engine,
        "training_seconds": result.seconds,
        "seconds": time.perf_counter() - started,
        "notes": [
            *_score_notes(parts, last, result, settings.schedule),
            *(each.note for each in simple.values() if each.note),
        ],
        "data_notes": list(typed.notes),
        "fingerprint": target_checksum(typed),
    }
    recording = None
    if recorder is not None:
        source = record if isinstance(record, TableSource) else TableSource.of(table)
        recording = dataclasses.replace(
            recorder.recording(),
            model=digest_of_theta(result.theta),
            extra={"source": source.to_dict()},
        )
    return TableModel(model, schema, encoder, target, settings.to_dict(), report, recording)


def _train_arguments(settings: TableSettings, batch_size: int | str) -> dict[str, Any]:
    """The settings that :func:`deltarule.train` has a parameter for, by name."""
    known = inspect.signature(train).parameters
    found = {name: value for name, value in vars(settings).items() if name in known}
    dropout = settings.dropout if settings.layers else 0.0
    return found | {"batch_size": batch_size, "dropout": dropout}


def _baselines(
    target: TargetEncoder,
    parts: dict[str, TypedColumns],
    X: dict[str, np.ndarray],
    truth: dict[str, np.ndarray],
    last: str,
    linear: bool,
) -> dict[str, Baseline]:
    """Fit the baselines to all parts but ``last``, and predict the rows of ``last``."""
    names = [name for name in parts if name != last] or [last]
    weights = None
    if parts[last].weights is not None:
        weights = np.concatenate([row_weights(parts[name]) for name in names])
    rows = np.concatenate([X[name] for name in names])
    targets = np.concatenate([truth[name] for name in names])
    train = (rows, targets, weights)
    return baselines(target.task, len(target.classes), train, X[last], linear=linear)


def _score_notes(
    parts: dict[str, TypedColumns], last: str, result: TrainingResult, schedule: str
) -> list[str]:
    """Notes on how far the scores can be trusted."""
    found = []
    at_end = (
        result.stop_reason is StopReason.EPOCHS and result.best_epoch == len(result.history) > 1
    )
    # A schedule that lowers the rate to the end makes the last epoch the best as a rule.
    if "valid" in parts and at_end and schedule == "constant":
        found.append("the validation loss was still falling at the end: give more epochs")
    if last == "train":
        found.append("no rows were held out: the scores are of rows the network was trained on")
    elif last == "valid":
        why = "the validation rows chose the epoch, so their scores are a little too good"
        found.append(f"no test rows were held out: {why}")
    elif len(parts["test"]) < _FEW_TEST_ROWS:
        count = len(parts["test"])
        found.append(f"only {count} test rows: another seed may give quite other scores")
    return found
