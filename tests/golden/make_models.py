"""Writes the golden models, one of each kind, in the current version of the format.

    python -m tests.golden.make_models

A golden file that was committed stays as it is: it shows that a later version of the library reads
what this one wrote. A new version of the format gets new files beside the old ones.
"""

from pathlib import Path

import numpy as np
import pytest
from tests.tabular.small_portfolio import train_few_configurations

from deltarule.files import write_json
from deltarule.maths import Network
from deltarule.tabular import TableSettings, fit_table
from deltarule.tabular.portfolio import Configuration
from deltarule.training import Model, Recorder, save_model, train

GOLDEN = Path(__file__).parent
CONFIGURATIONS = (
    Configuration("linear", "standard", epochs=2),
    Configuration("quantile", "quantile_normal", (3,), "tanh", epochs=2, one_hot_levels=2),
    Configuration("bins", "piecewise_linear", (2,), epochs=2, bins=3, random_features=2),
    Configuration("waves", "periodic", (2,), "mish", epochs=2),
)


def a_table(n=40):
    """A small table of a column of each kind."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n).round(2)
    return {
        "x": [None if i % 13 == 5 else float(v) for i, v in enumerate(x)],
        "day": [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)],
        "town": ["Bonn" if v < -0.5 else "Köln" if v < 0.5 else "Ulm" for v in x],
        "y": (3 * x + rng.normal(size=n)).round(2).tolist(),
        "kind": ["a" if v < 0 else "b" for v in x],
    }


def inputs():
    """The rows that the network predicts."""
    return np.random.default_rng(1).normal(size=(5, 2))


def a_network():
    """A network with a history, formulas of which one has a parameter, and frozen parameters."""
    net = Network(
        [2, 3, 3, 1], ["tanh", {"name": "leaky_relu", "alpha": 0.1}], dtype="float32", frozen=["b1"]
    )
    X = np.random.default_rng(2).normal(size=(20, 2))
    result = train(net, X, X[:, :1] - X[:, 1:], epochs=3, callbacks=[recorder := Recorder()])
    return Model(net, result.theta, result.history, {"note": "golden"}), recorder.recording()


def a_table_network():
    """A single network for classes, with dates as a calendar."""
    table = {name: cells for name, cells in a_table().items() if name != "y"}
    return fit_table(table, "kind", TableSettings(layers=(3,), epochs=2, engine="reference"))


def a_portfolio():
    """A portfolio for a number, with an encoder of each kind, and intervals."""
    table = {name: cells for name, cells in a_table().items() if name != "kind"}
    with pytest.MonkeyPatch.context() as patch:
        train_few_configurations(patch, CONFIGURATIONS)
        return fit_table(table, "y")


def main():
    """Write the files, and what the models predict."""
    model, recording = a_network()
    network, portfolio = a_table_network(), a_portfolio()
    save_model(GOLDEN / "v1-network.deltarule", model, recording=recording)
    save_model(GOLDEN / "v1-network", model)
    network.save(GOLDEN / "v1-table.deltarule")
    portfolio.save(GOLDEN / "v2-portfolio.deltarule")
    expected = {
        "network": model.predict(inputs().astype(np.float32), "reference"),
        "table": network.predict_proba(a_table(5)),
        "portfolio": portfolio.predict(a_table(5)),
        "interval": portfolio.predict_interval(a_table(5), 0.8),
    }
    write_json(GOLDEN / "expected.json", expected, overwrite=False)


if __name__ == "__main__":
    main()
