"""The options that name a table and its columns; reading the table and inferring its schema."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from deltarule.cli.column_options import (
    kinds_by_column,
    marks_by_column,
    missing_by_column,
    named_columns,
    possible_names,
    split_marks,
    split_tokens,
)
from deltarule.cli.options import TableOptions
from deltarule.errors import InputError, Message, Parameter
from deltarule.tables import DEFAULT_NA, NumberFormat, Schema, Table, infer_schema, read_table
from deltarule.tables.number_formats import stated_formats

__all__ = ["LoadedTable", "load_table"]


class LoadedTable(NamedTuple):
    """A table with its schema, and the arguments that both were made with.

    ``reading`` holds the arguments of ``read_table``, ``columns`` those of ``infer_schema``.
    """

    table: Table
    schema: Schema
    reading: dict[str, Any]
    columns: dict[str, Any]


def load_table(options: TableOptions) -> LoadedTable:
    """Read the table that the options name, and infer its schema."""
    na_everywhere, na_by_column = split_tokens(options.na)
    na = (*DEFAULT_NA, *na_everywhere)
    reading: dict[str, Any] = {"table": options.table, "sql": options.sql, "na": na}
    reading |= {"delimiter": options.delimiter, "encoding": options.encoding}
    reading |= {"skip": options.skip, "comment": options.comment, "names": options.names}
    decimal, decimal_of = split_marks("decimal", options.decimal)
    thousands, thousands_of = split_marks("thousands", options.thousands)
    reading |= {"decimal": decimal, "thousands": thousands}
    # The columns of COLUMN=MARK are left as text until the names of the table are known.
    maybe = dict.fromkeys(possible_names((*decimal_of, *thousands_of)), NumberFormat(","))
    table = read_table(options.data, **reading, max_memory=options.max_memory, number_formats=maybe)
    if maybe:
        table = replace(table, number_formats={})
        table = replace(table, number_formats=stated_formats(table, decimal, thousands))
    date_format, date_format_of = split_marks("date_format", options.date_format)
    if date_format is not None and date_format_of:
        raise InputError(
            Message(Parameter("date_format"), " was given for all columns and for single ones"),
            parameter="date_format",
            given=date_format,
            expected="one format for all columns, or COLUMN=FORMAT",
        )
    if options.target is None:
        raise InputError(
            Message(Parameter("target"), " is missing"),
            parameter="target",
            expected=f"the column to predict, one of: {', '.join(table.names[:30])}"
            f"{', …' if len(table.names) > 30 else ''}",
        )
    columns: dict[str, Any] = {
        "task": options.task,
        "ignore": [name for text in options.ignore for name in named_columns(text, table)],
        "weights": options.weights,
        "kinds": kinds_by_column(options.kinds, table),
        "na": missing_by_column(na_by_column, table),
        "keep_na": [name for text in options.keep_na for name in named_columns(text, table)],
        "decimal": marks_by_column(decimal_of, table),
        "thousands": marks_by_column(thousands_of, table),
        "date_format": marks_by_column(date_format_of, table) or date_format,
        "ids": [name for text in options.ids for name in named_columns(text, table)],
    }
    schema = infer_schema(table, options.target, **columns)
    return LoadedTable(table, schema, reading, columns)
