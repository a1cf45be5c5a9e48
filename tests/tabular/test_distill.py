"""One network out of a portfolio."""

import numpy as np
import pytest

from deltarule import InputError, TabularClassifier, TabularRegressor, explain
from deltarule.tables import table_from_frame
from deltarule.tabular import NetworkModel, TableModel, TableSettings, fit_table
from deltarule.tabular.portfolio import Configuration

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
    network = model.distill(a, p)
    assert isinstance(network, NetworkModel)
    errors = [np.sqrt(np.mean((each.predict(b) - q) ** 2)) for each in (model, network)]
    assert errors[1] < 1.05 * errors[0]
    scores = network.report["scores"]
    assert scores["portfolio"]["rmse"] == pytest.approx(
        np.sqrt(np.mean((model.predict(a) - p) ** 2))
    )
    assert scores["distilled"]["rmse"] < 1.1 * scores["portfolio"]["rmse"]
    np.testing.assert_array_equal(network.predict(b), model.distill(a).predict(b))


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
    assert "W" in str(explain(network, table.take([0])))
    network.save(tmp_path / "model")
    loaded = TableModel.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(b), network.predict_proba(b))


def test_input_is_checked():
    columns, y = _mixed(60)
    model = TabularRegressor(configurations=SMALL).fit(columns, y)
    few = {name: column[:19] for name, column in columns.items()}
    with pytest.raises(InputError, match="there are 19 rows to distil on; expected at least 20"):
        model.distill(few)
    with pytest.raises(InputError, match="X has 60 rows and y 19"):
        model.distill(columns, y[:19])


def test_a_portfolio_from_a_file_is_distilled(tmp_path):
    columns, y = _mixed(120)
    table = table_from_frame({**columns, "y": y})
    model = fit_table(table, "y", TableSettings(test=0.2), quality="fast", time_budget=0.1)
    model.save(tmp_path / "model")
    network = TableModel.load(tmp_path / "model").distill(table)
    difference = network.predict(table) - model.predict(table)
    assert np.sqrt(np.mean(difference**2)) < 0.3 * np.std(y)
    assert set(network.report["scores"]) == {"distilled", "portfolio"}
