"""Files, patterns of files and SQL, as tables."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from deltarule.errors import InputError, Message, Parameter
from deltarule.tables.addresses import is_postgres, without_password
from deltarule.tables.cells import (
    DEFAULT_NA,
    missing_tokens,
)
from deltarule.tables.concatenation import concatenate_tables
from deltarule.tables.file_format import FileFormat
from deltarule.tables.memory import memory_limit
from deltarule.tables.number_formats import stated_formats
from deltarule.tables.number_text import NumberFormat
from deltarule.tables.paths import (
    DATABASES,
    DUCKDB,
    JSON,
    SQLITE,
    TEXT,
    check_file,
    checked_source,
    find_files,
)
from deltarule.tables.plain_file import COMPRESSED, data_suffix, plain_file
from deltarule.tables.standard_input import is_stdin, stdin_file
from deltarule.tables.table import Table
from deltarule.tables.text_file import read_text

__all__ = [
    "kept_as_text",
    "read_table",
    "refuse_both",
    "refuse_text_options",
    "refuse_with_sql",
    "with_formats",
]


def read_table(
    source: str | os.PathLike[str] | None = None,
    *,
    table: str | None = None,
    sql: str | None = None,
    na: str | Iterable[str] = DEFAULT_NA,
    delimiter: str | None = None,
    encoding: str | None = None,
    skip: int = 0,
    comment: str | None = None,
    names: str | Iterable[str] | None = None,
    max_memory: float | None = None,
    decimal: str | Mapping[str, str] | None = None,
    thousands: str | Mapping[str, str] | None = None,
    number_formats: Mapping[str, NumberFormat] | None = None,
    texts: Iterable[str] = (),
) -> Table:
    r"""Read a file, several files of the same columns, or the result of a query.

    Parameters
    ----------
    source : path, optional
        A file, by the ending of its name: ``.csv`` ``.tsv`` ``.tab`` ``.txt`` ``.dat`` ``.data``
        (text), ``.jsonl`` ``.ndjson`` ``.json`` (one object per line, or one list),
        ``.parquet``, ``.db`` ``.sqlite`` ``.sqlite3`` (SQLite), ``.duckdb`` ``.ddb`` (DuckDB);
        compressed as ``.gz``, ``.bz2``, ``.xz``,
        ``.zst`` (``a.csv.gz``) or a ``.zip`` of one file. Where no file has that name, a
        pattern such as ``"data/*.csv"`` (``**`` for folders below), whose files are read in
        sorted order and must have the same columns; a note says which they are. ``"-"`` is
        standard input, of any of these formats, where no file has that name. A Postgres database
        is ``"postgres://user@host/name"``, where the user has installed DuckDB's extension
        ``postgres``. None if ``sql`` names its files itself.
    table : str, optional
        The table of a database; may be left out where there is only one. One of another schema
        than the usual one is ``"schema.table"``.
    sql : str, optional
        One SELECT, which only reads. Over a SQLite file it runs there, with SQLite's ordinary
        functions, and over a DuckDB file or Postgres by DuckDB, over the tables there. Elsewhere
        DuckDB runs it in this process: ``source``, if given, is its table ``data``, and it may name
        files as tables (``FROM 'a.parquet'``); without a ``source``, in ``read_csv('a.csv', …)``
        and its like too. No other file can be reached. Types are those DuckDB reads, so text such
        as ``01`` may become a number.
    na : str or iterable of str, optional
        The texts that mean *missing*, compared without case and surrounding blanks;
        the empty text always does. A token that spells a number (``"-999"``) is
        missing in number columns too. To add one: ``na=(*DEFAULT_NA, "-999")``.
    delimiter : str, optional
        The character between the fields of a text file; a blank stands for any number of blanks
        and tabs. Otherwise a tab in ``.tsv`` and ``.tab`` files, elsewhere one of comma,
        semicolon, tab, bar and blanks, by the first rows.
    encoding : str, optional
        Of text files and JSON, by the names of Python's codecs: ``"latin-1"``, ``"cp1252"``. UTF-8
        unless given; UTF-16 with its byte order mark is recognised.
    skip : int
        The number of lines of a text file above its header, or above its first row, that are left
        out. Title lines, with fewer fields than all that follow, are recognised.
    comment : str, optional
        Lines of a text file that begin with it are left out. Those above the header that begin
        with ``#`` or ``%`` are recognised.
    names : iterable of str, optional
        The names of the columns of a text file without a header, which may stand in one text with
        commas; ``"none"`` or ``()`` for column1, column2, …. Where the first line cannot be a
        header, as ``5.1,3.5,setosa``, that is recognised.
    max_memory : float, optional
        A Parquet file whose table would take more memory than so many GB (10⁹ bytes) is refused
        before it is read, and so is a compressed file that unpacks to more; three quarters of what
        is free unless given.
    decimal, thousands : str or mapping of str to str, optional
        As for :func:`infer_schema`, which takes them from the table.
    number_formats : mapping of str to NumberFormat, optional
        Those of a stored schema, :attr:`Schema.number_formats`. Columns that the table lacks are
        passed over.
    texts : iterable of str, optional
        Columns whose cells stay as they are written, as identifiers do: ``007``, ``1.0``, ``NA``.
        Only the empty text is missing there. Names that the table lacks are passed over.

    Returns
    -------
    Table
        Text files give columns of text, except that a column which is numbers
        throughout and has more than about 1000 different ones is float64 already. Typed
        sources keep numbers as float64; truth values become ``"true"`` and ``"false"``,
        dates and times days since 1970-01-01 (UTC), and their kind says so.

    Raises
    ------
    FileError
        If there is no such file, or it cannot be read.
    DataError
        If the content cannot be used; the message names the line or the column.
    InputError
        If the arguments do not go together.
    MissingDependency
        If DuckDB is not installed.

    Notes
    -----
    Nothing is downloaded: no DuckDB extension, no remote file. At most 20 000 columns.
    Cells lose surrounding blanks, as names do.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "plants.csv"
    ...     _ = path.write_text("height,kind\n1.5,oak\n?,fir\n")
    ...     plants = read_table(path)
    >>> plants
    Table(2 rows of 2 columns from plants.csv: height, kind)
    >>> plants["height"], plants.where(1)
    (array(['1.5', None], dtype=object), 'line 3')
    """
    tokens = missing_tokens(na)
    memory_limit(max_memory)  # a wrong one is refused before anything is read
    told = FileFormat.of(delimiter, encoding, skip, comment, names)
    known = dict(number_formats or {})
    keep_text = kept_as_text(decimal, thousands, known)
    texts = {texts} if isinstance(texts, str) else {*texts}
    if source is None:
        if sql is None or table is not None:
            raise InputError(
                "read_table was given neither a file nor a query to run by itself",
                expected=Message(
                    "a path, or ",
                    Parameter("sql", keyword=True),
                    " that names its files, as in ",
                    Parameter("sql", "SELECT * FROM 'a.parquet'"),
                ),
            )
        from deltarule.tables.database import read_sql

        return with_formats(read_sql(None, sql, tokens, texts), decimal, thousands, known)
    text = checked_source(source)
    if is_stdin(text):
        with stdin_file(memory_limit(max_memory)) as path:
            read = read_table(
                path,
                table=table,
                sql=sql,
                na=na,
                **dataclasses.asdict(told),
                max_memory=max_memory,
                decimal=decimal,
                thousands=thousands,
                number_formats=number_formats,
                texts=texts,
            )
        return replace(read, paths=())
    if is_postgres(text):
        from deltarule.tables.duckdb_database import read_database

        refuse_text_options(without_password(text), told)
        refuse_both(table, sql)
        read = read_database(text, table, sql, tokens, texts, max_memory)
        return with_formats(read, decimal, thousands, known)
    found = find_files(text)
    paths = found.paths
    for path in paths:
        check_file(path)
    if sql is not None or len(paths) > 1:  # the reader checks a single file itself
        _check_parquet_memory(paths, max_memory)
    suffixes = {data_suffix(path) for path in paths}
    in_database = suffixes <= set(DATABASES)
    if table is not None and not in_database:
        raise InputError(
            Message(Parameter("table", table), f" was given for {paths[0].name}"),
            parameter="table",
            given=table,
            expected=f"it only for databases ({', '.join(DATABASES)})",
            hint=Message("leave it out, or use ", Parameter("sql", keyword=True)),
        )
    refuse_both(table, sql)
    if sql is not None and not in_database:
        if len(suffixes) > 1:
            raise InputError(
                f"{text!r} stands for files of several kinds ({', '.join(sorted(suffixes))})",
                expected=Message("one kind where ", Parameter("sql", keyword=True), " is given"),
                hint="make the pattern narrower",
            )
        refuse_with_sql(paths, told)
        from deltarule.tables.database import read_sql

        read = read_sql(paths, sql, tokens, texts)
    else:
        _refuse_for_other_kinds(paths[0].name, suffixes, told)
        tables = []
        for path in paths:
            with plain_file(path, encoding, max_memory) as plain:
                tables.append(
                    _read_file(plain, table, sql, tokens, told, keep_text, texts, max_memory)
                )
        read = tables[0] if len(tables) == 1 else concatenate_tables(tables, text)
    read = replace(read, notes=(*found.notes(), *read.notes), paths=paths)
    return with_formats(read, decimal, thousands, known)


def refuse_both(table: str | None, sql: str | None) -> None:
    """Refuse a table and a query together.

    Raises
    ------
    InputError
    """
    if table is not None and sql is not None:
        both = (Parameter("table", keyword=True), " and ", Parameter("sql", keyword=True))
        raise InputError(
            Message("both ", *both, " were given"),
            parameter=("table", "sql"),
            given=(table, sql),
            expected="one of them",
        )


def kept_as_text(
    decimal: str | Mapping[str, str] | None,
    thousands: str | Mapping[str, str] | None,
    known: Mapping[str, NumberFormat],
) -> Callable[[str], bool]:
    """Whether a column must stay text, since its numbers are not what their digits seem."""

    def mark(given: str | Mapping[str, str] | None, name: str) -> str | None:
        return given.get(name) if isinstance(given, Mapping) else given

    def keep(name: str) -> bool:
        stated = mark(decimal, name) not in (None, ".") or mark(thousands, name) == "."
        return stated or (name in known and not known[name].reads_plain)

    return keep


def with_formats(
    read: Table,
    decimal: str | Mapping[str, str] | None,
    thousands: str | Mapping[str, str] | None,
    known: Mapping[str, NumberFormat],
) -> Table:
    """The table with the number formats that are known of its columns, and those stated."""
    known = {name: each for name, each in known.items() if name in read}
    if known != read.number_formats:
        read = replace(read, number_formats=known)
    formats = stated_formats(read, decimal, thousands)
    return read if formats == read.number_formats else replace(read, number_formats=formats)


def refuse_text_options(source: str, told: FileFormat) -> None:
    """Refuse what describes a text file for a database.

    Raises
    ------
    InputError
    """
    _refuse_for_other_kinds(source, {""}, told)


def _refuse_for_other_kinds(source: str, suffixes: Collection[str], told: FileFormat) -> None:
    """Refuse what describes a text file where a file is of another kind."""
    for name, value in told.given().items():
        kinds = {*TEXT, *JSON} if name == "encoding" else {*TEXT}
        if not set(suffixes) <= kinds:
            raise InputError(
                Message(Parameter(name, value), f" was given for {source}"),
                parameter=name,
                given=value,
                expected=f"it only for text files{' and JSON' if name == 'encoding' else ''}",
                hint="leave it out",
            )


def refuse_with_sql(paths: Sequence[Path], told: FileFormat) -> None:
    """Refuse what describes a text file, and compressed files, where a query is given.

    Raises
    ------
    InputError
    """
    for name, value in told.given().items():
        both = (Parameter(name, keyword=True), " and ", Parameter("sql", keyword=True))
        raise InputError(
            Message("both ", *both, " were given"),
            parameter=name,
            given=value,
            expected="one of them",
            hint="name the file in the query, as read_csv('a.csv', delim=';') does",
        )
    packed = [path.name for path in paths if path.suffix.lower() in COMPRESSED]
    if packed:
        raise InputError(
            Message(Parameter("sql", keyword=True), f" was given for {packed[0]}"),
            parameter="sql",
            given=packed[0],
            expected="a file that is not compressed",
            hint="unpack it first",
        )


def _check_parquet_memory(paths: Iterable[Path], max_memory: float | None) -> None:
    """Refuse Parquet files among these that would take too much memory."""
    found = [path for path in paths if path.suffix.lower() == ".parquet"]
    if found:
        from deltarule.tables.database import check_parquet_memory

        check_parquet_memory(found, max_memory)


def _read_file(
    path: Path,
    table: str | None,
    sql: str | None,
    tokens: tuple[str, ...],
    told: FileFormat,
    keep_text: Callable[[str], bool],
    texts: Collection[str],
    max_memory: float | None,
) -> Table:
    suffix = path.suffix.lower()
    # The readers of other files than text are imported for these.
    if suffix in SQLITE:
        from deltarule.tables.sqlite_file import read_sqlite

        return read_sqlite(path, table, sql, tokens, texts, max_memory)
    if suffix in DUCKDB:
        from deltarule.tables.duckdb_database import read_database

        return read_database(path, table, sql, tokens, texts, max_memory)
    if suffix == ".parquet":
        from deltarule.tables.database import read_parquet

        return read_parquet(path, tokens, texts, max_memory)
    if suffix in JSON:
        from deltarule.tables.json_file import read_json

        return read_json(path, tokens, texts, max_memory)
    return read_text(path, tokens, told, keep_text, texts)
