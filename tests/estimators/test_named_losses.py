"""The loss that is named is the one that is trained, over all losses, outputs and tasks."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score

from deltarule.errors import InputError
from deltarule.estimators import MLPClassifier, MLPRegressor
from deltarule.maths import ACTIVATIONS, LOSSES, Activation

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (160, 3))
SCORE = X @ [2.0, -1.0, 0.5]
Y = {
    "2 classes": (SCORE > 0).astype(int),
    "3 classes": np.digitize(SCORE, [-0.7, 0.7]),
    "multilabel": np.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0], axis=1).astype(int),
    "1 target": 0.5 + 0.1 * SCORE,
    "2 targets": np.stack([0.5 + 0.1 * SCORE, 0.5 - 0.1 * SCORE], axis=1),
}
CLASSES = list(Y)[:3]
TARGETS = list(Y)[3:]
PAIRS = [(loss.name, g.name) for loss in LOSSES for g in ACTIVATIONS if loss.accepts(g)]


def quietly(model, *data, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data, **more)


def settings(**more):
    return {
        "hidden_layer_sizes": (8,),
        "activation": "tanh",
        "learning_rate_init": 0.05,
        "n_iter_no_change": 1000,
        "max_iter": 120,
        "random_state": 3,
        "alpha": 0.0,
        "tol": 0.0,
    } | more


def meaning(loss, output):
    """The registered name that scikit-learn's name of a loss stands for."""
    if loss == "squared_error":
        return "half_squared_error"
    return "cross_entropy" if (loss, output) == ("log_loss", "softmax") else loss


def forms(name):
    """A loss by its name, by its record, by what it is saved as, and a part of that."""
    record = LOSSES.get(name)
    return {
        "name": name,
        "record": record,
        "saved": {"name": name, **record.settings},
        "part": {"name": name},
    }


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_a_classifier_trains_the_named_loss_on_the_named_output(loss, output, task):
    model = MLPClassifier(**settings(loss=loss, output_activation=output))
    y = Y[task]
    if task == "multilabel" and output == "softmax":
        with pytest.raises(InputError, match="a row of y may have several of the 3 labels"):
            model.fit(X, y)
        return
    quietly(model, X, y)
    net = model.network_
    assert (net.loss.name, net.output_activation.name) == (meaning(loss, output), output)
    expected = {"2 classes": 2 if output == "softmax" else 1}.get(task, 3)
    assert net.n_outputs == model.n_outputs_ == model.coefs_[-1].shape[1] == expected
    proba, found = model.predict_proba(X), model.predict(X)
    assert proba.shape == (160, 2 if task == "2 classes" else 3)
    assert ((proba >= 0) & (proba <= 1)).all()
    if task != "multilabel":
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)
        assert list(model.classes_) == sorted(set(y))
    best = max(np.mean(y == each) for each in np.unique(y)) if task != "multilabel" else 0.2
    assert model.score(X, y) > best + 0.15, "it predicts (nearly) a constant"
    assert found.shape == y.shape
    assert len(np.unique(found, axis=0)) > 1


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_a_regressor_trains_the_named_loss_on_the_named_output(loss, output, task):
    model = MLPRegressor(**settings(loss=loss, output_activation=output))
    if output == "softmax" and task == "1 target":
        with pytest.raises(InputError, match="'softmax' with one output, which is then the same"):
            model.fit(X, Y[task])
        return
    quietly(model, X, Y[task])
    net = model.network_
    expected = "half_squared_error" if loss == "squared_error" else loss
    assert (net.loss.name, net.output_activation.name) == (expected, output)
    assert model.score(X, Y[task]) > 0.5


@pytest.mark.parametrize("form", ["name", "record", "saved", "part"])
@pytest.mark.parametrize("loss", LOSSES.names())
def test_every_form_of_a_loss_parameter_gives_the_same_loss(loss, form):
    given = forms(loss)[form]
    expected = LOSSES.get(loss)
    if form == "name" and loss == "squared_error":
        expected = LOSSES.get("half_squared_error")
    two = Y["2 targets"]
    regressor = quietly(MLPRegressor(**settings(loss=given, max_iter=2)), X, two)
    assert regressor.network_.loss == expected
    # The usual output of the loss, since none is named.
    usual = {"poisson": "exp", "log_loss": "logistic", "weighted_log_loss": "logistic",
             "cross_entropy": "softmax"}.get(loss, "identity")  # fmt: skip
    assert regressor.out_activation_ == usual
    if loss == "poisson":
        with pytest.raises(InputError, match="does not go with output activation 'softmax'"):
            MLPClassifier(loss=given).fit(X, Y["3 classes"])
        return
    classifier = quietly(MLPClassifier(**settings(loss=given, max_iter=2)), X, Y["3 classes"])
    softmax = form == "name" and loss == "log_loss"
    assert classifier.network_.loss == (LOSSES.get("cross_entropy") if softmax else expected)
    one_each = loss in ("absolute_error", "huber", "quantile", "weighted_log_loss")
    one_each = one_each or (loss == "log_loss" and form != "name")
    assert classifier.out_activation_ == ("logistic" if one_each else "softmax")


def test_parameters_of_a_loss_are_those_given():
    for given, expected in (
        ({"name": "huber", "kappa": np.float32(0.5)}, {"kappa": 0.5}),
        ({"name": "quantile", "levels": np.array([0.25, 0.75])}, {"levels": (0.25, 0.75)}),
        ({"name": "log_loss", "smoothing": 0.125}, {"smoothing": 0.125}),
    ):
        model = quietly(MLPRegressor(**settings(loss=given, max_iter=2)), X, Y["1 target"])
        assert model.network_.loss.settings == expected
        assert pickle.loads(pickle.dumps(model)).network_.loss == model.network_.loss


@pytest.mark.parametrize("task", ["2 classes", "3 classes", "multilabel"])
def test_outputs_outside_0_to_1_are_predicted_as_probabilities(task):
    # Bit for bit the same alone, by a compiled predictor, and for all rows.
    for output in ("identity", "tanh", "logistic"):
        model = MLPClassifier(**settings(loss="squared_error", output_activation=output))
        quietly(model, X, Y[task])
        proba = model.predict_proba(X)
        np.testing.assert_array_equal(model.predict_proba(X[5:6])[0], proba[5])
        np.testing.assert_array_equal(model.compile_predictor()(X[5]), proba[5])
        np.testing.assert_array_equal(model.compile_predictor()(X), proba)
        np.testing.assert_array_equal(model.compile_predictor("labels")(X[5]), model.predict(X)[5])


# -- two classes on two outputs -----------------------------------------------------------

NAMES = np.array(["no", "yes"])[Y["2 classes"]]
PAIRED = {
    "softmax": {"output_activation": "softmax"},
    "record": {"output_activation": ACTIVATIONS.get("softmax")},
    "cross entropy": {"loss": "cross_entropy"},
    "smoothed": {"loss": {"name": "cross_entropy", "smoothing": 0.1}},
    "squared error": {"loss": "squared_error", "output_activation": "softmax"},
}


@pytest.mark.parametrize("name", PAIRED)
def test_two_classes_with_softmax_are_two_outputs(name):
    model = MLPClassifier(**settings(**PAIRED[name]))
    quietly(model, X, NAMES)
    assert [c.shape for c in model.coefs_] == [(3, 8), (8, 2)]
    assert list(model.classes_) == ["no", "yes"]
    assert model.score(X, NAMES) > 0.95
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-12)
    assert ((proba[:, 1] > 0.5) == (model.predict(X) == "yes")).all()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), proba)
    np.testing.assert_array_equal(again.predict(X[:1]), model.predict(X[:1]))
    np.testing.assert_array_equal(model.compile_predictor("labels")(X), model.predict(X))
    assert model.compile_predictor("outputs")(X[0]).shape == (2,)
    if name not in {"squared error", "smoothed"}:
        np.testing.assert_allclose(model.loss_, log_loss(NAMES, proba), rtol=0.05)


def test_two_outputs_learn_what_one_learns():
    # Two logits that are z/2 and −z/2 at the start, moved by δ and −δ, remain so: with half
    # the rate on twice the parameters it is the same descent of the same function.
    W = RNG.normal(0, 0.5, (3, 1))
    plain = {
        "hidden_layer_sizes": (),
        "solver": "sgd",
        "momentum": 0.0,
        "alpha": 0.0,
        "max_iter": 20,
        "shuffle": False,
        "tol": 0.0,
    }
    one = MLPClassifier(**plain, learning_rate_init=0.2, initial_weights=([W], [np.zeros(1)]))
    two = MLPClassifier(
        **plain,
        learning_rate_init=0.1,
        output_activation="softmax",
        initial_weights=([np.hstack([-W / 2, W / 2])], [np.zeros(2)]),
    )
    quietly(one, X, NAMES)
    quietly(two, X, NAMES)
    np.testing.assert_allclose(two.predict_proba(X), one.predict_proba(X), rtol=1e-10)
    np.testing.assert_allclose(two.loss_curve_, one.loss_curve_, rtol=1e-10)


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "sgd", "rprop"])
@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_two_outputs_work_with_every_solver_and_engine(solver, engine):
    base = settings(loss="cross_entropy", solver=solver, engine=engine, max_iter=60)
    rate = {"sgd": 0.3}.get(solver, 0.03)
    base |= {"learning_rate_init": rate}
    for more in (
        {"early_stopping": True, "validation_fraction": 0.2},
        {"class_weight": "balanced"},
        {"class_weight": {"yes": 2.0}},
        {"dropout": 0.1} if solver != "lbfgs" else {},
        {"warm_start": True},
    ):
        model = MLPClassifier(**(base | more))
        quietly(model, X, NAMES)
        if model.warm_start:
            before = model.score(X, NAMES)
            quietly(model, X, NAMES)
            assert model.score(X, NAMES) >= before - 0.05
        assert model.score(X, NAMES) > 0.85
        assert model.coefs_[-1].shape == (8, 2)


def test_two_outputs_in_partial_fit_search_and_calibration():
    model = MLPClassifier(**settings(output_activation="softmax"))
    for _ in range(60):
        model.partial_fit(X, NAMES, classes=["no", "yes"])
    assert model.score(X, NAMES) > 0.95
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fresh = clone(model)
        assert cross_val_score(fresh, X, NAMES, scoring="roc_auc", cv=3).min() > 0.95
        wrapped = CalibratedClassifierCV(clone(model), cv=2).fit(X, NAMES)
    assert wrapped.score(X, NAMES) > 0.9
    watched = MLPClassifier(**settings(output_activation="softmax", max_iter=3))
    quietly(watched, X, NAMES, validation_data=(X[:50], NAMES[:50]))
    record = watched.history_.logs[-1]
    expected = log_loss(NAMES[:50], watched.predict_proba(X[:50]))
    assert record.validation_loss == pytest.approx(expected)


def test_two_outputs_are_split_with_the_classes_in_proportion():
    y = (np.arange(160) % 12 == 0).astype(int)
    for output in ("logistic", "softmax"):
        model = MLPClassifier(**settings(output_activation=output, early_stopping=True, max_iter=2))
        scored = []

        def scoring(estimator, X, y, scored=scored):
            scored.append(int(y.sum()))
            return 0.5

        quietly(model.set_params(scoring=scoring), X, y)
        assert set(scored) == {1}


def test_two_outputs_can_be_explained():
    from deltarule import explain

    model = quietly(MLPClassifier(**settings(loss="cross_entropy", max_iter=5)), X, NAMES)
    explained = explain(model, X[:6], NAMES[:6])
    assert explained.check().error < 1e-6
    assert explained.cost().value == pytest.approx(log_loss(NAMES[:6], model.predict_proba(X[:6])))
    assert explained.output(1, 0).value == pytest.approx(model.predict_proba(X[:1])[0, 1])


def test_one_class_and_softmax_have_one_error():
    with pytest.raises(InputError, match="expected at least two classes, or output_activation="):
        MLPClassifier(output_activation="softmax").fit(X, np.ones(160, dtype=int))
    with pytest.raises(InputError, match="expected at least two classes"):
        MLPClassifier(loss="cross_entropy").partial_fit(X, np.zeros(160, dtype=int), classes=[0])


def test_losses_that_cannot_be_used_for_the_task_have_one_error():
    for y, changes, message in (
        (Y["multilabel"], {"loss": "cross_entropy"}, "'cross_entropy' is for one class out of"),
        (
            Y["2 classes"],
            {"loss": {"name": "quantile", "levels": [0.1, 0.9]}},
            "has 2 outputs for each target, which are not class probabilities",
        ),
        (
            Y["multilabel"],
            {"loss": {"name": "weighted_log_loss", "positive_weight": [1.0, 2.0]}},
            "has 2 numbers; expected one for each of 3 outputs",
        ),
        (0.3 * Y["multilabel"], {}, "if they are probabilities of classes, set soft_targets=True"),
    ):
        with pytest.raises(InputError, match=message):
            MLPClassifier(**changes).fit(X, y)
    for y, loss, message in (
        (Y["1 target"], "cross_entropy", "'softmax' with one output"),
        (Y["1 target"] + 3, "log_loss", "'log_loss' expects numbers from 0 to 1"),
        (Y["1 target"] - 3, "poisson", "'poisson' expects numbers ≥ 0"),
    ):
        with pytest.raises(InputError, match=message):
            MLPRegressor(loss=loss).fit(X, y)


def test_a_changed_loss_or_output_is_used_in_the_next_call():
    model = MLPClassifier(**settings(max_iter=3, warm_start=True))
    quietly(model, X, NAMES)
    assert model.network_.loss.name == "log_loss"
    quietly(model.set_params(loss="squared_error"), X, NAMES)
    assert model.network_.loss.name == "half_squared_error"
    quietly(model.set_params(output_activation="tanh"), X, NAMES)
    assert model.network_.output_activation.name == model.out_activation_ == "tanh"
    with pytest.raises(InputError, match=r"expected \((2, 8|8, 2)\)"):
        model.set_params(output_activation="softmax").fit(X, NAMES)
    assert model.out_activation_ == "tanh"  # as it was


def shares(xp):
    """An own output that mixes: squares, divided by their sum."""

    def value(z):
        return z * z / xp.total(z * z)

    def pullback(z, a, up):
        return 2 * z / xp.total(z * z) * (up - xp.total(a * up))

    return value, pullback


def test_an_own_output_that_mixes_has_two_outputs_for_two_classes():
    own = Activation("shares", shares, elementwise=False)
    ACTIVATIONS.register(own)
    try:
        loss = LOSSES.get("half_squared_error")
        loss = type(loss)("own", loss.formula, outputs=("shares",))
        model = MLPClassifier(**settings(loss=loss, output_activation=own))
        quietly(model, X, NAMES)
        assert model.coefs_[-1].shape == (8, 2)
        assert model.score(X, NAMES) > 0.9
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    finally:
        ACTIVATIONS.unregister("shares")


# -- per-label weights and smoothing ------------------------------------------------------

LINEAR = {
    "hidden_layer_sizes": (),
    "solver": "lbfgs",
    "alpha": 0.0,
    "max_iter": 500,
    "tol": 1e-9,
}


def test_a_positive_weight_raises_the_probability_by_its_factor_in_the_odds():
    # Of rows that are all alike, share q positive, p q/(p q + 1 − q) is the optimum.
    rows, y = np.zeros((200, 1)), (np.arange(200) < 40).astype(int)
    labels = np.stack([y, np.roll(y, 7), 1 - y], axis=1)
    one = MLPClassifier(**LINEAR, loss={"name": "weighted_log_loss", "positive_weight": 4.0})
    assert quietly(one, rows, y).predict_proba(rows)[0, 1] == pytest.approx(0.5, abs=1e-5)
    several = MLPClassifier(
        **LINEAR, loss={"name": "weighted_log_loss", "positive_weight": [1.0, 4.0, 0.5]}
    )
    found = quietly(several, rows, labels).predict_proba(rows)[0]
    np.testing.assert_allclose(found, [0.2, 0.5, 0.4 / 0.6], atol=1e-5)


def test_smoothing_is_the_same_for_two_classes_on_one_output_and_on_two():
    rows, y = np.zeros((200, 1)), (np.arange(200) < 40).astype(int)
    for loss in ("log_loss", "cross_entropy", "weighted_log_loss"):
        model = MLPClassifier(**LINEAR, loss={"name": loss, "smoothing": 0.2})
        found = quietly(model, rows, y).predict_proba(rows)[0]
        np.testing.assert_allclose(found, [0.8 * 0.8 + 0.1, 0.8 * 0.2 + 0.1], atol=1e-5)
    with pytest.raises(InputError, match="smoothing is 1"):
        MLPClassifier(loss={"name": "log_loss", "smoothing": 1.0}).fit(rows, y)


# -- l1 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_l1_is_the_penalty_of_the_training_loop(kind):
    y = Y["2 classes"]
    plain = quietly(kind(**settings(max_iter=60)), X, y)
    thin = quietly(kind(**settings(max_iter=60, l1=20.0)), X, y)
    assert np.abs(thin.coefs_[0]).sum() < 0.3 * np.abs(plain.coefs_[0]).sum()
    last = thin.history_.logs[-1]
    size = sum(np.abs(c).sum() for c in thin.coefs_)
    assert last.penalty == pytest.approx(20.0 / 160 * size, rel=1e-9)
    with pytest.raises(InputError, match=r"l1 is 1\.0 with rule 'lbfgs'"):
        kind(solver="lbfgs", l1=1.0).fit(X, y)
    with pytest.raises(ValueError, match="'l1' parameter"):
        kind(l1=-1.0).fit(X, y)
