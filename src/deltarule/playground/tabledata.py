"""A table as the playground trains on it: some of its columns, some of its rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from deltarule.errors import DataError, InputError
from deltarule.playground.data import Axis, Data, Target, held_out
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
    """A table that was read, and what its columns were understood to be.

    Attributes
    ----------
    name : str
        What it is called on the page.
    typed : TypedColumns
    schema : Schema
    reading : str
        The lines of a script that read it again into ``table`` and ``schema``.
    """

    name: str
    typed: TypedColumns
    schema: Schema
    reading: str = ""

    @classmethod
    def of(cls, table: Table, schema: Schema, name: str = "", reading: str = "") -> ReadTable:
        """A source of a table with a schema that has a target.

        Raises
        ------
        DataError
            If the table does not fit the schema.
        """
        return cls(name or table.source, apply_schema(schema, table), schema, reading)


@dataclasses.dataclass(frozen=True)
class TableData(Data):
    """Data that came from a table, with the way back to it.

    Attributes
    ----------
    schema : Schema
        Of the columns that were chosen.
    encoder : TableEncoder
    target_code : TargetEncoder
    typed : TypedColumns
        The rows that are used, in the order of X.
    """

    schema: Schema
    encoder: TableEncoder
    target_code: TargetEncoder
    typed: TypedColumns

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The columns that a network sees: a quantity by its number, a category by its levels.

        Examples
        --------
        >>> from deltarule.tables import infer_schema, table_from_frame
        >>> columns = {"a": [1.5, 2.5] * 30, "b": ["u", "v"] * 30, "y": [0.0, 1.0] * 30}
        >>> table = table_from_frame(columns)
        >>> table_data(table, infer_schema(table, "y")).axes[1]
        Axis(name='b', inputs=(1, 2), levels=('u', 'v'), date=False)
        """
        found, at = [], 0
        for code in self.encoder.column_encoders:
            names = code.features()
            inputs = tuple(range(at, at + len(names)))
            at += len(names)
            if isinstance(code, NumberEncoder) and names[:1] == [code.name]:
                date = self.schema[code.name].kind == "date"
                found.append(Axis(code.name, inputs[:1], date=date))
            elif isinstance(code, NumberEncoder):
                # Nothing but whether it is known.
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
) -> TableData:
    """The rows of a table encoded as ``deltarule fit`` does it.

    What the encoding learns it learns from the rows that are not held out.

    Parameters
    ----------
    table : Table or ReadTable
    schema : Schema
        With a target; of a source it is known.
    columns : sequence of str
        The columns to predict from; none for all that the schema has.
    rows : int
        At most so many, drawn at random where there are more.
    held : float
        The share of rows that is held out.
    seed : int
        Of the draw, and of which rows are held out.

    Raises
    ------
    DataError
        If a column is unknown, or there are fewer than ten rows with a target.

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
    if len(typed) > rows:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SAMPLE_KEY,)))
        typed = typed.take(np.sort(rng.permutation(len(typed))[:rows]))
    if len(typed) < 10:
        raise DataError(
            f"{schema.source or 'the table'} has {len(typed)} rows with a known target; expected "
            "at least 10"
        )
    target = TargetEncoder.from_schema(schema)
    is_class = target.task == "classification"
    assert typed.target is not None
    out = held_out(_comparable(typed.target), held, seed, is_class)
    kept = typed if out is None else typed.take(np.setdiff1d(np.arange(len(typed)), out))
    assert kept.target is not None
    target.fit(kept.target)
    encoder = TableEncoder().fit(kept, schema)
    offsets, scales = _shown(encoder)
    assert schema.target is not None
    return TableData(
        X=encoder.transform(typed, dtype=np.float32),
        y=np.asarray(target.transform(typed.target)),
        held=out,
        inputs=encoder.feature_names,
        target=Target(schema.target.name, target.classes, target.mean, target.std),
        offsets=offsets,
        scales=scales,
        schema=schema,
        encoder=encoder,
        target_code=target,
        typed=typed,
    )


def _comparable(target: np.ndarray | TextColumn) -> np.ndarray:
    """Labels as numbers, which a split sorts."""
    return target.ranks() if isinstance(target, TextColumn) else target


def _shown(encoder: TableEncoder) -> tuple[np.ndarray, np.ndarray]:
    """What makes an input the number that stands in the table; 0 and 1 for a mark of a level."""
    offsets, scales = np.zeros(encoder.n_features), np.ones(encoder.n_features)
    at = 0
    for code in encoder.column_encoders:
        names = code.features()
        if isinstance(code, NumberEncoder) and names and names[0] == code.name:
            offsets[at], scales[at] = code.mean, code.std
        at += len(names)
    return offsets, scales
