"""From a table to a trained model with honest scores, in one call."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from deltarule.engines import engine_of_precision, make_engine
from deltarule.errors import InputError, Message, Parameter
from deltarule.tables import (
    Schema,
    Table,
    TableSource,
    apply_schema,
    infer_schema,
    table_from_frame,
)
from deltarule.tables.unicode_checks import check_unicode
from deltarule.tabular.large_fit import fit_large_table
from deltarule.tabular.memory_plan import refuse_with_memory, refuse_without_memory
from deltarule.tabular.model import TableModel
from deltarule.tabular.network_fit import encode_parts, train_network
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.network_report import NetworkRun, scored_network
from deltarule.tabular.settings import TableSettings, is_single_network
from deltarule.tabular.splitting import (
    check_parts,
    table_parts,
)
from deltarule.training import (
    Checkpoint,
    EpochEvent,
    Recorder,
    StopFlag,
    StopReason,
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
    memory: str | float | None = None,
    store: str | os.PathLike[str] | None = None,
    rejects: str | os.PathLike[str] | None = None,
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
    memory : str or float, optional
        ``"2GB"``, or a number of GB: the largest resident memory of this process. The table is then
        the path or pattern of files that may be larger, the schema is the target's name, and a
        single network is trained, unless ``quality`` or ``time_budget`` asks for a portfolio; see
        :func:`~deltarule.tabular.fit_large_table`, which also takes how the files are written.
    store, rejects : path, optional
        With ``memory``: a folder for the packed rows, which is kept and used again; and a file for
        rows that cannot be read.

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
    if memory is not None:
        refuse_with_memory({"record": record or None})
        return fit_large_table(
            table,
            schema,  # type: ignore[arg-type]  # what is no name is refused there
            settings,
            memory=memory,
            quality=quality,
            time_budget=time_budget,
            store=store,
            rejects=rejects,
            callbacks=callbacks,
            stop=stop,
            progress=progress,
            checkpoint=checkpoint,
        )
    refuse_without_memory({"store": store, "rejects": rejects})
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
    model, report = scored_network(
        NetworkRun(schema, typed, rows, encoded, settings, result, started),
        stop,
        report_phase,
        [_NOT_RECORDED] if record and not recorded else [],
    )
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
