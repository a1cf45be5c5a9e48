"""Where batches come from: sparse rows made dense a batch at a time, and scikit-learn's order."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import shuffle

from deltarule.training import RowSource

__all__ = ["ShuffledOrder", "SparseRows", "is_sparse", "source"]


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


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy's."""
    return hasattr(X, "tocsr")


def source(X: Any) -> Any:
    """X as training takes it: sparse rows wrapped, anything else as it is."""
    return SparseRows(X) if is_sparse(X) else X


class ShuffledOrder:
    """scikit-learn's order of rows: the indices, shuffled anew from where they were."""

    def __init__(self, n_rows: int, rng: np.random.RandomState) -> None:
        self.rows, self.rng = np.arange(n_rows), rng

    def __call__(self, epoch: int) -> np.ndarray:
        self.rows = shuffle(self.rows, random_state=self.rng)
        return self.rows
