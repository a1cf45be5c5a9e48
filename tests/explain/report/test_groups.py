"""Errors by group: each number computed here in another way, and planted groups are found."""

import numpy as np
import pytest
from scipy import stats
from tests.explain.report.tables import trained

from deltarule.explain.report import report_html
from deltarule.tables import Schema, TextColumn, TypedColumns
from deltarule.tables.schema import Column
from deltarule.tabular.diagnostics import ScoredRows, group_errors


def rows_of(truth, outputs, columns, weights=None):
    """Rows with known predictions."""
    kinds = {name: "category" if isinstance(cells, TextColumn) else "number"
             for name, cells in columns.items()}  # fmt: skip
    schema = Schema(tuple(Column(name, kind) for name, kind in kinds.items()))
    classes = ("0", "1") if outputs.ndim > 1 else ()
    w = np.ones(len(truth)) if weights is None else weights
    typed = TypedColumns(columns, np.arange(len(truth)), weights=weights)
    task = "classification" if classes else "regression"
    return ScoredRows("given", task, classes, schema, typed, truth, outputs, w, lambda t: outputs)


def texts(levels):
    return TextColumn.from_cells(np.array(levels, dtype=object))


def of_column(found, column):
    return {
        (g.kind, g.level, g.low_cell, g.high_cell): g for g in found.groups if g.column == column
    }


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_of_classes_are_shares_with_wilsons_interval(weighted):
    rng = np.random.default_rng(0)
    town = rng.choice(["a", "b", None], 200, p=[0.5, 0.3, 0.2])
    truth = rng.integers(0, 2, 200)
    wrong = rng.random(200) < np.where(town == "b", 0.5, 0.1)
    outputs = np.eye(2)[np.where(wrong, 1 - truth, truth)]
    w = rng.integers(0, 2, 200).astype(float) if weighted else None
    found = group_errors(rows_of(truth, outputs, {"town": texts(town)}, w))
    used = np.ones(200, bool) if w is None else w > 0
    assert found.error == pytest.approx(wrong[used].mean())
    groups = of_column(found, "town")
    assert {key[:2] for key in groups} == {("level", "a"), ("level", "b"), ("missing", "")}
    for (kind, level, *_), group in groups.items():
        mask = used & np.array([c is None if kind == "missing" else c == level for c in town])
        k, n = int(wrong[mask].sum()), int(mask.sum())
        ends = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert group.rows == n
        assert (group.error, group.low, group.high) == pytest.approx((k / n, *ends))
        assert group.others == pytest.approx(wrong[used & ~mask].mean())
        assert group.bias is None
    assert [g.level for g in found.worse] == ["b"]
    assert found.groups[0].level == "b"


def test_errors_of_numbers_are_means_with_students_interval():
    rng = np.random.default_rng(1)
    x = np.where(rng.random(120) < 0.2, np.nan, rng.normal(size=120))
    gaps = rng.normal(size=120) + np.where(x > 0.7, 4.0, 0.0)
    truth = rng.normal(size=120)
    found = group_errors(rows_of(truth, truth + gaps, {"x": x}))
    groups = of_column(found, "x")
    assert len(groups) == 5
    together = 0
    for (kind, _, low, high), group in groups.items():
        mask = np.isnan(x) if kind == "missing" else (x >= low) & (x <= high)
        together += mask.sum()
        sizes = np.abs(gaps[mask])
        ends = stats.t.interval(0.95, len(sizes) - 1, sizes.mean(), stats.sem(sizes))
        assert (group.low, group.high) == pytest.approx((max(ends[0], 0), ends[1]))
        assert group.error == pytest.approx(sizes.mean())
        assert group.bias == pytest.approx(gaps[mask].mean())
    assert together == 120
    (worst,) = found.worse
    assert worst.high_cell == np.nanmax(x)
    assert worst.bias > 2


def test_without_a_bad_group_hardly_any_is_called_worse():
    rng = np.random.default_rng(2)
    called = 0
    for _ in range(100):
        columns = {f"x{k}": rng.normal(size=150) for k in range(6)}
        truth = rng.integers(0, 2, 150)
        wrong = rng.random(150) < 0.2
        outputs = np.eye(2)[np.where(wrong, 1 - truth, truth)]
        called += bool(group_errors(rows_of(truth, outputs, columns)).worse)
    assert called <= 10  # five are expected at most


def test_rare_levels_are_one_group_and_small_groups_are_left_out():
    levels = [f"level {k}" for k in range(12) for _ in range(20 - k)] + ["x"] * 3
    truth, n = np.zeros(len(levels)), len(levels)
    flag = (np.arange(n) < 5).astype(float)
    found = group_errors(rows_of(truth, truth + 1.0, {"c": texts(levels), "flag": flag}))
    kinds = [g.kind for g in found.groups if g.column == "c"]
    assert sorted(kinds) == ["level"] * 8 + ["others"]
    assert sum(g.rows for g in found.groups if g.column == "c") == n
    # The five rows are too few, and the others are compared with them.
    assert [g.low_cell for g in found.groups if g.column == "flag"] == [0.0]
    assert found.small == 1


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_extreme_numbers_overflow_nothing(size):
    x = np.arange(40.0)
    found = group_errors(rows_of(size * x, size * (x + 1), {"x": x}))
    assert found.error == pytest.approx(size)
    assert all(g.error == pytest.approx(size) for g in found.groups)


def test_rows_without_weight_everywhere_are_still_compared():
    x = np.arange(40.0)
    assert group_errors(rows_of(x, x + 1, {"x": x}, np.zeros(40))).error == 1.0


def test_the_page_says_which_group_is_worse_and_which_columns_are_not_used():
    table, model = trained("three")
    page = report_html(model, table)
    assert "For whom is it wrong?" in page
    assert "are predicted wrong" in page
    assert "Predicted from 3 columns" in page
    found = group_errors(model.scored_rows(table))
    said = "Clearly worse, beyond chance" if found.worse else "clearly worse than the others"
    assert said in page
