"""Application of missing tokens to a table that was read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from deltarule.tables.cells import clean_text, mask_tokens, parse_date, parse_number
from deltarule.tables.number_text import PLAIN, NumberFormat
from deltarule.tables.table import Table
from deltarule.tables.text_column import TextColumn

__all__ = ["apply_missing_tokens"]


def apply_missing_tokens(
    table: Table,
    names: Iterable[str],
    tokens: tuple[str, ...],
    column_tokens: Mapping[str, tuple[str, ...]],
    numeric: Iterable[str],
    keep_na: Collection[str] = (),
) -> Table:
    """The table with these columns, and the missing tokens applied to them.

    In the columns of ``keep_na`` only their own tokens are missing.

    In a column that is ``numeric``, a token that spells a number stands for that number
    however it is written: ``0`` for ``0.0`` too.

    Examples
    --------
    >>> cells = TextColumn.from_cells(["0.0", "1", "-"])
    >>> table = Table(("a", "b"), {"a": cells, "b": cells})
    >>> found = apply_missing_tokens(table, ["a", "b"], ("", "-"), dict(a=("0",), b=("0",)), ["a"])
    >>> found["a"], found["b"]
    (array([None, '1', None], dtype=object), array(['0.0', '1', None], dtype=object))
    """
    chosen, numeric = table.select(names), set(numeric)
    columns = {}
    for name in chosen.names:
        column, needed = chosen.column(name), (*tokens, *column_tokens.get(name, ()))
        if name in keep_na:
            needed = ("", *column_tokens.get(name, ()))
            if isinstance(column, TextColumn):
                column = column.restored()
        if name in keep_na or not set(needed) <= set(
            table.na
        ):  # otherwise they were applied on reading
            if isinstance(column, TextColumn):
                column = clean_text(column, needed)
            else:
                parse = parse_date if table.kinds.get(name) == "date" else parse_number
                column = mask_tokens(column, needed, parse)
        if name in numeric and isinstance(column, TextColumn):
            written = table.number_formats.get(name, PLAIN)
            column = _without_numbers(column, needed, written)
        columns[name] = column
    return replace(chosen, columns=columns)


def _without_numbers(
    column: TextColumn, tokens: tuple[str, ...], written: NumberFormat
) -> TextColumn:
    """The column, missing where a text spells the same number as one of the tokens."""
    read = {parse(token) for token in tokens for parse in (parse_number, written.parse)}
    numbers = read - {None}
    if not numbers:
        return column
    return column.map_texts(lambda text: None if written.parse(text) in numbers else text)
