"""A table in files, read in chunks of rows as often as it is needed, in constant memory."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError, InputError, Message, Parameter
from deltarule.tables.cells import DEFAULT_NA, missing_tokens
from deltarule.tables.column_values import is_missing
from deltarule.tables.concatenation import check_same_columns, concatenate_tables
from deltarule.tables.file_format import FileFormat
from deltarule.tables.file_streams import ChunkOptions, stream_file
from deltarule.tables.number_text import NumberFormat
from deltarule.tables.paths import DATABASES, check_file, checked_source, find_files
from deltarule.tables.plain_file import COMPRESSED
from deltarule.tables.reading import kept_as_text, with_formats
from deltarule.tables.rejects import Rejects
from deltarule.tables.standard_input import is_stdin
from deltarule.tables.table import Table

__all__ = ["Chunk", "TableStream"]

# The cells of a chunk: about 8 MB as float64.
_CHUNK_CELLS = 1 << 20
_FEWEST_ROWS, _MOST_ROWS = 1 << 10, 1 << 16


class Chunk:
    """Some rows of a stream.

    Attributes
    ----------
    table : Table
    first : int
        The number of its first row among those of the stream.
    """

    def __init__(self, table: Table, first: int) -> None:
        self.table, self.first = table, first

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The numbers of its rows among those of the stream."""
        return np.arange(self.first, self.first + len(self.table))


class TableStream:
    r"""Files of the same columns, read chunk by chunk.

    The chunks are those of the rows in their order, whatever files these are in.

    Parameters
    ----------
    source : path or pattern
        As for :func:`~deltarule.tables.read_table`: text, JSON lines, Parquet, SQLite, DuckDB; not
        compressed, and in UTF-8. A pattern's files are read in the order of their names.
    table, na, delimiter, skip, comment, names, decimal, thousands, number_formats, texts
        As for :func:`~deltarule.tables.read_table`.
    columns : collection of str, optional
        The columns that are needed; others are not read where the format allows it.
    rejects : Rejects, optional
        Takes the rows that cannot be read.

    Attributes
    ----------
    paths : tuple of Path
    rows : int
        The number of rows of a chunk; a function of the number of columns.
    notes : tuple of str
    names : tuple of str
        Of the columns.
    head : Table
        The first rows.

    Raises
    ------
    FileError, InputError
        If there is no such file, or it cannot be read in chunks.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.csv")
    ...     _ = path.write_text("x,y\n1,2\n3\n5,6\n")
    ...     with Rejects() as rejects:
    ...         stream = TableStream(path, rejects=rejects)
    ...         [(chunk.table["x"].tolist(), chunk.first) for chunk in stream.chunks()]
    ...         rejects.count
    [(['1', '5'], 0)]
    1
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        *,
        table: str | None = None,
        na: str | Iterable[str] = DEFAULT_NA,
        delimiter: str | None = None,
        encoding: str | None = None,
        skip: int = 0,
        comment: str | None = None,
        names: str | Iterable[str] | None = None,
        decimal: str | Mapping[str, str] | None = None,
        thousands: str | Mapping[str, str] | None = None,
        number_formats: Mapping[str, NumberFormat] | None = None,
        texts: Iterable[str] = (),
        columns: Collection[str] | None = None,
        rejects: Rejects | None = None,
    ) -> None:
        self.source = checked_source(source)
        if is_stdin(self.source):
            raise InputError(
                "standard input was given for a table larger than memory, which is read several "
                "times",
                parameter="source",
                given=self.source,
                expected="files",
                hint="write what it gives to a file first",
            )
        found = find_files(self.source)
        self.paths, self.notes = found.paths, found.notes()
        for path in self.paths:
            check_file(path)
            _refuse_packed(path)
        if encoding is not None:
            raise InputError(
                Message(
                    Parameter("encoding", encoding), " was given for a table larger than memory"
                ),
                parameter="encoding",
                given=encoding,
                expected="files in UTF-8",
                hint="convert them first",
            )
        self._known = dict(number_formats or {})
        self._marks = decimal, thousands
        self._options = ChunkOptions(
            _FEWEST_ROWS,
            missing_tokens(na),
            FileFormat.of(delimiter, None, skip, comment, names),
            kept_as_text(decimal, thousands, self._known),
            {texts} if isinstance(texts, str) else {*texts},
            table,
            columns,
        )
        self.rejects = Rejects() if rejects is None else rejects
        self.head = self._first()
        self.names = self.head.names
        cells = _CHUNK_CELLS // len(self.names)
        self.rows = 1 << max(min(cells, _MOST_ROWS), _FEWEST_ROWS).bit_length() - 1
        self._options = replace(self._options, rows=self.rows)

    @property
    def name(self) -> str:
        """The name of the table, as :func:`~deltarule.tables.read_table` gives it."""
        n_files = len(self.paths)
        return self.head.source if n_files == 1 else f"{self.source} ({n_files} files)"

    def with_rows(self, most: int) -> TableStream:
        r"""The same stream in chunks of at most so many rows: a power of two of them.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.csv")
        ...     _ = path.write_text("x\n" + "1\n" * 500)
        ...     [len(chunk.table) for chunk in TableStream(path).with_rows(300).chunks()]
        [256, 244]
        """
        found = copy.copy(self)
        found.rows = min(self.rows, 1 << max(most, 1).bit_length() - 1)
        found._options = replace(self._options, rows=found.rows)
        return found

    def _first(self) -> Table:
        """A few rows, to know the columns."""
        for table in self._tables(Rejects()):
            return table
        raise DataError(f"{self.source} has no rows; expected at least one row")

    def identity(self) -> str:
        """A digest of the files' names, sizes and times of change, and of how they are read."""
        files = [
            (os.path.abspath(path), path.stat().st_size, path.stat().st_mtime_ns)  # noqa: PTH100
            for path in (*self.paths, *_logs(self.paths))
        ]
        options = self._options
        how = [
            self.rows, options.tokens, repr(options.told), sorted(options.texts), options.table,
            sorted(options.columns or ()), repr(self._marks), repr(sorted(self._known.items())),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps([files, how], default=str).encode()).hexdigest()

    def chunks(self, first: int = 0) -> Iterator[Chunk]:
        """Read all rows, or those from chunk ``first`` on.

        Raises
        ------
        DataError
            If a file's columns are not those of the first one, or too many rows are rejected.
        """
        start = 0
        for index, table in enumerate(self._tables(self.rejects)):
            start += len(table)
            self.rejects.check(start)
            if index >= first:
                formatted = with_formats(table, *self._marks, self._known)
                yield Chunk(formatted, start - len(table))
        self.rejects.check(start, at_end=True)

    def _tables(self, rejects: Rejects) -> Iterator[Table]:
        """The rows as tables of so many each, which do not depend on how files divide them."""
        names: tuple[str, ...] = ()
        kinds: dict[str, tuple[str, str]] = {}
        pending: list[Table] = []
        count = 0
        for path in self.paths:
            options = replace(self._options, first=self._options.rows - count)
            for table in stream_file(path, options, rejects):
                names = names or table.names
                if not table.is_sparse:
                    check_same_columns(table, names, f"{self.paths[0].name}, the first file")
                _check_same_kinds(table, kinds)
                pending.append(table)
                count += len(table)
                if count == self._options.rows:
                    yield self._joined(pending)
                    pending, count = [], 0
        if pending:
            yield self._joined(pending)

    def _joined(self, tables: list[Table]) -> Table:
        """The last rows of some files and the first ones of the next, as one table."""
        if len(tables) == 1:
            return tables[0]
        if not all(table.is_sparse for table in tables):
            names = dict.fromkeys(name for table in tables for name in table.names)
            tables = [table.with_missing(names) if table.is_sparse else table for table in tables]
        return concatenate_tables(tables, self.source)


def _logs(paths: Iterable[Path]) -> Iterator[Path]:
    """The logs beside databases, which hold what was written last."""
    for path in paths:
        if path.suffix.lower() in DATABASES:
            for ending in (".wal", "-wal"):
                log = path.with_name(path.name + ending)
                if log.is_file():
                    yield log


def _check_same_kinds(table: Table, known: dict[str, tuple[str, str]]) -> None:
    """Refuse a column that is another thing in this file than in those before, and write it down.

    ``known`` has for each column what it is, and in which file.

    Raises
    ------
    DataError
    """
    for name in table.names:
        kind = table.kinds.get(name, "plain")
        before, file = known.get(name, (kind, ""))
        # A column that is missing throughout has no type to disagree with.
        if (before != kind or not file) and not is_missing(table.column(name)).all():
            if before != kind:
                raise DataError(
                    f"column {name!r} is {before} in {file} and {kind} in {table.source}",
                    expected="one type",
                    hint="write the files alike",
                )
            known[name] = kind, table.source


def _refuse_packed(path: Path) -> None:
    if path.suffix.lower() in COMPRESSED:
        raise InputError(
            f"{path.name} is compressed, and a table larger than memory is read several times",
            parameter="source",
            given=str(path),
            expected="plain files",
            hint="unpack it first, or convert it to Parquet",
        )
