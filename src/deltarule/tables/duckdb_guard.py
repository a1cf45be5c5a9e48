"""Restriction of DuckDB to one SELECT over the files that the caller named.

There are two independent checks. Files and functions that the statement uses are read from
DuckDB's own parse tree, and refused where they are not allowed. Then DuckDB's configuration
denies access to any other file, and is locked before the statement runs.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import DataError, Message, Parameter
from deltarule.tables.addresses import is_url
from deltarule.tables.duckdb_connection import file_literal, sql_literal
from deltarule.tables.paths import (
    DATABASES,
    JSON,
    TEXT,
    FileMatch,
    check_file,
    find_files,
    resolve_home,
)
from deltarule.tables.table import bad_sql

__all__ = ["lock_connection", "referenced_paths", "restrict_connection"]

_FILES = (*TEXT, *JSON, ".parquet")
_READERS = {
    "read_csv",
    "read_csv_auto",
    "read_json",
    "read_json_auto",
    "read_ndjson",
    "read_ndjson_auto",
    "read_parquet",
    "parquet_scan",
}
# Table functions that generate rows from their arguments alone.
_GENERATORS = {
    "generate_series",
    "json_each",
    "json_tree",
    "range",
    "repeat",
    "repeat_row",
    "unnest",
}
# These functions, which some builds of DuckDB have, reveal data that is in no table.
_REFUSED = {"getenv", "write_log"}
_ALLOWED = (
    "one SELECT over DATA, which is its table data, and over files that it names as "
    "tables, as in FROM 'a.parquet'"
)


def restrict_connection(
    duckdb: Any,
    connection: Any,
    sql: str,
    data: Sequence[Path] | None,
    tables: Collection[str] = (),
) -> tuple[str, ...]:
    """Check a statement, and restrict the connection to the files that it may read.

    Parameters
    ----------
    duckdb, connection
        From :func:`~deltarule.tables.duckdb_connection.connect`, before any statement was run.
    sql : str
        The statement.
    data : sequence of Path or None
        The files that it sees as the table ``data``.
    tables : collection of str
        The tables of a database that it sees, also where one has the name of a file.

    Returns
    -------
    tuple of str
        What patterns in the statement stand for.

    Raises
    ------
    DataError
        If it is not one SELECT, or reaches for what was not named.
    FileError
        If a file that it names is not there.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        if len(statements) == 1:
            raise bad_sql(f" is no SELECT: {sql!r}", sql)
        raise bad_sql(
            f" holds {len(statements)} statements: {sql!r}",
            sql,
            "one SELECT",
            "keep the statement that gives the rows",
        )
    allowed = [os.path.abspath(path) for path in data or ()]  # noqa: PTH100  as DuckDB sees it
    views = [] if data is None else [("data", list(data))]
    notes: list[str] = []
    # A list, since the views below are known to DuckDB's parser as well.
    for name, by_function in list(_referenced_files(connection, sql)):
        if name in tables and not by_function:
            continue
        found = _check_reference(name, by_function, data, sql)
        paths = list(found.paths)
        notes += found.notes()
        allowed += [os.path.abspath(path) for path in paths]  # noqa: PTH100
        if by_function:
            allowed.append(os.path.abspath(resolve_home(name)))  # noqa: PTH100  a pattern is checked as one too
        elif glob.has_magic(name) or name.startswith("~") or "\\" in name:
            # A view of that name takes precedence over DuckDB's own resolution of file names.
            views.append((name, paths))
    literals = {file_literal(path) for _, paths in views for path in paths}
    allowed_list = ", ".join(sorted({*map(sql_literal, allowed), *literals}))
    if allowed:
        connection.execute(f"SET allowed_paths = [{allowed_list}]")
    lock_connection(connection)
    for name, paths in views:
        identifier = '"' + name.replace('"', '""') + '"'
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {identifier} AS FROM {_reader_call(paths)}"
        )
    return tuple(dict.fromkeys(notes))


def lock_connection(connection: Any) -> None:
    """Let a connection open no more files than it was allowed to, and change no setting."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _reader_call(paths: Sequence[Path]) -> str:
    files = f"[{', '.join(map(file_literal, paths))}]"
    # The folder of one file, "year=2020", is no column of it.
    options = ", hive_partitioning=false" if len(paths) == 1 else ""
    suffix = paths[0].suffix.lower()
    if suffix == ".parquet":
        return f"read_parquet({files}{options})"
    # All rows are looked at before a type is chosen, not only the first ones.
    reader = "read_json" if suffix in JSON else "read_csv"
    return f"{reader}({files}, sample_size=-1{options})"


def _check_reference(
    name: str, by_function: bool, data: Sequence[Path] | None, sql: str
) -> FileMatch:
    """The files that a name in the statement stands for."""
    if is_url(name):
        raise bad_sql(
            f" names {name!r}, which is an address",
            sql,
            "files on this machine",
            "deltarule downloads no DuckDB extension and no file: download it, and give its path",
        )
    found = find_files(name)
    given = {os.path.realpath(path) for path in data or ()}
    if by_function and data is not None:
        if not {os.path.realpath(path) for path in found.paths} <= given:
            raise bad_sql(
                f" reads {name!r} by a function, and DATA was given",
                sql,
                _ALLOWED,
                f"write FROM {sql_literal(name)}, or leave DATA out",
            )
    elif by_function and not found.is_pattern and glob.has_magic(name):
        raise bad_sql(
            f" reads {name!r} by a function, to which this name is a pattern, and a file has it",
            sql,
            _ALLOWED,
            f"write FROM {sql_literal(name)}, or give it as DATA",
        )
    for path in found.paths:
        check_file(path)
        if path.suffix.lower() in DATABASES:
            raise bad_sql(f" names the database {name!r}", sql, _ALLOWED, "give it as DATA")
    if len({path.suffix.lower() for path in found.paths}) > 1:
        raise DataError(
            Message(f"{name!r} in ", Parameter("sql"), " stands for files of several kinds"),
            parameter="sql",
            given=sql,
            expected="one kind",
            hint="make the pattern narrower",
        )
    return found


def referenced_paths(connection: Any, sql: str) -> list[Path]:
    """The files that a SELECT names, once the connection was restricted to them."""
    names = [name for name, _ in _referenced_files(connection, sql)]
    return [path for name in names for path in find_files(name).paths]


def _referenced_files(connection: Any, sql: str) -> Iterator[tuple[str, bool]]:
    """The files that a SELECT names, and whether it is by a function.

    Raises
    ------
    DataError
        If it calls a function that is not allowed.
    """
    answer = connection.execute("SELECT json_serialize_sql(CAST($1 AS VARCHAR))", [sql]).fetchone()
    tree = json.loads(answer[0])
    # A statement that DuckDB cannot serialise names no file that would be allowed.
    pending = [] if tree.get("error") else [tree]
    while pending:
        each = pending.pop()
        if isinstance(each, list):
            pending += each
            continue
        if not isinstance(each, dict):
            continue
        pending += each.values()
        if each.get("type") == "BASE_TABLE":
            name = each.get("table_name") or ""
            if name.lower().endswith((*_FILES, *DATABASES)) or is_url(name):
                yield name, False
        elif each.get("type") == "TABLE_FUNCTION":
            for name in _file_arguments(each.get("function") or {}, sql):
                yield name, True
        elif each.get("class") == "FUNCTION":
            called = str(each.get("function_name", "")).lower()
            if called in _REFUSED:
                raise bad_sql(f" calls {called}()", sql, _ALLOWED, "leave the call out")


def _file_arguments(function: dict[str, Any], sql: str) -> list[str]:
    """The files that a table function is to read; none of one that makes rows by itself."""
    called = str(function.get("function_name", "")).lower()
    if called in _GENERATORS:
        return []
    if called not in _READERS:
        raise bad_sql(
            f" calls the table function {called}()",
            sql,
            _ALLOWED,
            f"of table functions, {', '.join(sorted(_GENERATORS))} can be used, and without DATA "
            "read_csv, read_json and read_parquet",
        )
    # Before version 2, DuckDB's key is "children".
    arguments = function.get("arguments") or function.get("children") or [{}]
    first = arguments[0].get("expression") or arguments[0]
    parts = [first]
    if str(first.get("function_name", "")).lower() == "list_value":
        parts = first.get("arguments") or first.get("children") or []
    names = [_constant_text(part.get("expression") or part) for part in parts]
    if not names or None in names:
        raise bad_sql(
            f" gives {called}() a path that is computed",
            sql,
            _ALLOWED,
            "write the path out, as a text in quotes",
        )
    return [name for name in names if name is not None]


def _constant_text(expression: dict[str, Any]) -> str | None:
    """A constant text; None if it is anything else."""
    found = expression.get("literal") or expression.get("value") or {}
    text = found.get("text", found.get("value")) if isinstance(found, dict) else None
    return text if expression.get("class") == "CONSTANT" and isinstance(text, str) else None
