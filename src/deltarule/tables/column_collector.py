"""Columns of a text file, built block by block without a Python object for each cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deltarule.tables.cells import (
    EXACT_LIMIT,
    clean_text,
    is_big_integer,
    is_zero_padded,
    mask_tokens,
    parse_number,
)
from deltarule.tables.table import Cells
from deltarule.tables.text_column import TextColumn

__all__ = [
    "MAX_LABELS",
    "ColumnCollector",
    "array_values",
    "is_missing_or_plain",
    "numbers_of",
    "text_array",
]

# A number column of more distinct texts than this is kept as numbers. Below, the
# text stays, so that a label reads as it was written ("1", "01", "1.0").
MAX_LABELS = 1000
_OTHER, _ZERO, _SIGN = 0, 1, 2
# By its first byte, what a cell is: no number, one that begins with zero or a sign, another.
_KINDS = np.zeros(256, dtype=np.uint8)
_KINDS[list(b"123456789.")] = 3
_KINDS[list(b"0")] = _ZERO
_KINDS[list(b"+-")] = _SIGN


def text_array(cells: Sequence[str]) -> Any:
    """A pyarrow array of these texts; pyarrow's own ``array`` would import pandas.

    Examples
    --------
    >>> text_array(["a", "", "ö"]).to_pylist()
    ['a', '', 'ö']
    """
    import pyarrow as pa

    encoded = [cell.encode() for cell in cells]
    offsets = np.zeros(len(cells) + 1, dtype=np.int32)
    np.cumsum([len(each) for each in encoded], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(cells), buffers)


def array_values(array: Any, dtype: DTypeLike) -> NDArray[Any]:
    """The values of a pyarrow array of fixed width, without a copy; ``to_numpy`` imports pandas.

    Examples
    --------
    >>> array_values(text_array(["b", "a", "b"]).dictionary_encode().indices, np.int32)
    array([0, 1, 0], dtype=int32)
    """
    width = np.dtype(dtype).itemsize
    return np.frombuffer(array.buffers()[1], dtype, len(array), width * array.offset)


def _filter(cells: Any, mask: NDArray[np.bool_]) -> Any:
    """The cells where a mask is true."""
    import pyarrow as pa

    bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
    return cells.filter(pa.Array.from_buffers(pa.bool_(), len(mask), [None, bits]))


class ColumnCollector:
    """One column, to which blocks of cells are appended.

    Cells are kept as codes of their texts. Once there are more than about 1000 distinct texts and
    all are missing or plain numbers, they are kept as float64. So the column depends on its cells
    alone, not on how they are divided into blocks.

    Parameters
    ----------
    capacity : int
        At least the number of cells to come. Memory is taken as it is filled.
    tokens : tuple of str
        What :func:`~deltarule.tables.cells.missing_tokens` gave.
    as_text : bool
        Whether to keep texts in any case.

    Examples
    --------
    >>> collector = ColumnCollector(3, ("", "?"))
    >>> collector.append(text_array([" fir", "?"]))
    >>> collector.append(text_array(["oak"]))
    >>> collector.finish().tolist()
    ['fir', None, 'oak']
    """

    def __init__(self, capacity: int, tokens: tuple[str, ...], as_text: bool = False) -> None:
        self._capacity = capacity
        self._tokens = tokens
        self._as_text = as_text
        self._size = 0
        self._index: dict[str, int] = {}
        self._is_plain = not as_text
        self._codes: NDArray[np.int32] | None = np.empty(capacity, dtype=np.int32)
        self._numbers: NDArray[np.float64] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether a cell is no plain number after the texts of earlier ones were given up.

        The column must then be collected again, as text.
        """
        return self._codes is None and self._numbers is None

    def append(self, cells: Any) -> None:
        """Add a pyarrow array of texts, of which none is null."""
        start, self._size = self._size, self._size + len(cells)
        if self._numbers is not None:
            values = _plain_numbers(cells, self._tokens)
            if values is None:
                self._numbers = None
            else:
                self._numbers[start : self._size] = values
        elif self._codes is not None:
            encoded = cells.dictionary_encode()
            self._append_codes(encoded.dictionary, array_values(encoded.indices, np.int32), start)

    def _append_codes(self, texts: Any, codes: NDArray[np.int32], start: int) -> None:
        """Add cells that are codes of distinct texts."""
        assert self._codes is not None
        if self._is_plain and len(texts) > MAX_LABELS:
            values = _plain_numbers(texts, self._tokens)
            if values is not None:
                self._keep_numbers(start)[start : self._size] = values[codes]
                return
            self._is_plain = False
        known, index, new = len(self._index), self._index, texts.to_pylist()
        own = np.array([index.setdefault(text, len(index)) for text in new], dtype=np.int32)
        self._codes[start : self._size] = own[codes] if len(own) else codes
        if self._is_plain and len(index) > known:
            self._is_plain = all(is_missing_or_plain(text, self._tokens) for text in new)
        if self._is_plain and len(index) > MAX_LABELS:
            self._keep_numbers(self._size)

    def _keep_numbers(self, n_cells: int) -> NDArray[np.float64]:
        """Replace the codes of the first cells by numbers."""
        assert self._codes is not None
        numbers = np.empty(self._capacity)
        numbers[:n_cells] = numbers_of(self._codes[:n_cells], list(self._index), self._tokens)
        self._numbers, self._codes, self._index = numbers, None, {}
        return numbers

    def finish(self) -> Cells:
        """The column, without missing tokens. Nothing can be appended afterwards."""
        if self._numbers is not None:
            return mask_tokens(self._numbers[: self._size], self._tokens)
        assert self._codes is not None, "the cells are lost"
        column = TextColumn(self._codes[: self._size], list(self._index))
        self._index = {}
        return clean_text(column, self._tokens)


def is_missing_or_plain(text: str, tokens: tuple[str, ...]) -> bool:
    """Whether a text is a missing token, or a number and nothing in doubt.

    An infinite one, one with leading zeros, or an integer that float64 cannot hold is in doubt.
    """
    text = text.strip()
    return text.lower() in tokens or (
        parse_number(text) is not None and not is_zero_padded(text) and not is_big_integer(text)
    )


def numbers_of(
    codes: NDArray[np.int32], texts: list[str], tokens: tuple[str, ...]
) -> NDArray[np.float64]:
    """The numbers of cells that are all missing or plain."""
    column = TextColumn(codes, texts)
    # float() of None is no number; NumPy reads it as NaN.
    parsed = [None if text.strip().lower() in tokens else parse_number(text) for text in texts]
    return column.lookup(np.array(parsed, dtype=np.float64), np.nan)


def _plain_numbers(cells: Any, tokens: tuple[str, ...]) -> NDArray[np.float64] | None:
    """The numbers of a pyarrow array of texts, or None if one is in doubt."""
    import pyarrow.compute as pc

    values = _cast(cells, tokens)
    if values is None:  # often, blanks behind delimiters
        trimmed = pc.ascii_trim_whitespace(cells)
        values = None if trimmed.equals(cells) else _cast(trimmed, tokens)
    if values is None:
        encoded = cells.dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        if not all(is_missing_or_plain(text, tokens) for text in texts):
            return None
        values = numbers_of(array_values(encoded.indices, np.int32), texts, tokens)
    return values


def _cast(cells: Any, tokens: tuple[str, ...]) -> NDArray[np.float64] | None:
    """The numbers of texts as pyarrow reads them, or None where its rule may differ from ours."""
    import pyarrow as pa

    n = len(cells)
    _, offsets_buffer, data_buffer = cells.buffers()
    if n == 0 or data_buffer is None or data_buffer.size == 0:
        return None
    offsets = np.frombuffer(offsets_buffer, np.int32, n + 1, 4 * cells.offset)
    data = np.frombuffer(data_buffer, np.uint8)
    starts, lengths = offsets[:-1], np.diff(offsets)
    last = len(data) - 1
    kinds = _KINDS[data[np.minimum(starts, last)]]
    signed = kinds == _SIGN
    at = np.flatnonzero(signed | (kinds == _ZERO))
    digits = starts[at] + signed[at]
    second = data[np.minimum(digits + 1, last)]
    padded = (data[np.minimum(digits, last)] == ord("0")) & (second >= 48) & (second <= 57)
    if (padded & (digits + 1 < offsets[at + 1])).any():
        return None
    odd = (kinds == _OTHER) | (lengths == 0) | (signed & (lengths == 1))
    some = bool(odd.any())
    if some and not all(
        text.strip().lower() in tokens for text in _filter(cells, odd).unique().to_pylist()
    ):
        return None
    known = _filter(cells, ~odd) if some else cells
    try:
        # pyarrow rounds a decimal to the nearest float64, as Python's float does.
        found = array_values(known.cast(pa.float64()), np.float64)
    except pa.ArrowInvalid:
        return None
    large = np.flatnonzero(~(np.abs(found) < EXACT_LIMIT))
    if len(large) and not all(
        np.isfinite(found[i]) and not is_big_integer(known[i].as_py()) for i in large.tolist()
    ):
        return None
    if not some:
        return found
    values = np.full(n, np.nan)
    values[~odd] = found
    return values
