"""class_weight: classes that are absent, validation rows, labels, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.utils import compute_sample_weight
from tests.estimators.quiet import quietly

from deltarule.errors import InputError
from deltarule.estimators import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(1)
X = RNG.normal(0, 1, (90, 4))
Y = (X[:, 0] + 0.3 * X[:, 1] > 0.5).astype(int)
THREE = np.digitize(X[:, 0], [-0.5, 0.5])
LABELS = np.stack([X[:, 0] > 0, X[:, 1] > 1, X[:, 2] > -1], axis=1).astype(int)


def model(**more):
    settings = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 0, "batch_size": 10}
    return MLPClassifier(**(settings | more))


def same(one, other):
    for a, b in zip((*one.coefs_, *one.intercepts_), (*other.coefs_, *other.intercepts_),
                    strict=True):  # fmt: skip
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("weight", [{1: 5.0}, {0: 1.0, 1: 5.0}, {np.int64(1): np.float32(5)}])
def test_a_batch_without_a_class_has_the_weights_of_the_others(weight):
    # The weights are those of scikit-learn's SGDClassifier.
    zeros, ones = Y == 0, Y == 1
    SGDClassifier(class_weight=weight).partial_fit(X[zeros], Y[zeros], classes=[0, 1])
    weighed, by_hand = model(class_weight=weight), model()
    for rows in (zeros, ones, np.ones(90, dtype=bool)):
        weighed.partial_fit(X[rows], Y[rows], classes=[0, 1])
        by_hand.partial_fit(
            X[rows], Y[rows], classes=[0, 1], sample_weight=np.where(Y[rows], 5.0, 1.0)
        )
        same(weighed, by_hand)
    np.testing.assert_array_equal(weighed.class_weight_, [1.0, 5.0])


def test_a_class_that_is_not_in_y_may_have_a_weight_where_all_others_have():
    two = THREE < 2
    weights = {0: 2.0, 1: 3.0, 2: 7.0}
    SGDClassifier(class_weight=weights).fit(X[two], THREE[two])
    found = quietly(model(class_weight=weights), X[two], THREE[two])
    by_hand = quietly(model(), X[two], THREE[two], np.array([2.0, 3.0])[THREE[two]])
    same(found, by_hand)
    text = np.array(["a", "b"])[Y]
    found = quietly(model(class_weight={"b": 2.0}), X, text)
    same(found, quietly(model(), X, text, np.where(Y, 2.0, 1.0)))


@pytest.mark.parametrize(
    ("weight", "y", "message"),
    [
        ({1: 2.0, 7: 1.0}, Y, r"names \[7\], which are no classes, and not \[0\]"),
        ({"1": 2.0}, Y, r"names \['1'\], which are no classes, and not \[0, 1\]"),
        ({0: -1.0}, Y, r"class_weight\[0\] is -1\.0; expected a finite number ≥ 0"),
        ({0: np.nan}, Y, "is nan; expected a finite number"),
        ({0: "two"}, Y, "is 'two'; expected a finite number"),
        ({0: True}, Y, "is True; expected a finite number"),
        ([{0: 1.0}], Y, "is a list and y holds one class for each row; expected a dict"),
        ([{0: 1.0, 1: 2.0}], LABELS, "has 1 items and y holds 3 labels; expected a list with a"),
        ([{0: 1.0}, {5: 2.0}, {}], LABELS, r"names \[5\], which are no classes"),
        ([1.0, 2.0, 3.0], LABELS, r"class_weight\[0\] is 1\.0; expected a dict such as"),
        ({0: 1.0, 9: 2.0}, LABELS, r"names \[9\], which are no labels; the labels are \[0, 1, 2\]"),
    ],
    ids=str,
)
def test_unusable_class_weights_are_refused(weight, y, message):
    with pytest.raises(InputError, match=message):
        model(class_weight=weight).fit(X, y)


# -- validation rows ----------------------------------------------------------------------


@pytest.mark.parametrize("weight", ["balanced", {1: 5.0}, {0: 0.5, 1: 5.0}])
def test_validation_rows_have_the_weights_of_the_classes_in_training(weight):
    held = (X[:40], np.r_[np.zeros(38, dtype=int), [1, 1]])
    found = quietly(model(class_weight=weight), X, Y, validation_data=held)
    own = {"balanced": 90 / (2 * np.bincount(Y))}.get(str(weight))
    if own is None:
        own = np.array([weight.get(0, 1.0), weight[1]])
    np.testing.assert_allclose(found.class_weight_, own)
    losses = -np.log(found.predict_proba(held[0])[np.arange(40), held[1]])
    expected = np.average(losses, weights=own[held[1]])
    assert found.history_.logs[-1].validation_loss == pytest.approx(expected)


@pytest.mark.parametrize("weight", ["balanced", {1: 5.0}, {0: 0.5, 1: 5.0}])
@pytest.mark.parametrize("early", [False, True])
def test_validation_rows_may_lack_a_class(weight, early):
    zeros = Y == 0
    found = model(class_weight=weight, early_stopping=early)
    quietly(found, X, Y, validation_data=(X[zeros], Y[zeros]))
    losses = -np.log(found.predict_proba(X[zeros])[:, 0])
    if not early:
        assert found.history_.logs[-1].validation_loss == pytest.approx(losses.mean())
    quietly(found, X, Y, validation_data=(X[zeros], Y[zeros], np.ones(zeros.sum())))
    assert found.classes_.tolist() == [0, 1]


def test_balanced_equals_scikit_learns_for_classes():
    for y in (Y, THREE, np.array(["x", "y", "z"])[THREE]):
        found = quietly(model(class_weight="balanced"), X, y)
        by_hand = quietly(model(), X, y, compute_sample_weight("balanced", y))
        same(found, by_hand)


# -- labels -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(
    "weight",
    ["balanced", [{0: 1.0, 1: 5.0}, {0: 2.0, 1: 1.0}, {1: 3.0}], [{}, {1: 2.0}, {0: 0.5}]],
    ids=str,
)
def test_label_weights_equal_scikit_learns_output_weights(weight, kind):
    found = quietly(model(class_weight=weight), X, kind(LABELS))
    full = weight
    if weight != "balanced":
        full = [{0: 1.0, 1: 1.0} | each for each in weight]
    by_hand = quietly(model(), X, kind(LABELS), compute_sample_weight(full, LABELS))
    same(found, by_hand)
    assert found.class_weight_.shape == (3, 2)


def test_a_dict_weights_the_rows_that_have_a_label():
    found = quietly(model(class_weight={0: 4.0, 2: 0.5}), X, LABELS)
    weights = np.where(LABELS[:, 0], 4.0, 1.0) * np.where(LABELS[:, 2], 0.5, 1.0)
    same(found, quietly(model(), X, LABELS, weights))
    mixed = quietly(model(class_weight=["balanced", None, {1: 2.0}]), X, LABELS)
    weights = compute_sample_weight("balanced", LABELS[:, 0]) * np.where(LABELS[:, 2], 2.0, 1.0)
    same(mixed, quietly(model(), X, LABELS, weights))


def test_labels_have_the_same_weights_in_validation_rows_and_batches():
    found = model(class_weight="balanced")
    rows = LABELS.copy()
    rows[:, 1] = 0  # a label that none of them has
    quietly(found, X, LABELS, validation_data=(X, rows))
    weights = np.ones(90)
    for j in range(3):
        weights *= found.class_weight_[j][rows[:, j]]
    a = found.predict_proba(X)
    losses = -(rows * np.log(a) + (1 - rows) * np.log1p(-a)).sum(axis=1)
    expected = np.average(losses, weights=weights)
    assert found.history_.logs[-1].validation_loss == pytest.approx(expected)
    batch = model(class_weight={1: 3.0}).partial_fit(X, rows, classes=[0, 1, 2])
    same(batch, model().partial_fit(X, rows, classes=[0, 1, 2]))


def test_an_explanation_has_the_row_weights_of_training():
    from deltarule.explain.subject_sources import of_estimator

    found = quietly(model(class_weight="balanced"), X, Y)
    few = np.r_[np.flatnonzero(Y == 1)[:1], np.flatnonzero(Y == 0)[:5]]
    source = of_estimator(found, X[few], Y[few], None)
    expected = found.class_weight_[Y[few]]
    np.testing.assert_allclose(source.subject.s / source.subject.s[0], expected / expected[0])


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_weights_whose_sum_overflows_are_named(estimator):
    X, y = np.eye(4), np.array([0, 1, 0, 1])
    with pytest.raises(InputError, match="sample_weight has numbers up to 1e\\+308"):
        estimator().fit(X, y, sample_weight=np.full(4, 1e308))
