"""The guard names what keeps a network from learning, once, and is silent about healthy runs."""

import itertools
import warnings

import numpy as np
import pytest
from tests.training.helpers import regression

from deltarule.engines import ReferenceEngine
from deltarule.errors import TrainingWarning
from deltarule.maths import Network
from deltarule.training import Checkpoint, StopFlag, train, train_many
from deltarule.training.diagnosis import guard as guarding
from deltarule.training.diagnosis.rate_finding import level_of_jumps


@pytest.fixture
def always(monkeypatch):
    """Layers are checked from the first epoch on that has enough steps."""
    monkeypatch.setattr(guarding, "_SHARE", 0)


def problem(n=200, inputs=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, inputs))
    Y = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:3]
    return X, (Y - Y.mean()) / Y.std()


def found(net, **options):
    X, Y = problem()
    defaults = {"rule": "adam", "learning_rate": 0.01, "batch_size": 20, "epochs": 30}
    return train(net, X, Y, guard="quiet", **(defaults | options)).findings


def kinds(net, **options):
    return {each.kind for each in found(net, **options)}


def test_dead_nodes(always):
    net = Network([4, 12, 12, 1], activation="relu")
    theta = net.initial(0)
    net.blocks[1].of(theta)[:9] = -100.0
    (advice,) = found(net, theta=theta)
    assert (advice.kind, advice.layers[0]) == ("dead", 1)
    assert "9 of the 12 nodes of layer 1 are dead" in advice.seen


def test_saturated_nodes(always):
    net = Network([4, 12, 12, 1], activation="tanh")
    assert "saturated" in kinds(net, theta=300 * net.initial(0))


def test_a_vanishing_gradient(always):
    net = Network([4, *[10] * 9, 1], activation="logistic")
    assert "vanishing" in kinds(net, rule="sgd", learning_rate=0.05)


def test_an_exploding_gradient(always):
    net = Network([4, *[10] * 8, 1], activation="leaky_relu")
    theta = net.initial(0)
    for block in net.blocks:
        if block.kind == "W" and block.layer > 1:
            block.of(theta)[...] *= 4.0
    assert "exploding" in kinds(net, theta=theta, rule="sgd", learning_rate=1e-12)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize(("rate", "kind"), [(3e-7, "low"), (None, "high")])
def test_a_learning_rate_that_is_far_off(rule, rate, kind):
    """Nodes of tanh keep a run with a huge rate from overflow."""
    net = Network([4, 12, 1], activation="tanh", output_activation="tanh")
    rate = rate or {"sgd": 300.0, "momentum": 30.0, "adam": 10.0}[rule]
    X, Y = problem()
    options = {"batch_size": 20, "epochs": 30, "guard": "quiet"}
    result = train(net, X, 0.4 * Y, rule=rule, learning_rate=rate, **options)
    named = [each for each in result.findings if each.kind == f"learning rate too {kind}"]
    assert len(named) == 1
    assert "find_learning_rate" in named[0].what


def spirals(n=280):
    """Two spirals, which no straight line divides: training has to go on for long."""
    rng = np.random.default_rng(0)
    label = np.arange(n) % 2
    r = np.sqrt(rng.random(n))
    angle = 3.0 * np.pi * r + np.pi * label
    X = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1) + 0.02 * rng.normal(size=(n, 2))
    return X, label[:, None].astype(float)


@pytest.mark.parametrize(
    ("rule", "rate", "high"),
    [
        ("sgd", 30.0, True), ("sgd", 100.0, True), ("momentum", 10.0, True), ("adam", 3.0, True),
        ("sgd", 0.5, False), ("momentum", 0.1, False), ("adam", 0.02, False),
    ],
)  # fmt: skip
def test_a_rate_far_too_high_is_named_where_few_steps_of_a_good_one_do_not_learn_yet(
    rule, rate, high
):
    X, Y = spirals()
    net = Network([2, 8, 8, 1], activation="gelu", output_activation="logistic", loss="log_loss")
    options = {"batch_size": 32, "epochs": 60, "guard": "quiet"}
    found = train(net, X, Y, rule=rule, learning_rate=rate, **options).findings
    named = [each for each in found if each.kind.startswith("learning rate")]
    assert [each.kind for each in named] == ["learning rate too high"] * high


def test_a_loss_that_has_fallen_and_jumps_about_is_looked_into():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(280, 2))
    Y = (np.hypot(*X.T) < 1.1)[:, None].astype(float)
    net = Network([2, 6, 1], activation="tanh", output_activation="logistic", loss="log_loss")
    options = {"batch_size": 32, "epochs": 60, "guard": "quiet", "rule": "adam"}
    result = train(net, X, Y, learning_rate=2.0, **options)
    losses = result.history.column("loss")
    # It has learned something, so that a loss near that of the start is not what gives it away.
    assert losses[-1] < 0.7 * 0.693
    assert level_of_jumps(losses) is not None
    assert [each.kind for each in result.findings if "learning rate" in each.kind] == [
        "learning rate too high"
    ]
    assert train(net, X, Y, learning_rate=0.05, **options).findings == ()


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_healthy_runs_have_no_finding(always, activation, noise):
    X, Y = problem()
    Y = Y + noise * 30 * np.random.default_rng(1).normal(size=Y.shape)
    Y = (Y - Y.mean()) / Y.std()
    net = Network([4, 16, 16, 1], activation=activation)
    result = train(net, X, Y, learning_rate=0.01, batch_size=20, epochs=40)
    assert result.findings == ()


def test_a_finding_is_a_warning_once_and_can_be_quiet_or_off(always):
    net = Network([4, 12, 12, 1], activation="relu")
    theta = net.initial(0)
    net.blocks[1].of(theta)[:9] = -100.0
    X, Y = problem()
    options = {"theta": theta, "learning_rate": 0.01, "batch_size": 20, "epochs": 60}
    with pytest.warns(TrainingWarning, match="Dead: 9 of the 12 nodes") as caught:
        train(net, X, Y, **options)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert train(net, X, Y, guard="off", **options).findings == ()
        assert len(train(net, X, Y, guard="quiet", **options).findings) == 1
    with pytest.warns(TrainingWarning, match="network 0 and 2 more of 3: Dead") as caught:
        train_many(net, X, Y, seeds=range(3), **options)
    assert len(caught) == 1


def test_the_guard_changes_no_bit(always):
    net, X, Y = regression(n=40)
    options = {"batch_size": 4, "epochs": 20, "dropout": 0.2, "validation": 0.2}
    one, other = (train(net, X, Y, guard=mode, **options) for mode in ("warn", "off"))
    assert np.array_equal(one.theta, other.theta)


def test_a_run_from_a_checkpoint_says_what_the_undisturbed_run_says(always, tmp_path):
    net = Network([4, 12, 12, 1], activation="relu")
    theta = net.initial(0)
    net.blocks[1].of(theta)[:9] = -100.0
    X, Y = problem()
    options = {"theta": theta, "batch_size": 20, "epochs": 60, "guard": "quiet"}
    options["engine"] = ReferenceEngine
    whole = train(net, X, Y, **options)
    flag = StopFlag()
    place = Checkpoint(tmp_path / "run", every=0)

    def stop(event):
        if event.epoch == 31:
            flag.stop()

    first = train(net, X, Y, stop=flag, callbacks=[stop], checkpoint=place, **options)
    assert len(first.history) == 31
    assert train(net, X, Y, checkpoint=place, **options).findings == whole.findings != ()


def test_checks_are_rare():
    """A hundred times the work of a check lies before the first one, and twice as much then."""
    net, X, Y = regression(n=64)
    seen = []

    class Counting(guarding.Guard):
        def _of_layers(self, run):
            seen.append(run.history.logs[-1].steps)
            return super()._of_layers(run)

    class Epochs:
        history, batches, engine = None, None, None

    result = train(net, X, Y, batch_size=8, epochs=10)
    run = Epochs()
    run.engine = ReferenceEngine()
    run.engine.net = net
    run.batches = type("B", (), {"n_rows": 64, "batch_size": 8})()
    run.history = result.history
    guard = Counting("quiet")
    first = guarding._first_check(run)
    assert first > 10_000
    guard._of_layers = lambda run: seen.append(0) or []
    due = []
    for steps in range(1000, 40 * first, 1000):
        before = len(seen)
        guard.after_epoch(run, steps)
        if len(seen) > before:
            due.append(steps)
    assert all(later >= 2 * earlier for earlier, later in itertools.pairwise(due))
    assert len(due) <= 7
