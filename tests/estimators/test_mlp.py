"""MLPClassifier and MLPRegressor: scikit-learn's results, and what is added."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import make_scorer, r2_score, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from deltarule.errors import Diverged, InputError
from deltarule.estimators import MLPClassifier, MLPRegressor
from deltarule.maths import LOSSES

DIGITS = load_digits()
X_DIGITS, Y_DIGITS = DIGITS.data[:240] / 16.0, DIGITS.target[:240]
X_DIABETES, Y_DIABETES = load_diabetes(return_X_y=True)
X_DIABETES = StandardScaler().fit_transform(X_DIABETES)
Y_DIABETES = (Y_DIABETES - Y_DIABETES.mean()) / Y_DIABETES.std()


def quietly(estimator, *data, **more):
    """Fit without a ConvergenceWarning after few epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*data, **more)


def coefficients(model):
    return np.concatenate([part.ravel() for part in (*model.coefs_, *model.intercepts_)])


# -- the same results ---------------------------------------------------------------------

SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "adam": {"solver": "adam"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.2,
        "tol": 1e-2,
        "n_iter_no_change": 1,
        "max_iter": 30,
    },
    "early stopping": {"solver": "adam", "early_stopping": True, "n_iter_no_change": 2},
    "batch of 31, not shuffled": {"batch_size": 31, "shuffle": False},
    "tanh": {"activation": "tanh"},
    "logistic": {"activation": "logistic"},
}
TASKS = {
    "multiclass": ("MLPClassifier", Y_DIGITS),
    "binary": ("MLPClassifier", Y_DIGITS % 2),
    "labels": ("MLPClassifier", np.array(["odd", "even"])[Y_DIGITS % 2]),
    "multilabel": ("MLPClassifier", (Y_DIGITS[:, None] >> np.arange(3)) & 1),
    "regression": ("MLPRegressor", Y_DIGITS / 4.0),
    "two targets": ("MLPRegressor", np.stack([Y_DIGITS / 4.0, -Y_DIGITS / 8.0], axis=1)),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_equals_scikit_learns(solver, task):
    name, y = TASKS[task]
    settings = {
        "hidden_layer_sizes": (12, 7),
        "alpha": 0.0,
        "max_iter": 10,
        "random_state": 3,
        "learning_rate_init": 0.01,
        **SOLVERS[solver],
    }
    theirs = quietly(getattr(neural_network, name)(**settings), X_DIGITS, y)
    ours = quietly(
        {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name](**settings),
        X_DIGITS,
        y,
    )
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.t_ == theirs.t_
    assert np.abs(coefficients(ours) - coefficients(theirs)).max() < 1e-8
    factor = 2 if task == "two targets" else 1  # scikit-learn reports the mean over outputs
    np.testing.assert_allclose(ours.loss_curve_, factor * np.array(theirs.loss_curve_), rtol=1e-9)
    assert (ours.predict(X_DIGITS) == theirs.predict(X_DIGITS)).all() or name == "MLPRegressor"
    if name == "MLPClassifier":
        np.testing.assert_allclose(
            ours.predict_proba(X_DIGITS), theirs.predict_proba(X_DIGITS), atol=1e-10
        )
        assert list(ours.classes_) == list(theirs.classes_)
    for attribute in ("best_loss_", "best_validation_score_", "out_activation_", "n_layers_"):
        mine, other = getattr(ours, attribute), getattr(theirs, attribute)
        if isinstance(other, float):
            assert mine == pytest.approx(factor * other if attribute == "best_loss_" else other)
        else:
            assert mine == other


@pytest.mark.parametrize("task", [task for task in TASKS if task != "two targets"])
def test_an_lbfgs_fit_equals_scikit_learns(task):
    # But for two targets, where scikit-learn's gradient is not that of its loss.
    name, y = TASKS[task]
    settings = {"hidden_layer_sizes": (6,), "solver": "lbfgs", "max_iter": 10, "random_state": 1}
    theirs = quietly(getattr(neural_network, name)(**settings), X_DIGITS, y)
    ours = quietly(
        {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name](**settings),
        X_DIGITS,
        y,
    )
    assert ours.n_iter_ == theirs.n_iter_ == 10
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-7)
    assert np.abs(coefficients(ours) - coefficients(theirs)).max() < 1e-6


def test_partial_fit_equals_scikit_learns():
    settings = {"hidden_layer_sizes": (6,), "alpha": 0.0, "random_state": 0}
    theirs, ours = neural_network.MLPClassifier(**settings), MLPClassifier(**settings)
    for part in np.array_split(np.arange(240), 4):
        for model in (theirs, ours):
            model.partial_fit(X_DIGITS[part], Y_DIGITS[part], classes=np.arange(10))
    assert np.abs(coefficients(ours) - coefficients(theirs)).max() < 1e-10
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    assert len(ours.loss_curve_) == 4


def test_every_parameter_and_attribute_of_scikit_learns_is_there_in_its_order():
    for ours, theirs in (
        (MLPClassifier, neural_network.MLPClassifier),
        (MLPRegressor, neural_network.MLPRegressor),
    ):
        names, other = list(ours().get_params(deep=False)), list(theirs().get_params(deep=False))
        assert set(other) <= set(names)
        assert {n: ours().get_params()[n] for n in other} == theirs().get_params()
        import inspect

        signature = list(inspect.signature(ours).parameters)
        expected = list(inspect.signature(theirs).parameters)
        assert signature[: len(expected)] == expected
        y = Y_DIGITS % 2
        fitted = quietly(ours(max_iter=2), X_DIGITS, y)
        theirs_fitted = quietly(theirs(max_iter=2), X_DIGITS, y)
        public = {n for n in vars(theirs_fitted) if n.endswith("_") and not n.startswith("_")}
        assert public <= set(vars(fitted))
        methods = {n for n in dir(theirs_fitted) if not n.startswith("_")}
        assert methods <= set(dir(fitted))


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_check_estimator(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator(max_iter=50), on_fail=None)
    failed = [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")]
    assert not failed
    assert len(results) > 50


# -- what is added ------------------------------------------------------------------------


def test_the_gradient_belongs_to_the_reported_loss_for_several_outputs():
    # One tiny step of plain gradient descent lowers the reported loss by η‖∇C‖², where
    # ‖∇C‖ is read off the step itself. scikit-learn is off by the number of outputs.
    X, Y = X_DIABETES[:50], np.stack([Y_DIABETES[:50]] * 3, axis=1) * [1.0, 2.0, -1.0]
    rate = 1e-4
    model = MLPRegressor(
        hidden_layer_sizes=(5,),
        activation="tanh",
        solver="sgd",
        momentum=0.0,
        learning_rate_init=rate,
        max_iter=2,
        alpha=0.0,
        batch_size=50,
        random_state=0,
    )
    before = quietly(clone(model).set_params(max_iter=1), X, Y)
    start = model.set_params(random_state=0)
    quietly(start, X, Y)
    first, second = start.loss_curve_
    initial = clone(before)
    rng = np.random.RandomState(0)
    weights = []
    for n_in, n_out in ((10, 5), (5, 3)):
        bound = np.sqrt(6.0 / (n_in + n_out))
        weights += [rng.uniform(-bound, bound, (n_in, n_out)), rng.uniform(-bound, bound, n_out)]
    theta0 = np.concatenate([weights[0].ravel(), weights[2].ravel(), weights[1], weights[3]])
    moved = np.sum((coefficients(before) - theta0) ** 2) / rate
    assert initial is not before
    assert (first - second) / moved == pytest.approx(1.0, rel=1e-2)


def test_alpha_is_not_divided_by_the_batch():
    # With all gradients of the data 0 (targets met exactly) only the penalty moves weights:
    # after one epoch of 10 batches they have shrunk by (1 − η α/N)^10.
    X, y = np.zeros((100, 2)), np.zeros(100)
    model = MLPRegressor(
        hidden_layer_sizes=(),
        solver="sgd",
        momentum=0.0,
        learning_rate_init=0.5,
        alpha=4.0,
        batch_size=10,
        max_iter=1,
        initial_weights=([np.ones((2, 1))], [np.zeros(1)]),
    )
    quietly(model, X, y)
    assert model.coefs_[0][0, 0] == pytest.approx((1 - 0.5 * 4.0 / 100) ** 10, rel=1e-12)


@pytest.mark.parametrize(
    "added",
    [
        {"activation": ["tanh", "gelu"]},
        {"dropout": 0.2},
        {"weight_decay": 0.1},
        {"clip_norm": 0.5},
        {"averaging": 0.9},
        {"schedule": "cosine"},
        {"schedule": {"name": "warmup", "epochs": 2.0}},
        {"solver": "rmsprop"},
        {"solver": "rprop"},
        {"solver": "adamw"},
        {"class_weight": "balanced"},
        {"class_weight": {0: 1.0, 1: 2.0, 2: 3.0}},
        {"loss": "squared_error"},
        {"engine": "reference"},
    ],
    ids=str,
)
def test_each_added_parameter_trains_and_changes_the_result(added):
    X, y = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    plain = MLPClassifier((8, 6), max_iter=30, learning_rate_init=0.02, random_state=0)
    base = quietly(clone(plain), X, y)
    model = quietly(clone(plain).set_params(**added), X, y)
    assert model.score(X, y) > 0.9
    assert pickle.loads(pickle.dumps(model)).score(X, y) == model.score(X, y)
    one, other = coefficients(model), coefficients(base)
    same = one.shape == other.shape and np.allclose(one, other, rtol=0, atol=1e-8)
    assert same == ("engine" in added)


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        ("absolute_error", ()),
        ("huber", ()),
        ({"name": "huber", "kappa": 0.5}, ()),
        ("poisson", ()),
        (LOSSES.get("quantile", levels=(0.1, 0.5, 0.9)), (3,)),
    ],
    ids=str,
)
def test_regression_losses(loss, shape):
    y = np.abs(Y_DIABETES) if loss == "poisson" else Y_DIABETES
    model = MLPRegressor(loss, (8,), max_iter=60, learning_rate_init=0.02, random_state=0)
    quietly(model, X_DIABETES, y)
    assert model.predict(X_DIABETES).shape == (len(y), *shape)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    if shape:
        covered = (y[:, None] < model.predict(X_DIABETES)).mean(axis=0)
        np.testing.assert_allclose(covered, [0.1, 0.5, 0.9], atol=0.07)


def test_validation_data_is_recorded_and_with_early_stopping_decides():
    X, y, Xv, yv = X_DIGITS[:200], Y_DIGITS[:200], X_DIGITS[200:], Y_DIGITS[200:]
    watched = MLPClassifier((8,), max_iter=5, random_state=0)
    quietly(watched, X, y, validation_data=(Xv, yv))
    assert len(watched.history_.column("validation_loss")) == 5
    assert None not in watched.history_.column("validation_loss")
    stopped = MLPClassifier((8,), max_iter=40, early_stopping=True, random_state=0)
    quietly(stopped, X, y, validation_data=(Xv, yv, np.ones(len(yv))))
    assert (
        stopped.score(Xv, yv) == stopped.best_validation_score_ == max(stopped.validation_scores_)
    )
    # All 200 rows were trained on: none was split off.
    assert stopped.t_ == stopped.n_iter_ * 200


def test_a_scorer_gets_the_estimator_being_fitted():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    seen = []

    def scorer(estimator, X, y, sample_weight=None):
        seen.append((coefficients(estimator).copy(), estimator.predict(X).shape))
        return roc_auc_score(y, estimator.predict_proba(X)[:, 1])

    model = MLPClassifier(
        (4,),
        early_stopping=True,
        scoring=scorer,
        max_iter=6,
        learning_rate_init=0.05,
        random_state=0,
    )
    quietly(model, X, y)
    assert len(seen) == len(model.validation_scores_) == 6
    assert not np.array_equal(seen[0][0], seen[-1][0])
    assert 0.9 < model.best_validation_score_ <= 1
    named = MLPClassifier(
        (4,),
        early_stopping=True,
        scoring="roc_auc",
        max_iter=6,
        learning_rate_init=0.05,
        random_state=0,
    )
    quietly(named, X, y)
    assert named.validation_scores_ == model.validation_scores_
    weighted = make_scorer(roc_auc_score, response_method="predict_proba")
    quietly(named.set_params(scoring=weighted), X, y, sample_weight=np.ones(len(y)))
    assert named.validation_scores_ == pytest.approx(model.validation_scores_)


def test_a_weight_of_two_is_the_row_twice_and_class_weight_multiplies():
    rows = np.concatenate([np.arange(60), np.arange(20)])
    settings = {
        "hidden_layer_sizes": (5,),
        "solver": "sgd",
        "momentum": 0.0,
        "batch_size": 80,
        "shuffle": False,
        "max_iter": 5,
        "random_state": 0,
    }
    X, y = X_DIGITS[:60], Y_DIGITS[:60] % 2
    weights = np.where(np.arange(60) < 20, 2.0, 1.0)
    twice = quietly(MLPClassifier(**settings), X[rows], y[rows])
    weighted = quietly(MLPClassifier(**(settings | {"batch_size": 60})), X, y, weights)
    np.testing.assert_allclose(coefficients(twice), coefficients(weighted), rtol=1e-12, atol=1e-14)
    by_class = MLPClassifier(**(settings | {"batch_size": 60, "class_weight": {0: 1.0, 1: 3.0}}))
    by_hand = MLPClassifier(**(settings | {"batch_size": 60}))
    quietly(by_class, X, y, weights)
    quietly(by_hand, X, y, weights * np.where(y == 1, 3.0, 1.0))
    np.testing.assert_array_equal(coefficients(by_class), coefficients(by_hand))


def test_multilabel_and_multioutput_work_in_partial_fit():
    labels = TASKS["multilabel"][1]
    model = MLPClassifier((6,), random_state=0)
    for _ in range(3):
        model.partial_fit(X_DIGITS, labels, classes=[0, 1, 2])
    assert model.predict(X_DIGITS).shape == labels.shape
    targets = TASKS["two targets"][1]
    regressor = MLPRegressor(hidden_layer_sizes=(6,), random_state=0)
    weights = np.linspace(0.5, 1.5, 240)
    for _ in range(3):
        regressor.partial_fit(X_DIGITS, targets, sample_weight=weights)
    assert regressor.predict(X_DIGITS).shape == targets.shape
    assert len(regressor.loss_curve_) == 3


@pytest.mark.parametrize(
    "make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "pyarrow"]
)
def test_frames_give_feature_names(make):
    columns = {f"f{i}": X_DIABETES[:, i].copy() for i in range(4)}
    frame = make(columns)
    model = quietly(
        MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0), frame, Y_DIABETES
    )
    assert list(model.feature_names_in_) == list(columns)
    array = quietly(
        MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0),
        X_DIABETES[:, :4],
        Y_DIABETES,
    )
    np.testing.assert_array_equal(model.predict(frame), array.predict(X_DIABETES[:, :4]))


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_sparse_rows_give_the_dense_result(kind):
    X = np.where(X_DIGITS > 0.5, X_DIGITS, 0.0)
    settings = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0, "batch_size": 50}
    dense = quietly(MLPClassifier(**settings), X, Y_DIGITS)
    thin = quietly(MLPClassifier(**settings), kind(X), Y_DIGITS)
    np.testing.assert_array_equal(coefficients(dense), coefficients(thin))
    np.testing.assert_array_equal(dense.predict_proba(X), thin.predict_proba(kind(X)))
    early = MLPClassifier(**settings, early_stopping=True)
    quietly(early, kind(X), Y_DIGITS)
    assert len(early.validation_scores_) == 4


def test_float32_only_if_x_is_float32():
    for dtype, expected in ((np.float32, np.float32), (np.float64, np.float64), (int, np.float64)):
        X = (16 * X_DIGITS).astype(dtype)
        model = quietly(MLPClassifier((4,), max_iter=2), X, Y_DIGITS)
        assert {part.dtype for part in (*model.coefs_, *model.intercepts_)} == {np.dtype(expected)}
        assert model.predict_proba(X).dtype == expected


def test_it_works_in_a_pipeline_and_a_grid_search():
    X, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=60, random_state=0))
    search = GridSearchCV(pipeline, {"mlpclassifier__learning_rate_init": [0.01, 0.05]}, cv=3)
    assert quietly(search, X, y).best_score_ > 0.9


def test_callbacks_are_called_and_can_stop():
    epochs = []

    def third(event):
        epochs.append(event.epoch)
        return event.epoch == 3

    model = MLPRegressor(hidden_layer_sizes=(4,), callbacks=[third]).fit(X_DIABETES, Y_DIABETES)
    assert epochs == [1, 2, 3]
    assert model.stopped_ == "stopped by a callback"
    assert model.n_iter_ == 3


def test_divergence_is_never_silent():
    # scikit-learn's SGD with early stopping hands back the random initial weights here.
    model = MLPRegressor(
        activation="identity",
        solver="sgd",
        learning_rate_init=1.0,
        early_stopping=True,
        max_iter=20,
        random_state=0,
    )
    with pytest.raises(Diverged, match=r"epoch \d+.*smaller learning rate"):
        model.fit(1e3 * X_DIABETES, Y_DIABETES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "ghost"}, "unknown activation 'ghost'"),
        ({"activation": ["relu"]}, "activation names 1 layers; expected 2"),
        ({"solver": "ghost"}, "'solver' parameter"),
        ({"loss": "poisson"}, "does not go with output activation"),
        ({"output_activation": "exp"}, "does not go with output activation 'exp'"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"dropout": [0.1]}, "dropout has 1 rates; expected 2"),
        ({"weight_decay": 0.1, "solver": "sgd"}, "use alpha"),
        ({"schedule": "ghost"}, "unknown schedule 'ghost'"),
        ({"class_weight": "ghost"}, "'class_weight' parameter"),
        ({"clip_norm": 0.0}, "'clip_norm' parameter"),
        ({"engine": "ghost"}, "unknown engine 'ghost'"),
        ({"hidden_layer_sizes": (3, -1)}, "must be > 0"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"early_stopping": True, "scoring": "ghost"}, "ghost"),
    ],
    ids=str,
)
def test_bad_parameters_are_refused_with_a_reason(settings, message):
    arguments = {"hidden_layer_sizes": (4, 3)} | settings
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**arguments).fit(X_DIGITS, Y_DIGITS)


def test_bad_data_are_refused_with_a_reason():
    model = MLPClassifier((4,), max_iter=2)
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        model.fit(X_DIGITS, Y_DIGITS, -np.ones(240))
    with pytest.raises(ValueError, match="non-zero"):
        model.fit(X_DIGITS, Y_DIGITS, np.zeros(240))
    with pytest.raises(InputError, match=r"expected \(X, y\)"):
        model.fit(X_DIGITS, Y_DIGITS, validation_data=X_DIGITS)
    with pytest.raises(InputError, match="early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X_DIGITS, Y_DIGITS, classes=np.arange(10))
    with pytest.raises(InputError, match="give a dict"):
        MLPClassifier(class_weight="balanced").partial_fit(
            X_DIGITS, Y_DIGITS, classes=np.arange(10)
        )
    with pytest.raises(AttributeError, match="partial_fit"):
        _ = MLPClassifier(solver="lbfgs").partial_fit


def test_a_finite_loss_that_grows_out_of_proportion_is_divergence():
    X, y = load_wine(return_X_y=True)
    model = MLPRegressor(
        hidden_layer_sizes=(5,),
        solver="sgd",
        momentum=0,
        learning_rate_init=3.0,
        max_iter=4,
        random_state=0,
    )
    with pytest.raises(Diverged, match=r"grew from|not finite"):
        model.fit(StandardScaler().fit_transform(X), 100.0 * y)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was():
    model = MLPRegressor(
        hidden_layer_sizes=(5,),
        solver="sgd",
        learning_rate_init=1e8,
        early_stopping=True,
        random_state=0,
    )
    with pytest.raises(Diverged):
        model.fit(X_DIABETES, Y_DIABETES)
    with pytest.raises(NotFittedError):
        model.predict(X_DIABETES)
    good = quietly(
        clone(model).set_params(learning_rate_init=1e-3, max_iter=3), X_DIABETES, Y_DIABETES
    )
    before = good.predict(X_DIABETES)
    with pytest.raises(Diverged):
        good.set_params(learning_rate_init=1e8).fit(X_DIABETES[:, :4], Y_DIABETES)
    np.testing.assert_array_equal(good.predict(X_DIABETES), before)


def test_several_targets_stop_where_scikit_learns_do():
    Y = np.stack([Y_DIABETES, -Y_DIABETES, Y_DIABETES**2, 0.5 * Y_DIABETES], axis=1)
    settings = {
        "hidden_layer_sizes": (6,),
        "alpha": 0.0,
        "tol": 1e-3,
        "max_iter": 400,
        "random_state": 0,
        "learning_rate_init": 0.01,
    }
    ours = MLPRegressor(**settings).fit(X_DIABETES, Y)
    theirs = neural_network.MLPRegressor(**settings).fit(X_DIABETES, Y)
    assert ours.n_iter_ == theirs.n_iter_ < 400
    assert np.abs(coefficients(ours) - coefficients(theirs)).max() < 1e-8


def test_a_scorer_and_a_frame_give_no_warning():
    frame = pd.DataFrame(X_DIABETES, columns=[f"f{i}" for i in range(10)])
    model = MLPRegressor(
        hidden_layer_sizes=(4,),
        early_stopping=True,
        scoring="neg_mean_absolute_error",
        max_iter=4,
        random_state=0,
    )
    quietly(model, frame, Y_DIABETES)
    assert list(model.feature_names_in_) == list(frame.columns)
    assert len(model.validation_scores_) == 4


def test_several_quantiles_are_scored_by_the_one_nearest_the_median():
    loss = {"name": "quantile", "levels": [0.1, 0.5, 0.9]}
    model = MLPRegressor(loss, (6,), early_stopping=True, max_iter=30, random_state=0)
    quietly(model, X_DIABETES, Y_DIABETES)
    assert model.predict(X_DIABETES).shape == (len(Y_DIABETES), 3)
    middle = model.predict(X_DIABETES)[:, 1]
    assert model.score(X_DIABETES, Y_DIABETES) == r2_score(Y_DIABETES, middle)


def test_class_weight_with_sparse_labels_and_own_validation_rows():
    labels = TASKS["multilabel"][1]
    thin = MLPClassifier((4,), max_iter=3, class_weight="balanced", random_state=0)
    assert quietly(thin, X_DIGITS, sparse.csr_matrix(labels)).predict(X_DIGITS).shape == (240, 3)
    heavy = MLPClassifier((4,), max_iter=3, class_weight={0: 1.0, 1: 5.0}, random_state=0)
    y = Y_DIGITS % 2
    quietly(heavy, X_DIGITS, y, validation_data=(X_DIGITS, y))
    weighed = heavy.history_.logs[-1].validation_loss
    expected = -np.log(heavy.predict_proba(X_DIGITS)[np.arange(240), y])
    assert weighed == pytest.approx(np.average(expected, weights=np.where(y, 5.0, 1.0)))


def test_partial_fit_refuses_a_schedule_that_depends_on_the_number_of_epochs():
    model = MLPRegressor(hidden_layer_sizes=(4,), schedule="cosine")
    with pytest.raises(InputError, match="depends on the number of epochs planned"):
        model.partial_fit(X_DIABETES, Y_DIABETES)
    model.set_params(schedule={"name": "exponential", "gamma": 0.5})
    for _ in range(3):
        model.partial_fit(X_DIABETES, Y_DIABETES)
    rates = model.history_.column("learning_rate")
    np.testing.assert_allclose(np.divide(rates[1:], rates[:-1]), 0.5)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs", "rprop"])
def test_the_compiled_engine_trains_the_same_model(solver):
    pytest.importorskip("numba", reason="Numba is not installed")
    settings = {"hidden_layer_sizes": (9, 6), "solver": solver, "max_iter": 8, "random_state": 0}
    reference = quietly(MLPClassifier(**settings, engine="reference"), X_DIGITS, Y_DIGITS)
    compiled = quietly(MLPClassifier(**settings, engine="compiled"), X_DIGITS, Y_DIGITS)
    assert compiled.loss_ == pytest.approx(reference.loss_, rel=1e-9)
    assert np.abs(coefficients(compiled) - coefficients(reference)).max() < 1e-8
    diverging = MLPRegressor(
        hidden_layer_sizes=(5,), solver="sgd", learning_rate_init=1e8, engine="compiled"
    )
    with pytest.raises(Diverged, match=r"epoch \d+, batch \d+: layer"):
        diverging.fit(X_DIGITS, Y_DIGITS)
