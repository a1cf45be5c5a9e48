"""The options that name a table and its columns; reading the table and inferring its schema."""

from __future__ import annotations

import functools
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
from deltarule.tables.addresses import is_postgres
from deltarule.tables.number_formats import stated_formats
from deltarule.tables.table_stream import TableStream

__all__ = ["LoadedTable", "load_table", "streamed_arguments"]


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
    reading, maybe = _reading_arguments(options), _possible_formats(options)
    table = read_table(options.data, **reading, max_memory=options.max_memory, number_formats=maybe)
    if maybe:
        formats = stated_formats(
            replace(table, number_formats={}), reading["decimal"], reading["thousands"]
        )
        table = replace(table, number_formats=formats)
    columns = _column_arguments(options, table)
    schema = infer_schema(table, options.target, **columns)
    return LoadedTable(table, schema, reading, columns)


def streamed_arguments(options: TableOptions) -> tuple[dict[str, Any], Any]:
    """Return how a table larger than memory is read, and its columns, by its first rows.

    They are arguments of ``TableStream`` and of ``infer_schema``; for the latter a function of the
    first rows where these are the result of a query, which is run later, or of a server's table.

    Raises
    ------
    InputError
        If an option has no meaning for such a table.
    """
    if options.max_memory is not None:
        raise InputError(
            Message(Parameter("max_memory"), " was given with ", Parameter("memory")),
            parameter=("max_memory", "memory"),
            expected="one or the other",
            hint="the memory is that of the whole command",
        )
    reading = _reading_arguments(options)
    if options.sql is not None or is_postgres(options.data):
        return reading, functools.partial(_query_columns, options)
    del reading["sql"]
    assert options.data is not None
    head = TableStream(options.data, **reading, number_formats=_possible_formats(options)).head
    columns = _column_arguments(options, head)
    for mark in ("decimal", "thousands"):
        if by_column := columns.pop(mark):
            every = reading[mark]
            marks = {} if every is None else dict.fromkeys(head.names, every)
            reading[mark] = marks | by_column
    return reading, columns


def _query_columns(options: TableOptions, head: Table) -> dict[str, Any]:
    """Return the arguments of ``infer_schema`` by the first rows of the result of a query."""
    columns = _column_arguments(options, head)
    for mark in ("decimal", "thousands"):
        if columns.pop(mark):
            raise InputError(
                Message(Parameter(mark), " was given for single columns of the SQL result"),
                parameter=mark,
                given=getattr(options, mark),
                expected="one mark for all columns of text",
                hint="read these columns as numbers in the query",
            )
    return columns


def _reading_arguments(options: TableOptions) -> dict[str, Any]:
    """Return the arguments of ``read_table`` but for the limit on memory."""
    na_everywhere, _ = split_tokens(options.na)
    reading: dict[str, Any] = {
        "table": options.table,
        "sql": options.sql,
        "na": (*DEFAULT_NA, *na_everywhere),
    }
    reading |= {"delimiter": options.delimiter, "encoding": options.encoding}
    reading |= {"skip": options.skip, "comment": options.comment, "names": options.names}
    reading["decimal"], _ = split_marks("decimal", options.decimal)
    reading["thousands"], _ = split_marks("thousands", options.thousands)
    return reading


def _possible_formats(options: TableOptions) -> dict[str, NumberFormat]:
    """Return formats by which the columns of COLUMN=MARK stay text until all names are known."""
    _, decimal_of = split_marks("decimal", options.decimal)
    _, thousands_of = split_marks("thousands", options.thousands)
    return dict.fromkeys(possible_names((*decimal_of, *thousands_of)), NumberFormat(","))


def _column_arguments(options: TableOptions, table: Table) -> dict[str, Any]:
    """Return the arguments of ``infer_schema`` for the columns of a table."""
    _, na_by_column = split_tokens(options.na)
    _, decimal_of = split_marks("decimal", options.decimal)
    _, thousands_of = split_marks("thousands", options.thousands)
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
    return {
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
