"""The result of a query written to a Parquet file, in constant memory.

A table larger than memory is read several times, and a query need not give the same rows in the
same order each time. So it is run once, and its result is what is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import DataError, FileError, InputError, Message, Parameter
from deltarule.files import open_replacing
from deltarule.files.filesystem import translate_os_errors
from deltarule.tables.addresses import is_postgres, without_password
from deltarule.tables.database import check_sql, kind_of_type, sql_error
from deltarule.tables.duckdb_connection import Connection, connect, sql_literal
from deltarule.tables.duckdb_database import open_database
from deltarule.tables.duckdb_guard import referenced_paths, restrict_connection
from deltarule.tables.file_format import FileFormat
from deltarule.tables.paths import DATABASES, DUCKDB, check_file, checked_source, find_files
from deltarule.tables.pyarrow_module import load_pyarrow
from deltarule.tables.reading import refuse_both, refuse_text_options, refuse_with_sql
from deltarule.tables.standard_input import is_stdin
from deltarule.tables.table import check_names

__all__ = ["copied_name", "query_to_parquet"]

_ROWS = 1 << 14
# What DuckDB needs for the smallest queries.
_LEAST_MEMORY = 64_000_000
# The key of the metadata that says what a file was made from.
_MADE_FROM = b"deltarule.query"
_SOURCE = "the SQL result"


def query_to_parquet(
    source: str | os.PathLike[str] | None,
    sql: str | None,
    out: Path,
    *,
    memory: int,
    reading: Mapping[str, Any],
    show: Callable[[int], Any],
) -> tuple[str, ...]:
    """Write the rows of a SELECT, or of a database's table, to a file, unless it holds them.

    Parameters
    ----------
    source : path, pattern or None
        The files that the query sees as the table ``data``; or a DuckDB file, or the address of a
        Postgres database, with tables of its own.
    sql : str or None
        As for :func:`~deltarule.tables.read_table`; None for a table of a database.
    out : Path
    memory : int
        The bytes that DuckDB may take.
    reading : mapping
        What was said of how the files are written, which is refused; and ``table``.
    show : callable
        Called with the number of rows so far, and may raise an error.

    Returns
    -------
    tuple of str
        Notes.

    Raises
    ------
    DataError, FileError, InputError
        As ``read_table`` raises them; SQLite files are refused.
    """
    if sql is not None:
        check_sql(sql)
    load_pyarrow()
    database = _database(source, sql, reading)
    if database is not None:
        return _copy_of_database(database, sql, reading.get("table"), out, memory, show)
    assert sql is not None
    paths, of_paths = (None, ()) if source is None else _paths(source, sql, reading)
    duckdb, connection = connect(threads=1)  # with several, the order of rows may differ
    with connection:
        _limit_memory(connection, memory, out)
        try:
            notes = (*of_paths, *restrict_connection(duckdb, connection, sql, paths))
            described = connection.execute(f"DESCRIBE {sql}").fetchall()
            files = _stats([*(paths or ()), *referenced_paths(connection, sql)])
            made_from = _digest(sql, files, described)
            if _made_from(out) != made_from:
                _copy(connection, sql, described, out, made_from, _SOURCE, show)
        except duckdb.Error as error:
            raise sql_error(error, sql, paths is not None) from None
    return notes


def copied_name(source: str | os.PathLike[str] | None, sql: str | None, table: str | None) -> str:
    """What rows are called that are copied to a file before they are read; '' if they are not.

    Examples
    --------
    >>> copied_name("postgres://me:secret@db/sales", None, "orders")
    'postgres://me@db/sales, table orders'
    >>> copied_name("a.csv", None, None)
    ''
    """
    if not (isinstance(source, str) and is_postgres(source)):
        return "" if sql is None else _SOURCE
    of_table = f"table {table}" if table else "its table"
    return f"{without_password(source)}, {of_table if sql is None else _SOURCE}"


def _database(
    source: str | os.PathLike[str] | None, sql: str | None, reading: Mapping[str, Any]
) -> Path | str | None:
    """The database of DuckDB or Postgres that a source is; None if it is another source."""
    if source is None:
        return None
    text = checked_source(source)
    found: Path | str | None = None
    if is_postgres(text):
        found = text
    elif not is_stdin(text):
        paths = find_files(text).paths
        if len(paths) == 1 and paths[0].suffix.lower() in DUCKDB:
            check_file(paths[0])
            found = paths[0]
    if found is not None:
        given = {name: reading.get(name) for name in ("delimiter", "encoding", "comment", "names")}
        told = FileFormat.of(skip=reading.get("skip", 0), **given)
        refuse_text_options(without_password(text), told)
        refuse_both(reading.get("table"), sql)
    return found


def _copy_of_database(
    source: Path | str,
    sql: str | None,
    table: str | None,
    out: Path,
    memory: int,
    show: Callable[[int], Any],
) -> tuple[str, ...]:
    """Write a table, or the rows of a SELECT, of a database to a file, unless it holds them.

    What is in a server says nothing of when it was changed: a copy is kept until it is removed.
    """
    with open_database(source, sql) as database:
        _limit_memory(database.connection, memory, out)
        query, name, notes = database.select(table, sql)
        described = database.connection.execute(f"DESCRIBE {query}").fetchall()
        files = _stats([source]) if isinstance(source, Path) else [without_password(source)]
        made_from = _digest(query, files, described)
        if _made_from(out) != made_from:
            _copy(database.connection, query, described, out, made_from, name, show)
        elif isinstance(source, str):
            day = time.strftime("%Y-%m-%d %H:%M", time.localtime(out.stat().st_mtime))
            kept = f"the rows of {name} are those of {str(out)!r}, copied at {day}"
            notes = (*notes, f"{kept}; remove it to read them again")
    return notes


def _limit_memory(connection: Connection, memory: int, out: Path) -> None:
    connection.execute(f"SET memory_limit = '{max(memory, _LEAST_MEMORY) // 1_000_000}MB'")
    connection.execute(f"SET temp_directory = {sql_literal(f'{out}.tmp')}")


def _copy(
    connection: Connection,
    query: str,
    described: Sequence[Any],
    out: Path,
    made_from: str,
    source: str,
    show: Callable[[int], Any],
) -> None:
    """Write the rows of a query to a file that is none yet, or one of an earlier query."""
    names = [str(row[0]).strip() for row in described]
    check_names(names, source)
    if _is_foreign(out):
        raise FileError(
            f"{str(out)!r} exists already, and is no result of a query; expected a name at "
            "which this result can be written; move that file, or name another store"
        )
    kinds = [kind_of_type(str(row[1]).upper()) for row in described]
    aliases = [f"c{i}" for i in range(len(names))]
    connection.execute(f"CREATE TEMP VIEW deltarule_rows({', '.join(aliases)}) AS {query}")
    cells = ", ".join(
        f"CAST({a} AS {kind}) AS {a}" if kind else a for a, kind in zip(aliases, kinds, strict=True)
    )
    batches = connection.record_batches(f"SELECT {cells} FROM deltarule_rows", _ROWS)
    n_rows = _write(batches, out, names, made_from, show)
    if not n_rows:
        out.unlink()
        raise DataError(f"{source} has no rows; expected at least one row")


def _paths(
    source: str | os.PathLike[str], sql: str, reading: Mapping[str, Any]
) -> tuple[Sequence[Path], tuple[str, ...]]:
    """The files of one kind that DuckDB reads, and what a pattern stands for."""
    text = checked_source(source)
    found = None if is_stdin(text) else find_files(text)
    paths = () if found is None else found.paths
    suffixes = {path.suffix.lower() for path in paths}
    if not paths or suffixes & set(DATABASES) or len(suffixes) > 1:
        what = "standard input" if not paths else f"{', '.join(sorted(suffixes))} files"
        raise InputError(
            Message(Parameter("sql", sql), f" was given for {what}, with ", Parameter("memory")),
            parameter=("sql", "memory"),
            expected="text, JSON or Parquet files of one kind, or one database, which DuckDB reads",
            hint="write the result to a table or file of its own first",
        )
    for path in paths:
        check_file(path)
    given = {name: reading.get(name) for name in ("delimiter", "encoding", "comment", "names")}
    refuse_with_sql(paths, FileFormat.of(skip=reading.get("skip", 0), **given))
    return paths, () if found is None else found.notes()


def _stats(paths: Sequence[Path]) -> list[Any]:
    """The names, sizes and times of change of files."""
    stats = [(str(path.resolve()), path.stat()) for path in paths]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _digest(query: str, files: Sequence[Any], described: Sequence[Any]) -> str:
    """What stands for a query and what it reads."""
    return hashlib.sha256(json.dumps([query, files, described], default=str).encode()).hexdigest()


def _made_from(out: Path) -> str | None:
    """What a complete file was made from; None if there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(out).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    found = metadata.get(_MADE_FROM)
    return None if found is None else found.decode()


def _is_foreign(out: Path) -> bool:
    """Whether something is there that is no result of a query, not even a damaged one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not out.is_file():
        return out.exists()
    with out.open("rb") as file:
        start = file.read(4)
    if start != b"PAR1":
        return bool(start)
    try:
        return _MADE_FROM not in (pq.read_schema(out).metadata or {})
    except (OSError, pa.ArrowInvalid):
        return False


def _write(
    batches: Iterator[Any],
    out: Path,
    names: list[str],
    made_from: str,
    show: Callable[[int], Any],
) -> int:
    """Write the batches of a result, and return the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer, n_rows = None, 0
    with (
        translate_os_errors("write", out),
        open_replacing(out, overwrite=True) as file,
        contextlib.ExitStack() as stack,
    ):
        for batch in batches:
            if writer is None:
                fields = [
                    pa.field(name, each.type)
                    for name, each in zip(names, batch.schema, strict=True)
                ]
                schema = pa.schema(fields, metadata={_MADE_FROM: made_from.encode()})
                # Numbers are decoded faster than entries of a dictionary.
                texts = [each.name for each in fields if pa.types.is_string(each.type)]
                writer = stack.enter_context(pq.ParquetWriter(file, schema, use_dictionary=texts))
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=writer.schema))
            n_rows += len(batch)
            show(n_rows)
    return n_rows
