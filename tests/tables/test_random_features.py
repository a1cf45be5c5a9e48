"""Random Fourier features: their kernel, their independence of other rows, saving, settings."""

import json

import numpy as np
import pytest

from deltarule.errors import DataError, InputError
from deltarule.tables import Column, Schema, TableEncoder, TypedColumns
from deltarule.tables.random_features import RandomFeatures
from deltarule.tables.target_statistics import target_columns

rng = np.random.default_rng(0)
N = 60
LEVELS = np.array([f"town {k}" for k in rng.integers(0, 30, N)], dtype=object)
TYPED = TypedColumns(
    {"x": rng.normal(size=N), "z": rng.normal(size=N), "town": LEVELS}, np.arange(N)
)
SCHEMA = Schema((Column("x", "number"), Column("z", "number"), Column("town", "category")))


def fitted(**settings):
    return TableEncoder(numbers="quantile_normal", min_rows=1, random_features=20, **settings).fit(
        TYPED, SCHEMA
    )


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_products_tend_to_the_gaussian_kernel(scale):
    features = RandomFeatures(4000, scale, n_inputs=5, n_columns=5)
    X = rng.normal(size=(8, 5))
    found = np.zeros((8, 8000))
    features.write(X, found)
    squares = ((X[:, None] - X) ** 2).sum(axis=2)
    np.testing.assert_allclose(
        found @ found.T / 4000, np.exp(-(scale**2) * squares / 10), atol=0.06
    )
    assert abs(features.weights.std() - scale / np.sqrt(5)) < 0.02 * scale


def test_the_features_stand_after_those_of_the_columns():
    encoder, plain = fitted(), TableEncoder(numbers="quantile_normal", min_rows=1)
    plain.fit(TYPED, SCHEMA)
    X, of_columns = encoder.transform(TYPED), plain.transform(TYPED)
    assert X.shape == (N, encoder.n_features) == (N, plain.n_features + 40)
    assert len(set(encoder.feature_names)) == encoder.n_features
    assert encoder.feature_columns[-40:] == ("(all)",) * 40
    np.testing.assert_array_equal(X[:, :-40], of_columns)
    weights = RandomFeatures(20, 1.0, plain.n_features, 3).weights
    np.testing.assert_allclose(X[:, -40:-20], np.sin(of_columns @ weights), atol=1e-12)
    np.testing.assert_allclose(X[:, -20:], np.cos(of_columns @ weights), atol=1e-12)


def test_a_row_alone_is_encoded_as_among_others():
    encoder = fitted()
    X = encoder.transform(TYPED)
    alone = [encoder.transform(TYPED.take(np.array([row])))[0] for row in (0, 7, N - 1)]
    np.testing.assert_array_equal(np.array(alone), X[[0, 7, N - 1]])


def test_they_follow_the_cross_fitted_features():
    y = rng.integers(0, 2, N)
    targets = target_columns(y, 2)
    encoder = TableEncoder(one_hot_levels=5, random_features=20)
    encoder.fit(TYPED, SCHEMA, targets=targets)
    X = encoder.transform(TYPED)
    folds = np.array_split(np.arange(N), 4)
    cross_fitted = X.copy()
    encoder.write_cross_fitted(cross_fitted, TYPED, targets, folds)
    of_columns = cross_fitted[:, :-40]
    assert (of_columns != X[:, :-40]).any()
    weights = RandomFeatures(20, 1.0, of_columns.shape[1], 3).weights
    np.testing.assert_allclose(cross_fitted[:, -40:-20], np.sin(of_columns @ weights), atol=1e-12)


def test_a_saved_encoder_gives_the_same_bits():
    encoder = fitted(random_scale=2.5)
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(again.transform(TYPED), encoder.transform(TYPED))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("random_features", -1),
        ("random_features", 10**9),
        ("random_features", 2.5),
        ("random_features", "many"),
        ("random_features", True),
        ("random_scale", 0.0),
        ("random_scale", float("inf")),
        ("random_scale", float("nan")),
        ("random_scale", "wide"),
    ],
)
def test_unusable_settings_are_refused(setting, value):
    with pytest.raises(InputError, match=setting):
        TableEncoder(**{"random_features": 4, setting: value}).fit(TYPED, SCHEMA)
    with pytest.raises(DataError, match="damaged"):
        TableEncoder.from_dict({**fitted().to_dict(), setting: value})
