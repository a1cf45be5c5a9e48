"""The MLP estimators recover from divergence, and say what kept a network from learning."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from deltarule import Diverged, MLPClassifier, MLPRegressor
from deltarule.errors import TrainingWarning

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
y = np.sin(X[:, 0]) + X[:, 1]


def regressor(**options):
    defaults = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 20.0, "max_iter": 30}
    defaults |= {
        "hidden_layer_sizes": (8,),
        "activation": "tanh",
        "batch_size": 20,
        "tol": 0.0,
        "random_state": 0,
    }
    return MLPRegressor(**(defaults | options))


def test_a_fit_that_diverges_can_go_on_with_a_smaller_rate():
    with pytest.raises(Diverged):
        regressor().fit(X, y)
    half = pytest.warns(TrainingWarning, match="half the learning rate")
    with pytest.warns(ConvergenceWarning), half:
        model = regressor(on_divergence="halve_learning_rate").fit(X, y)
    assert [each.kind for each in model.findings_] == ["diverged"]
    assert model.score(X, y) > 0.5


def test_a_rate_that_is_too_low_is_a_finding_beside_the_warning_of_scikit_learn():
    with pytest.warns(ConvergenceWarning) as caught:
        model = regressor(learning_rate_init=1e-6).fit(X, y)
    assert [each.kind for each in model.findings_] == ["learning rate too low"]
    assert len(caught) == 1


def test_a_healthy_fit_has_no_finding():
    model = MLPClassifier((8,), max_iter=50, tol=1e-2, random_state=0, learning_rate_init=0.01)
    assert model.fit(X, y > 0).findings_ == ()


def test_a_bad_value_is_refused():
    with pytest.raises(ValueError, match="on_divergence"):
        regressor(on_divergence="shrug").fit(X, y)
