"""``partial_fit`` and warm starts go on from what ``coefs_`` and ``intercepts_`` show."""

import copy
import pickle

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import clone
from tests.estimators.quiet import quietly

from deltarule.errors import Diverged, InputError
from deltarule.estimators import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y_NUMBERS = X @ np.array([1.0, -2.0, 0.5, 0.0])
Y_CLASSES = (Y_NUMBERS > 0).astype(int)
Y_LABELS = np.stack([Y_CLASSES, X[:, 0] > 0], axis=1).astype(int)

TASKS = {
    "regression": (MLPRegressor, Y_NUMBERS, {}),
    "two targets": (MLPRegressor, np.stack([Y_NUMBERS, -Y_NUMBERS], axis=1), {}),
    "classes": (MLPClassifier, Y_CLASSES, {"classes": [0, 1]}),
    "labels": (MLPClassifier, Y_LABELS, {"classes": [0, 1]}),
}


def arrays(model):
    return [*model.coefs_, *model.intercepts_]


def flat(model):
    return np.concatenate([part.ravel() for part in arrays(model)])


def in_place(model):
    for part in arrays(model):
        part[...] = 0


def replaced(model):
    model.coefs_ = [np.zeros_like(part) for part in model.coefs_]
    model.intercepts_ = [np.zeros_like(part) for part in model.intercepts_]


def replaced_by_integers(model):
    model.coefs_ = tuple(np.zeros(part.shape, dtype=int) for part in model.coefs_)
    model.intercepts_ = [[0] * len(part) for part in model.intercepts_]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("change", [in_place, replaced, replaced_by_integers])
def test_training_continues_from_the_current_coefficients(change, task, dtype):
    kind, y, more = TASKS[task]
    rows = X.astype(dtype)
    model = kind(hidden_layer_sizes=(5,), random_state=0)
    model.partial_fit(rows, y, **more).partial_fit(rows, y)
    assert model.optimizer_reset_ == ""
    change(model)
    assert np.array_equal(model.predict(rows), np.full_like(model.predict(rows), 0))
    model.partial_fit(rows, y)
    # One step of Adam with fresh moments moves each parameter by 0.001 at most.
    assert 0 < np.abs(flat(model)).max() < 0.0011
    assert model.optimizer_reset_ == "coefs_ or intercepts_ were changed"
    assert {part.dtype for part in arrays(model)} == {np.dtype(dtype)}
    model.partial_fit(rows, y)
    assert model.optimizer_reset_ == ""


@pytest.mark.parametrize("solver", ["adam", "sgd", "rprop", "adamw"])
def test_unchanged_coefficients_keep_the_optimizer_state(solver):
    y, settings = Y_NUMBERS, {"hidden_layer_sizes": (5,), "random_state": 0, "solver": solver}
    rows = {"shuffle": False, "batch_size": 60, "alpha": 0.0, "learning_rate_init": 0.01}
    whole = quietly(MLPRegressor(**settings, **rows, max_iter=6), X, y)
    parts = MLPRegressor(**settings, **rows)
    for call in range(6):
        parts.partial_fit(X, y)
        assert parts.optimizer_reset_ == ""
        assert np.array_equal(parts.predict(X), parts.predict(X.copy()))
        if call == 2:
            parts = pickle.loads(pickle.dumps(parts))
        if call == 3:
            parts = copy.deepcopy(parts)
        if call == 4:  # the same numbers in other arrays
            parts.coefs_ = [part.copy() for part in parts.coefs_]
    assert np.array_equal(flat(parts), flat(whole))
    assert parts.loss_curve_ == whole.loss_curve_
    assert not hasattr(clone(parts), "coefs_")


def test_federated_averaging_is_that_of_the_coefficients():
    """A plain step is linear in the gradient: the mean of two models is the step on all rows."""
    settings = {
        "hidden_layer_sizes": (4,),
        "solver": "sgd",
        "momentum": 0.0,
        "alpha": 0.0,
        "shuffle": False,
        "learning_rate_init": 0.1,
        "random_state": 1,
    }
    together = MLPRegressor(**settings)
    parts = [MLPRegressor(**settings) for _ in range(2)]
    halves = [slice(0, 30), slice(30, 60)]
    for _ in range(5):
        together.partial_fit(X, Y_NUMBERS)
        for model, rows in zip(parts, halves, strict=True):
            model.partial_fit(X[rows], Y_NUMBERS[rows])
        for name in ("coefs_", "intercepts_"):
            means = [
                (a + b) / 2
                for a, b in zip(getattr(parts[0], name), getattr(parts[1], name), strict=True)
            ]
            for model in parts:
                setattr(model, name, [mean.copy() for mean in means])
        np.testing.assert_allclose(flat(parts[0]), flat(together), rtol=1e-10, atol=1e-12)


def test_training_continues_from_the_best_epoch_after_early_stopping():
    model = MLPRegressor(
        hidden_layer_sizes=(5,), early_stopping=True, learning_rate_init=0.05, random_state=1
    ).fit(X, Y_NUMBERS)
    best = flat(model)
    assert len(model.validation_scores_) > 1 + int(np.argmax(model.validation_scores_))
    model.set_params(early_stopping=False).partial_fit(X, Y_NUMBERS)
    assert np.abs(flat(model) - best).max() <= 0.05 * (1 + 1e-9)
    assert "the best" in model.optimizer_reset_
    fresh = MLPRegressor(
        hidden_layer_sizes=(5,),
        learning_rate_init=0.05,
        max_iter=1,
        shuffle=False,
        initial_weights=(
            [best[:20].reshape(4, 5), best[20:25].reshape(5, 1)],
            np.split(best[25:], [5]),
        ),
    )
    quietly(fresh, X, Y_NUMBERS)
    np.testing.assert_allclose(flat(model), flat(fresh), rtol=1e-12)


def test_averaging_continues_with_the_parameters_behind_the_average():
    settings = {"hidden_layer_sizes": (5,), "averaging": 0.9, "shuffle": False, "random_state": 0}
    whole = quietly(MLPRegressor(**settings, max_iter=4), X, Y_NUMBERS)
    parts = MLPRegressor(**settings)
    for _ in range(4):
        parts.partial_fit(X, Y_NUMBERS)
    assert np.array_equal(flat(parts), flat(whole))
    in_place(parts)
    parts.partial_fit(X, Y_NUMBERS)
    assert 0 < np.abs(flat(parts)).max() < 0.0011
    shown = flat(parts)
    parts.partial_fit(X, Y_NUMBERS)
    parts.set_params(averaging=None)
    shown = flat(parts)
    parts.partial_fit(X, Y_NUMBERS)
    assert parts.optimizer_reset_ == "averaging is off, and coefs_ are the average"
    assert np.abs(flat(parts) - shown).max() < 0.0011
    parts.set_params(averaging=0.5).partial_fit(X, Y_NUMBERS)
    assert parts.optimizer_reset_ == ""


def test_another_solver_starts_with_a_fresh_state(capsys):
    solvers = ["adam", "sgd", "adam", "rprop", "rmsprop", "adamw", "momentum"]
    model = MLPRegressor(hidden_layer_sizes=(5,), random_state=0)
    for before, solver in zip([None, *solvers], solvers, strict=False):
        model.set_params(solver=solver, verbose=solver == "rprop").partial_fit(X, Y_NUMBERS)
        assert (model.optimizer_reset_ == "") == (before is None)
    assert (
        "The optimizer begins anew: the solver was adam, and is rprop." in capsys.readouterr().out
    )
    lbfgs = quietly(MLPRegressor(hidden_layer_sizes=(5,), solver="lbfgs", max_iter=5), X, Y_NUMBERS)
    shown = flat(lbfgs)
    lbfgs.set_params(solver="adam").partial_fit(X, Y_NUMBERS)
    assert lbfgs.optimizer_reset_ == "lbfgs carries nothing on"
    assert 0 < np.abs(flat(lbfgs) - shown).max() < 0.0011


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "tanh"},
        {"loss": "absolute_error"},
        {"alpha": 1.0},
        {"dropout": 0.3},
        {"clip_norm": 0.1},
        {"learning_rate_init": 0.1},
        {"beta_1": 0.5},
        {"engine": "reference"},
        {"batch_size": 7},
    ],
    ids=str,
)
def test_other_parameters_may_change_between_calls(changes):
    model = MLPRegressor(hidden_layer_sizes=(5,), random_state=0).partial_fit(X, Y_NUMBERS)
    model.set_params(**changes).partial_fit(X, Y_NUMBERS)
    network = bool({"activation", "loss"} & set(changes))
    assert model.optimizer_reset_.startswith("the network was") == network
    assert (model.optimizer_reset_ == "") != network


def test_the_dtype_of_the_first_call_is_kept():
    for first, other in ((np.float64, np.float32), (np.float32, np.float64)):
        model = MLPRegressor(hidden_layer_sizes=(5,), random_state=0)
        model.partial_fit(X.astype(first), Y_NUMBERS).partial_fit(X.astype(other), Y_NUMBERS)
        assert {part.dtype for part in arrays(model)} == {np.dtype(first)}
        assert model.optimizer_reset_ == ""
        warm = quietly(MLPClassifier((3,), max_iter=2, warm_start=True), X.astype(first), Y_CLASSES)
        quietly(warm, X.astype(other), Y_CLASSES, validation_data=(X.astype(first), Y_CLASSES))
        assert {part.dtype for part in arrays(warm)} == {np.dtype(first)}
    small = MLPRegressor(hidden_layer_sizes=()).partial_fit(X.astype(np.float32), Y_NUMBERS)
    with pytest.raises(ValueError, match="too large for dtype"):
        small.partial_fit(1e300 * X, Y_NUMBERS)


BAD = {
    "too few": (lambda m: m.coefs_.pop(), r"coefs_ holds 1 arrays; expected 2, .*\(5,\) and 1 out"),
    "none": (lambda m: setattr(m, "coefs_", None), "coefs_ holds None arrays"),
    "shape": (lambda m: m.coefs_.__setitem__(1, np.zeros((4, 1))), r"\(4, 1\); expected \(5, 1\)"),
    "bias": (lambda m: m.intercepts_.__setitem__(0, np.zeros(4)), r"intercepts_\[0\] has shape"),
    "nan": (lambda m: m.coefs_[0].__setitem__((2, 1), np.nan), r"coefs_\[0\]\[2, 1\] is nan"),
    "inf": (lambda m: m.intercepts_[1].fill(np.inf), r"intercepts_\[1\]\[0\] is inf"),
    "text": (lambda m: m.coefs_.__setitem__(0, "abc"), "dtype <U3; expected an array of real"),
    "complex": (lambda m: m.coefs_.__setitem__(0, np.zeros((4, 5), complex)), "complex128"),
    "ragged": (lambda m: m.coefs_.__setitem__(0, [[1], [2, 3]]), "dtype object"),
}


@pytest.mark.parametrize("how", BAD)
@pytest.mark.parametrize("use", ["partial_fit", "fit", "predict", "predict one", "compile"])
def test_coefficients_that_cannot_be_used_are_refused(how, use):
    model = MLPRegressor(hidden_layer_sizes=(5,), random_state=0, warm_start=True)
    model.partial_fit(X, Y_NUMBERS)
    model.predict(X[:1])
    change, message = BAD[how]
    change(model)
    uses = {
        "partial_fit": lambda: model.partial_fit(X, Y_NUMBERS),
        "fit": lambda: model.fit(X, Y_NUMBERS),
        "predict": lambda: model.predict(X),
        "predict one": lambda: model.predict(X[:1]),
        "compile": model.compile_predictor,
    }
    with pytest.raises(InputError, match=message):
        uses[use]()


def test_other_hidden_layers_are_refused_with_a_hint():
    model = MLPRegressor(hidden_layer_sizes=(5,), random_state=0).partial_fit(X, Y_NUMBERS)
    before = model.predict(X)
    model.set_params(hidden_layer_sizes=(6,))
    with pytest.raises(InputError, match=r"\(4, 5\); expected \(4, 6\).*call fit without warm"):
        model.partial_fit(X, Y_NUMBERS)
    assert np.array_equal(model.predict(X), before)
    quietly(model.set_params(max_iter=2), X, Y_NUMBERS)
    assert model.coefs_[0].shape == (4, 6)


# -- divergence -----------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", ["auto", 1, 7])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_targets_of_another_scale_are_no_divergence(solver, batch_size):
    model = MLPRegressor(
        hidden_layer_sizes=(5,),
        solver=solver,
        batch_size=batch_size,
        clip_norm=1.0,
        random_state=0,
    )
    for scale in (0.0, 3000.0, 1e-6, 1e8, 0.0, 1.0):
        model.partial_fit(X, scale * Y_NUMBERS)
        assert np.isfinite(model.loss_)


def test_a_warm_start_from_another_solver_is_no_divergence():
    model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0, tol=1e-12)
    model.set_params(warm_start=True, max_iter=500, random_state=0).fit(X, Y_NUMBERS)
    assert model.loss_ < 1e-11
    quietly(model.set_params(solver="adam", learning_rate_init=0.1, max_iter=3), X, Y_NUMBERS)
    assert max(model.loss_curve_) > 1e6 * model.loss_curve_[-4]


def test_the_call_after_a_divergence_is_unaffected():
    model = MLPRegressor(hidden_layer_sizes=(5,), solver="sgd", random_state=0)
    model.partial_fit(X, Y_NUMBERS)
    other = copy.deepcopy(model)
    curve = list(model.loss_curve_)
    with pytest.raises(Diverged):
        model.set_params(learning_rate_init=1e9).partial_fit(X, Y_NUMBERS)
    assert model.loss_curve_ == curve
    model.set_params(learning_rate_init=0.001)
    for each in (model, other):
        each.partial_fit(X, Y_NUMBERS).partial_fit(X, Y_NUMBERS)
    assert np.array_equal(flat(model), flat(other))
    assert model.optimizer_reset_ == ""


def test_a_loss_that_grows_out_of_proportion_in_one_call_is_divergence():
    model = MLPRegressor(
        hidden_layer_sizes=(5,), solver="sgd", momentum=0, learning_rate_init=100.0, random_state=0
    )
    with pytest.raises(Diverged, match="grew from"):
        model.partial_fit(X, 100 * Y_NUMBERS)


# -- lbfgs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MLPRegressor, neural_network.MLPRegressor])
def test_lbfgs_trains_on_all_rows_with_early_stopping(kind):
    rows, y = np.zeros((10, 1)), np.arange(10.0)
    model = kind(
        hidden_layer_sizes=(3,), solver="lbfgs", early_stopping=True, validation_fraction=0.5
    )
    assert model.fit(rows, y).predict(rows[:1]) == pytest.approx(4.5, abs=1e-3)


@pytest.mark.parametrize("name", ["MLPRegressor", "MLPClassifier"])
def test_lbfgs_with_early_stopping_is_scikit_learns(name):
    y = Y_NUMBERS if name == "MLPRegressor" else Y_CLASSES
    settings = {"hidden_layer_sizes": (4,), "solver": "lbfgs", "max_iter": 8, "random_state": 2}
    settings |= {"early_stopping": True, "validation_fraction": 0.4}
    theirs = quietly(getattr(neural_network, name)(**settings), X, y)
    own = {"MLPRegressor": MLPRegressor, "MLPClassifier": MLPClassifier}[name]
    ours = quietly(own(**settings), X, y)
    assert np.abs(flat(ours) - flat(theirs)).max() < 1e-6
    assert ours.loss_ == pytest.approx(theirs.loss_)
    watched = quietly(own(**settings), X, y, validation_data=(X[:20], y[:20]))
    assert np.array_equal(flat(watched), flat(ours))
    assert None not in watched.history_.column("validation_loss")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("max_iter", [1, 200])
def test_lbfgs_at_its_optimum_reports_the_loss_there(dtype, max_iter):
    rows = X.astype(dtype)
    zeros = [np.zeros((4, 3)), np.zeros((3, 1))], [np.zeros(3), np.zeros(1)]
    model = MLPRegressor(
        hidden_layer_sizes=(3,), solver="lbfgs", max_iter=max_iter, initial_weights=zeros
    ).fit(rows, np.zeros(60))
    assert (model.loss_, model.best_loss_, model.loss_curve_) == (0.0, 0.0, [0.0])
    assert model.n_iter_ == 0
    assert model.validation_scores_ is None
    assert model.stopped_ == "converged"
    assert model.history_.column("epoch") == [0]
    assert pickle.loads(pickle.dumps(model)).history_ == model.history_


def test_lbfgs_that_converges_at_once_reports_the_loss_there():
    easy = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", tol=1e9, random_state=0)
    easy.fit(X, Y_NUMBERS)
    residual = easy.predict(X) - Y_NUMBERS
    assert easy.loss_curve_ == [easy.loss_]
    assert easy.loss_ == pytest.approx(0.5 * np.mean(residual**2), rel=1e-4)
    easy.set_params(warm_start=True).fit(X, Y_NUMBERS)
    assert easy.loss_curve_ == [easy.loss_] * 2


# -- a warm start's scores ------------------------------------------------------------------


def test_the_best_score_is_that_of_this_fit():
    model = MLPRegressor(
        hidden_layer_sizes=(5,),
        early_stopping=True,
        warm_start=True,
        max_iter=30,
        learning_rate_init=0.05,
        random_state=0,
    )
    quietly(model, X, Y_NUMBERS)
    first = model.best_validation_score_
    noise = np.random.default_rng(1).normal(size=60)
    held = X[:20], noise[:20]
    quietly(model.set_params(max_iter=3), X[20:], noise[20:], validation_data=held)
    assert model.best_validation_score_ == max(model.validation_scores_[30:]) < first
    assert model.best_validation_score_ == model.score(*held)
