"""DuckDB, held to what is on this machine: in process, in memory, no downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import MissingDependency

__all__ = ["connect", "floats", "objects", "quoted"]


def connect() -> tuple[Any, Any]:
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
    return duckdb, duckdb.connect(":memory:", config=settings)


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
