"""The result of a query written to a Parquet file, in constant memory.

A table larger than memory is read several times, and a query need not give the same rows in the
same order each time. So it is run once, and its result is what is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import DataError, FileError, InputError, Message, Parameter
from deltarule.files import open_replacing
from deltarule.files.filesystem import translate_os_errors
from deltarule.tables.database import check_sql, kind_of_type, sql_error
from deltarule.tables.duckdb_connection import connect, sql_literal
from deltarule.tables.duckdb_guard import referenced_paths, restrict_connection
from deltarule.tables.file_format import FileFormat
from deltarule.tables.paths import SQLITE, check_file, checked_source, find_files
from deltarule.tables.pyarrow_module import load_pyarrow
from deltarule.tables.reading import refuse_with_sql
from deltarule.tables.standard_input import is_stdin
from deltarule.tables.table import check_names

__all__ = ["query_to_parquet"]

_ROWS = 1 << 14
# What DuckDB needs for the smallest queries.
_LEAST_MEMORY = 64_000_000
# The key of the metadata that says what a file was made from.
_MADE_FROM = b"deltarule.query"
_SOURCE = "the SQL result"


def query_to_parquet(
    source: str | os.PathLike[str] | None,
    sql: str,
    out: Path,
    *,
    memory: int,
    reading: Mapping[str, Any],
    show: Callable[[int], Any],
) -> tuple[str, ...]:
    """Write the rows of a SELECT to a file, unless it holds them; return notes.

    Parameters
    ----------
    source : path, pattern or None
        The files that the query sees as the table ``data``.
    sql : str
        As for :func:`~deltarule.tables.read_table`.
    out : Path
    memory : int
        The bytes that DuckDB may take.
    reading : mapping
        What was said of how the files are written, which is refused.
    show : callable
        Called with the number of rows so far, and may raise an error.

    Raises
    ------
    DataError, FileError, InputError
        As ``read_table`` raises them; SQLite files are refused.
    """
    check_sql(sql)
    paths, of_paths = (None, ()) if source is None else _paths(source, sql, reading)
    load_pyarrow()
    duckdb, connection = connect(threads=1)  # with several, the order of rows may differ
    with connection:
        connection.execute(f"SET memory_limit = '{max(memory, _LEAST_MEMORY) // 1_000_000}MB'")
        connection.execute(f"SET temp_directory = {sql_literal(f'{out}.tmp')}")
        try:
            notes = (*of_paths, *restrict_connection(duckdb, connection, sql, paths))
            described = connection.execute(f"DESCRIBE {sql}").fetchall()
            names = [str(row[0]).strip() for row in described]
            check_names(names, _SOURCE)
            made_from = _digest(
                sql, [*(paths or ()), *referenced_paths(connection, sql)], described
            )
            if _made_from(out) == made_from:
                return notes
            if _is_foreign(out):
                raise FileError(
                    f"{str(out)!r} exists already, and is no result of a query; expected a name at "
                    "which this result can be written; move that file, or name another store"
                )
            kinds = [kind_of_type(str(row[1]).upper()) for row in described]
            aliases = [f"c{i}" for i in range(len(names))]
            view = f"deltarule_rows({', '.join(aliases)})"
            connection.execute(f"CREATE TEMP VIEW {view} AS {sql}")
            cells = ", ".join(
                f"CAST({a} AS {kind}) AS {a}" if kind else a
                for a, kind in zip(aliases, kinds, strict=True)
            )
            batches = connection.record_batches(f"SELECT {cells} FROM deltarule_rows", _ROWS)
            n_rows = _write(batches, out, names, made_from, show)
        except duckdb.Error as error:
            raise sql_error(error, sql, paths is not None) from None
    if not n_rows:
        out.unlink()
        raise DataError(f"{_SOURCE} has no rows; expected at least one row")
    return notes


def _paths(
    source: str | os.PathLike[str], sql: str, reading: Mapping[str, Any]
) -> tuple[Sequence[Path], tuple[str, ...]]:
    """The files of one kind that DuckDB reads, and what a pattern stands for."""
    text = checked_source(source)
    found = None if is_stdin(text) else find_files(text)
    paths = () if found is None else found.paths
    suffixes = {path.suffix.lower() for path in paths}
    if not paths or suffixes & set(SQLITE) or len(suffixes) > 1:
        what = "standard input" if not paths else f"{', '.join(sorted(suffixes))} files"
        raise InputError(
            Message(Parameter("sql", sql), f" was given for {what}, with ", Parameter("memory")),
            parameter=("sql", "memory"),
            expected="text, JSON or Parquet files of one kind, which DuckDB reads",
            hint="write the result to a table or file of its own first",
        )
    for path in paths:
        check_file(path)
    given = {name: reading.get(name) for name in ("delimiter", "encoding", "comment", "names")}
    refuse_with_sql(paths, FileFormat.of(skip=reading.get("skip", 0), **given))
    return paths, () if found is None else found.notes()


def _digest(sql: str, paths: Sequence[Path], described: Sequence[Any]) -> str:
    """What stands for a query and the files that it reads."""
    stats = [(str(path.resolve()), path.stat()) for path in paths]
    files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(json.dumps([sql, files, described], default=str).encode()).hexdigest()


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
