"""The encoders of number columns: their equations, missing cells, extreme numbers, saving."""

import json

import numpy as np
import pytest
import scipy.stats
from sklearn.preprocessing import QuantileTransformer, RobustScaler

from deltarule.errors import DataError, InputError
from deltarule.tables import Column, Schema, TableEncoder, TypedColumns
from deltarule.tables.number_encoders import (
    NUMBER_ENCODERS,
    PiecewiseLinearEncoder,
    QuantileNormalEncoder,
    RobustEncoder,
    weighted_quantiles,
)

CELLS = np.random.default_rng(0).lognormal(size=400)


def encode(encoder, cells, dtype=np.float64):
    out = np.zeros((len(cells), len(encoder.features())), dtype=dtype)
    encoder.write(cells, out)
    return out


def fit(name, cells, weights=None):
    return NUMBER_ENCODERS[name].fit("x", cells, weights)


def typed(cells):
    return TypedColumns({"x": cells}, np.arange(len(cells)))


SCHEMA = Schema((Column("x", "number"),))


def test_quantiles_are_numpys_where_weights_are_equal():
    shares = np.linspace(0, 1, 13)
    np.testing.assert_allclose(weighted_quantiles(CELLS, shares), np.quantile(CELLS, shares))
    halves = np.full(len(CELLS), 0.5)
    np.testing.assert_allclose(
        weighted_quantiles(CELLS, shares, halves), np.quantile(CELLS, shares)
    )


def test_robust_is_scikit_learns_scaler_with_soft_limits():
    z = RobustScaler().fit_transform(CELLS[:, None])[:, 0]
    found = encode(fit("robust", CELLS), CELLS)[:, 0]
    np.testing.assert_allclose(found, z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-12)
    assert np.abs(found).max() < 3


def test_quantile_normal_is_close_to_scikit_learns_transform():
    expected = QuantileTransformer(n_quantiles=400, output_distribution="normal").fit_transform(
        CELLS[:, None]
    )[:, 0]
    found = encode(fit("quantile_normal", CELLS), CELLS)[:, 0]
    middle = np.abs(expected) < 2
    np.testing.assert_allclose(found[middle], expected[middle], atol=0.02)
    assert (np.argsort(found, kind="stable") == np.argsort(CELLS, kind="stable")).all()
    assert len(fit("quantile_normal", np.arange(1e5)).knots) <= 500


def test_periodic_features_are_sines_and_cosines_of_the_quantile_normal_encoding():
    z = encode(fit("quantile_normal", CELLS), CELLS)
    middles = (np.arange(8) + 0.5) / 8
    angles = 2 * np.pi * z * 0.2 * scipy.stats.halfnorm.ppf(middles)
    found = encode(fit("periodic", CELLS), CELLS)
    np.testing.assert_array_equal(found[:, :1], z)
    np.testing.assert_allclose(found[:, 1::2], np.sin(angles), atol=1e-12)
    np.testing.assert_allclose(found[:, 2::2], np.cos(angles), atol=1e-12)


def test_a_line_of_piecewise_linear_features_is_the_column_again():
    """Σ (f_k − e_k) (feature_k + ½) + e_0 is x, for cells between the outer edges."""
    encoder = fit("piecewise_linear", CELLS)
    edges = np.array(encoder.edges)
    assert len(edges) == 17
    found = encode(encoder, CELLS)[:, 1:]
    np.testing.assert_allclose(edges[0] + (found + 0.5) @ np.diff(edges), CELLS, rtol=1e-12)


def test_a_value_of_most_rows_leaves_bins_to_the_others():
    cells = np.append(np.zeros(900), np.arange(1.0, 101.0))
    edges = np.array(PiecewiseLinearEncoder.fit("x", cells, None, bins=16).edges)
    assert len(edges) >= 10
    assert np.diff(edges).max() < 20


def test_few_values_have_few_bins():
    assert fit("piecewise_linear", np.repeat([0.0, 1.0], 50)).features() == ["x"]
    cells = np.repeat([0.0, 1.0, 7.0], 50)
    assert fit("piecewise_linear", cells).features() == ["x", "x=0…1", "x=1…7"]


@pytest.mark.parametrize("name", NUMBER_ENCODERS)
def test_missing_cells_are_the_median_with_an_indicator(name):
    cells = np.array([1.0, 2.0, 9.0, np.nan])
    encoder = fit(name, cells)
    assert encoder.features()[-1] == "x=(missing)"
    found = encode(encoder, np.array([2.0, np.nan]))
    np.testing.assert_array_equal(found[0, :-1], found[1, :-1])
    np.testing.assert_array_equal(found[:, -1], [0, 1])


@pytest.mark.parametrize("name", NUMBER_ENCODERS)
@pytest.mark.parametrize("cells", [np.full(5, np.nan), np.full(5, 3.0)], ids=["missing", "same"])
def test_a_column_that_says_nothing_gives_no_feature(name, cells):
    assert fit(name, cells).features() == []


@pytest.mark.parametrize("name", NUMBER_ENCODERS)
def test_rows_of_weight_0_have_no_effect(name):
    weights = np.ones(len(CELLS))
    weights[:200] = 0
    keep = TableEncoder(numbers=name).fit(typed(CELLS[200:]), SCHEMA)
    zero = TableEncoder(numbers=name).fit(typed(CELLS), SCHEMA, weights)
    np.testing.assert_array_equal(keep.transform(typed(CELLS)), zero.transform(typed(CELLS)))


@pytest.mark.parametrize("encoder", [RobustEncoder, QuantileNormalEncoder, PiecewiseLinearEncoder])
def test_extreme_numbers_stay_finite(encoder):
    cells = np.array([-1.7e308, -1.0, 0.0, 1.0, 2.0, 1.7e308])
    found = encode(encoder.fit("x", cells, None), np.array([-1.79e308, 0.5, 1.79e308]), np.float32)
    assert np.isfinite(found).all()
    tiny = encoder.fit("x", np.array([0.0, 5e-324, 1e-323, 1.0]), None)
    assert np.isfinite(encode(tiny, np.array([0.0, 1e-323, 1e300]), np.float32)).all()


@pytest.mark.parametrize("name", NUMBER_ENCODERS)
def test_what_is_saved_encodes_the_same_bits(name):
    cells = np.append(CELLS, np.nan)
    encoder = TableEncoder(numbers=name, bins=5).fit(typed(cells), SCHEMA)
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(again.transform(typed(cells)), encoder.transform(typed(cells)))
    assert again.feature_names == encoder.feature_names


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("robust", {"scale": 0.0}),
        ("quantile_normal", {"knots": [1.0, 1.0, 2.0], "scores": [0.0, 0.1, 0.2]}),
        ("quantile_normal", {"scores": [0.0]}),
        ("piecewise_linear", {"edges": [2.0, 1.0, 3.0]}),
        ("piecewise_linear", {"edges": [1.0, 2.0]}),
        ("piecewise_linear", {"scale": -1.0}),
    ],
)
def test_a_damaged_record_is_refused(name, change):
    record = TableEncoder(numbers=name).fit(typed(CELLS), SCHEMA).to_dict()
    record["columns"][0] |= change
    with pytest.raises(DataError, match="the encoder record is damaged"):
        TableEncoder.from_dict(record)


@pytest.mark.parametrize(("setting", "value"), [("numbers", "cubic"), ("bins", 0), ("bins", 2.5)])
def test_a_bad_setting_is_refused(setting, value):
    with pytest.raises(InputError, match=setting):
        TableEncoder(**{setting: value})
