"""Intervals, quantiles and standard deviations of TabularRegressor."""

import pickle

import numpy as np
import pytest
from scipy.stats import norm

from deltarule import InputError, TabularRegressor
from deltarule.tables import TypedColumns
from deltarule.tabular.intervals import Intervals
from deltarule.tabular.portfolio import Configuration

SMALL = (Configuration("linear", "standard", learning_rate=2e-2, epochs=40),)


def _noisy(n, seed=0):
    """Rows whose noise has a standard deviation from .1 to 2, and the deviation of each."""
    random = np.random.default_rng(seed)
    X = random.uniform(-1, 1, size=(n, 2))
    std = np.exp(1.5 * X[:, 1] - 0.8)
    return X, 3 * X[:, 0] + std * random.normal(size=n), std


@pytest.fixture(scope="module")
def fitted():
    X, y, _ = _noisy(800)
    return TabularRegressor(configurations=SMALL).fit(X, y)


def test_intervals_cover_and_follow_the_noise(fitted):
    X, y, std = _noisy(2000, seed=1)
    for coverage in (0.5, 0.9):
        low, high = fitted.predict_interval(X, coverage).T
        assert abs(np.mean((low <= y) & (y <= high)) - coverage) < 0.04
    for part in (std < np.median(std), std >= np.median(std)):
        assert abs(np.mean((low <= y) & (y <= high), where=part) - 0.9) < 0.06
    assert np.corrcoef(np.log(fitted.predict_std(X)), np.log(std))[0, 1] > 0.95
    assert 0.8 < np.median(fitted.predict_std(X) / std) < 1.25


def test_a_predicted_deviation_is_more_likely_than_one_for_all_rows(fitted):
    X, y, std = _noisy(2000, seed=1)
    mean = fitted.predict(X)
    same = np.full(len(y), np.std(y - mean))
    likelihood = [norm(mean, s).logpdf(y).mean() for s in (fitted.predict_std(X), same, std)]
    assert likelihood[0] > likelihood[1] + 0.2
    assert likelihood[0] > likelihood[2] - 0.05


def test_quantiles_do_not_cross_and_are_the_ends_of_intervals(fitted):
    X, y, _ = _noisy(2000, seed=1)
    levels = np.linspace(0.001, 0.999, 41)
    quantiles = fitted.predict_quantiles(X, levels)
    assert quantiles.shape == (2000, 41)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    below = (y[:, None] <= quantiles).mean(axis=0)
    # Kolmogorov and Smirnov's limit for samples of 800 and 2000, at 5 %.
    assert np.abs(below - levels).max() < 1.36 * np.sqrt(1 / 800 + 1 / 2000)
    interval = fitted.predict_interval(X, 0.8)
    np.testing.assert_array_equal(interval, fitted.predict_quantiles(X, [0.1, 0.9]))


def test_a_weight_of_2_is_the_row_twice():
    typed, f = TypedColumns({}, rows=np.arange(1)), np.zeros(1)
    levels = np.linspace(0.1, 0.9, 81)
    random = np.random.default_rng(0)
    scores, counts = np.sort(random.normal(size=300)), random.integers(1, 3, size=300)
    weighted = Intervals(None, "", 0.0, scores, counts / counts.mean(), 1.0)
    repeated = Intervals(None, "", 0.0, np.repeat(scores, counts), np.ones(counts.sum()), 1.0)
    once, twice = (each.quantiles(typed, f, levels)[0] for each in (weighted, repeated))
    # One score is added at the end: of mean weight, which is 1.5 rows here.
    ranks = np.searchsorted(scores, once) - np.searchsorted(scores, twice)
    assert np.abs(ranks).max() <= 1
    unweighted = Intervals(None, "", 0.0, scores, np.ones(300), 1.0)
    other = unweighted.quantiles(typed, f, levels)[0]
    assert np.abs(np.searchsorted(scores, other) - np.searchsorted(scores, twice)).max() > 1


def test_one_scale_where_no_network_can_be_trained(monkeypatch):
    wild = Configuration("linear", "standard", learning_rate=1e300, epochs=5)
    monkeypatch.setattr("deltarule.tabular.intervals._CONFIGURATIONS", (wild,))
    X, y, _ = _noisy(100)
    model = TabularRegressor(configurations=SMALL).fit(X, y)
    assert model.intervals_.scale is None
    low, high = model.predict_interval(X).T
    assert np.ptp(high - low) == pytest.approx(0, abs=1e-12)


def test_few_rows_a_pickle_and_the_same_bits(fitted):
    X, y, _ = _noisy(20)
    few = TabularRegressor(configurations=SMALL).fit(X, y)
    assert len(np.unique(few.predict_std(X))) == 1
    low, high = few.predict_interval(X, 0.99).T
    assert ((low <= y) & (y <= high)).all()
    X, y, _ = _noisy(800)
    again = TabularRegressor(configurations=SMALL).fit(X, y)
    loaded = pickle.loads(pickle.dumps(fitted))
    for other in (again, loaded):
        np.testing.assert_array_equal(other.predict_std(X), fitted.predict_std(X))


def test_the_name_of_the_prediction_is_free():
    X, y, _ = _noisy(100)
    columns = {"(prediction)": X[:, 0], "b": X[:, 1]}
    model = TabularRegressor(configurations=SMALL).fit(columns, y)
    assert model.intervals_.column == "((prediction))"
    assert np.isfinite(model.predict_interval(columns)).all()


@pytest.mark.parametrize("coverage", [0, 1, 90, "0.9", True, None])
def test_coverage_is_between_0_and_1(fitted, coverage):
    with pytest.raises(InputError, match=r"coverage is .*; expected a number between 0 and 1"):
        fitted.predict_interval(np.zeros((1, 2)), coverage)


@pytest.mark.parametrize("quantiles", [0, [0.5, 1.0], "median", [[0.5]], [np.nan]])
def test_levels_are_between_0_and_1(fitted, quantiles):
    with pytest.raises(InputError, match=r"quantiles is .*; expected numbers between 0 and 1"):
        fitted.predict_quantiles(np.zeros((1, 2)), quantiles)
