"""Folds are those of scikit-learn's splitters, row for row."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from deltarule.tabular.portfolio.folds import make_folds


def expected(splitter, n_rows, labels=None, groups=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer rows than folds
        return [held.tolist() for _, held in splitter.split(np.zeros((n_rows, 1)), labels, groups)]


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("n_rows", "n_folds"), [(442, 8), (101, 3), (9, 8), (5, 8)])
def test_folds_of_numbers(n_rows, n_folds, seed):
    found = make_folds(n_rows, seed=seed, n_folds=n_folds)
    splitter = KFold(min(n_folds, n_rows), shuffle=True, random_state=seed)
    assert [each.tolist() for each in found] == expected(splitter, n_rows)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.97, 0.03], [0.2, 0.5, 0.3], [0.1] * 10])
@pytest.mark.parametrize("repeats", [1, 2])
def test_folds_of_classes(shares, repeats):
    rng = np.random.default_rng(len(shares))
    n_rows = 397
    labels = rng.choice(len(shares), n_rows, p=shares)
    found = make_folds(n_rows, labels, seed=3, n_folds=8, repeats=repeats)
    wanted = []
    for repeat in range(repeats):
        splitter = StratifiedKFold(8, shuffle=True, random_state=3 * repeats + repeat)
        wanted += expected(splitter, n_rows, labels)
    assert [each.tolist() for each in found] == wanted
    assert {each.dtype for each in found} == {np.dtype(np.int64)}


def test_rare_classes_are_divided_together():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 4 + [3] * 2)
    np.random.default_rng(0).shuffle(labels)
    merged = np.where(labels > 0, -1, 0)  # nine rows of classes with fewer than eight each
    splitter = StratifiedKFold(8, shuffle=True, random_state=1)
    found = make_folds(59, labels, seed=1)
    assert [each.tolist() for each in found] == expected(splitter, 59, merged)


@pytest.mark.parametrize(("n_groups", "n_folds"), [(40, 8), (5, 8), (2, 8)])
def test_folds_of_groups(n_groups, n_folds):
    groups = np.random.default_rng(1).integers(0, n_groups, 300) * 3 - 7
    found = make_folds(300, groups=groups, seed=5, n_folds=n_folds)
    splitter = GroupKFold(min(n_folds, n_groups), shuffle=True, random_state=5)
    assert [each.tolist() for each in found] == expected(splitter, 300, groups=groups)
