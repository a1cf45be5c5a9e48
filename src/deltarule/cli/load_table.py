"""Reading the table that the options name, and inferring its schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from deltarule.cli.column_options import (
    kinds_by_column,
    missing_by_column,
    named_columns,
    split_tokens,
)
from deltarule.errors import InputError, Message, Parameter
from deltarule.tables import DEFAULT_NA, Schema, Table, infer_schema, read_table

__all__ = ["LoadedTable", "load_table"]


class LoadedTable(NamedTuple):
    """A table with its schema, and the options that gave them.

    Attributes
    ----------
    table : Table
    schema : Schema
    reading, columns : dict
        The arguments of ``read_table`` and of ``infer_schema``.
    """

    table: Table
    schema: Schema
    reading: dict[str, Any]
    columns: dict[str, Any]


def load_table(
    data: str | None,
    target: str | None,
    *,
    table: str | None,
    sql: str | None,
    na: Sequence[str],
    task: str,
    ignore: Sequence[str],
    kinds: Sequence[str],
    weights: str | None = None,
    max_memory: float | None = None,
) -> LoadedTable:
    """Read the table to train on, and infer its schema, as the options say."""
    everywhere, by_column = split_tokens(na)
    reading: dict[str, Any] = {"table": table, "sql": sql, "na": (*DEFAULT_NA, *everywhere)}
    read = read_table(data, **reading, max_memory=max_memory)
    if target is None:
        raise InputError(
            Message(Parameter("target"), " is missing"),
            parameter="target",
            expected=f"the column to predict, one of: {', '.join(read.names[:30])}"
            f"{', …' if len(read.names) > 30 else ''}",
        )
    columns: dict[str, Any] = {
        "task": task,
        "ignore": [name for text in ignore for name in named_columns(text, read)],
        "weights": weights,
        "kinds": kinds_by_column(kinds, read),
        "na": missing_by_column(by_column, read),
    }
    return LoadedTable(read, infer_schema(read, target, **columns), reading, columns)
