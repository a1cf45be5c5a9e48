"""Models exported to ONNX: equality with the model on random networks, and on tables of a folder.

    python -m benchmarks.onnx_export [DIR] [--networks 200] [--quality fast]

The random networks are those of :mod:`benchmarks.c_export`: every activation, every loss with an
output that goes with it, 0 to 6 hidden layers, in float32 and float64. For each file of DIR a
portfolio is trained on half of the rows, and exported with the others as the rows of the test; the
distilled network too. What is printed is the largest error in eps of Σ|w||a| + |b|, of which 64 are
equal. A graph that computes something else ends the run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.c_export import random_network
from benchmarks.files import listed
from deltarule.errors import InputError
from deltarule.export import to_onnx
from deltarule.tables import infer_schema, read_table
from deltarule.tabular import fit_table


def of_networks(count: int) -> list[float]:
    """Return the largest error of each of so many random networks."""
    return [to_onnx(random_network(number)).largest_error for number in range(count)]


def of_table(path: Path, target: str | None, quality: str) -> list[str]:
    """Return a line on the portfolio of a table, and one on the network distilled from it."""
    table = read_table(path)
    schema = infer_schema(table, target or table.names[-1])
    half = np.arange(len(table)) % 2 == 0
    model: Any = fit_table(table.take(half), schema, quality=quality)
    lines = []
    for name, each in (("portfolio", model), ("distilled", model.distill(table.take(half)))):
        started = time.perf_counter()
        exported = to_onnx(each, data=table.take(~half))
        lines.append(
            f"{path.stem:20} {name:10} {len(exported.inputs):4} columns {exported.rows:5} rows "
            f"{len(exported.content):11,} bytes {exported.largest_error:8.3f} eps "
            f"{time.perf_counter() - started:5.1f} s"
        )
    return lines


def main() -> None:
    """Run the study and print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--quality", default="fast")
    options = parser.parse_args()
    found = np.array(of_networks(options.networks))
    if len(found):
        print(
            f"{len(found)} networks equal; largest error in eps of Σ|w||a| + |b|: "
            f"median {np.median(found):.2f}, largest {found.max():.2f} (network {found.argmax()})"
        )
    for path, target, _ in listed(options.folder) if options.folder else ():
        try:
            lines = of_table(path, target, options.quality)
        except InputError as error:
            lines = [f"{path.stem:20} not exported: {error}"]
        print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
