"""Numbers as parameters: Python's, NumPy's and arrays without dimensions are the same."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import Interval
from tests.estimators.quiet import quietly

from deltarule.errors import InputError
from deltarule.estimators import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(3)
X = RNG.normal(0, 1, (60, 3))
Y = (X[:, 0] > 0).astype(int)
KINDS = [MLPClassifier, MLPRegressor]
NUMBERS = {
    "alpha": 0.5,
    "l1": 0.25,
    "batch_size": 16,
    "learning_rate_init": 0.03125,
    "power_t": 0.5,
    "max_iter": 3,
    "tol": 0.0078125,
    "momentum": 0.75,
    "validation_fraction": 0.25,
    "beta_1": 0.75,
    "beta_2": 0.875,
    "epsilon": 0.0009765625,
    "n_iter_no_change": 2,
    "max_fun": 5,
    "dropout": 0.25,
    "weight_decay": 0.125,
    "clip_norm": 0.5,
    "averaging": 0.5,
    "random_state": 7,
    "hidden_layer_sizes": 6,
}


def coefficients(model):
    return np.concatenate([part.ravel() for part in (*model.coefs_, *model.intercepts_)])


def base(name, **more):
    needs = {
        "momentum": {"solver": "sgd"},
        "power_t": {"solver": "sgd", "learning_rate": "invscaling"},
        "max_fun": {"solver": "lbfgs"},
        "validation_fraction": {"early_stopping": True},
    }.get(name, {})
    return {"hidden_layer_sizes": (4,), "max_iter": 4, "random_state": 0} | needs | more


def test_every_numeric_parameter_is_tested():
    for kind in KINDS:
        numeric = {
            name
            for name, allowed in kind._parameter_constraints.items()
            if any(isinstance(each, Interval) for each in allowed)
        }
        assert numeric <= set(NUMBERS)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_number_is_the_same_in_every_form(kind, name):
    value = NUMBERS[name]
    plain = quietly(kind(**base(name, **{name: value})), X, Y)
    whole = isinstance(value, int)
    forms = [np.int64, np.int32, np.uint8] if whole else [np.float64, np.float32, np.float16]
    for form in [*forms, np.array, lambda x: np.array(x, dtype=forms[1])]:
        given = form(value)
        model = kind(**base(name, **{name: given}))
        if name == "random_state" and isinstance(given, np.ndarray):
            given = model.random_state
        quietly(model, X, Y)
        np.testing.assert_array_equal(coefficients(model), coefficients(plain))
        assert getattr(model, name) is given  # untouched, as scikit-learn asks
        quietly(clone(model), X, Y)
        if "lbfgs" not in (model.solver,) and not model.early_stopping:
            clone(model).partial_fit(X, Y, **({"classes": [0, 1]} if kind is MLPClassifier else {}))


@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "random_state"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_is_not_such_a_number_is_refused(kind, name):
    whole = isinstance(NUMBERS[name], int)
    bad = [True, np.bool_(True), np.array(True), np.nan, -1, "x", np.array([[1.0]]), 1j, object()]
    bad += [0.5, np.float32(2.0)] if whole else []
    for value in bad:
        if name in ("hidden_layer_sizes", "dropout") and isinstance(value, str):
            continue  # a text is a sequence to scikit-learn; see below
        model = kind(**base(name, **{name: value}))
        with pytest.raises(ValueError, match=name.replace("_", ".")):
            model.fit(X, Y)
        assert not hasattr(model, "coefs_")


@pytest.mark.parametrize(
    ("sizes", "widths"),
    [
        (5, [5]),
        (np.int64(5), [5]),
        (np.array(5), [5]),
        ((5,), [5]),
        ([5, 4], [5, 4]),
        (np.array([5, 4]), [5, 4]),
        ((np.int32(5), np.uint8(4)), [5, 4]),
        ([np.array(5)], [5]),
        (range(3, 5), [3, 4]),
        ((), []),
        ([], []),
        (np.array([], dtype=int), []),
    ],
    ids=str,
)
def test_hidden_layer_sizes(sizes, widths):
    for kind in KINDS:
        model = quietly(kind(hidden_layer_sizes=sizes, max_iter=2), X, Y)
        assert list(model.network_.widths) == [3, *widths, 1]


@pytest.mark.parametrize(
    "sizes",
    [
        (5.7,),
        (5.0,),
        5.0,
        np.array([5.0, 4.0]),
        (True,),
        [np.bool_(True)],
        True,
        ("5",),
        "5",
        [[5]],
        np.array([[5, 4]]),
        (None,),
        None,
        (0,),
        (-3,),
        {"a": 5},
    ],
    ids=str,
)
def test_bad_hidden_layer_sizes_are_refused(sizes):
    for kind in KINDS:
        with pytest.raises(ValueError, match="hidden_layer_sizes"):
            kind(hidden_layer_sizes=sizes, max_iter=2).fit(X, Y)


@pytest.mark.parametrize(
    "dropout",
    ["0.5", [True], (0.5, "x"), [[0.5]], [1.0], (np.nan,), (0.1, 0.1), None, {"a": 0.1}],
    ids=str,
)
def test_bad_dropout_is_refused(dropout):
    with pytest.raises(ValueError, match="dropout"):
        MLPRegressor(hidden_layer_sizes=(4,), dropout=dropout, max_iter=2).fit(X, Y)


def test_dropout_of_each_layer_in_every_form():
    plain = quietly(MLPRegressor(**base("", dropout=[0.25])), X, Y)
    for form in ((0.25,), np.array([0.25]), [np.float32(0.25)], [np.array(0.25)]):
        model = quietly(MLPRegressor(**base("", dropout=form)), X, Y)
        np.testing.assert_array_equal(coefficients(model), coefficients(plain))


def test_a_failed_fit_leaves_parameters_as_they_were():
    alpha = np.array(0.5)
    model = MLPRegressor(alpha=alpha, hidden_layer_sizes=(5.7,))
    with pytest.raises(InputError):
        model.fit(X, Y)
    assert model.alpha is alpha


def test_wrong_types_of_parameters_are_refused():
    assert issubclass(int, Integral)
    for changes, message in (
        ({"loss": 5}, "'loss' parameter"),
        ({"solver": 5}, "'solver' parameter"),
        ({"output_activation": 3}, "'output_activation' parameter"),
    ):
        with pytest.raises(ValueError, match=message):
            MLPRegressor(**changes).fit(X, Y)
