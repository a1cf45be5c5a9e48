"""Tables and queries of SQLite files."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, Message, Parameter
from deltarule.interruptible import any_abandoned, call_interruptibly
from deltarule.tables.cells import column_from_cells, text_column
from deltarule.tables.database import check_rows, check_sql, chosen_table
from deltarule.tables.memory import check_unpacked, memory_limit
from deltarule.tables.sqlite_guard import ReadOnlyAuthorizer, first_keyword, open_read_only
from deltarule.tables.table import (
    Cells,
    Table,
    bad_sql,
    check_names,
)
from deltarule.tables.unreadable_columns import read_columns

__all__ = [
    "choose_table",
    "decoded_text",
    "read_sqlite",
    "select_all",
    "sqlite_error",
    "table_of_cells",
]

_ROWS_AT_ONCE = 10_000
# What a tuple takes, and an object in it without its text.
_ROW_BYTES, _CELL_BYTES = 56, 40
# Bytes; far longer than a field of a text file may be.
_MOST_CELL = 1 << 26


def read_sqlite(
    path: Path,
    table: str | None,
    sql: str | None,
    tokens: tuple[str, ...],
    texts: Collection[str] = (),
    max_memory: float | None = None,
) -> Table:
    """A table or query of a SQLite file, opened for reading only.

    Parameters
    ----------
    path : Path
        The file.
    table : str or None
        The name of a table or view. May be left out where there is only one.
    sql : str or None
        A SELECT in SQLite's dialect, instead.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.

    Raises
    ------
    FileError
        If the file cannot be opened.
    DataError
        If it is no database, the table is unknown or must be named, the query
        fails, or there are no rows.
    """
    source = f"{path.name}, {'the SQL result' if sql else f'table {table}'}"
    if sql is not None:
        check_sql(sql)
        if first_keyword(sql) in ("explain", "pragma"):
            raise bad_sql(f" is no SELECT: {sql!r}", sql)
    connection, guard = open_read_only(path)
    try:
        if sql is None:
            table = choose_table(connection, path.name, table)
            source = f"{path.name}, table {table}"
            sql = select_all(table)
        names, rows = _run_query(connection, sql, path, max_memory)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise sqlite_error(path.name, sql, guard, error) from None
    finally:
        if not any_abandoned():  # closing would wait for a call that is still running
            connection.close()
    check_names(names, source)
    check_rows(source, names, len(rows))
    return table_of_cells(source, zip(names, zip(*rows, strict=True), strict=True), tokens, texts)


def table_of_cells(
    source: str,
    named_cells: Iterable[tuple[str, Sequence[Any]]],
    tokens: tuple[str, ...],
    texts: Collection[str],
    lines: NDArray[np.int64] | None = None,
) -> Table:
    """A table of columns of SQLite's values, each with its name."""

    def read(name: str, cells: Sequence[Any]) -> tuple[Cells, str | None]:
        if name in texts:
            return text_column(name, list(cells), source), None
        return column_from_cells(name, list(cells), tokens, source)

    columns, kinds, unreadable = read_columns(
        (name, partial(read, name, cells)) for name, cells in named_cells
    )
    return Table(
        tuple(columns),
        columns,
        source=source,
        lines=lines,
        kinds=kinds,
        na=tokens,
        unreadable=unreadable,
    )


def _fetch_all(
    cursor: sqlite3.Cursor, path: Path, max_memory: float | None
) -> list[tuple[Any, ...]]:
    """All rows of a result; a view may give rows without end, and is refused."""
    rows: list[tuple[Any, ...]] = []
    limit, packed, n_bytes = memory_limit(max_memory), path.stat().st_size, 0
    while found := cursor.fetchmany(_ROWS_AT_ONCE):
        rows += found
        n_bytes += len(found) * (_ROW_BYTES + len(found[0]) * _CELL_BYTES)
        n_bytes += sum(len(cell) for row in found for cell in row if isinstance(cell, str | bytes))
        if n_bytes > limit:
            raise DataError(
                f"{path.name} gives more than {limit / 1e9:.3g} GB",
                expected="at most that much",
                hint=Message("raise the limit with ", Parameter("max_memory")),
            )
        check_unpacked(path.name, n_bytes, packed, max_memory)
    return rows


def decoded_text(text: bytes) -> str:
    """SQLite's text; bytes that are not UTF-8 become surrogates, reported later with their row."""
    return text.decode("utf-8", "surrogateescape")


def select_all(table: str) -> str:
    """The statement that gives all rows of a table."""
    return 'SELECT * FROM "' + table.replace('"', '""') + '"'


def _run_query(
    connection: sqlite3.Connection, sql: str, path: Path, max_memory: float | None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a statement in SQLite; return the column names and the rows."""
    if hasattr(connection, "setlimit"):  # from Python 3.11 on
        # One cell, which SQLite makes before it can be looked at.
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_CELL)
    connection.text_factory = decoded_text
    # Another thread runs the query, and this one interrupts it at Ctrl-C.
    cursor = call_interruptibly(lambda: connection.execute(sql), connection.interrupt)
    if cursor.description is None:
        raise bad_sql(f" is no SELECT: {sql!r}", sql)
    rows = call_interruptibly(lambda: _fetch_all(cursor, path, max_memory), connection.interrupt)
    return [str(column[0]).strip() for column in cursor.description], rows


def sqlite_error(
    name: str, sql: str | None, guard: ReadOnlyAuthorizer, error: Exception
) -> DataError:
    """The error for what SQLite says of a file or a statement."""
    if guard.denied:
        return DataError(
            Message(f"{name}: ", guard.denied),
            parameter="sql",
            given=sql,
            expected="one SELECT over the tables of the file, with SQLite's ordinary functions",
            hint="nothing was run",
        )
    if "one statement at a time" in str(error):
        several = bad_sql(
            f" holds more than one statement: {sql!r}",
            sql,
            "one SELECT",
            "keep the statement that gives the rows",
        )
        return several.prefixed(f"{name}: ")
    return DataError(
        f"{name}: SQLite says: {error}; expected a SQLite database and a SELECT that it "
        "can run; check the file and the statement"
    )


def choose_table(connection: sqlite3.Connection, source: str, table: str | None) -> str:
    """The name of the table that is asked for, or of the only one.

    Raises
    ------
    DataError
        If there is no such table, or several and none is asked for.
    """
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    ).fetchall()
    return chosen_table([str(row[0]) for row in found], source, table)
