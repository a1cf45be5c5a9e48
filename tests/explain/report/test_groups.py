"""Errors by group: each number computed here in another way, and planted groups are found."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from tests.explain.report.tables import NAMES, trained

from deltarule.explain.report import report_html
from deltarule.explain.report.findings import find
from deltarule.explain.report.groups import groups_section
from deltarule.explain.report.headline import headline, next_steps
from deltarule.explain.report.markup import name
from deltarule.maths.printing.numbers import plain
from deltarule.tables import Schema, TextColumn, TypedColumns
from deltarule.tables.schema import Column
from deltarule.tabular.diagnostics import ScoredRows, confusion, group_errors
from deltarule.tabular.diagnostics.group_loss import group_loss
from deltarule.tabular.diagnostics.group_text import group_line, group_words, points


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
        # Newcombe's interval, at a level that two differences of three groups hold with 95 %.
        rest = used & ~mask
        of_all = 1 - 0.05 / 6
        (p, low, high), (q, low_q, high_q) = (
            (
                wrong[rows].mean(),
                *stats.binomtest(int(wrong[rows].sum()), int(rows.sum())).proportion_ci(
                    of_all, method="wilson"
                ),
            )
            for rows in (mask, rest)
        )
        least = p - q - np.sqrt((p - low) ** 2 + (high_q - q) ** 2)
        most = p - q + np.sqrt((high - p) ** 2 + (q - low_q) ** 2)
        assert (group.least, group.most) == pytest.approx((least, most))
        assert group.worse == (least > 0)
        assert found.level == pytest.approx(of_all)
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


@pytest.mark.parametrize("weighted", [False, True])
def test_each_kind_of_mistake_is_counted_and_a_planted_one_is_found(weighted):
    rng = np.random.default_rng(4)
    town = rng.choice(["a", "b", "c"], 600)
    truth = (rng.random(600) < 0.7).astype(int)  # class "0" is less than half as frequent
    # At a, most rows of class 1 are predicted as 0; at c, most of class 0 as 1.
    wrong = rng.random(600) < np.select(
        [(town == "a") & (truth == 1), (town == "c") & (truth == 0)], [0.9, 0.8], 0.1
    )
    predicted = np.where(wrong, 1 - truth, truth)
    w = rng.integers(0, 3, 600).astype(float) if weighted else None
    found = group_errors(rows_of(truth, np.eye(2)[predicted], {"town": texts(town)}, w))
    weights = np.ones(600) if w is None else w
    assert found.label == "0"

    def counted(rows, what):
        used = rows & (weights > 0)
        return used.sum(), (used & what).sum(), np.average(what[used], weights=weights[used])

    everywhere = np.ones(600, bool)
    groups = {group.level: group for group in found.groups}
    for level, group in (*groups.items(), (None, found)):
        inside = everywhere if level is None else town == level
        kinds = group.kinds
        for each, rows, what in (
            (kinds.predicted, inside, predicted == 0),
            (kinds.missed, inside & (truth == 0), predicted != 0),
            (kinds.false, inside & (truth == 1), predicted == 0),
        ):
            assert (each.rows, each.count, each.share) == pytest.approx(counted(rows, what))
    others = counted((town != "a") & (truth == 1), predicted == 0)[2]
    assert groups["a"].kinds.false.others == pytest.approx(others)
    assert {level for level, group in groups.items() if group.kinds.false.worse} == {"a"}
    assert {level for level, group in groups.items() if group.kinds.missed.worse} == {"c"}
    assert found.kinds.predicted.others is None
    assert found.as_rare == ()
    # Newcombe's interval, so wide that those of three shares of three groups hold together.
    assert found.kinds_level == pytest.approx(1 - 0.05 / 9)
    if not weighted:
        (n, k), (m, c) = (
            (int(rows.sum()), int((rows & (predicted == 0)).sum()))
            for rows in ((town == "a") & (truth == 1), (town != "a") & (truth == 1))
        )
        (low, high), (low_q, high_q) = (
            stats.binomtest(*each).proportion_ci(found.kinds_level, method="wilson")
            for each in ((k, n), (c, m))
        )
        p, q = k / n, c / m
        each = groups["a"].kinds.false
        least = p - q - np.sqrt((p - low) ** 2 + (high_q - q) ** 2)
        most = p - q + np.sqrt((high - p) ** 2 + (q - low_q) ** 2)
        assert (each.least, each.most) == pytest.approx((least, most))


def test_kinds_of_mistakes_need_two_classes():
    town = {"town": texts(["a", "b"] * 20)}
    same = group_errors(rows_of(np.ones(40, dtype=int), np.eye(2)[[0, 1] * 20], town))
    numbers = group_errors(rows_of(np.arange(40.0), np.zeros(40), town))
    for found in (same, numbers):
        assert found.label is None
        assert found.kinds is None
        assert all(group.kinds is None for group in found.groups)


@pytest.mark.parametrize("task", ["two", "three"])
def test_the_page_has_the_kinds_of_mistakes_with_counts(task):
    table, model = trained(task)
    page = report_html(model, table)
    found = group_errors(model.scored_rows(table))
    assert "Which mistakes, in which group" in page
    section = page[page.index('id="h-groups"') : page.index('id="h-columns"')]
    for each in (found.kinds.predicted, found.kinds.missed, found.kinds.false):
        assert f"<small>{each.count:,} of {each.rows:,}</small>" in section
    assert "</td>mid" not in section  # names of classes are text


@pytest.mark.parametrize("task", ["two", "number"])
def test_the_page_says_by_how_much_a_group_differs_from_the_other_rows(task):
    table, model = trained(task)
    page = report_html(model, table)
    section = page[page.index('id="h-groups"') : page.index('id="h-columns"')]
    found = group_errors(model.scored_rows(table))
    group = found.groups[0]
    values = (group.error - group.others, group.least, group.most)
    if task == "two":
        gap, least, most = (f"{100 * each:+.1f}".replace("-", "−") for each in values)
        gap += " points"
    else:
        gap, least, most = (f"{'+' if each > 0 else ''}{plain(each)}" for each in values)
    assert f'<br>{gap}, <span class="ends">{least} to {most}</span>' in section
    assert f"an interval at {100 * found.level:.4g} %" in section


def test_a_range_is_named_by_the_cells_of_the_table():
    table, model = trained("two")
    found = find(model, table)

    def words(low, high):
        group = dataclasses.replace(
            found.groups.groups[0], column=NAMES[1], kind="range", low_cell=low, high_cell=high
        )
        return group_words(found.rows.schema, group).removeprefix(NAMES[1])

    assert words(24484.0, 100107.5) == ": 24,484 to 100,107.5"
    assert words(3.0, 3.0) == " = 3"
    assert words(0.12345678, 0.12345679) == ": 0.12345678 to 0.12345679"


def test_a_headline_by_log_loss_says_so_where_the_accuracy_disagrees():
    table, model = trained("two")
    found = find(model, table)
    better, worse, level = ({"verdict": each} for each in ("better", "worse", "no different"))

    def titled(own, against_constant, against_linear):
        report = dict(model.report)
        for key, verdict in (("constant", against_constant), ("linear", against_linear)):
            report[f"against_{key}"] = {**report["against_constant"], **verdict}
        scores = {key: {**values} for key, values in found.scores.items()}
        scores["portfolio"]["accuracy"] = own
        scores["constant"]["accuracy"], scores["linear"]["accuracy"] = 0.5, 0.7
        changed = dataclasses.replace(model, report=report)
        page = headline(dataclasses.replace(found, model=changed, scores=scores))
        return page[page.index("<h2") : page.index("</div></div>")]

    assert "by log loss</h2>" not in titled(0.8, better, better)
    for said in (titled(0.7, better, better), titled(0.75, better, worse)):
        assert "by log loss</h2>" in said
        assert "By accuracy it is not so" in said
        assert ">70.0 %</span> of the linear model" in said
        assert "of the constant" not in said
    assert ">50.0 %</span> of the constant" in titled(0.4, better, level)


def test_a_column_that_a_worse_group_is_of_is_not_advised_to_be_left_out():
    table, model = trained("two")
    found = find(model, table)
    weak = dataclasses.replace(found.importance, low=np.full(len(found.importance.columns), -0.1))
    weak.low[0] = 0.1
    group, *others = found.groups.groups

    def advised(worse):
        first = dataclasses.replace(group, column=weak.columns[1], worse=worse)
        groups = dataclasses.replace(found.groups, groups=(first, *others))
        changed = dataclasses.replace(found, importance=weak, groups=groups)
        return next(step for step in next_steps(changed) if "not shown to matter" in step)

    assert advised(False).startswith("2 columns are not shown to matter alone on 40 rows")
    assert advised(True).startswith("1 column is not shown to matter alone on 40 rows")
    assert name(weak.columns[1]) not in advised(True)


def planted(truth, predicted, columns, task="two"):
    """Findings of a model of classes, with other rows and predictions."""
    table, model = trained(task)
    found = find(model, table)
    outputs = np.eye(len(found.rows.classes))[predicted]
    rows = dataclasses.replace(rows_of(truth, outputs, columns), classes=found.rows.classes)
    return dataclasses.replace(
        found, rows=rows, groups=group_errors(rows), confusion=confusion(rows)
    )


def test_kinds_of_mistakes_say_their_level_and_their_difference():
    rng = np.random.default_rng(4)
    town = rng.choice(["a", "b"], 600)
    truth = (rng.random(600) < 0.7).astype(int)
    wrong = rng.random(600) < np.where((town == "a") & (truth == 1), 0.9, 0.1)
    found = planted(truth, np.where(wrong, 1 - truth, truth), {"town": texts(town)})
    page = groups_section(found)
    (a,) = [group for group in found.groups.groups if group.level == "a"]
    false = a.kinds.false
    gap, least, most = (
        f"+{100 * each:.1f}" for each in (false.share - false.others, false.least, false.most)
    )
    assert f'({gap} points, <span class="ends">{least} to {most}</span>)' in page
    # Two groups, with three shares each.
    assert "at 99.17 %, so that those of all 2 groups and all three shares hold together" in page
    assert "lines: 95 % of each group alone" in page
    assert "with a sign: the difference to the other rows, at 98.75 %" in page
    calm = planted(truth, truth, {"town": texts(town)})
    assert "clearly more frequent than for the other rows, by intervals of" in groups_section(calm)


def test_classes_that_are_as_rare_are_named_together():
    truth = np.repeat([0, 1, 2, 2], 20)
    found = planted(truth, np.zeros(80, int), {"x": np.arange(80.0)}, "three")
    classes = [str(each) for each in found.rows.classes]
    assert (found.groups.label, *found.groups.as_rare) == tuple(classes[:2])
    first, second = map(name, classes[:2])
    page = groups_section(found)
    assert f"Of <b>{first}</b>, which these rows have as often as <b>{second}</b>. Pre" in page
    assert "rarest" not in page


@pytest.mark.parametrize(("first", "said"), [(50, "second of the two"), (40, "second of the two"),
                                             (20, "much rarer of the two")])  # fmt: skip
def test_of_two_classes_the_second_is_looked_at_unless_the_first_is_much_rarer(first, said):
    truth = (np.arange(80) >= first).astype(int)
    found = planted(truth, np.zeros(80, int), {"x": np.arange(80.0)})
    label = str(found.rows.classes[0 if first == 20 else 1])
    assert (found.groups.label, found.groups.as_rare) == (label, ())
    assert f"Of <b>{name(label)}</b>, the {said} classes. Predicted: " in groups_section(found)


def noisy(seed, known, n=160):
    """Rows of which one level in four is nearly chance, which the probabilities know or not."""
    rng = np.random.default_rng(seed)
    region, x = rng.choice(["n", "s", "e", "w"], n), rng.random(n)
    z = rng.normal(0, 2, n)
    of_truth = np.where((region == "n") & known, 0.1 * z, z) if known is not None else z
    truth = (rng.random(n) < 1 / (1 + np.exp(-of_truth))).astype(int)
    p = 1 / (1 + np.exp(-of_truth))
    return rows_of(truth, np.stack([1 - p, p], 1), {"region": texts(region), "x": x})


def test_a_group_of_uncertain_rows_is_found_by_its_losses_and_chance_is_not():
    by_loss = by_errors = claimed = 0
    for seed in range(60):
        (north,) = [g for g in group_errors(noisy(seed, True)).groups if g.level == "n"]
        by_loss += north.loss.worse
        by_errors += north.more_errors
        assert north.worse == (north.loss.worse or north.more_errors)
        claimed += bool(group_errors(noisy(seed, None)).worse)
    # The power, and the share of tables with a wrong claim, which is 5 % at most.
    assert by_loss > 40 > by_errors
    assert claimed <= 3


def test_the_interval_of_losses_is_welchs_and_not_below_that_of_a_common_variance():
    rng = np.random.default_rng(2)
    losses = rng.exponential(1.0, 100) * np.linspace(0.2, 2, 100)
    for first in (30, 70):
        own = np.arange(100) < first
        found = group_loss(losses, own, np.ones(100), 0.01)
        welch = stats.ttest_ind(losses[own], losses[~own], equal_var=False)
        low, high = welch.confidence_interval(0.99)
        common = stats.ttest_ind(losses[own], losses[~own])
        error = abs(found.mean - found.others) / abs(common.statistic)
        half = (high - low) / 2
        if first == 70:
            half *= max(1.0, error / (half / stats.t.ppf(0.995, welch.df)))
        gap = losses[own].mean() - losses[~own].mean()
        assert (found.least, found.most) == pytest.approx((gap - half, gap + half))
    # Two rows that happen to be alike say nothing of their variance.
    few = np.concatenate([rng.exponential(1.0, 98), [0.01, 0.011]])
    assert not group_loss(few, np.arange(100) < 98, np.ones(100), 0.001).worse
    alone = group_loss(few, np.arange(100) < 99, np.ones(100), 0.05)
    assert not alone.worse


def test_the_text_names_a_group_that_is_worse_by_its_losses_alone_and_one_that_may_be():
    rows = noisy(1, True)
    found = group_errors(rows)
    group = next(g for g in found.groups if g.level == "n")
    table, model = trained("two")
    page = dataclasses.replace(find(model, table), rows=rows, groups=found)
    assert group.loss.worse
    assert not group.more_errors
    line = group_line(rows)
    assert line.worse
    assert (
        f"the mean log loss of {group.rows} rows is {plain(group.loss.mean)}, of the" in line.text
    )
    assert "which alone may be chance, both at" in line.text
    assert "which alone may be chance; by its mean log loss" in groups_section(page)
    assert any("their mean log loss is" in step for step in next_steps(page))
    calm = noisy(0, None)
    line = group_line(calm)
    assert not line.worse
    nearest = max(group_errors(calm).groups, key=lambda each: each.least)
    assert f"nearest to it is {group_words(calm.schema, nearest)}: " in line.text
    assert line.text.endswith("so it may be chance")


def test_a_kind_of_mistake_is_said_where_no_group_is_worse_in_all_errors():
    # At a, all of class 1 are missed; elsewhere as many rows are wrong, all of class 0.
    town = np.repeat(["a", "b"], 200)
    truth = np.tile([0, 1], 200)
    at = np.arange(400) % 8 < 2
    wrong = at & np.where(town == "a", truth == 1, truth == 0)
    found = planted(truth, np.where(wrong, 1 - truth, truth), {"town": texts(town)})
    assert not found.groups.worse
    line = group_line(found.rows, found.groups)
    assert not line.worse
    label = found.groups.label
    assert "clearly worse than the others in all its errors, but in one kind: with town = a, " in (
        line.text
    )
    assert (
        f"(25 of 100) of those that are {label} are predicted otherwise, of the other" in line.text
    )
    page = groups_section(found)
    assert "neither in all errors together, of whatever kind, nor in the mean log loss" in page
    assert "For one kind of mistake that is otherwise, below." in page
    assert any(step.startswith("Look at one kind of mistake: with ") for step in next_steps(found))


def test_a_class_that_is_never_predicted_is_said_first():
    truth = (np.arange(80) % 4 == 0).astype(int)
    found = planted(truth, np.zeros(80, int), {"x": np.arange(80.0)})
    label = name(str(found.rows.classes[1]))
    page = groups_section(found)
    assert f"No row is predicted to be <b>{label}</b>: all 20 that are <b>{label}</b> are" in page
    said = f"Of 80 rows 20 are <b>{label}</b>, and none is predicted so"
    assert any(step.startswith(said) for step in next_steps(found))
    other = planted(truth, truth, {"x": np.arange(80.0)})
    assert not any("none is predicted so" in step for step in next_steps(other))


def test_mistakes_that_are_as_frequent_are_named_together():
    table, model = trained("three")
    found = find(model, table)
    labels = found.confusion.labels

    def step(*cells):
        matrix = np.diag([9.0, 9.0, 9.0])
        for i, j, n in cells:
            matrix[i, j] = n
        changed = dataclasses.replace(found.confusion, matrix=matrix)
        steps = next_steps(dataclasses.replace(found, confusion=changed))
        return next((each for each in steps if "mistake" in each), "")

    a, b, c = (f"<b>{name(each)}</b>" for each in labels)
    n = len(found.rows)
    one = f"Look at its most frequent mistake: {a} taken for {b}, 3 of {n} rows."
    assert step((0, 1, 3), (1, 2, 2)) == one
    two = f"{a} taken for {b} and {b} taken for {c}, 3 of {n} rows each."
    assert step((0, 1, 3), (1, 2, 3), (2, 0, 1)).endswith(two)
    assert "which are as frequent: " in step((0, 1, 3), (1, 2, 3))
    many = step((0, 1, 1), (1, 2, 1), (2, 0, 1), (2, 1, 1))
    assert (
        many == f"No mistake stands out: each of the 4 most frequent ones is made in 1 of {n} rows."
    )
    assert step() == ""


def test_a_difference_that_is_not_0_is_not_shown_as_0():
    assert [points(each) for each in (0.0004, -0.0004, 0.413, 0.0)] == [
        "0.04", "−0.04", "41.3", "0.0"
    ]  # fmt: skip
    x = np.repeat([0.0, 1.0], 600)
    # The lower end of the difference is just above 0.
    truth = np.zeros(1200, int)
    for wrong in range(1, 200):
        predicted = np.zeros(1200, int)
        predicted[600 : 600 + wrong] = 1
        found = planted(truth, predicted, {"x": x})
        (worst, *_) = found.groups.groups
        if worst.more_errors:
            break
    assert 0 < worst.least < 0.01
    shown = points(worst.least)
    assert f"+{shown} to " in groups_section(found)
    assert float(shown) > 0
