"""Inference of a column's kind from its cells: number, date or category."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import Message, Parameter
from deltarule.tables.cells import is_big_integer, is_zero_padded
from deltarule.tables.column_values import (
    NUMERIC_SHARE,
    as_days,
    as_labels,
    as_numbers,
    describe_cells,
    is_missing,
)
from deltarule.tables.date_formats import unread_date_notes
from deltarule.tables.equal_labels import mixes_truth_values
from deltarule.tables.implausible_values import outside_range, plausible_range
from deltarule.tables.missing_notes import token_notes
from deltarule.tables.number_text import PLAIN
from deltarule.tables.table import Table
from deltarule.tables.text_column import TextColumn
from deltarule.tables.unread_numbers import unread_number_notes

__all__ = ["big_integer_notes", "infer_kind"]


def infer_kind(table: Table, name: str) -> tuple[str, list[str]]:
    """The kind of a column, and notes that say why where it may surprise.

    Digits with leading zeros, and integers beyond 2⁵³, are labels: as numbers they would not be
    what is written.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["01234", "99999"])
    >>> kind, notes = infer_kind(Table(("zip",), {"zip": cells}), "zip")
    >>> kind, str(notes[0])
    ('category', "1 cell has leading zeros, so it is a category: row 1 '01234'; if its cells are \
numbers, give kinds={'zip': 'number'}")
    """
    if (known_kind := table.kinds.get(name)) is not None:
        return known_kind, []
    if name in table.date_formats:
        return "date", []
    cells = table.column(name)
    n_known = int((~is_missing(cells)).sum())
    if not isinstance(cells, TextColumn) or n_known == 0:
        return "number", []
    stated = table.number_formats.get(name, PLAIN)
    values, bad = as_numbers(cells, stated)
    n_numbers = n_known - int(bad.sum())
    if n_numbers >= NUMERIC_SHARE * n_known:
        if stated.prefix or stated.suffix:
            return "number", []
        return _number_or_label(table, name, cells, values)
    if mixes_truth_values(as_labels(cells).counts()):
        return "category", []
    if int((~np.isnan(as_days(cells)[0])).sum()) >= NUMERIC_SHARE * n_known:
        return "date", []
    notes = (
        token_notes(cells, name, stated)
        or unread_date_notes(table, name, cells)
        or unread_number_notes(cells, name, stated)
    )
    if not notes and n_numbers >= 0.5 * n_known:
        notes.append(
            f"{100 * n_numbers / n_known:.0f} % of its known cells are numbers; a column needs "
            f"{100 * NUMERIC_SHARE:.0f} % to be read as numbers, so it is a category; others are: "
            f"{describe_cells(table, name, bad)}"
        )
    return "category", notes


def _number_or_label(
    table: Table, name: str, cells: TextColumn, values: NDArray[np.float64]
) -> tuple[str, list[str]]:
    """The kind of a column whose cells are numbers but for some."""
    if mixes_truth_values(as_labels(cells).counts()):
        return "category", []
    override = Message("; if its cells are numbers, give ", Parameter("kinds", {name: "number"}))
    padded = cells.lookup([is_zero_padded(text) for text in cells.texts], False)
    if padded.any():
        count = "1 cell has" if padded.sum() == 1 else f"{int(padded.sum())} cells have"
        shown = describe_cells(table, name, padded)
        # Among measured numbers, "05.1" is a number; among digits, "0511" is none.
        measured = ~np.isnan(values) & ~padded & ~_is_digits(cells)
        if not measured.any() or padded.sum() > (1 - NUMERIC_SHARE) * len(values):
            why = f"{count} leading zeros, so it is a category: {shown}"
            return "category", [Message(why, override)]
        return "number", [f"{count} leading zeros, and is read as a number: {shown}"]
    big = _big_integers(cells)
    if big.any():
        scale = plausible_range(values[~np.isnan(values)])
        if not outside_range(values[big], scale.low, scale.high).all():
            count = "1 cell is an integer" if big.sum() == 1 else f"{big.sum()} cells are integers"
            why = (
                f"{count} beyond 2^53, which floating-point numbers do not hold exactly, so it is "
                f"a category, as identifiers are: {describe_cells(table, name, big)}"
            )
            return "category", [Message(why, override)]
    return "number", []


def _is_digits(cells: TextColumn) -> NDArray[np.bool_]:
    return cells.lookup([text.isdigit() for text in cells.texts], False)


def _big_integers(cells: TextColumn) -> NDArray[np.bool_]:
    return cells.lookup([is_big_integer(text) for text in cells.texts], False)


def big_integer_notes(table: Table, name: str) -> list[str]:
    """A note on integers that are rounded, being read as numbers."""
    cells = table.column(name)
    if not isinstance(cells, TextColumn):
        return []
    big = _big_integers(cells)
    if not big.any():
        return []
    count = "1 integer" if big.sum() == 1 else f"{int(big.sum())} integers"
    shown = describe_cells(table, name, big)
    return [f"{count} beyond 2^53 rounded to 53 bits, as floating-point numbers are: {shown}"]
