"""Sources with typed columns: Parquet files, SQL over files.

Numbers stay numbers and text stays text. A truth value becomes ``"true"`` or
``"false"``; dates and times become days since 1970-01-01; columns of lists,
structures or bytes are refused, with their names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deltarule.errors import DataError, Message, Parameter
from deltarule.tables.cells import (
    clean_text,
    is_rounded,
    mask_tokens,
)
from deltarule.tables.column_values import as_texts
from deltarule.tables.duckdb_connection import (
    connect,
    fetch_texts,
    file_literal,
    masked_to_float,
    masked_to_text,
)
from deltarule.tables.duckdb_guard import restrict_connection
from deltarule.tables.memory import check_fits, check_unpacked, memory_limit
from deltarule.tables.table import (
    Cells,
    Table,
    bad_sql,
    check_names,
    close_match,
    count_noun,
    join_items,
)
from deltarule.tables.text_column import TextColumn
from deltarule.tables.unreadable_columns import UnreadableColumn

__all__ = [
    "check_parquet_memory",
    "check_rows",
    "check_sql",
    "chosen_table",
    "fetch_table",
    "first_line",
    "kind_of_type",
    "read_parquet",
    "read_sql",
    "sql_error",
]

_COLUMNS_AT_ONCE = 4
_NUMBERS = re.compile(
    r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)|VARINT|BIGNUM"
)
_EXACT = re.compile(r"U?(BIG|HUGE)INT|DECIMAL\(.*\)|VARINT|BIGNUM")
_DATES = re.compile(r"DATE|TIMESTAMP.*")


def check_parquet_memory(paths: Sequence[Path], max_memory: float | None = None) -> None:
    """Refuse Parquet files that would take too much memory as a table, from their metadata.

    A row takes 8 bytes a number and 4 bytes a text, and the texts what they unpack to.

    Parameters
    ----------
    paths : sequence of Path
        Those that do not end in ``.parquet``, or are no Parquet files, are not looked at.
    max_memory : float, optional
        In GB (10⁹ bytes); three quarters of the memory that is free unless given.

    Raises
    ------
    InputError
        If ``max_memory`` is not above 0.
    DataError
        If the table would take more than that.
    """
    memory_limit(max_memory)  # is checked for any files
    paths = [path for path in paths if path.suffix.lower() == ".parquet"]
    if paths:
        duckdb, connection = connect(threads=1)
        with connection:
            _check_memory(paths, max_memory, duckdb, connection)


def _check_memory(
    paths: Sequence[Path], max_memory: float | None, duckdb: Any, connection: Any
) -> None:
    n_rows, n_bytes, packed = 0, 0.0, 0
    for path in paths:
        try:
            found = connection.execute(
                "SELECT coalesce(max(n), 0), coalesce(sum(if(is_text, 4 * n + b, 8 * n)), 0) "
                "FROM (SELECT column_id, sum(num_values) AS n, sum(total_uncompressed_size) "
                "AS b, bool_or(type LIKE '%BYTE_ARRAY') AS is_text FROM "
                f"parquet_metadata({file_literal(path)}) GROUP BY column_id)"
            ).fetchone()
        except duckdb.Error:  # not a Parquet file: reading it raises the error
            continue
        n_rows, n_bytes = n_rows + int(found[0]), n_bytes + float(found[1])
        packed += path.stat().st_size
    what = paths[0].name if len(paths) == 1 else f"{len(paths)} Parquet files"
    check_unpacked(what, n_bytes, packed, max_memory)
    check_fits(
        what,
        n_bytes,
        f"({n_rows:,} rows)",
        max_memory,
        "choose rows or columns with ",
        Parameter("sql"),
        ", or raise the limit with ",
        Parameter("max_memory"),
    )


def read_parquet(
    path: Path,
    tokens: tuple[str, ...],
    texts: Collection[str] = (),
    max_memory: float | None = None,
) -> Table:
    """One Parquet file as a table, with the cells of the columns ``texts`` as texts.

    Raises
    ------
    DataError
        If it is no Parquet file, holds nested columns, has no rows, or would take more than
        ``max_memory`` GB, as for :func:`check_parquet_memory`.
    """
    duckdb, connection = connect(threads=1)  # which takes longer than to read a small file
    with connection:
        _check_memory([path], max_memory, duckdb, connection)
        try:
            rows = connection.execute(
                f"SELECT name, coalesce(num_children, 0) FROM parquet_schema({file_literal(path)})"
            ).fetchall()
            names = _top_level_names(rows)
            check_names(names, path.name)
            # A folder called "year=2020" is no column of the file.
            query = f"SELECT * FROM read_parquet({file_literal(path)}, hive_partitioning=false)"
            return fetch_table(connection, query, path.name, tokens, names, texts, repeatable=True)
        except duckdb.Error as error:
            raise DataError(
                f"{path.name} is no readable Parquet file ({first_line(error)}); expected a "
                "Parquet file; was it copied in full?"
            ) from None


def _top_level_names(rows: list[tuple[str, int]]) -> list[str]:
    """The columns' own names: DuckDB renames "A" to "A_1" beside a column "a".

    A Parquet schema lists its tree depth first; the first row is the root.
    """
    names: list[str] = []
    at = 1
    while at < len(rows):
        names.append(rows[at][0])
        pending = 1
        while pending:
            pending += rows[at][1] - 1
            at += 1
    return names


def read_sql(
    paths: Sequence[Path] | None,
    sql: str,
    tokens: tuple[str, ...],
    texts: Collection[str] = (),
) -> Table:
    """The result of one SELECT over files, run by DuckDB in this process.

    Parameters
    ----------
    paths : sequence of Path or None
        The files, of one kind, that the query sees under the name ``data``.
        Its types are DuckDB's reading of the whole files.
    sql : str
        One SELECT statement. It may name files itself: ``FROM 'sales.parquet'``.
        What it may reach is in :func:`~deltarule.tables.duckdb_guard.restrict_connection`.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.

    Raises
    ------
    DataError
        If it is not one SELECT, reaches for what was not named, fails, or gives nested
        columns or no rows.
    FileError
        If a file that it names is not there.
    """
    check_sql(sql)
    duckdb, connection = connect()
    with connection:
        try:
            notes = restrict_connection(duckdb, connection, sql, paths)
            read = fetch_table(connection, sql, "the SQL result", tokens, texts=texts)
            return replace(read, notes=notes)
        except duckdb.Error as error:
            raise sql_error(error, sql, paths is not None) from None


def sql_error(error: Exception, sql: str, has_data: bool) -> DataError:
    """Return the error of a statement that DuckDB could not run; has_data: files were given."""
    hint = "correct the statement"
    if "extension" in str(error).lower():
        hint = (
            "deltarule downloads no DuckDB extension and loads none: copy the data to a "
            "Parquet file"
        )
    elif "disabled by configuration" in str(error) or "been locked" in str(error):
        hint = "only DATA, and files named as tables in FROM 'a.parquet', can be read"
    elif not has_data and "Table with name data" in str(error):
        hint = "give the file too: it is then the table 'data'"
    return bad_sql(f": {first_line(error)}", sql, "a SELECT that DuckDB can run", hint)


def kind_of_type(type_: str) -> str | None:
    """The type of DuckDB that columns of a type are written to a file as; None for the same.

    Examples
    --------
    >>> kind_of_type("HUGEINT"), kind_of_type("UUID"), kind_of_type("DOUBLE")
    ('DOUBLE', 'VARCHAR', None)
    """
    if type_.startswith(("HUGEINT", "UHUGEINT", "VARINT", "BIGNUM")):
        return "DOUBLE"
    return "VARCHAR" if type_.startswith(("UUID", "ENUM", "TIME ", '"NULL"')) else None


def check_sql(sql: str) -> None:
    """Refuse SQL that is empty, or that is not text in UTF-8."""
    if not isinstance(sql, str) or not sql.strip():
        raise bad_sql(f" is {sql!r}", sql)
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise bad_sql(f" is {sql!r}, which is not text in UTF-8", sql, "one SELECT") from None
    if "\0" in sql:
        raise bad_sql(f" is {sql!r}, which holds a NUL character", sql, "one SELECT")


def fetch_table(
    connection: Any,
    query: str,
    source: str,
    tokens: tuple[str, ...],
    names: list[str] | None = None,
    texts: Collection[str] = (),
    repeatable: bool = False,
) -> Table:
    """The result of a query; where it gives the same rows each time, its texts as codes."""
    described = connection.execute(f"DESCRIBE {query}").fetchall()
    names = [row[0] for row in described] if names is None else names
    types = [str(row[1]).upper() for row in described]
    names = [name.strip() for name in names]
    check_names(names, source)
    aliases = [f"c{i}" for i in range(len(names))]
    # Views take the columns by our own names, where a subquery would stumble over a final comment.
    connection.execute(f"CREATE TEMP VIEW deltarule_rows({', '.join(aliases)}) AS {query}")
    big = _rounded_columns(connection, aliases, types)
    wanted: dict[str, str] = {}
    kinds: dict[str, str] = {}
    unreadable: dict[str, UnreadableColumn] = {}
    for i, (name, type_) in enumerate(zip(names, types, strict=True)):
        if _NUMBERS.fullmatch(type_):
            exact = f"c{i}" in big or (name in texts and _EXACT.fullmatch(type_))
            wanted[f"c{i}"] = f"CAST(c{i} AS {'VARCHAR' if exact else 'DOUBLE'})"
        elif _DATES.fullmatch(type_) and name not in texts:
            wanted[f"c{i}"] = f"epoch_us(c{i}) / 86400e6"
            kinds[name] = "date"
        elif type_.startswith(("VARCHAR", "UUID", "ENUM", "BOOLEAN", "DATE", "TIME", '"NULL"')):
            wanted[f"c{i}"] = f"CAST(c{i} AS VARCHAR)"
            if type_.startswith(("ENUM", "UUID")):
                kinds[name] = "category"
        else:
            what = f" is of type {described[i][1]}"
            unreadable[name] = UnreadableColumn(source, name, what)
    if not wanted:
        raise next(iter(unreadable.values()))
    is_text = dict.fromkeys(a for a, cell in wanted.items() if "VARCHAR" in cell)
    cells = ", ".join(f"{cell} AS {a}" for a, cell in wanted.items())
    connection.execute(f"CREATE TEMP VIEW deltarule_cells AS SELECT {cells} FROM deltarule_rows")
    by_code = list(is_text) if repeatable else []
    fetched = [a for a in wanted if a not in by_code]
    found: dict[str, Cells] = {}
    # A few columns at a time, where that is possible, since DuckDB holds all that it fetches twice.
    at_once = _COLUMNS_AT_ONCE if repeatable else len(wanted)
    for first in range(0, len(fetched), at_once):
        part = fetched[first : first + at_once]
        arrays = connection.execute(f"SELECT {', '.join(part)} FROM deltarule_cells").fetchnumpy()
        for a in part:
            column = arrays.pop(a)
            found[a] = masked_to_text(column) if a in is_text else masked_to_float(column)
    found |= fetch_texts(connection, "deltarule_cells", by_code)
    columns: dict[str, Cells] = {}
    for name, a in zip(names, aliases, strict=True):
        if a not in wanted:
            continue
        column = as_texts(found[a]) if name in texts else found[a]
        if isinstance(column, TextColumn):
            columns[name] = clean_text(column, ("",) if name in texts else tokens)
        else:
            columns[name] = mask_tokens(column, tokens)
    check_rows(source, names, len(next(iter(columns.values()))))
    return Table(
        tuple(columns), columns, source=source, kinds=kinds, na=tokens, unreadable=unreadable
    )


def check_rows(source: str, names: list[str], n_rows: int) -> None:
    """Refuse a table or result of no rows."""
    if n_rows == 0:
        raise DataError(
            f"{source} has {count_noun(len(names), 'column')} ({join_items(names, 8)}) and no "
            "rows; expected at least one row"
        )


def _rounded_columns(connection: Any, aliases: list[str], types: list[str]) -> set[str]:
    """The columns of exact numbers of which float64 would round some beyond 2⁵³."""
    exact = [a for a, type_ in zip(aliases, types, strict=True) if _EXACT.fullmatch(type_)]
    if not exact:
        return set()
    ends = ", ".join(f"min({a}), max({a})" for a in exact)
    found = connection.execute(f"SELECT {ends} FROM deltarule_rows").fetchone()
    return {a for i, a in enumerate(exact) if is_rounded(found[2 * i], found[2 * i + 1])}


def chosen_table(known: Sequence[str], source: str, table: str | None) -> str:
    """The name of the table that is asked for, or of the only one.

    Raises
    ------
    DataError
        If there is no such table, or several and none is asked for.
    """
    if table is None and len(known) == 1:
        return known[0]
    if table is None:
        raise DataError(
            f"{source} holds {count_noun(len(known), 'table')}: {join_items(known) or 'none'}",
            parameter="table",
            expected="the name of one",
            hint=Message(
                "give ", Parameter("table", keyword=True), " or ", Parameter("sql", keyword=True)
            ),
        )
    if table not in known:
        match = close_match(table, known)
        hint = f"did you mean {match!r}? " if match else ""
        raise DataError(
            f"{source} has no table {table!r}",
            parameter="table",
            given=table,
            hint=f"{hint}its tables are: {join_items(known) or 'none'}",
        )
    return table


def first_line(error: Exception) -> str:
    """The first paragraph of what DuckDB says, on one line."""
    text = " ".join(str(error).split("\n\n")[0].split())
    # DuckDB's hint may name internal tables, which would mislead.
    return re.sub(r' Did you mean "pg_\w+"\?', "", text)
