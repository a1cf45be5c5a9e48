"""Single files as a stream of tables of some rows each, in constant memory.

The cells are those that :func:`~deltarule.tables.read_table` reads, chunk by chunk. A row that
cannot be read is rejected, and does not end the stream.
"""

from __future__ import annotations

import dataclasses
import functools
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError
from deltarule.tables import json_file, sqlite_file
from deltarule.tables.arrow_cells import cells_of_arrow
from deltarule.tables.cells import text_column
from deltarule.tables.column_collector import ColumnCollector, text_array
from deltarule.tables.duckdb_database import open_database
from deltarule.tables.file_format import FileFormat
from deltarule.tables.normal_form import normal_form
from deltarule.tables.paths import DUCKDB, JSON, SQLITE
from deltarule.tables.pyarrow_module import load_pyarrow
from deltarule.tables.rejects import Rejects
from deltarule.tables.sqlite_guard import open_read_only
from deltarule.tables.table import Table, check_names, count_noun
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_file import (
    arrow_batches,
    csv_records,
    data_start,
    find_quotes,
    has_blank_lines,
)
from deltarule.tables.text_header import Header, read_header, scan_file
from deltarule.tables.unreadable_columns import UnreadableColumn, read_columns

__all__ = ["ChunkOptions", "stream_file"]

# Bytes of a column chunk of a Parquet file that are read at a time, in place of the whole of it.
_BUFFER_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class ChunkOptions:
    """How files are read in chunks.

    Parameters
    ----------
    rows : int
        The number of rows of a chunk; the last one may have fewer.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.
    told : FileFormat
    keep_text : callable, optional
        Whether the column of a name stays text, since its numbers have no decimal point.
    texts : collection of str
        The columns whose cells stay as they are written.
    table : str or None
        The table of a database.
    columns : collection of str or None
        The columns that are needed; None for all. Others may be left out.
    first : int
        The most rows of the first chunk, which may be fewer than of the others; 0 for ``rows``.
    """

    rows: int
    tokens: tuple[str, ...]
    told: FileFormat = dataclasses.field(default_factory=FileFormat)
    keep_text: Callable[[str], bool] | None = None
    texts: Collection[str] = ()
    table: str | None = None
    columns: Collection[str] | None = None
    first: int = 0

    def sizes(self) -> Iterator[int]:
        """The numbers of rows of the chunks, without end."""
        return chain([self.first or self.rows], repeat(self.rows))

    def needs(self, name: str) -> bool:
        """Whether a column is needed."""
        return self.columns is None or name in self.columns

    def stays_text(self, name: str) -> bool:
        """Whether the cells of a column of a text file are not read as numbers."""
        return name in self.texts or (self.keep_text is not None and self.keep_text(name))

    def tokens_of(self, name: str) -> tuple[str, ...]:
        """The texts that mean *missing* in a column."""
        return ("",) if name in self.texts else self.tokens


def stream_file(path: Path, options: ChunkOptions, rejects: Rejects) -> Iterator[Table]:
    """Yield the rows of a file as tables of ``options.rows`` rows, the first one of fewer.

    Raises
    ------
    FileError, DataError
        If the file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet(path, options)
    if suffix in SQLITE:
        return _sqlite(path, options)
    if suffix in DUCKDB:
        return _duckdb(path, options)
    if suffix in JSON:
        return _json_lines(path, options, rejects)
    return _text(path, options, rejects)


def _regrouped(batches: Iterator[Any], sizes: Iterator[int]) -> Iterator[tuple[int, list[Any]]]:
    """Batches of pyarrow as columns of so many rows: the number of rows, and an array for each."""
    import pyarrow as pa

    pending: list[Any] = []
    count, rows = 0, next(sizes)
    for batch in batches:
        pending.append(batch)
        count += len(batch)
        while count >= rows:
            whole = pa.Table.from_batches(pending)
            yield rows, _arrays(whole.slice(0, rows))
            rest = whole.slice(rows)
            pending, count = rest.to_batches(), count - rows
            rows = next(sizes)
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
        with pq.ParquetFile(
            path, pre_buffer=False, buffer_size=_BUFFER_BYTES, page_checksum_verification=True
        ) as file:
            names = [name.strip() for name in file.schema_arrow.names]
            check_names(names, path.name)
            wanted = [
                name
                for name, own in zip(file.schema_arrow.names, names, strict=True)
                if options.needs(own)
            ]
            batches = file.iter_batches(options.rows, columns=wanted, use_threads=False)
            yield from _arrow_tables(batches, [*map(str.strip, wanted)], path.name, options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        text = " ".join(f"{error}".split())
        raise DataError(
            f"{path.name} is no readable Parquet file ({text}); expected a "
            "Parquet file; was it copied in full?"
        ) from None


def _arrow_tables(
    batches: Iterator[Any],
    names: Sequence[str],
    source: str,
    options: ChunkOptions,
    known: Mapping[str, str] | None = None,
) -> Iterator[Table]:
    """Batches of pyarrow's types as tables; ``known`` are kinds of columns."""
    start = 0
    read = functools.partial(cells_of_arrow, tokens=options.tokens, source=source)
    for count, arrays in _regrouped(batches, options.sizes()):
        columns, kinds, unreadable = read_columns(
            (name, functools.partial(read, array, name=name, as_text=name in options.texts))
            for name, array in zip(names, arrays, strict=True)
        )
        yield Table(
            tuple(columns),
            columns,
            source=source,
            lines=np.arange(start + 1, start + count + 1),
            kinds={**kinds, **(known or {})},
            na=options.tokens,
            unreadable=unreadable,
        )
        start += count


def _duckdb(path: Path, options: ChunkOptions) -> Iterator[Table]:
    load_pyarrow()
    with open_database(path) as database:
        database.limit_memory()
        query, source, _ = database.select(options.table, None)
        names, types = database.columns(query)
        check_names(names, source)
        wanted = [i for i, name in enumerate(names) if options.needs(name)]
        known = {names[i]: "category" for i in wanted if types[i].startswith(("ENUM", "UUID"))}
        batches = database.batches(query, types, wanted, options.rows)
        yield from _arrow_tables(batches, [names[i] for i in wanted], source, options, known)


def _text(path: Path, options: ChunkOptions, rejects: Rejects) -> Iterator[Table]:
    _check_text(path, *_version(path))
    with normal_form(path, options.told) as (plain, told):
        header, quotes, exact_lines = _layout(plain, told, *_version(plain))
        reader = _csv_chunks if quotes == "unusual" else _arrow_chunks
        for lines, word, arrays in reader(plain, header, options, rejects, exact_lines):
            columns = {}
            for i, name in enumerate(header.names):
                if not options.needs(name):
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


def _version(path: Path) -> tuple[int, int]:
    """The size of a file, and when it was changed."""
    try:
        stat = path.stat()
    except OSError:  # reading it raises the error
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


@functools.lru_cache(maxsize=256)
def _check_text(path: Path, size: int, changed: int) -> None:
    scan_file(path)


@functools.lru_cache(maxsize=256)
def _layout(path: Path, told: FileFormat, size: int, changed: int) -> tuple[Header, str, bool]:
    """The header, what quotes there are, and whether each line below the header is a row."""
    header = read_header(path, told)
    quotes = find_quotes(path, header)
    return header, quotes, quotes == "none" and not has_blank_lines(path)


def _arrow_chunks(
    path: Path, header: Header, options: ChunkOptions, rejects: Rejects, exact_lines: bool
) -> Iterator[tuple[NDArray[np.int64], str, list[Any]]]:
    """The lines and the texts of chunks of rows, divided by pyarrow."""
    pa = load_pyarrow()
    bad: list[int] = []
    word = "line" if exact_lines else "row"

    def reject(row: Any) -> str:
        bad.append(int(row.number))
        place = int(row.number) + (header.last_line if exact_lines else 0)
        reason = f"{count_noun(row.actual_columns, 'field')}; expected {row.expected_columns}"
        rejects.add(path.name, f"{word} {place}", reason, row.text)
        return "skip"

    batches = arrow_batches(
        path,
        data_start(path, header.last_line),
        header,
        range(len(header.names)),
        breaks_in_fields=not exact_lines,
        reject=reject,
    )
    following = 1
    try:
        for count, arrays in _regrouped(batches, options.sizes()):
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


def _csv_chunks(
    path: Path, header: Header, options: ChunkOptions, rejects: Rejects, exact_lines: bool
) -> Iterator[tuple[NDArray[np.int64], str, list[Any]]]:
    """As :func:`_arrow_chunks` by Python's csv, for quotes that pyarrow reads otherwise."""
    load_pyarrow()
    expected = len(header.names)

    def reject(line: int, row: Sequence[str]) -> None:
        reason = f"{count_noun(len(row), 'field')}; expected {expected}"
        rejects.add(path.name, f"line {line}", reason, header.delimiter.join(row))

    records = csv_records(path, header, reject)
    for rows in options.sizes():
        chunk = list(islice(records, rows))
        if not chunk:
            return
        lines = np.array([line for line, _ in chunk], dtype=np.int64)
        texts = [text_array([row[i] for _, row in chunk]) for i in range(expected)]
        yield lines, "line", texts


def _json_lines(path: Path, options: ChunkOptions, rejects: Rejects) -> Iterator[Table]:
    _check_text(path, *_version(path))
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        if file.read(4096).lstrip()[:1] == "[":
            raise DataError(
                f"{path.name} holds one list, which has to be read as a whole",
                expected="one object per line, for a table larger than memory",
                hint="write each row as an object on a line of its own",
            )
        file.seek(0)
        records = _records(path.name, file, rejects)
        for rows in options.sizes():
            chunk = list(islice(records, rows))
            if not chunk:
                return
            yield _table_of_records(path.name, chunk, options)


def _records(source: str, file: Any, rejects: Rejects) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            yield number, json_file.decoded_object(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", None) or str(error)
            rejects.add(source, f"line {number}", f"not one JSON object: {reason}", line.strip())


def _table_of_records(
    source: str, chunk: Sequence[tuple[int, dict[str, Any]]], options: ChunkOptions
) -> Table:
    names = [
        name
        for name in dict.fromkeys(name for _, record in chunk for name in record)
        if options.needs(name)
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

    columns, _, unreadable = read_columns((name, functools.partial(read, name)) for name in names)
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
        connection.text_factory = sqlite_file.decoded_text
        table = sqlite_file.choose_table(connection, path.name, options.table)
        sql = sqlite_file.select_all(table)
        cursor = connection.execute(sql)
        names = [str(column[0]).strip() for column in cursor.description]
        source = f"{path.name}, table {table}"
        check_names(names, source)
        wanted = [i for i, name in enumerate(names) if options.needs(name)]
        start = 0
        for most in options.sizes():
            rows = cursor.fetchmany(most)
            if not rows:
                return
            columns = list(zip(*rows, strict=True))
            cells = [(names[i], columns[i]) for i in wanted]
            lines = np.arange(start + 1, start + len(rows) + 1)
            yield sqlite_file.table_of_cells(source, cells, options.tokens, options.texts, lines)
            start += len(rows)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise sqlite_file.sqlite_error(path.name, sql, guard, error) from None
    finally:
        connection.close()
