"""The share of a portfolio's training time that the products of layer 1 take.

``python -m benchmarks.first_layer [--data FOLDER] [--tables adult,california_housing]``

One-hot and piecewise-linear encodings make layer 1 the widest. For each configuration of a default
portfolio, an epoch of its training is timed, by the processor seconds of three epochs less those of
one; and its two products of layer 1, forward and dW, by themselves, on arrays of the same sizes.
The share of an epoch is (steps × (forward + dW) + validation batches × forward) / seconds of the
epoch. *between* is the share of the entries of X that are neither the least nor the largest value
of their column: an input of a one-hot encoding has these two values alone, and of the inputs of a
piecewise-linear one all but one have them in each row. *codes* is what layer 1 takes for the
other entries: what a product of codes could save at most. One core, float32.

FOLDER has the tables as CSV files, and is that of the shared data beside the checkout by default.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import contextlib
import dataclasses
import statistics
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.products import measured, ours
from deltarule.tables import infer_schema, read_table
from deltarule.tabular import TableSettings
from deltarule.tabular.portfolio import fit
from deltarule.tabular.portfolio.candidates import Candidate
from deltarule.tabular.portfolio_fit import fit_portfolio_model

TARGETS = {"adult": "income", "california_housing": "median_house_value"}


class _Prepared(Exception):
    """The candidates are there, and nothing is trained."""


def candidates_of(path: Path, target: str) -> tuple[list[Candidate], Any, Any]:
    """The candidates of a table's default portfolio, their folds, and the row weights."""
    found: list[Any] = []

    def stop(candidates: Any, numbers: Any, folds: Any, w: Any, *others: Any) -> None:
        found.extend((candidates, folds, w))
        raise _Prepared

    table = read_table(path)
    with mock.patch.object(fit, "train_candidates", stop):
        settings = TableSettings()
        with contextlib.suppress(_Prepared):
            fit_portfolio_model(
                table, infer_schema(table, target), settings, "default", None, None, None, None
            )
    candidates, folds, w = found
    return candidates, folds, w


def epoch_seconds(candidate: Candidate, folds: Any, w: Any, rounds: int) -> float:
    """Processor seconds of one epoch, validation included."""

    def seconds(epochs: int) -> float:
        settings = dataclasses.replace(candidate.configuration, epochs=epochs, patience=epochs)
        short = dataclasses.replace(candidate, configuration=settings)
        started = time.process_time()
        short.train_fold(0, folds[0], w)
        return time.process_time() - started

    seconds(1)
    return statistics.median((seconds(3) - seconds(1)) / 2 for _ in range(rounds))


def product_seconds(n_in: int, n_out: int, rows: int, rounds: int) -> tuple[float, float]:
    """Processor seconds of the forward product and of dW."""
    functions = ours(n_in, n_out, rows, np.random.default_rng(0))
    times = max(int(2e8 / (2.0 * n_in * n_out * rows)), 1)
    asked = [functions[name] for name in ("forward", "weights")]
    forward, weights = measured(asked, times, rounds, time.process_time)
    return forward, weights


def main() -> None:
    """Measure, and print a line for each configuration."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--tables", default=",".join(TARGETS))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # one core, or threads wait for each other
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in options.tables.split(","):
        path = options.data / f"{name}.csv"
        if not path.exists():
            sys.exit(f"{path} is missing; expected the tables of the shared data; give --data")
        candidates, folds, w = candidates_of(path, TARGETS[name])
        print(f"\n{name}: {len(candidates[0].X):,} rows")
        print(f"{'configuration':<22}{'widths':<22}{'batch':>6}{'s/epoch':>9}{'layer 1':>9}"
              f"{'between':>9}{'codes':>7}")  # fmt: skip
        whole = of_layer = of_codes = 0.0
        for each in candidates:
            rows, held = len(each.X), len(folds[0])
            batch = each.configuration.batch_for(rows)
            n_in, n_out = each.net.widths[:2]
            steps, checks = -(-(rows - held) // batch), held / batch
            forward, weights = product_seconds(n_in, n_out, batch, options.rounds)
            part = steps * (forward + weights) + checks * forward
            total = epoch_seconds(each, folds, w, options.rounds)
            epochs = each.configuration.epochs_for(rows)
            whole, of_layer = whole + epochs * total, of_layer + epochs * part
            is_code = (each.X.min(axis=0) == each.X) | (each.X.max(axis=0) == each.X)
            coded = float(is_code.mean())
            of_codes += epochs * part * coded
            widths = "-".join(map(str, each.net.widths))
            shares = f"{part / total:>9.2f}{1 - coded:>9.2f}{coded * part / total:>7.2f}"
            print(f"{each.configuration.name:<22}{widths:<22}{batch:>6}{total:>9.3f}{shares}")
        print(f"{'all, by their epochs':<59}{of_layer / whole:>9.2f}"
              f"{of_codes / whole:>16.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
