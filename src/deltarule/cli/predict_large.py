"""``deltarule predict`` on large files: chunk by chunk, in constant memory."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from deltarule.cli import output
from deltarule.cli.id_columns import check_output_names, possible_ids, take_ids
from deltarule.cli.output_paths import make_parent
from deltarule.cli.prediction_writer import PredictionWriter
from deltarule.errors import DataError
from deltarule.files import open_replacing
from deltarule.tables import Schema, TypedColumns, apply_schema
from deltarule.tables.addresses import is_postgres
from deltarule.tables.beyond_training import beyond_training
from deltarule.tables.chunk_notes import ChunkNotes
from deltarule.tables.paths import DATABASES, TEXT, find_files, is_regular_file
from deltarule.tables.read_ahead import read_ahead
from deltarule.tables.rejects import Rejects
from deltarule.tables.standard_input import is_stdin
from deltarule.tables.table_stream import TableStream
from deltarule.tabular import TableModel

__all__ = [
    "PredictedColumns",
    "is_large",
    "predict_large",
    "refuse_rejected",
    "row_numbers_from",
    "stream_for",
]

# Files of fewer bytes are read at once; the predictions are the same.
LARGE_BYTES = 1 << 26
_CHUNKED = (*TEXT, ".jsonl", ".ndjson", ".parquet", *DATABASES)
_MOST_NOTES = 20


@dataclasses.dataclass(frozen=True)
class PredictedColumns:
    """The columns that a model predicts.

    Parameters
    ----------
    model : TableModel
    proba : bool
        Whether there is a probability for each class.
    ends : pair of float, optional
        The levels of the ends of an interval.
    """

    model: TableModel
    proba: bool
    ends: Any

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        classes = self.model.classes if self.proba else ()
        interval = [] if self.ends is None else ["lower", "upper"]
        return ["prediction", *(f"probability_{label}" for label in classes), *interval]

    def of(self, typed: TypedColumns) -> dict[str, Any]:
        """The columns of some rows."""
        outputs = self.model.outputs(typed)
        more = list(outputs.T) if self.proba else []
        if self.ends is not None:
            more += list(self.model.quantiles(typed, outputs, self.ends).T)
        return dict(zip(self.names, [self.model.labels(outputs), *more], strict=True))


def is_large(data: str, sql: str | None, reading: Mapping[str, Any]) -> bool:
    """Whether a table is read in chunks: its files are large, and of a kind that can be."""
    whole = is_stdin(data) or is_postgres(data)
    if sql is not None or whole or reading.get("encoding") is not None:
        return False
    paths = find_files(data).paths
    if not all(map(is_regular_file, paths)):
        return False
    kinds = {path.suffix.lower() for path in paths}
    return kinds <= set(_CHUNKED) and sum(path.stat().st_size for path in paths) > LARGE_BYTES


def predict_large(
    data: str,
    out: Path | None,
    *,
    table: str | None,
    reading: Mapping[str, Any],
    ids: Sequence[str],
    outputs: PredictedColumns,
    force: bool,
    quiet: bool,
    safe_csv: bool,
) -> tuple[int, list[str]]:
    """Write a prediction for each row; return the number of rows, and notes on them.

    Raises
    ------
    DataError
        If a row cannot be read: there would be no prediction for it.
    """
    model, notes, n_rows = outputs.model, ChunkNotes(), 0
    schema = model.schema
    with Rejects() as rejects:
        texts = possible_ids(schema, ids)
        stream = stream_for(schema, data, rejects, table=table, reading=reading, texts=texts)
        suffix = ".csv" if out is None else out.suffix.lower()
        with (
            output.live(quiet or out is None) as show,
            _output_file(out, force) as file,
            PredictionWriter(file, suffix, safe_csv=safe_csv) as writer,
        ):
            for chunk in read_ahead(stream.chunks()):
                refuse_rejected(rejects)
                rows, id_columns = take_ids(schema, chunk.table, ids)
                check_output_names(id_columns, outputs.names)
                typed = apply_schema(schema, rows, need_target=False)
                with row_numbers_from(chunk.first):
                    predicted = outputs.of(typed)
                writer.write(id_columns | predicted)
                n_rows += len(typed)
                far = beyond_training(schema, _numbered(typed, chunk.first))
                notes.add((*typed.notes, *model.notes(typed), *far))
                show(f"predicting: {n_rows:,} rows")
            refuse_rejected(rejects)
    found = [*stream.notes, *notes.texts(output.spelled)]
    if len(found) > _MOST_NOTES:
        found = [*found[:_MOST_NOTES], f"… and {len(found) - _MOST_NOTES} more notes"]
    return n_rows, found


def _numbered(typed: TypedColumns, first: int) -> TypedColumns:
    """Rows with their numbers among all rows of the table."""
    return dataclasses.replace(typed, rows=typed.rows + np.int64(first))


def stream_for(
    schema: Schema, data: str, rejects: Rejects, *, reading: Mapping[str, Any], **more: Any
) -> TableStream:
    """Return the rows of files, chunk by chunk, as they are read for a model.

    ``more`` are other arguments of :class:`~deltarule.tables.table_stream.TableStream`.
    """
    return TableStream(
        data,
        na=schema.na,
        number_formats=schema.number_formats,
        rejects=rejects,
        **{name: value for name, value in reading.items() if name != "max_memory"},
        **more,
    )


@contextlib.contextmanager
def row_numbers_from(first: int) -> Iterator[None]:
    """Within the block, an error on a row of a chunk says how many rows are before the chunk."""
    try:
        yield
    except DataError as error:
        if not first:
            raise
        raise error.prefixed(f"of the rows after row {first:,}: ") from None


def refuse_rejected(rejects: Rejects, because: str = "each gets a prediction") -> None:
    """Raise DataError if a row was rejected."""
    if rejects.count:
        raise DataError(
            rejects.notes()[0],
            expected=f"rows that can be read: {because}",
            hint="correct or remove them",
        )


@contextlib.contextmanager
def _output_file(out: Path | None, force: bool) -> Iterator[BinaryIO | None]:
    """Yield the file that becomes ``out`` at the end; None for standard output."""
    if out is None:
        yield None
        return
    make_parent(out)
    with open_replacing(out, overwrite=force) as file:
        yield file
