"""A replayed step is the step that was taken, bit for bit, whatever the run was made of."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from tests.training.helpers import STATEFUL, classes, regression

from deltarule.engines import Engine, EngineSettings, ReferenceEngine, make_engine
from deltarule.errors import ContractViolation, DataError, InputError, UnknownName
from deltarule.optimizers import RULES, SCHEDULES
from deltarule.training import Recorder, RowSource, load_recording, replay, train

# 24 rows are trained on: steps of 7, 7, 7 and 3.
FULL = STATEFUL | {"batch_size": 7, "epochs": 6}


@pytest.fixture(params=["reference", "compiled"])
def name(request):
    """The name of an engine that is there."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    return request.param


class Kept(Recorder):
    """A recorder that thins out to very few checkpoints, so that there is something to replay."""

    def __init__(self, **more):
        super().__init__(most=3, share=math.inf, **more)


def states_of(name, net, X, Y, **options):
    """All that moves after every step, with the costs: what a replay is compared with."""
    found, costs = {}, {}

    class Noting(type(make_engine(name))):
        epoch = Engine.epoch

        def load(self, network, theta, settings):
            super().load(network, theta, settings)
            if not found:
                found[0] = self.state()

        def step(self, batch, learning_rate):
            costs[batch.step] = super().step(batch, learning_rate)
            found[batch.step] = self.state()
            return costs[batch.step]

    train(net, X, Y, engine=Noting, **options)
    return found, costs


def check_every_step(name, net, X, Y, weights=None, order=None, folder=None, **options):
    """Every step of the run is replayed as it was; gives the recording."""
    given = options | {"sample_weight": weights, "order": order}
    states, costs = states_of(name, net, X, Y, **given)
    recorder = Kept()
    train(net, X, Y, engine=name, callbacks=[recorder], **given)
    recording = recorder.recording()
    if folder is not None:
        recorder.save(folder)
        recording = load_recording(folder)
    assert recording.end == max(costs)
    assert len(recording.steps) <= 3
    for step in range(1, recording.end + 1):
        found = replay(recording, X, Y, step, sample_weight=weights, order=order)
        for which, expected in (("before", states[step - 1]), ("after", states[step])):
            got = getattr(found, which)
            assert got.keys() == expected.keys()
            assert all(np.array_equal(got[each], expected[each]) for each in got), (step, which)
        assert found.cost == costs[step]
        assert found.batch.step == found.step == step
        assert (found.epoch, found.index) == recording.place(step)
        assert found.verified is not None
        assert found.verified >= step
        assert found.notes == ()
    return recording


@pytest.mark.parametrize("rule", RULES.names())
def test_every_rule(rule, name, tmp_path):
    net, X, Y = regression(dtype=np.float32)
    size = "auto" if RULES.get(rule).full_batch else 7
    options = FULL | {"rule": rule, "batch_size": size}
    check_every_step(name, net, X, Y, folder=tmp_path / "r", **options)


@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULES.get("cosine"),
        SCHEDULES.get("one_cycle"),
        SCHEDULES.get("reduce_on_plateau", patience=0, factor=0.3, threshold=0.5),
        SCHEDULES.get("warmup", epochs=3, then="inverse_scaling"),
    ],
    ids=str,
)
def test_schedules(schedule, name, tmp_path):
    net, X, Y = regression()
    recording = check_every_step(
        name, net, X, Y, folder=tmp_path / "r", **FULL | {"schedule": schedule}
    )
    rates = {float(rate) for epoch in range(1, 7) for rate in recording.rates(epoch)}
    assert len(rates) > 2


@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": 0.0},
        {"averaging": None},
        {"clip_norm": None},
        {"validation": None},
        {"shuffle": False},
        {"shuffle": False, "validation": None},
        {"batch_size": 24},
        {"batch_size": 1, "epochs": 1},
        {"batch_size": 100},
        {"validation": [3, 1, 4]},
        {"l1": 0.0, "l2": 0.0},
    ],
    ids=str,
)
def test_with_more_or_less(changes, name, tmp_path):
    net, X, Y = regression(dtype=np.float32)
    check_every_step(name, net, X, Y, folder=tmp_path / "r", **FULL | changes)


def test_sample_weights_and_classes(name, tmp_path):
    net, X, y = classes(n=30)
    weights = np.random.default_rng(1).uniform(0.0, 3.0, size=30)
    weights[4] = 0.0
    options = FULL | {"epochs": 2}
    check_every_step(name, net, X, y, weights=weights, folder=tmp_path / "r", **options)


def test_frozen_parameters_no_biases_and_given_ones(name, tmp_path):
    net, X, Y = regression(bias=False, frozen=["W1"])
    theta = net.initial(99)
    options = FULL | {"theta": theta, "epochs": 2}
    check_every_step(name, net, X, Y, folder=tmp_path / "r", **options)


def test_an_order_of_ones_own():
    net, X, Y = regression()

    def order(epoch):
        return np.roll(np.arange(24), epoch)

    recording = check_every_step("reference", net, X, Y, order=order, **FULL)
    with pytest.raises(InputError, match="an order of its own; expected order="):
        replay(recording, X, Y, 1)
    with pytest.raises(ContractViolation, match="another digest"):
        replay(recording, X, Y, 9, order=lambda epoch: np.arange(24))


class Made(RowSource):
    """Rows that are made when they are asked for."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        return self.array[rows]


def test_rows_that_are_made(name):
    net, X, Y = regression()
    check_every_step(name, net, Made(X), Y, **FULL | {"epochs": 2, "shuffle": False})


def test_the_batch_is_what_the_engine_saw(name):
    net, X, Y = regression()
    weights = np.linspace(1, 2, 30)
    recorder = Recorder()
    train(net, X, Y, sample_weight=weights, engine=name, callbacks=[recorder], **FULL)
    found = replay(recorder.recording(), X, Y, 8, sample_weight=weights)
    rows = found.batch.rows
    assert len(rows) == 3  # the last, shorter one of epoch 2
    assert (found.epoch, found.index) == (2, 3)
    assert np.array_equal(found.batch.X, X[rows])
    assert np.array_equal(found.batch.Y, Y[rows])
    training = recorder.recording().rows
    assert np.allclose(found.batch.w, weights[rows] / weights[training].mean() / 3)
    assert set(rows) <= set(training)


def test_the_gradient_is_that_of_the_engine_at_the_parameters_before(name):
    net, X, Y = regression()
    recorder = Recorder()
    options = FULL | {"dropout": (0.3,), "averaging": None, "clip_norm": None}
    train(net, X, Y, engine=name, callbacks=[recorder], **options | {"l1": 0.0, "l2": 0.0})
    found = replay(recorder.recording(), X, Y, 6)
    engine = ReferenceEngine()
    engine.load(net, found.before["theta"], EngineSettings(dropout=(0.3,), seed=7))
    cost, gradient = engine.gradient(found.batch)
    assert np.isclose(found.cost, cost, rtol=1e-12)
    assert np.allclose(found.gradient, gradient, rtol=1e-9, atol=1e-12)
    # Adam, from what it carried into the step: the state before is of use to explain it.
    rule = RULES.get("adam")
    t = int(found.after["t"])
    assert t == 6
    m = 0.9 * found.before["slot.m"] + 0.1 * found.gradient
    assert np.allclose(found.after["slot.m"], m)
    assert found.settings.rule == rule


# -- faults that must be noticed -----------------------------------------------------------------


@pytest.fixture
def run():
    """A recorded run with its rows."""
    net, X, Y = regression()
    recorder = Recorder(share=math.inf)
    train(net, X, Y, engine="reference", callbacks=[recorder], **FULL)
    return recorder.recording(), X, Y


def changed(recording, **changes):
    return dataclasses.replace(recording, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.050000001},
        {"schedule": SCHEDULES.get("step", every=2)},
        {"shuffle": False},
    ],
    ids=["rate", "schedule", "order"],
)
def test_a_setting_that_is_not_that_of_the_run_is_noticed(run, changes):
    recording, X, Y = run
    with pytest.raises(ContractViolation, match=r"step 12 gives θ another digest.*verify=False"):
        replay(changed(recording, **changes), X, Y, 11)
    assert replay(changed(recording, **changes), X, Y, 11, verify=False).verified is None


def test_an_engine_that_computes_something_else_is_noticed(run):
    recording, X, Y = run

    class Wrong(ReferenceEngine):
        def gradient(self, batch):
            cost, grad = super().gradient(batch)
            if batch.step == 3:
                grad[0] += 1e-12
            return cost, grad

    with pytest.raises(ContractViolation, match="step 4 gives θ another digest"):
        replay(recording, X, Y, 3, engine=Wrong)
    # From the checkpoint after epoch 1, what was wrong before does not matter.
    assert replay(recording, X, Y, 5, engine=Wrong).verified == 8
    with pytest.raises(ContractViolation, match="from step 0, step 4 gives"):
        replay(changed(recording, checkpoints={0: recording.checkpoints[0]}), X, Y, 5, engine=Wrong)


def test_a_digest_that_is_not_that_of_the_run_is_noticed(run):
    recording, X, Y = run
    wrong = changed(recording, digests=dict(recording.digests) | {8: "0" * 32})
    with pytest.raises(ContractViolation, match="step 8 gives"):
        replay(wrong, X, Y, 7)
    assert replay(wrong, X, Y, 9).verified == 12


def test_a_step_that_cannot_be_taken_is_noticed(run):
    recording, X, Y = run
    wild = changed(recording, learning_rate=1e300, digests={})
    with pytest.raises(ContractViolation, match=r"has the cost .*, where the run had a finite one"):
        replay(wild, X, Y, 6, verify=False)


@pytest.mark.parametrize("what", ["X", "Y", "weights"])
def test_other_rows_are_refused(run, what):
    recording, X, Y = run
    X, Y, weights = X.copy(), Y.copy(), np.ones(30)
    {"X": X, "Y": Y, "weights": weights}[what][7] += 1e-9
    with pytest.raises(DataError, match=f"{what} is not what the network was trained on"):
        replay(recording, X, Y, 1, sample_weight=weights)


def test_rows_in_another_order_or_number_are_refused(run):
    recording, X, Y = run
    with pytest.raises(DataError, match="X is not what"):
        replay(recording, X[::-1], Y[::-1], 1)
    with pytest.raises(DataError, match="X has 29 rows; expected the 30"):
        replay(recording, X[1:], Y[1:], 1)


def test_equal_weights_are_no_weights(run):
    recording, X, Y = run
    one = replay(recording, X, Y, 9, sample_weight=np.ones(30))
    other = replay(recording, X.tolist(), Y, 9)
    assert np.array_equal(one.after["theta"], other.after["theta"])


def test_of_very_many_rows_some_are_looked_at_and_the_rest_shows_in_the_parameters(
    run, monkeypatch
):
    net, X, Y = regression()
    monkeypatch.setattr("deltarule.training.recording._MOST_BYTES", 100)
    recorder = Recorder(share=math.inf)
    train(net, X, Y, engine="reference", callbacks=[recorder], **FULL)
    other = X.copy()
    other[recorder.recording().rows[3]] += 0.1
    with pytest.raises(ContractViolation, match="give the rows that were trained on"):
        replay(recorder.recording(), other, Y, 4)


@pytest.mark.parametrize("step", [0, -1, 25, 1.5, True, "x", None])
def test_a_step_that_is_none_is_refused(run, step):
    recording, X, Y = run
    with pytest.raises(InputError, match="step is"):
        replay(recording, X, Y, step)


def test_an_engine_of_ones_own_must_be_given():
    net, X, Y = regression()

    class Mine(ReferenceEngine):
        name = "mine"

    recorder = Recorder()
    train(net, X, Y, engine=Mine, callbacks=[recorder], **FULL)
    with pytest.raises(UnknownName, match="unknown engine 'mine'"):
        replay(recorder.recording(), X, Y, 1)
    assert replay(recorder.recording(), X, Y, 1, engine=Mine).verified is not None


# -- elsewhere -----------------------------------------------------------------------------------


def elsewhere(recording):
    return changed(recording, where=dict(recording.where) | {"processor": "Another 9000"})


def test_on_another_processor_it_says_that_bits_may_differ(run):
    recording, X, Y = run
    found = replay(elsewhere(recording), X, Y, 6)
    (note,) = found.notes
    assert note.startswith("processor was 'Another 9000', and is ")
    assert note.endswith(": bits may differ, but those of θ came out as recorded")
    assert found.verified == 8
    (note,) = replay(elsewhere(recording), X, Y, 6, verify=False).notes
    assert note.endswith(": bits may differ from those of the run")


def test_bits_that_differ_elsewhere_are_no_failure(run):
    recording, X, Y = run
    wrong = changed(elsewhere(recording), learning_rate=0.05 * (1 + 1e-15))
    found = replay(wrong, X, Y, 6)
    assert found.verified is None
    (note,) = found.notes
    assert note.startswith("θ after step 8 has other bits than in the run: processor was")


def test_another_engine_is_another_place(run):
    pytest.importorskip("numba")
    recording, X, Y = run
    found = replay(recording, X, Y, 6, engine="compiled")
    assert "engine was 'reference', and is 'compiled'" in found.notes[0]
    assert found.engine == "compiled"
    assert np.allclose(found.after["theta"], replay(recording, X, Y, 6).after["theta"])


def test_the_source_of_the_library_is_part_of_where_it_was(run):
    recording, X, Y = run
    other = changed(recording, where=dict(recording.where) | {"source": "0" * 16})
    assert replay(other, X, Y, 2).notes[0].startswith("deltarule's code has changed since: bits")
    other = changed(other, where=dict(other.where) | {"deltarule": "0.0.1"})
    assert "deltarule was '0.0.1'" in replay(other, X, Y, 2).notes[0]
