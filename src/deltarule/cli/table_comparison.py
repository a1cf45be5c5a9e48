"""How the table that a model is scored on differs from the table of its training."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from deltarule.errors import printable
from deltarule.tables import TypedColumns
from deltarule.tables.cells_checksum import cells_checksum
from deltarule.tables.row_digests import RowDigests
from deltarule.tabular import TableModel
from deltarule.tabular.rows_seen import ROW_DIGESTS
from deltarule.training.inspection import training_table, training_table_text

__all__ = ["TableComparison", "compare_tables"]

_MOST_SHOWN = 50


@dataclasses.dataclass(frozen=True)
class TableComparison:
    """A table beside the table of a training.

    Attributes
    ----------
    table, training : dict
        ``source``, ``rows`` and ``sha256``, the checksum of the cells as the model reads them, or
        None. ``training`` is one of the tables of the training, the first unless another is equal.
    order : bool or None
        Whether the rows are in the order of the training's; None unless they are the same rows.
    other_rows : int or None
        The rows of this table that are not in the training's; None if it is not known.
    row_numbers : tuple of int
        Their numbers, from 1.
    unknown_rows : int
        The rows of which it is not known, since the model has no digests of so many rows.
    missing_rows : int or None
        The distinct rows of the training that are not in this table; None if it is not known.
    repeated : bool
        Whether the rows are in another order and some are equal: the model's digests tell which
        rows there are and how many are equal to others, and not how often each is there.
    """

    table: dict[str, Any]
    training: dict[str, Any]
    order: bool | None
    other_rows: int | None
    row_numbers: tuple[int, ...] = ()
    unknown_rows: int = 0
    missing_rows: int | None = None
    repeated: bool = False
    contradiction: bool = False

    def lines(self) -> list[str]:
        """Return it in words."""
        said = [f"This table: {training_table_text(self.table)}."]
        training = f"Training:   {training_table_text(self.training)}"
        return [*said, f"{training}{self._difference()}."]

    def _difference(self) -> str:
        if self.contradiction:
            return (
                "; the model's files contradict each other: their digests of rows are of this "
                "table, in this order, and the checksum that they name is of another, so a file "
                "was edited since the training"
            )
        if self.order is not None:
            where = ", in the same order" if self.order else " in another order"
            repeats = " (how often each of the equal ones is there is not known)"
            same = f"; the same rows{where}{repeats if self.repeated else ''}"
            if self.order and printable(self.table["source"]) != self.training["source"]:
                same += (
                    "; a model's fingerprint covers the name of its table, too, which is another"
                )
            return same
        if self.other_rows is None:
            return ""
        known = self.table["rows"] - self.unknown_rows
        found = []
        if self.other_rows == known > 0:
            found.append("none of these rows is in it")
        elif self.other_rows:
            shown = self.row_numbers[:_MOST_SHOWN]
            more = len(self.row_numbers) - len(shown)
            numbers = ", ".join(map(str, shown))
            numbers += f" and {more:,} more, all in the output of --json" if more else ""
            be, rows = ("is", "row") if self.other_rows == 1 else ("are", "rows")
            found.append(f"{self.other_rows:,} of {known:,} rows {be} not in it ({rows} {numbers})")
        else:
            found.append("all of these rows are in it")
        if self.unknown_rows:
            found.append(f"of {self.unknown_rows:,} rows it is not known")
        if self.missing_rows and self.other_rows < known:
            found.append(f"{self.missing_rows:,} of the distinct rows of the training are not here")
        if self.other_rows and self.other_rows < known:
            found.append("which of their cells differ is not known, as the model holds no cells")
        return "; " + "; ".join(found)


def compare_tables(model: TableModel, typed: TypedColumns, source: str) -> TableComparison:
    """Return how a table, with its targets, differs from that of the model's training.

    Parameters
    ----------
    model : TableModel
    typed : TypedColumns
    source : str
        The table's name.
    """
    checksum, report = cells_checksum(typed), model.report
    first = training_table(dataclasses.asdict(model.schema), report)
    tables = [{name: first[name] for name in ("source", "rows", "sha256")}, *first["further"]]
    table = {"source": source, "rows": len(typed), "sha256": checksum}
    for each in tables:
        if each["sha256"] == checksum:
            return TableComparison(table, each, order=True, other_rows=0, missing_rows=0)
    saved = report.get(ROW_DIGESTS)
    digests = None if saved is None else RowDigests.from_dict(saved)
    if digests is None:
        return TableComparison(table, tables[0], order=None, other_rows=None)
    if digests.key == checksum:  # what they were made with is the checksum of their table
        return TableComparison(table, tables[0], order=None, other_rows=None, contradiction=True)
    known, there = digests.each(typed)
    other = np.flatnonzero(known & ~there)
    missing = digests.missing(typed)
    alike = len(typed) == tables[0]["rows"] and not len(other) and missing == 0
    share = RowDigests.of(typed, digests.key).repeated
    same = len(tables) == 1 and alike and share == digests.repeated
    return TableComparison(
        table,
        tables[0],
        order=False if same else None,
        other_rows=len(other),
        row_numbers=tuple(int(row) + 1 for row in typed.rows[other]),
        unknown_rows=int((~known).sum()),
        missing_rows=missing,
        repeated=same and share > 0,
    )
