"""find_learning_rate suggests a rate that trains well, changes nothing, and draws its curve."""

import json

import numpy as np
import pytest

from deltarule.errors import Diverged, InputError
from deltarule.maths import Network
from deltarule.training import LearningRateDisplay, find_learning_rate, train


def problem(seed, n=200):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.3 * rng.normal(size=n)
    return X, ((y - y.mean()) / y.std())[:, None]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
def test_training_with_the_suggestion_is_near_the_best_of_a_grid(rule, seed):
    X, Y = problem(seed)
    net = Network([3, 16, 1], activation=["tanh", "relu"][seed])
    found = find_learning_rate(net, X, Y, rule=rule, batch_size=20)
    options = {"rule": rule, "batch_size": 20, "epochs": 150, "guard": "off", "schedule": "cosine"}

    def final(rate):
        try:
            return train(net, X, Y, learning_rate=rate, **options).history.logs[-1].loss
        except Diverged:
            return np.inf

    best = min(final(rate) for rate in found.rates[4:-4:2])
    assert final(found.suggestion) <= 1.6 * best


def test_the_same_call_gives_the_same_numbers_and_changes_nothing():
    X, Y = problem(0)
    net = Network([3, 8, 1], activation="tanh")
    theta = net.initial(3)
    before = X.copy(), Y.copy(), theta.copy()
    options = {"theta": theta, "steps": 30, "dropout": 0.2}
    one, other = (find_learning_rate(net, X, Y, **options) for _ in range(2))
    assert np.array_equal(one.losses, other.losses)
    assert all(map(np.array_equal, before, (X, Y, theta)))
    assert len(one.rates) == 15
    assert one.rates[0] == pytest.approx(1e-6)
    assert one.rates[-1] == pytest.approx(10)


def test_a_range_and_its_ends():
    X, Y = problem(0)
    net = Network([3, 8, 1], activation="relu")
    found = find_learning_rate(net, X, Y, rule="sgd", lowest=0.001, highest=1e9, steps=40)
    assert not np.isfinite(found.losses[-1])
    assert found.losses.min() < found.start
    text = str(found)
    assert "not finite" in text
    assert text.count("the smallest") == 1
    assert json.loads(json.dumps(found.to_dict()))["losses"][-1] is None


def test_the_plot_is_a_display():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    X, Y = problem(0)
    found = find_learning_rate(Network([3, 4, 1], activation="tanh"), X, Y, steps=5)
    ax = figure.add_subplot()
    display = found.plot(ax)
    assert isinstance(display, LearningRateDisplay)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert ax.get_xscale() == "log"
    drawn = ax.get_lines()[0].get_xdata()
    assert found.suggestion in drawn


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": "rprop"}, "uses no learning rate"),
        ({"rule": "lbfgs"}, "uses no learning rate"),
        ({"lowest": 0}, "lowest"),
        ({"lowest": 1.0, "highest": 0.1}, "expected the first to be smaller"),
        ({"steps": 0}, "steps"),
    ],
)
def test_what_cannot_be_used(options, words):
    X, Y = problem(0)
    with pytest.raises(InputError, match=words):
        find_learning_rate(Network([3, 4, 1], activation="tanh"), X, Y, **options)


def test_a_range_without_a_finite_loss():
    X, Y = problem(0)
    with pytest.raises(Diverged, match="no learning rate from 1e\\+150"):
        find_learning_rate(
            Network([3, 4, 1], activation="relu"), X, Y, rule="sgd", lowest=1e150, highest=1e200
        )
