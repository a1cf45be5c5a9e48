"""fit_table trains a portfolio unless a single network is asked for, and stores it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from tests.tabular.small_portfolio import FEW, train_few_configurations

from deltarule import explain
from deltarule.errors import DataError, FileError, InputError
from deltarule.files import read_bundle, write_bundle
from deltarule.tables import apply_schema, infer_schema, table_from_frame
from deltarule.tabular import (
    NetworkModel,
    PortfolioModel,
    TableModel,
    TableSettings,
    fit_table,
    replay_table,
)
from deltarule.tabular.portfolio import Configuration, StoppedTooEarly
from deltarule.training import StopFlag, load_model
from deltarule.training.model import KIND, PORTFOLIO_VERSION


@pytest.fixture(autouse=True)
def few(monkeypatch):
    return train_few_configurations(monkeypatch)


def a_frame(target="number", n=160):
    """Columns with cells of every kind: numbers, missing ones, few and many levels, dates, text."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, n))
    k = np.where(z > 0.5, "a", np.where(z < -0.5, "b", "c"))
    y = 10 + 3 * x + z + rng.normal(size=n) / 4
    if target != "number":
        y = np.array(["low", "mid", "high"])[np.digitize(y, [9, 11] if target == "three" else [10])]
    x[::9] = np.nan
    towns = np.array([f"town {i}" for i in rng.integers(0, 50, n)], dtype=object)
    towns[::11] = None
    days = np.datetime64("2024-01-01") + rng.integers(0, 700, n)
    words = np.array(["the quick", "brown fox", "jumps over", "a lazy", "dog today"])
    texts = [" ".join(words[rng.integers(0, 5, 4)]) + f" {i}" for i in range(n)]
    columns = {"x": x, "z": z, "k": k, "town": towns, "day": days, "text": np.array(texts)}
    return {**columns, "y": y}


def a_table(target="number", n=160):
    return table_from_frame(a_frame(target, n))


def fitted(target="number", settings=None, **options):
    table = a_table(target)
    return fit_table(table, infer_schema(table, "y"), settings, **options), table


# -- which is trained ----------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [None, TableSettings(), TableSettings(test=0.3, seed=5)])
def test_a_portfolio_is_the_default(settings):
    model, _ = fitted(settings=settings)
    assert isinstance(model, PortfolioModel)
    assert model.report["rows"]["test"] == round(160 * (settings or TableSettings()).test)


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (TableSettings(layers=(3,), epochs=1, folds=0), {}),
        # A default that was given asks for a network too.
        (TableSettings(l2=TableSettings().l2, folds=0), {}),
        (TableSettings(0.2, 0.1, 0), {}),
        (pickle.loads(pickle.dumps(TableSettings(folds=0))), {}),
        (None, {"callbacks": [lambda event: event.epoch == 1]}),
    ],
)
def test_a_setting_of_a_single_network_trains_it(settings, options):
    assert isinstance(fitted(settings=settings, **options)[0], NetworkModel)


@pytest.mark.parametrize(
    ("settings", "options", "names"),
    [
        (TableSettings(layers=(3,)), {"quality": "default"}, ("quality", "layers")),
        (TableSettings(schedule="cosine"), {"time_budget": 9}, ("time_budget", "schedule")),
        (None, {"quality": "best", "record": True}, ("quality", "record")),
        (None, {"quality": "best", "callbacks": [print]}, ("quality", "callbacks")),
    ],
)
def test_settings_of_both_are_an_error_that_names_both(settings, options, names):
    with pytest.raises(InputError, match=f"{names[0]} was given with {names[1]}") as caught:
        fitted(settings=settings, **options)
    assert caught.value.parameter == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": "good"}, "quality is 'good'; expected one of default, fast, best"),
        ({"time_budget": 0}, "time_budget is 0; expected a number in"),
        ({"time_budget": "60"}, "time_budget is '60'; expected a number in"),
    ],
)
def test_a_quality_and_a_time_budget_are_checked_before_the_table(options, message):
    with pytest.raises(InputError, match=message):
        fit_table(None, None, **options)


def test_quality_and_time_budget_are_passed_on_and_kept(few):
    model, _ = fitted(quality="fast", time_budget=60.0)
    assert few[0][2]["quality"] == "fast"
    # A tenth is for the scale of residuals.
    assert few[0][2]["time_budget"] == 54.0
    settings = {"test": 0.2, "seed": 0, "quality": "fast", "time_budget": 60.0}
    assert model.settings == {**settings, "precision": "full"}


def test_a_stop_ends_the_training_of_a_portfolio():
    phases, flag = [], StopFlag()

    def progress(phase):
        phases.append(phase)
        if phase.startswith("training quantile"):
            flag.stop("enough")

    model, table = fitted(stop=flag, progress=progress)
    assert [each.configuration.name for each in model.portfolio.members][:1] == ["linear"]
    assert "bins" not in {each.configuration.name for each in model.portfolio.members}
    assert model.intervals.scale is None
    assert set(model.report["baselines"]) == {"constant"}
    assert model.report["against_linear"] is None
    notes = model.report["notes"]
    assert "enough: the portfolio has the networks that were trained until then" in notes
    assert np.isfinite(model.predict(table)).all()
    with pytest.raises(StoppedTooEarly):
        fitted(stop=flag)


# -- test rows and the report --------------------------------------------------------------------


def test_test_rows_have_no_part_in_the_training(few):
    model, table = fitted()
    typed = apply_schema(model.schema, table)
    seen = few[0][0]
    assert len(seen) == 128
    held_out = typed.take(np.setdiff1d(typed.rows, seen.rows))
    assert len(held_out) == 32
    expected = model.score(held_out, model.outputs(held_out))
    assert model.report["scores"]["test"] == expected
    # Other cells and targets in the test rows change no prediction.
    is_test = np.isin(np.arange(160), held_out.rows)
    columns = a_frame()
    columns |= {
        "x": np.where(is_test, 99.0, columns["x"]),
        "town": np.where(is_test, "elsewhere", columns["town"]),
        "y": np.where(is_test, 77.0, columns["y"]),
    }
    other = fit_table(table_from_frame(columns), model.schema)
    assert np.array_equal(other.outputs(seen), model.outputs(seen))


def test_the_report_of_a_portfolio():
    model, _ = fitted("three")
    report = model.report
    assert report["rows"] == {"test": 32, "train": 128}
    assert list(report["scores"]) == ["out_of_fold", "test"]
    assert set(report["baselines"]) == {"constant", "linear"}
    board = report["leaderboard"]
    assert {each["configuration"] for each in board} == {each.name for each in FEW}
    assert [each["out_of_fold_loss"] for each in board] == sorted(
        each["out_of_fold_loss"] for each in board
    )
    assert sum(each["weight"] for each in board) == pytest.approx(1)
    verdict = report["against_constant"]
    assert (verdict["pairs"], verdict["folds"], verdict["df"]) == (32, 0, 31)
    gain = report["baselines"]["constant"]["log_loss"] - report["scores"]["test"]["log_loss"]
    assert verdict["gain"] == pytest.approx(gain, rel=1e-6)
    json.dumps(report)


def test_without_test_rows_there_are_out_of_fold_scores_alone():
    model, _ = fitted(settings=TableSettings(test=0.0))
    assert list(model.report["scores"]) == ["out_of_fold"]
    assert model.report["against_linear"] is None
    assert "no test rows were held out" in model.report["notes"][-1]


def test_few_test_rows_give_no_verdict():
    table = a_table(n=60)
    model = fit_table(table, infer_schema(table, "y"))
    assert model.report["against_constant"] is None
    assert any("fewer than 30 say little" in note for note in model.report["notes"])


def test_rows_of_weight_0_change_nothing():
    table = a_table()
    columns = {name: table.column(name) for name in table.names}
    w = np.ones(160)
    schema = infer_schema(table_from_frame({**columns, "w": w}), "y", weights="w")
    model = fit_table(table_from_frame({**columns, "w": w}), schema)
    seen = apply_schema(schema, table_from_frame({**columns, "w": w}))
    w[::7] = 0
    weighted = fit_table(table_from_frame({**columns, "w": w}), schema)
    assert len(weighted.portfolio.oof) < len(model.portfolio.oof)
    assert weighted.outputs(seen).shape == model.outputs(seen).shape


@pytest.mark.parametrize("unit", [1e300, 1e-300])
def test_numbers_whose_squares_cannot_be_computed_are_refused(unit):
    x = np.random.default_rng(0).normal(size=60)
    with pytest.raises(DataError, match="give the column in another unit"):
        fit_table({"x": x, "y": x * unit}, "y")


def test_a_frame_and_the_name_of_its_target_are_enough():
    table, frame = a_table("two"), pd.DataFrame(a_frame("two"))
    model = fit_table(frame, "y")
    other = fit_table(table, infer_schema(table, "y"))
    assert np.array_equal(model.predict_proba(frame), other.predict_proba(table))
    assert list(model.predict(frame.drop(columns="y"))) == list(other.predict(table))
    assert model.evaluate(frame) == other.evaluate(table)


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(monkeypatch):
    outputs = []
    for threads in ("1", "2"):
        monkeypatch.setenv("DELTARULE_THREADS", threads)
        model, table = fitted("three")
        outputs.append(model.predict_proba(table))
    assert np.array_equal(*outputs)


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["number", "two", "three"])
def test_a_stored_portfolio_predicts_the_same_bits_without_scikit_learn(tmp_path, target):
    model, table = fitted(target)
    model.save(tmp_path / "m")
    loaded = TableModel.load(tmp_path / "m")
    assert isinstance(loaded, PortfolioModel)
    typed = apply_schema(model.schema, table)
    assert np.array_equal(loaded.outputs(typed), model.outputs(typed))
    assert list(loaded.predict(table)) == list(model.predict(table))
    assert loaded.evaluate(table) == model.evaluate(table)
    assert loaded.report == model.report
    assert all(member.weight > 0 for member in loaded.portfolio.members)
    np.save(tmp_path / "expected.npy", model.outputs(typed))
    script = f"""
import sys
import numpy as np
for name in ("sklearn", "scipy", "pandas"):
    sys.modules[name] = None
from deltarule.tabular import TableModel
{inspect.getsource(a_frame)}
model = TableModel.load({str(tmp_path / "m")!r})
p = model.predict_proba(a_frame())
assert np.array_equal(p, np.load({str(tmp_path / "expected.npy")!r}))
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_a_portfolio_and_a_network_replace_each_other(tmp_path):
    portfolio, table = fitted()
    recorded = fit_table(
        table, portfolio.schema, TableSettings(layers=(3,), epochs=1, folds=0), record=True
    )
    for model in (recorded, portfolio, recorded, portfolio):
        model.save(tmp_path / "m", overwrite=True)
        assert type(TableModel.load(tmp_path / "m")) is type(model)
        assert (tmp_path / "m" / "record").exists() == (model is recorded)
    with pytest.raises(FileError, match="holds a portfolio of networks; expected a single one"):
        load_model(tmp_path / "m")
    with pytest.raises(FileError, match="a portfolio of networks, whose training is not recorded"):
        replay_table(tmp_path / "m", 1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("portfolio",), {}),
        (("portfolio",), []),
        (("portfolio", "members"), []),
        (("portfolio", "members"), None),
        (("portfolio", "members", 0, "weight"), -1.0),
        (("portfolio", "members", 0, "weight"), "much"),
        (("portfolio", "members", 0, "networks"), []),
        (("portfolio", "members", 0, "networks", 0, "network", "widths"), [9, 1]),
        (("portfolio", "members", 0, "configuration", "numbers"), "standard-ish"),
        (("portfolio", "members", 0, "configuration"), {"depth": 2}),
        (("portfolio", "temperature"), 0.0),
        (("portfolio", "target", "std"), 0.0),
        (("portfolio", "target", "n_classes"), 2),
        (("portfolio", "encoders"), {}),
        (("extra",), {}),
        (("extra", "schema", "columns", 0, "name"), 3),
        (("extra", "target"), {"format": 1, "task": "classification", "classes": ["a", "b"]}),
    ],
)
def test_a_damaged_portfolio_is_one_clear_error(tmp_path, saved, path, value):
    folder = saved(tmp_path)
    documents, arrays = read_bundle(folder, KIND, PORTFOLIO_VERSION)
    place = documents["model.json"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    write_bundle(folder, KIND, PORTFOLIO_VERSION, documents, arrays, overwrite=True)
    with pytest.raises(FileError, match=r"restore it|not a complete model"):
        TableModel.load(folder)


@pytest.fixture(scope="module")
def saved():
    """Copies a stored portfolio to a folder."""
    stored = []

    def copy(folder):
        if not stored:
            table = a_table()
            stored.append(fit_table(table, infer_schema(table, "y")))
        stored[0].save(folder / "m")
        return folder / "m"

    return copy


def test_arrays_that_were_changed_are_refused(tmp_path, saved):
    folder = saved(tmp_path)
    data = bytearray((folder / "arrays.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "arrays.safetensors").write_bytes(data)
    with pytest.raises(FileError, match="its checksum differs"):
        TableModel.load(folder)


@pytest.mark.parametrize("n", [160, 30], ids=["a scale for each row", "one scale"])
def test_intervals_are_those_of_the_out_of_fold_residuals_before_and_after_saving(tmp_path, n):
    table = a_table(n=n)
    model = fit_table(table, "y")
    assert (model.intervals.scale is None) == (n == 30)
    model.save(tmp_path / "m")
    loaded = TableModel.load(tmp_path / "m")
    for ask in (
        lambda each: each.predict_interval(table),
        lambda each: each.predict_quantiles(table, [0.2, 0.5]),
        lambda each: each.predict_std(table),
    ):
        assert np.array_equal(ask(loaded), ask(model))
    low, high = loaded.predict_interval(table, 0.8).T
    y = apply_schema(model.schema, table).target
    assert 0.6 < np.mean((low <= y) & (y <= high)) <= 1
    assert np.array_equal(loaded.predict_quantiles(table, [0.1, 0.9]).T, [low, high])
    assert (loaded.predict_std(table) > 0).all()
    assert loaded.predict_interval(a_frame(n=n), 0.8).shape == (n, 2)


def test_intervals_of_many_rows_are_predicted_in_parts(monkeypatch):
    model, table = fitted()
    whole = model.predict_quantiles(table), model.predict_std(table)
    monkeypatch.setattr("deltarule.tabular.model._CHUNK_ROWS", 50)
    assert np.array_equal(model.predict_quantiles(table), whole[0])
    assert np.array_equal(model.predict_std(table), whole[1])


def test_models_without_intervals_say_so(tmp_path):
    classes, table = fitted("two")
    classes.save(tmp_path / "m")
    network = fitted(settings=TableSettings(layers=(3,), epochs=1, folds=0))[0]
    for model, what in ((TableModel.load(tmp_path / "m"), "predicts classes"),
                        (network, "has no intervals")):  # fmt: skip
        assert not model.has_intervals
        for ask in (model.predict_interval, model.predict_quantiles, model.predict_std):
            with pytest.raises(InputError, match=f"the model {what}; expected a portfolio"):
                ask(table)
    with pytest.raises(InputError, match="coverage is 90; expected a number between 0 and 1"):
        classes.predict_interval(table, 90)


def test_damaged_intervals_are_one_clear_error(tmp_path, saved):
    folder = saved(tmp_path)
    documents, arrays = read_bundle(folder, KIND, PORTFOLIO_VERSION)
    scores, weights = arrays["intervals.scores"], arrays["intervals.weights"]
    of_scale = next(name for name in arrays if name.startswith("intervals.scale."))
    classes = {**documents["model.json"]["intervals"]["scale"], "target": {"n_classes": 2}}
    for record, changed in (
        (None, {}),
        ({"exponent": -1.0}, {}),
        ({"exponent": "1"}, {}),
        ({"std": float("nan")}, {}),
        ({"std": None}, {}),
        ({"column": 3}, {}),
        ({"scale": None}, {}),
        ({"scale": {}}, {}),
        ({"scale": classes}, {}),
        ({}, {"intervals.scores": scores[::-1]}),
        ({}, {"intervals.scores": scores[:-1]}),
        ({}, {"intervals.scores": np.where(scores == scores[0], np.nan, scores)}),
        ({}, {"intervals.scores": scores[:0], "intervals.weights": weights[:0]}),
        ({}, {"intervals.scores": scores.astype(np.float32)}),
        ({}, {"intervals.scores": scores[:, None]}),
        ({}, {"intervals.weights": 0 * weights}),
        ({}, {"intervals.weights": None}),
        ({}, {of_scale: None}),
        ({}, {"intervals.more": scores}),
    ):
        document = dict(documents["model.json"])
        if record is None:
            del document["intervals"]
        else:
            document["intervals"] = {**document["intervals"], **record}
        kept = {name: each for name, each in {**arrays, **changed}.items() if each is not None}
        new = {**documents, "model.json": document}
        write_bundle(folder, KIND, PORTFOLIO_VERSION, new, kept, overwrite=True)
        with pytest.raises(FileError, match=r"restore it|not a complete model"):
            TableModel.load(folder)


# -- one network of it ---------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["number", "two"])
def test_a_network_of_a_member_can_be_explained(target):
    model, table = fitted(target)
    typed = apply_schema(model.schema, table)
    weights = {each.configuration.name: each.weight for each in model.members()}
    assert next(iter(weights.values())) == max(weights.values())
    for name in weights:
        network = model.network(name)
        own = model.portfolio.target.decode(
            network.model.predict(network.encoder.transform(typed, np.float32)).astype(float)
        )
        np.testing.assert_allclose(network.outputs(typed), own, rtol=1e-6)
        e = explain(network, typed)
        assert np.isfinite(e.cost(0).value)
        for column in ("x", "k", "town", "day"):
            assert e.column(column, 0).text()
    with pytest.raises(InputError, match="member is 'none'; expected one of"):
        model.network("none")
    with pytest.raises(InputError, match=r"expected a single one; .*model.network\(\)"):
        explain(model, typed)


def test_a_member_that_learned_logarithms_is_not_shown_as_one_that_learned_the_target(monkeypatch):
    log = Configuration("log", "robust", (6,), "tanh", 1e-2, epochs=30, log_target=True)
    plain = Configuration("plain", "robust", (6,), "tanh", 1e-2, epochs=30)
    train_few_configurations(monkeypatch, (log, plain))
    x = np.random.default_rng(0).normal(size=120)
    model = fit_table({"x": x, "y": np.exp(2 * x)}, "y")
    members = {member.configuration.name: member for member in model.portfolio.members}
    assert members["log"].weight > 0
    both = {**members, "plain": dataclasses.replace(members["plain"], weight=1e-3)}
    portfolio = dataclasses.replace(model.portfolio, members=tuple(both.values()))
    model = dataclasses.replace(model, portfolio=portfolio)
    assert model.member().configuration.name == "plain"
    with pytest.raises(
        InputError, match=r"'log' learned the logarithm .*; expected one of 'plain'"
    ):
        model.network("log")
    alone = dataclasses.replace(portfolio, members=(members["log"],))
    with pytest.raises(InputError, match=r"all members learned the logarithm .*; train a single"):
        dataclasses.replace(model, portfolio=alone).network()


def test_a_member_with_inputs_of_single_columns_is_explained_where_there_is_one(monkeypatch):
    mixed = Configuration("mixed", "robust", (6,), "tanh", 1e-2, epochs=4, random_features=4)
    plain = Configuration("plain", "robust", (6,), "tanh", 1e-2, epochs=4)
    train_few_configurations(monkeypatch, (mixed, plain))
    model, table = fitted()
    weights = dict(zip(("mixed", "plain"), (0.9, 0.1), strict=True))
    members = tuple(
        dataclasses.replace(each, weight=weights[each.configuration.name])
        for each in model.portfolio.members
    )
    portfolio = dataclasses.replace(model.portfolio, members=members)
    model = dataclasses.replace(model, portfolio=portfolio)
    assert model.member().configuration.name == "plain"
    assert model.distill(table).encoder.random_features == 0
    network = model.network("mixed")
    assert explain(network, apply_schema(model.schema, table)).column("x", 0).text()
    portfolio = dataclasses.replace(portfolio, members=members[:1])
    assert dataclasses.replace(model, portfolio=portfolio).member().configuration.name == "mixed"


def test_numbers_far_from_those_of_training_are_predicted_within_the_range_of_training():
    model, table = fitted()
    columns = {name: cells[:2] for name, cells in a_frame().items()}
    far = table_from_frame(columns | {"x": [1e30, -1e30], "z": [0.0, 1e12], "k": ["a", "new"]})
    found = model.predict(far)
    y = apply_schema(model.schema, table).target
    assert ((found >= y.min()) & (found <= y.max())).all()
    assert (
        "training did not see: 'new'"
        in model.notes(apply_schema(model.schema, far, need_target=False))[0]
    )


def test_networks_trained_by_processes_of_joblib_are_those_of_this_one(tmp_path):
    here = fit_table(a_table("three"), "y")
    with parallel_config("loky", n_jobs=2):
        sent = fit_table(a_table("three"), "y", checkpoint=tmp_path / "c")
        limited = fit_table(a_table("three"), "y", time_budget=1e-3)
    np.testing.assert_array_equal(sent.predict(a_table("three")), here.predict(a_table("three")))
    for one, other in zip(sent.portfolio.ranked(), here.portfolio.ranked(), strict=True):
        assert one.score == other.score
        for ours, theirs in zip(one.models, other.models, strict=True):
            np.testing.assert_array_equal(ours.theta, theirs.theta)
    assert [member.configuration.name for member in limited.portfolio.members] == ["linear"]
    again = fit_table(a_table("three"), "y", checkpoint=tmp_path / "c")
    np.testing.assert_array_equal(again.predict(a_table("three")), here.predict(a_table("three")))
