"""Comma-, tab-, semicolon- and bar-separated files, parsed by DuckDB.

DuckDB reads in parallel and turns text into numbers many times faster than Python
does, but it guesses types and dialects. So it is given the names, the delimiter and the type
text, and :mod:`deltarule.tables.text_header` has settled the rest. Python's own csv
module finds the line of an error, and reads the files that DuckDB cannot read well: those with
hundreds of columns (DuckDB plans each one) and those with mixed line endings.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError
from deltarule.tables.cells import clean_text, is_zero_padded, mask_tokens, parse_number
from deltarule.tables.column_values import as_numbers
from deltarule.tables.duckdb_connection import (
    Connection,
    connect,
    create_text_type,
    fetch_texts,
    file_literal,
    is_ambiguous_path,
    masked_to_float,
    masked_to_text,
    sql_literal,
    text_code,
)
from deltarule.tables.table import Cells, Table
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_header import Header, csv_error_message, read_header, scan_file

__all__ = ["read_text"]

# Above, DuckDB spends longer on planning than Python's csv does on reading.
_DUCK_COLUMNS = 300
# A number column of more distinct values than this is kept as numbers. Below, the
# text stays, so that a label reads as it was written ("1", "01", "1.0").
_MAX_LABELS = 1000
# The first rows, by which a column's representation is chosen; rows in a chunk of Python's csv.
_SAMPLE_ROWS = 20_000
# No cell means missing to DuckDB. Were it the empty text, as by default, an empty
# field too many at the end of a row would be dropped without a word.
_NULL_MARK = "\x01deltarule\x01"


def read_text(
    path: Path,
    tokens: tuple[str, ...],
    delimiter: str | None = None,
    keep_text: Callable[[str], bool] | None = None,
) -> Table:
    """One text file as a table.

    Parameters
    ----------
    path : Path
        The file, with a header.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.
    delimiter : str, optional
        As :func:`~deltarule.tables.text_header.read_header` takes it.
    keep_text : callable, optional
        Whether the column of a name stays text, since its numbers have no decimal point.

    Raises
    ------
    FileError
        If the file cannot be read.
    DataError
        If it is no well-formed table, with the line.
    """
    n_lines = scan_file(path)
    header = read_header(path, delimiter)
    columns: list[Cells] | None = None
    lines: NDArray[np.int64] | None = None
    # DuckDB finds no row below a header that is not one first line, where line breaks are mixed.
    by_duckdb = len(header.names) <= _DUCK_COLUMNS and header.last_line == 1
    if by_duckdb and not is_ambiguous_path(path):
        names = enumerate(header.names)
        kept = {f"c{i}" for i, name in names if keep_text is not None and keep_text(name)}
        columns = _parse_with_duckdb(path, header, tokens, kept)
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
        parsed=frozenset(
            name
            for name, column in zip(header.names, columns, strict=True)
            if not isinstance(column, TextColumn)
        ),
    )


def _parse_with_duckdb(
    path: Path, header: Header, tokens: tuple[str, ...], kept: Collection[str]
) -> list[Cells] | None:
    """The columns, or None if DuckDB refuses a file that Python's csv finds well-formed.

    The first rows decide which columns are read as numbers, and which as codes into the texts
    found in them; one pass over the file then fetches all columns. Columns of which a later cell
    is no number, or a text that the first rows do not hold, are read again by themselves.
    """
    duckdb, connection = connect(threads=1)
    # Own names, since DuckDB takes "a" and "A" for the same column.
    aliases = [f"c{i}" for i in range(len(header.names))]
    types = ", ".join(f"'{alias}': 'VARCHAR'" for alias in aliases)
    rows = (
        f"read_csv({file_literal(path)}, delim={sql_literal(header.delimiter)}, quote='\"', "
        f"escape='\"', header=true, auto_detect=false, columns={{{types}}}, "
        f"skip={header.first_line - 1}, nullstr={sql_literal(_NULL_MARK)}, "
        "null_padding=false, strict_mode=true, ignore_errors=false)"
    )
    with connection:
        try:
            arrays = connection.execute(f"SELECT * FROM {rows} LIMIT {_SAMPLE_ROWS}").fetchnumpy()
            columns: dict[str, Cells] = {
                alias: masked_to_text(arrays.pop(alias)) for alias in aliases
            }
            if len(columns["c0"]) == _SAMPLE_ROWS:
                columns = _read_columns(connection, rows, columns, tokens, kept)
        except duckdb.Error:
            _line_numbers(path, header)  # raises, with the line, if the file is at fault
            return None
    return [_clean_column(columns[alias], tokens, alias in kept) for alias in aliases]


def _read_columns(
    connection: Connection,
    rows: str,
    sample: Mapping[str, Cells],
    tokens: tuple[str, ...],
    kept: Collection[str],
) -> dict[str, Cells]:
    """All columns of ``rows``, by what the sample of the first rows holds."""
    wanted: dict[str, str] = {}
    texts: dict[str, Sequence[str]] = {}
    rescanned = []
    for alias, column in sample.items():
        assert isinstance(column, TextColumn)
        if alias not in kept and _is_plain_numbers(column, tokens):
            wanted[alias] = _number_expression(alias, tokens)
        elif len(column.texts) <= _SAMPLE_ROWS // 4:
            texts[alias] = column.texts
            create_text_type(connection, alias, map(sql_literal, column.texts))
            wanted[alias] = text_code(alias)
        else:
            wanted[alias] = f"strlen({alias})"  # read, so that a ragged row is an error
            rescanned.append(alias)
    arrays = connection.execute(
        f"SELECT {', '.join(f'{wanted[alias]} AS {alias}' for alias in sample)} FROM {rows}"
    ).fetchnumpy()
    columns: dict[str, Cells] = {}
    for alias in sample:
        fetched = arrays.pop(alias)
        if alias in rescanned:
            continue
        missing = np.ma.getmaskarray(fetched)
        if alias in texts and not missing.any():  # no cell is NULL, only texts of no code
            columns[alias] = TextColumn(np.ma.getdata(fetched), texts[alias])
        elif alias not in texts and np.isfinite(np.ma.getdata(fetched)[~missing]).all():
            columns[alias] = masked_to_float(fetched)
        else:
            rescanned.append(alias)
    return columns | fetch_texts(connection, rows, rescanned)


def _clean_column(column: Cells, tokens: tuple[str, ...], is_text: bool) -> Cells:
    """A column without missing tokens; as numbers if it is plain numbers throughout."""
    if not isinstance(column, TextColumn):
        return mask_tokens(column, tokens)
    if not is_text and _is_plain_numbers(column, tokens):
        return mask_tokens(as_numbers(clean_text(column, tokens))[0], tokens)
    return clean_text(column, tokens)


def _is_plain_numbers(column: TextColumn, tokens: tuple[str, ...]) -> bool:
    """Whether a column is numbers throughout, and of too many values to be labels.

    Anything in doubt stays text: a cell that is neither number nor missing, infinite, written
    with a leading zero, or an integer too long for a float64.
    """
    return len(column.texts) > _MAX_LABELS and all(
        text.strip().lower() in tokens
        or (
            parse_number(text) is not None
            and not is_zero_padded(text.strip())
            and (len(text) <= 15 or "." in text)
        )
        for text in column.texts
    )


def _number_expression(cell: str, tokens: tuple[str, ...]) -> str:
    """SQL for a cell by the rule of :func:`_is_plain_numbers`.

    NULL is a missing cell, and infinity one that is no plain number. A text from "00" up to, but
    without, "0:" begins with a zero and a digit.
    """
    missing = ", ".join(map(sql_literal, tokens))
    unsigned = f"ltrim({cell}, ' +-')"
    return (
        f"CASE WHEN contains({cell}, '_') OR ({unsigned} >= '00' AND {unsigned} < '0:') "
        f"OR (strlen({cell}) > 15 AND NOT contains({cell}, '.')) THEN "
        f"CASE WHEN lower(trim({cell})) IN ({missing}) THEN NULL ELSE 'inf'::DOUBLE END "
        f"ELSE coalesce(try_cast({cell} AS DOUBLE), CASE WHEN lower(trim({cell})) IN ({missing}) "
        "THEN NULL ELSE 'inf'::DOUBLE END) END"
    )


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
) -> tuple[list[Cells], NDArray[np.int64]]:
    """The columns and the first line of each row, with a chunk of rows as text at a time."""
    records = _csv_records(path, header)
    lines: list[int] = []
    parts: list[list[TextColumn]] = [[] for _ in header.names]
    while chunk := list(islice(records, _SAMPLE_ROWS)):
        lines += [line for line, _ in chunk]
        for part, cells in zip(parts, zip(*(row for _, row in chunk), strict=True), strict=True):
            part.append(TextColumn.from_cells(cells))
    columns = [clean_text(TextColumn.concatenate(part), tokens) for part in parts]
    return list(columns), np.array(lines, dtype=np.int64)
