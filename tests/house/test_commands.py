"""The heavy libraries that each command may load; compiled code comes from the cache."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "PIL", "asyncio", "duckdb", "jax", "joblib", "llvmlite", "llvmlite.ir",
    "matplotlib", "multiprocessing", "narwhals", "numba", "numpy", "onnx",
    "onnxruntime", "pandas", "polars", "pyarrow", "pydantic", "rich", "safetensors", "scipy",
    "scipy.optimize", "scipy.stats", "sklearn", "ssl", "starlette", "threadpoolctl", "uvicorn",
}  # fmt: skip
ENGINE = {"numpy", "llvmlite", "llvmlite.ir"}
TRAINING = ENGINE | {"safetensors", "threadpoolctl"}
# The logistic regression of a fit to classes is scikit-learn's, which imports most of the others.
CLASSES = HEAVY - {"numba", "duckdb", "jax", "matplotlib", "onnx", "onnxruntime", "starlette"}
CODE = """
import contextlib, io, json, sys
from deltarule.cli.status import execute
with contextlib.redirect_stdout(io.StringIO()):
    status = execute(sys.argv[2:])
print(json.dumps([int(status), sorted(set(json.loads(sys.argv[1])) & set(sys.modules))]))
"""
FIT = ("--force", "--layers", "4", "--epochs", "2", "--seed", "1")
# In this order: the first commands make the models of those after them.
COMMANDS = {
    ("--version",): set(),
    ("--help",): set(),
    ("predict", "--help"): set(),
    ("explain", "--help"): set(),
    ("warmup", "--help"): set(),
    ("fit", "numbers.csv", "-t", "y", "--out", "numbers", "--record", *FIT): TRAINING | {"scipy"},
    ("fit", "classes.csv", "-t", "y", "--out", "classes", "--no-report", *FIT): CLASSES,
    ("predict", "numbers", "numbers.csv"): ENGINE,
    ("predict", "classes", "classes.csv", "--proba"): ENGINE,
    # The report beside it is written again, and compared.
    ("evaluate", "numbers", "numbers.csv"): ENGINE | {"scipy"},
    ("evaluate", "classes", "classes.csv", "--json"): ENGINE,
    ("explain", "numbers", "numbers.csv", "--row", "3"): ENGINE,
    ("explain", "numbers", "--step", "2"): TRAINING,
    ("inspect", "numbers"): {"numpy"},
    # It exports scikit-learn estimators too.
    ("export", "numbers", "--c", "c"): CLASSES,
    ("tune-lr", "numbers.csv", "-t", "y", "--layers", "4"): TRAINING,
}


def run(arguments, folder):
    """The status of a command in a process of its own, and the heavy modules that it loaded."""
    command = [sys.executable, "-c", CODE, json.dumps(sorted(HEAVY)), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=120, cwd=folder
    )
    status, loaded = json.loads(done.stdout)
    return status, set(loaded)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with tables of 40 rows."""
    made = tmp_path_factory.mktemp("commands")
    rows = [f"{i % 7},{i * 0.5:g},{'pq'[i % 2]}" for i in range(40)]
    numbers = [f"{row},{i % 7 * 2 + i % 3}" for i, row in enumerate(rows)]
    classes = [f"{row},{'yes' if i % 7 > 3 else 'no'}" for i, row in enumerate(rows)]
    for name, lines in {"numbers": numbers, "classes": classes}.items():
        (made / f"{name}.csv").write_text("\n".join(["a,b,k,y", *lines, ""]))
    return made


@pytest.fixture(scope="module")
def found(folder):
    """The status of each command, and the heavy modules that it loaded with a warm cache."""
    results = {}
    for arguments in COMMANDS:
        results[arguments] = run(arguments, folder)
        if "numba" in results[arguments][1]:  # it had to compile, once
            results[arguments] = run(arguments, folder)
    return results


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_loads_no_heavy_library_that_it_does_not_need(found, arguments):
    status, loaded = found[arguments]
    assert status == 0
    assert loaded - COMMANDS[arguments] == set()


def test_the_measurement_sees_a_library(found):
    loaded = [each for _, each in found.values()]
    assert sum("numpy" in each for each in loaded) >= 9
    assert sum("sklearn" in each for each in loaded) == 2
