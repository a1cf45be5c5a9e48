"""Small text files, read by Python's csv: the same columns as by pyarrow, without its import.

Only files that are written as usual are read here; all others are left to
:mod:`deltarule.tables.text_file`, which also words every error.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from deltarule.tables.cells import clean_text, mask_tokens
from deltarule.tables.column_collector import MAX_LABELS, is_missing_or_plain, numbers_of
from deltarule.tables.table import Cells
from deltarule.tables.text_column import TextColumn
from deltarule.tables.text_header import Header

__all__ = ["read_small"]

# With more bytes, pyarrow's import and its reading together take less time.
_MOST_BYTES = 1 << 17


def read_small(
    path: Path,
    start: int,
    header: Header,
    tokens: Sequence[tuple[str, ...]],
    kept: Collection[int],
) -> list[Cells] | None:
    """The columns of a small file, or None if it is large, or not written as usual.

    Parameters
    ----------
    path : Path
        A file in UTF-8, in which quotes stand around whole fields only.
    start : int
        Where its rows begin, in bytes.
    header : Header
    tokens : sequence of tuple of str
        What means *missing* in each column.
    kept : collection of int
        The columns that stay text.
    """
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES or content.count(b"\r") != content.count(b"\r\n"):
        return None
    n_columns = len(header.names)
    rows = []
    text = io.StringIO(content.decode(), newline="")
    try:
        for row in csv.reader(text, delimiter=header.delimiter, strict=True):
            if len(row) == n_columns:
                rows.append(row)
            elif row:
                return None
            elif n_columns == 1 and header.blank_rows:
                rows.append([""])
    except csv.Error:
        return None
    cells = zip(*rows, strict=True) if rows else [()] * n_columns
    return [_column(each, tokens[i], as_text=i in kept) for i, each in enumerate(cells)]


def _column(cells: Sequence[str], tokens: tuple[str, ...], *, as_text: bool) -> Cells:
    """The column of these cells, as :class:`ColumnCollector` makes it."""
    index: dict[str, int] = {}
    codes = np.array([index.setdefault(cell, len(index)) for cell in cells], dtype=np.int32)
    texts = list(index)
    many = not as_text and len(texts) > MAX_LABELS
    if many and all(is_missing_or_plain(text, tokens) for text in texts):
        return mask_tokens(numbers_of(codes, texts, tokens), tokens)
    return clean_text(TextColumn(codes, texts), tokens)
