"""A checksum of the typed cells of a table, which tells tables apart."""

from __future__ import annotations

import hashlib
import weakref

import numpy as np
from numpy.typing import NDArray

from deltarule.tables.text_column import TextColumn
from deltarule.tables.typed_columns import TypedColumns

__all__ = ["canonical", "cells_checksum", "text_number"]

# Whether a table is that of a training is asked several times in a command.
_KNOWN: weakref.WeakKeyDictionary[TypedColumns, str] = weakref.WeakKeyDictionary()


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
    known = _KNOWN.get(typed)
    if known is None:
        known = _KNOWN[typed] = _computed(typed)
    return known


def _computed(typed: TypedColumns) -> str:
    digest = hashlib.sha256()
    for name, cells in (*sorted(typed.columns.items()), ("", typed.target)):
        digest.update(f"{name}\0".encode())
        if isinstance(cells, TextColumn):
            # A number for each distinct text, so that the order of the distinct ones is no matter.
            numbers = np.array(list(map(text_number, cells.texts)), np.uint64)
            digest.update(cells.lookup(numbers, np.uint64(0)).tobytes())
        elif cells is not None:
            digest.update(canonical(cells).tobytes())
    return digest.hexdigest()


def text_number(text: str) -> int:
    """64 bits that stand for a text: of its SHA-256.

    Examples
    --------
    >>> text_number("a") == text_number("b")
    False
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "little")


def canonical(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers whose bits are equal where they are: one NaN for all, and 0.0 for -0.0.

    Examples
    --------
    >>> canonical(np.array([-0.0])).tobytes() == np.zeros(1).tobytes()
    True
    """
    found: NDArray[np.float64] = np.where(np.isnan(cells), np.nan, cells + 0.0)
    return found
