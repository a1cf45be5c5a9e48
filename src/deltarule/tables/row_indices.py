"""Rows of a table, as a caller may give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.errors import InputError

__all__ = ["row_indices"]


def row_indices(rows: ArrayLike | slice, n_rows: int) -> NDArray[np.int64]:
    """Rows as an array of indices.

    Raises
    ------
    InputError
        If a row is out of range, or a mask has another length.

    Examples
    --------
    >>> row_indices([True, False, True], 3)
    array([0, 2])
    """
    everything = np.arange(n_rows)
    if isinstance(rows, slice):
        return everything[rows]
    index = np.asarray(rows)
    if index.size == 0:
        return everything[:0]
    try:
        if index.dtype.kind not in "biu" or index.ndim != 1:
            raise IndexError(f"an array of {index.dtype} with {index.ndim} dimensions")
        return everything[index]
    except IndexError as error:
        raise InputError(
            f"cannot take these rows of a table of {n_rows} rows ({error}); expected row numbers "
            f"from 0 to {n_rows - 1}, or a mask of {n_rows} booleans"
        ) from None
