"""DuckDB, held to what is on this machine: in process, in memory, no downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import MissingDependency
from deltarule.waiting import any_left, waited_for

__all__ = ["Connection", "connect", "floats", "objects", "quoted"]


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
        self._left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # To close a connection waits for a call that is still in it.
        if not self._left:
            self._inner.close()

    def _waited(self, name: str, arguments: tuple[Any, ...]) -> Any:
        call = getattr(self._inner, name)
        try:
            return waited_for(lambda: call(*arguments), self._inner.interrupt)
        except KeyboardInterrupt:
            self._left = any_left()
            raise

    def execute(self, *arguments: Any) -> Self:
        """Run a statement."""
        self._waited("execute", arguments)
        return self

    def extract_statements(self, sql: str) -> list[Any]:
        """The statements of a text."""
        statements: list[Any] = self._inner.extract_statements(sql)
        return statements

    def fetchall(self) -> list[Any]:
        """All rows of the result."""
        rows: list[Any] = self._waited("fetchall", ())
        return rows

    def fetchone(self) -> Any:
        """The next row of the result, or None."""
        return self._waited("fetchone", ())

    def fetchnumpy(self) -> dict[str, Any]:
        """The columns of the result, masked where they are NULL."""
        columns: dict[str, Any] = self._waited("fetchnumpy", ())
        return columns


def connect() -> tuple[Any, Connection]:
    """The duckdb module, and a connection to a database in memory.

    It never downloads an extension (one that the user installed is used), and its
    SQL does not see Python's variables.

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
    return duckdb, Connection(duckdb.connect(":memory:", config=settings))


def quoted(text: str | Path) -> str:
    """A text as an SQL literal.

    Examples
    --------
    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + str(text).replace("'", "''") + "'"


def floats(column: NDArray[Any]) -> NDArray[np.float64]:
    """A fetched column as float64, NaN where it is masked.

    Examples
    --------
    >>> floats(np.ma.masked_array([1.0, 2.0], mask=[False, True]))
    array([ 1., nan])
    """
    values = np.array(np.ma.getdata(column), dtype=np.float64)
    values[np.ma.getmaskarray(column)] = np.nan
    return values


def objects(column: NDArray[Any]) -> NDArray[np.object_]:
    """A fetched column as objects, None where it is masked.

    ``numpy.ma.filled(column, None)`` takes None for *no value given* and writes ``"?"``.

    Examples
    --------
    >>> objects(np.ma.masked_array(["a", "b"], mask=[False, True], dtype=object))
    array(['a', None], dtype=object)
    """
    cells = np.array(np.ma.getdata(column), dtype=object)
    cells[np.ma.getmaskarray(column)] = None
    return cells
