"""Splitting a table's rows into training, validation and test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from deltarule.errors import DataError
from deltarule.tables import Schema, TextColumn, TypedColumns
from deltarule.tables.table import join_items
from deltarule.tabular.settings import TableSettings
from deltarule.training import split_rows

__all__ = [
    "absent_class_notes",
    "check_parts",
    "class_numbers",
    "few_test_rows_notes",
    "fold_rows",
    "row_weights",
    "split_table",
    "table_parts",
    "target_values",
]

# The fewest rows that are split into parts.
_LEAST_ROWS = 10
# With fewer test rows than this a note says that the scores are uncertain.
_FEW_TEST_ROWS = 50
# What follows where a part has no rows of a class.
_ABSENT = {
    "test": ("test", "the scores say nothing about"),
    "valid": ("validation", "the choice of the epoch does not depend on"),
    "train": ("training", "the network cannot predict"),
}
# Keeps the random numbers of the folds apart from others of the same seed.
_FOLDS_KEY = 0xF01D5


def target_values(part: TypedColumns) -> np.ndarray | TextColumn:
    """Return the target values of rows whose schema has a target.

    Examples
    --------
    >>> target_values(TypedColumns({}, np.arange(1), target=np.array([2.0])))
    array([2.])
    """
    assert part.target is not None
    return part.target


def row_weights(part: TypedColumns) -> np.ndarray:
    """Return the weights of rows, shape (N,): 1 for each row of a table without weights.

    Examples
    --------
    >>> row_weights(TypedColumns({}, np.arange(2)))
    array([1., 1.])
    """
    return np.ones(len(part)) if part.weights is None else part.weights


def split_table(
    schema: Schema, typed: TypedColumns, settings: TableSettings
) -> dict[str, TypedColumns]:
    """Split rows into the parts ``"test"``, ``"valid"`` and ``"train"``, in this order.

    Classes keep their proportions. A part with a share of 0 is left out. The parts depend on the
    rows, the settings and their seed alone.

    Examples
    --------
    >>> typed = TypedColumns({}, np.arange(10), target=np.arange(10.0))
    >>> parts = split_table(Schema(()), typed, TableSettings(test=0.2, valid=0.1))
    >>> {name: len(part) for name, part in parts.items()}
    {'test': 2, 'valid': 1, 'train': 7}
    """
    rows_of = table_parts(schema, typed, settings)
    parts = {name: typed.take(rows) for name, rows in rows_of.items()}
    check_parts(schema, parts)
    return parts


def table_parts(
    schema: Schema, typed: TypedColumns, settings: TableSettings
) -> dict[str, np.ndarray]:
    """Return the row numbers of the parts that :func:`split_table` gives.

    Examples
    --------
    >>> typed = TypedColumns({}, np.arange(10), target=np.arange(10.0))
    >>> rows = table_parts(Schema(()), typed, TableSettings(test=0.2, valid=0.0))
    >>> {name: len(each) for name, each in rows.items()}
    {'test': 2, 'train': 8}
    """
    if len(typed) < _LEAST_ROWS:
        raise DataError(
            f"{schema.source or 'the table'} has {len(typed)} rows with a known target; expected "
            f"at least {_LEAST_ROWS} to train on and to hold some out"
        )
    labels = class_numbers(typed)
    rows = np.arange(len(typed))
    parts = {}
    remaining = 1.0
    for name in ("test", "valid"):
        share = getattr(settings, name)
        if share > 0:
            classes = None if labels is None else labels[rows]
            kept, held_out = split_rows(len(rows), share / remaining, settings.seed, classes)
            parts[name], rows = rows[held_out], rows[kept]
            remaining -= share
    parts["train"] = rows
    return parts


def class_numbers(typed: TypedColumns) -> np.ndarray | None:
    """Return a number for the class of each row; None if the target holds numbers."""
    return typed.target.ranks() if isinstance(typed.target, TextColumn) else None


def fold_rows(n_rows: int, folds: int, seed: int, classes: np.ndarray | None) -> list[np.ndarray]:
    """Divide row numbers into folds of equal size, give or take a row, with classes in proportion.

    Examples
    --------
    >>> folds = fold_rows(10, 3, seed=0, classes=None)
    >>> sorted(len(rows) for rows in folds), sorted(np.concatenate(folds).tolist())
    ([3, 3, 4], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_FOLDS_KEY,)))
    order = rng.permutation(n_rows)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    return [np.sort(order[k::folds]) for k in range(folds)]


def check_parts(schema: Schema, parts: dict[str, TypedColumns]) -> None:
    """Refuse training rows of a single class, and a part whose rows all have weight 0."""
    _check_classes(schema, parts["train"])
    for name, part in parts.items():
        if part.weights is not None and not part.weights.sum() > 0:
            raise DataError(
                f"every row of the {name} part has weight 0; "
                "give more rows a weight, or choose other shares or another seed"
            )


def absent_class_notes(classes: Sequence[str], parts: Mapping[str, TypedColumns]) -> list[str]:
    """Return a note for each part that has no rows of some classes.

    Examples
    --------
    >>> text = TextColumn.from_cells
    >>> parts = {"test": TypedColumns({}, np.arange(2), target=text(["a", "b"])),
    ...          "train": TypedColumns({}, np.arange(2), target=text(["b", "c"]))}
    >>> for note in absent_class_notes(["a", "b", "c"], parts):
    ...     print(note)
    no test row is of class 'c', so the scores say nothing about it
    no training row is of class 'a', so the network cannot predict it
    """
    found = []
    for part, (what, so) in _ABSENT.items():
        known = set(target_values(parts[part]).tolist()) if part in parts else set(classes)
        absent = [repr(label) for label in classes if label not in known]
        if absent:
            noun, it = ("class", "it") if len(absent) == 1 else ("the classes", "them")
            shown = join_items(absent, 6)
            found.append(f"no {what} row is of {noun} {shown}, so {so} {it}")
    return found


def few_test_rows_notes(n_test: int) -> list[str]:
    """Return a note where the test rows are so few that scores depend on which they are.

    Examples
    --------
    >>> few_test_rows_notes(50), few_test_rows_notes(49)
    ([], ['only 49 test rows: another seed may give quite other scores'])
    """
    if n_test >= _FEW_TEST_ROWS:
        return []
    return [f"only {n_test} test rows: another seed may give quite other scores"]


def _check_classes(schema: Schema, training: TypedColumns) -> None:
    """Refuse training rows of a single class."""
    if schema.task == "classification":
        classes = set(target_values(training).tolist())
        if len(classes) < 2:
            raise DataError(
                f"all {len(training)} training rows are {next(iter(classes))!r}; expected at least "
                "two classes to learn from; hold out fewer rows, or give more rows of the others"
            )
