"""The ridge regression of the baselines has the bits of scikit-learn's."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import linear_model

from deltarule.tabular import ridge
from deltarule.tabular.ridge import Ridge


@pytest.mark.parametrize("shape", [(442, 10), (60, 60), (200, 1), (30, 70)])
@pytest.mark.parametrize("same_column", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_predictions_have_the_bits_of_scikit_learn(shape, same_column, order):
    rng = np.random.default_rng(shape[1])
    X = np.asarray(rng.normal(size=shape) * 10 ** rng.uniform(-3, 3, shape[1]), order=order)
    if same_column:
        X[:, -1] = X[:, 0]
    y, w, new = X.sum(axis=1) + rng.normal(size=shape[0]), rng.random(shape[0]), X[:7] + 1
    kept = X.copy()
    expected = linear_model.Ridge().fit(X, y, sample_weight=w).predict(new)
    np.testing.assert_array_equal(Ridge().fit(X, y, w).predict(new), expected)
    np.testing.assert_array_equal(X, kept)


def test_a_sparse_matrix_is_fitted_by_scikit_learn():
    X = csr_array(np.random.default_rng(0).integers(0, 2, (50, 6)).astype(float))
    y, w = np.arange(50.0), np.ones(50)
    expected = linear_model.Ridge().fit(X, y, sample_weight=w).predict(X)
    np.testing.assert_array_equal(Ridge().fit(X, y, w).predict(X), expected)


def test_singular_equations_are_solved_as_by_scikit_learn(monkeypatch):
    monkeypatch.setattr(ridge, "_PENALTY", 0.0)
    X = np.ones((5, 2)) * np.arange(5.0)[:, None]
    y, w = np.arange(5.0), np.ones(5)
    expected = linear_model.Ridge(0.0).fit(X, y, sample_weight=w).predict(X)
    np.testing.assert_array_equal(Ridge().fit(X, y, w).predict(X), expected)
