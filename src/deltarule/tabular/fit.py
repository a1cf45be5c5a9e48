"""From a table to a trained model with honest scores, in one call."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.engines import engine_of_precision, make_engine
from deltarule.errors import InputError, Message, Parameter
from deltarule.tables import (
    Schema,
    Table,
    TableSource,
    TypedColumns,
    apply_schema,
    infer_schema,
    table_from_frame,
)
from deltarule.tables.cells_checksum import cells_checksum
from deltarule.tables.unicode_checks import check_unicode
from deltarule.tabular.advice import advice
from deltarule.tabular.baselines import baselines
from deltarule.tabular.bootstrap import bootstrap_intervals
from deltarule.tabular.diagnostics.numbers import residual_interval
from deltarule.tabular.model import TableModel, prediction_engine
from deltarule.tabular.network_fit import encode_parts, train_network, true_values
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.scores import score_outputs
from deltarule.tabular.settings import TableSettings, is_single_network
from deltarule.tabular.splitting import (
    absent_class_notes,
    check_parts,
    few_test_rows_notes,
    row_weights,
    table_parts,
)
from deltarule.tabular.verdict import PairedOutputs, relative_loss
from deltarule.tabular.verdicts import compare_with_baselines
from deltarule.training import (
    Checkpoint,
    EpochEvent,
    Model,
    Recorder,
    StopFlag,
    StopReason,
    TrainingResult,
)
from deltarule.training.arguments import as_callables
from deltarule.training.recording import digest_of_theta
from deltarule.training.threads import blas_threads_for

__all__ = ["fit_table"]

_NOT_RECORDED = Message(
    "the training was not recorded, since it may go back to an earlier epoch; ",
    Parameter("on_divergence", "raise"),
    " allows a recording",
)


def fit_table(
    table: Any,
    schema: Schema | str,
    settings: TableSettings | None = None,
    *,
    quality: str | None = None,
    time_budget: float | None = None,
    callbacks: Sequence[Callable[[EpochEvent], Any]] = (),
    stop: StopFlag | None = None,
    progress: Callable[[str], Any] | None = None,
    record: bool | TableSource = False,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> TableModel:
    """Train a portfolio of networks on a table, or one network, and score it on other rows.

    A portfolio is trained unless a setting of a single network is given: any of
    :class:`TableSettings` but ``test``, ``seed`` and ``precision``, or ``callbacks`` or ``record``.

    The rows are split into test rows and the others (stratified for classes). A portfolio trains
    networks of several configurations on folds of the others, as
    :func:`~deltarule.tabular.portfolio.fit_portfolio` says; test rows are seen by no network, no
    encoder, and no choice of weights. For a single network a part of the others are validation
    rows; its encoding is learned from the training rows alone: numbers standardised, missing
    ones imputed, categories one-hot encoded, regression targets standardised; and the epoch with
    the best validation loss is kept.

    Beside the scores stand those of a constant and of a linear model on the same rows, which learn
    from all other rows; the linear model sees every level of every category. Whether the trained
    model is better than either is decided by a t test at 5 %. For a portfolio the pairs are the
    losses of the test rows. For a single network with fewer than 1,000 test rows they come from a
    cross-validation over all rows, in which encoders, networks and baselines are fitted anew
    outside of each fold (``settings.folds``); otherwise from the test rows. With fewer than 30
    test rows there is no verdict.

    Parameters
    ----------
    table : Table, frame, or mapping of str to column
        From :func:`deltarule.tables.read_table`, or what ``table_from_frame`` takes.
    schema : Schema or str
        From :func:`deltarule.tables.infer_schema`, with a target; or the target's name.
    settings : TableSettings, optional
    quality : {"default", "fast", "best"}, optional
        How many networks a portfolio trains; ``"default"`` if not given.
    time_budget : float, optional
        Seconds that a portfolio may take. Its members then depend on the clock.
    callbacks
        As for :func:`deltarule.train`, of a single network.
    stop : StopFlag, optional
        Ends training, as Ctrl-C does: the epoch so far, or the networks of a portfolio so far,
        become the model, without a linear baseline and verdicts.
    progress : callable, optional
        Called with ``"encoding"``, ``"training"``, ``"scoring"`` and, if there are folds,
        ``"cross-validating"`` when each begins; by a portfolio also with ``"training"``, the
        name of each configuration and the best out-of-fold loss so far.
    record : bool or TableSource
        Whether to record the training of a single network, so that any of its steps can be replayed
        and explained; and if so, where the table came from. The recording is saved with the model.
    checkpoint : path or Checkpoint, optional
        A folder in which the training is saved every 30 seconds. The same call goes on from there,
        and gives the model of an uninterrupted one; a recording then begins where it went on.

    Returns
    -------
    PortfolioModel or NetworkModel
        ``model.report`` holds the counts of rows and the scores of each part (``"train"``,
        ``"valid"``, ``"test"``; of a portfolio ``"out_of_fold"`` and ``"test"``), the scores of
        the baselines, bootstrap intervals of all (``"score_intervals"``), the time, notes on the
        scores, advice, and notes on the data; of a portfolio also the ``"leaderboard"`` and the
        ``"learning_curves"``. ``"against_constant"`` and ``"against_linear"`` are
        the attributes of a ``deltarule.tabular.verdict.Comparison`` as a dictionary; None
        where there is no verdict, such as when ``stop`` was raised (the linear model is then
        left out).

    Raises
    ------
    InputError
        If the loss cannot be used for the target, or ``quality`` or ``time_budget`` is given beside
        a setting of a single network; or if the checkpoint is of other data or settings.
    FileError
        If the checkpoint's folder cannot be used.
    DataError
        If there are too few rows, or the table does not fit the schema.
    Diverged
        If training diverged.
    KeyboardInterrupt
        At Ctrl-C before there is anything to keep; where ``stop`` was raised before a portfolio had
        a first member, ``StoppedTooEarly``, which is one.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.tabular import TableSettings, fit_table
    >>> x = np.linspace(-2, 2, 200)
    >>> model = fit_table({"x": x, "y": x**2}, "y", quality="fast")
    >>> model.report["scores"]["test"]["r2"] > 0.99
    True

    A single network:

    >>> settings = TableSettings(layers=(16,), learning_rate=0.05, l2=0.0)
    >>> model = fit_table({"x": x, "y": x**2}, "y", settings)
    >>> model.model.net.widths
    (1, 16, 1)
    """
    if settings is not None and not isinstance(settings, TableSettings):
        raise InputError(
            parameter="settings", given=settings, expected="TableSettings, such as TableSettings()"
        )
    if stop is not None and not isinstance(stop, StopFlag):
        raise InputError(parameter="stop", given=stop, expected="a StopFlag")
    if progress is not None and not callable(progress):
        raise InputError(parameter="progress", given=progress, expected="a function of a text")
    if not isinstance(record, bool | TableSource):
        raise InputError(parameter="record", given=record, expected="True, False or a TableSource")
    as_callables("callbacks", callbacks)
    settings = settings or TableSettings()
    others = {"record": record, "callbacks": callbacks}
    single = is_single_network(settings, quality, time_budget, others)
    if settings.precision != "full":
        # Where it cannot be had, that is said before rows are read.
        make_engine(engine_of_precision(settings.engine, settings.precision))
    table = table_from_frame(table)
    if isinstance(schema, str):
        schema = infer_schema(table, schema)
    elif not isinstance(schema, Schema):
        raise InputError(
            parameter="schema", given=schema, expected="the name of the target, or a Schema"
        )
    if single:
        return _fit_network(table, schema, settings, callbacks, stop, progress, record, checkpoint)
    from deltarule.tabular.portfolio_fit import fit_portfolio_model

    return fit_portfolio_model(
        table, schema, settings, quality or "default", time_budget, progress, stop, checkpoint
    )


def _fit_network(
    table: Table,
    schema: Schema,
    settings: TableSettings,
    callbacks: Sequence[Callable[[EpochEvent], Any]],
    stop: StopFlag | None,
    progress: Callable[[str], Any] | None,
    record: bool | TableSource,
    checkpoint: str | os.PathLike[str] | Checkpoint | None,
) -> NetworkModel:
    """Train a single network; see :func:`fit_table`."""
    report_phase = progress or (lambda phase: None)
    started = time.perf_counter()
    report_phase("encoding")
    typed = apply_schema(schema, table)
    check_unicode(typed, schema)
    rows = table_parts(schema, typed, settings)
    parts = {name: typed.take(index) for name, index in rows.items()}
    check_parts(schema, parts)
    encoded = encode_parts(schema, parts, settings)
    net, target = encoded.net, encoded.target
    # A recording is of steps that follow each other, and a recovery goes back to earlier ones.
    recorded = bool(record) and settings.on_divergence == "raise"
    recorder = Recorder() if recorded else None
    report_phase("training")
    batch = settings.batch_rows(len(parts["train"]))
    with blas_threads_for(net, len(parts["train"]) if batch == "auto" else int(batch)):
        result = train_network(
            encoded,
            settings,
            # The recorder comes first: a callback after it may end training.
            callbacks=callbacks if recorder is None else [recorder, *callbacks],
            stop=stop,
            checkpoint=checkpoint,
            guard="quiet",
        )
    if result.stop_reason is StopReason.INTERRUPTED and not len(result.history):
        raise KeyboardInterrupt  # there is no epoch to keep
    report_phase("scoring")
    model = Model(net, result.theta, result.history)
    truth = {name: true_values(target, part) for name, part in parts.items()}
    engine = prediction_engine({"engine": settings.engine})
    outputs = {name: encoded.outputs(name, result.theta, engine) for name in parts}
    scores = {
        name: score_outputs(target.task, truth[name], outputs[name], part.weights)
        for name, part in parts.items()
    }
    scored_part = next(name for name in ("test", "valid", "train") if name in parts)
    scored = parts[scored_part]
    # The baselines learn from all other parts, in the order of the table.
    others = [index for name, index in rows.items() if name != scored_part] or [rows[scored_part]]
    learned = typed.take(np.sort(np.concatenate(others)))
    # The linear model can take long, so it is left out where training was stopped.
    simple = baselines(
        schema,
        learned,
        true_values(target, learned),
        len(target.classes),
        {scored_part: scored},
        linear=not stop,
        seed=settings.seed,
    )
    outputs_of = {"network": outputs[scored_part]}
    outputs_of |= {name: each.outputs[scored_part] for name, each in simple.items()}
    held_out = PairedOutputs(truth[scored_part], row_weights(scored), outputs_of)
    held_out = held_out.with_known_classes(target.task, true_values(target, learned))
    verdicts, verdict_notes = compare_with_baselines(
        schema,
        typed,
        settings,
        target.task,
        scored_part,
        held_out,
        relative_loss(target.task, truth["train"], outputs["train"], parts["train"].weights),
        result,
        engine,
        stop,
        lambda: report_phase("cross-validating"),
    )
    report: dict[str, Any] = {
        "task": target.task,
        "rows": {name: len(parts[name]) for name in scores},
        "features": encoded.encoder.n_features,
        "parameters": net.n_parameters,
        "scores": scores,
        "score_intervals": bootstrap_intervals(
            target.task, truth[scored_part], outputs_of, scored.weights, settings.seed
        ),
        "baselines": {
            name: score_outputs(
                target.task, truth[scored_part], each.outputs[scored_part], scored.weights
            )
            for name, each in simple.items()
        },
        "baselines_on": scored_part,
        "against_constant": verdicts.against("constant"),
        "against_linear": verdicts.against("linear"),
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped": result.stopped,
        "engine": result.engine,
        "training_seconds": result.seconds,
        "seconds": time.perf_counter() - started,
        "notes": [
            *(each.text() for each in result.findings),
            *encoded.encoder.merged_notes(),
            *absent_class_notes(target.classes, parts),
            *_score_notes(parts, scored_part, result, settings.schedule),
            *verdict_notes,
            *(each.note for each in simple.values() if each.note),
            *([_NOT_RECORDED] if record and not recorded else []),
        ],
        "findings": [dataclasses.asdict(each) for each in result.findings],
        "advice": advice(
            verdicts,
            settings,
            ended_at_last_epoch=_ended_at_last_epoch(result),
            merged_levels=encoded.encoder.n_merged_levels,
        ),
        "data_notes": list(typed.notes),
        "fingerprint": cells_checksum(typed),
    }
    if target.task == "regression" and "valid" in parts:
        left = truth["valid"] - outputs["valid"]
        report["residual_interval"] = residual_interval(left, parts["valid"].weights)
    recording = None
    if recorder is not None:
        source = record if isinstance(record, TableSource) else TableSource.of(table)
        recording = dataclasses.replace(
            recorder.recording(),
            model=digest_of_theta(result.theta),
            extra={"source": source.to_dict()},
        )
    return NetworkModel(
        schema=schema,
        target=target,
        settings=settings.to_dict(),
        report=report,
        model=model,
        encoder=encoded.encoder,
        recording=recording,
    )


def _ended_at_last_epoch(result: TrainingResult) -> bool:
    """Whether the last of all epochs was the best."""
    return result.stop_reason is StopReason.EPOCHS and result.best_epoch == len(result.history) > 1


def _score_notes(
    parts: dict[str, TypedColumns], scored_part: str, result: TrainingResult, schedule: str
) -> list[str]:
    """Return notes on how reliable the scores are."""
    notes = []
    # With a schedule that lowers the rate until the end, the last epoch is usually the best.
    if "valid" in parts and _ended_at_last_epoch(result) and schedule == "constant":
        notes.append("the validation loss was still falling at the end: give more epochs")
    if scored_part == "train":
        notes.append("no rows were held out: the scores are of rows the network was trained on")
    elif scored_part == "valid":
        why = "the validation rows chose the epoch, so their scores are a little too good"
        notes.append(f"no test rows were held out: {why}")
    else:
        notes += few_test_rows_notes(len(parts["test"]))
    return notes
