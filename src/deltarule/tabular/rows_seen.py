"""How many rows of a table are among those that a model was made from."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from deltarule.tables import TypedColumns
from deltarule.tables.row_digests import RowDigests

__all__ = ["ROW_DIGESTS", "RowsCount", "RowsSeen", "rows_seen"]

ROW_DIGESTS = "row_digests"
"""The name of the digests in a model's report."""
# Rows that are equal by chance are expected up to so many standard deviations above their mean.
_DEVIATIONS = 3.0
# Scores of rows of which more than this share was in the training table are no scores of new rows.
_MOST_SHARE = 0.01


@dataclasses.dataclass(frozen=True)
class RowsSeen:
    """How many rows of a table also occur in the training table.

    Attributes
    ----------
    found : int
        The rows that are equal to one of the training table: all columns and the target.
    compared : int
        The rows of which this is known.
    beyond_chance : bool
        Whether there are more than rows that repeat each other by chance explain.
    """

    found: int
    compared: int
    beyond_chance: bool

    @property
    def too_many(self) -> bool:
        """Whether there are so many that the scores are not those of new rows: above 1 %."""
        return self.beyond_chance and self.found > _MOST_SHARE * self.compared

    def text(self, n_rows: int) -> str:
        """Return it in words; "" where no more rows are equal than by chance.

        Parameters
        ----------
        n_rows : int
            The rows of the table.

        Examples
        --------
        >>> RowsSeen(794, 800, True).text(800)
        '794 of 800 rows also occur in the training table'
        >>> RowsSeen(1, 20, True).text(800)
        '1 of 20 rows also occurs in the training table (of the other 780 rows it is not known)'
        """
        if not self.beyond_chance:
            return ""
        occur = "occurs" if self.found == 1 else "occur"
        said = f"{self.found:,} of {self.compared:,} rows also {occur} in the training table"
        unknown = n_rows - self.compared
        return said + (f" (of the other {unknown:,} rows it is not known)" if unknown else "")


class RowsCount:
    """Counts the rows of a table, chunk by chunk, that occur in a training table.

    Parameters
    ----------
    report : mapping
        Of the model.
    """

    def __init__(self, report: Mapping[str, Any]) -> None:
        saved = report.get(ROW_DIGESTS)
        self._digests = None if saved is None else RowDigests.from_dict(saved)
        self._found = self._compared = 0

    def add(self, typed: TypedColumns) -> None:
        """Count rows, with their targets."""
        if self._digests is not None:
            found, compared = self._digests.found(typed)
            self._found, self._compared = self._found + found, self._compared + compared

    def result(self) -> RowsSeen | None:
        """Return how many rows occur in the training table; None if it is not known.

        It is not known of models that were saved without digests of their rows, or were trained on
        a table larger than memory.
        """
        if self._digests is None:
            return None
        n, chance = self._compared, self._digests.repeated
        limit = n * chance + _DEVIATIONS * math.sqrt(n * chance * (1 - chance))
        return RowsSeen(self._found, n, self._found > limit)


def rows_seen(report: Mapping[str, Any], typed: TypedColumns) -> RowsSeen | None:
    """Return how many rows occur in the training table of the model with this report.

    None if it is not known, as :meth:`RowsCount.result` says, or the rows have no targets.
    """
    if typed.target is None:
        return None
    count = RowsCount(report)
    count.add(typed)
    return count.result()
