"""Engines side by side: the time of a training step, in turns, as a ratio.

``python benchmarks/engines.py [--rounds N]``

Adam on the squared error in float32, one thread, for networks from tiny to middling. Each
round runs every engine once; the medians over rounds are printed.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
import time

import numpy as np

from deltarule.engines import Batch, EngineSettings, make_engine
from deltarule.maths import Network

CONFIGURATIONS = {
    "T": ([4, 32, 32, 1], 32, 400),
    "S": ([30, 64, 64, 2], 32, 300),
    "M": ([784, 128, 64, 10], 128, 40),
}
ENGINES = ("reference", "compiled")


def loaded(name, widths, batch_size):
    """An engine with a network, and a batch for it."""
    rng = np.random.default_rng(0)
    net = Network(widths, dtype=np.float32)
    engine = make_engine(name)
    engine.load(net, net.initial(0), EngineSettings(rule="adam"))
    X = rng.standard_normal((batch_size, widths[0])).astype(np.float32)
    Y = rng.standard_normal((batch_size, widths[-1])).astype(np.float32)
    w = np.full(batch_size, 1 / batch_size, dtype=np.float32)
    return engine, Batch(X, Y, w, np.arange(batch_size), 1)


def main() -> None:
    """Print a line for each configuration."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print("network             batch   " + "   ".join(f"{n:>9} µs" for n in ENGINES) + "   ratio")
    for widths, batch_size, steps in CONFIGURATIONS.values():
        pairs = [loaded(name, widths, batch_size) for name in ENGINES]
        times: list[list[float]] = [[] for _ in pairs]
        for _ in range(rounds + 1):
            for found, (engine, batch) in zip(times, pairs, strict=True):
                started = time.perf_counter()
                for _ in range(steps):
                    engine.step(batch, 1e-3)
                found.append((time.perf_counter() - started) / steps * 1e6)
        medians = [statistics.median(found[1:]) for found in times]
        shape = "-".join(map(str, widths))
        cells = "   ".join(f"{value:12.1f}" for value in medians)
        print(f"{shape:<19} {batch_size:>5}   {cells}   {medians[0] / medians[1]:5.1f}")


if __name__ == "__main__":
    main()
