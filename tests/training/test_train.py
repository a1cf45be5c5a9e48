"""The loop: what it computes, against loops written out by hand."""

import numpy as np
import pytest
from tests.training.helpers import Watching, recorded, regression

from deltarule.engines import CheckedEngine
from deltarule.maths import Network, backprop, cost
from deltarule.optimizers import RULES, SCHEDULES
from deltarule.training import EpochLog, RowSource, train


def same(one, other):
    assert np.array_equal(one.theta, other.theta)
    assert recorded(one.history) == recorded(other.history)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    net, X, Y = regression()
    options = {"epochs": 3, "batch_size": 7, "dropout": 0.3, "validation": 0.2}
    same(train(net, X, Y, seed=3, **options), train(net, X, Y, seed=3, **options))
    other = train(net, X, Y, seed=4, **options)
    assert not np.array_equal(train(net, X, Y, seed=3, **options).theta, other.theta)


def test_full_batch_descent_is_the_loop_that_one_writes_by_hand():
    net, X, Y = regression()
    theta = net.initial(5)
    losses = []
    for _ in range(20):
        trace = backprop(net, theta, X, Y)
        losses.append(trace.cost)
        theta = theta - 0.1 * trace.grad
    options = {"rule": "sgd", "learning_rate": 0.1, "batch_size": len(X), "epochs": 20, "seed": 5}
    result = train(net, X, Y, **options)
    assert np.allclose(result.theta, theta, rtol=1e-13, atol=1e-15)
    assert np.allclose(result.history.column("loss"), losses, rtol=1e-13)
    assert result.stopped == "all epochs done"
    assert result.best_epoch == 20


def test_mini_batches_are_steps_along_the_gradient_of_their_rows():
    net, X, Y = regression(n=10)
    engine = Watching()
    s = np.linspace(0.5, 2, 10)
    options = {"rule": "sgd", "learning_rate": 0.1, "batch_size": 4, "epochs": 2, "engine": engine}
    result = train(net, X, Y, sample_weight=s, **options)
    theta, costs = net.initial(0), []
    for batch in engine.batches:
        trace = backprop(net, theta, X[batch.rows], Y[batch.rows], sample_weight=s[batch.rows])
        # backprop divides by the batch's own Σs; training by s̄ B.
        scale = s[batch.rows].sum() / (s.mean() * len(batch.rows))
        costs.append(trace.cost * scale * len(batch.rows))
        theta = theta - 0.1 * scale * trace.grad
    assert np.allclose(result.theta, theta, rtol=1e-12, atol=1e-15)
    assert np.allclose(result.history.column("loss"), [sum(costs[:3]) / 10, sum(costs[3:]) / 10])
    assert result.history.column("steps") == [3, 6]


def test_mazur_s_cost_after_ten_thousand_steps():
    """Mazur, "A Step by Step Backpropagation Example": biases are held fixed there."""
    net = Network([2, 2, 2], "logistic", "logistic", loss="half_squared_error", frozen=["b1", "b2"])
    theta = net.pack(
        W=[[[0.15, 0.20], [0.25, 0.30]], [[0.40, 0.45], [0.50, 0.55]]],
        b=[[0.35, 0.35], [0.60, 0.60]],
    )
    X, Y = [[0.05, 0.10]], [[0.01, 0.99]]
    options = {"rule": "sgd", "learning_rate": 0.5, "theta": theta}
    first = train(net, X, Y, epochs=1, **options)
    assert first.history.logs[0].loss == pytest.approx(0.298371108760, abs=1e-9)
    assert cost(net, first.theta, X, Y) == pytest.approx(0.291027773694, abs=1e-9)
    last = train(net, X, Y, epochs=10_000, **options)
    assert cost(net, last.theta, X, Y) == pytest.approx(3.510188e-05, abs=1e-9)
    assert np.array_equal(last.theta[net.frozen], theta[net.frozen])


def test_the_default_rule_and_the_default_batch():
    net, X, Y = regression(n=250)
    engine = Watching()
    train(net, X, Y, epochs=1, engine=engine)
    assert [len(b.rows) for b in engine.batches] == [200, 50]
    assert engine.settings.rule.name == "adam"
    train(net, X, Y, epochs=1, rule="rprop", engine=engine)
    assert [len(b.rows) for b in engine.batches] == [250]


@pytest.mark.parametrize("rule", RULES.names())
def test_every_rule_lowers_the_cost(rule):
    net, X, Y = regression()
    rate = 0.01 if rule != "sgd" else 0.2
    losses = train(net, X, Y, rule=rule, learning_rate=rate, epochs=60).history.column("loss")
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    "schedule", ["step", "cosine", "one_cycle", {"name": "warmup", "epochs": 2}, "exponential"]
)
def test_a_schedule_s_rates_reach_the_engine(schedule):
    net, X, Y = regression(n=10)
    engine = Watching()
    options = {"rule": "sgd", "learning_rate": 0.1, "batch_size": 4, "epochs": 12}
    history = train(net, X, Y, schedule=schedule, engine=engine, **options).history
    curve = SCHEDULES.get(schedule)
    expected = np.concatenate([0.1 * curve.factors(epoch, 3, 12) for epoch in range(12)])
    assert np.allclose(engine.rates, expected, rtol=1e-15)
    assert len(set(engine.rates)) > 1
    assert np.allclose(history.column("learning_rate"), expected[2::3])


def test_the_penalty_is_added_once_whatever_the_batch():
    """With a gradient of 0 in the data term, L2 alone shrinks the weights."""
    net = Network([1, 1], activation=[], bias=False)
    X = np.zeros((10, 1))
    options = {"rule": "sgd", "learning_rate": 0.5, "l2": 2.0, "epochs": 1, "theta": [3.0]}
    result = train(net, X, X, batch_size=10, **options)
    assert result.theta == pytest.approx(3 * (1 - 0.5 * 2 / 10))
    assert result.history.logs[0].penalty == pytest.approx(2 / (2 * 10) * result.theta[0] ** 2)
    by_halves = train(net, X, X, batch_size=5, **options)
    assert by_halves.theta == pytest.approx(3 * (1 - 0.5 * 2 / 10) ** 2)
    weighted = train(net, X, X, sample_weight=np.full(10, 4.0), batch_size=10, **options)
    assert weighted.theta == pytest.approx(3 * (1 - 0.5 * 2 / 40))


def test_averaged_parameters_are_given_and_validated():
    net, X, Y = regression(n=20)
    engine = Watching()
    options = {"epochs": 5, "batch_size": 5, "learning_rate": 0.05, "keep_best": False}
    result = train(net, X, Y, averaging=1.0, validation=(X, Y), engine=engine, **options)
    mean = np.mean(engine.thetas[1:], axis=0)
    assert np.allclose(result.theta, mean, rtol=1e-12)
    assert result.history.logs[-1].validation_loss == pytest.approx(cost(net, mean, X, Y))
    assert not np.allclose(engine.theta, mean)


# -- sample weights -----------------------------------------------------------------------


def test_full_batch_weights_count_as_copies_and_zero_as_absence():
    net, X, Y = regression(n=8)
    s = np.array([2, 1, 0, 1, 3, 1, 0, 1])
    options = {"rule": "sgd", "learning_rate": 0.1, "epochs": 5, "batch_size": 100, "l2": 0.5}
    weighted = train(net, X, Y, sample_weight=s, **options)
    copies = np.repeat(np.arange(8), s)
    assert np.allclose(
        weighted.theta, train(net, X[copies], Y[copies], **options).theta, rtol=1e-12
    )


def test_rows_of_weight_zero_leave_no_trace_even_in_a_batch_of_their_own():
    net, X, Y = regression(n=8)
    s = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    options = {"rule": "sgd", "learning_rate": 0.1, "shuffle": False, "batch_size": 4, "epochs": 3}
    engine = Watching()
    wild = X.copy()
    wild[4:] = 1e150
    one = train(net, X, Y, sample_weight=s, engine=engine, **options)
    assert np.array_equal(engine.thetas[1], engine.thetas[2])
    other = train(net, wild, Y, sample_weight=s, engine="reference", **options)
    assert np.array_equal(one.theta, other.theta)
    plain, wild = (train(net, x, Y, sample_weight=s, **options) for x in (X, wild))
    assert np.array_equal(plain.theta, wild.theta)
    # s̄ = ½, so a batch of four rows of weight 1 has w_i = 1/2: the sum over batches is right.
    assert np.allclose(engine.batches[0].w, 0.5)


def test_weights_that_are_all_equal_are_no_weights():
    net, X, Y = regression()
    options = {"epochs": 2, "batch_size": 8}
    one, other = (train(net, X, Y, sample_weight=s, **options) for s in (None, np.full(30, 4.0)))
    assert np.allclose(one.theta, other.theta, rtol=1e-13)


# -- other shapes and types ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_stays_in_the_network_s_type(dtype):
    net, X, Y = regression(dtype=dtype)
    engine = Watching()
    s = np.ones(30)
    result = train(net, X.tolist(), Y.tolist(), sample_weight=s, engine=engine, epochs=2)
    assert result.theta.dtype == dtype
    assert {getattr(engine.batches[0], name).dtype for name in "XYw"} == {np.dtype(dtype)}


@pytest.mark.parametrize("batch_size", [1, 2, 1000, "auto", np.int32(2)])
def test_one_row_and_batches_of_any_size(batch_size):
    net, X, Y = regression(n=3)
    for n in (1, 3):
        result = train(net, X[:n], Y[:n], batch_size=batch_size, epochs=2)
        assert np.isfinite(result.theta).all()


class OnDisk(RowSource):
    def __init__(self, X):
        self.X, self.shape, self.dtype = X, X.shape, X.dtype

    def __getitem__(self, rows):
        return np.array(self.X[rows])


def test_rows_that_are_made_when_asked_for_train_alike():
    net, X, Y = regression()
    options = {"epochs": 3, "batch_size": 7, "validation": 0.2}
    same(train(net, OnDisk(X), Y, **options), train(net, X, Y, **options))


def test_an_order_of_one_s_own_and_no_call_too_many():
    net, X, Y = regression(n=6)
    engine, asked = Watching(), []

    def order(epoch):
        asked.append(epoch)
        return np.roll(np.arange(6), epoch)

    train(net, X, Y, order=order, epochs=3, batch_size=6, engine=engine)
    # A stateful order would be moved on by one call more than there are epochs.
    assert asked == [0, 1, 2]
    assert [int(b.rows[0]) for b in engine.batches] == [0, 5, 4]


def test_the_data_is_left_alone():
    net, X, Y = regression()
    kept = X.copy(), Y.copy()
    X.flags.writeable = Y.flags.writeable = False
    train(net, X, Y, epochs=2, l2=1.0, dropout=0.5, validation=0.2)
    assert np.array_equal(X, kept[0])
    assert np.array_equal(Y, kept[1])


def test_the_checked_engine_trains_to_the_same_bits():
    net, X, Y = regression()
    options = {"epochs": 3, "dropout": 0.2, "l2": 0.1}
    one, other = (train(net, X, Y, engine=e, **options) for e in ("reference", CheckedEngine))
    same(one, other)
    assert (one.engine, other.engine) == ("reference", "checked")


def test_an_epoch_s_bookkeeping_does_not_grow_with_the_epochs_gone_by(monkeypatch):
    net, read = Network([1, 1], activation=[]), []
    monitored = EpochLog.monitored.fget
    monkeypatch.setattr(
        EpochLog, "monitored", property(lambda r: (read.append(r), monitored(r))[1])
    )
    train(net, [[1.0]], [[1.0]], epochs=50, rule="sgd", learning_rate=0.01)
    assert len(read) <= 2 * 50
