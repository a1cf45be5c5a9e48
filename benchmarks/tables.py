"""Test scores and fit times on tables, compared with scikit-learn's MLP on the same rows.

``python -m benchmarks.tables [--data FOLDER] [--seeds N]``

On each table and seed the same rows are held out for testing. The others train, in turn,

- the single network of ``fit_table`` with the defaults of its settings;
- scikit-learn's MLP with *its* defaults, behind a median imputer, a one-hot encoder and
  a standard scaler, the target standardised for regression.

The time is that of the fit, with encoding and without reading the file. FOLDER holds
california_housing.csv, adult.csv and wine_quality_white.csv; it is ``../shared/data``
beside the repository unless named.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.accuracy_models import sklearn_mlp
from deltarule.tables import Table, apply_schema, infer_schema, read_table
from deltarule.tabular import TableSettings, fit_table
from deltarule.training import split_rows

TABLES = {
    "california_housing": ("median_house_value", "r2"),
    "adult": ("income", "accuracy"),
    "wine_quality_white": ("quality", "r2"),
}


def compare(table: Table, target: str, score: str, seed: int):
    """(score, seconds) of deltarule and of scikit-learn on one split."""
    schema = infer_schema(table, target)
    typed = apply_schema(schema, table)
    labels = typed.target if schema.task == "classification" else None
    kept, held = split_rows(len(typed), 0.2, seed, labels)

    started = time.perf_counter()
    model = fit_table(
        table.take(typed.rows[kept]), schema, TableSettings(test=0.0, folds=0, seed=seed)
    )
    seconds = time.perf_counter() - started
    ours = model.evaluate(table.take(typed.rows[held]))[score], seconds

    cells = np.empty((len(typed), len(schema.columns)), dtype=object)
    for i, column in enumerate(schema.columns):
        values = typed.columns[column.name]
        missing = [value is None for value in values]
        cells[:, i] = np.where(missing, "(missing)", values) if any(missing) else values
    texts = [i for i, column in enumerate(schema.columns) if column.kind == "category"]
    numbers = [i for i in range(len(schema.columns)) if i not in texts]
    theirs_model = sklearn_mlp(schema.task, numbers, texts, seed)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs_model.fit(cells[kept], typed.target[kept])
    seconds = time.perf_counter() - started
    return ours, (theirs_model.score(cells[held], typed.target[held]), seconds)


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=beside)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(f"{arguments.data} is no folder; name the one with the tables with --data")
    print("table                score     deltarule          scikit-learn       seconds     ratio")
    for name, (target, score) in TABLES.items():
        table = read_table(arguments.data / f"{name}.csv")
        pairs = [compare(table, target, score, seed) for seed in range(arguments.seeds)]
        found = np.array(pairs)  # (seeds, who, score and seconds)
        (ours, theirs), spread = found[:, :, 0].T, found[:, :, 0].std(axis=0)
        mine, other = np.median(found[:, :, 1], axis=0)
        print(
            f"{name:<20} {score:<9} {np.median(ours):.4f} (sd {spread[0]:.4f}) "
            f"{np.median(theirs):.4f} (sd {spread[1]:.4f}) {mine:5.1f} {other:5.1f} "
            f"{mine / other:8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
