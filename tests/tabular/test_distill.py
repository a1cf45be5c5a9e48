"""One network out of a portfolio."""

import dataclasses

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from tests.tabular.small_portfolio import train_few_configurations

from deltarule import InputError, TabularClassifier, TabularRegressor, explain
from deltarule.tables import TypedColumns, apply_schema, table_from_frame
from deltarule.tabular import NetworkModel, TableModel, TableSettings, fit_table
from deltarule.tabular.distill import mix_rows
from deltarule.tabular.portfolio import Configuration
from deltarule.training import StopFlag, StopReason, train

SMALL = (
    Configuration("relu", "standard", (16,), learning_rate=1e-2, epochs=60),
    Configuration("linear", "piecewise_linear", learning_rate=2e-2, epochs=60),
)


@pytest.fixture(scope="module", autouse=True)
def _few_epochs():
    patch = pytest.MonkeyPatch()
    patch.setattr("deltarule.tabular.distill._ROW_VISITS", 0)
    yield
    patch.undo()


def _mixed(n=300):
    random = np.random.default_rng(0)
    size = random.normal(size=n)
    town = random.choice(["Bonn", "Ulm", "Jena"], n).astype(object)
    y = np.sin(2 * size) + 2 * (town == "Ulm") + 0.2 * random.normal(size=n)
    size[::10] = np.nan
    return {"size": size, "town": town}, y


def _parts(columns, y):
    first, second = slice(0, 200), slice(200, None)
    return [({name: c[part] for name, c in columns.items()}, y[part]) for part in (first, second)]


def test_one_network_predicts_numbers_nearly_as_well():
    (a, p), (b, q) = _parts(*_mixed())
    model = TabularRegressor(configurations=SMALL).fit(a, p)
    network = model.distill(a, test=(b, q))
    assert isinstance(network, NetworkModel)
    errors = [np.sqrt(np.mean((each.predict(b) - q) ** 2)) for each in (model, network)]
    assert errors[1] < 1.05 * errors[0]
    assert network.report["rows"] == {"train": 200, "test": 100}
    assert network.report["baselines"]["portfolio"]["rmse"] == pytest.approx(errors[0])
    assert network.report["scores"]["test"]["rmse"] == pytest.approx(errors[1])
    without = model.distill(a)
    np.testing.assert_array_equal(network.predict(b), without.predict(b))
    assert without.report["scores"] == {}


@pytest.mark.parametrize("labels", [None, np.array(["low", "high"])], ids=["numbers", "classes"])
def test_targets_of_the_rows_of_training_give_out_of_fold_scores(labels):
    (a, p), (b, q) = _parts(*_mixed())
    if labels is not None:
        p, q = (labels[(each > 0.5).astype(int)] for each in (p, q))
    cls = TabularRegressor if labels is None else TabularClassifier
    model = cls(configurations=SMALL, quality="fast").fit(a, p)
    network = model.distill(a, p)
    report = network.report
    fold = model.portfolio_.folds[0]
    assert (report["rows"], report["baselines_on"]) == ({"train": 200}, "out_of_fold")
    assert "of 50 rows of one fold: of the networks that were trained" in report["notes"][0]
    # What the networks without the fold predict for it is the out-of-fold prediction.
    oof = model.oof_prediction_[fold]
    if labels is None:
        expected = {"rmse": np.sqrt(np.mean((oof - p[fold]) ** 2))}
    else:
        expected = {"log_loss": log_loss(p[fold], oof, labels=model.classes_)}
    for score, value in expected.items():
        assert report["baselines"]["portfolio"][score] == pytest.approx(value, rel=1e-6)
        assert value < report["scores"]["out_of_fold"][score] * 1.1 < 1.5 * value
    # The network itself is trained on all rows.
    np.testing.assert_array_equal(model.distill(a).predict(b), network.predict(b))


def test_of_rows_that_are_not_those_of_training_a_fifth_is_held_out():
    (a, p), (b, q) = _parts(*_mixed())
    model = TabularRegressor(configurations=SMALL).fit(a, p)
    report = model.distill(b, q).report
    assert report["rows"] == {"train": 80, "test": 20}
    assert "if the portfolio was not trained on them either" in report["notes"][0]
    assert report["distilled"]["part"] == "held_out"
    model.update(a, p)
    assert model.distill(a, p).report["rows"] == {"train": 160, "test": 40}


def test_few_rows_outside_of_the_fold_give_no_scores():
    columns, y = _mixed(22)
    model = TabularRegressor(configurations=SMALL, quality="fast").fit(columns, y)
    assert model.distill(columns, y).report["scores"] == {}


def test_rows_count_by_their_weights():
    columns, y = _mixed()
    model = TabularRegressor(configurations=SMALL).fit(columns, y)
    weights = np.where(np.nan_to_num(columns["size"]) > 0, 1.0, 0.0)
    half = model.distill(columns, sample_weight=weights)
    assert half.report["rows"] == {"train": np.count_nonzero(weights)}
    kept = {name: column[weights > 0] for name, column in columns.items()}
    other = {name: column[weights == 0] for name, column in columns.items()}
    distance = [np.abs(half.predict(rows) - model.predict(rows)).mean() for rows in (kept, other)]
    assert distance[0] < distance[1] / 2
    np.testing.assert_array_equal(
        half.predict(other),
        model.distill(kept, sample_weight=np.ones(len(kept["size"]))).predict(other),
    )


def test_mixed_rows_are_of_rows_by_their_weights():
    cells = np.arange(6.0)
    typed = TypedColumns({"a": cells, "b": cells}, np.arange(6), weights=np.r_[0, 0, 0, 1, 1, 2])
    mixed = mix_rows(typed, 4000, np.random.default_rng(0)).columns["a"]
    assert np.bincount(mixed.astype(int), minlength=6) / 4000 == pytest.approx(
        np.r_[0, 0, 0, 0.25, 0.25, 0.5], abs=0.03
    )


def test_of_many_rows_a_sample_is_distilled_on(monkeypatch):
    monkeypatch.setattr("deltarule.tabular.distill._MOST_ROWS", 30)
    columns, y = _mixed(60)
    model = TabularRegressor(configurations=SMALL).fit(columns, y)
    assert model.distill(columns).report["rows"] == {"train": 30}


@pytest.mark.parametrize("labels", [np.array([False, True]), np.array([3, 10, 20])], ids=str)
def test_one_network_predicts_classes_and_is_explained(labels, tmp_path):
    columns, target = _mixed()
    y = labels[np.digitize(target, [0.5, 1.5][: len(labels) - 1])]
    (a, p), (b, q) = _parts(columns, y)
    model = TabularClassifier(configurations=SMALL).fit(a, p)
    network = model.distill(a, p)
    assert np.abs(network.predict_proba(b) - model.predict_proba(b)).mean() < 0.05
    # As a table of them is read.
    text = np.char.lower(q.astype(str))
    assert network.classes == tuple(str(label).lower() for label in labels)
    assert (network.predict(b) == text).mean() > model.score(b, q) - 0.06
    table = table_from_frame({**b, "target": q})
    assert network.evaluate(table)["accuracy"] == (network.predict(b) == text).mean()
    derivation = explain(network, table.take([0])).cost(0)
    p_of_truth = network.predict_proba(b)[0, network.classes.index(text[0])]
    assert derivation.value == pytest.approx(-np.log(p_of_truth), rel=1e-4)
    network.save(tmp_path / "model")
    loaded = TableModel.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(b), network.predict_proba(b))


def test_input_is_checked():
    columns, y = _mixed(60)
    model = TabularRegressor(configurations=SMALL).fit(columns, y)
    few = {name: column[:19] for name, column in columns.items()}
    with pytest.raises(InputError, match="there are 19 rows to distil on; expected at least 20"):
        model.distill(few)
    with pytest.raises(InputError, match="there are 19 rows to distil on"):
        model.distill(columns, sample_weight=np.arange(60) < 19)
    with pytest.raises(InputError, match="X has 60 rows and y 19"):
        model.distill(columns, test=(columns, y[:19]))
    with pytest.raises(InputError, match=r"test is .*; expected a pair of X and y"):
        model.distill(columns, test=columns)
    with pytest.raises(NotFittedError):
        TabularRegressor().distill(columns)
    labels = np.where(y > 0, "high", "low")
    classifier = TabularClassifier(configurations=SMALL[1:]).fit(columns, labels)
    with pytest.raises(InputError, match=r"labels \['new'\], which training did not have"):
        classifier.distill(columns, test=(columns, np.full(60, "new")))


def test_ctrl_c_gives_no_half_trained_network(monkeypatch):
    columns, y = _mixed(60)
    model = TabularRegressor(configurations=SMALL).fit(columns, y)

    def interrupted(*arguments, **options):
        flag = StopFlag()
        flag.stop("interrupted", StopReason.INTERRUPTED)
        return train(*arguments, **options, stop=flag)

    monkeypatch.setattr("deltarule.tabular.distill.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.distill(columns)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A portfolio that was read from its folder, and its table."""
    columns, y = _mixed(120)
    table = table_from_frame({**columns, "y": y})
    patch = pytest.MonkeyPatch()
    train_few_configurations(patch, SMALL)
    fit_table(table, "y", TableSettings(test=0.25, seed=3)).save(
        tmp_path_factory.getbasetemp() / "m"
    )
    patch.undo()
    return TableModel.load(tmp_path_factory.getbasetemp() / "m"), table


def test_the_test_rows_of_the_training_score_the_network(stored):
    model, table = stored
    network = model.distill(table)
    difference = network.predict(table) - model.predict(table)
    assert np.sqrt(np.mean(difference**2)) < 0.3 * np.std(table.column("y"))
    report = network.report
    assert report["rows"] == {"train": 90, "test": 30}
    assert report["baselines"]["portfolio"] == model.report["scores"]["test"]
    # Neither the seed of the training, 3, nor that of the distilling is one of the resamples.
    intervals = [each.report["score_intervals"]["scores"]["portfolio"] for each in (network, model)]
    assert intervals[0] == intervals[1]
    assert report["distilled"]["part"] == "test"
    assert "neither the portfolio nor the network was trained on" in report["notes"][0]
    assert network.trained_on(apply_schema(network.schema, table))


def test_of_other_rows_a_fifth_scores_the_network(stored):
    model, table = stored
    other = table.take(np.arange(100))
    report = model.distill(other).report
    assert report["rows"] == {"train": 80, "test": 20}
    assert "if the portfolio was not trained on them either" in report["notes"][0]
    assert report["distilled"]["part"] == "held_out"
    report = model.distill(table.without(["y"])).report
    assert (report["rows"], report["scores"]) == ({"train": 120}, {})
    assert report["notes"] == ["there are no scores: the rows have no column 'y'"]
    assert report["distilled"]["part"] == "train"


def test_rows_that_were_all_trained_on_score_nothing(stored):
    model, table = stored
    model = dataclasses.replace(model, settings={**model.settings, "test": 0.0})
    report = model.distill(table).report
    assert (report["rows"], report["scores"]) == ({"train": 120}, {})
    assert "was trained on all rows of this table" in report["notes"][0]
