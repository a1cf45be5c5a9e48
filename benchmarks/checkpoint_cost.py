"""What a checkpoint costs a training: processor time with one, relative to that without.

    python benchmarks/checkpoint_cost.py [--every 30] [--pairs 7] [--epochs 1500]

4-32-32-1, 32 rows a step, 2000 rows. Runs with and without alternate; prints the median of the
ratios of each pair, and the time of one state. A state each 30 seconds adds its own time to these
30 seconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

import numpy as np

from deltarule import Network, train
from deltarule.training import Checkpoint


def seconds(epochs: int, every: float | None) -> float:
    """Return the processor seconds of a training, with a checkpoint unless every is None."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4)).astype(np.float32)
    net = Network([4, 32, 32, 1], activation="tanh", dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        saved = None if every is None else Checkpoint(folder, every)
        started = time.process_time()
        train(net, X, X[:, :1] ** 2, batch_size=32, epochs=epochs, checkpoint=saved)
        return time.process_time() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=float, default=30.0)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=1500)
    options = parser.parse_args()
    seconds(50, None)
    ratios = []
    for pair in range(options.pairs):
        first = pair % 2  # so that neither is always the later one
        found = [seconds(options.epochs, each) for each in (None, options.every)[:: 1 - 2 * first]]
        ratios.append(found[1 - first] / found[first])
    few = [seconds(100, 0.0) - seconds(100, None) for _ in range(3)]
    print(
        f"with a checkpoint every {options.every:g} s: {statistics.median(ratios):.3f} of the time"
    )
    print(f"one state: {statistics.median(few) / 100 * 1000:.1f} ms")


if __name__ == "__main__":
    main()
