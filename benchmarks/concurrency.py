"""Models used by many threads, and fits in threads and processes: whether all bits are equal.

    python benchmarks/concurrency.py predict [--seconds 60] [--threads 8]
    python benchmarks/concurrency.py fits [--jobs 2] [--times 2]

``predict`` lets threads predict with the same model at once, each with rows chosen at random (one
row, some, or all; one column as another type), and compares each answer with that of one thread,
byte by byte. The models take turns of equal length. ``fits`` fits a portfolio, a single network and
an MLP estimator in jobs of each kind: threads and processes of joblib, and processes that
``multiprocessing`` forks and spawns. It compares what they predict with fits in this process, and
counts the threads of each process that the system runs, or that wait for a core, while it fits: the
mean over the fit. Fails at the first difference.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import math
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg.blas
from sklearn.exceptions import ConvergenceWarning

from deltarule import (
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    TabularClassifier,
    TabularRegressor,
    train,
)
from deltarule.engines.threads import usable_threads
from deltarule.tabular import NetworkModel, TableSettings, fit_table
from deltarule.tabular.portfolio import Configuration

BACKENDS = ("joblib threading", "joblib loky", "fork", "spawn")
"""The kinds of jobs."""


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return generated rows, and a number to predict for each."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 4))
    return X, np.tanh(X @ [1.0, -1.0, 2.0, 0.5]) + 0.1 * X[:, 0] ** 2


def few_configurations() -> list[Configuration]:
    """Return the configurations of a portfolio that is trained within a second."""
    return [Configuration(f"c{k}", "robust", (8,), "silu", epochs=10) for k in range(2)]


def frame_of(X: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of a matrix."""
    return {f"x{k}": X[:, k] for k in range(X.shape[1])}


def single_network(X: np.ndarray, y: np.ndarray) -> NetworkModel:
    """Return a network trained on the rows as a table."""
    model = fit_table(frame_of(X) | {"y": y}, "y", TableSettings(layers=(8,), epochs=20))
    assert isinstance(model, NetworkModel)
    return model


# -- predicting ------------------------------------------------------------------------------


def fitted_models() -> dict[str, Any]:
    """Return a fitted model of each kind, by name: functions from rows to an array."""
    X, y = data()
    labels = np.where(y > 0.3, "high", np.where(y < -0.3, "low", "mid"))
    net = Network([4, 8, 1], activation="tanh")
    result = train(net, X, y, epochs=5, seed=0)
    bare = Model(net, result.theta)
    once = {"max_iter": 5, "random_state": 0, "hidden_layer_sizes": (8,), "tol": 0.0}
    portfolio = {"configurations": few_configurations(), "random_state": 0}
    regressor = MLPRegressor(**once).fit(X, y)
    classifier = MLPClassifier(**once).fit(X, labels)
    classes = TabularClassifier(**portfolio).fit(X, labels)
    numbers = TabularRegressor(**portfolio).fit(X, y)
    network = single_network(X, y)
    return {
        "bare model": bare.predict,
        "bare model, reference engine": functools.partial(bare.predict, engine="reference"),
        "predictor": bare.compile_predictor(),
        "MLPRegressor": regressor.predict,
        "MLPClassifier": classifier.predict_proba,
        "single network of a table": lambda X: network.predict(frame_of(X)),
        "portfolio of numbers": numbers.predict,
        "portfolio of classes": classes.predict_proba,
    }


class Predicted(NamedTuple):
    """What threads have done with one model."""

    calls: int
    faults: list[str]


def predict_in_threads(
    predict: Callable[[Any], np.ndarray], threads: int, calls: float, seconds: float = math.inf
) -> Predicted:
    """Let each thread predict parts of the rows for so many calls or seconds."""
    X, _ = data()
    parts = [slice(k, k + 1) for k in range(60)]
    parts += [slice(k, k + 7) for k in range(0, 200, 9)]
    parts += [slice(0, len(X)), slice(len(X), None, -1), slice(3, None, 5)]
    rows = [X[part] for part in parts]
    rows += [np.asfortranarray(X), X[:100].astype(np.float32), X[:0:-2]]
    expected = [predict(each).tobytes() for each in rows]
    counts, faults = [0] * threads, list[str]()
    start, until = threading.Barrier(threads), time.monotonic() + seconds

    def run(number: int) -> None:
        rng = np.random.default_rng(number)
        start.wait()
        try:
            while counts[number] < calls and time.monotonic() < until and not faults:
                at = int(rng.integers(len(rows)))
                found = predict(rows[at]).tobytes()
                counts[number] += 1
                if found != expected[at]:
                    faults.append(f"thread {number} predicted other bits for part {at}")
        except BaseException as error:  # noqa: BLE001  reported by the main thread
            faults.append(f"thread {number}: {error!r}")

    pool = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return Predicted(sum(counts), faults)


def predict_for(seconds: float, threads: int) -> int:
    """Print how many predictions agreed for each model; return the exit status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # they are ended early
        models = fitted_models()
    total = 0
    for name, predict in models.items():
        done = predict_in_threads(predict, threads, math.inf, seconds / len(models))
        total += done.calls
        print(f"{name}: {done.calls:,} predictions by {threads} threads", flush=True)
        for fault in done.faults:
            print(f"  {fault}")
        if done.faults:
            return 1
    print(f"{total:,} predictions, all with the bits of one thread")
    return 0


# -- fits ------------------------------------------------------------------------------------


class Fitted(NamedTuple):
    """What a job has found."""

    digest: str
    process: int
    computing: float | None  # threads of its process at a time; None if the system does not tell


class ThreadState(NamedTuple):
    """Whether a thread runs or waits for a core, and the processor time that it has taken."""

    computes: bool
    ticks: int


def thread_states() -> dict[int, ThreadState]:
    """Return the state of each thread of this process but this one; none if they are not known."""
    folder, found = Path("/proc/self/task"), dict[int, ThreadState]()
    for each in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):  # it has ended
            fields = (each / "stat").read_text().rpartition(")")[2].split()
            found[int(each.name)] = ThreadState(fields[0] == "R", int(fields[11]) + int(fields[12]))
    found.pop(threading.get_native_id(), None)
    return found


class WatchedThreads:
    """The states of this process's threads, at every hundredth of a second."""

    def __init__(self) -> None:
        self.samples: list[dict[int, ThreadState]] = []

    @property
    def computing(self) -> float | None:
        """The mean number of threads that computed at a time; None if it is not known.

        A thread counts if it took a tenth of the processor time of the busiest. The others only
        wake up now and then; on a busy machine they wait for a core most of the time.
        """
        taken: dict[int, list[int]] = {}
        for sample in self.samples:
            for thread, state in sample.items():
                taken.setdefault(thread, []).append(state.ticks)
        ticks = {thread: max(seen) - min(seen) for thread, seen in taken.items()}
        most = max(ticks.values(), default=0)
        counts = [
            sum(state.computes and ticks[thread] >= most / 10 for thread, state in sample.items())
            for sample in self.samples
        ]
        return float(np.mean(counts)) if counts else None


@contextlib.contextmanager
def watched_threads() -> Iterator[WatchedThreads]:
    """Yield what is seen of the threads of this process within the block."""
    found, over = WatchedThreads(), threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            if states := thread_states():
                found.samples.append(states)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


def start_blas() -> None:
    """Let the BLAS of NumPy and of SciPy start their threads in this process, and fall asleep.

    A forked process has none of its parent's threads. OpenBLAS starts its own with the first
    product, and they busy-wait for about a tenth of a second, as long as one of these fits takes.
    """
    square = np.ones((256, 256))
    scipy.linalg.blas.dgemm(1.0, square, square @ square)
    until = time.monotonic() + 5.0
    while any(state.computes for state in thread_states().values()) and time.monotonic() < until:
        time.sleep(0.01)


def fit_job(kind: str) -> Fitted:
    """Fit an estimator of one kind, and return a digest of what it predicts."""
    X, y = data()
    estimator: Any
    if kind == "portfolio":
        estimator = TabularRegressor(configurations=few_configurations(), random_state=0)
    elif kind == "estimator":
        estimator = MLPRegressor(hidden_layer_sizes=(64, 64), max_iter=300, random_state=0, tol=0.0)
    # Trainings are ended early. Filters are of the process: other threads would undo a block.
    warnings.simplefilter("ignore", ConvergenceWarning)
    with watched_threads() as watched:
        if kind == "network":
            predicted = single_network(X, y).predict(frame_of(X))
        else:
            predicted = estimator.fit(X, y).predict(X)
    digest = hashlib.sha256(predicted.tobytes()).hexdigest()
    return Fitted(digest, os.getpid(), watched.computing)


def fits_by(backend: str, kinds: list[str], jobs: int) -> list[Fitted]:
    """Fit one estimator of each kind in jobs of a backend."""
    if backend.startswith("joblib"):
        from joblib import Parallel, delayed

        parallel = Parallel(n_jobs=jobs, backend=backend.split()[1], batch_size=1)
        found: list[Fitted] = parallel(delayed(fit_job)(kind) for kind in kinds)
        return found
    with multiprocessing.get_context(backend).Pool(jobs, start_blas) as pool:
        return pool.map(fit_job, kinds, chunksize=1)


def fit_everywhere(jobs: int, times: int) -> int:
    """Print what the fits of each backend gave; return the exit status."""
    kinds = ["portfolio", "network", "estimator"]
    alone = {kind: fit_job(kind) for kind in kinds}
    status = 0
    for backend in BACKENDS:
        asked = kinds * times
        found = fits_by(backend, asked, jobs)
        equal = sum(
            each.digest == alone[kind].digest for kind, each in zip(asked, found, strict=True)
        )
        processes = {each.process for each in found}
        means = [each.computing for each in found if each.computing is not None]
        most = f"{max(means):.2f}" if means else "an unknown number of"
        print(
            f"{backend}: {equal} of {len(found)} fits with the bits of a fit alone, in "
            f"{len(processes)} processes, in which {most} threads or fewer computed at a time",
            flush=True,
        )
        status |= equal != len(found)
    return status


def main() -> int:
    """Run one of the two studies; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    predicting = commands.add_parser("predict")
    predicting.add_argument("--seconds", type=float, default=60.0)
    predicting.add_argument("--threads", type=int, default=8)
    fitting = commands.add_parser("fits")
    fitting.add_argument("--jobs", type=int, default=usable_threads())
    fitting.add_argument("--times", type=int, default=2)
    options = parser.parse_args()
    if options.command == "predict":
        return predict_for(options.seconds, options.threads)
    return fit_everywhere(options.jobs, options.times)


if __name__ == "__main__":
    sys.exit(main())
