"""Columns whose values are no cells of a table, such as lists: errors, unless they are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from deltarule.errors import DataError, Message, Parameter

__all__ = ["UnreadableColumn", "read_columns"]

C = TypeVar("C")


class UnreadableColumn(DataError):
    """A column of lists, structures, bytes or other values that are no cells of a table.

    It can be left out when a schema is inferred, and is an error only where it is not.

    Examples
    --------
    >>> print(UnreadableColumn("a.parquet", "tags", " is of type VARCHAR[]"))
    a.parquet: column 'tags' is of type VARCHAR[]; expected one number, text, date or truth value \
per cell; split it into columns, or leave it out with ignore='tags'
    """

    def __init__(self, source: str, name: str, what: str) -> None:
        super().__init__(
            f"{source}: column {name!r}{what}",
            expected="one number, text, date or truth value per cell",
            hint=Message("split it into columns, or leave it out with ", Parameter("ignore", name)),
        )
        self.name = name


def read_columns(
    readers: Iterable[tuple[str, Callable[[], tuple[C, str | None]]]],
) -> tuple[dict[str, C], dict[str, str], dict[str, UnreadableColumn]]:
    """Read columns, each by a function that returns it and its kind.

    Returns
    -------
    columns : dict
        Those that can be read.
    kinds : dict
        Their kinds, where they have one.
    unreadable : dict
        The errors of the others.

    Raises
    ------
    UnreadableColumn
        If none can be read.

    Examples
    --------
    >>> read_columns([("day", lambda: ([1.0], "date"))])
    ({'day': [1.0]}, {'day': 'date'}, {})
    """
    columns: dict[str, C] = {}
    kinds: dict[str, str] = {}
    unreadable: dict[str, UnreadableColumn] = {}
    for name, read in readers:
        try:
            columns[name], kind = read()
        except UnreadableColumn as error:
            unreadable[name] = error
        else:
            if kind:
                kinds[name] = kind
    if unreadable and not columns:
        raise next(iter(unreadable.values()))
    return columns, kinds, unreadable
