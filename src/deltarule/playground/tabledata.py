"""Data from a table for the playground: selected columns, and at most a given number of rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.errors import DataError, InputError
from deltarule.playground.data import Axis, Data, TargetSpec, held_out
from deltarule.tables import (
    Schema,
    Table,
    TableEncoder,
    TargetEncoder,
    TextColumn,
    TypedColumns,
    apply_schema,
)
from deltarule.tables.column_encoders import NumberEncoder

__all__ = ["ReadTable", "TableData", "table_data"]

_SAMPLE_KEY = 4


@dataclasses.dataclass(frozen=True)
class ReadTable:
    """A table that was read, with its schema.

    Attributes
    ----------
    name : str
        The name shown on the page.
    typed : TypedColumns
    schema : Schema
    reading : str
        Python source that reads the table again and sets ``table`` and ``schema``.
    """

    name: str
    typed: TypedColumns
    schema: Schema
    reading: str = ""

    @classmethod
    def of(cls, table: Table, schema: Schema, name: str = "", reading: str = "") -> ReadTable:
        """Apply a schema with a target to a table.

        Raises
        ------
        DataError
            If the table does not fit the schema.
        """
        return cls(name or table.source, apply_schema(schema, table), schema, reading)


@dataclasses.dataclass(frozen=True)
class TableData(Data):
    """Data from a table, with the schema and the encoders that made them.

    Attributes
    ----------
    schema : Schema
        The schema of the selected columns.
    encoder : TableEncoder
    target_code : TargetEncoder
    typed : TypedColumns
        The columns of the rows of X, in the same order.
    """

    schema: Schema
    encoder: TableEncoder
    target_code: TargetEncoder
    typed: TypedColumns

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The encoded columns: a quantity is one input, a category one input per level.

        Examples
        --------
        >>> from deltarule.tables import infer_schema, table_from_frame
        >>> columns = {"a": [1.5, 2.5] * 30, "b": ["u", "v"] * 30, "y": [0.0, 1.0] * 30}
        >>> table = table_from_frame(columns)
        >>> table_data(table, infer_schema(table, "y")).axes[1]
        Axis(name='b', inputs=(1, 2), levels=('u', 'v'), date=False)
        """
        found = []
        for code, names, inputs in _code_inputs(self.encoder):
            if isinstance(code, NumberEncoder) and names[:1] == [code.name]:
                date = self.schema[code.name].kind == "date"
                found.append(Axis(code.name, inputs[:1], date=date))
            elif isinstance(code, NumberEncoder):
                # A column without a number of its own, such as the mark of missing cells.
                found += [Axis(name, (k,)) for name, k in zip(names, inputs, strict=True)]
            elif names:
                levels = tuple(name.removeprefix(f"{code.name}=") for name in names)
                found.append(Axis(code.name, inputs, levels))
        return tuple(found)


def table_data(
    table: Table | ReadTable,
    schema: Schema | None = None,
    *,
    columns: Sequence[str] = (),
    rows: int = 20_000,
    held: float = 0.3,
    seed: int = 0,
    derived: Sequence[str] = (),
) -> TableData:
    """Encode the rows of a table as ``deltarule fit`` does.

    The encoders are fitted to the training rows alone.

    Parameters
    ----------
    table : Table or ReadTable
    schema : Schema
        A schema with a target; not needed with a ``ReadTable``, which has one.
    columns : sequence of str
        The columns to predict from; by default all columns of the schema.
    rows : int
        The largest number of rows; a larger table is sampled at random.
    held : float
        The share of rows that is held out.
    seed : int
        The seed of the sample and of the choice of held-out rows.
    derived : sequence of str
        Inputs derived from two encoded numbers, by their names in
        :data:`~deltarule.tables.derived_features.DERIVED`; they follow the numbers.

    Raises
    ------
    DataError
        If a column is unknown, or there are fewer than ten rows with a target.
    InputError
        If an input cannot be derived.

    Examples
    --------
    >>> from deltarule.tables import infer_schema, table_from_frame
    >>> table = table_from_frame({"a": np.arange(20.0), "y": np.arange(20.0) ** 2})
    >>> data = table_data(table, infer_schema(table, "y"))
    >>> data.inputs, data.X.shape, data.target.task
    (('a',), (20, 1), 'regression')
    """
    if isinstance(table, Table):
        if schema is None:
            raise InputError("schema is None; expected what infer_schema gives, with a target")
        table = ReadTable.of(table, schema)
    schema, typed = table.schema, table.typed
    chosen = [schema[name].name for name in columns] or list(schema.names)
    schema = dataclasses.replace(
        schema, columns=tuple(c for c in schema.columns if c.name in chosen)
    )
    n_known = len(typed)
    if n_known > rows:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SAMPLE_KEY,)))
        typed = typed.take(np.sort(rng.permutation(n_known)[:rows]))
    if len(typed) < 10:
        raise DataError(
            f"{schema.source or 'the table'} has {len(typed)} rows with a known target; expected "
            "at least 10"
        )
    target = TargetEncoder.from_schema(schema)
    is_class = target.task == "classification"
    assert typed.target is not None
    held_rows = held_out(_label_numbers(typed.target), held, seed, is_class)
    training = (
        typed if held_rows is None else typed.take(np.setdiff1d(np.arange(len(typed)), held_rows))
    )
    assert training.target is not None
    target.fit(training.target)
    encoder = TableEncoder(derived=derived).fit(training, schema)
    offsets, scales = _original_units(encoder)
    assert schema.target is not None
    return TableData(
        X=encoder.transform(typed, dtype=np.float32),
        y=np.asarray(target.transform(typed.target)),
        held=held_rows,
        inputs=encoder.feature_names,
        target=TargetSpec(schema.target.name, target.classes, target.mean, target.std),
        offsets=offsets,
        scales=scales,
        schema=schema,
        encoder=encoder,
        target_code=target,
        typed=typed,
        derived=tuple(derived),
        notes=_notes(table, schema, encoder, n_known, rows),
    )


def _notes(
    table: ReadTable, schema: Schema, encoder: TableEncoder, n_known: int, most: int
) -> tuple[str, ...]:
    """The notes of ``deltarule fit`` on the table and its columns, and what the playground adds."""
    found = [*schema.remarks(), *table.typed.notes]
    if n_known > most:
        found.append(f"{most:,} of {n_known:,} rows, chosen at random with the seed")
    constant = [code.name for code in encoder.column_encoders if not code.features()]
    if constant:
        found.append(f"the same in all rows to train on, and no input: {', '.join(constant)}")
    found += encoder.merged_notes()
    return tuple(dict.fromkeys(map(str, found)))


def _label_numbers(target: np.ndarray | TextColumn) -> np.ndarray:
    """Text labels as integers, which the stratified split can sort; other targets unchanged."""
    return target.ranks() if isinstance(target, TextColumn) else target


def _original_units(encoder: TableEncoder) -> tuple[np.ndarray, np.ndarray]:
    """The offset and the scale of each input: (n_0,) each, 0 and 1 for a one-hot input."""
    offsets, scales = np.zeros(encoder.n_features), np.ones(encoder.n_features)
    for code, names, inputs in _code_inputs(encoder):
        if isinstance(code, NumberEncoder) and names[:1] == [code.name]:
            offsets[inputs[0]], scales[inputs[0]] = code.mean, code.std
    return offsets, scales


def _code_inputs(encoder: TableEncoder) -> Iterator[tuple[Any, list[str], tuple[int, ...]]]:
    """The code of each encoded column, with the names and the numbers of its inputs."""
    at = 0
    for code in encoder.column_encoders:
        names = code.features()
        yield code, names, tuple(range(at, at + len(names)))
        at += len(names)
