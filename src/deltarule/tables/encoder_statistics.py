"""Statistics of a table's training rows from which encoders of any kind follow, for a portfolio.

Counts, means, deviations, ranges, and statistics of the target for each level of a category are
those of all rows. Quantiles are those of a sample of the rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError
from deltarule.tables.calendar_encoder import CalendarEncoder
from deltarule.tables.column_encoders import NumberEncoder
from deltarule.tables.encoder_choice import EncoderChoice
from deltarule.tables.level_targets import FoldMeans, LevelTargets
from deltarule.tables.number_encoders import NUMBER_ENCODERS
from deltarule.tables.schema import Column, Schema
from deltarule.tables.table import count_noun, join_items
from deltarule.tables.table_encoder import TableEncoder
from deltarule.tables.table_statistics import TableStatistics
from deltarule.tables.target_encoder import TargetEncoder
from deltarule.tables.target_statistics import TargetStatisticsEncoder, target_columns
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_encoder import FreeTextEncoder
from deltarule.tables.typed_columns import TypedColumns

__all__ = ["CrossFittedEncoder", "EncoderStatistics"]


@dataclasses.dataclass(frozen=True, eq=False)
class CrossFittedEncoder:
    """An encoder, and what encodes training rows without their own target.

    Attributes
    ----------
    encoder : TableEncoder
        Of all training rows.
    fold_means : mapping of str to FoldMeans
        For each column that is encoded by its statistics of the target.
    """

    encoder: TableEncoder
    fold_means: dict[str, FoldMeans]

    def transform(self, rows: TypedColumns, folds: NDArray[np.int64] | None) -> NDArray[Any]:
        """Encode rows in float32: new ones, or training rows in these folds."""
        matrix = self.encoder.transform(rows, dtype=np.float32)
        if folds is not None and self.fold_means:

            def write(name: str, out: NDArray[Any]) -> None:
                cells: Any = rows.columns[name]
                self.fold_means[name].write(cells, folds, out)

            self.encoder.rewrite(matrix, self.fold_means, write)
        return matrix


class EncoderStatistics:
    """The statistics of the training rows of a table, added chunk by chunk.

    Parameters
    ----------
    schema : Schema
    sample : TypedColumns
        Training rows from all over the table; quantiles are theirs.
    n_folds : int
        The number of folds that :meth:`add` divides the rows into.

    Examples
    --------
    >>> schema = Schema((Column("x", "number"),), target=Column("y", "number"), task="regression")
    >>> x = np.arange(6.0)
    >>> rows = TypedColumns({"x": x}, np.arange(6), target=x)
    >>> statistics = EncoderStatistics(schema, rows, n_folds=2)
    >>> statistics.add(rows, np.arange(6) % 2)
    >>> found = statistics.encoder(numbers="robust").encoder
    >>> found.to_dict() == TableEncoder(numbers="robust").fit(rows, schema).to_dict()
    True
    """

    def __init__(self, schema: Schema, sample: TypedColumns, n_folds: int) -> None:
        self.schema, self.sample = schema, sample
        free_text = {
            name
            for name, cells in sample.columns.items()
            if isinstance(cells, TextColumn) and FreeTextEncoder.suits(cells)
        }
        self.table = TableStatistics(schema, sample, free_text)
        self._target = TargetEncoder.from_schema(schema)
        self._n_classes = len(self._target.classes)
        n_targets = 1 if self._n_classes in (0, 2) else self._n_classes
        self._levels = {
            column.name: LevelTargets(column.name, n_targets, n_folds)
            for column in schema.columns
            if self.table.levels_of(column.name) is not None
        }
        # Near the mean and the deviation of the sample, so that sums lose no digits.
        self._centre, self._scale = self.table.target_scale()
        # A power of two scales weights without rounding.
        largest = 1.0 if sample.weights is None else float(sample.weights.max())
        self._weight_unit = 2.0 ** np.ceil(np.log2(largest)) if largest > 0 else 1.0
        self._fold_means: dict[str, FoldMeans] = {}
        self._by_target: dict[str, TargetStatisticsEncoder] = {}

    @property
    def n_rows(self) -> int:
        """The number of training rows."""
        return self.table.n_rows

    def add(self, rows: TypedColumns, folds: NDArray[np.int64]) -> None:
        """Add training rows, and the fold of each; rows of weight 0 are none."""
        if rows.weights is not None and not (rows.weights > 0).all():
            kept = rows.weights > 0
            rows, folds = rows.take(kept), folds[kept]
        self.table.add(rows)
        if not self._levels or not len(rows):
            return
        targets = self._targets(rows)
        w = None if rows.weights is None else rows.weights / self._weight_unit
        for name, levels in self._levels.items():
            levels.add(rows.columns[name], targets, w, folds)  # type: ignore[arg-type]  # a category

    def _targets(self, rows: TypedColumns) -> NDArray[np.float64]:
        """The columns of the target whose means are taken, shape (N, K')."""
        assert rows.target is not None
        if self._n_classes:
            return target_columns(self._target.transform(rows.target), self._n_classes)
        assert not isinstance(rows.target, TextColumn)
        return target_columns((rows.target - self._centre) / self._scale, 0)

    def merge(self, other: EncoderStatistics) -> None:
        """Add the rows of another part of the table, whose sample was the same."""
        self.table.merge(other.table)
        for name, levels in self._levels.items():
            levels.merge(other._levels[name])

    def finish(self) -> None:
        """Make what encodes categories by the target; called once, after the last rows."""
        target = self.table.target()
        for name, levels in self._levels.items():
            if not self._n_classes:
                levels.standardise(
                    (target.mean - self._centre) / self._scale, target.std / self._scale
                )
            encoder = levels.encoder([0.0])
            total = np.sum(encoder.sums, axis=0), np.sum(encoder.weights)
            # Σ w t² of an indicator is Σ w t; of a standardised number it is the total weight.
            squares = total[0] if self._n_classes else np.array([total[1]])
            labels = [str(k) for k in range(len(squares))] if len(squares) > 1 else [""]
            self._by_target[name] = dataclasses.replace(
                encoder, squares=tuple(squares.tolist()), labels=tuple(labels)
            )
            self._fold_means[name] = levels.fold_means(self._by_target[name])
        self._levels = {}

    def encoder(
        self,
        *,
        fit_text: Callable[[str, TextColumn], FreeTextEncoder] | None = None,
        **settings: Any,
    ) -> CrossFittedEncoder:
        """The encoder of these settings, which are those of :class:`TableEncoder`.

        Raises
        ------
        DataError
            If no column varies in the rows.
        """
        if self._levels:
            self.finish()
        found = TableEncoder(**settings)
        choice = EncoderChoice(
            self.n_rows,
            NUMBER_ENCODERS[found.numbers],
            found.bins if found.numbers == "piecewise_linear" else None,
            found.max_levels,
            found.min_rows,
            found.one_hot_levels,
            found.calendar,
        )
        encoders = [self._column(choice, column, fit_text) for column in self.schema.columns]
        if not any(each.features() for each in encoders):
            raise DataError(
                f"no column varies in the {count_noun(self.n_rows, 'training row')} "
                f"({join_items(self.schema.names, 8)})",
                expected="at least one that does",
                hint="take more rows",
            )
        found.set_encoders(encoders, self.schema)
        by_target = [each.name for each in encoders if isinstance(each, TargetStatisticsEncoder)]
        return CrossFittedEncoder(found, {name: self._fold_means[name] for name in by_target})

    def _column(
        self,
        choice: EncoderChoice,
        column: Column,
        fit_text: Callable[[str, TextColumn], FreeTextEncoder] | None,
    ) -> Any:
        name, cells = column.name, self.sample.columns[column.name]
        statistics = self.table.columns[name]
        if isinstance(cells, TextColumn):
            counts = self.table.levels_of(name)
            if counts is None:  # free text
                assert fit_text is not None
                text = fit_text(name, cells)
                return dataclasses.replace(text, missing=statistics.missing > 0)
            has_many = choice.one_hot_levels is not None
            if has_many and len(counts) > (choice.one_hot_levels or 0):
                return self._by_target[name]
            return choice.category(name, counts, sum(counts.values()), statistics.missing > 0)
        known, w = self._extended(cells, statistics)
        if choice.numbers is NumberEncoder:
            encoder: Any = statistics.encoder(name, self.table.median_of(name))
            is_calendar = column.kind == "date" and choice.calendar
            return CalendarEncoder.fit(encoder, known) if is_calendar else encoder
        return choice.fit(column, known, w, None, (), None)

    def _extended(
        self, cells: NDArray[np.float64], statistics: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """The sample's cells, with the ends of all rows and a missing cell if it lacks them."""
        w = self.sample.weights
        if w is not None:
            cells, w = cells[w > 0], w[w > 0]
        known = cells[~np.isnan(cells)]
        more = []
        if statistics.known:
            low, high = (known.min(), known.max()) if len(known) else (np.inf, -np.inf)
            more += [statistics.minimum] if statistics.minimum < low else []
            more += [statistics.maximum] if statistics.maximum > high else []
        more += [np.nan] if statistics.missing and len(known) == len(cells) else []
        if not more:
            return cells, w
        if w is not None:
            w = np.append(w, np.full(len(more), w.min()))
        return np.append(cells, more), w
