"""What a command costs besides its work: processor seconds of whole processes.

Each measurement is a fresh process. The commands take turns, so that a slow minute of the machine
hits all of them, and the least of many runs is reported: what the command costs when nothing else
is running. Compiled code and bytecode are made by a first run that is not counted.

Of ``fit --json`` the seconds that it reports for the training and for the report are taken off (of
an older checkout that reports none, those of the training alone): what is left is reading, scoring,
saving and start-up. Those are seconds of a clock, so that this figure is too small while other work
takes the processor.

With ``--tree FOLDER`` the same commands are run from another checkout too, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PREDICT = """
import csv
from deltarule.tabular import TableModel
with open("diabetes.csv") as file:
    names, *rows = csv.reader(file)
table = {name: [float(cell) for cell in cells] for name, cells in zip(names, zip(*rows))}
TableModel.load("portfolio").predict(table)
"""
COMMAND = "from deltarule.cli import main; main()"
FIT = ("fit", "diabetes.csv", "--target", "target", "--force", "--quiet", "--out")
CASES = {
    "python": ["pass"],
    "import numpy": ["import numpy"],
    "--version": [COMMAND, "--version"],
    "--help": [COMMAND, "--help"],
    "predict, 442 rows": [COMMAND, "predict", "portfolio", "diabetes.csv", "--out", "p.csv"],
    "evaluate": [COMMAND, "evaluate", "portfolio", "diabetes.csv"],
    "explain --row": [COMMAND, "explain", "portfolio", "diabetes.csv", "--row", "3"],
    "predict from Python": [PREDICT],
    "fit --layers 32": [COMMAND, *FIT, "network", "--layers", "32"],
    "fit, beyond training": [COMMAND, *FIT, "network", "--layers", "32", "--json"],
    "classes, the same": [COMMAND, *FIT, "classes", "--layers", "32", "--json"],
}
# The same command on the table of scikit-learn's breast cancer data, 569 rows of two classes.
CASES["classes, the same"][2] = "cancer.csv"


def processor_seconds(code: list[str], folder: Path, source: Path) -> float:
    """User and system seconds of a process that runs this code."""
    environment = os.environ | {
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", *code]
    if "--out" in code and "--force" not in code:
        command.append("--force")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if "--json" in code:
        found = json.loads(result.stdout)
        seconds -= found["seconds"] + found.get("report_seconds", 0.0)
    return seconds


def prepare(folder: Path, source: Path) -> None:
    """Write the table, and train the portfolio that is measured."""
    from sklearn.datasets import load_breast_cancer, load_diabetes

    load_breast_cancer(as_frame=True).frame.to_csv(folder / "cancer.csv", index=False)
    load_diabetes(as_frame=True, scaled=False).frame.to_csv(folder / "diabetes.csv", index=False)
    processor_seconds([COMMAND, *FIT, "portfolio"], folder, source)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--tree", help="another checkout to compare with")
    options = parser.parse_args()
    trees = {"this checkout": Path(__file__).parents[1] / "src"}
    if options.tree:
        trees |= {options.tree: Path(options.tree).absolute() / "src"}
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folders = {tree: Path(name, str(number)) for number, tree in enumerate(trees)}
        for tree, folder in folders.items():
            folder.mkdir()
            prepare(folder, trees[tree])
        for run in range(options.runs + 1):
            for case, code in CASES.items():
                for tree, folder in folders.items():
                    seconds = processor_seconds(code, folder, trees[tree])
                    if run:
                        found.setdefault((case, tree), []).append(seconds)
    print(f"processor seconds, the least and the median of {options.runs} runs in turn")
    for case in CASES:
        cells = [
            f"{min(found[case, tree]):7.3f} {statistics.median(found[case, tree]):7.3f}"
            for tree in trees
        ]
        print(f"{case:<22}" + "   ".join(cells))


if __name__ == "__main__":
    main()
