"""MNIST: the time of four epochs of a network 784-256-10, and the test accuracy they reach.

``python benchmarks/mnist.py [--seeds 5] [--precisions full,bfloat16] [--data PATH]``

Batches of 256, Adam with β2 = 0.99, a rate that rises to 4e-3 in 0.4 epochs and falls to 0 along a
cosine. The data are not part of the repository: an ``.npz`` with x, y (60 000 training rows) and
tx, ty (10 000 test rows) as bytes, by default that of the shared folder beside the checkout. With
several precisions each seed is trained with all of them in turn. Processor seconds are those of all
threads; other work on the machine changes them less.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from deltarule import Model, Network, train
from deltarule.engines.threads import usable_threads
from deltarule.optimizers import SCHEDULES

DATA = Path(__file__).parents[2] / "shared" / "data" / "mnist.npz"


def rows(images):
    """Images as rows of float32 from 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def main() -> None:
    """Print a line for each seed, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--precisions", default="full")
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    if not arguments.data.is_file():
        sys.exit(f"{arguments.data.name} is not there; name a file with --data")
    with np.load(arguments.data) as data:
        X, y, tested, truth = rows(data["x"]), data["y"], rows(data["tx"]), data["ty"]
    net = Network([784, 256, 10], "relu", "softmax", "cross_entropy", dtype=np.float32)
    options = {
        "rule": {"name": "adam", "beta2": 0.99},
        "learning_rate": 4e-3,
        "schedule": SCHEDULES.get("warmup", epochs=0.4, then="cosine"),
        "batch_size": 256,
    }
    precisions = arguments.precisions.split(",")
    for precision in precisions:
        train(net, X[:512], y[:512], epochs=1, precision=precision, **options)  # compiles
    print(
        f"{usable_threads()} threads\n{'precision':<10}seed  accuracy  seconds  processor seconds"
    )
    found = {precision: [] for precision in precisions}
    for seed in range(arguments.seeds):
        for precision in precisions:
            started, used = time.perf_counter(), time.process_time()
            result = train(net, X, y, epochs=4, seed=seed, precision=precision, **options)
            seconds, used = time.perf_counter() - started, time.process_time() - used
            predicted = Model(net, result.theta).predict(tested).argmax(axis=1)
            row = (float((predicted == truth).mean()), seconds, used)
            found[precision].append(row)
            show(precision, f"{seed:4d}", row)
    for precision, rows_found in found.items():
        show(
            precision, "median", [statistics.median(each) for each in zip(*rows_found, strict=True)]
        )


def show(precision, what, row):
    """Print a line."""
    accuracy, seconds, used = row
    print(f"{precision:<9}{what:>6}{accuracy:10.4f}  {seconds:7.2f}  {used:7.2f}", flush=True)


if __name__ == "__main__":
    main()
