"""TabularRegressor on five tables with published splits, beside the published results.

    python -m benchmarks.uci_splits DIR [--splits N] [--tables NAMES] [--csv FILE]

DIR, or the folder ``uci_splits`` in it, holds ``NAME.npz`` with X, y and the numbers of the test
rows of each split, ``test_0`` to ``test_19``; the other rows train. For each table: the root mean
squared error and the mean log likelihood of a normal distribution with the predicted mean and
standard deviation, averaged over the splits, with standard errors. With ``--csv``, the result of
each split is written as it is found, and a study that was interrupted goes on.

Sources: Gal and Ghahramani (2016), "Dropout as a Bayesian approximation", with the later results
of the authors' repository DropoutUncertaintyExps (dropout, 100 × the epochs); Lakshminarayanan,
Pritzel and Blundell (2017), "Simple and scalable predictive uncertainty estimation using deep
ensembles".
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.studies import RowLog, folder_with
from deltarule import TabularRegressor

_FIELDS = ("table", "split", "rmse", "log_likelihood", "seconds", "processor_seconds")


class Published(NamedTuple):
    """Published means over 20 splits with their standard errors."""

    rmse: float
    rmse_error: float
    log_likelihood: float
    log_likelihood_error: float
    ensembles_rmse: float


PUBLISHED = {
    "concrete": Published(4.826, 0.161, -2.937, 0.025, 6.03),
    "energy": Published(0.539, 0.014, -1.212, 0.005, 2.09),
    "kin8nm": Published(0.0789, 0.0006, 1.136, 0.007, 0.09),
    "power_plant": Published(4.014, 0.037, -2.808, 0.009, 4.11),
    "yacht": Published(0.666, 0.049, -1.250, 0.015, 1.58),
}


def log_likelihood(y: np.ndarray, mean: np.ndarray, std: np.ndarray) -> float:
    """Return the mean of ln N(y; mean, std²)."""
    return float(np.mean(-0.5 * np.log(2 * np.pi * std**2) - 0.5 * ((y - mean) / std) ** 2))


def run_split(X: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> dict[str, float]:
    """Train on the rows outside of a test part, and score the predictions of the part."""
    train = np.setdiff1d(np.arange(len(y)), test)
    wall, processor = time.perf_counter(), time.process_time()
    model = TabularRegressor(random_state=seed).fit(X[train], y[train])
    mean = model.predict(X[test])
    std = model.predict_std(X[test])
    return {
        "rmse": float(np.sqrt(np.mean((mean - y[test]) ** 2))),
        "log_likelihood": log_likelihood(y[test], mean, std),
        "seconds": round(time.perf_counter() - wall, 2),
        "processor_seconds": round(time.process_time() - processor, 2),
    }


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Return the mean and its standard error, σ/√n as in the published results."""
    return float(np.mean(values)), float(np.std(values) / np.sqrt(len(values)))


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each table, and how many are better than published."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=20, help="the first N of the 20 splits")
    parser.add_argument("--tables", default=",".join(PUBLISHED), help="comma-separated names")
    parser.add_argument("--csv", type=Path, help="where to write results as they are found")
    given = parser.parse_args(arguments)
    log = RowLog(given.csv, _FIELDS)
    done = {(row["table"], int(row["split"])): row for row in log.rows}
    names = given.tables.split(",")
    better = {"rmse": 0, "log_likelihood": 0}
    print(f"{'table':<13}{'splits':>6}{'RMSE':>18}{'dropout':>17}{'ensembles':>11}"
          f"{'log likelihood':>18}{'dropout':>16}{'seconds':>9}")  # fmt: skip
    for name in names:
        file_name = f"{name}.npz"
        with np.load(folder_with(file_name, given.folder, "uci_splits") / file_name) as file:
            X, y = file["X"].astype(np.float64), file["y"].astype(np.float64).ravel()
            tests = [file[f"test_{split}"] for split in range(given.splits)]
        rows: list[dict[str, Any]] = []
        for split, test in enumerate(tests):
            row = done.get((name, split))
            if row is None:
                row = {"table": name, "split": split, **run_split(X, y, test, split)}
                log.write(row)
            rows.append(row)
        rmse, rmse_error = mean_and_error([float(row["rmse"]) for row in rows])
        likely, likely_error = mean_and_error([float(row["log_likelihood"]) for row in rows])
        seconds = sum(float(row["seconds"]) for row in rows)
        report = PUBLISHED[name]
        better["rmse"] += rmse < report.rmse
        better["log_likelihood"] += likely > report.log_likelihood
        print(f"{name:<13}{len(rows):>6}{rmse:>10.4g} ± {rmse_error:<5.2g}"
              f"{report.rmse:>9.4g} ± {report.rmse_error:<5.2g}{report.ensembles_rmse:>11.4g}"
              f"{likely:>10.3f} ± {likely_error:<5.3f}"
              f"{report.log_likelihood:>8.3f} ± {report.log_likelihood_error:.3f}"
              f"{seconds:>9.0f}", flush=True)  # fmt: skip
    print(f"RMSE below the published dropout figure: {better['rmse']} of {len(names)}; "
          f"log likelihood above it: {better['log_likelihood']} of {len(names)}")  # fmt: skip


if __name__ == "__main__":
    main()
