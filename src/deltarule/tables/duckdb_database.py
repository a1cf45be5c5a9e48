"""Databases that DuckDB opens for reading only: its own files, and Postgres by its extension.

No extension is downloaded. Whatever is read, DuckDB may open no other file: a view of a database
could name one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deltarule.errors import DataError, FileError, MissingDependency, Parameter
from deltarule.tables.addresses import passwords_in, without_password
from deltarule.tables.database import (
    check_sql,
    chosen_table,
    fetch_table,
    first_line,
    kind_of_type,
    sql_error,
)
from deltarule.tables.duckdb_connection import Connection, connect, sql_literal
from deltarule.tables.duckdb_guard import lock_connection, restrict_connection
from deltarule.tables.memory import check_fits
from deltarule.tables.paths import head_is_duckdb
from deltarule.tables.table import Table, count_noun

__all__ = [
    "DuckDBDatabase",
    "open_database",
    "read_database",
]

# The name that an attached database has in the connection.
_CATALOG = "source"
# The bytes that DuckDB needs to read a table, and for each column: two of its blocks.
_LEAST_MEMORY, _COLUMN_MEMORY = 32_000_000, 600_000
_DEFAULT_SCHEMAS = {"main", "public"}
_SQLITE = b"SQLite format 3\0"


class DuckDBDatabase:
    """A database that was opened with :func:`open_database`.

    Attributes
    ----------
    connection : Connection
    name : str
        Of the file, or the address without passwords.
    tables : dict of str to str
        For each table and view its name in SQL. A table of another schema than the usual one has
        the schema and a dot before its name.
    """

    def __init__(self, duckdb: Any, connection: Connection, name: str) -> None:
        self._duckdb, self.connection, self.name = duckdb, connection, name
        found = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            f"WHERE database_name = '{_CATALOG}' AND NOT internal UNION ALL "
            "SELECT schema_name, view_name FROM duckdb_views() "
            f"WHERE database_name = '{_CATALOG}' AND NOT internal ORDER BY ALL"
        ).fetchall()
        self.tables = {
            name if schema in _DEFAULT_SCHEMAS else f"{schema}.{name}": ".".join(
                '"' + part.replace('"', '""') + '"' for part in (_CATALOG, schema, name)
            )
            for schema, name in found
        }
        connection.execute(f"USE {_CATALOG}")

    def limit_memory(self) -> None:
        """Let DuckDB hold as little as reading the widest table row by row needs.

        Otherwise it keeps what it has read, up to most of the machine's memory. Called before
        :meth:`select`.
        """
        widest = self.connection.execute(
            "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM duckdb_columns() "
            f"WHERE database_name = '{_CATALOG}' AND NOT internal GROUP BY schema_name, table_name)"
        ).fetchone()[0]
        limit = _LEAST_MEMORY + _COLUMN_MEMORY * int(widest)
        self.connection.execute(f"SET memory_limit = '{limit // 1_000_000}MB'")

    def select(self, table: str | None, sql: str | None) -> tuple[str, str, tuple[str, ...]]:
        """The statement that gives the rows, what these are called, and notes.

        Called once; after it DuckDB reads nothing else.

        Raises
        ------
        DataError
            If there is no such table, several and none is named, or the statement is no SELECT that
            only reads.
        """
        if sql is not None:
            check_sql(sql)
            notes = restrict_connection(
                self._duckdb, self.connection, sql, None, tables=self.tables
            )
            return sql, f"{self.name}, the SQL result", notes
        name = chosen_table(list(self.tables), self.name, table)
        lock_connection(self.connection)
        return f"SELECT * FROM {self.tables[name]}", f"{self.name}, table {name}", ()

    def columns(self, query: str) -> tuple[list[str], list[str]]:
        """The names of the columns of a statement, and DuckDB's types of them."""
        found = self.connection.execute(f"DESCRIBE {query}").fetchall()
        return [str(row[0]).strip() for row in found], [str(row[1]).upper() for row in found]

    def batches(
        self, query: str, types: Sequence[str], wanted: Sequence[int], rows: int
    ) -> Iterator[Any]:
        """Some columns of a statement as batches of pyarrow, of about so many rows.

        Types that pyarrow does not have are cast as :func:`kind_of_type` says.
        """
        aliases = ", ".join(f"c{i}" for i in range(len(types)))
        self.connection.execute(f"CREATE TEMP VIEW deltarule_rows({aliases}) AS {query}")
        kinds = [(i, kind_of_type(types[i])) for i in wanted]
        cells = ", ".join(f"CAST(c{i} AS {kind}) AS c{i}" if kind else f"c{i}" for i, kind in kinds)
        yield from self.connection.record_batches(f"SELECT {cells} FROM deltarule_rows", rows)


@contextlib.contextmanager
def open_database(source: Path | str, sql: str | None = None) -> Iterator[DuckDBDatabase]:
    """Yield a database that is open for reading.

    Parameters
    ----------
    source : Path or str
        A DuckDB file, or the address of a Postgres database. Postgres needs DuckDB's extension
        ``postgres``, installed by the user.
    sql : str, optional
        A statement that is run within the block, for errors.

    Raises
    ------
    FileError
        If it cannot be opened.
    MissingDependency
        If the extension is not installed.
    DataError
        If DuckDB fails within the block.
    """
    duckdb, connection = connect(threads=1)  # so that the order of rows is always the same
    with connection:
        if isinstance(source, Path):
            name = source.name
            _attach_file(duckdb, connection, source)
        else:
            name = without_password(source)
            _attach_postgres(duckdb, connection, source)
        try:
            yield DuckDBDatabase(duckdb, connection, name)
        except duckdb.Error as error:
            if sql is not None:
                raise sql_error(error, sql, has_data=True) from None
            raise DataError(
                f"{name}: DuckDB says: {_shown(error, source)}",
                expected="tables that it can read, without other files",
                hint="copy what a view reads to a table",
            ) from None


def _attach_file(duckdb: Any, connection: Connection, path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        why = error.strerror or error
        raise FileError(f"{path.name} cannot be opened ({why}); check its permissions") from None
    if not head_is_duckdb(head):
        is_sqlite = head.startswith(_SQLITE)
        raise FileError(
            f"{path.name} is {'a database of SQLite' if is_sqlite else 'no database'}",
            expected="one of DuckDB",
            hint="rename it to .sqlite" if is_sqlite else "was it copied in full?",
        )
    try:
        connection.execute(f"ATTACH {sql_literal(path.resolve())} AS {_CATALOG} (READ_ONLY)")
    except duckdb.Error as error:
        raise FileError(
            f"{path.name} cannot be opened: DuckDB says: {first_line(error)}",
            expected="a database of this version of DuckDB or an earlier one, to which no other "
            "process writes",
            hint="close the program that has it open, or copy the table to a Parquet file",
        ) from None


def _attach_postgres(duckdb: Any, connection: Connection, address: str) -> None:
    try:
        connection.execute("LOAD postgres")
    except duckdb.Error:
        raise MissingDependency(
            "reading Postgres needs DuckDB's extension postgres, which is not installed for DuckDB "
            f"{duckdb.__version__}, and is never downloaded without being asked for",
            parameter="source",
            given=without_password(address),
            expected="the extension, or a file",
            hint="install it once with python -c \"import duckdb; duckdb.sql('INSTALL postgres')\""
            ", or write the table to a CSV file with psql's \\copy",
        ) from None
    try:
        connection.execute(
            f"ATTACH {sql_literal(address)} AS {_CATALOG} (TYPE postgres, READ_ONLY)"
        )
    except duckdb.Error as error:
        raise FileError(
            f"{without_password(address)} cannot be opened: {_shown(error, address)}",
            parameter="source",
            given=without_password(address),
            expected="a Postgres database that can be reached",
            hint="check address, user and password; the password may also be in PGPASSWORD or "
            "~/.pgpass",
        ) from None


def _shown(error: Exception, source: Path | str) -> str:
    """What DuckDB says, without the passwords of an address."""
    text = first_line(error)
    if isinstance(source, str):
        text = text.replace(source, without_password(source))
        for password in passwords_in(source):
            text = text.replace(password, "***")
    return text


def read_database(
    source: Path | str,
    table: str | None,
    sql: str | None,
    tokens: tuple[str, ...],
    texts: Collection[str] = (),
    max_memory: float | None = None,
) -> Table:
    """A table or query of a database that DuckDB opens.

    Parameters
    ----------
    source, table
        As for :func:`open_database` and :meth:`DuckDBDatabase.select`.
    sql : str or None
        A SELECT in DuckDB's dialect, instead of a table.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.

    Raises
    ------
    FileError, MissingDependency, DataError
        As :func:`open_database`; or if the table would take more memory than it may.
    """
    with open_database(source, sql) as database:
        query, name, notes = database.select(table, sql)
        if sql is None:
            _check_memory(database.connection, query, name, max_memory)
        read = fetch_table(database.connection, query, name, tokens, texts=texts)
        return replace(read, notes=notes)


def _check_memory(connection: Connection, query: str, name: str, max_memory: float | None) -> None:
    """Refuse a table that would take too much memory, at 8 bytes a cell."""
    n_columns = len(connection.execute(f"DESCRIBE {query}").fetchall())
    n_rows = int(connection.execute(f"SELECT count(*) FROM ({query})").fetchone()[0])
    check_fits(
        name,
        8 * n_rows * n_columns,
        f"({count_noun(n_rows, 'row')})",
        max_memory,
        "choose rows or columns with ",
        Parameter("sql"),
        ", raise the limit with ",
        Parameter("max_memory"),
        ", or train with ",
        Parameter("memory"),
    )
