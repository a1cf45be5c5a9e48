"""DuckDB in this process and in memory, without downloads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import FileError, MissingDependency
from deltarule.interruptible import any_abandoned, call_interruptibly
from deltarule.tables.text_column import TextColumn

__all__ = [
    "Connection",
    "connect",
    "create_text_type",
    "fetch_texts",
    "file_literal",
    "is_ambiguous_path",
    "masked_to_float",
    "masked_to_text",
    "sql_literal",
    "text_code",
]


class Connection:
    """A connection to DuckDB whose calls end at Ctrl-C, used in a ``with`` statement.

    Parameters
    ----------
    inner : duckdb.DuckDBPyConnection

    Examples
    --------
    >>> import duckdb
    >>> with Connection(duckdb.connect(":memory:")) as connection:
    ...     connection.execute("SELECT 6 * 7").fetchone()
    (42,)
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._is_abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # Closing a connection waits for a call that is still running.
        if not self._is_abandoned:
            self._inner.close()

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        call = getattr(self._inner, name)
        return self._interruptibly(lambda: call(*arguments))

    def _interruptibly(self, call: Callable[[], Any]) -> Any:
        try:
            return call_interruptibly(call, self._inner.interrupt)
        except KeyboardInterrupt:
            self._is_abandoned = any_abandoned()
            raise

    def execute(self, *arguments: Any) -> Self:
        """Run a statement."""
        self._call("execute", arguments)
        return self

    def extract_statements(self, sql: str) -> list[Any]:
        """The statements of a text."""
        statements: list[Any] = self._inner.extract_statements(sql)
        return statements

    def fetchall(self) -> list[Any]:
        """All rows of the result."""
        rows: list[Any] = self._call("fetchall", ())
        return rows

    def fetchone(self) -> Any:
        """The next row of the result, or None."""
        return self._call("fetchone", ())

    def record_batches(self, query: str, rows: int) -> Iterator[Any]:
        """The result of a query as batches of pyarrow, of about so many rows."""
        relation = self._call("sql", (query,))
        # Before version 2 the method had another name.
        name = "to_arrow_reader" if hasattr(relation, "to_arrow_reader") else "fetch_arrow_reader"
        reader = self._interruptibly(lambda: getattr(relation, name)(rows))

        def following() -> Any:
            return next(reader, None)

        while (batch := self._interruptibly(following)) is not None:
            yield batch

    def fetchnumpy(self) -> dict[str, Any]:
        """The columns of the result, masked where they are NULL."""
        columns: dict[str, Any] = self._call("fetchnumpy", ())
        return columns


def connect(threads: int | None = None) -> tuple[Any, Connection]:
    """The duckdb module, and a connection to a database in memory.

    It never downloads an extension (one that the user installed is used), and its
    SQL does not see Python's variables.

    Parameters
    ----------
    threads : int, optional
        Of DuckDB; as many as there are processors unless given. Files are read with one: with
        several, DuckDB 2.0 gives the blocks of rows of a CSV file in any order.

    Raises
    ------
    MissingDependency
        If duckdb is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingDependency(
            f"reading files needs the package duckdb, which cannot be imported ({error}); "
            "install it with: pip install duckdb"
        ) from error
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "true",
        "python_enable_replacements": "false",
    }
    if threads is not None:
        settings["threads"] = threads
    inner = duckdb.connect(":memory:", config=settings)
    # A progress bar would be printed among results on standard output.
    inner.execute("SET enable_progress_bar = false")
    return duckdb, Connection(inner)


def sql_literal(text: str | Path) -> str:
    """A text as an SQL literal.

    Examples
    --------
    >>> sql_literal("it's")
    "'it''s'"
    """
    return "'" + str(text).replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """An SQL literal that DuckDB takes for this one file, whatever characters its name has.

    DuckDB reads ``*``, ``?`` and ``[`` as a pattern even where a file has that name, and has no
    escape character; a set of one character, ``[*]``, matches that character only.

    Raises
    ------
    FileError
        If the name holds a backslash too: in a pattern, DuckDB takes it for the end of a folder.

    Examples
    --------
    >>> file_literal(Path("/d/t[1].csv"))
    "'/d/t[[]1].csv'"
    """
    text = os.path.abspath(path)  # noqa: PTH100  resolve() would give a link's target
    if is_ambiguous_path(path):
        raise FileError(
            f"{text!r} holds a backslash beside one of * ? [; expected a name that DuckDB can be "
            "told; rename the file"
        )
    return sql_literal("".join(f"[{each}]" if each in "*?[" else each for each in text))


def is_ambiguous_path(path: Path) -> bool:
    r"""Whether no SQL literal can name this path, as it has a backslash and a wildcard.

    Examples
    --------
    >>> [is_ambiguous_path(Path(each)) for each in ("/d/a\\b[1].csv", "/d/a\\b.csv")]
    [True, False]
    """
    text = os.path.abspath(path)  # noqa: PTH100  as above
    return os.sep != "\\" and "\\" in text and any(each in text for each in "*?[")


def create_text_type(connection: Connection, alias: str, values: Iterable[str]) -> None:
    """Declare the ENUM type ``alias_texts`` of SQL literals, in their order."""
    connection.execute(f"CREATE TYPE {alias}_texts AS ENUM ({', '.join(values)})")


def text_code(alias: str, cell: str | None = None) -> str:
    """SQL for the position of a cell's text in ``alias_texts``, NULL if it is not one of them."""
    return f"CAST(enum_code(TRY_CAST({cell or alias} AS {alias}_texts)) AS INTEGER)"


def fetch_texts(connection: Connection, rows: str, aliases: Sequence[str]) -> dict[str, TextColumn]:
    """Columns of text, in two passes over ``rows``: their distinct texts, and the codes.

    Parameters
    ----------
    connection : Connection
    rows : str
        SQL that can stand behind FROM, and gives the same rows each time.
    aliases : sequence of str
        The columns' names.

    Examples
    --------
    >>> with connect()[1] as connection:
    ...     found = fetch_texts(connection, "(VALUES ('b'), (NULL), ('b')) t(x)", ["x"])
    >>> found["x"].tolist()
    ['b', None, 'b']
    """
    if not aliases:
        return {}
    lists = ", ".join(
        f"coalesce(list(DISTINCT {a}) FILTER ({a} IS NOT NULL), ['']) AS {a}" for a in aliases
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE distinct_texts AS SELECT {lists} FROM {rows}")
    texts: dict[str, list[str]] = {}
    for a in aliases:
        connection.execute(f"DROP TYPE IF EXISTS {a}_texts")
        create_text_type(connection, a, [f"SELECT unnest({a}) FROM distinct_texts"])
        found = connection.execute(f"SELECT unnest(enum_range(NULL::{a}_texts))::VARCHAR AS t")
        texts[a] = found.fetchnumpy()["t"].tolist()
    codes = ", ".join(f"{text_code(a)} AS {a}" for a in aliases)
    arrays = connection.execute(f"SELECT {codes} FROM {rows}").fetchnumpy()
    return {a: TextColumn(np.ma.filled(arrays.pop(a), -1), texts[a]) for a in aliases}


def masked_to_float(column: NDArray[Any]) -> NDArray[np.float64]:
    """A fetched column as float64, NaN where it is masked.

    Examples
    --------
    >>> masked_to_float(np.ma.masked_array([1.0, 2.0], mask=[False, True]))
    array([ 1., nan])
    """
    values = np.asarray(np.ma.getdata(column), dtype=np.float64)
    if np.ma.getmaskarray(column).any():
        values = values if values.flags.writeable else values.copy()
        values[np.ma.getmaskarray(column)] = np.nan
    return values


def masked_to_text(column: NDArray[Any]) -> TextColumn:
    """A fetched column of text, missing where it is masked.

    Examples
    --------
    >>> masked_to_text(
    ...     np.ma.masked_array(["a", "b"], mask=[False, True], dtype=object)).tolist()
    ['a', None]
    """
    cells = np.array(np.ma.getdata(column), dtype=object)
    cells[np.ma.getmaskarray(column)] = None
    return TextColumn.from_cells(cells.tolist())
