"""Inference of a table's schema; nothing is inferred anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, InputError, Message, Parameter
from deltarule.tables.cells import missing_tokens, parse_number
from deltarule.tables.column_kinds import big_integer_notes, infer_kind
from deltarule.tables.column_notes import identifier_notes, text_identifier_notes
from deltarule.tables.column_values import (
    NUMERIC_SHARE,
    as_labels,
    describe_cells,
    is_missing,
    of_another_kind,
    read_cells,
)
from deltarule.tables.date_formats import stated_date_formats, with_date_formats
from deltarule.tables.equal_labels import merged_labels
from deltarule.tables.implausible_values import (
    far_notes,
    outside_range,
    plausible_range,
    range_notes,
    target_range_note,
    targets_outside_range,
    weight_notes,
)
from deltarule.tables.index_columns import index_reason
from deltarule.tables.missing_cells import apply_missing_tokens
from deltarule.tables.missing_notes import kept_note, unread_advice
from deltarule.tables.number_formats import stated_formats, with_number_formats
from deltarule.tables.number_text import PLAIN, NumberFormat
from deltarule.tables.schema import Column, Schema, frequent_levels
from deltarule.tables.schema_arguments import by_column, check_columns, check_table, column_names
from deltarule.tables.sentinel_values import sentinel_notes
from deltarule.tables.table import Table, all_rows_text, join_items
from deltarule.tables.target_notes import with_leak_notes
from deltarule.tables.task_choice import TASKS, choose_task
from deltarule.tables.text_column import TextColumn

__all__ = ["infer_schema", "read_weights"]


def infer_schema(
    table: Table,
    target: str | None = None,
    *,
    task: str = "auto",
    ignore: Iterable[str] = (),
    weights: str | None = None,
    kinds: Mapping[str, str] | None = None,
    na: str | Iterable[str] | Mapping[str, str | Iterable[str]] = (),
    decimal: str | Mapping[str, str] | None = None,
    thousands: str | Mapping[str, str] | None = None,
    date_format: str | Mapping[str, str] | None = None,
    ids: str | Iterable[str] = (),
    keep_na: str | Iterable[str] = (),
) -> Schema:
    """Infer the kind of each column of a table, the target and the task.

    A column is a **number** if at least 95 % of its known cells are (the rest become
    missing, and a note says on which lines), otherwise a **date** if at least 95 % are
    dates in an unambiguous order or format, otherwise a **category**. A few numbers out of all
    proportion to the others (``1e300`` among ages) count as missing, with a note. Columns that say
    nothing are left out with a note: those that are missing throughout, or hold one value in every
    row.

    Parameters
    ----------
    table : Table
        From :func:`read_table` or :func:`table_from_frame`.
    target : str, optional
        The column to predict. Rows without it, or with a number out of all proportion, are left
        out, and counted in a note.
    task : {"auto", "classification", "regression"}
        ``"auto"``: text is classification; numbers are classification if there are
        exactly two different ones, and regression if there are more. So grades from 3
        to 9 are regression unless ``task="classification"`` is asked for.
        :attr:`Schema.task_reason` says which rule held.
    ignore : iterable of str
        Columns to leave out.
    weights : str, optional
        A column of row weights: finite numbers, none negative, not all zero.
    kinds : mapping of str to str, optional
        ``"number"``, ``"date"`` or ``"category"`` for columns that would be inferred
        otherwise, such as a postal code.
    na : str, iterable of str, or mapping
        More texts that mean *missing*, beside those the table was read with; a mapping
        gives them by column: ``na={"insulin": ["0"]}``.
    decimal, thousands : str or mapping of str to str, optional
        The decimal mark of numbers in text, and the mark between groups of digits (``""`` for
        none), of all columns or by column: ``decimal={"price": ","}``. Marks that are not stated
        are inferred where they are unambiguous, and a note says so; a constant unit is left off.
    date_format : str or mapping of str to str, optional
        How dates are written, as for :meth:`datetime.datetime.strptime`, of the columns that have
        such dates, or by column: ``date_format={"start": "%d/%m/%Y"}``. It is inferred where a
        cell shows the order of day and month, and a note says so.
    ids : str or iterable of str
        Columns of identifiers, which are no inputs; ``deltarule predict`` writes them beside the
        predictions.
    keep_na : str or iterable of str, optional
        Columns in which ``NA``, ``null`` and the other texts that the table was read with as
        *missing* are values; only the empty cell and what ``na`` gives by column is missing there.

    Returns
    -------
    Schema

    Raises
    ------
    InputError
        If a setting is unknown or contradicts another.
    DataError
        If a column is unknown or unusable, with the line where there is one.

    Examples
    --------
    >>> table = Table(("size", "town", "price"), {
    ...     "size": np.array(["70", "90", None, "55"], dtype=object),
    ...     "town": np.array(["Bonn", "Ulm", "Ulm", "Bonn"], dtype=object),
    ...     "price": np.array([210.0, 330.5, 199.0, np.nan])})
    >>> schema = infer_schema(table, "price")
    >>> schema.task_reason
    "regression: the target 'price' holds 3 different numbers, more than two"
    >>> [(column.name, column.kind, column.missing) for column in schema.columns]
    [('size', 'number', 1), ('town', 'category', 0)]
    >>> schema.notes
    ("1 row is left out because the target 'price' is missing: row 4",)
    """
    check_table(table)
    if not isinstance(task, str) or task not in TASKS:
        raise InputError(parameter="task", given=task, expected=f"one of {', '.join(TASKS)}")
    ignored, kept = column_names("ignore", ignore), column_names("keep_na", keep_na)
    by_name = {} if not isinstance(na, Mapping) else dict(na)
    kinds = by_column("kinds", kinds)
    ids = tuple(dict.fromkeys(column_names("ids", ids)))
    check_columns(table, target, ignored, weights, kinds, by_name, kept, ids)
    table = table.without(ids)
    extra = () if isinstance(na, Mapping) else missing_tokens(na)
    tokens = missing_tokens((*table.na, *extra))
    column_tokens = {name: missing_tokens(each)[1:] for name, each in by_name.items()}
    notes = list(table.notes)
    stated = stated_formats(table, decimal, thousands)
    table = replace(table, number_formats=stated)
    numeric = None
    if any(
        parse_number(token) is not None for token in (*tokens, *sum(column_tokens.values(), ()))
    ):
        numeric = {name for name in table.names if _is_numeric(table, name, kinds.get(name))}
    clean = apply_missing_tokens(table, table.names, tokens, column_tokens, numeric or (), kept)
    whole = clean
    dates = stated_date_formats(clean, date_format, kinds)
    kinds |= dict.fromkeys(date_format if isinstance(date_format, Mapping) else (), "date")
    clean, format_notes = with_number_formats(clean, stated, kinds)
    labels = target if task == "classification" else None
    others = {name for name in (*ignored, weights, labels) if name is not None}
    clean, date_notes = with_date_formats(clean, dates, kinds, others)
    format_notes |= date_notes
    target_column: Column | None = None
    chosen: str | None = None
    reason, other, classes = "", "", tuple[str, ...]()
    if target is not None:
        known = ~is_missing(clean.column(target))
        if not known.any():
            raise DataError(
                f"{table.source}: the target {target!r} is missing in {all_rows_text(len(table))}; "
                "expected values to learn from; choose another target"
            )
        hidden = kept_note(clean.column(target), target)
        if not known.all():
            notes.append(_missing_target_note(clean, target, ~known))
            clean = clean.take(known)
        try:
            choice = choose_task(clean, target, task, kinds.get(target))
        except DataError as error:
            raise error if not hidden else DataError(Message(error.message, "; ", hidden)) from None
        if hidden and not all(parse_number(label) is not None for label in choice.classes):
            notes[-1] = Message(notes[-1], "; ", hidden)
        chosen, reason, classes = choice.task, choice.reason, choice.classes
        other = choice.other_task
        kind = "category" if classes else choice.kind
        target_column, far = _describe_column(clean, target, kind, column_tokens.get(target, ()))
        gone = targets_outside_range(clean, target_column)
        if gone.any():
            notes.append(target_range_note(clean, target_column, gone))
            clean = clean.take(~gone)
        missing = target_column.missing - int(gone.sum())
        read = () if classes else format_notes.get(target, ())
        target_column = replace(
            target_column,
            missing=missing,
            notes=(*read, *choice.notes, *far),
            keep_na=target in kept,
        )
    elif task != "auto":
        raise InputError(
            Message(Parameter("task", task), " was given without a target"),
            parameter="task",
            given=task,
            hint="give the target's name too",
        )
    if weights is not None:
        notes += (Message(f"weights {weights!r}: ", each) for each in format_notes.get(weights, ()))
        notes += weight_notes(clean, weights, read_weights(clean, weights))
    columns: list[Column] = []
    dropped: list[tuple[str, str]] = []
    for name in clean.names:
        if name in ignored or name in (target, weights):
            continue
        column, _ = _describe_column(clean, name, kinds.get(name), column_tokens.get(name, ()))
        if column.kind != "category":
            column = replace(column, notes=(*format_notes.get(name, ()), *column.notes))
        elif column.kind == "category" and (hidden := kept_note(clean.column(name), name)):
            column = replace(column, notes=(*column.notes, hidden))
        column = replace(column, keep_na=name in kept)
        if column.missing == len(clean):
            dropped.append((name, f"missing in every row{_among_rows(whole, clean, name)}"))
        elif column.distinct == 1 and column.missing == 0:
            among = _among_rows(whole, clean, name)
            dropped.append((name, f"the same value in every row{among}: {column.span()}"))
        elif name not in kinds and (why := index_reason(clean, column)):
            dropped.append((name, why))
        else:
            columns.append(column)
    if not columns:
        left = (
            join_items(f"{name} ({reason})" for name, reason in dropped) or "none beside the target"
        )
        raise DataError(
            f"{table.source}: no column is left to predict from; columns: {left}; "
            "expected at least one column that varies"
        )
    noted = tuple(columns)
    if target_column is not None:
        noted = with_leak_notes(clean, columns, target_column, is_class=bool(classes))
    return Schema(
        columns=noted,
        target=target_column,
        task=chosen,
        task_reason=reason,
        other_task=other,
        classes=classes,
        weights=weights,
        ignored=ignored,
        dropped=tuple(dropped),
        na=tokens,
        n_rows=len(clean),
        notes=tuple(notes),
        source=table.source,
        ids=ids,
        weights_format=None if weights is None else _own_format(clean, weights),
    )


def _among_rows(whole: Table, kept: Table, name: str) -> str:
    """Which rows a constant column is constant in: "" if in those without a target too."""
    if len(whole) == len(kept):
        return ""
    labels = as_labels(whole.column(name), whole.kinds.get(name))
    n_values = len(labels.counts()) + bool(labels.is_missing().any())
    return "" if n_values == 1 else " with a usable target"


def _own_format(table: Table, name: str) -> NumberFormat | None:
    """How a column's numbers are written, if not in the plain way."""
    found = table.number_formats.get(name, PLAIN)
    return None if found == PLAIN else found


def _is_numeric(table: Table, name: str, kind: str | None) -> bool:
    """Whether a column of text is read as numbers."""
    cells = table.column(name)
    if kind is not None or not isinstance(cells, TextColumn):
        return kind == "number"
    n_known = int((~cells.is_missing()).sum())
    return n_known > 0 and infer_kind(table, name)[0] == "number"


def _missing_target_note(table: Table, target: str, gone: NDArray[np.bool_]) -> str:
    rows = np.flatnonzero(gone)
    places = join_items((table.where(int(row)) for row in rows), 3)
    count = "1 row is" if len(rows) == 1 else f"{len(rows)} rows are"
    return f"{count} left out because the target {target!r} is missing: {places}"


def _describe_column(
    table: Table, name: str, kind: str | None, column_tokens: tuple[str, ...]
) -> tuple[Column, list[str]]:
    """A column, and those of its notes that say which kept cells are far from all others."""
    cells = table.column(name)
    n_known = int((~is_missing(cells)).sum())
    notes: list[str] = []
    asked = kind is not None
    if kind is None:
        kind, notes = infer_kind(table, name)
    if kind == "category":
        labels, merged = merged_labels(table, name)
        counts = labels.counts()
        # Texts that would be numbers, or dates, are no identifiers; digits may be.
        if not notes or all(map(str.isdigit, counts)):
            notes += text_identifier_notes(name, counts)
        notes += merged
        column = Column(
            name,
            kind,
            missing=len(cells) - n_known,
            distinct=len(counts),
            levels=frequent_levels(counts),
            na=column_tokens,
            notes=tuple(notes),
        )
        return column, []
    values, bad = read_cells(table, name, kind)
    if bad.any():
        what = "a finite number" if kind == "number" else "a date"
        if kind == "date" and name in table.date_formats:
            what += f" as {table.date_formats[name]}"
        if asked and bad.sum() > (1 - NUMERIC_SHARE) * n_known:
            raise DataError(
                f"{table.source}: column {name!r} was said to be a {kind}, but {int(bad.sum())} of "
                f"{n_known} cells are not {what}: {describe_cells(table, name, bad)}; expected at "
                "most 5 % of such cells; correct them, or leave the kind to be inferred"
            )
        advice = ""
        if isinstance(cells, TextColumn):
            advice = unread_advice(name, cells[bad], table.number_formats.get(name, PLAIN))
        notes.append(
            Message(
                f"{_count_cells(int(bad.sum()))} not {what} and counted as missing: "
                f"{describe_cells(table, name, bad)}",
                advice,
            )
        )
    ordered = np.sort(values)
    ordered = ordered[: np.searchsorted(ordered, np.nan)]  # those that are missing come last
    scale = plausible_range(ordered)
    gone = outside_range(values, scale.low, scale.high)
    notes += range_notes(table, name, values, scale)
    far = far_notes(table, name, values, scale)
    if gone.any():
        ordered = ordered[~outside_range(ordered, scale.low, scale.high)]
        values = np.where(gone, np.nan, values)
    far += sentinel_notes(name, cells, values, kind, ordered)
    notes += far
    distinct = ordered[np.append(True, ordered[1:] > ordered[:-1])[: len(ordered)]]
    if kind == "number":
        notes += big_integer_notes(table, name)
        notes += identifier_notes(name, len(cells), ordered, distinct)
    column = Column(
        name,
        kind,
        missing=len(cells) - len(ordered),
        distinct=len(distinct),
        minimum=float(distinct[0]) if len(distinct) else None,
        maximum=float(distinct[-1]) if len(distinct) else None,
        na=column_tokens,
        notes=tuple(notes),
        low=scale.low,
        high=scale.high,
        mixed=bool(bad.any() and (bad & of_another_kind(table, name, kind)).any()),
        number_format=_own_format(table, name) if kind == "number" else None,
        date_format=table.date_formats.get(name) if kind == "date" else None,
    )
    return column, far


def _count_cells(count: int) -> str:
    return "1 cell is" if count == 1 else f"{count} cells are"


def read_weights(table: Table, name: str) -> NDArray[np.float64]:
    """The row weights of a table.

    Raises
    ------
    DataError
        If a weight is missing, no finite number, or negative, with the line; or all are zero.

    Examples
    --------
    >>> read_weights(Table(("w",), {"w": np.array(["1", "0.5"], dtype=object)}), "w")
    array([1. , 0.5])
    """
    values, bad = read_cells(table, name, "number")
    wrong = bad | np.isnan(values) | (values < 0)
    if wrong.any():
        raise DataError(
            f"{table.source}: {_count_cells(int(wrong.sum()))} unusable as weights in column "
            f"{name!r}: "
            f"{describe_cells(table, name, wrong)}; expected finite numbers, none negative or "
            "missing; "
            "correct them (0 leaves a row out)"
        )
    if not values.any():
        raise DataError(
            f"{table.source}: all weights in column {name!r} are zero; expected at least one "
            "above zero"
        )
    return values
