"""What an epoch and a call cost does not grow with how many there were: by counts, not times."""

import contextlib
import dataclasses
import gc
import pickle
import sys
import tracemalloc

import numpy as np
import pytest
from tests.training.helpers import regression

from deltarule.engines import ReferenceEngine
from deltarule.estimators import MLPClassifier, MLPRegressor
from deltarule.optimizers import SCHEDULES
from deltarule.optimizers.loss_curve import LossCurve
from deltarule.training import (
    EpochLog,
    GeneralizationLoss,
    History,
    Patience,
    Progress,
    train,
)

X = np.random.default_rng(0).normal(size=(8, 2))
Y = X[:, 0]


@contextlib.contextmanager
def tracing(trace):
    """Call ``trace`` for every line of Python, without garbage collection.

    The objects that a collection would finalize are of other tests, and their finalizers may run
    lines of Python.
    """
    before = sys.gettrace()
    gc.disable()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        gc.enable()


def lines_of(run):
    """How many lines of Python a call runs: a loop counts as often as it goes round."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += 1
        return trace

    with tracing(trace):
        run()
    return count


def peak_of(run):
    """Bytes that a call allocates at most at a time."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


MODELS = {
    "adam": MLPRegressor(hidden_layer_sizes=(2,), random_state=0),
    "adaptive": MLPRegressor(
        hidden_layer_sizes=(2,), solver="sgd", learning_rate="adaptive", random_state=0
    ),
    "on plateau": MLPRegressor(
        hidden_layer_sizes=(2,),
        schedule={"name": "warmup", "epochs": 2, "then": "reduce_on_plateau"},
        random_state=0,
    ),
    "averaged": MLPRegressor(hidden_layer_sizes=(2,), averaging=0.9, random_state=0),
    "classes": MLPClassifier((2,), random_state=0),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_call_of_partial_fit_does_the_same_work_after_many(name):
    model = pickle.loads(pickle.dumps(MODELS[name]))
    y = (Y > 0).astype(int) if name == "classes" else Y
    more = {"classes": [0, 1]} if name == "classes" else {}

    def call():
        model.partial_fit(X, y, **more)

    for _ in range(20):
        call()
    early = min(lines_of(call) for _ in range(3))
    bytes_early, pickled = peak_of(call), len(pickle.dumps(model))
    for _ in range(400):
        call()
    late = min(lines_of(call) for _ in range(3))
    assert late <= early + 20
    # A list of 256 records, and a curve that may have to be moved as it grows.
    assert peak_of(call) < bytes_early + 30_000
    # scikit-learn has the curve too; of the records only the newest stay.
    size = len(pickle.dumps(model))
    for _ in range(200):
        call()
    assert (len(pickle.dumps(model)) - size) / 200 < 10.5
    assert size < pickled + 60_000 + 400 * 20
    assert len(model.loss_curve_) == model.history_.logs[-1].epoch == len(model.history_)
    assert len(model.history_.logs) <= 257


@pytest.mark.parametrize("name", ["adaptive", "on plateau"])
def test_the_schedule_goes_on_after_a_pickle(name):
    models = [pickle.loads(pickle.dumps(MODELS[name])) for _ in range(2)]
    noise = np.random.default_rng(1).normal(size=(400, 8))
    for call, y in enumerate(noise):
        for model in models:
            model.partial_fit(X, y)
        if call in (3, 150, 300):
            models[1] = pickle.loads(pickle.dumps(models[1]))
    rates = [model.history_.column("learning_rate") for model in models]
    assert rates[0] == rates[1]
    assert rates[0][-1] < 0.1 * 0.001
    assert np.array_equal(models[0].coefs_[0], models[1].coefs_[0])


def test_a_pickle_has_one_copy_of_the_parameters_beside_the_moments():
    model = MLPRegressor(hidden_layer_sizes=(200,), random_state=0)
    model.partial_fit(np.ones((3, 40)), np.ones(3))
    numbers = 8 * (40 * 200 + 200 + 200 + 1)
    assert len(pickle.dumps(model)) < 3 * numbers + 20_000


SCHEDULES_OF_LOSSES = {
    "constant": "constant",
    "plateau": SCHEDULES.get("reduce_on_plateau", patience=3),
    "warm-up": SCHEDULES.get("warmup", epochs=2, then={"name": "reduce_on_plateau"}),
}
CRITERIA = {
    "none": None,
    "patience": Patience(10**6),
    "loss": GeneralizationLoss(1e9, every=3),
    "progress": Progress(strip=5, threshold=0.0),
}


@pytest.mark.parametrize("schedule", SCHEDULES_OF_LOSSES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_an_epoch_does_the_same_work_after_many(schedule, criterion):
    net, rows, targets = regression()
    counts = []
    last = [0]

    def count(event):
        counts.append(last[0])
        last[0] = 0

    def trace(frame, event, argument):
        last[0] += 1
        return trace

    options = {
        "schedule": SCHEDULES_OF_LOSSES[schedule],
        "stopping": CRITERIA[criterion],
        "engine": ReferenceEngine,
        "shuffle": False,
        "callbacks": [count],
        "epochs": 250,
        "learning_rate": 1e-3,
    }
    with tracing(trace):
        train(net, rows, targets, **options)
    # Criteria that look every third or fifth epoch: whole strips are compared.
    assert max(counts[-30:]) <= max(counts[30:60]) + 10


def test_adaptive_does_the_same_work_after_many_epochs():
    counts = []
    last = [0]

    def trace(frame, event, argument):
        last[0] += 1
        return trace

    def count(event):
        counts.append(last[0])
        last[0] = 0

    model = MLPRegressor(
        hidden_layer_sizes=(2,),
        solver="sgd",
        learning_rate="adaptive",
        n_iter_no_change=10**6,
        max_iter=250,
        shuffle=False,
        random_state=0,
        callbacks=[count, lambda event: event.epoch == 249],
    )
    with tracing(trace):
        model.fit(X, Y)
    assert len(counts) == 249
    assert max(counts[-30:]) <= max(counts[30:60]) + 10


# -- what makes it so -------------------------------------------------------------------------


def test_a_fold_goes_on_where_a_shorter_curve_has_ended():
    looked_at = []

    def step(state, loss):
        looked_at.append(loss)
        return state + loss

    curve = LossCurve([1.0, 2.0])
    assert curve.fold("sum", 0.0, step) == 3.0
    longer = curve.and_then(4.0)
    assert longer.fold("sum", 0.0, step) == 7.0
    assert looked_at == [1.0, 2.0, 4.0]
    # The shorter one, another that goes on from it, and a part: each has its own losses.
    assert curve.fold("sum", 0.0, step) == 3.0
    assert curve.and_then(8.0).fold("sum", 0.0, step) == 11.0
    assert longer.fold("sum", 0.0, step) == 7.0
    assert longer[1:].fold("sum", 0.0, step) == 6.0
    assert (list(curve), list(longer)) == ([1.0, 2.0], [1.0, 2.0, 4.0])
    assert longer[1:] == [2.0, 4.0] == [longer[-2], longer[-1]]
    assert (longer[::2], curve[5:], len(curve[1:])) == ([1.0, 4.0], [], 1)


def test_a_curve_is_pickled_with_what_was_folded():
    curve = LossCurve([3.0, 1.0, 2.0])[1:]
    assert curve.fold("least", 9.0, min) == 1.0
    again = pickle.loads(pickle.dumps(curve))
    assert again == curve

    def never(state, loss):
        raise AssertionError

    assert again.fold("least", 9.0, never) == 1.0


def records(losses):
    return [EpochLog(t, t, E, 0.0, None, None, 0.1, 0.0) for t, E in enumerate(losses, 1)]


def test_a_history_that_goes_on_leaves_the_first_as_it_was():
    first = History(records([3.0, 2.0, 1.0]))
    assert first.losses() == [3.0, 2.0, 1.0]
    longer = first.continued(most=2)
    longer.append(dataclasses.replace(first.logs[-1], epoch=4, loss=0.5))
    assert (len(first), len(longer), longer.before) == (3, 4, 1)
    assert longer.column("epoch") == [2, 3, 4]
    assert longer.losses() == [3.0, 2.0, 1.0, 0.5]
    assert first.losses() == [3.0, 2.0, 1.0]
    assert History.from_list(longer.to_list()) == longer


def test_generalization_loss_is_that_of_all_losses():
    rng = np.random.default_rng(0)
    losses = rng.uniform(0.5, 1.0, 40).tolist()
    for every in (1, 3):
        criterion = GeneralizationLoss(alpha=20.0, every=every)
        grown = History()
        for t, record in enumerate(records(losses), 1):
            grown.append(record)
            seen = losses[:t][every - 1 :: every]
            expected = t % every == 0 and 100 * (seen[-1] / min(seen) - 1) > 20.0
            assert (criterion.reason(grown) is not None) == expected
