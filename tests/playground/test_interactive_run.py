"""InteractiveRun has the bits of ``train``, however its steps are divided among calls."""

import numpy as np
import pytest

from deltarule import StopFlag, train
from deltarule.engines import EngineSettings, started_engine
from deltarule.errors import Diverged, InputError
from deltarule.optimizers import RULES
from deltarule.playground import RunSettings, builtin_data, start_run
from deltarule.playground.interactive_run import MOST_RECORDS, InteractiveRun, ThinnedHistory
from deltarule.playground.runner import Runner
from deltarule.playground.settings import fitted_settings
from deltarule.training import Batches, EpochLog


def data_of(settings):
    return builtin_data(
        settings.data,
        rows=settings.rows,
        noise=settings.noise,
        held=settings.held,
        seed=settings.seed,
    )


def started(**given):
    settings = RunSettings(**{"data": "moons", "rows": 100, "batch_size": 16, **given})
    data = data_of(settings)
    settings = fitted_settings(settings, data)
    net, run = start_run(data, settings, StopFlag())
    return settings, data, net, run


def advanced(run, steps):
    for _ in range(steps):
        run.advance(1)


def trained(settings, data, net, epochs):
    full = RULES.get(settings.rule).full_batch
    return train(
        net,
        data.X,
        data.targets(net),
        validation=data.held,
        rule=settings.rule,
        learning_rate=settings.learning_rate,
        batch_size="auto" if full else settings.batch_size,
        epochs=epochs,
        l2=settings.l2,
        seed=settings.seed,
        keep_best=False,
    )


def by_hand(settings, data, net, steps, rates):
    """θ after single engine steps, each at its own learning rate."""
    rows = np.arange(len(data.X)) if data.held is None else np.delete(range(len(data.X)), data.held)
    Y = net.loss.prepare(data.targets(net), len(data.X), net.n_outputs, net.dtype)
    batches = Batches(data.X, Y, np.ones(len(data.X)), settings.batch_size, settings.seed, True,
                      rows=rows)  # fmt: skip
    engine = started_engine(
        "auto",
        net,
        net.initial(settings.seed),
        EngineSettings(settings.rule, l2=settings.l2, total_weight=float(len(rows)),
                       seed=settings.seed),
    )  # fmt: skip
    per = batches.steps_per_epoch
    for step in range(steps):
        batch = next(batches.epoch(step // per, step % per))
        assert batch.step == step + 1
        engine.step(batch, rates(step))
    return np.array(engine.theta)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam", "adamw", "irprop+"])
def test_single_steps_are_those_of_train(rule):
    settings, data, net, run = started(rule=rule, l2=0.3, seed=4)
    for _ in range(3 * run.batches.steps_per_epoch):
        assert run.advance(1) == 1
    result = trained(settings, data, net, epochs=3)
    assert (run.engine.theta == result.theta).all()
    assert len(run.history) == 3
    for mine, its in zip(run.history.logs, result.history.logs, strict=True):
        assert (mine.loss, mine.penalty, mine.validation_loss, mine.steps) == (
            its.loss, its.penalty, its.validation_loss, its.steps
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_the_division_of_steps_among_calls_does_not_change_the_bits(seed):
    settings, data, net, run = started(seed=seed, data="digits", rows=200, layers=(8,))
    rng = np.random.default_rng(seed)
    while len(run.history) < 4:
        run.advance(int(rng.integers(1, 12)))
    assert (run.engine.theta == trained(settings, data, net, epochs=4).theta).all()


def test_parameters_within_an_epoch_equal_those_of_single_engine_steps():
    settings, data, net, run = started()
    for step in range(1, 12):
        run.advance(1)
        assert run.step == step
        expected = by_hand(settings, data, net, step, lambda _: settings.learning_rate)
        assert (run.engine.theta == expected).all()


def test_full_batches_without_held_out_rows():
    settings, data, net, run = started(held=0.0, batch_size=0)
    assert run.batches.steps_per_epoch == 1
    for _ in range(5):
        run.advance(1)
    result = trained(settings.__class__(**{**vars(settings), "batch_size": 100}), data, net, 5)
    assert (run.engine.theta == result.theta).all()


def test_a_changed_rate_is_used_from_the_next_step_on():
    settings, data, net, run = started()
    run.advance(3)
    run.change_rate(0.5)
    run.advance(1)
    run.change_rate(0.25)
    run.change_rate(0.125)
    assert [run.advance(2), run.advance(2)] == [1, 2]  # no further than the epoch's end
    assert [(each.step, each.learning_rate) for each in run.changes] == [
        (0, settings.learning_rate), (3, 0.5), (4, 0.125)
    ]  # fmt: skip
    rates = [settings.learning_rate] * 3 + [0.5] + [0.125] * 3
    assert (run.engine.theta == by_hand(settings, data, net, 7, rates.__getitem__)).all()


def test_a_rate_that_is_changed_back_before_a_step_is_not_recorded():
    settings, _, _, run = started()
    run.advance(2)
    run.change_rate(1.0)
    run.change_rate(settings.learning_rate)
    assert len(run.changes) == 1


def test_a_parameter_set_by_hand_is_used_from_the_next_step_on_and_the_slots_stay():
    settings, _, net, run = started(rule="adam")
    run.advance(3)
    before = run.engine.state()
    run.set_parameter(5, 0.75)
    run.set_parameter(5, 0.5)
    run.set_parameter(7, -1)
    after = run.engine.state()
    theta = np.array(before["theta"])
    theta[[5, 7]] = [0.5, -1.0]
    assert (run.engine.theta == theta).all()
    for name in set(before) - {"theta"}:
        assert (before[name] == after[name]).all()
    assert [(each.step, each.index, each.value) for each in run.edits] == [
        (3, 5, 0.5),
        (3, 7, -1.0),
    ]
    engine = started_engine("auto", net, theta, run.engine.settings)
    engine.restore(after)
    engine.step(run.next_batch(), settings.learning_rate)
    run.advance(1)
    assert (run.engine.theta == engine.theta).all()


@pytest.mark.parametrize(
    ("index", "value", "words"),
    [
        (-1, 0.5, "entry is -1; expected 0 to"),
        (10**6, 0.5, "entry of θ"),
        (0, float("nan"), "value is nan; expected a number"),
        (0, 1e7, "value is 1"),
        (0, "a", "value is 'a'"),
    ],
)
def test_a_parameter_that_cannot_be_set_is_refused(index, value, words):
    _, _, _, run = started()
    before = np.array(run.engine.theta)
    with pytest.raises(InputError, match=words):
        run.set_parameter(index, value)
    assert (run.engine.theta == before).all()
    assert run.edits == []


def test_divergence_raises_and_leaves_theta_before_the_step():
    _, _, _, run = started(
        rule="sgd", learning_rate=1e3, activation="identity", loss="squared_error", l2=50.0
    )
    with pytest.raises(Diverged, match="smaller learning rate"):
        advanced(run, 5000)
    assert np.isfinite(run.engine.theta).all()


def test_current_losses_are_over_all_rows():
    _, data, net, run = started()
    loss, held = run.current_losses()
    from deltarule import cost

    exact = net.with_changes(dtype=np.float64)
    theta = net.initial(0).astype(np.float64)
    kept = np.delete(np.arange(len(data.X)), data.held)
    for rows, found in ((kept, loss), (data.held, held)):
        X, Y = data.X[rows].astype(np.float64), data.targets(net)[rows].astype(np.float64)
        assert found == pytest.approx(cost(exact, theta, X, Y), rel=1e-5)


def test_a_thinned_history_is_bounded_and_counts_all_epochs():
    _, _, _, run = started(rows=20, layers=(1,), batch_size=16, held=0.0)
    while len(run.history) < 3 * MOST_RECORDS:
        run.advance(10)
    records = run.history.logs
    assert len(run.history) >= 3 * MOST_RECORDS > len(records) > MOST_RECORDS // 3
    assert records[0].epoch == 1
    assert records[-1].epoch == len(run.history)
    epochs = [record.epoch for record in records]
    assert epochs == sorted(set(epochs))
    assert run.history.curve[::3] == epochs


@pytest.mark.parametrize("epochs", [1, 2, 511, 512, 513, 514, 1025, 5_000, 100_000])
def test_epochs_of_a_thinned_history_are_evenly_spaced(epochs):
    history = ThinnedHistory()
    for epoch in range(1, epochs + 1):
        history.append(EpochLog(epoch, epoch, 1 / epoch, 0.0, None, None, 0.1, 0.0))
    kept = history.column("epoch")
    assert len(history) == epochs
    assert history.curve[::3] == kept
    assert (kept[0], kept[-1]) == (1, epochs)
    assert len(kept) <= MOST_RECORDS
    assert len(kept) >= min(epochs, MOST_RECORDS // 2)
    gaps = np.diff(kept)
    assert set(gaps[:-1].tolist()) <= {history.stride}
    assert all(0 < gap <= history.stride for gap in gaps)
    if epochs > MOST_RECORDS:
        halves = np.mean(np.array(kept) <= epochs / 2)
        assert halves == pytest.approx(0.5, abs=0.01)


def test_a_network_that_is_too_large_is_refused():
    with pytest.raises(InputError, match="parameters; expected at most"):
        started(data="digits", layers=(512,) * 6 + (512,) * 6)


def test_the_next_batch_is_that_of_the_next_step():
    settings, _, net, run = started()
    run.advance(5)
    batch = run.next_batch()
    assert batch.step == 6
    before = np.array(run.engine.theta)
    engine = started_engine("auto", net, before, run.engine.settings)
    engine.restore(run.engine.state())
    engine.step(batch, settings.learning_rate)
    run.advance(1)
    assert (run.engine.theta == engine.theta).all()


def test_an_unexpected_exception_during_training_is_reported_and_the_thread_goes_on(monkeypatch):
    def broken(run, steps):
        raise ZeroDivisionError("planted")

    runner = Runner(settings=RunSettings(data="xor"))
    runner.start()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(InteractiveRun, "advance", broken)
            runner.submit("play").result(10)
            # The next command is executed after the step that failed.
            with pytest.raises(InputError, match="a fault in deltarule: ZeroDivisionError"):
                runner.submit("step").result(10)
        runner.submit("reset").result(10)
        runner.submit("step").result(10)
        assert runner.submit("snapshot").result(10).step == 1
    finally:
        runner.close()
