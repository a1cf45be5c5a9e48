"""Further training on new rows."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from deltarule import InputError, TabularClassifier, TabularRegressor
from deltarule.tabular.portfolio import Configuration

SMALL = (
    Configuration("relu", "standard", (16,), learning_rate=1e-2, epochs=60),
    Configuration("linear", "robust", learning_rate=2e-2, epochs=60),
)


def _rows(n, seed, shift=0.0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 3))
    return X, X[:, 0] - X[:, 1] + shift + 0.3 * random.normal(size=n)


def _error(model, X, y):
    return float(np.mean((model.predict(X) - y) ** 2))


def test_new_rows_that_differ_are_learned():
    model = TabularRegressor(configurations=SMALL).fit(*_rows(300, 0))
    encoders, test = model.portfolio_.encoders, _rows(300, 2, shift=2.0)
    before = _error(model, *test)
    model.update(*_rows(300, 1, shift=2.0))
    assert _error(model, *test) < before / 5
    assert model.update_["rows"] == 300
    assert model.update_["after"] < model.update_["before"] / 5
    assert model.portfolio_.encoders is encoders
    assert model.oof_prediction_.shape == (300,)
    assert len(model.intervals_.scores) == 600
    low, high = model.predict_interval(test[0]).T
    assert np.mean((low <= test[1]) & (test[1] <= high)) > 0.85


def test_rows_of_the_same_kind_do_no_harm():
    model = TabularRegressor(configurations=SMALL).fit(*_rows(300, 0))
    test = _rows(500, 2)
    before = _error(model, *test)
    assert _error(model.update(*_rows(100, 1)), *test) < 1.05 * before


def test_the_same_rows_give_the_same_bits():
    found = []
    for _ in range(2):
        model = TabularRegressor(configurations=SMALL).fit(*_rows(100, 0))
        weights = np.r_[np.zeros(20), np.ones(60)]
        found.append(model.update(*_rows(80, 1), sample_weight=weights).predict(_rows(50, 2)[0]))
    np.testing.assert_array_equal(*found)


def test_classes_are_those_of_training():
    X, y = _rows(300, 0)
    labels = np.where(y > 0, "high", "low")
    model = TabularClassifier(configurations=SMALL).fit(X, labels)
    other, z = _rows(300, 1)
    swapped = np.where(z > 0, "low", "high")
    assert model.update(other, swapped).score(other, swapped) > 0.7
    with pytest.raises(InputError, match=r"labels \['new'\], which training did.*fit again"):
        model.update(other, np.full(300, "new"))


def test_what_cannot_be_updated_is_refused():
    X, y = _rows(100, 0)
    with pytest.raises(NotFittedError):
        TabularRegressor().update(X, y)
    model = TabularRegressor(configurations=SMALL).fit(X, y)
    with pytest.raises(InputError, match=r"19 new rows; expected at least 20.*fit again"):
        model.update(X[:19], y[:19])
    with pytest.raises(InputError, match="X has 100 rows and y 19"):
        model.update(X, y[:19])
