"""Comma-, tab-, semicolon- and bar-separated files, parsed by DuckDB under guard.

DuckDB reads in parallel and turns text into numbers many times faster than Python
does, but it guesses. So it is told the names, the delimiter and that everything is
text, and :mod:`deltarule.tables.text_header` has settled the rest. Python's own csv
module gives the line of a fault, and reads the files DuckDB is no good for: those of
hundreds of columns (DuckDB plans each one) and those that mix line endings.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError
from deltarule.tables.cells import clean_text, mask_tokens, object_array
from deltarule.tables.duckdb_connection import (
    connect,
    file_literal,
    is_ambiguous_path,
    masked_to_float,
    masked_to_object,
    sql_literal,
)
from deltarule.tables.table import Table
from deltarule.tables.text_header import Header, csv_error_message, read_header, scan_file

__all__ = ["read_text"]

# Above, DuckDB spends longer on planning than Python's csv does on reading.
_DUCK_COLUMNS = 300
# A number column of more distinct values than this is kept as numbers. Below, the
# text stays, so that a label reads as it was written ("1", "01", "1.0").
_MAX_LABELS = 1000
# No cell means missing to DuckDB. Were it the empty text, as by default, an empty
# field too many at the end of a row would be dropped without a word.
_NULL_MARK = "\x01deltarule\x01"


def read_text(path: Path, tokens: tuple[str, ...], delimiter: str | None = None) -> Table:
    """One text file as a table.

    Parameters
    ----------
    path : Path
        The file, with a header.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.
    delimiter : str, optional
        As :func:`~deltarule.tables.text_header.read_header` takes it.

    Raises
    ------
    FileError
        If the file cannot be read.
    DataError
        If it is no well-formed table, with the line.
    """
    n_lines = scan_file(path)
    header = read_header(path, delimiter)
    columns: list[NDArray[Any]] | None = None
    lines: NDArray[np.int64] | None = None
    # DuckDB finds no row below a header that is not one first line, where line breaks are mixed.
    by_duckdb = len(header.names) <= _DUCK_COLUMNS and header.last_line == 1
    if by_duckdb and not is_ambiguous_path(path):
        columns = _parse_with_duckdb(path, header, tokens)
    if columns is None:
        columns, lines = _parse_with_csv(path, header, tokens)
    n_rows = len(columns[0])
    if lines is None and n_lines - header.last_line == n_rows:
        # As many lines as rows: none is blank, and no field holds a line break.
        lines = np.arange(header.last_line + 1, n_lines + 1)
    elif lines is None:
        lines = _line_numbers(path, header)
    known = len(lines) == n_rows
    return Table(
        header.names,
        dict(zip(header.names, columns, strict=True)),
        source=path.name,
        lines=lines if known else np.arange(1, n_rows + 1),
        line_word="line" if known else "row",
        na=tokens,
    )


def _parse_with_duckdb(
    path: Path, header: Header, tokens: tuple[str, ...]
) -> list[NDArray[Any]] | None:
    """The columns, or None if DuckDB refuses a file that Python's csv finds well-formed."""
    duckdb, connection = connect()
    n = len(header.names)
    # Names of our own: DuckDB takes "a" and "A" for the same column.
    types = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(n))
    options = (
        f"delim={sql_literal(header.delimiter)}, quote='\"', escape='\"', header=true, "
        f"auto_detect=false, columns={{{types}}}, skip={header.first_line - 1}, "
        f"nullstr={sql_literal(_NULL_MARK)}, "
        "null_padding=false, strict_mode=true, ignore_errors=false"
    )
    with connection:
        try:
            connection.execute(
                f"CREATE TEMP TABLE t AS SELECT * FROM read_csv({file_literal(path)}, {options})"
            )
        except duckdb.Error:
            _line_numbers(path, header)  # raises, with the line, if the file is at fault
            return None
        numeric = _numeric_columns(connection, n, tokens)
        wanted = ", ".join(
            f"try_cast(c{i} AS DOUBLE) AS c{i}" if numeric[i] else f"c{i}" for i in range(n)
        )
        arrays = connection.execute(f"SELECT {wanted} FROM t").fetchnumpy()
    columns: list[NDArray[Any]] = []
    for i in range(n):
        column = arrays[f"c{i}"]
        if numeric[i]:
            columns.append(mask_tokens(masked_to_float(column), tokens))
        else:
            columns.append(clean_text(masked_to_object(column), tokens))
    return columns


def _numeric_columns(connection: Any, n: int, tokens: tuple[str, ...]) -> list[bool]:
    """Which columns are numbers throughout, and of too many values to be labels.

    They would become numbers anyway; DuckDB does it many times faster. Anything in doubt
    stays text: a cell that is neither number nor missing, infinite, written with an
    underscore or a leading zero, or an integer too long for a float64.
    """
    missing = ", ".join(sql_literal(token) for token in tokens)
    tests = ", ".join(
        f"approx_count_distinct(c{i}) > {_MAX_LABELS} AND coalesce(bool_and("
        f"CASE WHEN try_cast(c{i} AS DOUBLE) IS NULL "
        f"THEN c{i} IS NULL OR lower(trim(c{i})) IN ({missing}) "
        f"ELSE isfinite(try_cast(c{i} AS DOUBLE)) AND NOT contains(c{i}, '_') "
        f"AND NOT (length(c{i}) > 1 AND c{i}[1] = '0' AND c{i}[2] BETWEEN '0' AND '9') "
        f"AND (length(c{i}) <= 15 OR contains(c{i}, '.')) END), false)"
        for i in range(n)
    )
    row = connection.execute(f"SELECT {tests} FROM t").fetchone()
    return [bool(cell) for cell in row]


def _csv_records(path: Path, header: Header) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with its first line; ragged ones are refused."""
    expected = len(header.names)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=header.delimiter, strict=True, skipinitialspace=True)
        line = 1
        try:
            for row in reader:
                first, line = line, reader.line_num + 1
                if first <= header.last_line or (not row and expected > 1):
                    continue
                if len(row) != expected and row:
                    raise _field_count_error(path.name, first, row, header)
                yield first, row or [""]
        except csv.Error as error:
            raise DataError(csv_error_message(path.name, line, error)) from None


def _field_count_error(name: str, line: int, row: list[str], header: Header) -> DataError:
    found = "1 field" if len(row) == 1 else f"{len(row)} fields"
    expected = len(header.names)
    if len(row) == expected + 1 and not row[-1]:
        advice = f"the row ends in {header.delimiter!r}: remove it, or name one more column"
    elif len(row) > expected:
        advice = f"put a field that holds {header.delimiter!r} in double quotes"
    else:
        advice = "add the missing fields (leave them empty where unknown)"
    return DataError(
        f"{name}, line {line}: {found}; expected {expected}, as in the header; {advice}"
    )


def _line_numbers(path: Path, header: Header) -> NDArray[np.int64]:
    return np.fromiter((line for line, _ in _csv_records(path, header)), dtype=np.int64)


def _parse_with_csv(
    path: Path, header: Header, tokens: tuple[str, ...]
) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    lines: list[int] = []
    rows: list[list[str]] = []
    for line, row in _csv_records(path, header):
        lines.append(line)
        rows.append(row)
    cells = list(zip(*rows, strict=True))
    columns: list[NDArray[Any]] = []
    for column in cells:
        columns.append(clean_text(object_array(list(column)), tokens))
    return columns, np.array(lines, dtype=np.int64)
