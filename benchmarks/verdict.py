"""How often the verdict on two models is wrong where they are equal, and right where they are not.

    python benchmarks/verdict.py [--tables 200]

*Equal, ridge*: two ridge regressions, each on its own half of the columns, of which the target is
made symmetrically, so that neither is better. *Equal, network*: the network of ``fit_table`` on
the two halves. *Curved*: a target with a square in it, network against the linear baseline.
Tables have 150 to 400 rows. Each line says how many verdicts were "better" and "worse".
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np

from deltarule.tables import Schema, Table, apply_schema, infer_schema, table_from_frame
from deltarule.tabular import TableSettings
from deltarule.tabular.folds import Fold, cross_validate
from deltarule.tabular.splitting import fold_rows
from deltarule.tabular.verdict import PairedOutputs, compare

FOLDS = 10
SETTINGS = TableSettings(layers=(16,), epochs=40, learning_rate=0.02, folds=FOLDS)


def symmetric(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return six columns, and a target of which each half explains as much."""
    n = int(rng.integers(150, 400))
    X = rng.normal(size=(n, 6))
    return X, X.sum(axis=1) + rng.normal(size=n) * rng.choice([0.5, 2.0])


def equal_ridge(seed: int) -> str:
    """Return the verdict on two equal ridge regressions."""
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(seed)
    X, y = symmetric(rng)
    samples = []
    for scored in fold_rows(len(y), FOLDS, seed, None):
        train = np.setdiff1d(np.arange(len(y)), scored)
        outputs = {}
        for name, half in (("a", X[:, :3]), ("b", X[:, 3:])):
            outputs[name] = Ridge().fit(half[train], y[train]).predict(half[scored])
        samples.append(PairedOutputs(y[scored], np.ones(len(scored)), outputs))
    return compare("regression", samples, "a", "b").verdict


def folds_of(columns: dict[str, np.ndarray], seed: int) -> list[Fold]:
    """Return the folds of a network on columns with the target ``y``."""
    table: Table = table_from_frame(columns)
    schema: Schema = infer_schema(table, "y")
    settings = TableSettings(**{**SETTINGS.to_dict(), "seed": seed})
    folds = cross_validate(schema, apply_schema(schema, table), settings, "auto")
    assert folds is not None
    return folds


def equal_network(seed: int, labels: bool = False) -> str:
    """Return the verdict on two equal networks."""
    X, y = symmetric(np.random.default_rng(seed))
    target = np.where(y > 0, "yes", "no").astype(object) if labels else y
    first, second = (
        folds_of({**{f"x{j}": X[:, j] for j in half}, "y": target}, seed)
        for half in (range(3), range(3, 6))
    )
    samples = [
        PairedOutputs(
            a.pairs.truth,
            a.pairs.weights,
            {"a": a.pairs.outputs["network"], "b": b.pairs.outputs["network"]},
        )
        for a, b in zip(first, second, strict=True)
    ]
    task = "classification" if labels else "regression"
    return compare(task, samples, "a", "b").verdict


def equal_classifier(seed: int) -> str:
    """Return the verdict on two equal networks for two classes."""
    return equal_network(seed, labels=True)


def curved(seed: int) -> str:
    """Return the verdict on the network where the linear baseline cannot be right."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(150, 400))
    x, z = rng.normal(size=n), rng.normal(size=n)
    columns = {"x": x, "z": z, "y": x**2 + z + rng.normal(size=n) * 0.5}
    pairs = [fold.pairs for fold in folds_of(columns, seed)]
    return compare("regression", pairs, "network", "linear").verdict


CASES: dict[str, Callable[[int], str]] = {
    "equal, ridge": equal_ridge,
    "equal, network": equal_network,
    "equal, network, two classes": equal_classifier,
    "curved, network against linear": curved,
}


def main(arguments: list[str] | None = None) -> None:
    """Print the verdicts of each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=200, help="how many tables for each case")
    tables = parser.parse_args(arguments).tables
    for name, case in CASES.items():
        found = Counter(case(seed) for seed in range(tables))
        said = ", ".join(f"{found[each]} {each}" for each in ("better", "worse", "no different"))
        print(f"{name}: {tables} tables: {said}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
