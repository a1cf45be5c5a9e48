"""Probabilities of classes from outputs of any kind: the predicted class has the largest."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from deltarule.estimators import MLPClassifier
from deltarule.tabular.probabilities import probabilities_of

OUTPUTS = ["identity", "relu", "exp", "softplus", "tanh", "logistic", "softmax"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("output", OUTPUTS)
def test_the_predicted_class_is_the_most_probable(output, n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < n_classes], np.array(["a", "b", "c"])[y[y < n_classes]]
    model = MLPClassifier(
        (8,), output_activation=output, loss="squared_error", max_iter=40, random_state=0
    ).fit(X, y)
    rows = np.vstack([X, 3 * X, -X])
    shares = model.predict_proba(rows)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    assert (model.predict(rows) == model.classes_[shares.argmax(axis=1)]).all()
    assert (model.compile_predictor()(rows) == shares).all()
    assert (model.compile_predictor()(rows[0]) == shares[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_nearest_point_of_the_simplex(dtype):
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(200, 4)).astype(dtype)
    found = probabilities_of(outputs, in_unit_interval=False, normalise=True)
    assert found.dtype == dtype
    others = rng.dirichlet(np.ones(4), size=500)
    # The nearest point p of a convex set: (o − p)·(q − p) ≤ 0 for every q in it.
    inner = (outputs - found) @ others.T - ((outputs - found) * found).sum(axis=1)[:, None]
    assert inner.max() <= 20 * np.finfo(dtype).eps
    assert (found.argmax(axis=1) == outputs.argmax(axis=1)).all()


def test_probabilities_are_unchanged_and_extreme_outputs_have_some():
    right = np.random.default_rng(1).dirichlet(np.ones(5), size=300)
    assert (probabilities_of(right, in_unit_interval=False, normalise=True) == right).all()
    up = np.nextafter(0.7, 1)
    rows = np.array([[0.7, up, 0.1], [1e300, -1e300, 0], [np.inf, np.inf, 0], [-9.0, -9, -9]])
    for between in (False, True):
        some = rows[:1] if between else rows
        found = probabilities_of(some, in_unit_interval=between, normalise=True)
        assert found[0].argmax() == 1
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    extremes = probabilities_of(rows[1:], in_unit_interval=False, normalise=True)
    np.testing.assert_allclose(extremes, [[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])
