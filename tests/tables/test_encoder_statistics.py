"""Encoders that follow from statistics of chunks: those of all rows at once, in any order."""

import numpy as np
import pytest

from deltarule.errors import DataError
from deltarule.tables import Column, Schema, TableEncoder, TypedColumns
from deltarule.tables import level_targets as module
from deltarule.tables.encoder_statistics import EncoderStatistics
from deltarule.tables.level_targets import LevelTargets
from deltarule.tables.target_statistics import TargetStatisticsEncoder, target_columns
from deltarule.tables.text_column import TextColumn

N, FOLDS = 4000, 4
KINDS = ["standard", "robust", "quantile_normal", "piecewise_linear", "periodic"]


def rows(n_classes=0, weighted=False):
    rng = np.random.default_rng(n_classes)
    x, z = rng.normal(size=N), rng.exponential(size=N)
    z[rng.random(N) < 0.1] = np.nan
    level = rng.integers(0, 90, N)
    town = [None if k == 7 else f"t{k:02d}" for k in level]
    day = np.floor(rng.uniform(0, 900, N))
    y = x + 0.02 * level + rng.normal(size=N)
    target, classes, task = 1e4 + 50 * y, (), "regression"
    if n_classes:
        classes, task = tuple("abc"[:n_classes]), "classification"
        cut = np.quantile(y, np.arange(1, n_classes) / n_classes)
        target = TextColumn.from_cells(np.array(classes)[np.digitize(y, cut)].tolist())
    names = (("x", "number"), ("z", "number"), ("town", "category"), ("day", "date"))
    schema = Schema(
        tuple(Column(*each) for each in names),
        target=Column("y", "number" if task == "regression" else "category"),
        task=task, classes=classes, weights="w" if weighted else None,
    )  # fmt: skip
    w = rng.choice([0.0, 1.0, 3.0], N) if weighted else None
    columns = {"x": x, "z": z, "town": TextColumn.from_cells(town), "day": day}
    return schema, TypedColumns(columns, np.arange(N), target, w)


def chunked(schema, typed, folds, order, sample=None):
    found = EncoderStatistics(schema, typed if sample is None else sample, FOLDS)
    for k in order:
        part = np.arange(k * N // 8, (k + 1) * N // 8)
        found.add(typed.take(part), folds[part])
    return found


@pytest.mark.parametrize("numbers", KINDS)
@pytest.mark.parametrize(("n_classes", "weighted"), [(0, False), (0, True), (2, True), (3, False)])
def test_encoders_of_chunks_are_those_of_all_rows(numbers, n_classes, weighted):
    schema, typed = rows(n_classes, weighted)
    folds = np.random.default_rng(1).integers(0, FOLDS, N)
    settings = {"numbers": numbers, "one_hot_levels": 40, "calendar": True, "min_rows": 1}
    statistics = chunked(schema, typed, folds, range(8))
    found = statistics.encoder(**settings, random_features=4)
    # All rows at once, by what is there for tables in memory.
    encoder = statistics.table.target()
    y = encoder.transform(typed.target)
    targets = target_columns(y, n_classes)
    labels = [str(k) for k in range(targets.shape[1])] if n_classes > 2 else [""]
    whole = TableEncoder(**settings, random_features=4).fit(
        typed, schema, None, targets, target_labels=labels
    )
    assert found.encoder.feature_names == whole.feature_names
    wanted = whole.transform(typed)
    np.testing.assert_allclose(found.encoder.transform(typed), wanted, atol=3e-5)
    used = np.arange(N) if typed.weights is None else np.flatnonzero(typed.weights > 0)
    wanted = whole.transform(typed, dtype=np.float32)
    rows_of = [np.flatnonzero(folds == k) for k in range(FOLDS)]
    whole.write_cross_fitted(wanted, typed, targets, rows_of, typed.weights)
    crossed = found.transform(typed, folds)
    np.testing.assert_allclose(crossed[used], wanted[used], atol=3e-5)
    assert np.abs(crossed - found.transform(typed, None)).max() > 1e-3


def test_statistics_merge_to_the_same_bits_in_any_order():
    schema, typed = rows()
    folds = np.random.default_rng(1).integers(0, FOLDS, N)
    whole = chunked(schema, typed, folds, range(8))
    parts = [chunked(schema, typed, folds, each) for each in ([5, 0], [7, 3, 1], [2, 6, 4])]
    parts[2].merge(parts[0])
    parts[2].merge(parts[1])
    settings = {"one_hot_levels": 40, "numbers": "piecewise_linear"}
    pair = [each.encoder(**settings) for each in (whole, parts[2])]
    assert pair[0].encoder.to_dict() == pair[1].encoder.to_dict()
    np.testing.assert_array_equal(pair[0].transform(typed, folds), pair[1].transform(typed, folds))


def test_quantiles_are_of_the_sample_and_ends_and_missing_cells_of_all_rows():
    schema, typed = rows()
    known = np.flatnonzero(~np.isnan(typed.columns["z"]))
    x = typed.columns["x"]
    inside = known[np.abs(x[known]) < 2]
    statistics = chunked(schema, typed, np.zeros(N, int), range(8), typed.take(inside[:300]))
    encoder = statistics.encoder(numbers="piecewise_linear", bins=8).encoder
    by_name = {each.name: each for each in encoder.column_encoders}
    assert (by_name["x"].edges[0], by_name["x"].edges[-1]) == (x.min(), x.max())
    assert by_name["z"].indicator
    assert not by_name["x"].indicator
    middle = by_name["x"].edges[4]
    assert abs((x < middle).mean() - 0.5) < 0.1
    levels = by_name["town"].levels
    assert len(levels) == len(set(typed.columns["town"].texts))


def test_free_text_is_not_counted():
    schema, typed = rows()
    words = [f"a text of words {k} and more {k % 13}" for k in range(N)]
    words[3] = None
    typed = TypedColumns({"text": TextColumn.from_cells(words)}, typed.rows, typed.target)
    schema = Schema((Column("text", "category"),), target=schema.target, task="regression")
    sample = typed.take(np.arange(100, 300))
    found = chunked(schema, typed, np.zeros(N, int), range(8), sample)
    assert found.table.levels_of("text") is None
    from deltarule.tabular.text_projection import fit_free_text

    encoder = found.encoder(fit_text=fit_free_text).encoder
    assert encoder.feature_names[-1] == "text=(missing)"
    described = found.table.described(schema)
    assert described["text"].missing == 1


def test_columns_that_do_not_vary_are_refused():
    schema = Schema((Column("x", "number"),), target=Column("y", "number"), task="regression")
    typed = TypedColumns({"x": np.ones(N)}, np.arange(N), np.arange(float(N)))
    with pytest.raises(DataError, match=r"no column varies in the 4000 training rows \(x\)"):
        chunked(schema, typed, np.zeros(N, int), range(8)).encoder(numbers="robust")


def test_too_many_sums_of_levels_are_refused(monkeypatch):
    monkeypatch.setattr(module, "_MOST_SUMS", 100)
    statistics = LevelTargets("town", n_targets=3, n_folds=4)
    cells = TextColumn.from_cells([str(k) for k in range(20)])
    with pytest.raises(DataError, match="column 'town' has more than 19 different texts"):
        statistics.add(cells, np.ones((20, 3)), None, np.zeros(20, int))


def test_a_level_that_only_one_fold_has_is_the_mean_there():
    cells = TextColumn.from_cells(["a", "b", "b", "c", "c", None])
    t, folds = np.array([[5.0], [1.0], [2.0], [3.0], [4.0], [9.0]]), np.array([0, 0, 1, 0, 1, 1])
    statistics = LevelTargets("town", 1, 2)
    statistics.add(cells, t, None, folds)
    encoder = statistics.encoder([float((t**2).sum())])
    assert encoder == TargetStatisticsEncoder.fit("town", cells, t)
    out, wanted = np.zeros((6, 1)), np.zeros((6, 1))
    statistics.fold_means(encoder).write(cells, folds, out)
    halves = [np.flatnonzero(folds == k) for k in (0, 1)]
    encoder.write_cross_fitted(cells, t, None, halves, wanted)
    np.testing.assert_allclose(out, wanted, atol=1e-12)
    assert out[0, 0] == out[5, 0] == 0
