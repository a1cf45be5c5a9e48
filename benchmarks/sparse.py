"""Training on a sparse matrix: seconds of an epoch and memory, beside scikit-learn's MLP.

    python -m benchmarks.sparse --rounds 5

fits ``MLPClassifier((128, 64))`` of both libraries, with the same settings (Adam, batches of 200),
to the same random sparse matrix of SciPy. Each measurement is a process of its own, and the
libraries take turns. Printed are medians of

- the marginal processor seconds of an epoch on one thread, (those of 1 + k epochs − those of
  one)/k;
- the peak of resident memory that a fit adds to a process that holds the matrix and has fitted a
  small one before, also as a multiple of the matrix (values, columns and row starts). NumPy does
  not ask for huge pages here: one byte of these counts as 2 MB;
- the processor seconds of ``predict`` of all rows.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

LIBRARIES = ("deltarule", "scikit-learn")


def peak_bytes(*, reset: bool = False) -> int:
    """The peak of this process's resident memory; with ``reset``, begin a new one."""
    if reset:
        # Memory that is free in this process would be used again, and not be counted.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def data(options: argparse.Namespace) -> tuple[Any, np.ndarray]:
    """A random sparse matrix, and classes that depend on its first fifty columns."""
    from scipy.sparse import random_array

    rng = np.random.default_rng(0)
    shape = (options.rows, options.columns)
    X = random_array(shape, density=options.density, format="csr", rng=rng, dtype=np.float32)
    total = np.asarray(X[:, :50].sum(axis=1)).ravel()
    return X, (total > np.median(total)).astype(int)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Fit the classifier of ``options.library`` in this process."""
    warnings.simplefilter("ignore")
    if options.library == "deltarule":
        from deltarule.estimators import MLPClassifier
    else:
        from sklearn.neural_network import MLPClassifier
    X, y = data(options)

    def fit(rows: int, epochs: int) -> tuple[Any, float]:
        hidden = tuple(int(width) for width in options.layers.split(","))
        model = MLPClassifier(hidden, max_iter=epochs, tol=0, n_iter_no_change=epochs + 1)
        model.set_params(batch_size=min(options.batch_size, rows), random_state=0)
        started = time.process_time()
        # A slice of a matrix is a copy, which is not part of the fit.
        model.fit(*((X, y) if rows == len(y) else (X[:rows], y[:rows])))
        return model, time.process_time() - started

    fit(50, 2)[0].predict(X[:50])
    before = peak_bytes(reset=True)
    _, first = fit(len(y), 1)
    added = peak_bytes() - before
    model, all_epochs = fit(len(y), 1 + options.epochs)
    started = time.process_time()
    model.predict(X)
    predicting = time.process_time() - started
    return {
        "epoch": (all_epochs - first) / options.epochs,
        "added": added / 1e6,
        "matrix": (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 1e6,
        "predict": predicting,
        "loss": float(model.loss_),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=10_000)
    parser.add_argument("--density", type=float, default=0.005)
    parser.add_argument("--layers", default="128,64")
    parser.add_argument("--batch-size", type=int, default=200)
    parser.add_argument("--library", choices=LIBRARIES, help="measure in this process")
    options = parser.parse_args()
    if options.library:
        print(json.dumps(measure(options)))
        return
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment |= {"NUMPY_MADVISE_HUGEPAGE": "0"}
    found: dict[str, list[dict[str, float]]] = {library: [] for library in LIBRARIES}
    for _ in range(options.rounds):
        for library in LIBRARIES:
            command = [sys.executable, "-m", "benchmarks.sparse", *sys.argv[1:]]
            command += ["--library", library]
            result = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            )
            found[library].append(json.loads(result.stdout))
    medians = {
        library: {name: statistics.median(one[name] for one in each) for name in each[0]}
        for library, each in found.items()
    }
    for library, each in medians.items():
        print(
            f"{library:<13}{each['epoch']:8.3f} s/epoch {each['added']:8.1f} MB = "
            f"{each['added'] / each['matrix']:.2f} × the matrix {each['predict']:8.3f} s to predict"
            f"   loss {each['loss']:.6f}"
        )
    ratio = medians["scikit-learn"]["epoch"] / medians["deltarule"]["epoch"]
    print(f"an epoch of scikit-learn takes {ratio:.1f} times as long")


if __name__ == "__main__":
    main()
