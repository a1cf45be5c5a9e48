"""Whether the time of a ``partial_fit`` call grows with the number of calls before it.

    python benchmarks/partial_fit_calls.py

The bar: of 10 000 calls the last hundred take at most 1.2 times as long as the first hundred, by
their medians, in processor time. To exclude changes in the speed of the machine, each call is
timed in turn with one of a new estimator, and the ratio is that of the two ratios. It is printed
with the growth of the pickle per call; scikit-learn's, for its ``loss_curve_``, grows by 9 bytes.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import time

import numpy as np

from deltarule.engines.environment import processor
from deltarule.estimators import MLPRegressor

SETTINGS = {
    "adam": {},
    "sgd, adaptive": {"solver": "sgd", "learning_rate": "adaptive"},
    "reduce_on_plateau": {"schedule": "reduce_on_plateau"},
    "averaging": {"averaging": 0.99},
}


def seconds_of(model: MLPRegressor, X: np.ndarray, y: np.ndarray) -> float:
    """Processor seconds of one call."""
    started = time.process_time()
    model.partial_fit(X, y)
    return time.process_time() - started


def line_of(name: str, calls: int, stretch: int) -> tuple[str, float]:
    """The result of one setting as a line of text, and the ratio of the medians."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, 10))
    y = X[:, 0]

    def fresh() -> MLPRegressor:
        model = MLPRegressor(hidden_layer_sizes=(32,), random_state=0, **SETTINGS[name])
        return model.partial_fit(X, y)

    def medians(model: MLPRegressor) -> tuple[float, float]:
        """Median times of the next calls, and of calls of a new estimator, in turn."""
        other = fresh()
        pairs = [(seconds_of(model, X, y), seconds_of(other, X, y)) for _ in range(stretch)]
        one, beside = zip(*pairs, strict=True)
        return statistics.median(one), statistics.median(beside)

    medians(fresh())  # compiles and imports once
    model = fresh()
    first, beside_first = medians(model)
    size = len(pickle.dumps(model))
    for _ in range(calls - 2 * stretch):
        model.partial_fit(X, y)
    last, beside_last = medians(model)
    bytes_per_call = (len(pickle.dumps(model)) - size) / (calls - stretch)
    ratio = (last / first) / (beside_last / beside_first)
    text = (
        f"{name:20} first {1e3 * first:6.3f} ms   last {1e3 * last:6.3f} ms   "
        f"last / first {last / first:5.2f}   the machine's own {beside_last / beside_first:5.2f}   "
        f"ratio {ratio:5.2f}   pickle {bytes_per_call:+6.1f} B a call"
    )
    return text, ratio


def main() -> None:
    """Measure, and print which settings exceed the bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--stretch", type=int, default=100)
    parser.add_argument("--only", choices=SETTINGS, help="one setting")
    given = parser.parse_args()
    print(f"{processor()}; {given.calls} calls, medians of {given.stretch}")
    missed = []
    for name in SETTINGS:
        if given.only in (None, name):
            text, ratio = line_of(name, given.calls, given.stretch)
            print(text, flush=True)
            if ratio > 1.2:
                missed.append(name)
    print(f"above 1.2: {', '.join(missed)}" if missed else "all within 1.2")


if __name__ == "__main__":
    main()
