"""Write two of scikit-learn's tables as CSV files, for the command line to read.

``python examples/make_demo_data.py demo`` writes

- ``demo/breast_cancer.csv``: 569 rows, 30 numbers, the label ``diagnosis``
  (``malignant`` or ``benign``);
- ``demo/diabetes.csv``: 442 rows, 10 numbers in their own units, the number
  ``progression``.
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer, load_diabetes


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write one CSV file and say so."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    print(f"wrote {path}")


def main(folder: str) -> None:
    """Write both tables into ``folder``."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)

    cancer = load_breast_cancer()
    names = [name.replace(" ", "_") for name in cancer.feature_names]
    labels = cancer.target_names[cancer.target]
    write(
        target / "breast_cancer.csv",
        [*names, "diagnosis"],
        ([*row.tolist(), label] for row, label in zip(cancer.data, labels, strict=True)),
    )

    # Unscaled: the command line does its own standardising.
    diabetes = load_diabetes(scaled=False)
    write(
        target / "diabetes.csv",
        [*diabetes.feature_names, "progression"],
        ([*row.tolist(), y] for row, y in zip(diabetes.data, diabetes.target, strict=True)),
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/make_demo_data.py FOLDER")
    main(sys.argv[1])
