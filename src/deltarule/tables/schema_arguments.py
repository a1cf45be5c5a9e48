"""Checks of the columns that the arguments of :func:`infer_schema` name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from deltarule.errors import InputError, Message, Parameter
from deltarule.tables.schema import KINDS
from deltarule.tables.table import Table, unknown_column_error

__all__ = ["by_column", "check_columns", "check_table", "column_names"]


def check_table(table: Any) -> None:
    """Raise InputError if ``table`` is no :class:`Table`."""
    if not isinstance(table, Table):
        raise InputError(
            f"table is of type {type(table).__name__}",
            parameter="table",
            expected="a Table, as read_table and table_from_frame give",
        )


def column_names(parameter: str, given: Any) -> tuple[str, ...]:
    """The names of columns that a parameter gives: in a list, or one alone.

    Raises
    ------
    InputError
        If it gives none.

    Examples
    --------
    >>> column_names("ids", "key"), column_names("ids", ["a", "b"])
    (('key',), ('a', 'b'))
    """
    if isinstance(given, str):
        return (given,)
    if isinstance(given, Iterable):
        names = tuple(given)
        if all(isinstance(name, str) for name in names):
            return names
    raise InputError(parameter=parameter, given=given, expected="names of columns")


def by_column(parameter: str, given: Any) -> dict[str, Any]:
    """What a parameter gives for each column, by its name; raise InputError if it is no mapping."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(parameter=parameter, given=given, expected="a mapping by column")
    return dict(given)


def check_columns(
    table: Table,
    target: str | None,
    ignored: tuple[str, ...],
    weights: str | None,
    kinds: Mapping[str, str],
    na: Mapping[str, Any],
    keep_na: tuple[str, ...] = (),
    ids: tuple[str, ...] = (),
) -> None:
    """Refuse columns that are unknown, or named for two purposes.

    Raises
    ------
    DataError
        If a column is unknown.
    InputError
        If a kind is unknown, or a column is named for two purposes.

    Examples
    --------
    >>> import numpy as np
    >>> check_columns(Table(("x",), {"x": np.zeros(1)}), "x", ("x",), None, {}, {})
    Traceback (most recent call last):
    deltarule.errors.InputError: 'x' is given as target and in ignore; expected it in one place; \
take it out of ignore
    """
    asked = [
        (target, "target", "target"),
        (weights, "weights", "weights"),
        *((name, "one to ignore", "ignore") for name in ignored),
        *((name, "one given a kind", "kinds") for name in kinds),
        *((name, "one given missing tokens", "na") for name in na),
        *((name, "one to keep missing tokens in", "keep_na") for name in keep_na),
        *((name, "identifier", "ids") for name in ids),
    ]
    for column, error in table.unreadable.items():
        if column not in ignored:
            raise error
    for name, what, parameter in asked:
        if name is not None and not isinstance(name, str):
            raise InputError(parameter=parameter, given=name, expected="the name of a column")
        if name is not None and name not in table and name not in table.unreadable:
            place = (what, table.source, parameter, table.notes)
            raise unknown_column_error(name, table.names, *place)
    for name, kind in kinds.items():
        if not isinstance(kind, str) or kind not in KINDS:
            raise InputError(
                Message(Parameter("kinds"), f" gives {kind!r} for column {name!r}"),
                parameter="kinds",
                given=kind,
                expected=f"one of {', '.join(KINDS)}",
            )
    if target is not None and target == weights:
        raise InputError(
            f"{target!r} is given as target and as weights",
            parameter="weights",
            given=weights,
            expected="two columns",
        )
    for name, what in ((target, "target"), (weights, "weights")):
        if name is not None and name in ignored:
            raise InputError(
                f"{name!r} is given as {what} and in ignore",
                parameter="ignore",
                given=name,
                expected="it in one place",
                hint=Message("take it out of ", Parameter("ignore")),
            )
    others: dict[str, Collection[Any]] = {
        "target": [target],
        "weights": [weights],
        "ignore": ignored,
        "kinds": kinds,
        "na": na,
    }
    for name in ids:
        if taken := [parameter for parameter, names in others.items() if name in names]:
            raise InputError(
                Message(
                    Parameter("ids"), f" names {name!r}, which is given in ", Parameter(taken[0])
                ),
                parameter="ids",
                given=name,
                expected="it in one place, as identifiers are no inputs",
            )
    if ids and set(ids) == set(table.names):
        raise InputError(
            Message(Parameter("ids"), " names all columns"),
            parameter="ids",
            given=", ".join(ids),
            expected="at least one column to predict from",
        )
