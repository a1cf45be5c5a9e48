"""A run that diverges says where and what to try, and never gives a result."""

import numpy as np
import pytest
from tests.training.helpers import regression

from deltarule.engines import CheckedEngine, ReferenceEngine
from deltarule.errors import Diverged
from deltarule.maths import Network
from deltarule.training import StopFlag, train

ENGINES = [ReferenceEngine, CheckedEngine]


def fails(*arguments, **options):
    with pytest.raises(Diverged) as found:
        train(*arguments, **options)
    return found.value


@pytest.mark.parametrize("engine", ENGINES)
def test_a_huge_learning_rate(engine):
    net, X, Y = regression(activation="relu")
    options = {"rule": "sgd", "learning_rate": 1e3, "batch_size": 8, "epochs": 100}
    error = fails(net, X, Y, engine=engine, **options)
    assert 1 <= error.epoch < 100
    assert 1 <= error.batch <= 4
    assert error.layer in (1, 2)
    assert error.block in ("W", "b", "Z", "A", "loss", "delta", "dW", "db")
    text = str(error)
    assert (
        f"in epoch {error.epoch}, batch {error.batch}: layer {error.layer}, {error.block}" in text
    )
    assert "smaller learning rate (it was 1e+03), clip_norm=1.0" in text
    assert "standardised" in text


def test_both_engines_name_the_same_place_when_a_pass_overflows():
    net, X, Y = regression(activation="relu")
    options = {"rule": "sgd", "learning_rate": 1e3, "batch_size": 8, "epochs": 100}
    errors = [fails(net, X, Y, engine=engine, **options) for engine in ENGINES]
    one, other = ((e.epoch, e.batch, e.layer, e.block) for e in errors)
    assert one == other


@pytest.mark.parametrize("engine", ENGINES)
def test_an_exponential_that_overflows_is_named_at_once(engine):
    net = Network([1, 1, 1], activation="exp")
    theta = net.pack(W=[[[1.0]], [[1.0]]])
    X, Y = np.array([[1.0], [2.0], [3.0], [800.0]]), np.zeros((4, 1))
    options = {"theta": theta, "batch_size": 1, "shuffle": False, "learning_rate": 1e-9}
    error = fails(net, X, Y, engine=engine, **options)
    assert (error.epoch, error.batch, error.layer, error.block) == (1, 4, 1, "A")
    assert "after exp" in str(error)
    assert "A[1][0, 0] = inf" in str(error)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("validation", [None, "own"])
def test_the_last_step_of_all(engine, validation):
    """After it no cost is computed that would tell."""
    net = Network([1, 1], activation=[])
    X = np.array([[1.0]])
    options = {"rule": "sgd", "learning_rate": 1e300, "epochs": 1, "theta": [0.0, 0.0]}
    held = None if validation is None else (X, X)
    error = fails(net, X, 1e100 * X, engine=engine, validation=held, **options)
    assert (error.epoch, error.batch, error.layer) == (1, 1, 1)
    assert error.block == "W"


def test_the_last_step_where_parameters_are_finite_and_the_cost_is_not():
    net = Network([1, 1], activation=[], bias=False)
    X = np.array([[1.0]])
    options = {"rule": "sgd", "learning_rate": 1e200, "epochs": 1, "theta": [0.0]}
    error = fails(net, X, X, **options)
    assert (error.epoch, error.batch, error.layer, error.block) == (1, 1, 1, "loss")
    assert "after epoch 1, batch 1" in str(error)


def test_the_last_step_is_looked_at_on_all_rows():
    """The first rows are fine after it, the last one overflows."""
    net = Network([1, 1], activation=[], bias=False)
    X = np.array([[1e-200]] * 3 + [[1.0]])
    Y = np.array([[0.0]] * 3 + [[1.0]])
    options = {"rule": "sgd", "learning_rate": 1e200, "epochs": 1, "theta": [0.0]}
    assert fails(net, X, Y, batch_size=2, shuffle=False, **options).block == "loss"


def test_an_interrupted_run_that_has_diverged_says_so_too():
    net = Network([1, 1], activation=[], bias=False)
    X, flag = np.array([[1.0]]), StopFlag()

    class Cut(ReferenceEngine):
        def step(self, batch, learning_rate):
            flag.stop()
            return super().step(batch, learning_rate)

    options = {"rule": "sgd", "learning_rate": 1e200, "theta": [0.0], "engine": Cut}
    error = fails(net, X, X, stop=flag, **options)
    assert (error.epoch, error.batch) == (1, 1)


def test_a_validation_loss_that_overflows_is_located():
    net = Network([1, 1, 1], activation="exp")
    theta = net.pack(W=[[[1.0]], [[1.0]]])
    X = np.array([[1.0], [2.0]])
    held = np.array([[1.0], [900.0]]), np.zeros((2, 1))
    error = fails(net, X, X, validation=held, theta=theta, learning_rate=1e-9, dropout=0.5)
    assert (error.epoch, error.batch, error.layer, error.block) == (1, 1, 1, "A")
    assert "after epoch 1, on the validation rows: layer 1, A[1]" in str(error)
    assert "1 of 2 values is not finite" in str(error)


def test_a_penalty_that_overflows():
    net = Network([1, 1], activation=[], output_activation="tanh")
    theta = net.pack(W=[[[1e160]]])
    error = fails(net, [[0.0]], [[0.0]], theta=theta, l2=1.0, rule="sgd", learning_rate=1e-9)
    assert (error.epoch, error.layer, error.block) == (1, 1, "W")
    assert "the penalty is not finite; layer 1, W[1] has entries up to 1e+160" in str(error)


def test_the_advice_fits_the_rule_and_what_is_set_already():
    net = Network([1, 1, 1], activation="exp")
    theta = net.pack(W=[[[1.0]], [[1.0]]])
    data = [[900.0]], [[0.0]]
    assert "clip_norm=1.0" in str(fails(net, *data, theta=theta))
    assert "clip_norm" not in str(fails(net, *data, theta=theta, clip_norm=2.0))
    error = str(fails(net, *data, theta=theta, rule="rprop"))
    assert "rprop with a smaller delta_max" in error
    assert "learning rate" not in error
    # The rate is the schedule's, not the one that was given.
    late = fails(net, *data, theta=theta, schedule={"name": "warmup", "epochs": 2, "start": 0.5})
    assert "it was 0.00075)" in str(late)


def test_an_engine_that_fails_where_the_reference_does_not():
    class Overflowing(ReferenceEngine):
        def step(self, batch, learning_rate):
            return float("nan") if batch.step == 5 else super().step(batch, learning_rate)

    net, X, Y = regression()
    error = fails(net, X, Y, batch_size=10, engine=Overflowing)
    assert (error.epoch, error.batch, error.layer, error.block) == (2, 2, None, None)
    assert "the cost is not finite" in str(error)


def test_it_is_an_arithmetic_error():
    assert issubclass(Diverged, ArithmeticError)
