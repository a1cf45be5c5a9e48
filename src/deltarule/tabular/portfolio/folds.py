"""Folds: the rows that each network of a configuration is not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["make_folds"]

_FOLDS = 8
# From this many rows on there are fewer folds: each holds many rows, and training takes long.
_MANY_ROWS, _FEW_FOLDS = 20_000, 4
# Below, rows are divided into folds more than once, since a row's fold matters much.
_FEW_ROWS, _REPEATS = 300, 2


def make_folds(
    n_rows: int,
    classes: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> list[NDArray[np.int64]]:
    """Return the row numbers of each fold; every row is in one fold of each repeat.

    Parameters
    ----------
    n_rows : int
    classes : array of shape (N,), optional
        Class numbers. Folds keep the shares of classes of at least as many rows as folds.
    groups : array of shape (N,), optional
        Rows with the same number are in the same fold.
    seed : int

    Examples
    --------
    >>> folds = make_folds(1000)
    >>> len(folds), sum(map(len, folds))
    (8, 1000)
    >>> len(make_folds(100))
    16
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    n_folds = _FEW_FOLDS if n_rows >= _MANY_ROWS else min(_FOLDS, n_rows)
    repeats = _REPEATS if n_rows < _FEW_ROWS else 1
    found = []
    for repeat in range(repeats):
        state = seed * _REPEATS + repeat
        labels = np.zeros(n_rows, dtype=np.int64) if classes is None else classes.copy()
        if groups is not None:
            n_folds = min(n_folds, len(np.unique(groups)))
            splitter = GroupKFold(n_folds, shuffle=True, random_state=state)
        elif classes is not None:
            # A class of fewer rows than folds cannot be in each; such classes are divided together.
            counts = np.bincount(labels)
            labels[counts[labels] < n_folds] = -1
            rare = int((labels < 0).sum())
            if 0 < rare < n_folds:
                labels[labels < 0] = int(counts.argmax())
            splitter = StratifiedKFold(n_folds, shuffle=True, random_state=state)
        else:
            splitter = KFold(n_folds, shuffle=True, random_state=state)
        split = splitter.split(np.zeros((n_rows, 1)), labels, groups)
        found += [held_out.astype(np.int64) for _, held_out in split]
    return found
