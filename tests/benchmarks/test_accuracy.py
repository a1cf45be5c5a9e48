"""``python -m benchmarks.accuracy``."""

import math

import numpy as np
import pandas as pd
import pytest
from benchmarks.accuracy_models import MODELS, fit_deltarule, installed, model_named
from benchmarks.studies import RowLog

from benchmarks import accuracy
from deltarule.tabular.portfolio import Configuration

SMALL = (Configuration("linear", "standard", learning_rate=0.1, epochs=20),)
# Predicts the mean, or the shares of the classes, plus an offset: "Port" of a prototype's file.
CONSTANT = """
import numpy as np

class Port:
    def __init__(self, task, seed):
        self.task = task

    def fit(self, X, y):
        self.out = np.bincount(y) / len(y) if self.task == "c" else np.array([y.mean() + {offset}])
        return self

    def predict_out(self, X):
        return np.tile(self.out, (len(X), 1))
"""


@pytest.fixture
def folder(tmp_path):
    """One table of classes, with categories and missing cells, and one of numbers."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size [m]": rng.normal(size=90), "town": rng.choice(list("abc"), 90)})
    frame["y"] = np.where(frame["town"] == "a", "yes", "no")
    frame.loc[::9, ["size [m]", "town"]] = None
    frame.to_csv(tmp_path / "towns.csv", index=False)
    frame["y"] = frame["size [m]"].fillna(0)
    frame.to_csv(tmp_path / "sizes.csv", index=False)
    (tmp_path / "index.csv").write_text(
        "name,task,target\ntowns,classification,y\nsizes,regression,y\n"
    )
    for name, offset in (("ours", 0), ("theirs", 3)):
        (tmp_path / f"{name}.py").write_text(CONSTANT.replace("{offset}", str(offset)))
    return tmp_path


def test_a_study_goes_on_where_it_was_interrupted(folder, capsys):
    written, drawn = folder / "rows.csv", folder / "plots" / "ratios.svg"
    models = [str(folder / "ours.py"), str(folder / "theirs.py")]
    arguments = [str(folder), "--splits", "2", "--csv", str(written), "--models"]
    accuracy.main([*arguments, models[0]], warm_up=lambda *_: None)
    first = RowLog(written, accuracy._FIELDS).rows
    assert [(row["table"], row["split"]) for row in first] == [
        (table, split) for table in ("towns", "sizes") for split in "01"
    ]
    capsys.readouterr()
    accuracy.main([*arguments, ",".join(models), "--plot", str(drawn)], warm_up=lambda *_: None)
    out = capsys.readouterr().out
    rows = RowLog(written, accuracy._FIELDS).rows
    assert rows[:4] == first
    assert [row["model"] for row in rows[4:]] == ["theirs"] * 4
    assert "ours, 2 tables (index): ratio, tables won, and the worst" in out
    assert "1.000 0/1 towns 1.00" in out
    assert "sizes" in drawn.read_text()
    with pytest.raises(SystemExit, match="there is no table 'town'; expected some of towns, sizes"):
        accuracy.main([str(folder), "--tables", "town"])
    with pytest.raises(SystemExit, match="there is no model 'forest'"):
        accuracy.main([str(folder), "--models", "forest"])


def test_ratios_are_of_means_over_the_splits_that_both_have():
    rows = [
        {"table": "t", "split": 0, "model": "a", "errors": 0.1, "rmse": ""},
        {"table": "t", "split": "1", "model": "a", "errors": "0.3"},
        {"table": "t", "split": 2, "model": "a", "errors": 9.0},
        {"table": "t", "split": 0, "model": "b", "errors": 0.5},
        {"table": "t", "split": 1, "model": "b", "errors": 0.1},
        {"table": "u", "split": 0, "model": "a", "rmse": 1.0},
        {"table": "u", "split": 0, "model": "b", "rmse": 4.0},
    ]
    found = accuracy.ratios(rows, "a", "b")
    assert found["errors"] == {"t": pytest.approx(0.205 / 0.305)}
    assert found["rmse"] == {"u": 0.25}
    assert found["log_loss"] == {}


def test_scores_of_probabilities_with_a_class_that_was_not_trained():
    class Model:
        def predict_proba(self, X):
            return np.array([[0.9, 0.1], [0.3, 0.7]])

    found = accuracy.scores(Model(), None, np.array([0, 1]), "classification", np.array([0, 2]))
    assert found["errors"] == 0.5
    assert found["log_loss"] == pytest.approx(-(math.log(0.9) + math.log(1e-7)) / 2, rel=1e-4)
    assert found["ece"] == pytest.approx((0.1 + 0.7) / 2, rel=1e-4)


def test_calibration_error_by_bins():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 500)
    y = rng.integers(0, 2, 500)
    top = np.column_stack([p, 1 - p])
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (p >= low) & (p < low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs((y[inside] == 0).mean() - p[inside].mean())
    assert accuracy.calibration_error(top, y) == pytest.approx(expected)
    assert accuracy.calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "deltarule"])
def test_other_libraries_take_the_frame(folder, name, task):
    if name not in installed():
        pytest.skip(f"{MODELS[name][0]} is not installed")
    tables = accuracy.find_tables(folder)
    table = tables["towns" if task == "classification" else "sizes"]
    X, y = table.load()
    model = model_named(name)(X[:70], y[:70], task, 0, 1)
    found = accuracy.scores(model, X[70:], y[70:], task, np.unique(y))
    assert all(np.isfinite(value) for value in found.values())


def test_models_of_deltarule(folder):
    table = accuracy.find_tables(folder)["towns"]
    X, y = table.load()
    model = fit_deltarule(X, y, "classification", 0, 1, configurations=SMALL)
    assert model.predict_proba(X).shape == (90, 2)
    with pytest.raises(ValueError, match="there is no configuration 'none'; expected one of"):
        model_named("without:none")(X, y, "classification", 0, 1)
    assert model_named("fast").keywords == {"quality": "fast"}


def test_the_larger_tables_stand_beside_the_folder_of_tables(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "index.csv").write_text("name,task,target\nsmall,regression,y\n")
    (tmp_path / "uci_splits").mkdir()
    np.savez(tmp_path / "uci_splits" / "kin8nm.npz", X=np.ones((3, 2)), y=np.arange(3))
    tables = accuracy.find_tables(tmp_path)
    assert tables["small"].path == tmp_path / "tables" / "small.csv"
    assert tables["adult"].group == "larger"
    X, y = tables["kin8nm"].load()
    assert list(X.columns) == ["x0", "x1"]
    assert y.tolist() == [0, 1, 2]
