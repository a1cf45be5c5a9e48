"""The lens of a step: sizes are those of the batch, nodes are judged by the training rows."""

import dataclasses

import numpy as np
import pytest
from tests.browser import Watched, browser

from deltarule import Network, lens, train
from deltarule.explain import attribute, explain, fast_passes
from deltarule.explain.page import write_page
from deltarule.explain.subject import Subject
from deltarule.training import Recorder, replay

N, BATCH = 240, 16


@pytest.fixture(scope="module")
def run():
    """A layer whose nodes are active in a few rows each, and one in none."""
    X = np.linspace(-1, 1, N)[:, None]
    net = Network([1, 24, 1], "relu")
    theta = net.initial(0)
    W, b = net.unpack(theta)
    W[1][:, 0], b[1][:] = 1.0, np.linspace(-0.99, -0.9, 24)
    b[1][7] = -40.0
    recorder = Recorder()
    train(
        net, X, X**2, theta=theta, batch_size=BATCH, epochs=2, learning_rate=1e-4,
        callbacks=[recorder],
    )  # fmt: skip
    recording = recorder.recording()
    for number in range(1, recording.end + 1):
        step = replay(recording, X, X**2, number)
        at_rest = lens(dataclasses.replace(step, training_rows=None)).values("dead")[0]
        if at_rest > 0.9:  # the batch has few of the rows in which nodes are active
            return step, X
    raise AssertionError("in every batch most nodes are active")


def test_nodes_are_judged_by_all_rows_of_the_training(run):
    step, X = run
    found = lens(step)
    theta = np.asarray(step.before["theta"], dtype=float)
    whole = lens(step.net, X, X**2, theta=theta)
    assert found.values("dead").tolist() == whole.values("dead").tolist() == [1 / 24, 0]
    assert found.values("saturated").tolist() == whole.values("saturated").tolist()
    assert found.measured.dead_nodes[0].tolist() == [7]
    assert "dead" not in {each.kind for each in found.advice}
    assert (found.judged_rows, found.judged_of, found.enough_rows) == (N, N, True)
    assert f"judged by all {N} rows of the training" in found.text()
    # The sizes stay those of the batch.
    assert len(found.sample_norms) == BATCH
    assert found.measured.cost == pytest.approx(step.cost)


@pytest.mark.parametrize("batch", [BATCH, N])
def test_rows_of_weight_zero_are_not_missed(batch):
    """Rows of weight 0 do not count among all rows, so the others are not a part of more."""
    X = np.linspace(-1, 1, N)[:, None]
    s = np.ones(N)
    s[::3] = 0
    net, recorder = Network([1, 6, 1], "relu"), Recorder()
    train(net, X, X**2, sample_weight=s, batch_size=batch, epochs=1, callbacks=[recorder])
    found = lens(replay(recorder.recording(), X, X**2, 1, sample_weight=s))
    assert (found.judged_rows, found.judged_of, found.enough_rows) == (160, 160, True)


def test_a_batch_alone_gives_no_advice_on_the_network(run):
    step, _ = run
    found = lens(dataclasses.replace(step, training_rows=None))
    assert found.values("dead")[0] > 0.9
    assert not found.enough_rows
    kinds = {each.kind for each in found.advice}
    assert kinds <= {"large step", "small step"}
    assert f"these {BATCH} of {N} rows only: too few" in found.text()


def test_planted_dead_nodes_are_still_called_dead(run):
    step, _ = run
    theta = np.array(step.before["theta"])
    step.net.unpack(theta)[1][1][:12] = -40.0
    found = lens(dataclasses.replace(step, before={**step.before, "theta": theta}))
    (advice,) = (each for each in found.advice if each.kind == "dead")
    assert f"12 of the 24 nodes of layer 1 are dead: g′(z) is 0 in all {N} rows" in advice.seen


def test_many_rows_of_more_are_named_with_their_number():
    X = np.linspace(-1, 1, 1200)[:, None]
    net = Network([1, 4, 1], "relu")
    theta = net.initial(0)
    net.unpack(theta)[1][1][:2] = -9.0
    subject = Subject.of_arrays(net, theta, X, X**2)
    found = lens(dataclasses.replace(subject, part_of=50_000))
    (advice,) = (each for each in found.advice if each.kind == "dead")
    assert "in all of 1200 rows looked at, of 50000" in advice.seen


def test_recorded_steps_are_measured_on_the_trainings_rows(run):
    step, X = run
    found = lens(step, recording=step.recording)
    assert found.over_rows == N
    last = step.recording.theta(found.steps[-1])
    whole = lens(step.net, X, X**2, theta=last)
    assert found.over_training("dead")[-1].tolist() == whole.values("dead").tolist()
    assert found.over_training("delta_rms")[-1] == pytest.approx(whole.values("delta_rms"))


def test_one_row_wakes_no_verdict_that_nothing_arrives():
    net = Network([1, 2, 1], "relu")
    theta = net.pack(W=[[[1.0], [1.0]], [[1.0, 1.0]]], b=[[-5.0, -5.0], [0.0]])
    found = lens(net, [[1.0]], [[3.0]], theta=theta)
    assert found.advice == ()
    assert "too few" in found.text()


@pytest.mark.parametrize("alone", [False, True])
def test_the_page_of_a_step_calls_no_node_dead_by_its_batch(tmp_path, run, alone):
    step, _ = run
    step = dataclasses.replace(step, training_rows=None) if alone else step
    with browser() as context:
        tab = Watched(context, width=1280, height=800)
        tab.page.goto(write_page(explain(step), tmp_path / "page.html").as_uri())
        tab.page.locator("#heat").scroll_into_view_if_needed()
        tab.page.locator("#heat .lists h3").last.wait_for()
        heat, text = tab.page.inner_text("#heat"), tab.page.inner_text("#lens")
        assert "Dead nodes" not in heat
        assert f"Nodes at rest in {BATCH} of {N} rows" in heat
        if alone:
            assert "Dead and saturated nodes" not in text
            assert f"of these {BATCH} of {N} rows only" in text
        else:
            assert f"judged by {N} (all) rows of the training" in text
            assert "Layer 1: 4 % dead" in text
        assert "Lower the learning rate or warm it up" not in text
        assert tab.errors == []


@pytest.mark.parametrize(
    ("activation", "output", "loss"),
    [
        ("relu", "softmax", "cross_entropy"),
        (["tanh", "relu"], "identity", "squared_error"),
        (["relu", "tanh"], "logistic", "log_loss"),
    ],
)
@pytest.mark.parametrize("of", [None, "loss", 0])
def test_the_compiled_engine_attributes_as_the_reference_does(
    monkeypatch, activation, output, loss, of
):
    pytest.importorskip("numba")
    rng = np.random.default_rng(4)
    net = Network([6, 20, 12, 3], activation, output, loss)
    theta = net.initial(2) + 0.2 * rng.standard_normal(net.n_parameters)
    X = 2 * rng.standard_normal((9, 6))
    y = rng.integers(0, 3, 9) if loss == "cross_entropy" else rng.integers(0, 2, (9, 3))
    subject = Subject.of_arrays(net, theta, X, y)
    plain = attribute(subject, of=of)
    monkeypatch.setattr(fast_passes, "_WORTH_COMPILING", 0)
    fast = attribute(subject, of=of)
    assert fast.of == plain.of
    assert fast.converged.all()
    np.testing.assert_allclose(fast.values, plain.values, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(fast.value, plain.value, rtol=1e-12)
    assert np.abs(fast.error).max() <= 2e-6 * np.abs(fast.values).sum(axis=1).max()


def test_what_cannot_be_compiled_is_explained_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(fast_passes, "_WORTH_COMPILING", 0)

    rng = np.random.default_rng(0)
    net = Network([2, 3, 1], "tanh")
    subject = Subject.of_arrays(
        net, net.initial(0), rng.normal(size=(400, 2)), rng.normal(size=400)
    )
    from deltarule.engines.compiled import engine as compiled
    from deltarule.errors import NotCompilable

    def refuse(self, *args, **kwargs):
        raise NotCompilable("a formula that cannot be compiled")

    monkeypatch.setattr(compiled.CompiledEngine, "load", refuse)
    assert write_page(subject, tmp_path / "page.html").exists()


def test_long_work_reports_its_progress(tmp_path, monkeypatch, capsys):
    from deltarule.explain.page import page as page_module

    rng = np.random.default_rng(0)
    net = Network([2, 3, 1], "tanh")
    subject = Subject.of_arrays(net, net.initial(0), rng.normal(size=(20, 2)), rng.normal(size=20))
    messages = []
    write_page(subject, tmp_path / "page.html", progress=messages.append)
    assert any("attributing" in text for text in messages)
    write_page(subject, tmp_path / "page.html")
    assert capsys.readouterr().err == ""  # no terminal
    monkeypatch.setattr(page_module, "_SILENT_SECONDS", -1)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    write_page(subject, tmp_path / "page.html")
    err = capsys.readouterr().err
    assert "deltarule: attributing outputs to inputs" in err
    assert err.endswith("\r\x1b[K")
