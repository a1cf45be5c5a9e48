"""Sparse rows as an engine reads them: compressed rows (CSR) with sorted columns."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from deltarule.errors import InputError
from deltarule.maths import Network

__all__ = ["CsrRows", "csr_arrays"]

# Entries that are checked at a time, so that a check takes little memory.
_ENTRIES = 1 << 15


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

    @classmethod
    def of(cls, matrix: Any) -> Self:
        """Return a matrix of SciPy as rows; errors as in :func:`csr_arrays`."""
        return cls(*csr_arrays(matrix))

    @classmethod
    def checked(cls, net: Network, X: Any, dtype: Any = None) -> Self:
        """Return a matrix of SciPy as rows for a network.

        Entries are not copied if the matrix is stored by rows, with sorted columns, each once in
        a row.

        Parameters
        ----------
        net : Network
        X : sparse matrix of shape (N, n_0)
        dtype : optional
            The type of the entries; by default they keep theirs.

        Raises
        ------
        InputError
            If the shape is another, an entry has a column that does not exist, or is not a finite
            number in the range of the network's type.
        """
        if len(X.shape) != 2 or X.shape[1] != net.n_inputs:
            raise InputError(f"X has shape {X.shape}; expected (N, {net.n_inputs})")
        if X.dtype.kind not in "biuf":
            raise InputError(f"X has dtype {X.dtype}; expected numbers")
        rows = cls.of(X)
        rows._check_finite(net.dtype)
        return rows if dtype is None else rows.astype(dtype)

    def _check_finite(self, dtype: np.dtype[Any]) -> None:
        """Refuse the first entry that is not a finite number in the range of a type."""
        for start in range(0, len(self.values), _ENTRIES):
            with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite
                values = self.values[start : start + _ENTRIES].astype(dtype, copy=False)
            finite = np.isfinite(values)
            if not finite.all():
                at = int(np.argmin(finite))
                entry = start + at
                row = int(np.searchsorted(self.starts, entry, side="right")) - 1
                raise InputError(
                    f"X[{row}, {int(self.columns[entry])}] is {float(values[at])!r}; expected "
                    f"finite numbers in the range of {dtype}: impute missing values first"
                )

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, rows: Any) -> CsrRows:
        """The rows of a slice, without a copy of entries, or those of an array of row numbers."""
        starts = self.starts
        if isinstance(rows, slice):
            first, stop, step = rows.indices(len(self))
            if step == 1:
                part = starts[first : max(first, stop) + 1]
                entries: Any = slice(int(part[0]), int(part[-1]))
                ends = part - part[0]
                return CsrRows(self.values[entries], self.columns[entries], ends, self.shape[1])
        rows = np.arange(len(self))[rows]
        counts = starts[rows + 1] - starts[rows]
        ends = np.concatenate([[0], np.cumsum(counts)])
        entries = np.arange(ends[-1]) + np.repeat(starts[rows] - ends[:-1], counts)
        return CsrRows(self.values[entries], self.columns[entries], ends, self.shape[1])

    def astype(self, dtype: Any) -> Self:
        """The same rows with entries of another dtype; themselves if they have it."""
        if self.dtype == dtype:
            return self
        return type(self)(self.values.astype(dtype), self.columns, self.starts, self.shape[1])

    def __getitem__(self, rows: Any) -> np.ndarray:
        part = self.take(rows)
        first, end = int(part.starts[0]), int(part.starts[-1])
        dense = np.zeros(part.shape, dtype=self.dtype)
        numbers = np.repeat(np.arange(len(part)), np.diff(part.starts))
        dense[numbers, part.columns[first:end]] = part.values[first:end]
        return dense


class CsrArrays(NamedTuple):
    """The arguments of :class:`CsrRows`."""

    values: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    width: int


def csr_arrays(matrix: Any) -> CsrArrays:
    """Return the arrays of a matrix of SciPy by rows: columns sorted, each once in a row.

    Entries of the same place are added in the matrix's type. The matrix is not changed.

    Raises
    ------
    InputError
        If an index of the matrix is out of its range, which SciPy does not check everywhere.
    """
    if matrix.format in ("csr", "csc"):
        _check_places(matrix)
    by_rows = matrix.tocsr()
    if by_rows is not matrix:
        _check_places(by_rows)
    if not _is_sorted(by_rows.indptr, by_rows.indices):
        arrays = (by_rows.data.copy(), by_rows.indices.copy(), by_rows.indptr.copy())
        by_rows = type(by_rows)(arrays, shape=by_rows.shape)
        by_rows.sum_duplicates()
    end = int(by_rows.indptr[-1])
    values, columns = by_rows.data[:end], by_rows.indices[:end]
    return CsrArrays(values, columns, by_rows.indptr, by_rows.shape[1])


def _check_places(matrix: Any) -> None:
    """Refuse a compressed matrix whose indices or starts are out of range."""
    starts, indices = matrix.indptr, matrix.indices
    by_rows = matrix.format == "csr"
    n_lines, n_places = matrix.shape if by_rows else matrix.shape[::-1]
    entries = min(len(indices), len(matrix.data))
    good = len(starts) == n_lines + 1 and starts[0] == 0 and starts[-1] <= entries
    if not (good and bool(np.all(starts[1:] >= starts[:-1]))):
        raise InputError(
            f"X.indptr, of {len(starts)} numbers, does not divide {entries} entries into "
            f"{n_lines} {'rows' if by_rows else 'columns'}; expected numbers that begin with 0, "
            "never fall, and end at the number of entries: the matrix was damaged after it was made"
        )
    used = indices[: int(starts[-1])]
    if len(used) and not 0 <= int(used.min()) <= int(used.max()) < n_places:
        worst = int(used.min()) if used.min() < 0 else int(used.max())
        raise InputError(
            f"X.indices holds {worst}; expected {'columns' if by_rows else 'rows'} from 0 to "
            f"{n_places - 1}: the matrix was damaged after it was made"
        )


def _is_sorted(starts: np.ndarray, columns: np.ndarray) -> bool:
    """Whether the columns of every row rise, so that each occurs once in it."""
    end = int(starts[-1])
    for first in range(0, end - 1, _ENTRIES):
        stop = min(first + _ENTRIES + 1, end)
        falls = np.flatnonzero(columns[first + 1 : stop] <= columns[first : stop - 1]) + first + 1
        if len(falls):
            # A column may fall where a row begins.
            place = np.searchsorted(starts, falls)
            if not np.array_equal(starts[place], falls):
                return False
    return True
