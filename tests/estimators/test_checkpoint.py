"""An estimator that is fitted again with the same checkpoint goes on, to the same bits."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from tests.fault_points import Killed, killed_after

from deltarule import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor
from deltarule.errors import InputError
from deltarule.tabular.portfolio import Configuration
from deltarule.tabular.portfolio.candidates import Candidate
from deltarule.training import Checkpoint

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3))
NUMBERS = X @ [1.0, -2.0, 0.5] + rng.normal(size=80)
CLASSES = (NUMBERS > 0) * 1 + (NUMBERS > 1.5)
FEW = (
    Configuration("silu", "robust", (6,), "silu", epochs=6),
    Configuration("bins", "piecewise_linear", (4,), epochs=6),
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True},
        {"solver": "sgd", "learning_rate": "adaptive"},
        {"solver": "lbfgs"},
        {"averaging": 0.9, "dropout": 0.1},
        {"shuffle": False},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
def test_mlps(kind, options, tmp_path):
    y = NUMBERS if kind is MLPRegressor else CLASSES
    estimator = kind(
        hidden_layer_sizes=(5,), random_state=0, max_iter=12, batch_size=16, tol=0.0, **options
    )
    whole = clone(estimator).fit(X, y)
    saved = {"checkpoint": Checkpoint(tmp_path, 0)}
    with pytest.raises(Killed):
        clone(estimator).set_params(**saved, callbacks=[killed_after(5)]).fit(X, y)
    seen = []
    again = clone(estimator).set_params(
        checkpoint=str(tmp_path), callbacks=[lambda event: seen.append(event.epoch)]
    )
    again.fit(X, y)
    # L-BFGS begins anew.
    assert seen[0] == (1 if options.get("solver") == "lbfgs" else 5)
    assert again.n_iter_ == whole.n_iter_
    assert again.loss_curve_ == whole.loss_curve_
    for one, other in zip(again.coefs_, whole.coefs_, strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(InputError, match="data Y is not the same"):
        clone(again).fit(X, y[::-1])


@pytest.mark.parametrize("kind", [TabularRegressor, TabularClassifier])
def test_tables(kind, tmp_path, monkeypatch):
    y = NUMBERS if kind is TabularRegressor else CLASSES
    estimator = kind(configurations=FEW, random_state=3, n_jobs=1)
    whole = clone(estimator).fit(X, y)
    trained = []

    def count(self, fold, *given, original=Candidate.train_fold):
        trained.append((self.configuration.name, fold))
        if len(trained) == 6:
            raise Killed
        return original(self, fold, *given)

    monkeypatch.setattr(Candidate, "train_fold", count)
    saved = clone(estimator).set_params(checkpoint=Checkpoint(tmp_path, 0))
    with pytest.raises(Killed):
        clone(saved).fit(X, y)
    monkeypatch.undo()
    again = clone(saved).fit(X, y)
    assert np.array_equal(again.oof_prediction_, whole.oof_prediction_)
    assert np.array_equal(again.predict(X), whole.predict(X))
    assert again.leaderboard_["weight"] == whole.leaderboard_["weight"]
    with pytest.raises(InputError, match="is of another run: seed was 3 there, and is 4 now"):
        clone(saved).set_params(random_state=4).fit(X, y)
    with pytest.raises(InputError, match="is of another run: columns is not the same"):
        clone(saved).fit(X + 1e-9, y)


@pytest.mark.parametrize("kind", [TabularRegressor, MLPRegressor])
def test_a_seed_that_is_drawn_is_refused(kind, tmp_path):
    with pytest.raises(InputError, match="random_state is None; expected an integer beside"):
        kind(random_state=None, checkpoint=tmp_path / "c").fit(X, NUMBERS)
    assert not (tmp_path / "c").exists()


def test_partial_fit_with_saves_between_its_calls_is_the_same():
    whole = MLPRegressor(hidden_layer_sizes=(5,), random_state=0, averaging=0.9)
    parts = MLPRegressor(hidden_layer_sizes=(5,), random_state=0, averaging=0.9)
    for _ in range(6):
        whole.partial_fit(X, NUMBERS)
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X, NUMBERS)))
    assert whole.loss_curve_ == parts.loss_curve_
    for one, other in zip(whole.coefs_, parts.coefs_, strict=True):
        assert np.array_equal(one, other)
