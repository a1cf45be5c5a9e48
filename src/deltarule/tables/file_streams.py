"""Single files as a stream of tables of some rows each, in constant memory.

The cells are those that :func:`~deltarule.tables.read_table` reads, chunk by chunk. A row that
cannot be read is rejected, and does not end the stream.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError
from deltarule.tables import json_file, sqlite_file
from deltarule.tables.arrow_cells import cells_of_arrow
from deltarule.tables.cells import column_from_cells, text_column
from deltarule.tables.column_collector import ColumnCollector, text_array
from deltarule.tables.file_format import FileFormat
from deltarule.tables.normal_form import normal_form
from deltarule.tables.pyarrow_module import load_pyarrow
from deltarule.tables.rejects import Rejects
from deltarule.tables.sqlite_guard import open_read_only
from deltarule.tables.table import Table, check_names
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_file import csv_records, data_start, find_quotes, has_blank_lines
from deltarule.tables.text_header import Header, read_header, scan_file
from deltarule.tables.unreadable_columns import UnreadableColumn, read_columns

__all__ = ["ChunkOptions", "stream_file"]

_BLOCK_BYTES = 1 << 20
# Bytes of a column chunk of a Parquet file that are read at a time, in place of the whole of it.
_BUFFER_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class ChunkOptions:
    """How files are read in chunks.

    Parameters
    ----------
    rows : int
        The number of rows of a chunk; the last one of a file may have fewer.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.
    told : FileFormat
    keep_text : callable, optional
        Whether the column of a name stays text, since its numbers have no decimal point.
    texts : collection of str
        The columns whose cells stay as they are written.
    table : str or None
        The table of a SQLite file.
    columns : collection of str or None
        The columns that are needed; None for all. Others may be left out.
    """

    rows: int
    tokens: tuple[str, ...]
    told: FileFormat = dataclasses.field(default_factory=FileFormat)
    keep_text: Callable[[str], bool] | None = None
    texts: Collection[str] = ()
    table: str | None = None
    columns: Collection[str] | None = None

    def stays_text(self, name: str) -> bool:
        """Whether the cells of a column of a text file are not read as numbers."""
        return name in self.texts or (self.keep_text is not None and self.keep_text(name))

    def tokens_of(self, name: str) -> tuple[str, ...]:
        """The texts that mean *missing* in a column."""
        return ("",) if name in self.texts else self.tokens


def stream_file(path: Path, options: ChunkOptions, rejects: Rejects) -> Iterator[Table]:
    """Yield the rows of a file as tables of ``options.rows`` rows.

    Raises
    ------
    FileError, DataError
        If the file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet(path, options)
    if suffix in (".db", ".sqlite", ".sqlite3"):
        return _sqlite(path, options)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _json_lines(path, options, rejects)
    return _text(path, options, rejects)


def _regrouped(batches: Iterator[Any], rows: int) -> Iterator[tuple[int, list[Any]]]:
    """Batches of pyarrow as columns of so many rows: the number of rows, and an array for each."""
    import pyarrow as pa

    pending: list[Any] = []
    count = 0
    for batch in batches:
        pending.append(batch)
        count += len(batch)
        while count >= rows:
            whole = pa.Table.from_batches(pending)
            yield rows, _arrays(whole.slice(0, rows))
            rest = whole.slice(rows)
            pending, count = rest.to_batches(), count - rows
    if count:
        yield count, _arrays(pa.Table.from_batches(pending))


def _arrays(table: Any) -> list[Any]:
    import pyarrow as pa

    found = []
    for column in table.columns:
        chunks = column.chunks
        found.append(chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks))
    return found


def _parquet(path: Path, options: ChunkOptions) -> Iterator[Table]:
    pa = load_pyarrow()
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
            names = [name.strip() for name in file.schema_arrow.names]
            check_names(names, path.name)
            wanted = [
                name
                for name, own in zip(file.schema_arrow.names, names, strict=True)
                if options.columns is None or own in options.columns
            ]
            batches = file.iter_batches(options.rows, columns=wanted, use_threads=False)
            start = 0
            for count, arrays in _regrouped(batches, options.rows):

                def read(name: str, array: Any) -> Any:
                    as_text = name in options.texts
                    return cells_of_arrow(array, options.tokens, path.name, name, as_text=as_text)

                columns, kinds, unreadable = read_columns(
                    (name, lambda name=name, array=array: read(name, array))  # type: ignore[misc]
                    for name, array in zip(map(str.strip, wanted), arrays, strict=True)
                )
                yield Table(
                    tuple(columns),
                    columns,
                    source=path.name,
                    lines=np.arange(start + 1, start + count + 1),
                    kinds=kinds,
                    na=options.tokens,
                    unreadable=unreadable,
                )
                start += count
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        text = " ".join(f"{error}".split())
        raise DataError(
            f"{path.name} is no readable Parquet file ({text}); expected a "
            "Parquet file; was it copied in full?"
        ) from None


def _text(path: Path, options: ChunkOptions, rejects: Rejects) -> Iterator[Table]:
    stat = path.stat()
    _check_text(path, stat.st_size, stat.st_mtime_ns)
    with normal_form(path, options.told) as (plain, told):
        stat = plain.stat()
        header, quotes, exact_lines = _layout(plain, told, stat.st_size, stat.st_mtime_ns)
        reader = _csv_chunks if quotes == "unusual" else _arrow_chunks
        for lines, word, arrays in reader(plain, header, options, rejects, exact_lines):
            columns = {}
            for i, name in enumerate(header.names):
                if options.columns is not None and name not in options.columns:
                    continue
                as_text = options.stays_text(name)
                collector = ColumnCollector(len(lines), options.tokens_of(name), as_text)
                collector.append(arrays[i])
                if collector.is_lost:
                    collector = ColumnCollector(len(lines), options.tokens_of(name), as_text=True)
                    collector.append(arrays[i])
                columns[name] = collector.finish()
            yield Table(
                tuple(columns),
                columns,
                source=path.name,
                lines=lines,
                line_word=word,
                na=options.tokens,
                notes=header.notes,
                unnamed=tuple(name for name in header.unnamed if name in columns),
                parsed=frozenset(n for n, c in columns.items() if not isinstance(c, TextColumn)),
            )


# A table is read several times, and each of these reads a file from its beginning to its end.


@functools.lru_cache(maxsize=256)
def _check_text(path: Path, size: int, changed: int) -> None:
    scan_file(path)


@functools.lru_cache(maxsize=256)
def _layout(path: Path, told: FileFormat, size: int, changed: int) -> tuple[Header, str, bool]:
    """The header, what quotes there are, and whether each line below the header is a row."""
    header = read_header(path, told)
    quotes = "unusual" if header.quote != '"' else find_quotes(path, header.delimiter)
    return header, quotes, quotes == "none" and not has_blank_lines(path)


def _arrow_chunks(
    path: Path, header: Header, options: ChunkOptions, rejects: Rejects, exact_lines: bool
) -> Iterator[tuple[NDArray[np.int64], str, list[Any]]]:
    """The lines and the texts of chunks of rows, divided by pyarrow."""
    pa = load_pyarrow()
    from pyarrow import csv as arrow_csv

    names = [str(i) for i in range(len(header.names))]
    bad: list[int] = []
    word = "line" if exact_lines else "row"

    def reject(row: Any) -> str:
        bad.append(int(row.number))
        place = int(row.number) + (header.last_line if exact_lines else 0)
        reason = f"{_fields(row.actual_columns)}; expected {row.expected_columns}"
        rejects.add(path.name, f"{word} {place}", reason, row.text)
        return "skip"

    start = data_start(path, header.last_line)
    with pa.OSFile(str(path)) as file:
        if start >= file.size():
            return
        file.seek(start)
        try:
            reader = arrow_csv.open_csv(
                file,
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, block_size=_BLOCK_BYTES, column_names=names
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=header.delimiter,
                    newlines_in_values=not exact_lines,
                    ignore_empty_lines=len(names) > 1 or not header.blank_rows,
                    invalid_row_handler=reject,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    check_utf8=False,  # scan_file has checked it
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=False,
                ),
            )
            following = 1
            for count, arrays in _regrouped(iter(reader), options.rows):
                # The numbers of these rows among all, of which some were rejected.
                numbers = np.arange(following, following + count + len(bad))
                numbers = numbers[~np.isin(numbers, bad)][:count]
                following = int(numbers[-1]) + 1
                bad = [number for number in bad if number >= following]
                yield numbers + (header.last_line if exact_lines else 0), word, arrays
        except pa.ArrowInvalid as error:
            text = " ".join(f"{error}".split())
            raise DataError(
                f"{path.name} cannot be divided into rows ({text})",
                expected="a text file with one row a line",
                hint="correct it, or say how it is written",
            ) from None


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _csv_chunks(
    path: Path, header: Header, options: ChunkOptions, rejects: Rejects, exact_lines: bool
) -> Iterator[tuple[NDArray[np.int64], str, list[Any]]]:
    """As :func:`_arrow_chunks` by Python's csv, for quotes that pyarrow reads otherwise."""
    load_pyarrow()
    expected = len(header.names)

    def reject(line: int, row: Sequence[str]) -> None:
        reason = f"{_fields(len(row))}; expected {expected}"
        rejects.add(path.name, f"line {line}", reason, header.delimiter.join(row))

    records = csv_records(path, header, reject)
    while chunk := list(islice(records, options.rows)):
        lines = np.array([line for line, _ in chunk], dtype=np.int64)
        texts = [text_array([row[i] for _, row in chunk]) for i in range(expected)]
        yield lines, "line", texts


def _json_lines(path: Path, options: ChunkOptions, rejects: Rejects) -> Iterator[Table]:
    scan_file(path)
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        if file.read(4096).lstrip()[:1] == "[":
            raise DataError(
                f"{path.name} holds one list, which has to be read as a whole",
                expected="one object per line, for a table larger than memory",
                hint="write each row as an object on a line of its own",
            )
        file.seek(0)
        records = _records(path.name, file, rejects)
        while chunk := list(islice(records, options.rows)):
            yield _table_of_records(path.name, chunk, options)


def _records(source: str, file: Any, rejects: Rejects) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            yield number, json_file.decoded_object(line)
        except (json.JSONDecodeError, ValueError, RecursionError) as error:
            reason = getattr(error, "msg", None) or str(error)
            rejects.add(source, f"line {number}", f"not one JSON object: {reason}", line.strip())


def _table_of_records(
    source: str, chunk: Sequence[tuple[int, dict[str, Any]]], options: ChunkOptions
) -> Table:
    names = [
        name
        for name in dict.fromkeys(name for _, record in chunk for name in record)
        if options.columns is None or name in options.columns
    ]
    check_names(names, source)

    def read(name: str) -> Any:
        cells = [record.get(name) for _, record in chunk]
        nested = next((cell for cell in cells if isinstance(cell, dict | list)), None)
        if nested is not None:
            what = f" holds {'a list' if isinstance(nested, list) else 'an object'}"
            raise UnreadableColumn(source, name, what)
        if name in options.texts:
            return text_column(name, cells, source), None
        return json_file.column_of(name, cells, options.tokens, source), None

    columns, _, unreadable = read_columns(
        (name, lambda name=name: read(name))  # type: ignore[misc]
        for name in names
    )
    return Table(
        tuple(columns),
        columns,
        source=source,
        lines=np.array([line for line, _ in chunk], dtype=np.int64),
        line_word="line",
        na=options.tokens,
        is_sparse=True,
        unreadable=unreadable,
    )


def _sqlite(path: Path, options: ChunkOptions) -> Iterator[Table]:
    connection, guard = open_read_only(path)
    sql = None
    try:
        connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        table = sqlite_file.choose_table(connection, path.name, options.table)
        sql = 'SELECT * FROM "' + table.replace('"', '""') + '"'
        cursor = connection.execute(sql)
        names = [str(column[0]).strip() for column in cursor.description]
        source = f"{path.name}, table {table}"
        check_names(names, source)
        start = 0
        while rows := cursor.fetchmany(options.rows):
            yield _table_of_rows(source, names, rows, start, options)
            start += len(rows)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise sqlite_file.sqlite_error(path.name, sql, guard, error) from None
    finally:
        connection.close()


def _table_of_rows(
    source: str, names: Sequence[str], rows: Sequence[Any], start: int, options: ChunkOptions
) -> Table:
    def read(name: str, cells: list[Any]) -> Any:
        if name in options.texts:
            return text_column(name, cells, source), None
        return column_from_cells(name, cells, options.tokens, source)

    columns, kinds, unreadable = read_columns(
        (name, lambda name=name, cells=cells: read(name, list(cells)))  # type: ignore[misc]
        for name, cells in zip(names, zip(*rows, strict=True), strict=True)
        if options.columns is None or name in options.columns
    )
    return Table(
        tuple(columns),
        columns,
        source=source,
        lines=np.arange(start + 1, start + len(rows) + 1),
        kinds=kinds,
        na=options.tokens,
        unreadable=unreadable,
    )
