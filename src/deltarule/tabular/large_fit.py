"""From a table larger than memory to a trained network with scores.

The table is read three times, chunk by chunk: for a sample of its rows, from which the schema is
inferred; for statistics of the training rows, from which the encoders follow; and to pack the
encoded rows into a store on disk, from which the network is trained. The scores, and those of the
baselines, are of the sample's rows that were held out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.cluster import current_world, train_in_world
from deltarule.errors import DataError, FileError, InputError, Message
from deltarule.files import checked_path
from deltarule.maths import Network
from deltarule.optimizers import RULES
from deltarule.tables import (
    Schema,
    StoreWriter,
    TableEncoder,
    TargetEncoder,
    TypedColumns,
    infer_schema,
    open_store,
)
from deltarule.tables.memory import memory_bytes, resident_bytes
from deltarule.tables.read_ahead import read_ahead
from deltarule.tables.rejects import Rejects
from deltarule.tables.row_sample import RowSample, parts_of_rows, quantile_error
from deltarule.tables.table_statistics import TableStatistics
from deltarule.tables.table_stream import Chunk, TableStream
from deltarule.tables.typed_chunks import typed_chunk
from deltarule.tabular.memory_plan import MemoryPlan
from deltarule.tabular.network_fit import EncodedParts, level_limits, train_arguments
from deltarule.tabular.network_model import NetworkModel
from deltarule.tabular.network_report import NetworkRun, scored_network
from deltarule.tabular.network_targets import network_targets, table_network
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import check_parts, target_values
from deltarule.training import Checkpoint, EpochEvent, Patience, StopFlag, StopReason
from deltarule.training.threads import blas_threads_for

__all__ = ["fit_large_table"]

_FEWEST_ROWS = 10
_FORMAT = 1


def fit_large_table(
    source: str | os.PathLike[str],
    target: str,
    settings: TableSettings | None = None,
    *,
    memory: str | float,
    store: str | os.PathLike[str] | None = None,
    rejects: str | os.PathLike[str] | None = None,
    reading: Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callable[[EpochEvent], Any]] = (),
    stop: StopFlag | None = None,
    progress: Callable[[str], Any] | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> NetworkModel:
    """Train a network on files that are larger than memory, and score it on rows held out.

    Rows are divided into training, validation and test rows by a hash of their number and the
    seed. Means, deviations, counts of levels and of missing cells are those of all training rows.
    The schema, medians and scores are of a sample of the rows; a table that fits into the sample
    is its own sample. A class that any row has is known.

    Parameters
    ----------
    source : path or pattern
        Text, JSON lines, Parquet or SQLite, as for :func:`~deltarule.tables.read_table`; text in
        UTF-8, nothing compressed.
    target : str
        The column to predict.
    settings : TableSettings, optional
        ``folds`` has no effect.
    memory : str or float
        The largest resident memory of this process: ``"2GB"``, or a number of GB.
    store : path, optional
        A folder for the packed rows, which is kept, and used again for the same files and
        settings; a killed fit goes on there. A temporary one in the current folder otherwise.
    rejects : path, optional
        A CSV file for rows that cannot be read.
    reading : mapping, optional
        Arguments of :class:`~deltarule.tables.table_stream.TableStream`, such as ``na``.
    columns : mapping, optional
        Arguments of :func:`~deltarule.tables.infer_schema`, such as ``ignore``.
    callbacks, stop, progress, checkpoint
        As for :func:`~deltarule.tabular.fit_table`.

    Returns
    -------
    NetworkModel

    Raises
    ------
    InputError
        If the memory is too little, or the rule needs all rows in every step.
    DataError, FileError
        If the files cannot be read, or more than a hundredth of their rows are rejected.
    KeyboardInterrupt
        At Ctrl-C before the first epoch is over.
    """
    settings, started = settings or TableSettings(), time.perf_counter()
    if not isinstance(target, str):
        raise InputError(
            parameter="target", given=target, expected="the name of the column to predict"
        )
    plan = MemoryPlan(memory_bytes(memory), resident_bytes())
    if RULES.get(settings.rule).full_batch:
        raise InputError(
            f"rule {settings.rule!r} needs all rows in every step",
            parameter="rule",
            given=settings.rule,
            expected="a rule of mini-batches where memory is limited, such as 'adam'",
        )
    say = progress or (lambda phase: None)
    with Rejects(rejects) as rejected:
        say("reading a sample")
        given = (source, target, settings, plan, rejected, reading or {}, columns or {})
        fit = _LargeFit(*given, _Progress(say, stop))
        say("encoding")
        fit.fit_encoders()
        with _store_folder(store) as folder:
            parts = fit.packed(folder)
            for rows in parts.values():
                rows.window_bytes = fit.plan.window_bytes
            say("training")
            valid = parts["valid"] if parts["valid"].n_rows else None
            batch = settings.batch_rows(parts["train"].n_rows)
            with blas_threads_for(fit.net, int(batch)):
                result = train_in_world(
                    fit.net,
                    parts["train"],
                    validation=valid,
                    **train_arguments(settings, batch),
                    stopping=None if valid is None else Patience(settings.patience),
                    callbacks=callbacks,
                    stop=stop,
                    checkpoint=checkpoint,
                    guard="quiet",
                )
        if result.stop_reason is StopReason.INTERRUPTED and not len(result.history):
            raise KeyboardInterrupt  # there is no epoch to keep
        say("scoring")
        run = NetworkRun(
            fit.schema, fit.sample, fit.sample_rows, fit.encoded(), fit.settings, result, started
        )
        model, report = scored_network(run, stop, say, [*fit.notes(), *rejected.notes()])
    report |= {"rows": fit.counts, "fingerprint": "", "scored_rows": fit.scored_rows()}
    return NetworkModel(
        schema=fit.schema,
        target=fit.target,
        settings=settings.to_dict(),
        report=report,
        model=model,
        encoder=fit.encoder,
    )


@contextlib.contextmanager
def _store_folder(store: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Yield the folder of the store, that of worker 0; a temporary one is removed at the end."""
    world = current_world()
    if store is not None:
        yield Path(checked_path("store", store))
        return
    with contextlib.ExitStack() as stack:

        def made() -> str:
            temporary = tempfile.TemporaryDirectory(prefix="deltarule-store-", dir=Path.cwd())
            return stack.enter_context(temporary)

        folder: str = world.of_first(made)
        yield Path(folder) / "rows"
        world.barrier()  # the others may still read it


class _LargeFit:
    """The steps before training, and what they find."""

    net: Network
    encoder: TableEncoder
    target: TargetEncoder

    def __init__(
        self,
        source: str | os.PathLike[str],
        target: str,
        settings: TableSettings,
        plan: MemoryPlan,
        rejects: Rejects,
        reading: Mapping[str, Any],
        columns: Mapping[str, Any],
        progress: _Progress,
    ) -> None:
        # A cross-validation would train on the sample alone.
        self.settings = dataclasses.replace(settings, folds=0)
        self._rejects, self._progress = rejects, progress
        stream = TableStream(source, rejects=rejects, **reading)
        self.plan = dataclasses.replace(plan, n_columns=len(stream.names))
        found = RowSample(self.plan.sample_rows, target)
        for chunk in progress.chunks(stream, "reading a sample"):
            found.add(chunk.table, chunk.numbers)
        self.n_rows = found.n_rows
        table, numbers, sampled = found.table()
        del found
        self.schema: Schema = infer_schema(table, target, **columns)
        needed = {
            *self.schema.names,
            target,
            *([self.schema.weights] if self.schema.weights else []),
        }
        self._stream = TableStream(source, rejects=rejects, columns=needed, **reading)
        self._identity = self._stream.identity()
        # What does not fit the schema is rejected where it is read again, with its line.
        typed = typed_chunk(self.schema, table.take(sampled), Rejects())
        del table
        if typed is None or len(typed) < _FEWEST_ROWS:
            count = 0 if typed is None else len(typed)
            raise DataError(
                f"{stream.source} has {count} rows with a known target; expected at least "
                f"{_FEWEST_ROWS} to train on and to hold some out"
            )
        self.sample: TypedColumns = typed
        part = self._parts_of(numbers[sampled][typed.rows])
        self.sample_rows = {
            name: rows
            for index, (name, _) in enumerate(self._shares)
            if len(rows := np.flatnonzero(part == index))
        }
        if "train" not in self.sample_rows:
            raise DataError(
                f"{stream.source} has no training row among {len(typed)}; expected more rows, or "
                "smaller shares that are held out"
            )
        self._sample_parts = {name: typed.take(rows) for name, rows in self.sample_rows.items()}
        check_parts(self.schema, self._sample_parts)

    @property
    def _shares(self) -> list[tuple[str, float]]:
        test, valid = self.settings.test, self.settings.valid
        return [("test", test), ("valid", valid), ("train", 1 - test - valid)]

    def _parts_of(self, numbers: np.ndarray) -> np.ndarray:
        """The part of rows with these numbers, as an index into the shares."""
        return parts_of_rows(numbers, self.settings.seed, self._shares)

    def _typed(self, first: int, what: str) -> Iterator[tuple[TypedColumns | None, np.ndarray]]:
        """The chunks of the table as the schema says, each with the parts of its rows."""
        for chunk in self._progress.chunks(self._stream, what, self.n_rows, first):
            typed = typed_chunk(self.schema, chunk.table, self._rejects)
            rows = np.empty(0, np.int64) if typed is None else typed.rows
            yield typed, self._parts_of(chunk.numbers[rows])

    def fit_encoders(self) -> None:
        """Fit the encoders to the statistics of all training rows."""
        statistics = TableStatistics(self.schema, self._sample_parts["train"])
        train_part = len(self._shares) - 1
        counts = np.zeros(len(self._shares), np.int64)
        for typed, part in self._typed(0, "encoding"):
            counts += np.bincount(part, minlength=len(counts))
            if typed is not None:
                statistics.add(typed.take(part == train_part))
        self.counts = {
            name: int(count) for (name, _), count in zip(self._shares, counts, strict=True) if count
        }
        self.encoder = statistics.encoder(**level_limits(self.settings))
        self.target = statistics.target()
        self.net = table_network(self.encoder.n_features, self.target, self.settings)
        described = statistics.described(self.schema)
        self.schema = dataclasses.replace(described, n_rows=self.n_rows)

    def _digest(self) -> str:
        """What stands for the files and everything that the packed rows are made by."""
        settings = self.settings
        made_by = [
            _FORMAT, self._identity, self.schema.to_dict(), self.encoder.to_dict(),
            self.target.to_dict(), settings.test, settings.valid, settings.seed,
            self.net.widths, str(self.net.loss),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()

    def packed(self, folder: Path) -> dict[str, Any]:
        """Pack the encoded rows, or what is left to pack of them; return the parts of the store.

        Of many workers worker 0 packs them, and the others wait.
        """
        current_world().of_first(lambda: self._pack(folder))
        return open_store(folder)

    def _pack(self, folder: Path) -> None:
        """Pack the encoded rows, or what is left to pack of them."""
        names = [name for name, _ in self._shares if name != "test"]
        weighted = self.schema.weights is not None
        sizes = self.net.n_inputs, self.net.n_outputs
        with StoreWriter(
            folder, self._digest(), *sizes, weighted=weighted, parts=("train", "valid")
        ) as writer:
            if not writer.is_complete:
                self._check_disk(folder)
                for typed, part in self._typed(writer.chunks, "packing"):
                    rows = {}
                    for index, (name, _) in enumerate(self._shares):
                        if typed is not None and name in names:
                            rows[name] = self._arrays(typed.take(part == index))
                    writer.append(rows)
                if self._stream.identity() != self._identity:
                    raise DataError(
                        f"{self._stream.source} was changed while it was read",
                        expected="files that stay as they are until their rows are packed",
                        hint="fit again",
                    )
                writer.finish()

    def _check_disk(self, folder: Path) -> None:
        """Refuse a disk on which the packed rows have no room."""
        rows = self.counts.get("train", 0) + self.counts.get("valid", 0)
        needed = rows * 4 * (self.net.n_inputs + self.net.n_outputs + 1)
        written = sum(path.stat().st_size for path in folder.iterdir())
        free = shutil.disk_usage(folder).free
        if needed - written > free:
            raise FileError(
                f"the packed rows take {needed / 1e9:.3g} GB, and {str(folder)!r} is on a disk "
                f"with {free / 1e9:.3g} GB free",
                parameter="store",
                expected="a folder on a disk with more room",
                hint="name another",
            )

    def _arrays(self, typed: TypedColumns) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """X, Y and the weights of rows, as they are trained on."""
        X = self.encoder.transform(typed, dtype=np.float32)
        Y = network_targets(self.net, self.target, target_values(typed))
        Y = self.net.loss.prepare(Y, len(X), self.net.n_outputs, np.float32)
        w = None if typed.weights is None else typed.weights.astype(np.float32)
        return X, Y, w

    def encoded(self) -> EncodedParts:
        """The rows of the sample as inputs of the network."""
        X = {
            name: self.encoder.transform(part, dtype=np.float32)
            for name, part in self._sample_parts.items()
        }
        return EncodedParts(self.net, self.encoder, self.target, self._sample_parts, X)

    def scored_rows(self) -> dict[str, int]:
        """The number of rows of each part that its scores are of."""
        return {name: len(part) for name, part in self._sample_parts.items()}

    def notes(self) -> list[str]:
        """Notes on what is of a sample of the rows, and how exact that is."""
        total, sample = self.n_rows, len(self.sample)
        if sample == sum(self.counts.values()):
            return []
        training = len(self._sample_parts["train"])
        error = quantile_error(training)
        low, high = 0.5 - error, 0.5 + error
        return [
            Message(
                f"the table has {total:,} rows; its schema, the scores and the baselines are of a "
                f"sample of {sample:,} of them"
            ),
            Message(
                f"the median that stands in for a missing number is that of {training:,} training "
                f"rows: a quantile of all between {low:.3f} and {high:.3f} (99 % confidence)"
            ),
        ]


class _Progress:
    """Says at intervals how many rows were read, and ends the reading once the flag is raised."""

    def __init__(self, say: Callable[[str], Any], stop: StopFlag | None) -> None:
        self._say, self._stop = say, stop

    def chunks(
        self, stream: TableStream, what: str, total: int = 0, first: int = 0
    ) -> Iterator[Chunk]:
        """The chunks of a stream, read ahead."""
        last = time.monotonic()
        for chunk in read_ahead(stream.chunks(first)):
            if self._stop:
                raise KeyboardInterrupt  # there is nothing to keep
            yield chunk
            if time.monotonic() - last > 1:
                last = time.monotonic()
                done = chunk.first + len(chunk.table)
                self._say(f"{what}: {done:,} rows" + (f" of {total:,}" if total else ""))
