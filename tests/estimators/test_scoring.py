"""Early stopping by scikit-learn's scorers and by one's own, with weights and without."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, get_scorer, get_scorer_names, make_scorer, max_error
from tests.estimators.quiet import quietly

from deltarule.estimators import MLPClassifier, MLPRegressor
from deltarule.estimators.scoring import takes_weights

RNG = np.random.default_rng(2)
X = RNG.normal(0, 1, (120, 4))
Y = (X[:, 0] > 0).astype(int)
T = 3.0 + np.tanh(X[:, 0])
S = RNG.uniform(0.5, 2.0, 120)
SETTINGS = {
    "hidden_layer_sizes": (5,),
    "early_stopping": True,
    "max_iter": 3,
    "random_state": 0,
    "validation_fraction": 0.3,
}


def kind_of(name):
    """The estimator that a named scorer is for; None where it is for many classes or clusters."""
    scorer = get_scorer(name)
    for make, y in ((MLPClassifier, Y), (MLPRegressor, T)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", UndefinedMetricWarning)  # means nothing here
            try:
                model = make(**{**SETTINGS, "early_stopping": False}).fit(X, y)
                if np.isfinite(scorer(model, X, y)):
                    return make, y
            except (ValueError, AttributeError, TypeError, UndefinedMetricWarning):
                continue
    return None


KINDS = {name: found for name in get_scorer_names() if (found := kind_of(name)) is not None}


def test_nearly_every_scorer_of_scikit_learn_is_tested():
    assert len(KINDS) > 45
    without = {name for name in KINDS if not takes_weights(get_scorer(name))}
    assert "rand_score" in without
    assert {"max_error", "neg_max_error"} & without
    assert len(without) > 8


@pytest.mark.parametrize("name", KINDS)
def test_every_named_scorer_scores_with_weights(name):
    make, y = KINDS[name]
    model = make(**SETTINGS, scoring=name)
    plain = quietly(make(**SETTINGS, scoring=name), X, y)
    assert len(plain.validation_scores_) == 3
    if takes_weights(get_scorer(name)):
        weighed = quietly(model, X, y, S)
        assert np.isfinite(weighed.validation_scores_).all()
    else:
        with pytest.warns(UserWarning, match="takes no sample_weight: the validation rows are"):
            quietly(model, X, y, S)
        # Equal weights are as none, so that there is no warning.
        same = quietly(make(**SETTINGS, scoring=name), X, y, np.full(120, 2.0))
        assert same.validation_scores_ == pytest.approx(plain.validation_scores_)


def test_the_weights_given_are_those_of_the_validation_rows():
    seen = []

    def own(estimator, X, y, sample_weight=None):
        seen.append(sample_weight)
        return accuracy_score(y, estimator.predict(X), sample_weight=sample_weight)

    model = MLPClassifier(**SETTINGS, scoring=own)
    quietly(model, X, Y, S)
    assert all(set(weights) <= set(S) for weights in seen)
    named = quietly(MLPClassifier(**SETTINGS, scoring="accuracy"), X, Y, S)
    assert named.validation_scores_ == model.validation_scores_
    usual = quietly(MLPClassifier(**SETTINGS), X, Y, S)
    assert usual.validation_scores_ == model.validation_scores_


def three(estimator, X, y):
    return -float(np.mean(np.abs(estimator.predict(X) - y)))


class Callable:
    def __call__(self, estimator, X, y):
        return three(estimator, X, y)


OWN = {
    "function": three,
    "lambda": lambda estimator, X, y: float(estimator.score(X, y)),
    "partial": functools.partial(lambda k, estimator, X, y: k * three(estimator, X, y), 2.0),
    "object": Callable(),
    "made": make_scorer(max_error, greater_is_better=False),
    "made of an own": make_scorer(lambda y, p: -np.abs(y - p).mean()),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_an_own_scorer_without_weights(make, name):
    y = T if make is MLPRegressor else Y
    model = make(**SETTINGS, scoring=OWN[name])
    assert len(quietly(model, X, y).validation_scores_) == 3
    with pytest.warns(UserWarning, match="takes no sample_weight"):
        quietly(model, X, y, S)
    assert len(model.validation_scores_) == 3
    if make is MLPClassifier:
        with pytest.warns(UserWarning, match="takes no sample_weight"):
            quietly(model.set_params(class_weight={1: 5.0}), X, y)
    with pytest.warns(UserWarning, match="takes no sample_weight"):
        quietly(model, X, y, None, (X, y, S))


def test_an_error_raised_by_the_scorer_is_not_hidden():
    def broken(estimator, X, y, sample_weight=None):
        raise TypeError("sample_weight is not the matter")

    with pytest.raises(TypeError, match="is not the matter"):
        MLPClassifier(**SETTINGS, scoring=broken).fit(X, Y, S)


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        (lambda estimator, X, y: np.nan, "gave nan on the 36 validation rows, by which no epoch"),
        (lambda estimator, X, y: None, "gave None; expected one number"),
        (lambda estimator, X, y: np.zeros(3), "expected one number, the greater the better"),
        (lambda estimator, X, y: {"accuracy": 1.0}, "expected one number"),
        ("ghost", "ghost"),
        (["accuracy"], "'scoring' parameter"),
        (5, "'scoring' parameter"),
    ],
)
def test_a_value_that_is_not_a_score_is_refused(scoring, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**SETTINGS, scoring=scoring).fit(X, Y)


def test_a_numpy_scalar_or_zero_dimensional_array_is_a_score():
    for value in (np.float32(0.5), np.array(0.5), 1, True):
        model = MLPClassifier(**SETTINGS, scoring=lambda e, X, y, value=value: value)
        assert quietly(model, X, Y).validation_scores_ == [float(value)] * 3
