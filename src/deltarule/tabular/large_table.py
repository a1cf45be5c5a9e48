"""A table larger than memory: a sample of its rows, their parts, and its rows in chunks.

The table is read several times, chunk by chunk: for a sample of its rows, from which the schema is
inferred; for statistics of the training rows, from which the encoders follow; and to pack the
encoded rows into a store on disk, from which networks are trained.
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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.cluster import current_world
from deltarule.errors import DataError, FileError, InputError, Message
from deltarule.files import checked_path
from deltarule.tables import Schema, StoreWriter, Table, TypedColumns, infer_schema, open_store
from deltarule.tables.packed_store import PackedRows
from deltarule.tables.read_ahead import read_ahead
from deltarule.tables.rejects import Rejects
from deltarule.tables.row_sample import RowSample, parts_of_rows, quantile_error
from deltarule.tables.table_stream import Chunk, TableStream
from deltarule.tables.typed_chunks import typed_chunk
from deltarule.tabular.diagnostics.rows import ScoredRows, scored_part
from deltarule.tabular.memory_plan import MemoryPlan
from deltarule.tabular.model import TableModel
from deltarule.tabular.splitting import check_parts
from deltarule.training import StopFlag

__all__ = ["LargeTable", "PackedSize", "ReadingProgress", "check_disk", "store_folder"]

_FEWEST_ROWS = 10
# Of the division of rows into blocks: another one is not taken over.
_FORMAT = 2
# The share of validation rows of a portfolio, and of a table of fewer rows than this.
_HOLDOUT, _SMALL_HOLDOUT, _SMALL = 0.1, 0.25, 20_000


@contextlib.contextmanager
def store_folder(store: str | os.PathLike[str] | None) -> Iterator[Path]:
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


def _opened(folder: Path) -> dict[str, PackedRows]:
    """The parts of the store that worker 0 has packed, as this worker sees them.

    Raises
    ------
    FileError
        If it does not.
    """
    world = current_world()
    try:
        return open_store(folder)
    except FileError as error:
        if world.is_first:
            raise
        raise FileError(
            f"worker {world.rank} of {world.size} does not see the rows that worker 0 has packed "
            f"in {str(folder)!r} ({error})",
            parameter="store",
            given=str(folder),
            expected="a folder of storage that all workers share, at the same path for each",
        ) from error


@dataclasses.dataclass(frozen=True)
class PackedSize:
    """The sizes of a row of a store: its inputs, targets, and whether it has a weight.

    Examples
    --------
    >>> PackedSize(10, 1, weighted=False).bytes_of(1_000_000)
    44000000
    """

    n_inputs: int
    n_outputs: int
    weighted: bool

    def bytes_of(self, rows: int) -> int:
        """The bytes of so many rows."""
        return rows * 4 * (self.n_inputs + self.n_outputs + self.weighted)


def check_disk(folder: Path, needed: int, what: str = "the packed rows take") -> None:
    """Refuse a disk on which so many bytes, less those that are in the folder, have no room.

    Raises
    ------
    FileError
    """
    written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed - written > free:
        raise FileError(
            f"{what} {needed / 1e9:.3g} GB, and {str(folder)!r} is on a disk "
            f"with {free / 1e9:.3g} GB free",
            parameter="store",
            expected="a folder on a disk with more room",
            hint="name another",
        )


class LargeTable:
    """The rows of a table larger than memory.

    Parameters
    ----------
    source : path or pattern
    target : str
    plan : MemoryPlan
    rejects : Rejects
    reading, columns : mapping
        Arguments of ``TableStream`` and of ``infer_schema``; the latter may be a function of the
        first rows.
    progress : ReadingProgress
    seed : int
        Which rows are held out.
    test : float
        The share of the test rows.
    valid : float, optional
        That of the validation rows; one that suits a portfolio unless given.
    name : str
        What the table is called, if not by its file.

    Attributes
    ----------
    schema : Schema
    n_rows : int
    sample : TypedColumns
        A sample of all rows.
    sample_rows : dict of str to array
        The row numbers in the sample of each part: ``"test"``, ``"valid"``, ``"train"``.
    sample_parts : dict of str to TypedColumns
    counts : dict of str to int
        The number of all rows of each part, once they were counted.

    Raises
    ------
    DataError
        If there are too few rows.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | None,
        target: str,
        plan: MemoryPlan,
        rejects: Rejects,
        reading: Mapping[str, Any],
        columns: Mapping[str, Any] | Callable[[Table], Mapping[str, Any]],
        progress: ReadingProgress,
        *,
        seed: int,
        test: float,
        valid: float | None,
        name: str = "",
    ) -> None:
        self.rejects, self.progress, self.seed = rejects, progress, seed
        if source is None:
            raise InputError(
                parameter="source", given=None, expected="a path or a pattern, or a query to run"
            )
        stream = TableStream(source, rejects=rejects, **reading)
        columns = columns(stream.head) if callable(columns) else columns
        self.plan = dataclasses.replace(plan, n_columns=len(stream.names))
        found = RowSample(self.plan.sample_rows, target)
        for chunk in progress.chunks(stream, "reading a sample"):
            found.add(chunk.table, chunk.numbers)
        self.n_rows = found.n_rows
        if valid is None:
            valid = _HOLDOUT if self.n_rows >= _SMALL else _SMALL_HOLDOUT
        self.shares = [("test", test), ("valid", valid), ("train", 1 - test - valid)]
        table, numbers, sampled = found.table()
        del found
        self.schema: Schema = infer_schema(table, target, **columns)
        self.schema = dataclasses.replace(self.schema, source=name or stream.name)
        needed = {
            *self.schema.names,
            target,
            *([self.schema.weights] if self.schema.weights else []),
        }
        self.stream = TableStream(source, rejects=rejects, columns=needed, **reading)
        self._identity = self.stream.identity()
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
        # Of the rows of the sample among all rows of the table.
        self.sample_numbers = numbers[sampled][typed.rows]
        part = self.parts_of(self.sample_numbers)
        self.sample_rows = {
            name: rows
            for index, (name, _) in enumerate(self.shares)
            if len(rows := np.flatnonzero(part == index))
        }
        if "train" not in self.sample_rows:
            raise DataError(
                f"{stream.source} has no training row among {len(typed)}; expected more rows, or "
                "smaller shares that are held out"
            )
        self.sample_parts = {name: typed.take(rows) for name, rows in self.sample_rows.items()}
        check_parts(self.schema, self.sample_parts)
        self.counts: dict[str, int] = {}

    def parts_of(self, numbers: np.ndarray) -> np.ndarray:
        """The part of rows with these numbers, as an index into the shares."""
        return parts_of_rows(numbers, self.seed, self.shares)

    def typed_chunks(
        self, what: str, first: int = 0, most: int | None = None
    ) -> Iterator[tuple[TypedColumns | None, np.ndarray]]:
        """The chunks of the table as the schema says, each with the numbers of its rows.

        They have at most so many rows.
        """
        stream = self.stream if most is None else self.stream.with_rows(most)
        for chunk in self.progress.chunks(stream, what, self.n_rows, first):
            typed = typed_chunk(self.schema, chunk.table, self.rejects)
            rows = np.empty(0, np.int64) if typed is None else typed.rows
            yield typed, chunk.numbers[rows]

    def training_chunks(self, what: str) -> Iterator[tuple[TypedColumns, np.ndarray]]:
        """The training rows, chunk by chunk, with their numbers; the rows of all parts are counted.

        To be read to the end.
        """
        counts = np.zeros(len(self.shares), np.int64)
        for typed, numbers in self.typed_chunks(what):
            part = self.parts_of(numbers)
            counts += np.bincount(part, minlength=len(counts))
            training = part == len(self.shares) - 1
            if typed is not None:
                yield typed.take(training), numbers[training]
        self.counts = {
            name: int(count) for (name, _), count in zip(self.shares, counts, strict=True) if count
        }

    @property
    def n_packed(self) -> int:
        """The number of rows of a store: those of training and validation."""
        return self.counts.get("train", 0) + self.counts.get("valid", 0)

    def digest(self, *made_by: Any) -> str:
        """What stands for the files and all else that packed rows are made by."""
        shares = dict(self.shares)
        of_table = [_FORMAT, self._identity, self.schema.to_dict()]
        of_rows = [shares["test"], shares["valid"], self.seed]
        return hashlib.sha256(json.dumps([*of_table, *made_by, *of_rows]).encode()).hexdigest()

    def packed(
        self,
        folder: Path,
        digest: str,
        size: PackedSize,
        arrays: Callable[[TypedColumns, np.ndarray | None], Any],
        what: str = "packing",
        most: int | None = None,
    ) -> dict[str, PackedRows]:
        """Pack the encoded rows, or what is left to pack of them; return the parts of the store.

        Of many workers worker 0 packs them, and the others wait.

        Parameters
        ----------
        folder : Path
        digest : str
        size : PackedSize
        arrays : callable
            Gives X, Y and weights of rows, and is given these and, of training rows, their numbers.
        what : str
            Names the phase.
        most : int, optional
            The most rows that are encoded, and a block of the store has, at a time.
        """
        current_world().of_first(lambda: self._pack(folder, digest, size, arrays, what, most))
        return _opened(folder)

    def _pack(
        self,
        folder: Path,
        digest: str,
        size: PackedSize,
        arrays: Callable[[TypedColumns, np.ndarray | None], Any],
        what: str,
        most: int | None,
    ) -> None:
        """Pack the encoded rows, or what is left to pack of them."""
        sizes = size.n_inputs, size.n_outputs
        with StoreWriter(
            folder, digest, *sizes, weighted=size.weighted, parts=("train", "valid")
        ) as writer:
            if not writer.is_complete:
                check_disk(folder, size.bytes_of(self.n_packed))
                for typed, numbers in self.typed_chunks(what, writer.chunks, most):
                    part, rows = self.parts_of(numbers), {}
                    for index, (name, _) in enumerate(self.shares):
                        if typed is not None and name != "test":
                            own = part == index
                            known = numbers[own] if name == "train" else None
                            rows[name] = arrays(typed.take(own), known)
                    writer.append(rows)
                if self.stream.identity() != self._identity:
                    raise DataError(
                        f"{self.stream.source} was changed while it was read",
                        expected="files that stay as they are until their rows are packed",
                        hint="fit again",
                    )
                writer.finish()

    def scored_rows(self) -> dict[str, int]:
        """The number of rows of each part that its scores are of."""
        return {name: len(part) for name, part in self.sample_parts.items()}

    def scored_sample(self, model: TableModel) -> ScoredRows:
        """The sample's rows that the scores of a model are of, by their numbers in the table."""
        part = next(name for name in ("test", "valid", "train") if name in self.sample_parts)
        rows = self.sample_rows[part]
        typed = dataclasses.replace(self.sample_parts[part], rows=self.sample_numbers[rows])
        return scored_part(model, typed, part)

    def notes(self, of_quantiles: str) -> list[str]:
        """Notes on what is of a sample of the rows, and how exact that is.

        ``of_quantiles`` says what quantiles of the sample are used for.
        """
        total, sample = self.n_rows, len(self.sample)
        if sample == sum(self.counts.values()):
            return []
        training = len(self.sample_parts["train"])
        error = quantile_error(training)
        return [
            Message(
                f"the table has {total:,} rows; its schema, the scores and the baselines are of a "
                f"sample of {sample:,} of them"
            ),
            Message(
                of_quantiles.format(
                    rows=f"{training:,} training rows",
                    error=error,
                    low=0.5 - error,
                    high=0.5 + error,
                )
            ),
        ]


class ReadingProgress:
    """Says at intervals how many rows were read, and ends the reading once the flag is raised."""

    def __init__(self, say: Callable[[str], Any], stop: StopFlag | None) -> None:
        self._say, self.stop = say, stop
        self._last = time.monotonic()

    def _check(self) -> None:
        if self.stop:
            raise KeyboardInterrupt  # there is nothing to keep

    def _tell(self, words: str) -> None:
        """Say it, at most once a second."""
        if time.monotonic() - self._last > 1:
            self._last = time.monotonic()
            self._say(words)

    def query_result(
        self,
        source: str | os.PathLike[str] | None,
        sql: str | None,
        out: Path,
        plan: MemoryPlan,
        reading: Mapping[str, Any],
    ) -> tuple[Path, dict[str, Any], list[str]]:
        """The file with the result of a query, or a copy of a table; how it is read; and notes."""
        what = "copying the table" if sql is None else "running the query"
        from deltarule.tables.query_file import query_to_parquet

        def show(n_rows: int) -> None:
            self._check()
            self._tell(f"{what}: {n_rows:,} rows")

        self._say(what)
        self._last = time.monotonic()
        memory = plan.free // 4
        notes = current_world().of_first(
            lambda: query_to_parquet(source, sql, out, memory=memory, reading=reading, show=show)
        )
        of_text = ("delimiter", "encoding", "skip", "comment", "names", "table")
        kept = {name: value for name, value in reading.items() if name not in of_text}
        return out, kept, list(notes)

    def chunks(
        self, stream: TableStream, what: str, total: int = 0, first: int = 0
    ) -> Iterator[Chunk]:
        """The chunks of a stream, read ahead."""
        self._last = time.monotonic()
        for chunk in read_ahead(stream.chunks(first)):
            self._check()
            yield chunk
            done = chunk.first + len(chunk.table)
            self._tell(f"{what}: {done:,} rows" + (f" of {total:,}" if total else ""))
