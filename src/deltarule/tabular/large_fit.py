"""From a table larger than memory to a trained network or portfolio with scores.

:mod:`deltarule.tabular.large_table` reads the table. The scores, and those of the baselines, are of
the sample's rows that were held out.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.cluster import train_in_world
from deltarule.cluster.world import check_world
from deltarule.errors import InputError
from deltarule.optimizers import RULES
from deltarule.tables import Table, TypedColumns
from deltarule.tables.memory import memory_bytes, resident_bytes
from deltarule.tables.query_file import copied_name
from deltarule.tables.rejects import Rejects
from deltarule.tables.table_statistics import TableStatistics
from deltarule.tabular.large_table import LargeTable, PackedSize, ReadingProgress, store_folder
from deltarule.tabular.memory_plan import MemoryPlan
from deltarule.tabular.model import TableModel
from deltarule.tabular.network_fit import EncodedParts, level_limits, train_arguments
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.network_report import NetworkRun, scored_network
from deltarule.tabular.network_targets import network_targets, table_network
from deltarule.tabular.rows_seen import ROW_DIGESTS
from deltarule.tabular.settings import TableSettings, is_single_network
from deltarule.tabular.splitting import target_values
from deltarule.training import Checkpoint, EpochEvent, Patience, StopFlag, StopReason
from deltarule.training.threads import blas_threads_for

__all__ = ["fit_large_table"]

_OF_MEDIANS = (
    "the median that stands in for a missing number is that of {rows}: a quantile of all between "
    "{low:.3f} and {high:.3f} (99 % confidence)"
)


def fit_large_table(
    source: str | os.PathLike[str] | None,
    target: str,
    settings: TableSettings | None = None,
    *,
    memory: str | float,
    quality: str | None = None,
    time_budget: float | None = None,
    store: str | os.PathLike[str] | None = None,
    rejects: str | os.PathLike[str] | None = None,
    reading: Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | Callable[[Table], Mapping[str, Any]] | None = None,
    callbacks: Sequence[Callable[[EpochEvent], Any]] = (),
    stop: StopFlag | None = None,
    progress: Callable[[str], Any] | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    scored: Callable[[LargeTable], Any] | None = None,
) -> TableModel:
    """Train on files that are larger than memory, and score on rows that were held out.

    One network is trained, or, where ``quality`` or ``time_budget`` is given, a portfolio of a few
    configurations, each by a few networks; validation rows choose epochs and the weights of the
    members.

    Rows are divided into training, validation and test rows by a hash of their number and the
    seed. Means, deviations, counts of levels and of missing cells are those of all training rows.
    The schema, medians and scores are of a sample of the rows; a table that fits into the sample
    is its own sample. A class that any row has is known.

    Parameters
    ----------
    source : path, pattern or None
        Text, JSON lines, Parquet, SQLite, DuckDB or Postgres, as for
        :func:`~deltarule.tables.read_table`; text in UTF-8, nothing compressed.
    target : str
        The column to predict.
    settings : TableSettings, optional
        ``folds`` has no effect. Of a portfolio ``test``, ``seed`` and ``precision``.
    memory : str or float
        The largest resident memory of this process: ``"2GB"``, or a number of GB.
    quality : {"fast", "default", "best"}, optional
        How many configurations a portfolio trains; a single network unless given.
    time_budget : float, optional
        Seconds that a portfolio may take; its first configuration is trained in any case.
    store : path, optional
        A folder for the packed rows, which is kept, and used again for the same files and
        settings; a killed fit goes on there. A temporary one in the current folder otherwise,
        which holds the rows of one configuration at a time.
    rejects : path, optional
        A CSV file for rows that cannot be read.
    reading : mapping, optional
        Arguments of :class:`~deltarule.tables.table_stream.TableStream`, such as ``na``; and
        ``sql``, a SELECT over text, JSON or Parquet files, over a database of DuckDB or Postgres,
        or over files that it names itself (the source is then None). It is run once, and its
        result kept beside the store; so is a table of Postgres.
    columns : mapping, optional
        Arguments of :func:`~deltarule.tables.infer_schema`, such as ``ignore``; or a function
        that gives them, of a table of the first rows.
    callbacks, stop, progress, checkpoint
        As for :func:`~deltarule.tabular.fit_table`; callbacks are of a single network.
    scored : callable, optional
        Given the table once the model is scored, for a report on the rows of its sample.

    Returns
    -------
    NetworkModel or PortfolioModel

    Raises
    ------
    InputError
        If the memory is too little, or the rule needs all rows in every step; or ``quality`` or
        ``time_budget`` is given beside a setting of a single network.
    DataError, FileError
        If the files cannot be read, or more than a hundredth of their rows are rejected; or the
        disk has no room for the packed rows.
    KeyboardInterrupt
        At Ctrl-C before the first epoch is over.
    """
    given = settings or TableSettings()
    if not isinstance(target, str):
        raise InputError(
            parameter="target", given=target, expected="the name of the column to predict"
        )
    plan = MemoryPlan(memory_bytes(memory), resident_bytes())
    if RULES.get(given.rule).full_batch:
        raise InputError(
            f"rule {given.rule!r} needs all rows in every step",
            parameter="rule",
            given=given.rule,
            expected="a rule of mini-batches where memory is limited, such as 'adam'",
        )
    single = quality is None and time_budget is None
    if not single:
        check_world(single)
        others = {"callbacks": callbacks}
        is_single_network(given, quality, time_budget, others)  # refuses settings of one
    started, say = time.perf_counter(), progress or (lambda phase: None)
    with Rejects(rejects) as rejected:
        with store_folder(store) as folder:
            notes: list[str] = []
            how = dict(reading or {})
            reader = ReadingProgress(say, stop)
            sql = how.pop("sql", None)
            copied = copied_name(source, sql, how.get("table"))
            if copied:
                # Beside the store, whose folder holds nothing else.
                result = folder.with_name(f"{folder.name}.query.parquet")
                source, how, notes = reader.query_result(source, sql, result, plan, how)
            say("reading a sample")
            table = LargeTable(
                source,
                target,
                plan,
                rejected,
                how,
                columns or {},
                reader,
                seed=given.seed,
                test=given.test,
                valid=given.valid if single else None,
                name=copied,
            )
            say("encoding")
            if single:
                options = callbacks, stop, checkpoint
                model: TableModel = _fit_network(table, given, folder, say, started, *options)
            else:
                from deltarule.tabular.large_portfolio import fit_large_portfolio

                model = fit_large_portfolio(
                    table,
                    given,
                    folder,
                    say,
                    quality=quality or "default",
                    time_budget=time_budget,
                    started=started,
                    stop=stop,
                    checkpoint=checkpoint,
                    keep=store is not None,
                )
        model.report["notes"] += [*notes, *table.stream.notes, *rejected.notes()]
    model.report.update(
        {"rows": table.counts, "fingerprint": "", "scored_rows": table.scored_rows()}
    )
    if scored is not None:
        scored(table)
    return model


def _fit_network(
    table: LargeTable,
    given: TableSettings,
    folder: Path,
    say: Callable[[str], Any],
    started: float,
    callbacks: Sequence[Callable[[EpochEvent], Any]],
    stop: StopFlag | None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None,
) -> NetworkModel:
    """Train a single network."""
    statistics = TableStatistics(table.schema, table.sample_parts["train"])
    for typed, _ in table.training_chunks("encoding"):
        statistics.add(typed)
    encoder, target = statistics.encoder(**level_limits(given)), statistics.target()
    net = table_network(encoder.n_features, target, given)
    schema = dataclasses.replace(statistics.described(table.schema), n_rows=table.n_rows)

    def arrays(typed: TypedColumns, numbers: np.ndarray | None) -> tuple[Any, ...]:
        """X, Y and the weights of rows, as they are trained on."""
        X = encoder.transform(typed, dtype=np.float32)
        Y = network_targets(net, target, target_values(typed))
        Y = net.loss.prepare(Y, len(X), net.n_outputs, np.float32)
        return X, Y, None if typed.weights is None else typed.weights.astype(np.float32)

    digest = table.digest(encoder.to_dict(), target.to_dict(), net.widths, str(net.loss))
    size = PackedSize(net.n_inputs, net.n_outputs, schema.weights is not None)
    parts = table.packed(folder, digest, size, arrays)
    for rows in parts.values():
        rows.window_bytes = table.plan.window_bytes
    say("training")
    valid: Any = parts["valid"] if parts["valid"].n_rows else None
    batch = given.batch_rows(parts["train"].n_rows)
    with blas_threads_for(net, int(batch)):
        result = train_in_world(
            net,
            parts["train"],
            validation=valid,
            **train_arguments(given, batch),
            stopping=None if valid is None else Patience(given.patience),
            callbacks=callbacks,
            stop=stop,
            checkpoint=checkpoint,
            guard="quiet",
        )
    if result.stop_reason is StopReason.INTERRUPTED and not len(result.history):
        raise KeyboardInterrupt  # there is no epoch to keep
    say("scoring")
    X = {
        name: encoder.transform(part, dtype=np.float32) for name, part in table.sample_parts.items()
    }
    encoded = EncodedParts(net, encoder, target, table.sample_parts, X)
    # A cross-validation would train on the sample alone.
    settings = dataclasses.replace(given, folds=0)
    run = NetworkRun(schema, table.sample, table.sample_rows, encoded, settings, result, started)
    model, report = scored_network(run, stop, say, table.notes(_OF_MEDIANS))
    del report[ROW_DIGESTS]  # of the sample alone
    return NetworkModel(
        schema=schema,
        target=target,
        settings=given.to_dict(),
        report=report,
        model=model,
        encoder=encoder,
    )
