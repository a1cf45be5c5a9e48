"""From a table to a model: honest scores, no leakage, and the same from disk as in memory."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deltarule.errors import DataError, FileError, InputError, UnknownName
from deltarule.tables import (
    Schema,
    TableEncoder,
    TypedColumns,
    apply_schema,
    infer_schema,
    read_table,
    table_from_frame,
)
from deltarule.tables.schema import Column
from deltarule.tabular import TableModel, TableSettings, fit_table
from deltarule.tabular.baselines import baselines
from deltarule.tabular.scores import score_outputs
from deltarule.tabular.splitting import split_table
from deltarule.training import StopFlag

SHARED = Path(__file__).parents[3] / "shared" / "data"
QUICK = TableSettings(layers=(8,), epochs=5)


def fitted(columns, target, settings=QUICK, **more):
    table = table_from_frame(columns)
    return fit_table(table, infer_schema(table, target, **more), settings), table


def frame_of(bunch, labels=False):
    frame = bunch.frame.copy()
    if labels:
        names = np.array([f"class {name}" for name in bunch.target_names])
        frame["target"] = names[frame["target"]]
    return frame


@pytest.fixture(scope="module")
def cancer():
    return fitted(
        frame_of(load_breast_cancer(as_frame=True), labels=True),
        "target",
        TableSettings(epochs=40),
    )


@pytest.fixture(scope="module")
def diabetes():
    return fitted(frame_of(load_diabetes(as_frame=True)), "target", TableSettings(epochs=60))


def test_two_classes_far_better_than_the_constant_and_as_good_as_linear(cancer):
    report = cancer[0].report
    scores, constant = report["scores"]["test"], report["baselines"]["constant"]
    assert scores["accuracy"] > 0.93
    assert scores["auc"] > 0.98
    assert scores["log_loss"] < constant["log_loss"] / 2
    assert constant["auc"] == 0.5
    assert report["against_constant"]["verdict"] == "better"
    assert report["against_linear"]["verdict"] in ("better", "no different")


def test_many_classes():
    digits = load_digits(as_frame=True).frame
    digits["target"] = digits["target"].astype(str) + "!"
    model, table = fitted(
        digits, "target", TableSettings(layers=(32,), epochs=60, learning_rate=0.01)
    )
    assert model.classes == tuple(f"{digit}!" for digit in range(10))
    scores, constant = model.report["scores"]["test"], model.report["baselines"]["constant"]
    assert scores["accuracy"] > 0.9
    assert constant["accuracy"] < 0.15
    probabilities = model.predict_proba(table)
    assert probabilities.shape == (1797, 10)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    # The held-out rows' scores are those scikit-learn gives for the same rows.
    part = split_table(model.schema, apply_schema(model.schema, table), _settings(model))["test"]
    truth, outputs = model.target.transform(part.target), model.outputs(part)
    auc = metrics.roc_auc_score(truth, outputs / outputs.sum(1, keepdims=True), multi_class="ovr")
    assert scores["auc"] == pytest.approx(auc, abs=1e-6)


def _settings(model):
    return TableSettings(**model.settings)


def test_regression_in_the_unit_of_the_target(diabetes):
    model, table = diabetes
    report = model.report
    assert report["scores"]["test"]["r2"] > 0.3
    assert 30 < report["scores"]["test"]["rmse"] < 75
    assert report["baselines"]["constant"]["r2"] < 0.05
    assert report["baselines"]["constant"]["rmse"] > report["scores"]["test"]["rmse"]
    predictions = model.predict(table)
    assert predictions.dtype == np.float64
    assert 100 < predictions.mean() < 200
    # A target in a unit a million times smaller is learned as well.
    frame = frame_of(load_diabetes(as_frame=True))
    frame["target"] *= 1e6
    small, _ = fitted(frame, "target", TableSettings(epochs=60))
    assert small.report["scores"]["test"]["r2"] == pytest.approx(
        report["scores"]["test"]["r2"], abs=1e-3
    )


@pytest.mark.parametrize("which", ["cancer", "diabetes"])
def test_the_reported_scores_can_be_computed_again(which, request):
    model, table = request.getfixturevalue(which)
    parts = split_table(model.schema, apply_schema(model.schema, table), _settings(model))
    for name, part in parts.items():
        assert model.report["rows"][name] == len(part)
        again = model.score(part, model.outputs(part))
        assert again == pytest.approx(model.report["scores"][name], abs=1e-6)


def test_the_baselines_are_scikit_learns_and_learn_from_all_other_rows(cancer, diabetes):
    for model, table in (cancer, diabetes):
        parts = split_table(model.schema, apply_schema(model.schema, table), _settings(model))
        X = {
            name: np.column_stack([part.columns[each] for each in model.schema.names])
            for name, part in parts.items()
        }
        rows = np.concatenate([X["valid"], X["train"]])
        y = np.concatenate([parts["valid"].target, parts["train"].target])
        found = model.report["baselines"]["linear"]
        if model.task == "regression":
            linear = make_pipeline(StandardScaler(), Ridge()).fit(rows, y)
            score = linear.score(X["test"], parts["test"].target)
            assert found["r2"] == pytest.approx(score, abs=1e-9)
        else:
            linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            score = linear.fit(rows, y).score(X["test"], parts["test"].target)
            assert found["accuracy"] == pytest.approx(score)


def test_the_parts_are_disjoint_and_together_everything(cancer):
    model, table = cancer
    typed = apply_schema(model.schema, table)
    parts = split_table(model.schema, typed, _settings(model))
    rows = np.concatenate([part.rows for part in parts.values()])
    assert sorted(rows.tolist()) == list(range(len(table)))
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 398,
        "valid": 57,
        "test": 114,
    }


def test_the_parts_keep_the_proportions_of_classes():
    labels = np.array(["a"] * 700 + ["b"] * 200 + ["c"] * 100, dtype=object)
    table = table_from_frame({"x": np.arange(1000.0), "y": labels})
    schema = infer_schema(table, "y")
    parts = split_table(schema, apply_schema(schema, table), TableSettings(seed=3))
    for name, size in (("train", 700), ("valid", 100), ("test", 200)):
        counts = [int((parts[name].target == label).sum()) for label in "abc"]
        assert counts == [7 * size // 10, 2 * size // 10, size // 10]


def test_another_seed_holds_out_other_rows():
    table = table_from_frame({"x": np.arange(100.0), "y": np.arange(100.0) ** 2})
    schema = infer_schema(table, "y")
    typed = apply_schema(schema, table)
    one, two, again = (
        split_table(schema, typed, TableSettings(seed=seed))["test"].rows.tolist()
        for seed in (1, 2, 1)
    )
    assert one == again != two


def test_the_encoding_is_learned_from_training_rows_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    columns = {"x": x, "k": np.array(["p", "q"] * 100, dtype=object), "y": x + rng.normal(size=200)}
    table = table_from_frame(columns)
    schema = infer_schema(table, "y")
    held = split_table(schema, apply_schema(schema, table), QUICK)
    rows = np.concatenate([held["valid"].rows, held["test"].rows])
    model = fit_table(table, schema, QUICK)
    # Changed held-out rows leave the encoding and the training as they are.
    changed = {name: np.array(values) for name, values in columns.items()}
    changed["x"][held["test"].rows] = 1e6
    changed["k"][held["test"].rows] = "new"
    changed["y"][held["test"].rows] = -1e6
    other_table = table_from_frame(changed)
    other = fit_table(other_table, infer_schema(other_table, "y"), QUICK)
    assert other.encoder.to_dict() == model.encoder.to_dict()
    assert other.target.to_dict() == model.target.to_dict()
    assert np.array_equal(other.model.theta, model.model.theta)
    assert other.report["scores"]["train"] == model.report["scores"]["train"]
    assert other.report["scores"]["test"] != model.report["scores"]["test"]
    # Validation rows are left out of the encoding, too.
    kept = np.setdiff1d(np.arange(200), rows)
    expected = TableEncoder().fit(apply_schema(schema, table).take(kept), schema)
    assert model.encoder.to_dict() == expected.to_dict()


def test_a_loaded_model_predicts_the_same(cancer, diabetes, tmp_path):
    for name, (model, table) in (("cancer", cancer), ("diabetes", diabetes)):
        model.save(tmp_path / name)
        loaded = TableModel.load(tmp_path / name)
        assert loaded.predict(table).tolist() == model.predict(table).tolist()
        assert loaded.schema == model.schema
        assert loaded.report == model.report
        assert loaded.settings == model.settings
        assert loaded.history.to_list() == model.history.to_list()
        assert loaded.evaluate(table) == model.evaluate(table)
        with pytest.raises(FileError, match="exists already"):
            model.save(tmp_path / name)
        model.save(tmp_path / name, overwrite=True)


def test_a_long_table_is_predicted_in_chunks(diabetes, monkeypatch):
    model, table = diabetes
    whole = model.predict(table)
    monkeypatch.setattr("deltarule.tabular.model._CHUNK_ROWS", 100)
    assert np.allclose(model.predict(table), whole, rtol=1e-5)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    digests = []
    for name in ("one", "two"):
        model, table = fitted(frame_of(load_wine(as_frame=True), labels=True), "target")
        model.save(tmp_path / name)
        data = (tmp_path / name / "arrays.safetensors").read_bytes()
        digests.append((hashlib.sha256(data).hexdigest(), model.predict_proba(table).tobytes()))
    assert digests[0] == digests[1]


def test_labels_are_written_by_their_value(tmp_path):
    labels = ["01", "yes", "1.0", " 2"]
    rows = "".join(f"{i % 4},{i % 5},{labels[i % 4]}\n" for i in range(200))
    (tmp_path / "x.csv").write_text("a,b,y\n" + rows)
    table = read_table(tmp_path / "x.csv")
    settings = TableSettings(layers=(16,), learning_rate=0.05, l2=0.0)
    model = fit_table(table, infer_schema(table, "y"), settings)
    assert set(model.predict(table)) == {"01", "yes", "1", "2"}
    assert model.evaluate(table)["accuracy"] == 1.0


def test_weights_are_used_in_training_and_in_scores():
    rng = np.random.default_rng(1)
    x = rng.normal(size=400)
    heavy = rng.random(400) < 0.5
    y = np.where(heavy, 2 * x, -2 * x)
    columns = {"x": x, "w": np.where(heavy, 1.0, 0.0), "y": y}
    settings = TableSettings(layers=(8,), epochs=60, learning_rate=0.01, l2=0.0)
    model, _ = fitted(columns, "y", settings, weights="w")
    assert model.schema.weights == "w"
    assert model.report["scores"]["test"]["r2"] > 0.98
    assert model.report["baselines"]["linear"]["r2"] > 0.98
    slope = model.predict(table_from_frame({"x": np.array([0.0, 1.0])}))
    assert slope[1] - slope[0] == pytest.approx(2, abs=0.2)


def test_doubling_every_weight_changes_no_score():
    x = np.linspace(-2, 2, 120)
    columns = {"x": x, "w": 1 + np.arange(120) % 3.0, "y": x**2}
    # The penalty is divided by the sum of the weights, so it is the same for both only if 0.
    free = dataclasses.replace(QUICK, l2=0.0)
    one, _ = fitted(columns, "y", free, weights="w")
    two, _ = fitted(columns | {"w": 2 * columns["w"]}, "y", free, weights="w")
    assert two.report["scores"]["test"] == pytest.approx(one.report["scores"]["test"], rel=1e-5)


def test_missing_values_and_categories_as_they_are():
    rng = np.random.default_rng(2)
    kind = rng.choice(np.array(["red", "green", None], dtype=object), 300)
    x = np.where(rng.random(300) < 0.2, np.nan, rng.normal(size=300))
    y = np.where(kind == "red", 3.0, 0.0) + np.nan_to_num(x, nan=-2.0)
    settings = TableSettings(layers=(16,), epochs=150, learning_rate=0.01)
    model, _ = fitted({"kind": kind, "x": x, "y": y}, "y", settings)
    assert model.report["scores"]["test"]["r2"] > 0.97
    assert "x=(missing)" in model.encoder.feature_names


def test_rows_without_a_target_are_left_out_and_counted():
    y = np.arange(100.0)
    y[::4] = np.nan
    model, _ = fitted({"x": np.arange(100.0), "y": y}, "y")
    assert sum(model.report["rows"].values()) == 75
    assert "25" in model.report["data_notes"][0]


def test_noise_is_not_called_better_than_linear():
    rng = np.random.default_rng(3)
    columns = {"x": rng.normal(size=500), "z": rng.normal(size=500), "y": rng.normal(size=500)}
    model, _ = fitted(columns, "y", TableSettings(epochs=40))
    assert model.report["against_linear"]["verdict"] != "better"
    assert model.report["scores"]["test"]["r2"] < 0.1


def test_a_curved_target_is_called_better_than_linear():
    x = np.linspace(-2, 2, 500)
    model, _ = fitted({"x": x, "y": x**2}, "y", TableSettings(epochs=60, learning_rate=0.01))
    assert model.report["against_linear"]["verdict"] == "better"


def test_scores_equal_scikit_learns():
    rng = np.random.default_rng(5)
    truth, outputs, weights = rng.normal(size=50), rng.normal(size=50), rng.random(50)
    found = score_outputs("regression", truth, outputs, weights)
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, outputs, sample_weight=weights))
    rmse = metrics.root_mean_squared_error(truth, outputs, sample_weight=weights)
    assert found["rmse"] == pytest.approx(rmse)
    mae = metrics.mean_absolute_error(truth, outputs, sample_weight=weights)
    assert found["mae"] == pytest.approx(mae)


def test_scores_that_are_not_defined_are_none():
    one = score_outputs("classification", np.array([1, 1]), np.array([[0.4, 0.6], [0.5, 0.5]]))
    assert one["auc"] is None
    assert one["log_loss"] == pytest.approx(-np.log([0.6, 0.5]).mean())
    assert score_outputs("regression", np.array([2.0]), np.array([2.5]))["r2"] is None
    assert score_outputs("regression", np.array([2.0, 2.0]), np.array([2.0, 3.0]))["r2"] is None


def test_enormous_numbers_have_scores():
    truth = np.array([0.0, 1e300, 5e299])
    found = score_outputs("regression", truth, truth / 2)
    assert all(np.isfinite(value) for value in found.values())
    assert score_outputs("regression", truth / 1e300, truth / 2e300)["r2"] == pytest.approx(
        found["r2"]
    )


def test_a_class_without_training_rows_has_probability_zero():
    schema = Schema((Column("x", "number"),))
    rows = TypedColumns({"x": np.arange(8.0)}, np.arange(8))
    y = np.array([0, 0, 0, 0, 2, 2, 2, 2])
    parts = {"first": rows.take(slice(2)), "all": rows}
    found = baselines(schema, rows, y, 3, parts)
    for each in found.values():
        assert {name: len(outputs) for name, outputs in each.outputs.items()} == {
            "first": 2,
            "all": 8,
        }
        for outputs in each.outputs.values():
            assert (outputs[:, 1] == 0).all()
            assert np.allclose(outputs.sum(axis=1), 1)
    assert set(baselines(schema, rows, y, 3, parts, linear=False)) == {"constant"}


def test_no_linear_baseline_is_fitted_after_a_stop():
    flag = StopFlag()

    def after_two(event):
        if event.epoch == 2:
            flag.stop("enough")

    table = table_from_frame({"x": np.arange(100.0), "y": np.arange(100.0) ** 2})
    schema = infer_schema(table, "y")
    phases = []
    model = fit_table(
        table, schema, QUICK, callbacks=[after_two], stop=flag, progress=phases.append
    )
    assert phases == ["encoding", "training", "scoring"]
    assert model.report["epochs"] in (2, 3)
    assert model.report["stopped"] == "enough"
    assert set(model.report["baselines"]) == {"constant"}
    assert model.report["against_linear"] is None


def test_a_prediction_that_would_not_be_finite_is_refused(diabetes):
    model, table = diabetes
    columns = {name: np.full(3, 0.01) for name in table.names}
    columns["bmi"] = np.array([0.01, 0.02, 1e36])
    with pytest.raises(DataError, match=r"row 3 is not finite: 'bmi' is .* standard deviations"):
        _blown_up(model).predict(table_from_frame(columns))


def _blown_up(model):
    """The same model with weights that overflow on a large input."""
    theta = model.model.theta * np.float32(1e3)
    return dataclasses.replace(model, model=dataclasses.replace(model.model, theta=theta))


def test_too_few_rows_and_classes_are_refused():
    with pytest.raises(DataError, match="has 6 rows with a known target; expected at least 10"):
        fitted({"x": np.arange(6.0), "y": np.arange(6.0)}, "y")
    labels = np.array(["no"] * 39 + ["yes"], dtype=object)
    columns = {"x": np.arange(40.0), "y": labels}
    with pytest.raises(DataError, match="training rows are 'no'; expected at least two classes"):
        fitted(columns, "y", TableSettings(test=0.7, epochs=2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test": 1.0}, "test is 1"),
        ({"valid": -0.1}, "valid is -0.1"),
        ({"test": 0.5, "valid": 0.5}, "test and valid are 0.5 and 0.5"),
        ({"folds": 1}, "folds is 1; expected 0, or at least 2"),
        ({"folds": -1}, "folds is -1"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"patience": True}, "patience is True"),
        ({"layers": (4, 0)}, "layers is '4,0'"),
        ({"batch_size": "some"}, "batch_size is 'some'"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"l2": float("nan")}, "l2 is nan"),
        ({"dropout": 1.0}, "dropout is 1"),
        ({"seed": -1}, "seed is -1"),
        ({"rule": "rprop", "batch_size": 10}, "needs all rows"),
    ],
)
def test_settings_are_checked_before_anything_is_read(settings, message):
    with pytest.raises(InputError, match=message):
        TableSettings(**settings)


@pytest.mark.parametrize("name", ["rule", "schedule", "activation", "engine"])
def test_unknown_names_are_refused(name):
    with pytest.raises(UnknownName, match=r"unknown .* 'zzz'.*known: "):
        TableSettings(**{name: "zzz"})


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public tables are not beside the repository")
@pytest.mark.parametrize(
    ("name", "target", "score"),
    [
        ("california_housing", "median_house_value", "r2"),
        ("adult", "income", "accuracy"),
        ("wine_quality_white", "quality", "r2"),
    ],
)
def test_a_public_table_beats_the_linear_baseline(name, target, score):
    table = read_table(SHARED / f"{name}.csv")
    rows = np.random.default_rng(0).permutation(len(table))[:4000]
    table = table.take(np.sort(rows))
    model = fit_table(table, infer_schema(table, target), TableSettings(epochs=40, layers=(64, 32)))
    found, linear = model.report["scores"]["test"], model.report["baselines"]["linear"]
    if name == "adult":  # where linear is nearly as good as anything on so few rows
        assert found[score] > model.report["baselines"]["constant"][score] + 0.05
        assert found["log_loss"] < linear["log_loss"] * 1.05
    else:
        assert found[score] > linear[score]
