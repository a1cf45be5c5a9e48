"""A checksum of the typed cells of a table, which tells tables apart."""

from __future__ import annotations

import hashlib

import numpy as np

from deltarule.tables.text_column import TextColumn
from deltarule.tables.typed_columns import TypedColumns

__all__ = ["cells_checksum"]


def cells_checksum(typed: TypedColumns) -> str:
    """Return a checksum of all typed cells and the target in order, which identifies a table.

    Cells are compared by value, as the model reads them: the same rows of another kind of file have
    the same checksum.

    Examples
    --------
    >>> import dataclasses
    >>> typed = TypedColumns({"x": np.array([1.0, 2.0])}, np.arange(2), target=np.array([1.0, 2.0]))
    >>> cells_checksum(typed) == cells_checksum(typed.take([0, 1]))
    True
    >>> other = dataclasses.replace(typed, columns={"x": np.array([1.0, 3.0])})
    >>> cells_checksum(typed) == cells_checksum(other)
    False
    """
    digest = hashlib.sha256()
    for name, cells in (*sorted(typed.columns.items()), ("", typed.target)):
        digest.update(f"{name}\0".encode())
        if isinstance(cells, TextColumn):
            # A number for each distinct text, so that the order of the distinct ones is no matter.
            numbers = [
                int.from_bytes(
                    hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "little"
                )
                for text in cells.texts
            ]
            digest.update(cells.lookup(np.array(numbers, np.uint64), np.uint64(0)).tobytes())
        elif cells is not None:
            # One NaN for all; and -0.0 becomes 0.0.
            digest.update(np.where(np.isnan(cells), np.nan, cells + 0.0).tobytes())
    return digest.hexdigest()
