"""How often 90 % intervals hold the target, and how wide they are, beside HistGradientBoosting's.

    python -m benchmarks.intervals DIR [--tables NAMES] [--splits N] [--quality NAME]

DIR is a folder as ``python -m benchmarks.accuracy`` takes it; its regression tables are used, and
two that are generated here, whose noise differs between rows. Each is split 80/20 at random, once
for each seed from 0.

``split`` is scikit-learn's HistGradientBoostingRegressor with the quantile of the absolute
residuals of a quarter of the training rows on both sides (Lei et al. 2018); ``quantiles`` is one
for each end, moved by the quantile of the residuals (Romano, Patterson and Candès 2019). A table
passes if the mean coverage over the splits is within .02 plus two standard errors of .9.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import find_tables

COVERAGE = 0.9


def generated(name: str) -> tuple[Any, np.ndarray]:
    """Return a table y = x_0 + sin 2 x_1 + e whose noise e is normal or skewed, by its name.

    The standard deviation of the noise is a function of x_2.
    """
    import pandas as pd

    random = np.random.default_rng(0)
    X = random.normal(size=(2000, 4))
    noise = random.normal(size=2000)
    if name == "skewed_noise":
        noise = random.exponential(size=2000) - 1
    y = X[:, 0] + np.sin(2 * X[:, 1]) + np.exp(0.8 * X[:, 2] - 0.5) * noise
    return pd.DataFrame(X, columns=list("abcd")), y


def order_statistic(scores: np.ndarray, level: float) -> float:
    """Return the score of rank ⌈(n + 1) level⌉, or the largest.

    Examples
    --------
    >>> order_statistic(np.arange(1.0, 20.0), 0.9)
    18.0
    """
    rank = int(np.ceil((len(scores) + 1) * level - 1e-9))
    return float(np.sort(scores)[min(rank, len(scores)) - 1])


def conformalised_boosting(
    X: Any, y: np.ndarray, test: Any, seed: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the ends of the intervals of both kinds for test rows."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import train_test_split

    a, b, p, q = train_test_split(X, y, test_size=0.25, random_state=seed)

    def fit(**settings: Any) -> Any:
        return HistGradientBoostingRegressor(random_state=seed, **settings).fit(a, p)

    mean = fit()
    half = order_statistic(np.abs(q - mean.predict(b)), COVERAGE)
    low, high = (fit(loss="quantile", quantile=(1 + sign * COVERAGE) / 2) for sign in (-1, 1))
    shift = order_statistic(np.maximum(low.predict(b) - q, q - high.predict(b)), COVERAGE)
    centre = mean.predict(test)
    return {
        "split": (centre - half, centre + half),
        "quantiles": (low.predict(test) - shift, high.predict(test) + shift),
    }


def measure(ends: tuple[np.ndarray, np.ndarray], y: np.ndarray) -> tuple[float, float]:
    """Return the coverage and the mean width of intervals.

    Examples
    --------
    >>> measure((np.zeros(2), np.ones(2)), np.array([0.5, 2.0]))
    (0.5, 1.0)
    """
    low, high = ends
    return float(np.mean((low <= y) & (y <= high))), float(np.mean(high - low))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line; print a line for each table, and how many pass."""
    from sklearn.model_selection import train_test_split

    from deltarule import TabularRegressor

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", help="comma-separated names; all if not given")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--quality", default="default")
    given = parser.parse_args(arguments)
    tables = {
        name: table
        for name, table in find_tables(given.folder).items()
        if table.task == "regression"
    }
    names = [*tables, "normal_noise", "skewed_noise"]
    columns = "".join(f"{f'{kind} width':>17}" for kind in ("ours", "split", "quantiles"))
    print(f"{'table':<16}{'rows':>6}{'coverage':>10}{'allowed':>17}{columns}")
    passed = narrower = 0
    chosen = given.tables.split(",") if given.tables else names
    for name in chosen:
        X, y = tables[name].load() if name in tables else generated(name)
        found: dict[str, list[tuple[float, float]]] = {"ours": [], "split": [], "quantiles": []}
        n_test = 0
        for seed in range(given.splits):
            a, b, p, q = train_test_split(X, y, test_size=0.2, random_state=seed)
            model = TabularRegressor(random_state=seed, quality=given.quality).fit(a, p)
            low, high = model.predict_interval(b, COVERAGE).T
            ends = {"ours": (low, high), **conformalised_boosting(a, p, b, seed)}
            n_test += len(q)
            for kind, each in ends.items():
                found[kind].append(measure(each, q))
        means = {kind: np.mean(values, axis=0) for kind, values in found.items()}
        margin = 0.02 + 2 * float(np.sqrt(COVERAGE * (1 - COVERAGE) / n_test))
        coverage, width = means["ours"]
        passes = abs(coverage - COVERAGE) <= margin
        passed += passes
        narrower += width < min(means["split"][1], means["quantiles"][1])
        widths = "".join(f"{means[kind][1]:>17.4g}" for kind in means)
        allowed = f"{COVERAGE - margin:.3f} … {COVERAGE + margin:.3f}"
        print(f"{name:<16}{len(y):>6}{coverage:>10.3f}{allowed:>17}{widths}", flush=True)
    print(f"coverage within the margin: {passed} of {len(chosen)}")
    print(f"narrower than both kinds of HistGradientBoosting: {narrower} of {len(chosen)}")


if __name__ == "__main__":
    main()
