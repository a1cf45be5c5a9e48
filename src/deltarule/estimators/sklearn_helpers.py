"""Small pieces of the estimators: sparse rows, scikit-learn's order of rows and its words."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import shuffle

from deltarule.maths.arrays import is_sparse
from deltarule.training import EpochEvent
from deltarule.training.batches import SparseRows

__all__ = [
    "ShuffledOrder",
    "SparseRows",
    "is_sparse",
    "print_epoch",
    "source",
    "with_source",
]


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


def with_source(held: tuple[Any, ...]) -> tuple[Any, ...]:
    """Validation rows as training takes them: two items, or three with weights."""
    X, Y, s = held
    return (source(X), Y) if s is None else (source(X), Y, s)


def print_epoch(event: EpochEvent) -> None:
    """One epoch in scikit-learn's words, for ``verbose=True``."""
    record = event.history.logs[-1]
    print(f"Iteration {record.epoch}, loss = {record.objective:.8f}")
    if record.score is not None:
        print(f"Validation score: {record.score:f}")
