"""Probabilities in place of labels: soft_targets=True."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from tests.estimators.quiet import quietly

from deltarule.errors import InputError
from deltarule.estimators import MLPClassifier

RNG = np.random.default_rng(4)
X = RNG.normal(0, 1, (80, 3))
LOGITS = X @ RNG.normal(0, 1, (3, 3))
SOFT = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
TWO = 1 / (1 + np.exp(-2 * X[:, 0]))
SETTINGS = {
    "hidden_layer_sizes": (6,),
    "activation": "tanh",
    "learning_rate_init": 0.05,
    "max_iter": 60,
    "random_state": 0,
    "soft_targets": True,
    "alpha": 0.0,
}


def coefficients(model):
    return np.concatenate([part.ravel() for part in (*model.coefs_, *model.intercepts_)])


@pytest.mark.parametrize("output", [None, "softmax", "logistic"])
@pytest.mark.parametrize("task", ["two, as a column", "two, as both", "three"])
def test_probabilities_are_learned(task, output):
    both = np.stack([1 - TWO, TWO], axis=1)
    y = {"two, as a column": TWO, "two, as both": both, "three": SOFT}[task]
    full = SOFT if task == "three" else both
    loss = "log_loss" if output != "logistic" or task != "three" else {"name": "log_loss"}
    model = quietly(MLPClassifier(**SETTINGS, output_activation=output, loss=loss), X, y)
    assert model.classes_.tolist() == list(range(full.shape[1]))
    outputs = 1 if task != "three" and output != "softmax" else full.shape[1]
    assert model.coefs_[-1].shape == (6, outputs)
    np.testing.assert_allclose(model.predict_proba(X), full, atol=0.2)
    assert (model.predict(X) == full.argmax(axis=1)).mean() > 0.9
    # Scored by the most probable class, from probabilities and from labels.
    assert model.score(X, y) == np.mean(model.predict(X) == full.argmax(axis=1))
    assert model.score(X, full.argmax(axis=1)) == model.score(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_the_loss_is_the_cross_entropy_of_the_probabilities():
    model = quietly(MLPClassifier(**SETTINGS | {"max_iter": 3}), X, SOFT, validation_data=(X, SOFT))
    expected = -(SOFT * np.log(model.predict_proba(X))).sum(axis=1).mean()
    assert model.history_.logs[-1].validation_loss == pytest.approx(expected)
    for name in ("squared_error", "cross_entropy"):
        other = quietly(MLPClassifier(**SETTINGS, loss=name), X, SOFT)
        np.testing.assert_allclose(other.predict_proba(X), SOFT, atol=0.15)


def test_probabilities_of_0_and_1_equal_labels():
    hard = SOFT.argmax(axis=1)
    soft = quietly(MLPClassifier(**SETTINGS | {"max_iter": 5}), X, np.eye(3)[hard])
    plain = quietly(MLPClassifier(**SETTINGS | {"max_iter": 5, "soft_targets": False}), X, hard)
    np.testing.assert_array_equal(coefficients(soft), coefficients(plain))
    one = (TWO > 0.5).astype(int)
    soft = quietly(MLPClassifier(**SETTINGS | {"max_iter": 5}), X, one)
    plain = quietly(MLPClassifier(**SETTINGS | {"max_iter": 5, "soft_targets": False}), X, one)
    np.testing.assert_array_equal(coefficients(soft), coefficients(plain))


def test_classes_may_be_named():
    names = ["cat", "cow", "dog"]
    model = quietly(MLPClassifier(**SETTINGS | {"soft_targets": names}), X, SOFT)
    assert model.classes_.tolist() == names
    assert model.predict(X)[0] == names[model.predict_proba(X)[0].argmax()]
    assert model.score(X, np.array(names)[SOFT.argmax(axis=1)]) == model.score(X, SOFT)
    part = MLPClassifier(**SETTINGS)
    for _ in range(3):
        part.partial_fit(X, SOFT, classes=names)
    assert part.classes_.tolist() == names
    part.partial_fit(X, SOFT)
    assert part.predict(X).dtype == np.array(names).dtype


def test_partial_fit_is_fit_epoch_by_epoch():
    whole = quietly(MLPClassifier(**SETTINGS | {"max_iter": 4, "shuffle": False}), X, SOFT)
    part = MLPClassifier(**SETTINGS | {"shuffle": False})
    for _ in range(4):
        part.partial_fit(X, SOFT)
    np.testing.assert_allclose(coefficients(part), coefficients(whole), rtol=1e-12)
    for y in (SOFT[:, :2] / SOFT[:, :2].sum(axis=1, keepdims=True), TWO):
        with pytest.raises(InputError, match="the probabilities of 2 classes; expected 3, as in"):
            part.partial_fit(X, y)
    assert part.predict_proba(X).shape == (80, 3)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "accuracy"])
def test_early_stopping_and_searches_score_the_most_probable_class(scoring):
    model = MLPClassifier(**SETTINGS, early_stopping=True, validation_fraction=0.3, scoring=scoring)
    quietly(model, X, SOFT)
    assert len(model.validation_scores_) == model.n_iter_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        plain = clone(model).set_params(early_stopping=False)
        assert cross_val_score(plain, X, SOFT, cv=3).mean() > 0.7
        assert cross_val_score(plain, X, TWO, cv=3).mean() > 0.7


def test_weights_of_classes_are_means_over_the_probabilities():
    weights = {0: 1.0, 1: 2.0, 2: 4.0}
    model = quietly(MLPClassifier(**SETTINGS | {"max_iter": 4}, class_weight=weights), X, SOFT)
    by_hand = quietly(MLPClassifier(**SETTINGS | {"max_iter": 4}), X, SOFT, SOFT @ [1.0, 2.0, 4.0])
    np.testing.assert_allclose(coefficients(model), coefficients(by_hand), rtol=1e-10)
    even = quietly(MLPClassifier(**SETTINGS | {"max_iter": 4}, class_weight="balanced"), X, SOFT)
    np.testing.assert_allclose(even.class_weight_, 80 / (3 * SOFT.sum(axis=0)))


def test_float32_sparse_and_integer_probabilities():
    for y in (SOFT.astype(np.float32), sparse.csr_matrix(np.eye(3)[SOFT.argmax(axis=1)])):
        model = quietly(MLPClassifier(**SETTINGS | {"max_iter": 2}), X.astype(np.float32), y)
        assert model.predict_proba(X[:2].astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("y", "changes", "message"),
    [
        (
            2 * SOFT,
            {},
            r"y\[\d+, \d\] is .* with soft_targets; expected probabilities, from 0",
        ),
        (0.5 * SOFT, {}, r"y\[0\] adds to 0\.5 with soft_targets.*divide each row by its sum"),
        (TWO - 1, {}, "expected probabilities, from 0 to 1"),
        (np.array(["a", "b"] * 40), {}, "expected the probability of each class"),
        (SOFT, {"soft_targets": ["a", "b"]}, "2 classes are named and y has the probabilities of"),
        (SOFT, {"soft_targets": ["b", "a", "c"]}, "expected each once and in order"),
        (SOFT, {"soft_targets": False}, "set soft_targets=True"),
        (TWO, {"soft_targets": False}, "set soft_targets=True"),
        (SOFT, {"soft_targets": 2}, "'soft_targets' parameter"),
    ],
    ids=str,
)
def test_values_that_are_not_probabilities_are_refused(y, changes, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**SETTINGS | changes).fit(X, y)


def test_other_classes_in_a_later_call_are_refused():
    model = MLPClassifier(**SETTINGS)
    with pytest.raises(InputError, match="2 classes are named"):
        MLPClassifier(**SETTINGS | {"soft_targets": ["a", "b"]}).partial_fit(X, SOFT)
    with pytest.raises(ValueError, match="2"):
        model.partial_fit(X, SOFT, classes=["a", "b"])
    assert not hasattr(model, "classes_")
    model.partial_fit(X, SOFT, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="not the same"):
        model.partial_fit(X, SOFT, classes=["a", "b", "d"])
