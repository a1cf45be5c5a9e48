"""Target statistics of categories: scikit-learn's TargetEncoder, merging, no leak, files."""

import json

import numpy as np
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from deltarule.tables import Schema, TableEncoder, TypedColumns
from deltarule.tables.schema import Column
from deltarule.tables.target_statistics import TargetStatisticsEncoder, target_columns
from deltarule.tables.text_column import TextColumn


def _cells(n=400, levels=40, seed=0):
    random = np.random.default_rng(seed)
    cells = np.array([f"L{i}" for i in random.integers(levels, size=n)], dtype=object)
    return cells, random


@pytest.mark.parametrize("smoothing", [0.5, 10.0])
@pytest.mark.parametrize("kind", ["numbers", "two classes", "four classes"])
def test_it_equals_target_encoder_on_the_same_folds(kind, smoothing):
    cells, random = _cells()
    y = random.normal(size=400) if kind == "numbers" else random.integers(4, size=400)
    y = y % 2 if kind == "two classes" else y
    n_classes = {"numbers": 0, "two classes": 2, "four classes": 4}[kind]
    targets = target_columns(y, n_classes)
    splitter = KFold(5, shuffle=True, random_state=3)
    folds = [held_out for _, held_out in splitter.split(cells)]
    task = {0: "continuous", 2: "binary", 4: "multiclass"}[n_classes]
    oracle = TargetEncoder(smooth=smoothing, cv=splitter, target_type=task)
    cross_fitted = oracle.fit_transform(cells[:, None], y)

    column = TextColumn.from_cells(cells)
    labels = [str(k) for k in range(targets.shape[1])]
    encoder = TargetStatisticsEncoder.fit("x", column, targets, None, labels, smoothing)
    new = np.array([*cells[:30], "unseen"], dtype=object)
    expected = oracle.transform(new[:, None])
    np.testing.assert_allclose(encoder.means(TextColumn.from_cells(new)), expected)

    found = np.zeros_like(targets)
    encoder.write_cross_fitted(column, targets, None, folds, found)
    for fold in folds:
        others = np.setdiff1d(np.arange(400), fold)
        means = found[fold] * targets.std(axis=0) + targets[others].mean(axis=0)
        np.testing.assert_allclose(means, cross_fitted[fold], atol=1e-12)


def test_weights_are_repetitions_and_parts_merge():
    cells, random = _cells(60, 7)
    cells[::9] = None
    targets, w = random.normal(size=(60, 2)), random.integers(1, 4, size=60)
    column, labels = TextColumn.from_cells(cells), ("a", "b")
    weighted = TargetStatisticsEncoder.fit("x", column, targets, w, labels)
    rows = np.repeat(np.arange(60), w)
    repeated = TargetStatisticsEncoder.fit("x", column[rows], targets[rows], None, labels)
    np.testing.assert_allclose(weighted.means(column), repeated.means(column))
    parts = [
        TargetStatisticsEncoder.fit("x", column[part], targets[part], w[part], labels)
        for part in (slice(0, 25), slice(25, 60))
    ]
    merged = parts[0].merge(parts[1])
    assert merged.levels == weighted.levels
    np.testing.assert_allclose(merged.means(column), weighted.means(column))


def test_a_column_that_says_nothing_does_not_show_the_target_of_its_rows():
    cells, random = _cells(2000, 400)
    y = random.normal(size=(2000, 1))
    column = TextColumn.from_cells(cells)
    encoder = TargetStatisticsEncoder.fit("x", column, y)
    folds = np.array_split(np.arange(2000), 8)
    naive, honest = np.zeros((2000, 1)), np.zeros((2000, 1))
    encoder.write(column, naive)
    encoder.write_cross_fitted(column, y, None, folds, honest)
    assert np.corrcoef(naive[:, 0], y[:, 0])[0, 1] > 0.3
    assert abs(np.corrcoef(honest[:, 0], y[:, 0])[0, 1]) < 0.1
    # Levels that occur in one fold alone are all encoded alike: 0, whatever the fold's mean.
    encoder = TargetStatisticsEncoder.fit("x", column[:500], y[:500])
    groups = [np.flatnonzero(column[:500].codes % 4 == k) for k in range(4)]
    out = np.ones((500, 1))
    encoder.write_cross_fitted(column[:500], y[:500], None, groups, out)
    np.testing.assert_allclose(out, 0, atol=1e-12)


def test_a_table_encoder_uses_it_for_many_levels_and_saves_it():
    cells, random = _cells()
    cells[5] = None
    few = np.array(["a", "b"], dtype=object)[random.integers(2, size=400)]
    typed = TypedColumns({"many": cells, "few": few}, rows=np.arange(400))
    schema = Schema((Column("many", "category"), Column("few", "category")))
    targets = random.normal(size=(400, 1))
    encoder = TableEncoder(one_hot_levels=30, min_rows=1)
    encoder.fit(typed, schema, targets=targets)
    assert encoder.feature_names == ("many=mean of target", "few=a", "few=b")
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(again.transform(typed), encoder.transform(typed))
    matrix = encoder.transform(typed)
    encoder.write_cross_fitted(matrix, typed, targets, np.array_split(np.arange(400), 4))
    plain = encoder.transform(typed)
    assert (matrix[:, 0] != plain[:, 0]).mean() > 0.9
    np.testing.assert_array_equal(matrix[:, 1:], plain[:, 1:])
