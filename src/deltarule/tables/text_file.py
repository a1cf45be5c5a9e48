"""Comma-, tab-, semicolon- and bar-separated files, parsed by pyarrow.

pyarrow splits rows many times faster than Python's csv does, but is lenient. So it is given the
delimiter, and all cells as text; :mod:`deltarule.tables.text_header` has settled the rest. Python's
own csv module finds the line of an error, and reads the files whose quotes the two would
read differently.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, Message, Parameter
from deltarule.tables.column_collector import ColumnCollector, text_array
from deltarule.tables.file_format import FileFormat
from deltarule.tables.normal_form import normal_form
from deltarule.tables.odd_rows import without_repeated_header, without_trailing_field
from deltarule.tables.pyarrow_module import load_pyarrow
from deltarule.tables.small_text_file import read_small
from deltarule.tables.table import Cells, Table
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_dialect import COMMENTS
from deltarule.tables.text_header import (
    LONGEST_LINE,
    Header,
    csv_error_message,
    read_header,
    scan_file,
)

__all__ = [
    "arrow_batches",
    "csv_records",
    "data_start",
    "find_quotes",
    "has_blank_lines",
    "read_text",
]

# Bytes that pyarrow parses at a time; of a pass that looks for quotes; rows that csv reads at once.
_BLOCK_BYTES = 1 << 20
_SCAN_BYTES = 1 << 22
_CHUNK_ROWS = 20_000
_LINE_BREAK = re.compile(rb"\r\n|\n|\r")


def read_text(
    path: Path,
    tokens: tuple[str, ...],
    file_format: FileFormat | None = None,
    keep_text: Callable[[str], bool] | None = None,
    texts: Collection[str] = (),
) -> Table:
    """One text file as a table.

    Parameters
    ----------
    path : Path
        The file.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.
    file_format : FileFormat, optional
        As :func:`~deltarule.tables.text_header.read_header` takes it.
    keep_text : callable, optional
        Whether the column of a name stays text, since its numbers have no decimal point.
    texts : collection of str
        The columns whose cells stay as they are written: no token means *missing* in them.

    Raises
    ------
    FileError
        If the file cannot be read.
    DataError
        If it is no well-formed table, with the line.
    """
    n_lines = scan_file(path, LONGEST_LINE)
    with normal_form(path, file_format or FileFormat()) as (plain, told):
        return _read_plain(plain, n_lines, tokens, told, keep_text, texts)


def _read_plain(
    path: Path,
    n_lines: int,
    tokens: tuple[str, ...],
    told: FileFormat,
    keep_text: Callable[[str], bool] | None,
    texts: Collection[str],
) -> Table:
    header = read_header(path, told)
    capacity = n_lines - header.last_line  # a row takes at least one line
    quotes = find_quotes(path, header)
    kept = {i for i, name in enumerate(header.names) if keep_text is not None and keep_text(name)}
    tokens_of = [("",) if name in texts else tokens for name in header.names]
    kept |= {i for i, name in enumerate(header.names) if name in texts}
    columns: list[Cells] | None = None
    lines: NDArray[np.int64] | None = None
    if quotes != "unusual":
        start = data_start(path, header.last_line)
        columns = read_small(path, start, header, tokens_of, kept)
        if columns is None:
            columns = _parse_with_pyarrow(path, start, header, tokens_of, capacity, kept)
    if columns is None:
        columns, lines = _parse_with_csv(path, header, tokens_of, capacity, kept)
    n_rows = len(columns[0])
    if lines is None and capacity == n_rows:
        # As many lines as rows: none is blank, and no field holds a line break.
        lines = np.arange(header.last_line + 1, n_lines + 1)
    elif lines is None and quotes == "none":
        lines = _filled_lines(path, header)
    elif lines is None:
        lines = _line_numbers(path, header)
    table = Table(
        header.names,
        dict(zip(header.names, columns, strict=True)),
        source=path.name,
        lines=lines,
        line_word="line",
        na=tokens,
        notes=header.notes,
        unnamed=header.unnamed,
        parsed=frozenset(
            name
            for name, column in zip(header.names, columns, strict=True)
            if not isinstance(column, TextColumn)
        ),
    )
    return without_repeated_header(without_trailing_field(table, header), header, tokens)


def find_quotes(path: Path, header: Header) -> str:
    """Whether the file has quotes: ``"none"``, ``"usual"`` or ``"unusual"``.

    They are usual if they are double ones; the first, third, … opens a field, or is doubled within
    one; the second, fourth, … closes one or is doubled; and none is left open. Where blanks stand
    before a quote, or text beside one, pyarrow and csv differ.
    """
    mark = header.delimiter.encode()
    # pyarrow takes one byte; csv drops blanks.
    if header.quote != '"' or len(mark) > 1 or header.delimiter == " ":
        return "unusual"
    is_edge = np.zeros(256, dtype=np.bool_)
    is_edge[list(mark + b'\r\n"')] = True
    n_quotes = 0

    def are_usual(content: bytes) -> bool:
        """Whether the quotes but for a first or last byte are usual."""
        nonlocal n_quotes
        data = np.frombuffer(content, np.uint8)
        at = np.flatnonzero(data[1:-1] == ord('"')) + 1
        opening, closing = at[n_quotes % 2 :: 2], at[1 - n_quotes % 2 :: 2]
        n_quotes += len(at)
        return bool(is_edge[data[opening - 1]].all() and is_edge[data[closing + 1]].all())

    carry = b"\n"  # the last two bytes, of which the second is not looked at yet
    with path.open("rb") as file:
        if file.read(len(BOM_UTF8)) != BOM_UTF8:
            file.seek(0)
        while chunk := file.read(_SCAN_BYTES):
            content = carry + chunk
            if b'"' in content and not are_usual(content):
                return "unusual"
            carry = content[-2:]
    if not are_usual(carry + b"\n") or n_quotes % 2:
        return "unusual"
    return "usual" if n_quotes else "none"


def data_start(path: Path, last_line: int) -> int:
    """The position in bytes behind so many lines, and behind a byte order mark."""
    position, content = 0, b""
    with path.open("rb") as file:
        if last_line == 0:
            return len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
        while chunk := file.read(_SCAN_BYTES):
            content += chunk
            breaks = islice(_LINE_BREAK.finditer(content), last_line - 1, last_line)
            found = next(breaks, None)
            # A carriage return at the end may be half of a line break.
            if found is not None and found.end() < len(content):
                return found.end()
            position = len(content) if found is None else found.end()
    return position


def _parse_with_pyarrow(
    path: Path,
    start: int,
    header: Header,
    tokens: Sequence[tuple[str, ...]],
    capacity: int,
    kept: Collection[int],
) -> list[Cells] | None:
    """The columns, or None if pyarrow refuses a file that Python's csv finds well-formed."""
    arrow = load_pyarrow()
    collectors = [ColumnCollector(capacity, tokens[i], i in kept) for i in range(len(header.names))]
    try:
        _collect(path, start, header, dict(enumerate(collectors)))
        again = {
            i: ColumnCollector(capacity, tokens[i], as_text=True)
            for i, collector in enumerate(collectors)
            if collector.is_lost
        }
        if again:
            _collect(path, start, header, again)
    except (arrow.ArrowInvalid, _FieldSizeError):
        _line_numbers(path, header)  # raises, with the line, if the file is at fault
        return None
    for i, collector in again.items():
        collectors[i] = collector
    columns = []
    while collectors:  # each is given up as soon as its column is made
        columns.append(collectors.pop(0).finish())
    return columns


class _FieldSizeError(Exception):
    """A field may have more characters than csv accepts."""


def _collect(
    path: Path, start: int, header: Header, collectors: dict[int, ColumnCollector]
) -> None:
    """Append the cells of the columns of these numbers, in the order of the file.

    This thread divides a block into cells while another converts those of the block before.
    """
    limit = csv.field_size_limit()

    def convert(batch: Any) -> None:
        for cells, collector in zip(batch.columns, collectors.values(), strict=True):
            offsets = np.frombuffer(cells.buffers()[1], np.int32, len(cells) + 1, 4 * cells.offset)
            if np.diff(offsets).max(initial=0) > limit:
                raise _FieldSizeError
            collector.append(cells)

    with ThreadPoolExecutor(1) as pool:
        pending: Future[None] | None = None
        for batch in arrow_batches(path, start, header, collectors):
            if pending is not None:
                pending.result()
            pending = pool.submit(convert, batch)
        if pending is not None:
            pending.result()


def arrow_batches(
    path: Path,
    start: int,
    header: Header,
    columns: Iterable[int],
    *,
    breaks_in_fields: bool = True,
    reject: Callable[[Any], str] | None = None,
) -> Iterator[Any]:
    """The rows from a position in bytes on, divided by pyarrow, as record batches of texts.

    Parameters
    ----------
    path : Path
        A file that :func:`~deltarule.tables.text_header.scan_file` accepted.
    start : int
    header : Header
    columns : iterable of int
        The numbers of the columns that the batches have.
    breaks_in_fields : bool
        Whether a field may hold a line break.
    reject : callable, optional
        pyarrow's ``invalid_row_handler``.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [str(i) for i in range(len(header.names))]
    wanted = [str(i) for i in columns]
    with pa.OSFile(str(path)) as file:
        if start >= file.size():
            return
        file.seek(start)
        yield from arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, column_names=names
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=header.delimiter,
                newlines_in_values=breaks_in_fields,
                ignore_empty_lines=len(names) > 1 or not header.blank_rows,
                invalid_row_handler=reject,
            ),
            convert_options=arrow_csv.ConvertOptions(
                check_utf8=False,  # scan_file has checked it
                column_types=dict.fromkeys(wanted, pa.string()),
                include_columns=wanted,
                strings_can_be_null=False,
            ),
        )


def has_blank_lines(path: Path) -> bool:
    """Whether a text file has lines without a character but for those at its end."""
    carry = b""
    with path.open("rb") as file:
        while chunk := file.read(_SCAN_BYTES):
            content = carry + chunk
            if b"\n\n" in content or b"\r\n\r\n" in content or b"\r\r" in content:
                return True
            carry = content[-3:]
    return False


def csv_records(
    path: Path, header: Header, reject: Callable[[int, list[str]], None] | None = None
) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with its first line.

    Ragged ones are refused, or left out where ``reject`` takes their line and fields.
    """
    expected = len(header.names)
    with path.open(encoding="utf-8-sig", newline="") as file:
        for _ in range(header.last_line):
            file.readline()
        reader = csv.reader(
            file,
            delimiter=header.delimiter,
            quotechar=header.quote,
            strict=True,
            skipinitialspace=True,
        )
        line = header.last_line + 1
        try:
            for row in reader:
                first, line = line, header.last_line + reader.line_num + 1
                if not row and (expected > 1 or not header.blank_rows):
                    continue
                if len(row) != expected and row:
                    if reject is not None:
                        reject(first, row)
                        continue
                    raise _field_count_error(path.name, first, row, header)
                yield first, row or [""]
        except csv.Error as error:
            raise DataError(csv_error_message(path.name, line, error)) from None


def _field_count_error(name: str, line: int, row: list[str], header: Header) -> DataError:
    found = "1 field" if len(row) == 1 else f"{len(row)} fields"
    expected = len(header.names)
    like = "as in the header" if header.has_names else "as in the first row"
    if header.trailing:
        like = "as in the rows above"
    advice: str
    if len(row) == expected + 1 and not row[-1]:
        advice = f"the row ends in {header.delimiter!r}: remove it, or name one more column"
    elif len(row) > expected:
        advice = f"put a field that holds {header.delimiter!r} in double quotes"
    elif row[0][:1] in COMMENTS:
        advice = Message("if it is a comment, give ", Parameter("comment", row[0][0]))
    else:
        advice = "add the missing fields (leave them empty where unknown)"
    return DataError(f"{name}, line {line}: {found}", expected=f"{expected}, {like}", hint=advice)


def _line_numbers(path: Path, header: Header) -> NDArray[np.int64]:
    return np.fromiter((line for line, _ in csv_records(path, header)), dtype=np.int64)


def _filled_lines(path: Path, header: Header) -> NDArray[np.int64]:
    """The lines that are not empty, below the header of a file without quotes."""
    with path.open(encoding="utf-8-sig") as file:
        rows = (number for number, line in enumerate(file, start=1) if line != "\n")
        return np.fromiter((n for n in rows if n > header.last_line), dtype=np.int64)


def _parse_with_csv(
    path: Path,
    header: Header,
    tokens: Sequence[tuple[str, ...]],
    capacity: int,
    kept: Collection[int],
) -> tuple[list[Cells], NDArray[np.int64]]:
    """The columns and the first line of each row, with a chunk of rows as text at a time."""
    load_pyarrow()
    lines = np.empty(capacity, dtype=np.int64)

    def collect(collectors: dict[int, ColumnCollector]) -> int:
        n_rows = 0
        records = csv_records(path, header)
        while chunk := list(islice(records, _CHUNK_ROWS)):
            lines[n_rows : n_rows + len(chunk)] = [line for line, _ in chunk]
            n_rows += len(chunk)
            for i, collector in collectors.items():
                collector.append(text_array([row[i] for _, row in chunk]))
        return n_rows

    names = range(len(header.names))
    collectors = {i: ColumnCollector(capacity, tokens[i], i in kept) for i in names}
    n_rows = collect(collectors)
    lost = [i for i, collector in collectors.items() if collector.is_lost]
    if lost:
        again = {i: ColumnCollector(capacity, tokens[i], as_text=True) for i in lost}
        collect(again)
        collectors |= again
    return [collector.finish() for collector in collectors.values()], lines[:n_rows]
