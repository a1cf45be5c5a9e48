"""Application of a stored schema to a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.errors import DataError, InputError
from deltarule.tables.cells import parse_number
from deltarule.tables.column_values import (
    as_labels,
    describe_cells,
    is_missing,
    of_another_kind,
    read_cells,
)
from deltarule.tables.equal_labels import TRUTH_DIGITS, accept_truth_values
from deltarule.tables.implausible_values import (
    outside_range,
    target_range_note,
    targets_outside_range,
)
from deltarule.tables.missing_cells import apply_missing_tokens
from deltarule.tables.notes import Note
from deltarule.tables.row_indices import row_indices
from deltarule.tables.schema import Column, Schema
from deltarule.tables.schema_arguments import check_table
from deltarule.tables.table import (
    Cells,
    Table,
    all_rows_text,
    close_match,
    join_items,
    text_or_numbers,
    with_notes,
)
from deltarule.tables.text_column import TextColumn

__all__ = ["TypedColumns", "apply_schema", "numeric_columns"]


@dataclass(frozen=True, eq=False)
class TypedColumns:
    """Columns converted to the kinds of a schema, ready to be encoded.

    Parameters
    ----------
    columns : mapping of str to ndarray of float64, or TextColumn
        The schema's columns: numbers and dates float64 with NaN where missing, categories a
        TextColumn. An array of objects that are str or None becomes a TextColumn.
    rows : ndarray of int64
        Which row of the table each row is: rows without a target are left out
        where the target is needed.
    target : ndarray of float64, TextColumn of class labels, or None
        One per row, none missing; None if not needed.
    weights : ndarray of float64 or None
        Row weights, if the schema has them and they are needed.
    notes : tuple of str
        What a reader should know.

    Examples
    --------
    >>> typed = TypedColumns({"x": np.array([1.0, 2.0, 3.0])}, rows=np.arange(3))
    >>> typed.take([2, 0]).columns["x"]
    array([3., 1.])
    >>> len(typed)
    3
    """

    columns: Mapping[str, Cells]
    rows: NDArray[np.int64]
    target: Cells | None = None
    weights: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        columns = {name: text_or_numbers(cells) for name, cells in self.columns.items()}
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "target", text_or_numbers(self.target))

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: ArrayLike | slice) -> TypedColumns:
        """These rows: indices, a mask of booleans, or a slice.

        Raises
        ------
        InputError
            If a row is out of range.
        """
        index = row_indices(rows, len(self))
        return replace(
            self,
            columns={name: column[index] for name, column in self.columns.items()},
            rows=self.rows[index],
            target=None if self.target is None else self.target[index],
            weights=None if self.weights is None else self.weights[index],
        )


def apply_schema(
    schema: Schema,
    table: Table,
    *,
    need_target: bool = True,
    need_weights: bool | None = None,
) -> TypedColumns:
    """Convert a table's columns to the kinds of a schema; nothing is inferred.

    What is done with a cell depends on the cell and the schema alone. One that cannot be read as
    the schema says becomes missing, with a note that gives its line; so does a number out of the
    scale of the training table's. One that holds a value of another kind or notation (a date
    among numbers, a number among dates, ``1,5``) is an error, unless training had such cells.
    Levels of a category that the schema has not seen are no error here; the encoder
    treats them. Columns the schema does not know are left out with a note.

    Parameters
    ----------
    schema : Schema
        From :func:`infer_schema`, or stored.
    table : Table
        The training table, or any later one.
    need_target : bool
        Whether to read the target; rows without it are then left out. False for
        predictions: a target column is not looked at.
    need_weights : bool, optional
        Whether to read the weights; as ``need_target`` unless given.

    Returns
    -------
    TypedColumns

    Raises
    ------
    InputError
        If the target is needed and the schema has none.
    DataError
        If columns are missing (all are named, with similar names that are there), a cell holds
        a value of another kind than its column, a class is unknown, a target is no number,
        or a weight cannot be used; with the lines.

    Examples
    --------
    >>> from deltarule.tables.schema_inference import infer_schema
    >>> train = Table(("size", "price"), {"size": np.array([70.0, 90.0, 55.0]),
    ...                                   "price": np.array([210.0, 330.5, 199.0])})
    >>> schema = infer_schema(train, "price")
    >>> new = Table(("Size",), {"Size": TextColumn.from_cells(["60"])}, source="new.csv")
    >>> apply_schema(schema, new, need_target=False)
    Traceback (most recent call last):
    deltarule.errors.DataError: new.csv lacks 1 of the columns the model needs: 'size' \
(is it 'Size'?); expected the columns it was made from; it has: Size; rename a column that has \
another name there
    """
    check_table(table)
    if not isinstance(schema, Schema):
        raise InputError(
            f"schema is of type {type(schema).__name__}",
            parameter="schema",
            expected="a Schema, as infer_schema gives",
        )
    if need_target and schema.target is None:
        raise InputError(
            "the target is needed, but the schema was inferred without one; "
            "infer it with a target, or give need_target=False"
        )
    need_weights = need_target if need_weights is None else need_weights
    wanted = list(schema.names)
    if need_target and schema.target is not None:
        wanted.append(schema.target.name)
    if need_weights and schema.weights is not None:
        wanted.append(schema.weights)
    notes = list(table.notes)
    table = _with_absent_columns(schema, table, notes)
    _check_present(schema, table, wanted)
    _note_unknown_columns(schema, table, notes)
    column_tokens = {
        column.name: column.na
        for column in (*schema.columns, *_target_columns(schema))
        if column.na
    }
    table = replace(table, number_formats=schema.number_formats, date_formats=schema.date_formats)
    kept = [each.name for each in (*schema.columns, *_target_columns(schema)) if each.keep_na]
    clean = apply_missing_tokens(
        table, wanted, schema.na, column_tokens, numeric_columns(schema), kept
    )
    rows = np.arange(len(table))
    target: Cells | None = None
    if need_target and schema.target is not None:
        name = schema.target.name
        rows = np.flatnonzero(~is_missing(clean.column(name)))
        if len(rows) == 0:
            raise DataError(
                f"{table.source}: the target {name!r} is missing in {all_rows_text(len(table))}; "
                "expected known values; leave the target out where only predictions are wanted"
            )
        if gone := len(table) - len(rows):
            said = f"rows left out because the target {name!r} is missing: {gone}"
            notes.append(Note(("target missing", name), said))
            clean = clean.take(rows)
        far = targets_outside_range(clean, schema.target)
        if far.all():
            raise DataError(
                f"{table.source}: the target {name!r} is out of scale in "
                f"{all_rows_text(len(clean))}: "
                f"{describe_cells(clean, name, far)}; expected numbers as in the training table"
            )
        if far.any():
            notes.append(target_range_note(clean, schema.target, far))
            rows, clean = rows[~far], clean.take(~far)
        target = _typed_target(schema, schema.target, clean)
    weights = None
    if need_weights and schema.weights:
        from deltarule.tables.schema_inference import read_weights

        weights = read_weights(clean, schema.weights)
    columns = {column.name: _typed_column(column, clean, notes) for column in schema.columns}
    return TypedColumns(columns, rows, target, weights, tuple(notes))


def _target_columns(schema: Schema) -> tuple[Column, ...]:
    return () if schema.target is None else (schema.target,)


def numeric_columns(schema: Schema) -> set[str]:
    """The columns whose cells are numbers, a target of two numbers as classes included."""
    columns = (*schema.columns, *_target_columns(schema))
    found = {column.name for column in columns if column.kind == "number"}
    numbers = [parse_number(label) for label in schema.classes]
    if schema.target is not None and numbers and None not in numbers:
        found.add(schema.target.name)
    return found


def _with_absent_columns(schema: Schema, table: Table, notes: list[str]) -> Table:
    """A sparse table with the columns that no row names, missing in every row.

    At least one column of the schema must be there; target and weights are not added.
    """
    absent = [name for name in schema.names if name not in table]
    if not table.is_sparse or not absent or len(absent) == len(schema.names):
        return table
    said = f"columns that no row names count as missing: {join_items(absent)}"
    notes.append(Note(("absent columns",), said))
    return table.with_missing(absent)


def _check_present(schema: Schema, table: Table, wanted: list[str]) -> None:
    absent = [name for name in wanted if name not in table]
    if not absent:
        return
    for name in absent:
        if name in table.unreadable:
            raise table.unreadable[name]
    # A column that the model knows under its name, such as the target, is no other column.
    known = {*wanted, *(column.name for column in _target_columns(schema))}
    spare = [name for name in table.names if name not in known]
    shown, found_any = [], False
    for name in absent[:20]:
        what = ""
        if schema.target is not None and name == schema.target.name:
            what = " (the target)"
        elif name == schema.weights:
            what = " (the weights)"
        match = _renamed(name, spare)
        found_any |= match is not None
        shown.append(f"{name!r}{what}" + (f" (is it {match!r}?)" if match else ""))
    more = f" and {len(absent) - 20} more" if len(absent) > 20 else ""
    raise DataError(
        f"{table.source} lacks {len(absent)} of the columns the model needs: "
        f"{', '.join(shown)}{more}",
        expected="the columns it was made from",
        hint=with_notes(
            f"it has: {join_items(table.names)}"
            + ("; rename a column that has another name there" if found_any else ""),
            table.notes,
        ),
    )


def _renamed(name: str, spare: list[str]) -> str | None:
    """The column that may be the one of a name: spelled nearly so, or with the name as a word.

    Examples
    --------
    >>> _renamed("age", ["Age_years", "town"]), _renamed("age", ["wages"])
    ('Age_years', None)
    """
    words = set(re.findall(r"[^\W_]+", name.lower()))
    longer = [
        each for each in spare if words and words <= set(re.findall(r"[^\W_]+", each.lower()))
    ]
    same = [each for each in spare if each.lower() == name.lower()]
    if same or len(longer) == 1:
        return (same or longer)[0]
    match = close_match(name, spare)
    # Of short names, one with a letter more is another word, as wage is of age.
    near = match is not None and (len(name) > 4 or abs(len(match) - len(name)) == 0)
    return match if near else None


def _note_unknown_columns(schema: Schema, table: Table, notes: list[str]) -> None:
    known = {*schema.names, *schema.ignored, *schema.ids, *(name for name, _ in schema.dropped)}
    known |= {column.name for column in _target_columns(schema)} | {schema.weights or ""}
    extra = [name for name in (*table.names, *table.unreadable) if name not in known]
    if extra:
        said = f"columns that the model does not know are left out: {join_items(extra)}"
        notes.append(Note(("unknown columns",), said))


def _typed_column(column: Column, table: Table, notes: list[str]) -> Cells:
    cells = table.column(column.name)
    if column.kind == "category":
        levels = [level for level, _ in column.levels] if column.distinct <= 2 else []
        return accept_truth_values(as_labels(cells, table.kinds.get(column.name)), levels)
    table = _with_truth_as_digits(column, table)
    values, bad = read_cells(table, column.name, column.kind)
    far = outside_range(values, column.low, column.high)
    if far.any():
        counts = "1 cell counts" if far.sum() == 1 else f"{far.sum()} cells count"
        said = f"column {column.name!r}: {counts} as missing, being out of scale: "
        said += describe_cells(table, column.name, far)
        notes.append(Note(("out of scale", column.name), said))
        values = np.where(far, np.nan, values)
    if not bad.any():
        return values
    what = "finite number" if column.kind == "number" else "date"
    other = bad & of_another_kind(table, column.name, column.kind)
    if other.any() and not column.mixed:
        count = "1 cell that is" if other.sum() == 1 else f"{other.sum()} cells that are"
        raise DataError(
            f"{table.source}: column {column.name!r} is of kind {column.kind} in the model, and "
            f"has {count} of another kind or notation: "
            f"{describe_cells(table, column.name, other)}",
            expected=f"{what}s{_written(column)}, as in the training table",
            hint="correct them, or leave them empty to count as missing",
        )
    n_bad, n_known = int(bad.sum()), int((bad | ~np.isnan(values)).sum())
    counts = "1 cell counts" if n_bad == 1 else f"{n_bad} cells count"
    if n_bad == n_known > 1:
        counts = f"all {n_bad} known cells count"
    said = f"column {column.name!r}: {counts} as missing, being no {what}{_written(column)}: "
    notes.append(Note(("unread", column.name), said + describe_cells(table, column.name, bad)))
    return values


def _written(column: Column) -> str:
    """How a column's numbers or dates are written, if not in the plain way, after a blank."""
    if column.date_format is not None:
        return f" as {column.date_format}"
    described = "" if column.number_format is None else column.number_format.describe()
    return f" {described}" if described else ""


def _with_truth_as_digits(column: Column, table: Table) -> Table:
    """The table with ``true`` as 1 and ``false`` as 0 in a column of numbers 0 and 1."""
    cells = table.column(column.name)
    is_flag = column.kind == "number" and {column.minimum, column.maximum} <= {0.0, 1.0}
    if not is_flag or column.distinct > 2 or not isinstance(cells, TextColumn):
        return table
    read = cells.map_texts(lambda text: TRUTH_DIGITS.get(text.lower(), text))
    return replace(table, columns={**table.columns, column.name: read})


def _typed_target(schema: Schema, column: Column, table: Table) -> Cells:
    cells = table.column(column.name)
    if schema.task == "classification":
        labels = accept_truth_values(as_labels(cells, table.kinds.get(column.name)), schema.classes)
        where = ~labels.lookup([text in set(schema.classes) for text in labels.texts], True)
        if where.any():
            raise DataError(
                f"{table.source}: the target {column.name!r} holds labels that are no class: "
                f"{describe_cells(table, column.name, where)}; expected one of "
                f"{join_items(map(repr, schema.classes))}; correct them, or leave them empty to "
                "leave "
                "the rows out"
            )
        return labels
    values, bad = read_cells(table, column.name, column.kind)
    if bad.any():
        what = "date" if column.kind == "date" else "finite number"
        raise DataError(
            f"{table.source}: the target {column.name!r} has cells that are no "
            f"{what}{_written(column)}: {describe_cells(table, column.name, bad)}; correct them, "
            "or leave them empty to leave the rows out"
        )
    return values
