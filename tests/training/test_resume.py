"""A resumed run is the uninterrupted run, bit for bit, wherever it was cut."""

import dataclasses

import numpy as np
import pytest
from tests.training.helpers import STATEFUL, cut_after, recorded, regression

from deltarule.errors import InputError
from deltarule.maths import Network
from deltarule.optimizers import RULES, SCHEDULES
from deltarule.training import Patience, train

FULL = STATEFUL | {"batch_size": 8}


def assert_same(one, other):
    assert np.array_equal(one.theta, other.theta)
    assert recorded(one.history) == recorded(other.history)
    assert one.best_epoch == other.best_epoch
    assert one.stopped == other.stopped
    assert one.state.keys() == other.state.keys()
    for name in one.state:
        assert np.array_equal(one.state[name], other.state[name]), name


@pytest.mark.parametrize("rule", RULES.names())
def test_between_epochs_with_every_rule(rule, kind):
    net, X, Y = regression()
    options = FULL | {"rule": rule, "batch_size": "auto", "engine": kind}
    whole = train(net, X, Y, epochs=6, **options)
    half = train(net, X, Y, epochs=3, **options)
    assert len(half.history) == 3
    assert_same(train(net, X, Y, epochs=6, resume=half, **options), whole)


@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULES.get("exponential", gamma=0.5),
        SCHEDULES.get("reduce_on_plateau", patience=1, factor=0.3),
        SCHEDULES.get("warmup", epochs=3, then="inverse_scaling"),
    ],
    ids=str,
)
def test_in_the_middle_of_an_epoch_with_schedules(schedule, kind):
    net, X, Y = regression()
    options = FULL | {"schedule": schedule, "engine": kind}
    whole = train(net, X, Y, epochs=8, **options)
    # 24 rows in batches of 8: step 11 is the second of epoch 4.
    for step in (1, 11, 12):
        cut = train(net, X, Y, epochs=8, **options | cut_after(step, kind))
        assert cut.stopped == "cut"
        assert len(cut.history) == (step - 1) // 3
        assert_same(train(net, X, Y, epochs=8, resume=cut, **options), whole)


def test_many_cuts_are_as_good_as_none(kind):
    net, X, Y = regression()
    options = FULL | {"engine": kind}
    whole = train(net, X, Y, epochs=4, **options)
    result = None
    for step in (2, 3, 5, 9, 10):
        result = train(net, X, Y, epochs=4, resume=result, **options | cut_after(step, kind))
    assert_same(train(net, X, Y, epochs=4, resume=result, **options), whole)


def test_the_best_epoch_before_the_cut_is_still_known():
    net, X, Y = regression(seed=3)
    # Rates that wreck what the first epochs have learned.
    scores = [0.1, 0.9, 0.5, 0.4, 0.3, 0.2]

    def scorer(engine):
        return scores[int(engine.state()["t"]) - 1]

    options = {"scorer": scorer, "epochs": 6, "learning_rate": 0.1}
    whole = train(net, X, Y, **options)
    half = train(net, X, Y, **options | {"epochs": 4})
    assert whole.best_epoch == half.best_epoch == 2
    assert_same(train(net, X, Y, resume=half, **options), whole)


def test_a_run_that_had_stopped_stays_stopped():
    net, X, Y = regression()
    scores = iter([3, 2, 1, 0, 0, 0])
    options = {"scorer": lambda engine: next(scores), "epochs": 6, "stopping": [Patience(2)]}
    stopped = train(net, X, Y, **options)
    again = train(net, X, Y, resume=stopped, **options)
    assert again.stopped == stopped.stopped == "no improvement for 2 epochs"
    assert len(again.history) == 3
    assert np.array_equal(again.theta, stopped.theta)


def test_a_finished_run_has_nothing_left_to_do():
    net, X, Y = regression()
    done = train(net, X, Y, epochs=2)
    assert_same(train(net, X, Y, epochs=2, resume=done), done)


def test_the_result_that_is_resumed_is_left_as_it_was():
    net, X, Y = regression()
    half = train(net, X, Y, epochs=2, **FULL)
    kept = {name: value.copy() for name, value in half.state.items()}
    train(net, X, Y, epochs=5, resume=half, **FULL)
    assert len(half.history) == 2
    assert all(np.array_equal(half.state[name], value) for name, value in kept.items())


def test_what_does_not_fit_is_refused():
    net, X, Y = regression()
    half = train(net, X, Y, epochs=1, batch_size=10)
    other = net.with_changes(activation="relu")
    with pytest.raises(InputError, match=r"resume is of Network.*tanh.*expected Network.*relu"):
        train(other, X, Y, resume=half)
    with pytest.raises(
        InputError, match=r"'slot\.m' is not part of this engine's state with rule sgd"
    ):
        train(net, X, Y, rule="sgd", resume=half)
    with pytest.raises(InputError, match=r"'slot\.m' is missing"):
        train(net, X, Y, resume=train(net, X, Y, rule="sgd", epochs=1))
    with pytest.raises(InputError, match="theta and resume are both given"):
        train(net, X, Y, theta=half.theta, resume=half)
    state = half.state | {"run.partial": np.array([3.0, 0.1])}
    cut = dataclasses.replace(half, state=state)
    with pytest.raises(InputError, match="after 3 batches of an epoch; here an epoch has 1"):
        train(net, X, Y, batch_size=30, resume=cut)


# -- another plan --------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "warmup(epochs=2, then=cosine)"])
def test_a_longer_plan_says_what_becomes_of_the_rate(schedule):
    X = np.linspace(-1, 1, 32)[:, None]
    net = Network([1, 3, 1])
    settings = {"batch_size": 8, "learning_rate": 0.01, "schedule": schedule}
    first = train(net, X, X**2, epochs=6, **settings)
    with pytest.warns(UserWarning, match="resume: epoch 6 ended with the learning rate") as told:
        longer = train(net, X, X**2, epochs=12, resume=first, **settings)
    rates = train(net, X, X**2, epochs=12, **settings).history.column("learning_rate")
    assert longer.history.column("learning_rate")[6:] == rates[6:]  # those of the new plan
    assert "epochs=12" in str(told[0].message)
    assert told[0].filename == __file__
    # The same plan, be it interrupted, is nothing to warn of.
    part = train(net, X, X**2, epochs=6, callbacks=[lambda event: event.epoch == 3], **settings)
    whole = train(net, X, X**2, epochs=6, resume=part, **settings)
    np.testing.assert_array_equal(whole.theta, first.theta)


@pytest.mark.parametrize(
    "schedule", ["constant", "step", "cosine_restarts(first=2)", "reduce_on_plateau"]
)
def test_a_schedule_that_follows_no_plan_goes_on_as_it_would_have(schedule):
    X = np.linspace(-1, 1, 32)[:, None]
    net = Network([1, 3, 1])
    settings = {"batch_size": 8, "learning_rate": 0.01, "schedule": schedule}
    first = train(net, X, X**2, epochs=6, **settings)
    longer = train(net, X, X**2, epochs=12, resume=first, **settings)
    np.testing.assert_array_equal(longer.theta, train(net, X, X**2, epochs=12, **settings).theta)
