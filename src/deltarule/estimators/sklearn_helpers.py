"""Sparse rows, scikit-learn's order of rows, and its text for an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import shuffle

from deltarule.maths.arrays import is_sparse
from deltarule.training import Event
from deltarule.training.batches import SparseRows

__all__ = ["ShuffledOrder", "print_epoch", "row_source"]


def row_source(X: Any) -> Any:
    """Wrap sparse rows for :func:`deltarule.train`; return other rows unchanged."""
    return SparseRows(X) if is_sparse(X) else X


class ShuffledOrder:
    """scikit-learn's order of rows: each epoch shuffles the indices of the epoch before."""

    def __init__(self, n_rows: int, rng: np.random.RandomState) -> None:
        self.rows, self.rng = np.arange(n_rows), rng

    def __call__(self, epoch: int) -> np.ndarray:
        self.rows = shuffle(self.rows, random_state=self.rng)
        return self.rows


def print_epoch(event: Event) -> None:
    """Print an epoch as scikit-learn does, for ``verbose=True``."""
    record = event.history.records[-1]
    print(f"Iteration {record.epoch}, loss = {record.objective:.8f}")
    if record.score is not None:
        print(f"Validation score: {record.score:f}")
