"""The rows on which an exported graph is compared with its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.export.unseen_text import unseen_text
from deltarule.maths.subsample import evenly_spaced
from deltarule.tables import Column, Schema, Table, TextColumn, TypedColumns

__all__ = ["MADE", "given_rows", "matrix_rows", "rows_for_outputs", "table_rows"]

# The most given rows that are compared, and how many rows are made.
_MOST_GIVEN, MADE = 400, 100


def given_rows(n_rows: int) -> np.ndarray:
    """Return the numbers of the given rows that are compared, of so many.

    Examples
    --------
    >>> given_rows(3), len(given_rows(1000))
    (array([0, 1, 2]), 400)
    """
    return evenly_spaced(n_rows, _MOST_GIVEN)


def rows_for_outputs(n_rows: int, n_outputs: int) -> np.ndarray:
    """Return the numbers of the rows that are compared; fewer if there are hundreds of outputs.

    The time for the bounds of a row grows with the square of the number of outputs.

    Examples
    --------
    >>> len(rows_for_outputs(500, 10)), len(rows_for_outputs(500, 1000))
    (500, 40)
    """
    return evenly_spaced(n_rows, max(40_000 // n_outputs, 20))


def matrix_rows(given: np.ndarray | None, n_inputs: int, dtype: Any) -> np.ndarray:
    """Return rows for a network: some of those given, or random ones of three sizes."""
    if given is not None and len(given):
        return np.asarray(given[given_rows(len(given))])
    rng = np.random.default_rng(0)
    sizes = np.repeat([0.3, 1.0, 3.0], MADE)[:, None]
    rows: np.ndarray = (sizes * rng.standard_normal((3 * MADE, n_inputs))).astype(dtype)
    return rows


def table_rows(
    schema: Schema, levels: Mapping[str, Sequence[str]], given: TypedColumns | None
) -> Table:
    """Return rows for a model of a table: some of those given, and others that are made.

    Those that are made are like the given ones, or drawn from the ranges and levels of the schema;
    but some of their cells are missing, by NaN, by the empty text or by a missing token, and some
    are what training did not have: other levels, infinite numbers, numbers far beyond its own.

    Parameters
    ----------
    schema : Schema
    levels : mapping of str to sequence of str
        The levels of categories that training saw.
    given : TypedColumns, optional
        Rows as the schema says.
    """
    rng = np.random.default_rng(0)
    if given is not None and not len(given):
        given = None
    chosen = np.zeros(0, np.int64) if given is None else given_rows(len(given))
    # Without given rows, two thirds of those that are made are like those of training.
    n_made = MADE if given is not None else 3 * MADE
    again = rng.integers(0, 1 if given is None else len(given), n_made)
    odd = np.where(np.arange(n_made) < MADE, 0.4, 0.0)
    odd[:2] = 1.0
    columns: dict[str, Any] = {}
    for column in schema.columns:
        draws = rng.random(n_made)
        strange, missing = draws < odd / 2, (draws >= odd / 2) & (draws < odd)
        # Of the first row that is made all cells are missing, of the second all are strange.
        strange[:2], missing[:2] = (False, True), (True, False)
        cells: Any = None if given is None else given.columns[column.name]
        if column.kind == "category":
            known = list(levels.get(column.name, ()))
            made = _drawn_texts(known, rng, n_made) if cells is None else cells[again].tolist()
            tokens = ["", *filter(None, (*schema.na, *column.na))]
            new = unseen_text(known, tokens)
            for row in range(n_made):
                if strange[row]:
                    made[row] = new
                elif missing[row]:
                    made[row] = tokens[row % len(tokens)]
            texts = [*(() if cells is None else cells[chosen].tolist()), *made]
            columns[column.name] = TextColumn.from_cells([text or "" for text in texts])
        else:
            numbers = _drawn_numbers(column, rng, n_made) if cells is None else cells[again]
            beyond = _strange_numbers(column)
            numbers = np.where(strange, beyond[rng.integers(0, len(beyond), n_made)], numbers)
            numbers = np.where(missing, np.nan, numbers)
            first = np.zeros(0) if cells is None else cells[chosen]
            columns[column.name] = np.concatenate([first, numbers])
    kinds = {column.name: "date" for column in schema.columns if column.kind == "date"}
    return Table(tuple(columns), columns, source="the rows of the test", kinds=kinds)


def _drawn_texts(known: Sequence[str], rng: np.random.Generator, n_rows: int) -> list[str]:
    """Return levels at random."""
    return [known[k] for k in rng.integers(0, len(known), n_rows)] if known else [""] * n_rows


def _range(column: Column) -> tuple[float, float]:
    """Return the least and the largest number of a column in training."""
    return column.minimum or 0.0, column.maximum or 0.0


def _drawn_numbers(column: Column, rng: np.random.Generator, n_rows: int) -> np.ndarray:
    """Return numbers in the range of training at random, whole ones in half of the rows."""
    low, high = _range(column)
    share = rng.random(n_rows)
    numbers = low * (1 - share) + high * share
    return np.where(np.arange(n_rows) % 2, np.clip(np.round(numbers), low, high), numbers)


def _strange_numbers(column: Column) -> np.ndarray:
    """Return the ends of a column's range, and numbers beyond it."""
    low, high = _range(column)
    width = high / 2 - low / 2
    far = [low - width, high + width] if width < 1e300 else []
    return np.array([low, high, 0.0, np.inf, -np.inf, *far])
