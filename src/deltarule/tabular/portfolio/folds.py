"""Folds: the rows that each network of a configuration is not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import InputError

__all__ = ["make_folds"]


def make_folds(
    n_rows: int,
    classes: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    *,
    n_folds: int = 8,
    repeats: int = 1,
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
    n_folds : int
        The number of folds of each repeat; as many as rows or groups at most.
    repeats : int

    Examples
    --------
    >>> folds = make_folds(1000)
    >>> len(folds), sum(map(len, folds))
    (8, 1000)
    >>> len(make_folds(100, repeats=2))
    16
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    n_folds = min(n_folds, n_rows)
    found = []
    for repeat in range(repeats):
        state = seed * repeats + repeat
        labels = np.zeros(n_rows, dtype=np.int64) if classes is None else classes.copy()
        if groups is not None:
            n_groups = len(np.unique(groups))
            if n_groups < 2:
                raise InputError(
                    f"groups has {n_groups} group; expected at least two, one to validate on",
                    parameter="groups",
                )
            n_folds = min(n_folds, n_groups)
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
