"""A run that diverges ends at its best epoch, or goes on from there with half the rate."""

import dataclasses

import numpy as np
import pytest
from tests.training.helpers import cut_after, recorded, regression

from deltarule.engines import ReferenceEngine
from deltarule.errors import Diverged, InputError, TrainingWarning
from deltarule.training import Checkpoint, Recorder, StopReason, train, train_many

# Diverges after some epochs, with any rule of the plain kind.
WILD = {"rule": "sgd", "learning_rate": 8.0, "batch_size": 8, "epochs": 12}


class Breaking(ReferenceEngine):
    """An engine whose step is not finite at one step of the training, as often as asked."""

    def __init__(self, at=30, above=0.0):
        super().__init__()
        self.at, self.above = at, above

    def step(self, batch, learning_rate):
        if batch.step == self.at and learning_rate > self.above:
            return float("nan")
        return super().step(batch, learning_rate)


def breaking(**options):
    def begin(self):
        Breaking.__init__(self, **options)

    return type("Broken", (Breaking,), {"__init__": begin})


def trained(engine, **options):
    net, X, Y = regression(activation="tanh")
    defaults = {"rule": "momentum", "learning_rate": 0.01, "batch_size": 8, "epochs": 12}
    return train(net, X, Y, engine=engine, **(defaults | options))


def test_raise_is_the_default():
    with pytest.raises(Diverged):
        trained(breaking())


def test_restore_best_returns_the_best_epoch_and_says_so():
    plain = trained(ReferenceEngine, epochs=7)  # the steps 1 to 28
    with pytest.warns(TrainingWarning, match="epoch 8, batch 2"):
        result = trained(breaking(), on_divergence="restore_best")
    assert result.stop_reason is StopReason.DIVERGED
    assert recorded(result.history) == recorded(plain.history)
    assert np.array_equal(result.theta, plain.theta)
    assert result.best_epoch == 7
    assert [each.kind for each in result.findings] == ["diverged"]
    assert "epoch 7" in result.stopped


def test_restore_best_goes_back_to_the_smallest_loss_and_not_to_the_last_one():
    options = {"learning_rate": 0.5, "rule": "sgd", "epochs": 40}
    losses = trained(ReferenceEngine, **options).history.column("loss")
    best = int(np.argmin(losses[:30]))
    assert best < 29
    with pytest.warns(TrainingWarning, match="Diverged"):
        result = trained(breaking(at=30 * 4 + 1), on_divergence="restore_best", **options)
    assert result.history.column("loss") == losses[: best + 1]


def test_restore_best_raises_where_the_start_was_better():
    net, X, Y = regression(activation="relu")
    with pytest.raises(Diverged):
        train(net, X, Y, on_divergence="restore_best", **WILD)


def test_restore_best_without_a_completed_epoch_raises():
    with pytest.raises(Diverged, match="epoch 1, batch 2"):
        trained(breaking(at=2), on_divergence="restore_best")


@pytest.mark.parametrize("at", [2, 30])
def test_halving_goes_on_with_half_the_rate(at):
    with pytest.warns(TrainingWarning, match="half the learning rate: 0.005"):
        result = trained(breaking(at=at, above=0.006), on_divergence="halve_learning_rate")
    rates = result.history.column("learning_rate")
    kept = 0 if at == 2 else 7
    assert rates == [0.01] * kept + [0.005] * (12 - kept)
    assert result.history.column("epoch") == list(range(1, 13))
    assert result.stop_reason is StopReason.EPOCHS
    assert len(result.findings) == 1


def test_a_run_that_diverges_by_itself_ends_with_a_finite_loss():
    net, X, Y = regression(activation="relu")
    with pytest.raises(Diverged):
        train(net, X, Y, **WILD)
    with pytest.warns(TrainingWarning):
        result = train(net, X, Y, on_divergence="halve_learning_rate", **WILD)
    logs = result.history.logs
    assert len(logs) == 12
    assert logs[-1].loss < 1.0
    assert logs[-1].learning_rate < 8.0


def test_a_rate_that_never_works_raises_in_the_end():
    with pytest.raises(Diverged):
        trained(breaking(at=2), on_divergence="halve_learning_rate")


@pytest.mark.filterwarnings("ignore::deltarule.errors.TrainingWarning")  # asserted above
@pytest.mark.parametrize("step", [3, 13, 29, 31, 50])
@pytest.mark.parametrize("averaging", [None, 0.9])
def test_a_resumed_run_ends_in_the_same_bits(step, averaging):
    """Wherever it is cut: before the divergence, within a repeated epoch, and after it."""
    options = {"averaging": averaging, "validation": 0.2, "epochs": 20}
    options["on_divergence"] = "halve_learning_rate"
    kind = breaking(at=30, above=0.006)
    whole = trained(kind, **options)
    first = trained(**cut_after(step, kind), **options)
    assert first.stop_reason is StopReason.FLAG
    second = trained(kind, resume=first, **options)
    assert recorded(second.history) == recorded(whole.history)
    assert np.array_equal(second.theta, whole.theta)
    assert {*second.state} == {*whole.state}
    assert all(np.array_equal(second.state[name], whole.state[name]) for name in whole.state)


@pytest.mark.filterwarnings("ignore::deltarule.errors.TrainingWarning")  # asserted above
@pytest.mark.parametrize("step", [13, 31])
def test_a_checkpoint_goes_on_to_the_same_bits_and_findings(step, tmp_path):
    options = {"on_divergence": "halve_learning_rate"}
    kind = breaking(at=30, above=0.006)
    whole = trained(kind, **options)
    place = Checkpoint(tmp_path / "run", every=0)
    cut = cut_after(step, kind)
    cut["engine"].__qualname__ = kind.__qualname__
    trained(**cut, checkpoint=place, **options)
    second = trained(kind, checkpoint=place, **options)
    assert recorded(second.history) == recorded(whole.history)
    assert np.array_equal(second.theta, whole.theta)
    assert second.findings == whole.findings
    with pytest.raises(InputError, match="on_divergence"):
        trained(kind, checkpoint=place)


@pytest.mark.filterwarnings("ignore::deltarule.errors.TrainingWarning")  # asserted above
def test_many_networks_recover_each_by_itself():
    net, X, Y = regression(activation="relu")
    options = WILD | {"on_divergence": "halve_learning_rate"}
    results = train_many(net, X, Y, seeds=range(3), workers=2, **options)
    for seed, result in enumerate(results):
        alone = train(net, X, Y, seed=seed, **options)
        assert np.array_equal(result.theta, alone.theta)
        assert result.findings == alone.findings


def test_many_networks_are_one_warning():
    net, X, Y = regression(activation="relu")
    options = WILD | {"on_divergence": "halve_learning_rate"}
    with pytest.warns(TrainingWarning) as caught:
        train_many(net, X, Y, seeds=range(3), **options)
    assert len(caught) == 1
    assert str(caught[0].message).startswith("network 0 and 2 more of 3: Diverged")


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"on_divergence": "shrug"}, "on_divergence"),
        ({"on_divergence": "restore_best", "callbacks": [Recorder()]}, "on_divergence"),
        ({"on_divergence": "restore_best", "rule": "lbfgs", "batch_size": "auto"}, "on_divergence"),
        ({"guard": "loud"}, "guard"),
    ],
)
def test_what_cannot_be_used(options, parameter):
    with pytest.raises(InputError, match=parameter):
        trained(ReferenceEngine, **options)


def test_a_result_can_be_copied_without_its_findings():
    assert dataclasses.replace(trained(ReferenceEngine), findings=()).findings == ()


def test_the_first_number_that_is_not_finite_has_a_row():
    net, X, Y = regression(activation="exp")
    X = X.copy()
    X[17] = 1e4
    with pytest.raises(Diverged, match=r"\(row 17\)") as found:
        train(net, X, Y, batch_size=8)
    assert (found.value.row, found.value.layer) == (17, 1)
