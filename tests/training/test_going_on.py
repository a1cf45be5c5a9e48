"""What a resumed run starts from, what it says, and what is no divergence."""

import dataclasses
import warnings

import numpy as np
import pytest
from tests.training.helpers import regression

from deltarule.engines import make_engine
from deltarule.errors import Diverged, InputError
from deltarule.maths import Network
from deltarule.training import train, train_many

KINDS = ["reference", "compiled"]


@pytest.fixture(params=KINDS)
def kind(request):
    """The class of an engine."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    return type(make_engine(request.param))


@pytest.mark.parametrize("more", [{}, {"averaging": 0.9}, {"validation": 0.2}], ids=str)
@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_a_theta_that_was_changed_is_what_goes_on(how, more, kind):
    net, X, Y = regression()
    half = train(net, X, Y, epochs=4, engine=kind, **more)
    other = net.initial(7)
    if how == "in place":
        half.theta[:] = other
    else:
        half = dataclasses.replace(half, theta=other)
    options = {"engine": kind, "shuffle": False, "keep_best": False, **more}
    again = train(net, X, Y, epochs=5, resume=half, **options)
    fresh = train(net, X, Y, epochs=1, theta=other, **options)
    assert np.array_equal(again.theta, fresh.theta)
    assert again.optimizer_reset == "theta is not what training ended with"
    assert again.history.column("epoch") == [1, 2, 3, 4, 5]


def test_a_theta_that_was_not_changed_goes_on_with_all_that_moves(kind):
    net, X, Y = regression()
    for more in ({}, {"averaging": 0.9}, {"validation": 0.2, "keep_best": True}):
        whole = train(net, X, Y, epochs=6, engine=kind, **more)
        half = train(net, X, Y, epochs=3, engine=kind, **more)
        again = train(net, X, Y, epochs=6, resume=half, engine=kind, **more)
        assert np.array_equal(again.theta, whole.theta)
        assert again.optimizer_reset == ""


def test_an_empty_state_is_the_way_to_another_rule(kind):
    net, X, Y = regression()
    half = train(net, X, Y, epochs=3, engine=kind)
    half = dataclasses.replace(half, state={})
    again = train(net, X, Y, rule="sgd", epochs=4, resume=half, engine=kind, shuffle=False)
    fresh = train(net, X, Y, rule="sgd", epochs=1, theta=half.theta, engine=kind, shuffle=False)
    assert np.array_equal(again.theta, fresh.theta)
    assert "holds nothing" in again.optimizer_reset
    many = train_many(net, X, Y, rule="sgd", epochs=4, resume=[half, half], shuffle=False)
    assert all(each.optimizer_reset == again.optimizer_reset for each in many)


def test_a_theta_that_cannot_be_used_is_refused():
    net, X, Y = regression()
    half = train(net, X, Y, epochs=1)
    for theta, message in ((half.theta[:-1], "shape"), (half.theta * np.nan, r"theta\[0\] is nan")):
        with pytest.raises(InputError, match=message):
            train(net, X, Y, epochs=2, resume=dataclasses.replace(half, theta=theta))


# -- a schedule with an end -------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", {"name": "warmup", "then": "cosine"}])
def test_a_longer_plan_that_makes_the_rate_jump_says_so(schedule):
    net, X, Y = regression()
    half = train(net, X, Y, schedule=schedule, learning_rate=0.01, epochs=10)
    assert half.epochs == 10
    with pytest.warns(UserWarning, match=r"follows the plan, which is epochs=20 now") as w:
        again = train(net, X, Y, schedule=schedule, learning_rate=0.01, epochs=20, resume=half)
    before, after = again.history.column("learning_rate")[9:11]
    told = (
        f"epoch 10 ended with the learning rate {before:.3g}, and training goes on with {after:.3g}"
    )
    assert told in str(w[0].message)
    assert w[0].filename == __file__


def test_the_same_plan_and_a_schedule_without_an_end_say_nothing():
    net, X, Y = regression()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half = train(net, X, Y, schedule="cosine", epochs=6, callbacks=[lambda e: e.epoch == 3])
        again = train(net, X, Y, schedule="cosine", epochs=6, resume=half)
        assert len(again.history) == 6
        train(net, X, Y, schedule="cosine", epochs=4, resume=again)  # nothing is left to do
        short = train(net, X, Y, schedule={"name": "exponential"}, epochs=3)
        train(net, X, Y, schedule={"name": "exponential"}, epochs=6, resume=short)


# -- no divergence ----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["adam", "sgd", "rprop"])
def test_a_start_that_is_nearly_perfect_is_no_divergence(rule, kind):
    net, X, _ = regression()
    rng = np.random.default_rng(0)
    theta = net.initial(0)
    Y = kind_of_output(net, theta, X)
    start = theta * (1 + 1e-12 * rng.normal(size=len(theta)))
    result = train(
        net, X, Y, theta=start, rule=rule, learning_rate=0.01, epochs=2, engine=kind, l2=1.0
    )
    first, last = result.history.column("loss")
    assert rule == "rprop" or last > 1e6 * first > 0


def kind_of_output(net, theta, X):
    engine = make_engine("reference")
    from deltarule.engines import EngineSettings

    engine.load(net, theta, EngineSettings())
    return engine.predict(X)


def test_other_rows_and_other_targets_are_no_divergence(kind):
    net, X, Y = regression()
    result = train(net, X, 0 * Y, epochs=50, learning_rate=0.05, engine=kind)
    for epochs, scale in ((51, 1e9), (52, 0.0), (53, 1e-6), (55, 1e6)):
        result = train(net, X[::-1], scale * Y, epochs=epochs, resume=result, engine=kind)
        assert np.isfinite(result.theta).all()
    assert len(result.history) == 55


def test_many_networks_on_other_targets_are_no_divergence():
    net, X, Y = regression()
    first = train_many(net, X, 0 * Y, seeds=[0, 1], epochs=30, learning_rate=0.05)
    again = train_many(net, X, 1e9 * Y, seeds=[0, 1], epochs=32, resume=first)
    assert [len(each.history) for each in again] == [32, 32]


def test_all_zeros_and_a_little_noise_are_no_divergence():
    net, X, Y = Network([2, 1], activation=[]), np.zeros((20, 2)), np.zeros((20, 1))
    result = train(net, X, Y, theta=[0.0, 0.0, 1e-12], epochs=3, learning_rate=0.01)
    first, *_, last = result.history.column("loss")
    assert last > 1e6 * first > 0


# -- divergence -------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_a_loss_that_runs_away_while_it_is_finite(epochs, scale, kind):
    net, X, Y = regression(activation="relu")
    with pytest.raises(Diverged, match=r"grew from .* at the start of this run to|not finite"):
        train(net, X, scale * Y, rule="sgd", learning_rate=1e5, epochs=epochs, engine=kind)


def test_it_does_not_hide_behind_a_good_run_before():
    net, X, Y = regression(activation="relu")
    good = train(net, X, Y, rule="sgd", learning_rate=0.01, epochs=20)
    with pytest.raises(Diverged, match="grew from"):
        train(net, X, Y, rule="sgd", learning_rate=1e5, epochs=21, resume=good)
    again = train(net, X, Y, rule="sgd", learning_rate=0.01, epochs=21, resume=good)
    assert len(again.history) == 21
