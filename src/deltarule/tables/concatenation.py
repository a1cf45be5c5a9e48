"""The rows of several tables of the same columns as one table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DataError
from deltarule.tables.column_values import as_numbers, as_texts, has_exact_texts, is_missing
from deltarule.tables.table import Cells, Table, join_items
from deltarule.tables.text_column import TextColumn

__all__ = ["check_same_columns", "concatenate_tables"]


def concatenate_tables(tables: list[Table], pattern: str) -> Table:
    """Concatenate tables by rows, with the columns in the order of the first table."""
    unreadable = {n: error for each in reversed(tables) for n, error in each.unreadable.items()}
    tables = [each.without(name for name in unreadable if name in each) for each in tables]
    if all(each.is_sparse for each in tables):
        names = tuple(dict.fromkeys(name for each in tables for name in each.names))
        tables = [each.with_missing(names) for each in tables]
    first = tables[0]
    for other in tables[1:]:
        check_same_columns(other, first.names, f"{first.source}, the first file of {pattern!r}")
    columns: dict[str, Cells] = {}
    kinds: dict[str, str] = {}
    for name in first.names:
        # A column that is missing throughout has no type to disagree with.
        known = [each for each in tables if not is_missing(each.column(name)).all()]
        declared = sorted({each.kinds.get(name, "plain") for each in known})
        if len(declared) > 1:
            raise DataError(
                f"column {name!r} is {' in one and '.join(declared)} in another file of "
                f"{pattern!r}; expected one type; write the files alike"
            )
        if declared and declared != ["plain"]:
            kinds[name] = declared[0]
        columns[name] = _concatenate_columns([each.column(name) for each in tables])
    found, file_of = _files_of(tables)
    words = [word for _, word in found]
    is_same = len(set(words)) == 1
    return replace(
        first,
        columns=columns,
        kinds=kinds,
        source=f"{pattern} ({len(tables)} files)",
        lines=np.concatenate([each.lines for each in tables if each.lines is not None]),
        line_word=words[0] if is_same else "row",
        line_words=() if is_same else tuple(words),
        files=tuple(file for file, _ in found),
        notes=tuple(dict.fromkeys(note for each in tables for note in each.notes)),
        unreadable=unreadable,
        file_of=file_of,
        parsed=frozenset[str]().union(*(each.parsed for each in tables)),
    )


def _files_of(tables: Sequence[Table]) -> tuple[list[tuple[str, str]], NDArray[np.int64]]:
    """The files of tables, each with what its lines count; and for each row its file's index."""
    found: list[tuple[str, str]] = []
    indices = []
    for table in tables:
        names = table.files or (table.source,)
        words = table.line_words or (table.line_word,) * len(names)
        index = np.zeros(len(table), np.int64) if table.file_of is None else table.file_of
        indices.append(len(found) + index)
        found += zip(names, words, strict=True)
    return found, np.concatenate(indices)


def check_same_columns(table: Table, names: Collection[str], first: str) -> None:
    """Refuse a file of a pattern that has other columns than the first one.

    Raises
    ------
    DataError
    """
    known = set(names)
    lacks = [name for name in names if name not in table]
    extra = [name for name in table.names if name not in known]
    if lacks or extra:
        parts = [f"lacks {join_items(map(repr, lacks))}"] if lacks else []
        parts += [f"has also {join_items(map(repr, extra))}"] if extra else []
        raise DataError(
            f"{table.source} {' and '.join(parts)}; expected the columns of {first}; "
            "make the pattern narrower, or the files alike"
        )


def _concatenate_columns(parts: list[Cells]) -> Cells:
    """Concatenate a column's parts; as numbers if all parts can be read as numbers.

    A long text file gives float64 where a short one of the same column gives text.
    """
    if not all(isinstance(part, TextColumn) for part in parts):
        texts = [part for part in parts if isinstance(part, TextColumn)]
        if not any(as_numbers(part)[1].any() or has_exact_texts(part) for part in texts):
            numbers = [as_numbers(p)[0] if isinstance(p, TextColumn) else p for p in parts]
            return np.concatenate(numbers)
    return TextColumn.concatenate([as_texts(part) for part in parts])
