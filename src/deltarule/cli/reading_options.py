"""The options on a table that commands share: how DATA is read, and what its columns are."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

from deltarule.cli.options import (
    Comment,
    Data,
    DateFormat,
    Decimal,
    Delimiter,
    Encoding,
    Ids,
    Ignore,
    KeepNa,
    Kinds,
    MaxMemory,
    Na,
    Names,
    Skip,
    Sql,
    TableName,
    TableOptions,
    Target,
    Task,
    Thousands,
    one,
    signature_with,
)

__all__ = ["with_reading", "with_table"]

# The options that may be repeated; one that is not given is no option at all.
_REPEATED = {each.name for each in dataclasses.fields(TableOptions) if each.type == "Sequence[str]"}


def _options(
    max_memory: MaxMemory = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    skip: Skip = 0,
    comment: Comment = None,
    names: Names = None,
) -> None:
    """Declare the options, which :func:`with_reading` takes from here."""


def with_reading(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it receives their values as the mapping ``reading``."""
    options = list(inspect.signature(_options, eval_str=True).parameters.values())

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        reading = {option.name: arguments.pop(option.name) for option in options}
        command(**arguments, reading=reading)

    vars(run)["__signature__"] = signature_with(command, "reading", options)
    return run


def _table_options(
    data: Data = None,
    target: Target = None,
    task: Task = "auto",
    weights: Annotated[
        str | None,
        one("--weights", metavar="COLUMN", help="A column of row weights.", group="Columns"),
    ] = None,
    ignore: Ignore = None,
    na: Na = None,
    keep_na: KeepNa = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateFormat = None,
    ids: Ids = None,
    kinds: Kinds = None,
    table: TableName = None,
    sql: Sql = None,
) -> None:
    """Declare the options, which :func:`with_table` takes from here."""


def with_table(*, weights: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that name a table and its columns, and those of ``with_reading``.

    The command receives ``options``, a :class:`TableOptions`. Without ``weights`` it has no column
    of row weights.
    """
    functions = (_table_options, _options)
    declared = [
        each
        for function in functions
        for each in inspect.signature(function, eval_str=True).parameters.values()
        if weights or each.name != "weights"
    ]

    def extend(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**arguments: Any) -> None:
            given = {each.name: arguments.pop(each.name) for each in declared}
            given |= {name: () for name in _REPEATED if given[name] is None}
            command(**arguments, options=TableOptions(**given))

        vars(run)["__signature__"] = signature_with(command, "options", declared)
        return run

    return extend
