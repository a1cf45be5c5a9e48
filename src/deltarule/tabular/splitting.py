"""Splitting a table's rows into training, validation and test rows."""

from __future__ import annotations

import numpy as np

from deltarule.errors import DataError
from deltarule.tables import Schema, TextColumn, TypedColumns
from deltarule.tabular.settings import TableSettings
from deltarule.training import split_rows

__all__ = ["row_weights", "split_table", "target_values"]

_LEAST_ROWS = 10


def target_values(part: TypedColumns) -> np.ndarray | TextColumn:
    """The target values of rows whose schema has a target.

    Examples
    --------
    >>> target_values(TypedColumns({}, np.arange(1), target=np.array([2.0])))
    array([2.])
    """
    assert part.target is not None
    return part.target


def row_weights(part: TypedColumns) -> np.ndarray:
    """The weights of rows, shape (N,): 1 for each row of a table without weights.

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

    Raises
    ------
    DataError
        If there are too few rows, a single class to train on, or a part without weight.

    Examples
    --------
    >>> typed = TypedColumns({}, np.arange(10), target=np.arange(10.0))
    >>> parts = split_table(Schema(()), typed, TableSettings(test=0.2, valid=0.1))
    >>> {name: len(part) for name, part in parts.items()}
    {'test': 2, 'valid': 1, 'train': 7}
    """
    if len(typed) < _LEAST_ROWS:
        raise DataError(
            f"{schema.source or 'the table'} has {len(typed)} rows with a known target; expected "
            f"at least {_LEAST_ROWS} to train on and to hold some out"
        )
    labels = typed.target.ranks() if isinstance(typed.target, TextColumn) else None
    rows = np.arange(len(typed))
    parts = {}
    left = 1.0
    for name in ("test", "valid"):
        share = getattr(settings, name)
        if share > 0:
            classes = None if labels is None else labels[rows]
            kept, held = split_rows(len(rows), share / left, settings.seed, classes)
            parts[name], rows = typed.take(rows[held]), rows[kept]
            left -= share
    parts["train"] = typed.take(rows)
    _check_classes(schema, parts["train"])
    for name, part in parts.items():
        if part.weights is not None and not part.weights.sum() > 0:
            raise DataError(
                f"every row of the {name} part has weight 0; "
                "give more rows a weight, or choose other shares or another seed"
            )
    return parts


def _check_classes(schema: Schema, training: TypedColumns) -> None:
    if schema.task == "classification":
        found = set(target_values(training).tolist())
        if len(found) < 2:
            raise DataError(
                f"all {len(training)} training rows are {next(iter(found))!r}; expected at least "
                "two classes to learn from; hold out fewer rows, or give more rows of the others"
            )
