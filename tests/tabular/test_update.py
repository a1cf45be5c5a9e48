"""Further training on new rows."""

import dataclasses

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from tests.tabular.small_portfolio import train_few_configurations

from deltarule import InputError, TabularClassifier, TabularRegressor
from deltarule.errors import DataError, TrainingWarning
from deltarule.tabular import TableModel, fit_table
from deltarule.tabular.portfolio import Configuration
from deltarule.training import StopReason, train_many

SMALL = (
    Configuration("relu", "standard", (16,), learning_rate=1e-2, epochs=60),
    Configuration("linear", "robust", learning_rate=2e-2, epochs=60),
)


def _rows(n, seed, shift=0.0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 3))
    return X, X[:, 0] - X[:, 1] + shift + 0.3 * random.normal(size=n)


def _error(model, X, y):
    return float(np.mean((model.predict(X) - y) ** 2))


def test_new_rows_that_differ_are_learned():
    model = TabularRegressor(configurations=SMALL).fit(*_rows(300, 0))
    encoders, test = model.portfolio_.encoders, _rows(300, 2, shift=2.0)
    before = _error(model, *test)
    model.update(*_rows(300, 1, shift=2.0))
    assert _error(model, *test) < before / 5
    assert model.update_["rows"] == 300
    assert model.update_["moved"] == sum(len(each.models) for each in model.portfolio_.used)
    assert model.update_["after"] < model.update_["before"] / 5
    assert model.portfolio_.encoders is encoders
    assert model.oof_prediction_.shape == (300,)
    assert len(model.intervals_.scores) == 600
    low, high = model.predict_interval(test[0]).T
    assert np.mean((low <= test[1]) & (test[1] <= high)) > 0.85


def test_rows_of_the_same_kind_do_no_harm():
    model = TabularRegressor(configurations=SMALL).fit(*_rows(300, 0))
    test = _rows(500, 2)
    before = _error(model, *test)
    assert _error(model.update(*_rows(100, 1)), *test) < 1.05 * before


@pytest.mark.parametrize("rate", [1e3, 1e30], ids=["worse", "diverged"])
def test_networks_that_are_no_better_on_their_fold_stay(monkeypatch, rate):
    monkeypatch.setattr("deltarule.tabular.update._EPOCHS", 1)
    X, y = _rows(200, 0)
    model = TabularRegressor(configurations=SMALL).fit(X, y)
    before = model.predict(X)
    monkeypatch.setattr("deltarule.tabular.update._RATE", rate)
    total = sum(len(member.models) for member in model.portfolio_.used)
    became, other = ("diverged", "kept") if rate == 1e30 else ("kept", "diverged")
    words = f"{total} of {total} networks diverged" if rate == 1e30 else "no network was trained"
    with pytest.warns(TrainingWarning, match=words) as warned:
        model.update(X, y)
    assert warned[0].filename == __file__
    assert (model.update_["moved"], model.update_[became], model.update_[other]) == (0, total, 0)
    np.testing.assert_array_equal(model.predict(X), before)
    assert model.update_["after"] == pytest.approx(model.update_["before"], rel=0.3)


def test_the_same_rows_give_the_same_bits_for_any_number_of_threads():
    X, y = _rows(100, 0)
    weights = np.r_[np.zeros(20), np.ones(60)]
    found = []
    for threads in (1, 3):
        model = TabularRegressor(configurations=SMALL, n_jobs=threads).fit(X, y)
        found.append(model.update(*_rows(80, 1), sample_weight=weights).predict(X))
    np.testing.assert_array_equal(*found)


def test_folds_have_several_rows_where_there_are_many_networks():
    X, y = _rows(100, 0)
    few = TabularRegressor(configurations=SMALL[1:], quality="best").fit(X, y)
    assert len(few.portfolio_.used[0].models) == 32
    few.update(X[:20], y[:20])
    assert len(few.portfolio_.used[0].models) == 32
    assert few.oof_prediction_.shape == (20,)


def test_classes_are_those_of_training():
    X, y = _rows(300, 0)
    labels = np.where(y > 0, "high", "low")
    model = TabularClassifier(configurations=SMALL).fit(X, labels)
    other, z = _rows(300, 1)
    swapped = np.where(z > 0, "low", "high")
    assert model.update(other, swapped).score(other, swapped) > 0.7
    with pytest.raises(InputError, match=r"labels \['new'\], which training did.*fit again"):
        model.update(other, np.full(300, "new"))


def test_what_cannot_be_updated_is_refused():
    X, y = _rows(100, 0)
    with pytest.raises(NotFittedError):
        TabularRegressor().update(X, y)
    model = TabularRegressor(configurations=SMALL).fit(X, y)
    with pytest.raises(InputError, match=r"19 new rows; expected at least 20.*fit again"):
        model.update(X[:19], y[:19])
    with pytest.raises(InputError, match="X has 100 rows and y 19"):
        model.update(X, y[:19])


@pytest.mark.parametrize(
    ("options", "lowest", "message"),
    [
        ({"configurations": [dataclasses.replace(SMALL[0], log_target=True)]}, 0.0,
         "the target is 0 in new row 3; expected numbers above 0, whose logarithms networks of"),
        ({"configurations": SMALL, "loss": "poisson"}, -1.0,
         "the target is -1 in new row 3; expected numbers of at least 0; its loss is of these"),
    ],
)  # fmt: skip
def test_targets_that_the_networks_cannot_have_are_refused(options, lowest, message):
    X, y = _rows(60, 0)
    y = np.exp(y)
    model = TabularRegressor(**options).fit(X, y)
    model.update(X, y)
    y[2] = lowest
    with pytest.raises(InputError, match=message):
        model.update(X, y)


def test_a_stored_portfolio_is_updated(tmp_path, monkeypatch):
    train_few_configurations(monkeypatch, SMALL)
    X, y = _rows(120, 0)
    columns = dict(zip("abc", X.T, strict=True))
    fit_table({**columns, "y": y}, "y").save(tmp_path / "old")
    model = TableModel.load(tmp_path / "old")
    table = {**columns, "y": y + 2}
    new = model.update(table)
    assert new.evaluate(table)["rmse"] < model.evaluate(table)["rmse"] / 3
    report = new.report
    assert report["rows"] == {"train": 120}
    assert report["baselines"]["before"] == model.evaluate(table)
    assert report["scores"]["out_of_fold"]["rmse"] < report["baselines"]["before"]["rmse"] / 3
    new.save(tmp_path / "new")
    loaded = TableModel.load(tmp_path / "new")
    np.testing.assert_array_equal(loaded.predict(table), new.predict(table))
    assert loaded.report == report
    assert report["notes"] == []
    assert report["updated"] == {"moved": report["networks"], "kept": 0, "diverged": 0}
    monkeypatch.setattr("deltarule.tabular.update._RATE", 1e30)
    assert "networks diverged in training on the new rows" in new.update(table).report["notes"][1]
    monkeypatch.undo()
    assert "trained on these rows before" in new.update(table).report["notes"][0]
    assert loaded.distill(table).report["notes"] == [
        "there are no scores: the portfolio was trained on all rows of this table"
    ]


def test_a_stored_portfolio_refuses_unknown_classes(monkeypatch):
    train_few_configurations(monkeypatch, SMALL)
    X, y = _rows(120, 0)
    columns = dict(zip("abc", X.T, strict=True))
    model = fit_table({**columns, "y": np.where(y > 0, "high", "low")}, "y")
    assert model.update({**columns, "y": np.where(y > 0, "low", "high")}).classes == model.classes
    with pytest.raises(DataError, match="'new'"):
        model.update({**columns, "y": np.full(120, "new")})


def test_ctrl_c_leaves_the_estimator_as_it_was(monkeypatch):
    X, y = _rows(100, 0)
    model = TabularRegressor(configurations=SMALL).fit(X, y)
    before = dict(vars(model))

    def interrupted(*arguments, stop, **options):
        stop.stop("interrupted", StopReason.INTERRUPTED)
        return train_many(*arguments, **options, stop=stop)

    monkeypatch.setattr("deltarule.tabular.update.train_many", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.update(X, y)
    assert vars(model) == before
