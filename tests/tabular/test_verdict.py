"""Whether a network beats its baselines: by pairs that no model has seen, or not at all."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from benchmarks.verdict import equal_network, equal_ridge
from scipy import stats

from deltarule.errors import InputError
from deltarule.tables import apply_schema, infer_schema, table_from_frame
from deltarule.tabular import TableModel, TableSettings, fit_table
from deltarule.tabular.advice import advice
from deltarule.tabular.baselines import LinearEncoder, baselines
from deltarule.tabular.folds import cross_validate
from deltarule.tabular.splitting import fold_rows, split_table
from deltarule.tabular.verdict import Comparison, PairedOutputs, compare, effective_number
from deltarule.tabular.verdicts import Verdicts
from deltarule.training import StopFlag

QUICK = TableSettings(layers=(8,), epochs=5)
LONGER = TableSettings(layers=(8,), epochs=30, learning_rate=0.03)


def fitted(columns, settings=QUICK, *, weights=None, **more):
    table = table_from_frame(columns)
    return fit_table(table, infer_schema(table, "y", weights=weights), settings, **more)


def straight(n=200, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    return {"x": x, "z": z, "y": x - z + noise * rng.normal(size=n)}


def levels(n_levels, rows_each, seed=0):
    rng = np.random.default_rng(seed)
    level = np.repeat(np.arange(n_levels), rows_each)
    effect = rng.normal(size=n_levels)
    names = np.array([f"level {each}" for each in level], dtype=object)
    return {"k": names, "y": effect[level] + 0.01 * rng.normal(size=len(level))}


# The statistics


def pairs_of(gains, weights=None):
    """Pairs whose squared errors differ by the gains; the second model is always right by 1."""
    truth = np.resize([0.0, 2.0], len(gains))
    second = truth + 2.0
    first = truth + np.sqrt(4.0 - np.asarray(gains))
    w = np.ones(len(gains)) if weights is None else np.asarray(weights, float)
    return PairedOutputs(truth, w, {"a": first, "b": second})


def test_rows_are_compared_by_the_paired_t_test():
    gains = np.random.default_rng(0).normal(0.2, 1, 80)
    found = compare("regression", [pairs_of(gains)], "a", "b")
    expected = stats.ttest_1samp(gains, 0)
    assert found.t == pytest.approx(expected.statistic)
    assert found.quantile == pytest.approx(stats.t.ppf(0.975, 79))
    assert (found.df, found.folds, found.pairs) == (79, 0, 80)
    assert (found.verdict == "better") == (expected.pvalue < 0.05)
    # The truth 0, 2, 0, 2, … has variance 1, so that the gain is in its unit.
    assert found.gain == pytest.approx(gains.mean())


def test_folds_are_compared_by_the_corrected_t_test():
    rng = np.random.default_rng(1)
    folds = [rng.normal(0.3, 1, 20) for _ in range(5)]
    found = compare("regression", [pairs_of(each) for each in folds], "a", "b")
    d = np.array([each.mean() for each in folds])
    t = d.mean() / np.sqrt((1 / 5 + 1 / 4) * d.var(ddof=1))
    assert found.t == pytest.approx(t)
    assert found.quantile == pytest.approx(stats.t.ppf(0.975, 4))
    assert (found.df, found.folds, found.pairs) == (4, 5, 100)


def test_log_losses_of_classes_are_compared():
    labels = np.random.default_rng(2).integers(0, 2, 400)
    sure = np.where(labels[:, None] == [0, 1], 0.9, 0.1)
    unsure = np.where(labels[:, None] == [0, 1], 0.6, 0.4)
    both = PairedOutputs(labels, np.ones(400), {"sure": sure, "unsure": unsure})
    found = compare("classification", [both], "sure", "unsure")
    assert (found.verdict, found.measure) == ("better", "log loss")
    assert found.gain == pytest.approx(np.log(0.9 / 0.6))
    assert found.t is None or math.isfinite(found.t)
    assert compare("classification", [both], "unsure", "sure").verdict == "worse"
    assert compare("classification", [both], "sure", "sure").verdict == "no different"


def test_rows_of_weight_0_do_not_count_and_the_unit_of_weights_does_not_either():
    gains = np.random.default_rng(3).normal(0.2, 1, 60)
    alone = compare("regression", [pairs_of(gains[:40])], "a", "b")
    weights = np.r_[np.full(40, 7.0), np.zeros(20)]
    weighted = compare("regression", [pairs_of(gains, weights)], "a", "b")
    assert weighted.t == pytest.approx(alone.t)
    assert weighted.df == alone.df
    assert weighted.pairs == 40
    assert effective_number(np.r_[100.0, np.full(50, 1e-9)]) == pytest.approx(1)


def test_enormous_and_tiny_numbers_can_be_compared():
    for unit in (1e300, 1e-300):
        sample = pairs_of(np.random.default_rng(4).normal(0.5, 1, 50))
        outputs = {name: each * unit for name, each in sample.outputs.items()}
        scaled = PairedOutputs(sample.truth * unit, sample.weights, outputs)
        found = compare("regression", [scaled], "a", "b")
        assert found.t == pytest.approx(compare("regression", [sample], "a", "b").t, rel=1e-6)


def test_one_pair_is_no_evidence():
    assert compare("regression", [pairs_of([1.0])], "a", "b").verdict == "no different"


def test_rows_of_classes_that_nobody_could_learn_are_left_out():
    outputs = {"a": np.full((3, 3), 1 / 3)}
    pairs = PairedOutputs(np.array([0, 1, 2]), np.ones(3), outputs)
    assert pairs.with_known_classes("classification", np.array([0, 1])).truth.tolist() == [0, 1]


def test_equal_models_are_called_different_on_at_most_a_twentieth_of_tables():
    verdicts = [equal_ridge(seed) for seed in range(200)]
    assert sum(each != "no different" for each in verdicts) <= 10
    assert [equal_network(seed) for seed in range(6)].count("no different") >= 4


# Folds


def test_folds_hold_classes_in_proportion():
    classes = np.repeat([0, 1, 2], [50, 30, 5])
    folds = fold_rows(85, 5, 0, classes)
    assert sorted(np.concatenate(folds).tolist()) == list(range(85))
    for rows in folds:
        assert np.bincount(classes[rows]).tolist() == [10, 6, 1]


def test_nothing_that_is_trained_depends_on_the_rows_that_are_scored():
    columns = straight(120)
    columns["k"] = np.resize(np.array(["p", "q", "r"], dtype=object), 120)
    settings = dataclasses.replace(QUICK, folds=4, seed=3)

    def folds_of(columns):
        table = table_from_frame(columns)
        schema = infer_schema(table, "y", kinds={"k": "category"})
        return cross_validate(schema, apply_schema(schema, table), settings, "auto")

    clean = folds_of(columns)
    scored = fold_rows(120, 4, 3, None)[2]
    assert np.array_equal(np.sort(clean[2].encoded.parts["test"].rows), scored)
    poisoned = {name: values.copy() for name, values in columns.items()}
    poisoned["x"][scored] = 1e6
    poisoned["y"][scored] = -1e6
    poisoned["k"][scored] = "new"
    other = folds_of(poisoned)
    assert np.array_equal(clean[2].theta, other[2].theta)
    assert clean[2].encoded.encoder.to_dict() == other[2].encoded.encoder.to_dict()
    assert clean[2].encoded.target.to_dict() == other[2].encoded.target.to_dict()
    constants = [each[2].pairs.outputs["constant"] for each in (clean, other)]
    assert np.array_equal(*constants)
    assert not np.array_equal(clean[1].theta, other[1].theta)


def test_the_kept_model_does_not_depend_on_the_folds():
    with_folds, without = (
        fitted(straight(), dataclasses.replace(QUICK, folds=folds)) for folds in (10, 0)
    )
    assert np.array_equal(with_folds.model.theta, without.model.theta)
    assert with_folds.report["scores"] == without.report["scores"]
    assert with_folds.report["against_linear"]["folds"] == 10
    assert with_folds.report["against_linear"]["pairs"] == 200
    assert without.report["against_linear"]["folds"] == 0
    assert without.report["against_linear"]["pairs"] == 40


def test_the_verdict_is_the_same_for_any_number_of_threads(monkeypatch):
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("DELTARULE_THREADS", threads)
        report = fitted(straight()).report
        found.append((report["against_constant"], report["against_linear"], report["advice"]))
    assert found[0] == found[1]


def test_many_test_rows_need_no_folds():
    report = fitted(straight(5000)).report
    assert report["against_linear"]["folds"] == 0
    assert report["against_linear"]["pairs"] == 1000


def test_a_stop_in_the_folds_leaves_the_verdict_out_and_keeps_the_model():
    flag = StopFlag()
    whole = fitted(straight())

    def progress(phase):
        if phase == "cross-validating":
            flag.stop("interrupted")

    model = fitted(straight(), stop=flag, progress=progress)
    assert np.array_equal(model.model.theta, whole.model.theta)
    assert model.report["against_linear"] is model.report["against_constant"] is None
    assert "no verdict on the baselines: the cross-validation was stopped" in model.report["notes"]
    assert set(model.report["baselines"]) == {"constant", "linear"}


def test_below_30_test_rows_there_is_no_verdict():
    few, enough = (fitted(straight(n), LONGER).report for n in (145, 150))
    assert few["rows"]["test"] == 29
    assert few["against_constant"] is few["against_linear"] is None
    assert few["advice"] == []
    assert any("the test rows are 29, and fewer than 30" in note for note in few["notes"])
    assert enough["rows"]["test"] == 30
    assert enough["against_constant"]["verdict"] == "better"


def test_rows_that_chose_the_epoch_give_no_verdict_without_folds():
    settings = dataclasses.replace(QUICK, test=0.0)
    report = fitted(straight(), settings).report
    assert report["against_constant"]["folds"] == 10
    report = fitted(straight(), dataclasses.replace(settings, folds=0)).report
    assert report["against_constant"] is None
    assert any("the rows of the scores chose the epoch" in note for note in report["notes"])
    # Folds of a large table would take as many times as long as its training.
    report = fitted(straight(5000), dataclasses.replace(settings, epochs=1)).report
    assert report["against_constant"] is None


def test_a_class_of_one_row_does_not_prevent_a_verdict():
    columns = straight(200)
    columns["y"] = np.where(columns["y"] > 0, "yes", "no").astype(object)
    columns["y"][7] = "rare"
    report = fitted(columns, LONGER).report
    assert report["against_constant"]["verdict"] == "better"
    assert report["against_constant"]["pairs"] == 199


def test_folds_that_cannot_be_trained_fall_back_on_the_test_rows():
    x = np.arange(200.0)
    columns = {"x": x, "y": np.array(["no"] * 199 + ["yes"], dtype=object)}
    table = table_from_frame(columns)
    schema = infer_schema(table, "y")
    typed = apply_schema(schema, table)
    seed = next(
        seed
        for seed in range(50)
        if "yes"
        in split_table(schema, typed, dataclasses.replace(QUICK, seed=seed))[
            "train"
        ].target.tolist()
    )
    report = fitted(columns, dataclasses.replace(QUICK, seed=seed)).report
    assert report["against_constant"]["folds"] == 0
    assert any(note.startswith("no cross-validation: ") for note in report["notes"])


def test_weights_count_in_the_folds():
    columns = straight(300)
    columns["w"] = np.where(np.arange(300) % 2, 1.0, 0.0)
    report = fitted(columns, LONGER, weights="w").report
    assert report["against_constant"]["pairs"] == 150
    assert report["against_constant"]["verdict"] == "better"


def test_the_verdicts_are_saved_with_the_model(tmp_path):
    model = fitted(straight())
    model.save(tmp_path / "m")
    loaded = TableModel.load(tmp_path / "m")
    assert loaded.report["against_linear"] == model.report["against_linear"]
    assert loaded.report["advice"] == model.report["advice"]


# The linear baseline


@pytest.mark.parametrize(("n_levels", "rows_each", "least"), [(30, 10, 0.95), (1000, 10, 0.96)])
def test_the_linear_baseline_sees_every_level(n_levels, rows_each, least):
    settings = dataclasses.replace(QUICK, epochs=2)
    report = fitted(levels(n_levels, rows_each), settings).report
    assert report["baselines"]["linear"]["r2"] > least


def test_a_sparse_encoding_holds_the_same(monkeypatch):
    columns = levels(20, 10)
    columns["k"][::7] = None
    columns["x"] = np.where(np.arange(200) % 5, np.arange(200.0), np.nan)
    for target in (columns["y"], np.where(columns["y"] > 0, "yes", "no").astype(object)):
        table = table_from_frame(columns | {"y": target})
        schema = infer_schema(table, "y")
        typed = apply_schema(schema, table)
        encoder = LinearEncoder(schema, typed)
        dense, sparse = (encoder.transform(typed, sparse=each) for each in (False, True))
        assert dense.shape == (200, 23)  # 20 levels and missing; the number, and missing
        assert np.array_equal(sparse.toarray(), dense)
        n_classes = len(schema.classes)
        truth = np.unique(target, return_inverse=True)[1] if n_classes else target
        found = []
        for columns_most in (2000, 3):
            monkeypatch.setattr("deltarule.tabular.baselines._DENSE_COLUMNS", columns_most)
            outputs = baselines(schema, typed, truth, n_classes, {"": typed})["linear"].outputs[""]
            found.append(outputs)
        assert np.allclose(found[0], found[1], atol=2e-3)


def test_too_many_rows_for_the_linear_baseline_are_left_out_with_a_note(monkeypatch):
    monkeypatch.setattr("deltarule.tabular.baselines._MOST_ENTRIES", 2000)
    report = fitted(straight(3000)).report
    assert "the linear baseline was fitted to 1,000 of the 2,400 rows" in report["notes"]
    assert report["baselines"]["linear"]["r2"] > 0.8


# Advice


def comparison(verdict):
    return Comparison(verdict, "log loss", 0.1, 0.1, 1.0, 4, 2.78, 5, 100)


def verdicts(constant, linear, linear_against_constant, loss, training_loss):
    three = map(comparison, (constant, linear, linear_against_constant))
    return Verdicts(*three, loss, training_loss)


def test_advice_follows_the_gap_between_training_rows_and_others():
    settings = TableSettings(layers=(64,), l2=5.0)
    (found,) = advice(verdicts("better", "worse", "better", 0.6, 0.1), settings)
    assert "overfits" in found
    assert "l2=50.0" in found
    assert "dropout=0.2" in found
    assert "layers=16" in found
    assert "0.10 on the training rows and 0.60 on rows" in found
    (found,) = advice(
        verdicts("better", "worse", "better", 0.6, 0.58), settings, ended_at_last_epoch=True
    )
    assert "underfits" in found
    assert "epochs=200" in found
    assert "dropout" not in found
    (found,) = advice(verdicts("no different", "no different", "no different", 1.0, 0.97), settings)
    assert found.startswith("no signal was found")
    (found,) = advice(verdicts("no different", "no different", "no different", 0.3, 0.29), settings)
    assert found.startswith("it is undecided whether there is a signal")
    assert "0.29 on the training rows and 0.30 on rows" in found
    assert "test=0.4" in found
    (found,) = advice(verdicts("better", "worse", "better", 0.9, 0.9), settings, merged_levels=30)
    assert "30 rare levels" in found


def test_a_finding_on_training_comes_before_a_larger_network_or_other_columns():
    """Wider layers do not help a network whose learning rate is too high."""
    found = ["dead", "learning rate too high"]
    for given in (
        verdicts("better", "worse", "better", 0.9, 0.9),
        verdicts("no different", "no different", "no different", 1.0, 0.97),
    ):
        (text,) = advice(given, QUICK, ended_at_last_epoch=True, merged_levels=3, findings=found)
        assert "(dead, learning rate too high): follow that one first" in text
        for other in ("wider", "learning_rate", "other columns", "rare levels"):
            assert other not in text
    (text,) = advice(verdicts("better", "worse", "better", 0.6, 0.1), QUICK, findings=found)
    assert "overfits" in text


def test_a_report_has_one_cause_for_a_rate_that_is_far_too_high():
    settings = TableSettings(
        layers=(8, 8), epochs=90, learning_rate=3.0, schedule="constant", averaging=None,
        patience=1000, seed=1,
    )  # fmt: skip
    report = fitted(straight(), settings).report
    serious = [each["kind"] for each in report["findings"] if each["serious"]]
    assert serious
    (text,) = report["advice"]
    assert f"({', '.join(serious)})" in text
    assert "wider layers" not in text


def test_no_advice_for_a_network_that_is_better_or_unknown():
    assert advice(verdicts("better", "better", "better", 0.6, 0.1), QUICK) == []
    assert advice(verdicts("better", "no different", "better", 0.6, 0.1), QUICK) == []
    assert advice(Verdicts(), QUICK) == []


def test_noise_that_is_learned_by_heart_is_worse_than_the_constant():
    rng = np.random.default_rng(5)
    columns = {f"x{j}": rng.normal(size=200) for j in range(30)} | {"y": rng.normal(size=200)}
    settings = TableSettings(
        epochs=100, valid=0.0, l2=0.0, learning_rate=0.02, averaging=None, schedule="constant"
    )
    report = fitted(columns, settings).report
    assert report["against_constant"]["verdict"] == "worse"
    assert "overfits" in report["advice"][0]


def test_folds_are_checked():
    with pytest.raises(InputError, match="folds is 1; expected 0, or at least 2"):
        TableSettings(folds=1)
