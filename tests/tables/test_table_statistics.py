"""Statistics and samples of parts of a table merge, in any order, to those of the whole."""

import itertools

import numpy as np
import pytest

from deltarule.errors import DataError
from deltarule.tables import Table, TableEncoder, TargetEncoder, apply_schema, infer_schema
from deltarule.tables.row_sample import RowSample, parts_of_rows, quantile_error, row_hashes
from deltarule.tables.table_statistics import ExactSum, LevelStatistics, TableStatistics
from deltarule.tables.text_column import TextColumn

N = 600


def table(n=N, seed=0, weights=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(1e6, 1.0, n)
    x[::7] = np.nan
    towns = [f"town {k}" for k in np.minimum(rng.geometric(0.3, n), 12)]
    columns = {
        "x": x,
        "skewed": np.exp(3 * rng.normal(size=n)),
        "town": np.array(towns, dtype=object),
        "rare": np.array([None if k % 5 else f"level {k}" for k in range(n)], dtype=object),
        "y": rng.normal(size=n),
    }
    if weights:
        columns["w"] = rng.choice([0.0, 0.5, 1.0, 3.0], n)
    return Table(tuple(columns), columns)


def statistics_of(schema, typed, shards):
    """One TableStatistics for each shard of rows."""
    found = []
    for rows in shards:
        statistics = TableStatistics(schema, typed)
        for part in np.array_split(rows, 3):
            statistics.add(typed.take(part))
        found.append(statistics)
    return found


def results(statistics):
    return (
        statistics.encoder().to_dict(),
        statistics.target().to_dict(),
        statistics.n_rows,
        statistics.total_weight.value,
    )


@pytest.mark.parametrize("weights", [False, True])
def test_shards_merge_in_any_order_to_equal_encoders(weights):
    whole = table(weights=weights)
    schema = infer_schema(whole, "y", weights="w" if weights else None)
    typed = apply_schema(schema, whole)
    shards = np.array_split(np.arange(N), 4)
    found = []
    for order in itertools.permutations(range(4)):
        parts = statistics_of(schema, typed, shards)
        first = parts[order[0]]
        for index in order[1:]:
            first.merge(parts[index])
        found.append(results(first))
    assert all(each == found[0] for each in found)
    # As a tree, too.
    a, b, c, d = statistics_of(schema, typed, shards)
    d.merge(c)
    b.merge(a)
    d.merge(b)
    assert results(d) == found[0]


@pytest.mark.parametrize("weights", [False, True])
def test_where_all_rows_are_the_sample_the_encoders_are_those_of_memory(weights):
    whole = table(weights=weights)
    schema = infer_schema(whole, "y", weights="w" if weights else None)
    typed = apply_schema(schema, whole)
    statistics = statistics_of(schema, typed, [np.arange(N)])[0]
    found = statistics.encoder().to_dict()
    wanted = TableEncoder().fit(typed, schema, typed.weights).to_dict()
    # In memory, numbers are divided by the largest before the mean is subtracted: of 1e6 ± 1 that
    # leaves ten digits of the deviation.
    close = {"std": 1e-10, "mean": 1e-14}
    for got, want in zip(found.pop("columns"), wanted.pop("columns"), strict=True):
        assert {n: v for n, v in got.items() if n not in close} == {
            n: v for n, v in want.items() if n not in close
        }
        for name in close.keys() & want.keys():
            assert got[name] == pytest.approx(want[name], rel=close[name])
    assert found == wanted
    target = TargetEncoder.from_schema(schema).fit(typed.target, typed.weights)
    assert statistics.target().mean == pytest.approx(target.mean, rel=1e-12)
    assert statistics.target().std == pytest.approx(target.std, rel=1e-12)


def test_the_schema_gets_the_facts_of_all_rows():
    whole = table()
    schema = infer_schema(whole, "y")
    typed = apply_schema(schema, whole)
    part = infer_schema(whole.take(np.arange(100)), "y")
    statistics = statistics_of(part, typed, [np.arange(N)])[0]
    for name in ("x", "town"):
        found, wanted = statistics.described(part)[name], schema[name]
        for fact in ("missing", "minimum", "maximum", "levels"):
            assert getattr(found, fact) == getattr(wanted, fact)


def test_a_sum_does_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    values = rng.normal(size=50) * 10.0 ** rng.integers(-300, 300, 50)
    sums = []
    for order in (values, values[::-1], np.sort(values)):
        total = ExactSum()
        for value in order:
            total.add(value)
        sums.append(total.value)
    assert len(set(sums)) == 1
    tiny = ExactSum()
    tiny.add(5e-324)
    assert tiny.value == 5e-324


def test_too_many_levels_are_refused():
    statistics, other = LevelStatistics("id"), LevelStatistics("id")
    statistics.add(TextColumn.from_cells(map(str, range(150_000))))
    other.add(TextColumn.from_cells(map(str, range(100_000, 250_000))))
    with pytest.raises(DataError, match="'id' has more than 200,000 different texts"):
        statistics.merge(other)


@pytest.mark.parametrize("most", [50, 1000])
@pytest.mark.parametrize("sizes", [(600,), (1, 599), (200, 200, 200), (7, 300, 293)])
def test_a_sample_does_not_depend_on_how_the_table_is_divided(most, sizes):
    whole, numbers = table(), np.arange(N)
    ends = np.cumsum(sizes)[:-1]
    parts = []
    for rows in np.split(numbers, ends):
        sample = RowSample(most, "town")
        for part in np.array_split(rows, 4):
            sample.add(whole.take(part), part)
        parts.append(sample)
    first = parts[-1]
    for other in parts[:-1]:
        first.merge(other)
    found, rows, sampled = first.table()
    hashes = row_hashes(numbers, 0x5A3B1E)
    wanted = np.sort(np.argsort(hashes)[:most])
    assert rows[sampled].tolist() == wanted.tolist()
    assert first.n_rows == N
    for name in whole.names:
        np.testing.assert_array_equal(found[name], whole[name][rows])
    assert set(found["town"]) == set(whole["town"])  # one row for each label at least
    assert rows.tolist() == sorted(set(rows.tolist()))


def test_rows_of_a_label_are_not_kept_where_there_are_too_many_labels():
    sample = RowSample(10, "x")
    whole = Table(("x",), {"x": np.arange(5000.0)})
    for start in range(0, 5000, 1000):
        sample.add(whole.take(slice(start, start + 1000)), np.arange(start, start + 1000))
    assert len(sample.table()[0]) == 10


def test_parts_have_their_shares_and_depend_on_the_seed():
    numbers = np.arange(200_000)
    shares = [("test", 0.2), ("valid", 0.1), ("train", 0.7)]
    found = parts_of_rows(numbers, 0, shares)
    np.testing.assert_allclose(np.bincount(found) / len(numbers), [0.2, 0.1, 0.7], atol=0.005)
    other = parts_of_rows(numbers, 1, shares)
    assert 0.4 < (found == other).mean() < 0.7
    # Independent of the sample: as many of the rows with the smallest hashes are test rows.
    smallest = np.argsort(row_hashes(numbers, 0x5A3B1E))[:20_000]
    assert (found[smallest] == 0).mean() == pytest.approx(0.2, abs=0.01)


def test_the_stated_error_of_quantiles_holds():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=20_000)
    outside = 0
    for seed in range(200):
        sample = values[np.argsort(row_hashes(np.arange(20_000), seed))[:400]]
        share = (values <= np.median(sample)).mean()
        outside += abs(share - 0.5) > quantile_error(400)
    assert outside <= 4
    assert quantile_error(400) < 0.09
