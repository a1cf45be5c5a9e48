"""Sparse rows as an engine reads them: compressed rows (CSR) with sorted columns."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["CsrRows"]


class CsrRows:
    """A sparse matrix by rows: row i has the entries ``values[starts[i] : starts[i + 1]]``.

    An engine with ``takes_sparse_rows`` takes it as the X of a batch or an epoch. Indexed by a
    slice or by row numbers it gives dense rows, which every engine takes.

    Parameters
    ----------
    values : array of shape (n,)
        The entries row by row, in the order of their columns, each column once in a row.
    columns : int32 array of shape (n,)
        The column of each entry.
    starts : int64 array of shape (N + 1,)
        Where each row begins, and where the last one ends.
    width : int
        The number of columns.

    Examples
    --------
    >>> import numpy as np
    >>> rows = CsrRows(np.array([5.0, 7.0]), np.array([2, 0]), np.array([0, 1, 1, 2]), width=3)
    >>> rows[:]
    array([[0., 0., 5.],
           [0., 0., 0.],
           [7., 0., 0.]])
    >>> rows.take(np.array([2, 2])).values
    array([7., 7.])
    """

    def __init__(self, values: Any, columns: Any, starts: Any, width: int) -> None:
        self.values = np.ascontiguousarray(values)
        self.columns = np.ascontiguousarray(columns, dtype=np.int32)
        self.starts = np.ascontiguousarray(starts, dtype=np.int64)
        self.shape: tuple[int, int] = (len(self.starts) - 1, int(width))
        self.dtype: np.dtype[Any] = self.values.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, rows: Any) -> CsrRows:
        """The rows of a slice, without a copy of entries, or those of an array of row numbers."""
        starts = self.starts
        if isinstance(rows, slice):
            first, stop, step = rows.indices(len(self))
            if step == 1:
                part = starts[first : max(first, stop) + 1]
                return CsrRows(self.values, self.columns, part, self.shape[1])
        rows = np.arange(len(self))[rows]
        counts = starts[rows + 1] - starts[rows]
        ends = np.concatenate([[0], np.cumsum(counts)])
        entries = np.arange(ends[-1]) + np.repeat(starts[rows] - ends[:-1], counts)
        return CsrRows(self.values[entries], self.columns[entries], ends, self.shape[1])

    def astype(self, dtype: Any) -> CsrRows:
        """The same rows with entries of another dtype; themselves if they have it."""
        if self.dtype == dtype:
            return self
        return CsrRows(self.values.astype(dtype), self.columns, self.starts, self.shape[1])

    def __getitem__(self, rows: Any) -> np.ndarray:
        part = self.take(rows)
        first, end = int(part.starts[0]), int(part.starts[-1])
        dense = np.zeros(part.shape, dtype=self.dtype)
        numbers = np.repeat(np.arange(len(part)), np.diff(part.starts))
        dense[numbers, part.columns[first:end]] = part.values[first:end]
        return dense
