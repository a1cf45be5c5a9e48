"""Sparse rows, made dense a batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.training import RowSource

__all__ = ["SparseRows"]


class SparseRows(RowSource):
    """A CSR matrix that looks like a dense array to whoever takes a batch of its rows.

    Memory stays that of the sparse matrix and one dense batch.
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix.tocsr()
        self.shape: tuple[int, int] = self.matrix.shape
        self.dtype: np.dtype[Any] = self.matrix.dtype

    def __getitem__(self, rows: Any) -> np.ndarray:
        dense: np.ndarray = self.matrix[rows].toarray()
        return dense
