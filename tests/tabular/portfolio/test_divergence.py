"""Networks of a portfolio that diverge are trained again or left out, and it is said."""

import os
import threading
import warnings

import numpy as np
import pytest
from joblib import parallel_config

from deltarule import TabularRegressor, train
from deltarule.errors import DataError, Diverged, InputError, TrainingWarning
from deltarule.tabular import fit_table
from deltarule.tabular.portfolio import Configuration, candidates, fit
from deltarule.training import Checkpoint

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = X @ [1.0, -2.0, 0.5]
GOOD = Configuration("good", "robust", (4,), "silu", epochs=4)
BAD = Configuration("bad", "robust", (5,), "silu", epochs=4)


@pytest.fixture
def diverging(monkeypatch):
    """Let the networks of the configuration "bad" diverge at rates above a limit."""
    seen = []

    def limited(limit, seeds=range(1000), widths=(5,)):
        def fake(net, X, Y, **options):
            policy, rate = options["on_divergence"], options["learning_rate"]
            bad = options["seed"] in seeds and net.widths[1] in widths
            seen.append((options["seed"], policy))
            if bad and (policy == "raise" or rate > limit):
                raise Diverged("a number is not finite", epoch=2, batch=1)
            return train(net, X, Y, **options)

        monkeypatch.setattr(candidates, "train", fake)
        return seen

    return limited


def estimator(**options):
    return TabularRegressor(configurations=[GOOD, BAD], random_state=0, n_jobs=1, **options)


def notes_of(model):
    """Fit, and return the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y)
    assert all(each.category is TrainingWarning for each in caught)
    return [str(each.message) for each in caught]


def test_nothing_is_said_of_networks_that_learn(diverging):
    diverging(np.inf, seeds=())
    assert notes_of(estimator()) == []


def test_one_is_trained_again_and_it_is_said_once(diverging):
    quiet = estimator().fit(X, Y)
    n_folds = len(quiet.portfolio_.folds)
    first = n_folds  # the seed of fold 0 of the second configuration
    seen = diverging(np.inf, seeds={first, first + 1})
    model = estimator()
    (note,) = notes_of(model)
    assert note == (
        "each of 2 networks of the configuration 'bad' diverged (the first in epoch 2), and was "
        "trained again with a smaller learning rate"
    )
    assert seen.count((first, "halve_learning_rate")) == 1
    assert sum(policy != "raise" for _, policy in seen) == 2
    # The training that did not diverge the second time has the bits of one that never did.
    np.testing.assert_array_equal(model.predict(X), quiet.predict(X))


def test_a_configuration_that_diverges_again_is_left_out(diverging):
    diverging(-1.0)
    model = estimator()
    (note,) = notes_of(model)
    assert "the configuration 'bad' has no part in the portfolio" in note
    assert "diverged (the first in epoch 2)" in note
    assert [each.configuration.name for each in model.portfolio_.members] == ["good"]
    alone = TabularRegressor(configurations=[GOOD], random_state=0).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))


def test_it_may_be_an_error(diverging):
    diverging(np.inf)
    with pytest.raises(Diverged):
        estimator(on_divergence="raise").fit(X, Y)
    with pytest.raises(InputError, match="on_divergence"):
        estimator(on_divergence="ignore").fit(X, Y)


def test_the_error_is_that_of_the_first_network_though_another_came_before_it(monkeypatch):
    """Network 0 diverges once network 2 is cancelled, since network 1 diverged."""
    cancelled = threading.Event()
    completed = candidates.completed_trainings

    def told(*arguments, **options):
        return completed(*arguments, **options, on_cancelled=cancelled.set)

    def fake(net, X, Y, **options):
        assert options["seed"] > 0 or cancelled.wait(20)
        raise Diverged(f"seed {options['seed']}", epoch=1, batch=1)

    monkeypatch.setattr(candidates, "completed_trainings", told)
    monkeypatch.setattr(candidates, "train", fake)
    with pytest.raises(Diverged, match="seed 0"):
        estimator(on_divergence="raise").set_params(n_jobs=2).fit(X, Y)


def test_where_all_diverge_it_is_an_error(diverging):
    diverging(-1.0, widths=(4, 5))
    with pytest.raises(DataError, match="every network of the portfolio diverged"):
        estimator().fit(X, Y)


def test_a_rate_that_really_diverges_is_halved():
    wild = Configuration("wild", "robust", (16,), "identity", epochs=8, learning_rate=1e20)
    model = TabularRegressor(configurations=[GOOD, wild], random_state=0)
    (note,) = notes_of(model)
    assert "'wild'" in note
    with parallel_config("loky", n_jobs=2):
        sent = TabularRegressor(configurations=[GOOD, wild], random_state=0)
        assert notes_of(sent) == [note]
    np.testing.assert_array_equal(sent.predict(X), model.predict(X))


def test_it_stands_in_the_notes_of_a_table(diverging, monkeypatch):
    monkeypatch.setattr(fit, "make_plan", plan_of_two(fit.make_plan))
    diverging(-1.0)
    model = fit_table({"a": X[:, 0], "b": X[:, 1], "y": Y}, "y")
    (note,) = [each for each in model.report["notes"] if "diverged" in str(each)]
    assert "'bad' has no part in the portfolio" in note


def plan_of_two(make_plan):
    def plan(quality, task, n_rows, configurations):
        return make_plan(quality, task, n_rows, [GOOD, BAD])

    return plan


def test_a_resumed_fit_says_the_same(diverging, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda number: None)
    diverging(np.inf)
    first, again = (estimator(checkpoint=Checkpoint(tmp_path, 0)) for _ in range(2))
    assert notes_of(first) == notes_of(again) != []
    np.testing.assert_array_equal(first.predict(X), again.predict(X))
