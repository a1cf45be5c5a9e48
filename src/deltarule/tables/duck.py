"""DuckDB, held to what is on this machine: in process, in memory, no downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deltarule.errors import MissingDependency

__all__ = ["connect", "quoted"]


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
