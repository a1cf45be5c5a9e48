"""A sample of the rows of a table that does not depend on how the table is divided.

Each row has a hash of its number. The sample has the k rows of the smallest hashes, so samples of
parts of a table merge to that of the whole, in any order; a table of at most k rows is its own
sample. A part of the rows, such as those held out, is chosen by another hash in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.tables.column_values import as_labels, is_missing
from deltarule.tables.concatenation import concatenate_tables
from deltarule.tables.table import Table
from deltarule.tables.text_column import TextColumn

__all__ = ["RowSample", "parts_of_rows", "quantile_error", "row_hashes"]

# Of a target with more labels than this, no row is kept for each of them.
_MOST_LABELS = 1000
_PART, _SAMPLE = 0x7A27, 0x5A3B1E


def row_hashes(numbers: ArrayLike, seed: int) -> NDArray[np.uint64]:
    """A hash of 64 bits for each row number, by two rounds of SplitMix64.

    Examples
    --------
    >>> row_hashes([0, 1], seed=0)
    array([12035550249420947055,  6791897765849424158], dtype=uint64)
    """
    with np.errstate(over="ignore"):
        x = np.asarray(numbers, dtype=np.uint64)
        for salt in (seed & 0xFFFFFFFF, seed >> 32):
            x = x + np.uint64(0x9E3779B97F4A7C15) * np.uint64(salt + 1)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
    return x


def parts_of_rows(
    numbers: ArrayLike, seed: int, shares: Sequence[tuple[str, float]]
) -> NDArray[np.int64]:
    """The part that each row belongs to, as an index into ``shares``; the last part has the rest.

    It depends on the row's number and the seed alone.

    Examples
    --------
    >>> parts_of_rows(np.arange(8), 0, [("test", 0.25), ("valid", 0.25), ("train", 0.5)])
    array([0, 2, 1, 2, 0, 2, 2, 2])
    """
    unit = row_hashes(numbers, seed ^ _PART) / 2.0**64
    ends = np.cumsum([share for _, share in shares])[:-1]
    return np.searchsorted(ends, unit, side="right")


def quantile_error(n: int, confidence: float = 0.99) -> float:
    """ε, such that a quantile of a sample of n rows is one within ±ε of that of all rows.

    By the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart, for all quantiles at once with
    this confidence: 2 exp(−2 n ε²) = 1 − confidence.

    Examples
    --------
    >>> round(quantile_error(100_000), 4)
    0.0051
    """
    return math.sqrt(math.log(2 / (1 - confidence)) / (2 * n))


class RowSample:
    """The k rows of a table with the smallest hashes, and one row of each label of a column.

    Parameters
    ----------
    most : int
        k.
    labels : str, optional
        The column; if it has more than a thousand labels, no rows are kept for them.

    Attributes
    ----------
    n_rows : int
        The number of rows that were added.

    Examples
    --------
    >>> table = Table(("x",), {"x": np.arange(100.0)})
    >>> whole, first, second = RowSample(3), RowSample(3), RowSample(3)
    >>> whole.add(table, np.arange(100))
    >>> first.add(table.take(slice(0, 40)), np.arange(40))
    >>> second.add(table.take(slice(40, 100)), np.arange(40, 100))
    >>> second.merge(first)
    >>> second.table()[1].tolist() == whole.table()[1].tolist(), second.n_rows
    (True, 100)
    """

    def __init__(self, most: int, labels: str | None = None) -> None:
        self.most, self.n_rows = most, 0
        self._tables: list[Table] = []
        self._numbers: list[NDArray[np.int64]] = []
        self._hashes: list[NDArray[np.uint64]] = []
        self._limit = np.uint64(2**64 - 1)
        self._column = labels
        # For each label its first row, as the row's number and a table of it.
        self._labels: dict[str, tuple[int, Table]] | None = None if labels is None else {}

    def add(self, table: Table, numbers: NDArray[np.int64]) -> None:
        """Add rows with their numbers in the whole table."""
        self.n_rows += len(table)
        hashes = row_hashes(numbers, _SAMPLE)
        chosen = np.flatnonzero(hashes <= self._limit)
        if len(chosen):
            self._keep(table.take(chosen), numbers[chosen], hashes[chosen])
        if self._labels is not None:
            self._add_labels(table, numbers)

    def _keep(self, table: Table, numbers: NDArray[np.int64], hashes: NDArray[np.uint64]) -> None:
        self._tables.append(_compact(table))
        self._numbers.append(numbers)
        self._hashes.append(hashes)
        if sum(map(len, self._numbers)) > 2 * self.most:
            self._shrink()

    def _shrink(self) -> None:
        """Keep the rows of the k smallest hashes, in the order of their numbers."""
        if not self._tables:
            return
        tables = self._tables
        table = tables[0] if len(tables) == 1 else _concatenated(tables)
        numbers, hashes = np.concatenate(self._numbers), np.concatenate(self._hashes)
        if len(numbers) > self.most:
            kept = np.argpartition(hashes, self.most - 1)[: self.most]
            self._limit = hashes[kept].max()
        else:
            kept = np.arange(len(numbers))
        kept = kept[np.argsort(numbers[kept])]
        self._tables = [_compact(table.take(kept))]
        self._numbers, self._hashes = [numbers[kept]], [hashes[kept]]

    def _add_labels(self, table: Table, numbers: NDArray[np.int64]) -> None:
        assert self._labels is not None
        assert self._column is not None
        cells = table.column(self._column)
        if not isinstance(cells, TextColumn) and len(np.unique(cells)) > _MOST_LABELS:
            self._labels = None
            return
        labels = as_labels(cells, table.kinds.get(self._column))
        codes, first = np.unique(labels.codes, return_index=True)
        for code, row in zip(codes.tolist(), first.tolist(), strict=True):
            if code < 0:
                continue
            text, number = labels.texts[code], int(numbers[row])
            known = self._labels.get(text)
            if known is None or number < known[0]:
                self._labels[text] = number, _compact(table.take([row]))
        if len(self._labels) > _MOST_LABELS:
            self._labels = None

    def merge(self, other: RowSample) -> None:
        """Add the rows of another sample, of other rows of the same table."""
        self.n_rows += other.n_rows
        for table, numbers, hashes in zip(
            other._tables, other._numbers, other._hashes, strict=True
        ):
            self._keep(table, numbers, hashes)
        if self._labels is None or other._labels is None:
            self._labels = None
            return
        for text, (number, row) in other._labels.items():
            known = self._labels.get(text)
            if known is None or number < known[0]:
                self._labels[text] = number, row

    def table(self) -> tuple[Table, NDArray[np.int64], NDArray[np.bool_]]:
        """The rows in the order of their numbers; the numbers; and which are of the k smallest.

        The others are the first rows of labels that none of those have.
        """
        self._shrink()
        table, numbers = self._tables[0], self._numbers[0]
        sampled = np.ones(len(numbers), dtype=np.bool_)
        if self._labels:
            assert self._column is not None
            cells = table.column(self._column)
            labels = as_labels(cells, table.kinds.get(self._column))
            seen = labels.counts()
            more = [each for text, each in self._labels.items() if text not in seen]
            # One row may be the first of one label only, since it has one.
            if more:
                table = _concatenated([table, *(row for _, row in more)])
                numbers = np.concatenate([numbers, [number for number, _ in more]])
                sampled = np.concatenate([sampled, np.zeros(len(more), dtype=np.bool_)])
                order = np.argsort(numbers)
                table, numbers, sampled = table.take(order), numbers[order], sampled[order]
        return table, numbers, sampled


def _concatenated(tables: Sequence[Table]) -> Table:
    first = tables[0]
    kinds: dict[str, str] = {}
    for each in tables:
        kinds |= each.kinds
    same = [each if each.kinds == kinds else _with_kinds(each, kinds) for each in tables]
    return _named(concatenate_tables(list(same), first.source), first)


def _with_kinds(table: Table, kinds: Any) -> Table:
    """The table with what other parts of its source say of columns that are missing in it."""
    missing = {
        name: kind
        for name, kind in kinds.items()
        if name in table and is_missing(table.column(name)).all()
    }
    return replace(table, kinds={**table.kinds, **missing})


def _named(table: Table, first: Table) -> Table:
    """A table of several parts of one source, under the name of the source."""
    return replace(
        table, source=first.source, files=(), file_of=None, line_word="row", line_words=(),
        number_formats=first.number_formats, date_formats=first.date_formats,
    )  # fmt: skip


def _compact(table: Table) -> Table:
    """The table with those texts only that occur in it."""
    columns = {
        name: TextColumn.concatenate([_used(cells)]) if isinstance(cells, TextColumn) else cells
        for name, cells in table.columns.items()
    }
    return replace(table, columns=columns)


def _used(cells: TextColumn) -> TextColumn:
    used, codes = np.unique(np.maximum(cells.codes, -1), return_inverse=True)
    kept = used[used >= 0]
    texts = [cells.texts[code] for code in kept.tolist()]
    shift = int((used < 0).any())
    # Cells that were written as a missing token keep it.
    found = np.where(cells.codes < 0, cells.codes, codes - shift)
    return TextColumn(found, texts, cells.na_texts)
