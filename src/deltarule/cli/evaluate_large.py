"""``deltarule evaluate`` on large files: chunk by chunk, in constant memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from deltarule.cli import output
from deltarule.cli.predict_large import refuse_rejected, row_numbers_from, stream_for
from deltarule.errors import DataError
from deltarule.tables.chunk_notes import ChunkNotes
from deltarule.tables.read_ahead import read_ahead
from deltarule.tables.rejects import Rejects
from deltarule.tables.row_sample import RowSample
from deltarule.tables.typed_chunks import typed_chunk
from deltarule.tabular import TableModel
from deltarule.tabular.diagnostics.rows import ScoredRows, scored_part
from deltarule.tabular.network_fit import true_values
from deltarule.tabular.rows_seen import RowsCount, RowsSeen
from deltarule.tabular.score_sums import ScoreSums

__all__ = ["LargeScores", "evaluate_large"]

# The rows that a report is of, or as many as have so many cells.
_REPORTED_ROWS, _REPORTED_CELLS = 20_000, 2_000_000
# From this error on a note says how exact the area under the curve is.
_LEAST_ERROR = 5e-7


class LargeScores(NamedTuple):
    """The scores of a model on a large table.

    Attributes
    ----------
    source : str
    n_rows : int
        Those with a target.
    scores : dict
    notes : list of str
    may_be_training_table : bool
        Whether it has the name and the number of rows of the table of the training.
    sample : ScoredRows or None
        Of which a report can be made.
    seen : RowsSeen or None
        How many of the rows occur in the training table.
    """

    source: str
    n_rows: int
    scores: dict[str, float | None]
    notes: list[str]
    may_be_training_table: bool
    sample: ScoredRows | None
    seen: RowsSeen | None


def evaluate_large(
    model: TableModel,
    data: str,
    *,
    table: str | None,
    reading: Mapping[str, Any],
    show: Callable[[str], None],
    report: bool,
) -> LargeScores:
    """Score a model on all rows of files with a target; for a report also take a sample of them.

    Raises
    ------
    DataError
        If a row cannot be read, its class is unknown, or no row has a target.
    """
    schema, notes = model.schema, ChunkNotes()
    sums = ScoreSums(model.task, len(model.classes))
    most = min(_REPORTED_ROWS, max(_REPORTED_CELLS // len(schema.columns), 1000))
    sample = RowSample(most) if report else None
    n_all, seen = 0, RowsCount(model.report)
    with Rejects() as rejects:
        stream = stream_for(schema, data, rejects, table=table, reading=reading)
        for chunk in read_ahead(stream.chunks()):
            typed = typed_chunk(schema, chunk.table, rejects)
            refuse_rejected(rejects, "each is scored")
            n_all += len(chunk.table)
            show(f"scoring: {n_all:,} rows")
            if typed is None:
                continue
            with row_numbers_from(chunk.first):
                outputs = model.outputs(typed)
            seen.add(typed)
            sums.add(true_values(model.target, typed), outputs, typed.weights)
            if sample is not None:
                sample.add(chunk.table.take(typed.rows), chunk.numbers[typed.rows])
            notes.add((*typed.notes, *model.notes(typed)))
        refuse_rejected(rejects, "each is scored")
    if not sums.n_rows:
        name = "" if schema.target is None else schema.target.name
        raise DataError(
            f"{stream.source}: the target {name!r} is missing in all rows",
            expected="known values, with which predictions are compared",
        )
    scores = sums.scores()
    found = [*stream.notes, *notes.texts(output.spelled)]
    if gone := n_all - sums.n_rows:
        found.append(f"rows left out because the target is missing: {gone:,}")
    if sums.auc_error > _LEAST_ERROR:
        exact = f"the AUC is exact to ±{sums.auc_error:.1g}"
        found.append(f"{exact}: rows are counted in bins of the probability")
    rows = None
    if sample is not None:
        rows = _sample_of(model, sample)
        if len(rows) < sums.n_rows:
            found.append(f"the report is of a sample of {len(rows):,} of these rows")
    # A model that was trained in memory counts the rows with a target.
    same = stream.name == schema.source and schema.n_rows in (n_all, sums.n_rows)
    return LargeScores(str(stream.source), sums.n_rows, scores, found, same, rows, seen.result())


def _sample_of(model: TableModel, sample: RowSample) -> ScoredRows:
    """The rows of a sample, by their numbers in the table."""
    table, numbers, _ = sample.table()
    typed = typed_chunk(model.schema, table, Rejects())
    assert typed is not None
    typed = dataclasses.replace(typed, rows=numbers[typed.rows])
    return scored_part(model, typed, "given")
