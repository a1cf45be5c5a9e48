"""Choice of the task, classification or regression, from a target column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from deltarule.errors import DataError, InputError, Message, Parameter
from deltarule.tables.cells import number_label, parse_number
from deltarule.tables.column_kinds import big_integer_notes, infer_kind
from deltarule.tables.column_notes import few_rows_notes
from deltarule.tables.column_values import describe_cells, read_cells
from deltarule.tables.equal_labels import merged_labels, rewritten_notes
from deltarule.tables.missing_notes import unread_advice
from deltarule.tables.number_formats import with_number_formats
from deltarule.tables.number_text import PLAIN
from deltarule.tables.schema_arguments import check_table
from deltarule.tables.table import (
    Table,
    all_rows_text,
    count_noun,
    join_items,
    unknown_column_error,
)
from deltarule.tables.text_column import TextColumn

__all__ = ["MAX_CLASSES", "TASKS", "TaskChoice", "choose_task", "sorted_classes"]

TASKS: tuple[str, ...] = ("auto", "classification", "regression")
"""What ``task`` may be."""

MAX_CLASSES = 100
"""With more classes than this, classification must be asked for."""


@dataclass(frozen=True)
class TaskChoice:
    """The task of a target, with its classes.

    Parameters
    ----------
    task : {"classification", "regression"}
        The task.
    reason : str
        Why, in a sentence.
    classes : tuple of str
        The class labels, empty for regression.
    kind : str
        ``"number"``, ``"date"`` or ``"category"``.
    notes : tuple of str
        What a reader should know.
    other_task : str
        The task that the values would allow as well, if it was not asked for; else "".
    """

    task: str
    reason: str
    classes: tuple[str, ...] = ()
    kind: str = "number"
    notes: tuple[str, ...] = ()
    other_task: str = ""


def sorted_classes(labels: set[str]) -> tuple[str, ...]:
    """Class labels in the order of their numbers if all are numbers, else of their text.

    Examples
    --------
    >>> sorted_classes({"10", "9", "-1"}), sorted_classes({"10", "9", "low"})
    (('-1', '9', '10'), ('10', '9', 'low'))
    """
    numbers = {label: parse_number(label) for label in labels}
    if all(number is not None for number in numbers.values()):
        return tuple(sorted(labels, key=lambda label: (numbers[label], label)))
    return tuple(sorted(labels))


def choose_task(
    table: Table, target: str, task: str = "auto", kind: str | None = None
) -> TaskChoice:
    """Choose the task of a target column.

    Text is classification. Numbers are classification if exactly two different ones
    occur, and regression if there are more. A date is regression, in days.

    Parameters
    ----------
    table : Table
        With a known target in every row.
    target : str
        The column.
    task : {"auto", "classification", "regression"}
        ``"auto"``, or what the user wants.
    kind : str, optional
        What the user says the column is.

    Returns
    -------
    TaskChoice

    Raises
    ------
    InputError
        If the task is unknown.
    DataError
        If the target holds one value only; numbers are wanted and some cell is none;
        or it is text of so many values that it is no set of classes.

    Examples
    --------
    >>> table = Table(("y",), {"y": np.array(["no", "yes", "no", "yes"], dtype=object)})
    >>> choose_task(table, "y").reason
    "classification: the target 'y' is text, with 2 classes"
    >>> stars = Table(("y",), {"y": np.array([1.0, 5.0, 3.0, 4.0])})
    >>> choose_task(stars, "y").task, choose_task(stars, "y").other_task
    ('regression', 'classification')
    """
    check_table(table)
    if target not in table:
        place = (table.names, "target", table.source)
        raise unknown_column_error(target, *place, parameter="target")
    if not isinstance(task, str) or task not in TASKS:
        raise InputError(parameter="task", given=task, expected=f"one of {', '.join(TASKS)}")
    if target not in table.number_formats:
        alone, _ = with_number_formats(table.select([target]), {}, {target: kind} if kind else {})
        table = replace(table, number_formats=alone.number_formats)
    notes: list[str] = []
    inferred = kind is None
    if kind is None:
        # Asked to be regression, a target of long integers is a number, with a note.
        kind, notes = infer_kind(table, target)
        if kind == "category" and task == "regression":
            kind = "number"
    values, bad = read_cells(table, target, "date" if kind == "date" else "number")
    distinct = np.unique(values[~np.isnan(values)])
    written = table.number_formats.get(target, PLAIN)
    unit = written.prefix or written.suffix
    labelled = False
    if inferred and kind == "number" and task == "auto" and unit and _are_few_integers(distinct):
        labelled = True
        # "4 stars" is a label as much as a number.
        kind = "category"
        words = f"its labels are numbers with {unit!r}: if they are quantities, give "
        notes = [Message(words, Parameter("task", "regression"))]
    # Two numbers are two classes; beyond that, numbers are quantities.
    two = kind == "number" and len(distinct) == 2 and not bad.any()
    numbers = two or labelled
    if task == "classification" or (task == "auto" and (kind == "category" or two)):
        found = _classification(table, target, task, kind, notes)
        return replace(found, other_task="regression" if task == "auto" and numbers else "")
    return _regression(table, target, task, kind, values, bad)


def _classification(
    table: Table, target: str, task: str, kind: str, kind_notes: list[str]
) -> TaskChoice:
    labels, merged = merged_labels(table, target)
    notes = [*kind_notes, *merged, *rewritten_notes(table, target, labels)]
    counts = labels.counts()
    classes = sorted_classes(set(counts))
    n = len(classes)
    if n == 1:
        raise DataError(
            f"{table.source}: the target {target!r} is {classes[0]!r} in "
            f"{all_rows_text(len(table))}; "
            "expected at least two classes; choose another target, or more rows"
        )
    too_many = n > MAX_CLASSES or (n > 2 and n > len(table) / 2)
    if task == "auto" and too_many:
        limit = f"at most {MAX_CLASSES}"
        if n <= MAX_CLASSES:
            limit = "at most half as many as rows"
        raise DataError(
            f"{table.source}: the target {target!r} is text with {n} different values in "
            f"{len(table)} rows ({join_items(classes, 3)})",
            expected=f"{limit} for classes",
            hint=Message(
                *_with_semicolons(
                    kind_notes or ["if it should hold numbers, correct those that are none"]
                ),
                "if these are classes indeed, give ",
                Parameter("task", "classification"),
            ),
        )
    if task == "classification":
        reason = f"classification, as asked: the target {target!r} has {count_noun(n, 'class')}"
    elif kind == "number":
        reason = (
            f"classification: the target {target!r} holds exactly two numbers, "
            f"{classes[0]} and {classes[-1]}"
        )
    else:
        reason = f"classification: the target {target!r} is text, with {n} classes"
    notes += few_rows_notes(counts, classes)
    return TaskChoice("classification", reason, classes, "category", tuple(notes))


def _are_few_integers(distinct: np.ndarray) -> bool:
    return len(distinct) <= 20 and bool(np.all(distinct == np.round(distinct)))


def _with_semicolons(notes: list[str]) -> Iterator[str]:
    for note in notes:
        yield note
        yield "; "


def _regression(
    table: Table,
    target: str,
    task: str,
    kind: str,
    values: np.ndarray,
    bad: np.ndarray,
) -> TaskChoice:
    if bad.any():
        many = "1 cell is" if bad.sum() == 1 else f"{int(bad.sum())} of {len(bad)} cells are"
        raise DataError(
            f"{table.source}: the target {target!r} is to be {_kind_noun(kind)}, but {many} not: "
            f"{describe_cells(table, target, bad)}",
            expected=f"finite {_kind_noun(kind)}",
            hint=Message(
                "correct them, or leave them empty to leave the rows out, or give ",
                Parameter("task", "classification"),
                _advice(table, target, bad) if kind == "number" else "",
            ),
        )
    distinct = np.unique(values)
    if len(distinct) == 1:
        raise DataError(
            f"{table.source}: the target {target!r} is {number_label(distinct[0])} in "
            f"{all_rows_text(len(values))}; expected at least two different values; choose another "
            "target, or more rows"
        )
    if task == "regression":
        reason = f"regression, as asked: the target {target!r} holds {_kind_noun(kind)}"
    elif kind == "date":
        reason = (
            f"regression: the target {target!r} holds dates, predicted in days since 1970-01-01"
        )
    else:
        reason = (
            f"regression: the target {target!r} holds {len(distinct)} different numbers, "
            "more than two"
        )
    notes = big_integer_notes(table, target) if kind == "number" else []
    other = ""
    if task == "auto" and kind == "number" and _are_few_integers(distinct):
        other = "classification"
        found = f"{len(distinct)} different integers: if they are classes, give "
        notes.append(Message(found, Parameter("task", "classification")))
    return TaskChoice("regression", reason, (), kind, tuple(notes), other)


def _advice(table: Table, target: str, bad: np.ndarray) -> str:
    cells = table.column(target)
    if not isinstance(cells, TextColumn):
        return ""
    return unread_advice(target, cells[bad], table.number_formats.get(target, PLAIN))


def _kind_noun(kind: str) -> str:
    return "dates" if kind == "date" else "numbers"
