"""Rows that an exported program is tested with, what the model predicts for them, and tolerances.

Beside rows as they are there are some with missing cells, with levels that training did not see,
and with numbers out of their column's scale.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import InputError
from deltarule.export.bounds import network_bounds, through
from deltarule.export.c_encoders import MISSING, OTHER, ColumnCode
from deltarule.export.subject import ExportedNetwork
from deltarule.export.unseen_text import unseen_text
from deltarule.maths import forward
from deltarule.maths.subsample import evenly_spaced
from deltarule.tables import TextColumn, TypedColumns

__all__ = ["EqualityRows", "encoded_rows", "rows_of_schema", "table_rows", "tolerances"]

_LARGEST = float(np.finfo(np.float32).max)
_LEAST = float(np.finfo(np.float32).tiny)
_EPS = float(np.finfo(np.float32).eps)


@dataclasses.dataclass(frozen=True)
class EqualityRows:
    """Rows as the program takes them, with the model's predictions.

    Attributes
    ----------
    cells : list of arrays
        For each column of the struct of a row its numbers or codes; or one array of inputs.
    expected, tolerance : arrays of shape (N, M)
    classes : array of shape (N,) or None
        The number of the predicted class.
    sure : array of shape (N,) or None
        Whether no other class may be the more probable by rounding.
    left_out : int
        How many rows are left out, since numbers in the forward pass are beyond float32.
    given : array of int
        Which rows of those given, from 0, are among the N as they are; in the others cells were
        changed.
    """

    cells: list[np.ndarray]
    expected: np.ndarray
    tolerance: np.ndarray
    classes: np.ndarray | None
    sure: np.ndarray | None
    left_out: int = 0
    given: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    def __len__(self) -> int:
        return len(self.expected)


def tolerances(subject: ExportedNetwork, X: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return how far predictions in float32 may be from those expected, shape (N, M).

    What :func:`~deltarule.export.bounds.network_bounds` allows for the outputs in float32,
    passed on to the predictions, and 4 eps of these for the operations after it, and the least
    normal number, since processors may take smaller ones for 0; infinite where a number of the
    forward pass is beyond float32.

    Examples
    --------
    >>> from deltarule import Model, Network
    >>> from deltarule.export.subject import exported_network
    >>> net = Network([1, 1], dtype=np.float32)
    >>> model = Model(net, net.pack(W=[[[3.0]]], b=[[1.0]]))
    >>> X = np.array([[1.0]])
    >>> found = tolerances(exported_network(model), X, model.predict(X))
    >>> bool(64 * 4 < found[0, 0] / np.finfo(np.float32).eps < 80 * 4)
    True
    """
    net = subject.net.with_changes(dtype=np.float64)
    theta = np.asarray(subject.theta, dtype=np.float32).astype(np.float64)
    with np.errstate(all="ignore"):
        numbers = forward(net, theta, X).A
        beyond = np.max([np.abs(each).max(axis=1) for each in numbers], axis=0) > _LARGEST
        bounds = network_bounds(net.with_changes(dtype=np.float32), theta, X)
        low, high = through(subject.decode, bounds)
        found = np.maximum(np.abs(high - expected), np.abs(expected - low))
        found += 4 * _EPS * np.abs(expected) + _LEAST
        return np.where(beyond[:, None] | ~np.isfinite(found), np.inf, found)


def _tested(
    subject: ExportedNetwork,
    cells: list[np.ndarray],
    X: np.ndarray,
    expected: np.ndarray,
    given: np.ndarray,
) -> EqualityRows:
    expected = np.asarray(expected, dtype=np.float64).reshape(len(X), -1)
    tolerance = tolerances(subject, X, expected)
    fits = (np.isfinite(tolerance) & (np.abs(expected) <= _LARGEST)).all(axis=1)
    if not fits.any():
        raise InputError(
            "in all rows of the test numbers in the network are beyond float32, as C has it",
            parameter="data",
            expected="rows like those of training",
        )
    cells, expected, tolerance = [each[fits] for each in cells], expected[fits], tolerance[fits]
    classes = sure = None
    if subject.one_class:
        order = np.sort(expected, axis=1)
        sure = order[:, -1] - order[:, -2] > 2 * tolerance.max(axis=1)
        classes = expected.argmax(axis=1)
    left_out = int((~fits).sum())
    given = given[fits[: len(given)]]
    return EqualityRows(cells, expected, tolerance, classes, sure, left_out, given)


def encoded_rows(subject: ExportedNetwork, X: Any, n_rows: int) -> EqualityRows:
    """Return rows of inputs, each a number of float32; random ones if X is None.

    Raises
    ------
    InputError
        If X does not fit the network.
    """
    if X is None:
        X = np.random.default_rng(0).normal(size=(n_rows, subject.net.n_inputs))
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] != subject.net.n_inputs or not len(X):
        raise InputError(
            f"data has shape {X.shape}",
            parameter="data",
            expected=f"(N, {subject.net.n_inputs}), rows of inputs of the network, at least one",
        )
    with np.errstate(over="ignore"):
        index = evenly_spaced(len(X), n_rows)
        X = X[index].astype(np.float32)
    if not np.isfinite(X).all():
        raise InputError(
            "data holds numbers that are not finite in float32", parameter="data",
            expected="finite numbers",
        )  # fmt: skip
    given = X.astype(subject.net.dtype)
    return _tested(subject, [X], given, subject.predict(given), index)


def rows_of_schema(codes: Sequence[ColumnCode], absent: Sequence[str], n: int) -> TypedColumns:
    """Return random rows within the ranges, and of the levels, that training had.

    ``absent`` names the columns of the schema that give no input, which are missing.
    """
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for code in codes:
        column = code.column
        if code.is_category:
            levels = [*code.levels, *code.other[:1]]
            columns[column.name] = TextColumn(random.integers(len(levels), size=n), levels)
            continue
        low, high = column.minimum or 0.0, column.maximum or 0.0
        share = random.random(n)
        numbers = low * (1 - share) + high * share
        if float(low).is_integer() and float(high).is_integer():
            numbers = np.rint(numbers)
        columns[column.name] = np.clip(numbers, low, high)
    columns |= {name: np.full(n, np.nan) for name in absent}
    return TypedColumns(columns, rows=np.arange(n))


def table_rows(
    subject: ExportedNetwork, codes: Sequence[ColumnCode], typed: TypedColumns, n_rows: int
) -> EqualityRows:
    """Return at most so many rows of a table: half as they are, the others with changed cells."""
    assert subject.encoder is not None
    index = evenly_spaced(len(typed), max(n_rows // 2, 1))
    base = typed.take(index)
    changes = _changes(codes, max((n_rows - len(base)) // 3, 1))
    rows = base.take(np.concatenate([np.arange(len(base)), np.arange(len(changes)) % len(base)]))
    columns: dict[str, Any] = dict(rows.columns)
    cells = []
    for place, code in enumerate(codes):
        own = {len(base) + row: each[place] for row, each in enumerate(changes) if place in each}
        columns[code.column.name], found = _changed(code, columns[code.column.name], own)
        cells.append(found)
    changed = dataclasses.replace(rows, columns=columns)
    X = subject.encoder.transform(changed, dtype=np.float32)
    return _tested(subject, cells, X, subject.predict(changed), typed.rows[index])


def _changes(codes: Sequence[ColumnCode], most: int) -> list[dict[int, Any]]:
    """Return what is changed in each of the changed rows: a cell by the number of its column.

    None makes a cell missing, and "" a category's level one that training did not see.
    """
    missing: dict[int, Any] = dict.fromkeys(range(len(codes)))
    unseen: dict[int, Any] = {k: "" for k, code in enumerate(codes) if code.is_category}
    numbers: dict[int, Any] = {}
    for k, code in enumerate(codes):
        column = code.column
        limits = [None if column.high is None else column.high + abs(column.high) + 1]
        limits += [None if column.low is None else column.low - abs(column.low) - 1]
        if not code.is_category:
            out = [*code.missing_numbers, *(each for each in limits if each is not None)]
            numbers[k] = out[0] if out else np.inf
    changes = [missing] if len(codes) > 1 else []
    for group in (missing, unseen, numbers):
        parts = min(len(group), most)
        changes += [
            {k: v for place, (k, v) in enumerate(group.items()) if place % parts == part}
            for part in range(parts)
        ]
    return changes


def _changed(code: ColumnCode, cells: Any, changes: Mapping[int, Any]) -> tuple[Any, np.ndarray]:
    """Return a column with changed cells: as the model takes it, and as the program does."""
    if not code.is_category:
        typed, given = np.array(cells, dtype=np.float64), np.array(cells, dtype=np.float64)
        for row, value in changes.items():
            typed[row] = np.nan
            given[row] = np.nan if value is None else value
        return typed, given
    unseen = unseen_text((*code.levels, *code.other))
    texts = cells.tolist()
    for row, value in changes.items():
        texts[row] = None if value is None else unseen
    number = {level: place for place, level in enumerate(code.levels)}
    codes = [MISSING if text is None else number.get(text, OTHER) for text in texts]
    return TextColumn.from_cells(texts), np.array(codes, dtype=np.int64)
