"""Small tables and models whose reports are tested; each is trained once."""

import functools

import numpy as np

from deltarule.tables import infer_schema, table_from_frame
from deltarule.tabular import TableSettings, fit_table
from deltarule.tabular.portfolio import Configuration
from deltarule.tabular.portfolio import plan as plans

# Two configurations of a few epochs: the numbers of a report do not depend on how good they are.
FEW = (
    Configuration("linear", "standard", learning_rate=1e-2, epochs=6),
    Configuration("silu", "piecewise_linear", (6,), "silu", learning_rate=1e-2, epochs=6),
)
NAMES = ('a "<script>alert(1)</script>', "b\nline & <i>", "town='x'")


def columns(n=160, seed=0):
    """A number with missing cells, a number that says nothing, and a category with odd levels."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(size=n)
    town = np.array(["Ulm", "<b>Bonn</b>", 'Rome "1"'], dtype=object)[rng.integers(0, 3, n)]
    known = np.where(rng.random(n) < 0.1, np.nan, a)
    signal = 2 * a + (town == "Ulm") + 0.3 * rng.normal(size=n)
    return dict(zip(NAMES, (known, b, town), strict=True)), signal


def table_of(task, n=160):
    """A table whose target is a number, one of two classes, or one of three."""
    table, signal = columns(n)
    if task == "number":
        return table | {"y": 10 * signal}
    edges = [0.5] if task == "two" else [-0.5, 1.0]
    labels = np.array(["low", "</td>mid & \u202e", "high"], dtype=object)
    return table | {"y": labels[np.digitize(signal, edges)]}


@functools.cache
def trained(task, kind="portfolio", test=0.25, weighted=False):
    """The table and the model: a portfolio of two configurations, or a network."""
    frame = table_of(task)
    if weighted:
        frame["w"] = np.resize([1.0, 2.0, 0.5, 0.0], len(frame["y"]))
    table = table_from_frame(frame, source="<odd> name.csv")
    schema = infer_schema(table, "y", weights="w" if weighted else None)
    if kind == "network":
        settings = TableSettings(test=test, layers=(4,), epochs=5, folds=0)
        return table, fit_table(table, schema, settings)
    of_quality = plans.default_configurations
    plans.default_configurations = lambda task: FEW
    try:
        return table, fit_table(table, schema, TableSettings(test=test))
    finally:
        plans.default_configurations = of_quality
