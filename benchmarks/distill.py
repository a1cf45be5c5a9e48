"""What it costs to replace a portfolio by one network that was trained on its predictions.

    python -m benchmarks.distill DIR [--tables NAMES] [--seed N] [--quality NAME]

DIR is a folder as ``python -m benchmarks.accuracy`` takes it. Each table is split 80/20; the
portfolio is trained on the larger part, and the network on its predictions for these rows. Each
line has the log loss or the RMSE of both on the test rows, their ratio, the seconds that the
distillation took, and the microseconds for one encoded row by a prepared predictor. The last line
has the median ratio over the tables on which the portfolio's score is above .05.
"""

from __future__ import annotations

import argparse
import functools
import time
import timeit
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.accuracy import find_tables

_LEAST = 0.05
_CALLS = 1000


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line; print a line for each table, and the median ratio."""
    from sklearn.model_selection import train_test_split

    from deltarule import TabularClassifier, TabularRegressor

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", help="comma-separated names; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quality", default="default")
    given = parser.parse_args(arguments)
    tables, ratios = find_tables(given.folder), []
    print(f"{'table':<16}{'portfolio':>11}{'network':>11}{'ratio':>8}{'seconds':>9}{'µs/row':>8}")
    for name in given.tables.split(",") if given.tables else tables:
        table = tables[name]
        X, y = table.load()
        classes = table.task == "classification"
        a, b, p, q = train_test_split(
            X, y, test_size=0.2, random_state=given.seed, stratify=y if classes else None
        )
        cls = TabularClassifier if classes else TabularRegressor
        model = cls(random_state=given.seed, quality=given.quality).fit(a, p)
        started = time.perf_counter()
        network = model.distill(a, test=(b, q))
        seconds = time.perf_counter() - started
        score = "log_loss" if classes else "rmse"
        of_one = network.report["scores"]["test"][score]
        of_many = network.report["baselines"]["portfolio"][score]
        row = np.zeros(network.model.net.n_inputs, dtype=np.float32)
        predict = network.model.compile_predictor()
        # The least of several, since other programs only add to it.
        seconds_each = timeit.repeat(functools.partial(predict, row), number=_CALLS, repeat=5)
        micro = 1e6 * min(seconds_each) / _CALLS
        if of_many > _LEAST:
            ratios.append(of_one / of_many)
        print(
            f"{name:<16}{of_many:>11.4g}{of_one:>11.4g}{of_one / of_many:>8.3f}{seconds:>9.1f}"
            f"{micro:>8.1f}",
            flush=True,
        )
    if ratios:
        print(f"median ratio over {len(ratios)} tables: {np.median(ratios):.3f}")


if __name__ == "__main__":
    main()
