"""A column of text as integer codes into its distinct texts.

A cell costs four bytes, however long its text is, and work on texts (cleaning, parsing,
counting) is done once for each distinct one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["TextColumn"]


class TextColumn:
    """Text cells, dictionary-encoded: cell i is ``texts[codes[i]]``, or missing where code is -1.

    It can be indexed, iterated, measured and converted like a 1-d array of objects that are str,
    or None where missing. Indexing with rows shares ``texts``, so some of them may not occur.

    Parameters
    ----------
    codes : array-like of int32, shape (rows,)
        -1 where the cell is missing.
    texts : sequence of str
        Distinct, in any order.

    Examples
    --------
    >>> column = TextColumn([1, 0, -1, 1], ["fir", "oak"])
    >>> column.tolist()
    ['oak', 'fir', None, 'oak']
    >>> column[1:3].tolist(), column[0], len(column)
    (['fir', None], 'oak', 4)
    >>> column == "oak"
    array([ True, False, False,  True])
    >>> TextColumn.from_cells(["a", None, "a"])
    TextColumn(3 rows of 1 distinct text)
    """

    __slots__ = ("codes", "texts")
    __hash__ = None  # type: ignore[assignment]  # compared cell by cell, as arrays are

    dtype = np.dtype(object)
    ndim = 1

    def __init__(self, codes: ArrayLike, texts: Sequence[str]) -> None:
        self.codes: NDArray[np.int32] = np.asarray(codes, dtype=np.int32)
        self.texts: tuple[str, ...] = tuple(texts)

    @classmethod
    def from_cells(cls, cells: Iterable[str | None]) -> TextColumn:
        """The column of these cells, None where missing; texts in the order they first occur."""
        index: dict[str | None, int] = {None: -1}
        codes = [index.setdefault(cell, len(index) - 1) for cell in cells]
        return cls(codes, [text for text in index if text is not None])

    @classmethod
    def concatenate(cls, parts: Sequence[TextColumn]) -> TextColumn:
        """The cells of several columns in one.

        Examples
        --------
        >>> parts = [TextColumn([0], ["a"]), TextColumn([0, 1], ["b", "a"])]
        >>> TextColumn.concatenate(parts).tolist()
        ['a', 'b', 'a']
        """
        index: dict[str, int] = {}
        codes = [
            part.lookup([index.setdefault(text, len(index)) for text in part.texts], -1)
            for part in parts
        ]
        return cls(np.concatenate(codes), list(index))

    def lookup(self, values: ArrayLike, missing: Any) -> NDArray[Any]:
        """For each cell the value of its text, ``missing`` where the cell is missing.

        Parameters
        ----------
        values : array-like of shape (len(texts),)
            One value for each of ``texts``.
        missing : scalar

        Examples
        --------
        >>> TextColumn([1, 0, -1], ["1", "2"]).lookup([1.0, 2.0], np.nan)
        array([ 2.,  1., nan])
        """
        known = np.asarray(values)
        table = np.empty(len(self.texts) + 1, np.result_type(known, np.asarray(missing).dtype))
        table[:-1], table[-1] = known, missing
        return table[self.codes]

    def map_texts(self, function: Callable[[str], str | None]) -> TextColumn:
        """The column with each text replaced; None makes its cells missing.

        Examples
        --------
        >>> TextColumn([0, 1, 2], [" a", "a", "?"]).map_texts(
        ...     lambda text: None if text == "?" else text.strip()).tolist()
        ['a', 'a', None]
        """
        mapped = list(map(function, self.texts))
        if mapped == list(self.texts):
            return self
        index: dict[str | None, int] = {None: -1}
        codes = [index.setdefault(text, len(index) - 1) for text in mapped]
        return TextColumn(
            self.lookup(np.array(codes, dtype=np.int32), np.int32(-1)),
            [text for text in index if text is not None],
        )

    def counts(self) -> dict[str, int]:
        """How many cells hold each text that occurs.

        Examples
        --------
        >>> TextColumn([1, 1, -1], ["a", "b"]).counts()
        {'b': 2}
        """
        found = np.bincount(self.codes + 1, minlength=len(self.texts) + 1)[1:].tolist()
        return {text: n for text, n in zip(self.texts, found, strict=True) if n}

    def is_missing(self) -> NDArray[np.bool_]:
        """Where cells are missing."""
        return self.codes < 0

    def ranks(self) -> NDArray[np.int32]:
        """For each cell the position of its text among the sorted texts, -1 where missing.

        Examples
        --------
        >>> TextColumn([0, 1, -1], ["oak", "fir"]).ranks()
        array([ 1,  0, -1], dtype=int32)
        """
        order = sorted(range(len(self.texts)), key=self.texts.__getitem__)
        ranks = np.empty(len(order), dtype=np.int32)
        ranks[order] = np.arange(len(order), dtype=np.int32)
        return self.lookup(ranks, np.int32(-1))

    def objects(self) -> NDArray[np.object_]:
        """The cells as a NumPy array of objects; equal texts are one object.

        Examples
        --------
        >>> TextColumn([0, -1], ["a"]).objects()
        array(['a', None], dtype=object)
        """
        table = np.empty(len(self.texts) + 1, dtype=object)
        table[:-1] = self.texts
        return table[self.codes]

    def tolist(self) -> list[str | None]:
        """The cells as a list."""
        cells: list[str | None] = self.objects().tolist()
        return cells

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.tolist())

    def __getitem__(self, rows: Any) -> Any:
        codes = self.codes[rows]
        if np.ndim(codes):
            return TextColumn(codes, self.texts)
        return None if codes < 0 else self.texts[codes]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.objects()
        return array if dtype is None else array.astype(dtype)

    def __eq__(self, other: object) -> NDArray[np.bool_]:  # type: ignore[override]
        """Where cells equal a text, or the cells of another column or array."""
        if not isinstance(other, str):
            return np.asarray(self.objects() == np.asarray(other, dtype=object), dtype=np.bool_)
        return self.lookup([text == other for text in self.texts], False).astype(np.bool_)

    def __repr__(self) -> str:
        n, m = len(self.codes), len(self.texts)
        rows, texts = ("row" if n == 1 else "rows"), ("text" if m == 1 else "texts")
        return f"TextColumn({n} {rows} of {m} distinct {texts})"
