"""Prediction times of deltarule, scikit-learn and NumPy: one row, and many rows.

``python benchmarks/predict.py [--rounds N]``

One row: the prepared predictor, the estimator's short path, the model, scikit-learn's
estimator, and the formula written out with NumPy for this very network. Many rows: the same
for 100 000 of them, and a network large enough for BLAS to be efficient. float32; one
thread, unless OMP_NUM_THREADS and OPENBLAS_NUM_THREADS say otherwise. Each round runs everything
once; the medians are printed, and how many times as fast that is as scikit-learn, or NumPy.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
import time
import warnings

import numpy as np
import sklearn.neural_network

from deltarule import MLPRegressor, Model, Network

ONE_ROW = {
    "T": ([4, 16, 16, 1], 2000),
    "S": ([30, 64, 64, 2], 1000),
    "M": ([784, 128, 64, 10], 300),
}
MANY_ROWS = {"T": ([4, 16, 16, 1], 100_000), "M": ([784, 128, 64, 10], 100_000)}
LARGE = ([1024, 2048, 2048, 1000], 512)


def by_hand(net, theta):
    """The formula written out in NumPy for one network, with matrices transposed beforehand."""
    W, b = net.unpack(theta)
    layers = [(np.ascontiguousarray(w.T), each) for w, each in zip(W[1:], b[1:], strict=True)]

    def predict(X):
        a = X
        for i, (w, bias) in enumerate(layers):
            z = a @ w
            z += bias
            a = np.maximum(z, 0, out=z) if i < len(layers) - 1 else z
        return a

    return predict


def fitted(widths):
    """Both estimators with the same coefficients, and deltarule's model."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, widths[0])).astype(np.float32)
    Y = rng.standard_normal((64, widths[-1])).astype(np.float32)
    settings = {"hidden_layer_sizes": tuple(widths[1:-1]), "max_iter": 1, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = Y[:, 0] if widths[-1] == 1 else Y
        theirs = sklearn.neural_network.MLPRegressor(**settings).fit(X, y)
        ours = MLPRegressor(**settings).fit(X, y)
    theirs.coefs_, theirs.intercepts_ = ours.coefs_, ours.intercepts_
    net = ours.network_
    return theirs, ours, Model(net, net.pack([c.T for c in ours.coefs_], ours.intercepts_))


def medians(calls, repeats, rounds):
    """Seconds of each call: the median over rounds; each round makes every call once."""
    times = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, (call, rows) in calls.items():
            started = time.perf_counter()
            for _ in range(repeats):
                call(rows)
            times[name].append((time.perf_counter() - started) / repeats)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def ways(widths, n):
    """The ways to predict by name, each as a call with its rows."""
    X = np.random.default_rng(1).standard_normal((n, widths[0])).astype(np.float32)
    theirs, ours, model = fitted(widths)
    row_or_rows = X[0].copy() if n == 1 else X
    return {
        "compile_predictor()": (model.compile_predictor(), row_or_rows),
        "MLPRegressor.predict": (ours.predict, X),
        "Model.predict": (model.predict, X),
        "scikit-learn": (theirs.predict, X),
        "NumPy by hand": (by_hand(model.net, model.theta), X),
    }


def large(widths, n):
    """The ways to predict with a large network, of which only the initial weights are used."""
    net = Network(widths, dtype=np.float32)
    model = Model(net, net.initial(0))
    X = np.random.default_rng(1).standard_normal((n, widths[0])).astype(np.float32)
    calls = {
        "compile_predictor()": (model.compile_predictor(), X),
        "Model.predict": (model.predict, X),
        "NumPy by hand": (by_hand(net, model.theta), X),
    }
    return net, calls


def show(widths, n, found, unit, amount):
    """Print a line for each way: ``amount`` divided by the seconds, or µs if it is None."""
    print(f"{n} row{'s' if n > 1 else ''} of {'-'.join(map(str, widths))}")
    base = found.get("scikit-learn", found["NumPy by hand"])
    for name, seconds in found.items():
        value = seconds * 1e6 if amount is None else amount / seconds
        print(f"  {name:<22}{value:10.2f} {unit}{base / seconds:10.1f} ×")


def main() -> None:
    """Measure and print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    for widths, repeats in ONE_ROW.values():
        show(widths, 1, medians(ways(widths, 1), repeats, rounds), "µs", None)
    for widths, n in MANY_ROWS.values():
        found = medians(ways(widths, n), 1, rounds)
        show(widths, n, found, "million rows/s", n / 1e6)
    widths, n = LARGE
    net, calls = large(widths, n)
    show(widths, n, medians(calls, 1, rounds), "GFLOP/s", 2e-9 * n * net.n_multiply_adds)


if __name__ == "__main__":
    main()
