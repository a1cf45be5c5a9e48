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
    n_folds = min(n_folds, n_rows)
    found: list[NDArray[np.int64]] = []
    for repeat in range(repeats):
        # Seeds of NumPy's older generator: the folds are those of scikit-learn's splitters, whose
        # import takes longer than to train a small portfolio.
        random = np.random.RandomState(seed * repeats + repeat)
        if groups is not None:
            n_groups = len(np.unique(groups))
            if n_groups < 2:
                raise InputError(
                    f"groups has {n_groups} group; expected at least two, one to validate on",
                    parameter="groups",
                )
            n_folds = min(n_folds, n_groups)
            fold_of = _group_folds(groups, n_folds, random)
        elif classes is not None:
            # A class of fewer rows than folds cannot be in each; such classes are divided together.
            labels, counts = classes.copy(), np.bincount(classes)
            labels[counts[labels] < n_folds] = -1
            rare = int((labels < 0).sum())
            if 0 < rare < n_folds:
                labels[labels < 0] = int(counts.argmax())
            fold_of = _stratified_folds(labels, n_folds, random)
        else:
            order = np.arange(n_rows)
            random.shuffle(order)
            fold_of = np.empty(n_rows, dtype=np.int64)
            for fold, rows in enumerate(np.array_split(order, n_folds)):
                fold_of[rows] = fold
        found += [np.flatnonzero(fold_of == fold) for fold in range(n_folds)]
    return found


def _group_folds(
    groups: NDArray[np.int64], n_folds: int, random: np.random.RandomState
) -> NDArray[np.int64]:
    """The fold of each row, as ``GroupKFold`` shuffles: about as many groups in each."""
    names, group_of = np.unique(groups, return_inverse=True)
    fold_of_group = np.empty(len(names), dtype=np.int64)
    for fold, some in enumerate(np.array_split(random.permutation(len(names)), n_folds)):
        fold_of_group[some] = fold
    return fold_of_group[group_of]


def _stratified_folds(
    labels: NDArray[np.int64], n_folds: int, random: np.random.RandomState
) -> NDArray[np.int64]:
    """The fold of each row, as ``StratifiedKFold`` shuffles: about the same shares in each."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    # Classes in the order in which they occur.
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    codes = number[inverse]
    in_order = np.sort(codes)
    counts = [np.bincount(in_order[i::n_folds], minlength=len(first)) for i in range(n_folds)]
    fold_of = np.empty(len(labels), dtype=np.int64)
    for each in range(len(first)):
        folds = np.arange(n_folds).repeat([count[each] for count in counts])
        random.shuffle(folds)
        fold_of[codes == each] = folds
    return fold_of
