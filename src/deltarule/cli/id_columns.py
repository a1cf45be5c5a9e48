"""Identifiers that ``deltarule predict`` writes before its predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from deltarule.cli.column_options import named_columns
from deltarule.errors import DataError, InputError, Message, Parameter
from deltarule.tables import Schema, Table
from deltarule.tables.cells import clean_text
from deltarule.tables.column_values import as_texts
from deltarule.tables.table import close_match, join_items
from deltarule.tables.text_column import TextColumn

__all__ = ["check_output_names", "possible_ids", "take_ids"]


def possible_ids(schema: Schema, given: Sequence[str]) -> tuple[str, ...]:
    """Return the names that ``--id`` may mean, before the columns of the table are known.

    Examples
    --------
    >>> possible_ids(Schema((), ids=("id",)), []), possible_ids(Schema(()), ["a, b"])
    (('id',), ('a, b', 'a', 'b'))
    """
    if not given:
        return schema.ids
    names = [name for text in given for name in (text, *map(str.strip, text.split(",")))]
    return tuple(dict.fromkeys(names))


def take_ids(
    schema: Schema, table: Table, given: Sequence[str]
) -> tuple[Table, dict[str, NDArray[Any]]]:
    """Return the table for the model, and the identifiers of its rows by column.

    Parameters
    ----------
    schema : Schema
        The model's.
    table : Table
        In which the cells of :func:`possible_ids` are texts as they are written.
    given : sequence of str
        The values of ``--id``; the schema's identifiers if there are none.

    Raises
    ------
    DataError
        If the table lacks one of them.
    """
    names = [name for text in given for name in named_columns(text, table)] or list(schema.ids)
    names = list(dict.fromkeys(names))
    if absent := [name for name in names if name not in table]:
        similar = {name: close_match(name, table.names) for name in absent}
        shown = [f"{n!r}" + (f" (is it {m!r}?)" if m else "") for n, m in similar.items()]
        raise DataError(
            f"{table.source} lacks identifiers: {join_items(shown)}",
            parameter="ids",
            given=", ".join(absent),
            expected=f"columns of the table, which are: {join_items(table.names)}",
            hint=Message("add them, or name others with ", Parameter("ids")),
        )
    ids = {name: as_texts(table.column(name), table.kinds.get(name)).objects() for name in names}
    # An identifier may be an input too, in which tokens mean missing.
    columns = dict(table.columns)
    for name in possible_ids(schema, given):
        column = columns.get(name)
        if isinstance(column, TextColumn):
            columns[name] = clean_text(column, schema.na)
    known = {*schema.names, *schema.ignored, *(name for name, _ in schema.dropped)}
    table = replace(table, columns=columns)
    extra = [name for name in names if name not in known]
    return table.without(extra) if len(extra) < len(table.names) else table, ids


def check_output_names(ids: Iterable[str], outputs: Collection[str]) -> None:
    """Refuse identifiers that have the name of a column of the predictions.

    Examples
    --------
    >>> check_output_names(["prediction"], ["prediction"])
    Traceback (most recent call last):
    deltarule.errors.InputError: ids names 'prediction', which is the name of a column of the \
predictions; expected another name; rename the column
    """
    if twice := [name for name in ids if name in outputs]:
        raise InputError(
            Message(
                Parameter("ids"),
                f" names {twice[0]!r}, which is the name of a column of the predictions",
            ),
            parameter="ids",
            given=twice[0],
            expected="another name",
            hint="rename the column",
        )
