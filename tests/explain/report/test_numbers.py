"""The numbers behind the report, each computed here in another way."""

import dataclasses

import numpy as np
import pytest
from sklearn import metrics
from tests.explain.report.tables import NAMES, table_of, trained

from deltarule.errors import InputError
from deltarule.explain.report.errors import errors_section
from deltarule.explain.report.findings import find
from deltarule.explain.report.markup import percent
from deltarule.explain.report.sections import GLOSSARY
from deltarule.tables import TableEncoder, TypedColumns
from deltarule.tables.number_encoders import NUMBER_ENCODERS
from deltarule.tables.schema import Column, Schema
from deltarule.tabular import TableModel, bootstrap
from deltarule.tabular.bootstrap import bootstrap_intervals
from deltarule.tabular.diagnostics import (
    ScoredRows,
    calibration,
    confusion,
    partial_dependence,
    permutation_importance,
    residuals,
)
from deltarule.tabular.diagnostics.training import column_treatments
from deltarule.tabular.scores import score_outputs


def rows_of(truth, outputs, *, weights=None, **columns):
    """Rows of a model whose predictions are known, or computed by the argument ``predict``."""
    predict = columns.pop("predict", lambda typed: outputs)
    truth = np.asarray(truth)
    cells = columns or {"x": np.zeros(len(truth))}
    schema = Schema(tuple(Column(name, "number") for name in cells))
    classes = outputs.ndim > 1
    w = np.ones(len(truth)) if weights is None else weights
    return ScoredRows(
        "given",
        "classification" if classes else "regression",
        tuple(map(str, range(outputs.shape[1]))) if classes else (),
        schema,
        TypedColumns(cells, np.arange(len(truth)), weights=weights),
        truth,
        outputs,
        w,
        predict,
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_bootstrap_scores_are_those_of_the_resampled_rows(n_classes, weighted, monkeypatch):
    monkeypatch.setattr(bootstrap, "_RESAMPLES", 40)
    monkeypatch.setattr(bootstrap, "_LEAST_RESAMPLES", 40)
    rng = np.random.default_rng(1)
    n = 40
    w = rng.integers(0, 3, n) + 0.5 if weighted else None
    if n_classes:
        truth, outputs = rng.integers(0, n_classes, n), rng.dirichlet(np.ones(n_classes), n)
        # Ties, which an AUC counts as a half.
        outputs[::3] = outputs[0]
    else:
        truth, outputs = rng.normal(size=n), rng.normal(size=n)
    task = "classification" if n_classes else "regression"
    found = bootstrap_intervals(task, truth, {"a": outputs}, w, seed=3)
    draws = np.random.default_rng([3, 0xB007]).integers(0, n, size=(found["resamples"], n))
    assert len(draws) == 40
    by_hand = [
        score_outputs(task, truth[i], outputs[i], None if w is None else w[i]) for i in draws
    ]
    for score, ends in found["scores"]["a"].items():
        values = [each[score] for each in by_hand]
        np.testing.assert_allclose(ends, np.quantile(values, [0.025, 0.975]), rtol=1e-9)


def test_a_bootstrap_interval_holds_the_true_score_about_as_often_as_it_says():
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        errors = rng.normal(size=60)
        ends = bootstrap_intervals("regression", np.zeros(60), {"a": errors})["scores"]["a"]["mae"]
        held += ends[0] <= np.sqrt(2 / np.pi) <= ends[1]
    assert 180 <= held <= 198


def test_a_score_that_is_not_defined_has_no_interval():
    outputs = np.array([[0.2, 0.8]] * 5)
    found = bootstrap_intervals("classification", np.ones(5, dtype=int), {"a": outputs})
    assert found["scores"]["a"]["auc"] is None
    assert found["scores"]["a"]["accuracy"] == [1.0, 1.0]


def test_the_calibration_error_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 300)
    truth, w = rng.integers(0, 3, 300), rng.random(300)
    found = calibration(rows_of(truth, p, weights=w))
    top, right = p.max(axis=1), p.argmax(axis=1) == truth
    expected = 0.0
    for k in range(15):
        inside = (top >= k / 15) & ((top < (k + 1) / 15) | ((k == 14) & (top == 1)))
        if inside.any():
            share = w[inside].sum() / w.sum()
            gap = np.average(right[inside], weights=w[inside]) - np.average(
                top[inside], weights=w[inside]
            )
            expected += share * abs(gap)
    assert found.error == pytest.approx(expected, abs=1e-12)
    assert found.label is None
    assert found.rows.sum() == 300


def test_probabilities_that_are_right_have_the_error_of_chance():
    rng = np.random.default_rng(0)
    p = rng.random(2000)
    rows = rows_of((rng.random(2000) < p).astype(int), np.column_stack([1 - p, p]))
    found = calibration(rows)
    assert found.error < 2 * found.error_by_chance
    assert np.all((found.low <= found.observed) & (found.observed <= found.high))
    inside = (found.low <= found.predicted) & (found.predicted <= found.high)
    assert inside.mean() > 0.7
    # The same probabilities for targets of chance are wrong.
    wrong = calibration(rows_of(rng.integers(0, 2, 2000), rows.outputs))
    assert wrong.error > 5 * wrong.error_by_chance
    assert found.error <= found.error_limit < 2 * found.error_by_chance < wrong.error


def test_the_confusion_matrix_is_scikit_learns():
    rng = np.random.default_rng(0)
    truth, p = rng.integers(0, 3, 60), rng.dirichlet(np.ones(3), 60)
    found = confusion(rows_of(truth, p))
    assert np.array_equal(found.matrix, metrics.confusion_matrix(truth, p.argmax(axis=1)))
    np.testing.assert_allclose(
        found.recall, metrics.recall_score(truth, p.argmax(axis=1), average=None)
    )
    worst = found.mistakes(1)[0]
    off = found.matrix - np.diag(np.diag(found.matrix))
    assert worst[2] == off.max()


def test_importance_is_the_rise_of_the_loss_and_0_for_a_column_without_effect():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=400), rng.normal(size=400)
    predict = lambda typed: np.asarray(typed.columns["x"]) * 2.0  # noqa: E731
    found = permutation_importance(rows_of(2 * x, 2 * x, x=x, z=z, predict=predict))
    assert found.columns == ("x", "z")
    # A permuted x is as good as another draw: 2 Var(2x) / Var(2x).
    assert found.mean[0] == pytest.approx(2.0, rel=0.15)
    assert found.low[0] < 2.0 < found.high[0]
    assert found.mean[1] == found.low[1] == found.high[1] == 0.0
    assert found.strongest(6) == ("x",)


def test_rows_of_weight_0_have_no_effect_on_importance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    w = np.resize([1.0, 0.0], 100)
    predict = lambda typed: np.asarray(typed.columns["x"])  # noqa: E731
    truth = np.where(w > 0, x, 1e6)
    found = permutation_importance(rows_of(truth, x, weights=w, x=x, predict=predict))
    assert found.mean[0] < 10


def test_many_rows_and_columns_are_bounded_and_said():
    rng = np.random.default_rng(0)
    cells = {f"c{k}": rng.normal(size=3000) for k in range(120)}
    predicted = []

    def predict(typed):
        predicted.append(len(typed))
        return np.asarray(typed.columns["c7"]) + 0.5 * np.asarray(typed.columns["c100"])

    truth = cells["c7"] + 0.5 * cells["c100"]
    found = permutation_importance(rows_of(truth, truth, predict=predict, **cells))
    assert found.columns[:2] == ("c7", "c100")
    assert found.rows < found.of_rows == 3000
    assert len(found.left_out) + len(found.columns) == 120
    assert sum(predicted) < 30_000
    assert permutation_importance(
        rows_of(truth, truth, predict=predict, **cells)
    ).mean.tolist() == found.mean.tolist()  # a fixed seed  # fmt: skip


def test_partial_dependence_is_the_function_of_the_column():
    x, z = np.linspace(-1, 1, 80), np.linspace(0, 1, 80)
    predict = lambda typed: np.asarray(typed.columns["x"]) ** 2 + typed.columns["z"]  # noqa: E731
    found = partial_dependence(rows_of(x, x, x=x, z=z, predict=predict), "x")
    np.testing.assert_allclose(found.mean[:, 0], found.values**2 + z.mean(), atol=1e-12)
    assert found.missing is None
    with pytest.raises(InputError, match="columns is 'q'"):
        partial_dependence(rows_of(x, x, x=x, z=z, predict=predict), "q")


def test_partial_dependence_of_levels_and_missing_cells():
    table, model = trained("three")
    rows = model.scored_rows(table)
    town = partial_dependence(rows, NAMES[2])
    assert set(town.values) == {"Ulm", "<b>Bonn</b>", 'Rome "1"'}
    same = {name: rows.typed.columns[name] for name in rows.typed.columns}
    level = town.values[0]
    filled = table_of("three")[NAMES[2]][:0].tolist() + [level] * len(rows)
    typed = TypedColumns({**same, NAMES[2]: np.array(filled, dtype=object)}, rows.typed.rows)
    np.testing.assert_allclose(town.mean[0], model.outputs(typed).mean(axis=0), rtol=1e-6)
    number = partial_dependence(rows, NAMES[0])
    assert number.missing is not None
    assert number.outputs == model.classes
    np.testing.assert_allclose(number.mean.sum(axis=1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("kind", ["portfolio", "network"])
def test_residuals_and_the_coverage_of_intervals(kind):
    table, model = trained("number", kind)
    rows = model.scored_rows(table)
    found = residuals(rows)
    if kind == "portfolio":
        low, high = model.predict_interval(table.take(rows.typed.rows)).T
    else:
        low, high = (found.predicted + end for end in model.report["residual_interval"]["ends"])
    inside = (low <= found.truth) & (found.truth <= high)
    assert found.coverage == pytest.approx(inside.mean())
    assert found.coverage_interval[0] < found.coverage < found.coverage_interval[1]
    np.testing.assert_allclose(found.residuals, found.truth - found.predicted)


@pytest.mark.parametrize("kind", ["portfolio", "network"])
def test_the_rows_of_the_training_table_are_its_test_rows_after_reading_too(kind, tmp_path):
    table, model = trained("two", kind)
    model.save(tmp_path / "m")
    for each in (model, TableModel.load(tmp_path / "m")):
        rows = each.scored_rows(table)
        assert (rows.part, len(rows)) == ("test", model.report["rows"]["test"])
        scores = each.score(rows.typed, rows.outputs)
        assert scores == pytest.approx(model.report["scores"]["test"], rel=1e-6)
        assert len(each.learning_curves()) > 0
    curves = TableModel.load(tmp_path / "m").learning_curves()
    for one, other in zip(curves, model.learning_curves(), strict=True):
        assert one.kept == other.kept
        assert all(map(np.array_equal, one.validation, other.validation))


def test_without_test_rows_they_are_predicted_out_of_fold_and_else_by_networks_that_saw_them():
    table, model = trained("number", test=0.0)
    rows = model.scored_rows(table)
    assert rows.part == "out_of_fold"
    assert np.array_equal(rows.outputs, model.portfolio.oof)
    assert residuals(rows).coverage is None  # the intervals were made from these rows
    table, network = trained("number", "network", test=0.0)
    assert network.scored_rows(table).part == "valid"


def test_another_table_is_judged_on_all_its_rows():
    _, model = trained("two")
    rows = model.scored_rows(table_of("two", n=30))
    assert (rows.part, len(rows)) == ("given", 30)


def test_the_learning_curves_are_the_losses_of_the_networks():
    _, model = trained("two")
    for curve in model.learning_curves():
        member = model.portfolio.used[
            [each.configuration.name for each in model.portfolio.used].index(curve.name)
        ]
        assert len(curve.training) == len(member.models)
        for losses, net in zip(curve.validation, member.models, strict=True):
            np.testing.assert_allclose(losses, net.history.column("validation_loss"), rtol=1e-5)
    _, network = trained("two", "network")
    (curve,) = network.learning_curves()
    assert curve.kept == (network.report["best_epoch"],)
    assert curve.training[0].tolist() == network.history.column("loss")


def test_each_encoding_of_numbers_has_a_phrase_of_its_own_which_the_page_explains():
    typed = TypedColumns({"x": np.arange(20.0)}, np.arange(20))
    schema = Schema((Column("x", "number"),))
    encoders = [TableEncoder(numbers=name).fit(typed, schema) for name in NUMBER_ENCODERS]
    phrases = column_treatments(encoders)["x"]
    assert len(phrases) == len(NUMBER_ENCODERS)
    for phrase in phrases:
        assert f"<b>{phrase.split(',')[0].capitalize()}</b>" in GLOSSARY


@pytest.mark.parametrize(
    ("error", "limit", "said"),
    [
        (0.048, 0.09, "too few rows to tell: probabilities that are off by less than about"),
        (0.008, 0.012, "the probabilities can be taken as they are, to about that"),
        (0.048, 0.04, "It is more than that: the probabilities are off"),
        (0.018, 0.012, "It is more than that: the probabilities are off"),
    ],
)
def test_a_calibration_that_few_rows_do_not_refute_is_not_called_good(error, limit, said):
    table, model = trained("two")
    found = find(model, table)
    changed = dataclasses.replace(found.calibration, error=error, error_limit=limit)
    page = errors_section(dataclasses.replace(found, calibration=changed))
    assert said in page
    assert f"in 95 of 100 cases at most {percent(limit, 'calibration.limit')}" in page
    assert ("can be taken as they are" in page) == (limit == 0.012 and error == 0.008)
