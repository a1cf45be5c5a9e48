"""Validation, the best epoch, scorers and callbacks."""

import numpy as np
import pytest
from tests.training.helpers import Watching, classes, recorded, regression

from deltarule.errors import InputError
from deltarule.maths import Network, cost
from deltarule.optimizers import SCHEDULES
from deltarule.training import Patience, train


def same(one, other):
    assert np.array_equal(one.theta, other.theta)
    assert recorded(one.history) == recorded(other.history)


def test_a_share_of_the_rows_is_held_out_in_proportion_to_the_classes():
    net, X, y = classes(n=60)
    engine = Watching()
    X[:, 0] = np.arange(60)  # so that a row can be told
    train(net, X, y, validation=0.2, epochs=1, batch_size=100, engine=engine, learning_rate=1e-9)
    seen = engine.batches[0].X[:, 0].astype(int)
    held = np.setdiff1d(np.arange(60), seen)
    assert np.bincount(y[held]).tolist() == [6, 4, 2]


def test_rows_held_out_are_not_trained_on_and_their_loss_is_theirs():
    net, X, Y = regression(n=20)
    engine = Watching()
    result = train(net, X, Y, validation=0.25, epochs=3, engine=engine, keep_best=False)
    seen = engine.batches[0].X
    held = np.array([not (seen == x).all(axis=1).any() for x in X])
    assert held.sum() == 5
    assert result.history.logs[-1].validation_loss == pytest.approx(
        cost(net, result.theta, X[held], Y[held]), rel=1e-13
    )


def test_validation_rows_of_one_s_own_with_weights():
    net, X, Y = regression(n=20)
    rng = np.random.default_rng(9)
    mine = rng.normal(size=(7, 3)), rng.normal(size=(7, 2)), rng.uniform(0, 2, 7)
    result = train(net, X, Y, validation=mine, epochs=2, keep_best=False)
    expected = cost(net, result.theta, mine[0], mine[1], sample_weight=mine[2])
    assert result.history.logs[-1].validation_loss == pytest.approx(expected, rel=1e-13)
    assert result.history.logs[0].steps == 1  # all 20 rows are trained on


def test_two_rows_can_be_split():
    net, X, Y = regression(n=2)
    result = train(net, X, Y, validation=0.1, epochs=2)
    assert len(result.history) == 2


def test_dropout_is_off_in_validation():
    net, X, Y = regression()
    one, other = (
        train(net, X, Y, dropout=0.5, validation=(X, Y), epochs=1, keep_best=False) for _ in "ab"
    )
    expected = cost(net, one.theta, X, Y)
    assert one.history.logs[0].validation_loss == pytest.approx(expected, rel=1e-13)
    same(one, other)


def worsening(epochs=30):
    """A run whose validation loss is best in the middle: the targets are noise."""
    rng = np.random.default_rng(1)
    net = Network([4, 20, 1], activation="tanh")
    X, held = rng.normal(size=(15, 4)), rng.normal(size=(15, 4))
    Y, wanted = X[:, :1] + rng.normal(size=(15, 1)), held[:, :1]
    options = {"validation": (held, wanted), "epochs": epochs, "learning_rate": 0.02}
    return net, X, Y, options


def test_the_parameters_of_the_best_epoch_are_given():
    net, X, Y, options = worsening()
    engine = Watching()
    result = train(net, X, Y, engine=engine, **options)
    losses = result.history.column("validation_loss")
    assert 1 < result.best_epoch < 30
    assert result.best_epoch == int(np.argmin(losses)) + 1
    assert np.array_equal(result.theta, engine.thetas[result.best_epoch])
    held, wanted = options["validation"]
    assert cost(net, result.theta, held, wanted) == pytest.approx(min(losses), rel=1e-13)


def test_without_keep_best_the_last_parameters_are_given():
    net, X, Y, options = worsening()
    engine = Watching()
    result = train(net, X, Y, engine=engine, keep_best=False, **options)
    assert result.best_epoch == 30
    assert np.array_equal(result.theta, engine.thetas[-1])


def test_without_validation_the_last_parameters_are_given():
    net, X, Y = regression()
    engine = Watching()
    result = train(net, X, Y, epochs=3, engine=engine)
    assert np.array_equal(result.theta, engine.thetas[-1])
    assert result.best_epoch == 3
    assert result.history.column("validation_loss") == [None] * 3


@pytest.mark.parametrize("stopping", [3, Patience(3), [Patience(3), Patience(50)], np.int64(3)])
def test_patience_ends_training_and_the_best_is_given(stopping):
    net, X, Y, options = worsening(epochs=200)
    result = train(net, X, Y, stopping=stopping, **options)
    assert result.stopped == "no improvement for 3 epochs"
    assert len(result.history) == result.best_epoch + 3 < 200


def test_a_scorer_is_monitored_instead_of_the_loss():
    net, X, Y, options = worsening()
    scores = iter([0.1, 0.5, 0.9, 0.2, 0.3])
    engine = Watching()
    asked = []

    def scorer(live):
        asked.append(live)
        return next(scores)

    options |= {"epochs": 5, "engine": engine}
    result = train(net, X, Y, scorer=scorer, **options)
    assert result.best_epoch == 3
    assert np.array_equal(result.theta, engine.thetas[3])
    assert result.history.column("score") == [0.1, 0.5, 0.9, 0.2, 0.3]
    assert asked == [engine] * 5
    assert result.history.monitored()[0] == -0.1


def test_of_equally_good_epochs_the_first_is_the_best():
    net, X, Y = regression()
    scores = iter([1, 2, 2, 2])
    engine = Watching()
    result = train(net, X, Y, scorer=lambda e: next(scores), epochs=4, engine=engine)
    assert result.best_epoch == 2
    assert np.array_equal(result.theta, engine.thetas[2])


def test_a_score_that_is_no_number_is_refused():
    net, X, Y = regression()
    with pytest.raises(InputError, match="scorer gave nan after epoch 1; expected a number"):
        train(net, X, Y, epochs=2, scorer=lambda engine: float("nan"))


# -- callbacks ----------------------------------------------------------------------------


def test_callbacks_are_told_and_can_end_training():
    net, X, Y, options = worsening()
    events = []

    def stop_at_four(event):
        events.append((event.epoch, event.epochs, len(event.history), event.best_epoch))
        return event.epoch == 4

    result = train(net, X, Y, callbacks=[lambda e: None, stop_at_four], **options)
    assert result.stopped == "stopped by a callback"
    assert [e[:3] for e in events] == [(1, 30, 1), (2, 30, 2), (3, 30, 3), (4, 30, 4)]
    assert result.best_epoch == events[-1][3]


def test_a_callback_sees_the_live_engine():
    net, X, Y = regression()
    seen = []
    result = train(net, X, Y, epochs=2, callbacks=[lambda e: seen.append(e.engine.theta.copy())])
    assert np.array_equal(seen[-1], result.theta)


def test_reduce_on_plateau_follows_the_validation_loss():
    net, X, Y, options = worsening(epochs=40)
    plateau = SCHEDULES.get("reduce_on_plateau", patience=1, factor=0.5)
    result = train(net, X, Y, schedule=plateau, **options)
    losses = result.history.column("validation_loss")
    expected = [0.02 * plateau.factors(e, 1, 40, losses)[0] for e in range(40)]
    assert np.allclose(result.history.column("learning_rate"), expected, rtol=1e-15)
    assert result.history.logs[-1].learning_rate < 0.01
