"""TabularClassifier and TabularRegressor: scikit-learn's checks, frames, labels, weights."""

import dataclasses
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from deltarule import InputError, TabularClassifier, TabularRegressor
from deltarule.errors import DataError
from deltarule.tabular.portfolio import Configuration

SMALL = (
    Configuration("relu", "standard", (16,), learning_rate=1e-2, epochs=40),
    Configuration("linear", "piecewise_linear", learning_rate=2e-2, epochs=40),
)
# For checks that fit again and again, and hardly ask what was learned.
SHORT = tuple(dataclasses.replace(each, epochs=12) for each in SMALL)
FOLDS = "rows are divided into folds: a row twice may be in two folds, a row of weight 2 is in one"
UNMET = {"check_sample_weight_equivalence_on_dense_data": FOLDS}


@parametrize_with_checks(
    [TabularClassifier(configurations=SHORT), TabularRegressor(configurations=SHORT)],
    expected_failed_checks=lambda estimator: UNMET,
    xfail_strict=True,
)
def test_check_estimator(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def _mixed(n=120):
    random = np.random.default_rng(0)
    size = random.normal(size=n)
    town = random.choice(["Bonn", "Ulm", "Jena"], n)
    target = 2 * size + 3 * (town == "Ulm") + 0.1 * random.normal(size=n)
    size[::10] = np.nan
    return {"size": size, "town": town.astype(object)}, target


def test_every_frame_gives_the_same_prediction():
    columns, y = _mixed()
    polars_frame = pl.DataFrame({"size": columns["size"], "town": columns["town"].tolist()})
    frames = [
        columns,
        pd.DataFrame(columns),
        pd.DataFrame(columns).astype({"town": "category"}),
        polars_frame,
        polars_frame.lazy(),
        pa.table(polars_frame.to_arrow()),
    ]
    predictions = [
        TabularRegressor(configurations=SMALL).fit(frame, y).predict(frame) for frame in frames
    ]
    for each in predictions[1:]:
        np.testing.assert_array_equal(each, predictions[0])
    assert np.corrcoef(predictions[0], y)[0, 1] > 0.9


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1]),
        np.array([False, True]),
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
    ],
    ids=["int", "bool", "str", "object"],
)
def test_labels_come_back_in_their_own_type(labels):
    columns, target = _mixed()
    y = labels[(target > 0).astype(int)]
    model = TabularClassifier(configurations=SMALL).fit(columns, y)
    predicted = model.predict(columns)
    assert predicted.dtype == y.dtype
    assert (predicted == y).mean() > 0.8
    np.testing.assert_array_equal(model.classes_, labels)


def test_probabilities_add_to_one_and_are_ordered_as_the_classes():
    X, y = load_iris(return_X_y=True)
    model = TabularClassifier(configurations=SMALL).fit(X, np.array(["c", "b", "a"])[y])
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities.shape == model.oof_prediction_.shape == (150, 3)
    assert list(model.classes_[probabilities.argmax(axis=1)]) == list(model.predict(X))


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(monkeypatch):
    columns, y = _mixed()
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("DELTARULE_THREADS", threads)
        model = TabularRegressor(configurations=SMALL, random_state=7).fit(columns, y)
        found.append((model.predict(columns), model.oof_prediction_, model.leaderboard_["weight"]))
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)
    other = TabularRegressor(configurations=SMALL, random_state=8).fit(columns, y)
    assert (other.predict(columns) != found[0][0]).any()


def test_rows_of_weight_0_have_no_effect():
    columns, y = _mixed()
    keep = np.arange(len(y)) % 3 > 0
    spoiled = np.where(keep, y, 1e6)
    weighted = TabularRegressor(configurations=SMALL).fit(columns, spoiled, keep.astype(float))
    kept = {name: column[keep] for name, column in columns.items()}
    without = TabularRegressor(configurations=SMALL).fit(kept, y[keep])
    np.testing.assert_array_equal(weighted.predict(columns), without.predict(columns))
    np.testing.assert_array_equal(weighted.oof_prediction_[keep], without.oof_prediction_)
    assert np.isfinite(weighted.oof_prediction_).all()


def test_groups_stay_together():
    """Rows of a group have the same target, which only a network that saw the group can know."""
    random = np.random.default_rng(1)
    group = np.repeat(np.arange(40), 5)
    X = {"group": np.array([f"g{i}" for i in group], dtype=object)}
    y = random.normal(size=40)[group]
    alone = TabularRegressor(configurations=SMALL[:1]).fit(X, y)
    together = TabularRegressor(configurations=SMALL[:1]).fit(X, y, groups=group)
    assert np.mean((alone.oof_prediction_ - y) ** 2) < 0.5 * np.var(y)
    assert np.mean((together.oof_prediction_ - y) ** 2) > 0.8 * np.var(y)


def test_out_of_fold_predictions_are_honest():
    """For a target that nothing predicts, they are no better than the constant."""
    random = np.random.default_rng(2)
    X, y = random.normal(size=(200, 5)), random.normal(size=200)
    model = TabularRegressor(configurations=SMALL).fit(X, y)
    assert np.mean((model.oof_prediction_ - y) ** 2) > 0.9 * np.var(y)


def test_the_default_portfolio_beats_linear_models_and_the_constant():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    a, b, p, q = train_test_split(X, y, test_size=0.4, random_state=0, stratify=y)
    model = TabularClassifier().fit(a, p)
    loss = log_loss(q, model.predict_proba(b))
    assert loss < 0.15
    assert loss < log_loss(q, DummyClassifier().fit(a, p).predict_proba(b)) / 3
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(a, p)
    assert loss < 1.25 * log_loss(q, linear.predict_proba(b))
    weights = model.leaderboard_["weight"]
    assert abs(sum(weights) - 1) < 1e-12
    board = list(zip(*map(model.leaderboard_.get, ("networks", "oof_loss", "weight")), strict=True))
    assert board == sorted(board, key=lambda each: (-each[0], each[1]))
    assert all(n == board[0][0] for n, _, weight in board if weight > 0)

    X, y = load_diabetes(return_X_y=True, as_frame=True)
    a, b, p, q = train_test_split(X, y, test_size=0.4, random_state=0)
    score = TabularRegressor().fit(a, p).score(b, q)
    assert score > Ridge().fit(a, p).score(b, q) - 0.02


def test_a_decisive_level_of_few_rows_is_kept():
    level = np.arange(300) % 30
    X = {"level": np.array([f"L{i}" for i in level], dtype=object)}
    y = np.random.default_rng(3).normal(size=30)[level]
    b = np.random.default_rng(4).random(300) < 0.2
    a = ~b
    model = TabularRegressor().fit({"level": X["level"][a]}, y[a])
    assert model.score({"level": X["level"][b]}, y[b]) > 0.95


def test_it_works_with_scikit_learns_tools():
    columns, y = _mixed()
    frame = pd.DataFrame(columns)
    model = TabularRegressor(configurations=SMALL)
    assert cross_val_score(model, frame, y, cv=2).min() > 0.5
    fitted = clone(model).fit(frame, y)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(frame), fitted.predict(frame))
    np.testing.assert_array_equal(fitted.predict(frame[["town", "size"]]), fitted.predict(frame))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(120)}, "one value"),
        ({"y": np.zeros((120, 2))}, "2 columns; expected one target"),
        ({"y": np.full(120, np.nan)}, "expected finite numbers"),
        ({"y": np.zeros(7)}, "X has 120 rows and y 7"),
        ({"y": np.array(["a"] * 120)}, "expected numbers"),
        ({"sample_weight": np.zeros(120)}, "weight"),
        ({"quality": "good"}, "quality is 'good'; expected one of"),
        ({"time_budget": 0}, "time_budget is 0; expected seconds above 0"),
        ({"groups": np.zeros(7)}, "X has 120 rows and groups 7"),
    ],
)
def test_bad_input_is_refused(change, message):
    columns, y = _mixed()
    arguments = {"X": columns, "y": y, **change}
    settings = {k: arguments.pop(k) for k in ("quality", "time_budget") if k in arguments}
    with pytest.raises((InputError, ValueError), match=message):
        TabularRegressor(configurations=SMALL, **settings).fit(**arguments)


def test_missing_labels_and_columns_are_named():
    columns, target = _mixed()
    labels = np.where(target > 0, "yes", "no").astype(object)
    labels[4] = None
    with pytest.raises(InputError, match="None in row 5; expected a label in every row"):
        TabularClassifier(configurations=SMALL).fit(columns, labels)
    model = TabularRegressor(configurations=SMALL).fit(columns, target)
    with pytest.raises(DataError, match="lacks 1 of the columns the model needs: 'town'"):
        model.predict({"size": columns["size"]})
