"""Which encoder each column of a table gets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError, short_repr
from deltarule.tables.calendar_encoder import CalendarEncoder
from deltarule.tables.column_encoders import CategoryEncoder
from deltarule.tables.schema import Column
from deltarule.tables.target_statistics import TargetStatisticsEncoder
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_encoder import FreeTextEncoder

__all__ = ["EncoderChoice", "column_encoder_of"]

# The largest number of cells of the features of one category beyond its 200 most frequent levels.
_MOST_CELLS = 20_000_000
_NAMES_SHARE = 0.9


@dataclasses.dataclass(frozen=True)
class EncoderChoice:
    """The settings by which a column of training rows gets its encoder.

    Parameters
    ----------
    n_rows : int
        The number of training rows.
    numbers : type
        The class of encoders of numbers.
    bins : int, optional
        What it is fitted with, if it has bins.
    max_levels, min_rows, one_hot_levels, calendar
        As :class:`~deltarule.tables.TableEncoder` has them.
    """

    n_rows: int
    numbers: Any
    bins: int | None
    max_levels: int | None
    min_rows: int | None
    one_hot_levels: int | None
    calendar: bool

    def fit(
        self,
        column: Column,
        cells: Any,
        w: NDArray[np.float64] | None,
        targets: NDArray[np.float64] | None,
        target_labels: Sequence[str],
        fit_text: Callable[[str, TextColumn], FreeTextEncoder] | None,
    ) -> Any:
        """Return the fitted encoder of a column; what is given is what ``TableEncoder.fit`` is."""
        if not isinstance(cells, TextColumn):
            bins = {} if self.bins is None else {"bins": self.bins}
            encoder = self.numbers.fit(column.name, cells, w, **bins)
            is_calendar = column.kind == "date" and self.calendar
            return CalendarEncoder.fit(encoder, cells) if is_calendar else encoder
        if fit_text and FreeTextEncoder.suits(cells):
            return fit_text(column.name, cells)
        n_levels = len(cells.counts())
        has_many = self.one_hot_levels is not None and n_levels > self.one_hot_levels
        if targets is not None and has_many:
            return TargetStatisticsEncoder.fit(column.name, cells, targets, w, target_labels)
        n_known = int(np.count_nonzero(~cells.is_missing()))
        return self.category(column.name, cells.counts(), n_known, n_known < len(cells))

    def category(
        self, name: str, counts: Mapping[str, int], n_known: int, missing: bool
    ) -> CategoryEncoder:
        """Return the one-hot encoder of a category with so many rows of each level.

        ``n_known`` is the number of rows that are not missing; ``missing``, whether others are.
        """
        # Of names, which nearly every row has another of, single ones say nothing.
        named = len(counts) > _NAMES_SHARE * n_known
        least = self.min_rows or max(-(-self.n_rows // 10_000), 2 if named else 1)
        most = self.max_levels or min(max(_MOST_CELLS // self.n_rows, 200), 2000)
        return CategoryEncoder.from_counts(name, counts, missing, least, most)


def column_encoder_of(record: Mapping[str, Any], numbers: Any) -> Any:
    """Return the encoder of a column that its ``to_dict`` wrote down; numbers is that of numbers.

    Raises
    ------
    InputError
        If its values are none that training gives.
    """
    if not isinstance(record, Mapping):
        raise InputError(f"the encoder of a column is {short_repr(record)}")
    if "elapsed" in record:
        return CalendarEncoder.from_dict(record, numbers)
    kinds = {
        "levels": CategoryEncoder,
        "target_levels": TargetStatisticsEncoder,
        "ngrams": FreeTextEncoder,
    }
    found: Any = next((kinds[key] for key in kinds if key in record), numbers)
    return found.from_dict(record)
