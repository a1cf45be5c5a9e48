"""Statistics of a table's columns that merge, and the encoders that follow from them.

Counts are exact. Sums are exact sums of the sums of single chunks, so they do not depend on the
order in which chunks are added or statistics are merged. A median is that of a sample of the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, Message, Parameter
from deltarule.tables.column_encoders import NumberEncoder, weighted_median
from deltarule.tables.encoder_choice import EncoderChoice
from deltarule.tables.schema import Schema, frequent_levels
from deltarule.tables.table import count_noun, join_items
from deltarule.tables.table_encoder import TableEncoder
from deltarule.tables.target_encoder import TargetEncoder
from deltarule.tables.text_column import TextColumn
from deltarule.tables.typed_columns import TypedColumns

__all__ = [
    "ExactSum",
    "LevelStatistics",
    "NumberStatistics",
    "TableStatistics",
    "TextStatistics",
]

# The smallest power of two that float64 has; every number is a multiple of it.
_UNIT = 1074
_MOST_LEVELS = 200_000


class ExactSum:
    """A sum of float64 numbers without rounding, so that their order has no effect.

    Examples
    --------
    >>> total = ExactSum()
    >>> for value in (1e100, 1.0, -1e100):
    ...     total.add(value)
    >>> total.value
    1.0
    """

    def __init__(self) -> None:
        self._units = 0

    def add(self, value: float) -> None:
        """Add a finite number."""
        numerator, denominator = float(value).as_integer_ratio()
        self._units += numerator << (_UNIT - denominator.bit_length() + 1)

    def merge(self, other: ExactSum) -> None:
        """Add another sum."""
        self._units += other._units

    @property
    def value(self) -> float:
        """The float64 number nearest to the sum."""
        return float(Fraction(self._units, 1 << _UNIT))


class NumberStatistics:
    """Counts, range, mean and standard deviation of a column of numbers.

    Parameters
    ----------
    centre, scale : float
        Sums are of (x − centre)/scale: near the median and the deviation, no digits are lost.

    Examples
    --------
    >>> statistics = NumberStatistics(2.0, 1.0)
    >>> statistics.add(np.array([1.0, 2.0, np.nan]), None)
    >>> statistics.add(np.array([3.0, 4.0]), None)
    >>> statistics.mean_and_std(), statistics.missing
    ((2.5, 1.118033988749895), 1)
    """

    def __init__(self, centre: float = 0.0, scale: float = 1.0) -> None:
        self.centre, self.scale = centre, scale
        self.known, self.missing = 0, 0
        self.minimum, self.maximum = np.inf, -np.inf
        self._sums = ExactSum(), ExactSum(), ExactSum()

    def add(self, cells: NDArray[np.float64], weights: NDArray[np.float64] | None) -> None:
        """Add cells, of which NaN is missing, with their weights."""
        known = ~np.isnan(cells)
        if not known.all():
            cells = cells[known]
            weights = None if weights is None else weights[known]
        self.missing += len(known) - len(cells)
        self.known += len(cells)
        if not len(cells):
            return
        self.minimum = min(self.minimum, float(cells.min()))
        self.maximum = max(self.maximum, float(cells.max()))
        z = (cells - self.centre) / self.scale
        w = weights
        sums = (
            (float(len(z)), float(z.sum()), float(z @ z))
            if w is None
            else (float(w.sum()), float(w @ z), float(w @ (z * z)))
        )
        for total, value in zip(self._sums, sums, strict=True):
            total.add(value)

    def merge(self, other: NumberStatistics) -> None:
        """Add the cells of another part of the column."""
        self.known, self.missing = self.known + other.known, self.missing + other.missing
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        for total, value in zip(self._sums, other._sums, strict=True):
            total.merge(value)

    def mean_and_std(self) -> tuple[float, float]:
        """Mean and standard deviation (divisor n) of the known cells; a std of 0 becomes 1."""
        if not self.known or self.minimum == self.maximum:
            return (self.minimum if self.known else 0.0), 1.0
        weight, first, second = (total.value for total in self._sums)
        mean = first / weight
        std = float(np.sqrt(max(second / weight - mean**2, 0.0))) * self.scale
        return self.centre + self.scale * mean, std if std > 0 else 1.0

    def encoder(self, name: str, median: float) -> NumberEncoder:
        """The encoder of the column, with a median that is known otherwise."""
        mean, std = self.mean_and_std()
        varies = bool(self.minimum < self.maximum)
        indicator = bool(self.known and self.missing)
        return NumberEncoder(name, mean, std, median, varies, indicator)


class LevelStatistics:
    """How many rows have each level of a category.

    Examples
    --------
    >>> statistics = LevelStatistics("town")
    >>> statistics.add(TextColumn.from_cells(["Ulm", None, "Bonn", "Ulm"]))
    >>> dict(statistics.counts), statistics.missing
    ({'Ulm': 2, 'Bonn': 1}, 1)
    """

    def __init__(self, name: str) -> None:
        self.name, self.missing = name, 0
        self.counts: Counter[str] = Counter()

    def add(self, cells: TextColumn) -> None:
        """Add cells."""
        self.counts.update(cells.counts())
        self.missing += int(cells.is_missing().sum())
        self._check()

    def merge(self, other: LevelStatistics) -> None:
        """Add the cells of another part of the column."""
        self.counts.update(other.counts)
        self.missing += other.missing
        self._check()

    def _check(self) -> None:
        if len(self.counts) > _MOST_LEVELS:
            raise DataError(
                f"column {self.name!r} has more than {_MOST_LEVELS:,} different texts",
                expected="a category of fewer levels, in a table larger than memory",
                hint=Message(
                    "leave it out with ",
                    Parameter("ignore", self.name),
                    ", or name it an identifier with ",
                    Parameter("ids", self.name),
                ),
            )


class TextStatistics:
    """How many cells of a column of free text are missing; its texts are not counted."""

    def __init__(self) -> None:
        self.missing = 0

    def add(self, cells: TextColumn) -> None:
        """Add cells."""
        self.missing += int(cells.is_missing().sum())

    def merge(self, other: TextStatistics) -> None:
        """Add the cells of another part of the column."""
        self.missing += other.missing


class TableStatistics:
    """The statistics of the training rows of a table, added chunk by chunk.

    Parameters
    ----------
    schema : Schema
    sample : TypedColumns
        Training rows from all over the table; centres, scales and medians are theirs.
    free_text : collection of str
        The columns whose texts are not counted; :meth:`encoder` is not for a table with any.

    Attributes
    ----------
    columns : dict of str to NumberStatistics, LevelStatistics or TextStatistics

    Examples
    --------
    >>> from deltarule.tables.schema import Column
    >>> schema = Schema((Column("x", "number"),))
    >>> rows = TypedColumns({"x": np.array([1.0, 2.0, 3.0, 4.0])}, np.arange(4))
    >>> statistics = TableStatistics(schema, rows)
    >>> statistics.add(rows.take([0, 1]))
    >>> statistics.add(rows.take([2, 3]))
    >>> statistics.encoder().to_dict() == TableEncoder().fit(rows, schema).to_dict()
    True
    """

    def __init__(
        self, schema: Schema, sample: TypedColumns, free_text: Collection[str] = ()
    ) -> None:
        self.schema, self.n_rows, self.total_weight = schema, 0, ExactSum()
        self._medians: dict[str, float] = {}
        self._free_text = free_text
        self.columns: dict[str, Any] = {}
        weights = sample.weights
        for name, cells in sample.columns.items():
            self.columns[name] = self._statistics(name, cells, weights)
        self._target: Any = None
        if schema.task == "regression":
            assert sample.target is not None
            self._target = self._statistics("", sample.target, weights)

    def _statistics(self, name: str, cells: Any, weights: NDArray[np.float64] | None) -> Any:
        if isinstance(cells, TextColumn):
            return TextStatistics() if name in self._free_text else LevelStatistics(name)
        known = ~np.isnan(cells)
        if weights is not None:
            known &= weights > 0
        values = cells[known]
        if not len(values):
            self._medians[name] = 0.0
            return NumberStatistics()
        w = None if weights is None else weights[known]
        self._medians[name] = median = weighted_median(values, w)
        # Halved first, so that the range of numbers near 1e308 is finite.
        scale = float(np.abs(values / 2 - median / 2).mean()) * 2
        return NumberStatistics(median, scale if 0 < scale < np.inf else 1.0)

    def levels_of(self, name: str) -> Mapping[str, int] | None:
        """The number of rows of each level of a category; None if the column is none."""
        statistics = self.columns[name]
        return statistics.counts if isinstance(statistics, LevelStatistics) else None

    def median_of(self, name: str) -> float:
        """The median of the sample's cells of a column of numbers."""
        return self._medians[name]

    def target_scale(self) -> tuple[float, float]:
        """The centre and the scale that sums of the target are taken with; 0 and 1 of classes."""
        return (0.0, 1.0) if self._target is None else (self._target.centre, self._target.scale)

    @property
    def target_range(self) -> tuple[float, float]:
        """The least and the largest target, of numbers."""
        return self._target.minimum, self._target.maximum

    def add(self, rows: TypedColumns) -> None:
        """Add training rows; those of weight 0 are none."""
        if rows.weights is not None and not (rows.weights > 0).all():
            rows = rows.take(rows.weights > 0)
        self.n_rows += len(rows)
        w = rows.weights
        if len(rows):
            self.total_weight.add(float(len(rows) if w is None else w.sum()))
        for name, statistics in self.columns.items():
            _add(statistics, rows.columns[name], w)
        if self._target is not None:
            _add(self._target, rows.target, w)

    def merge(self, other: TableStatistics) -> None:
        """Add the rows of another part of the table, whose sample was the same."""
        self.n_rows += other.n_rows
        self.total_weight.merge(other.total_weight)
        for name, statistics in self.columns.items():
            statistics.merge(other.columns[name])
        if self._target is not None:
            self._target.merge(other._target)

    def encoder(self, min_rows: int | None = None, max_levels: int | None = None) -> TableEncoder:
        """The encoder of the columns, as ``TableEncoder.fit`` gives it for these rows.

        Raises
        ------
        DataError
            If no column varies in the rows.
        """
        choice = EncoderChoice(
            self.n_rows, NumberEncoder, None, max_levels, min_rows, None, calendar=False
        )
        encoders: list[Any] = []
        for name, statistics in self.columns.items():
            if isinstance(statistics, LevelStatistics):
                counts, missing = dict(statistics.counts), statistics.missing
                known = sum(counts.values())
                encoders.append(choice.category(name, counts, known, bool(missing)))
            else:
                encoders.append(statistics.encoder(name, self._medians[name]))
        if not any(encoder.features() for encoder in encoders):
            raise DataError(
                f"no column varies in the {count_noun(self.n_rows, 'training row')} "
                f"({join_items(self.schema.names, 8)})",
                expected="at least one that does",
                hint="take more rows",
            )
        found = TableEncoder(min_rows=min_rows, max_levels=max_levels)
        found.set_encoders(encoders, self.schema)
        return found

    def target(self) -> TargetEncoder:
        """The encoder of the target."""
        encoder = TargetEncoder.from_schema(self.schema)
        if self._target is not None:
            encoder.set_moments(*self._target.mean_and_std())
        return encoder

    def described(self, schema: Schema) -> Schema:
        """The schema with the counts and ranges of these rows in place of those of a sample."""
        columns = tuple(
            replace(column, **_facts(self.columns[column.name])) for column in schema.columns
        )
        return replace(schema, columns=columns)


def _add(statistics: Any, cells: Any, weights: NDArray[np.float64] | None) -> None:
    if isinstance(statistics, LevelStatistics | TextStatistics):
        statistics.add(cells)
    else:
        statistics.add(cells, weights)


def _facts(statistics: Any) -> Mapping[str, Any]:
    if isinstance(statistics, TextStatistics):
        return {"missing": statistics.missing}
    if isinstance(statistics, LevelStatistics):
        return {
            "missing": statistics.missing,
            "distinct": len(statistics.counts),
            "levels": frequent_levels(statistics.counts),
        }
    known = statistics.known > 0
    return {
        "missing": statistics.missing,
        "minimum": statistics.minimum if known else None,
        "maximum": statistics.maximum if known else None,
    }
