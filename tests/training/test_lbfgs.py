"""L-BFGS through the training loop: the same history, validation, stopping and errors."""

import threading
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from tests.training.helpers import classes, recorded, regression

from deltarule.engines import CheckedEngine, ReferenceEngine
from deltarule.errors import Diverged, InputError
from deltarule.maths import Network, backprop, cost, penalty
from deltarule.optimizers import MINIMIZERS, Minimizer, Minimum
from deltarule.training import RowSource, StopFlag, train

TIGHT = MINIMIZERS.get("lbfgs", gtol=1e-6, ftol=0.0)


def objective(net, X, Y, s=None, l2=0.0):
    """The whole cost and its gradient, from the mathematics."""
    total = len(X) if s is None else s.sum()

    def function(theta):
        trace = backprop(net, theta, X, Y, sample_weight=s)
        extra, slope = penalty(net, theta, l2=l2, total_weight=total)
        return trace.cost + extra, trace.grad + slope

    return function


@pytest.mark.parametrize("weighted", [False, True])
def test_it_reaches_the_minimum_that_scipy_reaches_when_called_directly(weighted):
    net, X, Y = regression()
    s = np.random.default_rng(0).uniform(0, 2, 30) if weighted else None
    result = train(net, X, Y, sample_weight=s, rule="lbfgs", epochs=40, l2=0.5, seed=2)
    direct = minimize(
        objective(net, X, Y, s, l2=0.5),
        net.initial(2),
        jac=True,
        method="L-BFGS-B",
        options={"gtol": 1e-4, "maxiter": 40},
    )
    assert direct.nit == len(result.history) == 40
    # The same numbers in another order of additions: rounding grows with every iteration.
    assert np.allclose(result.theta, direct.x, rtol=1e-6, atol=1e-8)
    record = result.history.logs[-1]
    assert record.loss + record.penalty == pytest.approx(direct.fun, rel=1e-9)
    assert record.steps == direct.nfev


def test_at_the_minimum_the_gradient_is_zero():
    net, X, Y = regression()
    result = train(net, X, Y, rule=TIGHT, epochs=5000, l2=1.0)
    assert result.stopped == "converged"
    _, grad = objective(net, X, Y, l2=1.0)(result.theta)
    assert np.abs(grad).max() < 1e-6
    assert result.best_epoch == len(result.history) < 5000


def test_the_history_has_a_record_for_each_iteration():
    net, X, Y = regression()
    result = train(net, X, Y, rule="lbfgs", epochs=10, l2=0.5)
    history = result.history
    assert result.stopped == "all epochs done"
    assert history.column("epoch") == list(range(1, 11))
    assert np.all(np.diff(history.column("steps")) >= 1)
    assert np.all(np.diff(np.add(history.column("loss"), history.column("penalty"))) < 0)
    assert history.logs[-1].loss == pytest.approx(cost(net, result.theta, X, Y), rel=1e-13)
    assert set(history.column("learning_rate")) == {0.0}


def sklearn_weights(estimator):
    return [w.T for w in estimator.coefs_], estimator.intercepts_


@pytest.mark.parametrize(("kind", "iterations"), [("regression", 30), ("classes", 30)])
def test_it_is_scikit_learn_s_lbfgs_from_the_same_weights(kind, iterations):
    """One output: with more, scikit-learn's gradient is not that of its loss."""
    if kind == "classes":
        net, X, y = classes()
        model: type = MLPClassifier
    else:
        net, X, Y = regression(outputs=1, loss="half_squared_error")
        model, y = MLPRegressor, Y[:, 0]
    start = net.initial(4)
    theirs = model(
        hidden_layer_sizes=[net.widths[1]],
        activation="tanh",
        solver="lbfgs",
        alpha=0.1,
        warm_start=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.set_params(max_iter=1).fit(X, y)  # only to make it one that is fitted
        W, b = net.unpack(start)
        theirs.coefs_ = [w.T.copy() for w in W[1:]]
        theirs.intercepts_ = [each.copy() for each in b[1:]]
        theirs.set_params(max_iter=iterations).fit(X, y)
    ours = train(net, X, y, rule="lbfgs", theta=start, l2=0.1, epochs=iterations)
    assert np.abs(ours.theta - start).max() > 0.1
    assert np.allclose(ours.theta, net.pack(*sklearn_weights(theirs)), atol=1e-7)


def test_frozen_parameters_are_held_and_the_others_are_at_their_minimum():
    net, X, Y = regression()
    net = net.with_changes(frozen=["W1", "b2"])
    start = net.initial(0) + 0.1
    result = train(net, X, Y, rule=TIGHT, theta=start, epochs=5000, l2=1.0)
    assert np.array_equal(result.theta[net.frozen], start[net.frozen])
    _, grad = objective(net, X, Y, l2=1.0)(result.theta)
    assert np.abs(grad[~net.frozen]).max() < 1e-6
    assert np.abs(grad[net.frozen]).max() > 1e-3


def test_where_everything_is_frozen_there_is_nothing_to_minimise():
    net, X, Y = regression()
    held = net.with_changes(frozen=["W1", "b1", "W2", "b2"])
    with pytest.raises(InputError, match="every parameter is frozen, so lbfgs has nothing"):
        train(held, X, Y, rule="lbfgs")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_stays_in_the_network_s_type(dtype):
    net, X, Y = regression(dtype=dtype)
    result = train(net, X, Y, rule="lbfgs", epochs=20, l2=np.float64(0.1))
    assert result.theta.dtype == dtype
    assert result.history.logs[-1].loss < 0.3 * result.history.logs[0].loss
    direct = train(*regression(dtype=np.float64), rule="lbfgs", epochs=20, l2=0.1)
    last, other = (r.history.logs[-1] for r in (result, direct))
    assert last.loss == pytest.approx(other.loss, rel=0.2)


def overfitting():
    rng = np.random.default_rng(1)
    net = Network([4, 20, 1], activation="tanh")
    X, held = rng.normal(size=(15, 4)), rng.normal(size=(15, 4))
    Y, wanted = X[:, :1] + rng.normal(size=(15, 1)), held[:, :1]
    return net, X, Y, (held, wanted)


def test_the_best_iteration_is_given_and_patience_ends_the_search():
    net, X, Y, held = overfitting()
    thetas = []
    result = train(
        net,
        X,
        Y,
        rule="lbfgs",
        validation=held,
        stopping=5,
        callbacks=[lambda event: thetas.append(event.engine.theta.copy())],
    )
    losses = result.history.column("validation_loss")
    assert result.stopped == "no improvement for 5 epochs"
    assert result.best_epoch == int(np.argmin(losses)) + 1 == len(losses) - 5
    assert np.array_equal(result.theta, thetas[result.best_epoch - 1])
    assert cost(net, result.theta, *held) == pytest.approx(min(losses), rel=1e-13)
    last = train(net, X, Y, rule="lbfgs", validation=held, stopping=5, keep_best=False)
    assert np.array_equal(last.theta, thetas[-1])


def test_a_scorer_is_monitored():
    net, X, Y = regression()
    scores = iter([1.0, 3.0, 2.0, 0.0])
    result = train(net, X, Y, rule="lbfgs", scorer=lambda engine: next(scores), epochs=4)
    assert result.best_epoch == 2
    assert result.history.column("score") == [1.0, 3.0, 2.0, 0.0]


def test_a_share_is_held_out():
    net, X, Y = regression()
    result = train(net, X, Y, rule="lbfgs", validation=0.2, epochs=3)
    assert None not in result.history.column("validation_loss")


def test_a_callback_ends_the_search():
    net, X, Y = regression()
    result = train(net, X, Y, rule="lbfgs", callbacks=[lambda event: event.epoch == 3])
    assert result.stopped == "stopped by a callback"
    assert len(result.history) == 3


class Counting(ReferenceEngine):
    """Raises a flag at an evaluation, and sets an event at each."""

    flag, at, event = None, 0, None

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self.calls = 0

    def gradient(self, batch):
        self.calls += 1
        if self.event is not None:
            self.event.set()
        if self.calls == self.at:
            self.flag.stop("enough")
        return super().gradient(batch)


def test_a_flag_is_answered_in_an_evaluation_with_the_last_iterate():
    net, X, Y = regression()
    whole = train(net, X, Y, rule="lbfgs", epochs=50, engine="reference")
    engine = Counting()
    engine.flag, engine.at = StopFlag(), 12
    thetas = []
    options = {"engine": engine, "stop": engine.flag, "epochs": 50}
    watch = [lambda event: thetas.append(event.engine.theta.copy())]
    result = train(net, X, Y, rule="lbfgs", callbacks=watch, **options)
    assert result.stopped == "enough"
    assert engine.calls <= 13
    assert np.array_equal(result.theta, thetas[-1])
    assert recorded(result.history) == recorded(whole.history)[: len(result.history)]


def test_a_flag_that_is_raised_already_leaves_the_start():
    net, X, Y = regression()
    flag = StopFlag()
    flag.stop("no")
    result = train(net, X, Y, rule="lbfgs", stop=flag, theta=net.initial(5))
    assert (result.stopped, len(result.history)) == ("no", 0)
    assert np.array_equal(result.theta, net.initial(5))


class Handed:
    """An event whose setter waits until the other thread is done, so that nothing is a race."""

    def __init__(self, work):
        self.event = threading.Event()
        self.thread = threading.Thread(target=lambda: (self.event.wait(60), work()))
        self.thread.start()

    def set(self):
        self.event.set()
        self.thread.join(60)


def test_a_flag_from_another_thread():
    net, X, Y = regression()
    engine, flag = Counting(), StopFlag()
    engine.event = Handed(lambda: flag.stop("other thread"))
    result = train(net, X, Y, rule=TIGHT, epochs=10**6, engine=engine, stop=flag)
    assert result.stopped == "other thread"


@pytest.mark.parametrize("engine", [ReferenceEngine, CheckedEngine])
def test_a_cost_that_is_not_finite(engine):
    net = Network([1, 1, 1], activation="exp")
    theta = net.pack(W=[[[1.0]], [[1.0]]])
    with pytest.raises(Diverged) as found:
        train(net, [[900.0]], [[0.0]], rule="lbfgs", theta=theta, engine=engine)
    error = found.value
    assert (error.epoch, error.batch, error.layer, error.block) == (1, 1, 1, "A")
    assert "training diverged in iteration 1 of lbfgs: layer 1, A[1] (after exp)" in str(error)
    assert "standardised" in str(error)
    assert "learning rate" not in str(error)


def test_the_start_may_be_the_minimum():
    net = Network([1, 1], activation=[])
    result = train(net, [[1.0]], [[0.0]], rule="lbfgs", theta=[0.0, 0.0])
    assert (result.stopped, result.best_epoch, len(result.history)) == ("converged", 0, 0)
    assert np.array_equal(result.theta, [0.0, 0.0])


def test_after_a_line_search_that_failed_the_last_iterate_is_given():
    class Uphill(ReferenceEngine):
        def gradient(self, batch):
            cost, grad = super().gradient(batch)
            return cost, -grad

    net, X, Y = regression()
    engine = Uphill()
    result = train(net, X, Y, rule="lbfgs", theta=net.initial(1), engine=engine)
    assert result.stopped == "the line search found no lower cost"
    assert np.array_equal(result.theta, net.initial(1))
    assert np.array_equal(engine.theta, net.initial(1))


class OnDisk(RowSource):
    def __init__(self, X):
        self.X, self.shape, self.dtype = X, X.shape, X.dtype

    def __getitem__(self, rows):
        return np.array(self.X[rows])


def test_rows_in_pieces_and_from_a_source(monkeypatch):
    net, X, Y = regression()
    whole = train(net, X, Y, rule="lbfgs", epochs=10)
    monkeypatch.setattr("deltarule.training.batches._CHUNK_ROWS", 7)
    pieces = train(net, OnDisk(X), Y, rule="lbfgs", epochs=10)
    assert np.allclose(pieces.theta, whole.theta, rtol=1e-9, atol=1e-10)


def test_parameters_of_the_minimizer_reach_it():
    net, X, Y = regression()
    few = train(net, X, Y, rule={"name": "lbfgs", "max_evaluations": 5})
    assert "evaluations are used up" in few.stopped
    assert few.history.logs[-1].steps == 6
    short = train(net, X, Y, rule={"name": "lbfgs", "memory": 1}, epochs=20)
    assert not np.allclose(short.theta, train(net, X, Y, rule="lbfgs", epochs=20).theta)


def bisect(xp, rounds=1):
    """Goes half way to 0, and does not ask for the cost where it arrives."""

    def minimise(function, theta, after=None, max_iterations=200):
        value, _ = function(theta)
        for _ in range(max_iterations):
            theta = theta / 2
            if after(theta):
                break
        return Minimum(theta, value, 0, 0, True, "half")

    return minimise


def test_a_minimizer_of_one_s_own_that_stops_where_it_has_not_asked():
    net = Network([1, 1], activation=[], bias=False)
    half = Minimizer("half", bisect)
    result = train(net, [[1.0]], [[0.0]], rule=half, theta=[8.0], epochs=3)
    assert np.array_equal(result.theta, [1.0])
    assert result.history.column("loss") == [16.0, 4.0, 1.0]
    assert result.history.column("steps") == [1, 1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "cosine"}, r"schedule is 'cosine.*has no learning rate; expected 'constant'"),
        ({"l1": 0.1}, "l1 is 0.1 with rule 'lbfgs', which needs a cost that has a gradient"),
        ({"dropout": 0.5}, "dropout is 0.5 with rule 'lbfgs'"),
        ({"dropout": [0.5]}, r"dropout is \[0.5\] with rule 'lbfgs'"),
        ({"clip_norm": 1.0}, "clip_norm is 1.0 with rule 'lbfgs'"),
        ({"averaging": 0.9}, "averaging is 0.9 with rule 'lbfgs'"),
        ({"batch_size": 5}, "minimizer 'lbfgs' compares .* needs all 30 rows"),
        ({"rule": {"name": "lbfgs", "memory": 0}}, "memory is 0"),
    ],
)
def test_what_it_has_no_use_for_is_refused(options, message):
    net, X, Y = regression()
    with pytest.raises(InputError, match=message):
        train(net, X, Y, **({"rule": "lbfgs"} | options))


def test_it_cannot_be_resumed_and_says_what_to_do():
    net, X, Y = regression()
    half = train(net, X, Y, rule="lbfgs", epochs=2)
    with pytest.raises(InputError, match=r"resume is TrainingResult .*pass theta; expected None"):
        train(net, X, Y, rule="lbfgs", resume=half)


def test_settings_that_mean_nothing_are_let_pass():
    net, X, Y = regression()
    options = {"rule": "lbfgs", "epochs": 3, "dropout": [0.0], "batch_size": 30, "shuffle": False}
    one = train(net, X, Y, learning_rate=5.0, **options)
    assert np.array_equal(one.theta, train(net, X, Y, rule="lbfgs", epochs=3).theta)
