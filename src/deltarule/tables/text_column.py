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
        Negative where the cell is missing: -1, or -2 - k where it was written ``na_texts[k]``.
    texts : sequence of str
        Distinct, in any order.
    na_texts : sequence of str
        Distinct texts that were taken to mean *missing*.

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

    __slots__ = ("codes", "na_texts", "texts")
    __hash__ = None  # type: ignore[assignment]  # compared cell by cell, as arrays are

    dtype = np.dtype(object)
    ndim = 1

    def __init__(
        self, codes: ArrayLike, texts: Sequence[str], na_texts: Sequence[str] = ()
    ) -> None:
        self.codes: NDArray[np.int32] = np.asarray(codes, dtype=np.int32)
        self.texts: tuple[str, ...] = tuple(texts)
        self.na_texts: tuple[str, ...] = tuple(na_texts)

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
        absent: dict[str, int] = {}
        codes = [
            part._lookup_codes(
                [index.setdefault(text, len(index)) for text in part.texts],
                [-2 - absent.setdefault(text, len(absent)) for text in part.na_texts],
            )
            for part in parts
        ]
        return cls(np.concatenate(codes), list(index), list(absent))

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
        n, n_all = len(self.texts), len(self.texts) + 1 + len(self.na_texts)
        table = np.empty(n_all, np.result_type(known, np.asarray(missing).dtype))
        table[:n], table[n:] = known, missing  # negative codes count from the end
        return table[self.codes]

    def _lookup_codes(self, codes: Sequence[int], na_codes: Sequence[int]) -> NDArray[np.int32]:
        """The codes with new ones for the texts, and for those that mean missing."""
        table = np.array([*codes, *reversed(na_codes), -1], dtype=np.int32)
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
        na_codes = [-2 - k for k in range(len(self.na_texts))]
        texts = [text for text in index if text is not None]
        return TextColumn(self._lookup_codes(codes, na_codes), texts, self.na_texts)

    def without(self, is_missing: Callable[[str], bool]) -> TextColumn:
        """The column with the cells of some texts missing, which :meth:`restored` gives back.

        Examples
        --------
        >>> column = TextColumn([0, 1, 0], ["NA", "a"]).without(lambda text: text == "NA")
        >>> column.tolist(), column.na_counts(), column.restored().tolist()
        ([None, 'a', None], {'NA': 2}, ['NA', 'a', 'NA'])
        """
        gone = [bool(is_missing(text)) for text in self.texts]
        if not any(gone):
            return self
        absent = {text: -2 - k for k, text in enumerate(self.na_texts)}
        kept: dict[str, int] = {}
        codes = [
            absent.setdefault(text, -2 - len(absent))
            if missing
            else kept.setdefault(text, len(kept))
            for text, missing in zip(self.texts, gone, strict=True)
        ]
        na_codes = [absent[text] for text in self.na_texts]
        return TextColumn(self._lookup_codes(codes, na_codes), list(kept), list(absent))

    def restored(self) -> TextColumn:
        """The column with the texts again that were taken to mean missing."""
        if not self.na_texts:
            return self
        texts = list(dict.fromkeys((*self.texts, *self.na_texts)))
        na_codes = [texts.index(text) for text in self.na_texts]
        return TextColumn(self._lookup_codes(range(len(self.texts)), na_codes), texts)

    def na_counts(self) -> dict[str, int]:
        """How many missing cells hold each of the texts that were taken to mean missing."""
        found = [int((self.codes == -2 - k).sum()) for k in range(len(self.na_texts))]
        return {text: n for text, n in zip(self.na_texts, found, strict=True) if n}

    def counts(self) -> dict[str, int]:
        """How many cells hold each text that occurs.

        Examples
        --------
        >>> TextColumn([1, 1, -1], ["a", "b"]).counts()
        {'b': 2}
        """
        codes = np.maximum(self.codes, -1) if self.na_texts else self.codes
        found = np.bincount(codes + 1, minlength=len(self.texts) + 1)[1:].tolist()
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
        table = np.empty(len(self.texts) + 1 + len(self.na_texts), dtype=object)
        table[: len(self.texts)] = self.texts
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
            return TextColumn(codes, self.texts, self.na_texts)
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
