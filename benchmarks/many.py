"""``train_many`` compared with ``train`` in turn, and the gain that several cores can give.

``python benchmarks/many.py [--rounds N] [--networks K] [--epochs E] [--workers W]``

K networks of 30-64-64-2 (Adam, float32, batches of 32) on 8192 rows: ``train`` one after
another, and ``train_many`` with W workers. How much several cores give depends on the machine
and on who else is using it, so each round also multiplies two 512 × 512 matrices many times,
on one thread and on W at once. The four are measured in turn, in short runs. The figure of merit
is the gain of the networks divided by that of the products: by the medians of the rounds, and by
the shortest run of each of the four, which other work has disturbed least.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from deltarule import Network, train, train_many
from deltarule.engines.threads import usable_threads

ROWS, WIDTHS, BATCH, SIZE = 8192, [30, 64, 64, 2], 32, 512


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def products(count: int) -> None:
    """Multiply two matrices that no other thread uses."""
    matrix = np.ones((SIZE, SIZE), dtype=np.float32)
    target = np.empty_like(matrix)
    for _ in range(count):
        np.dot(matrix, matrix, out=target)


def main() -> None:
    """Print a line for each round, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--networks", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=usable_threads())
    arguments = parser.parse_args()
    count, workers = arguments.networks, arguments.workers
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, WIDTHS[0])).astype(np.float32)
    Y = np.tanh(X[:, :2] + X[:, 2:4])
    net = Network(WIDTHS, dtype=np.float32)
    options: dict[str, Any] = {"batch_size": BATCH, "epochs": arguments.epochs}
    pool = ThreadPoolExecutor(workers)

    def in_turn() -> object:
        return [train(net, X, Y, seed=seed, **options) for seed in range(count)]

    def at_once() -> object:
        return train_many(net, X, Y, seeds=range(count), workers=workers, **options)

    one, many = in_turn(), at_once()
    same = all((a.theta == b.theta).all() for a, b in zip(one, many, strict=True))  # type: ignore[call-overload]
    parts = 4 * workers
    # As many products as take the time of the networks, so that both are disturbed alike.
    each = max(1, int(seconds(in_turn) / seconds(lambda: products(100)) * 100 / parts))
    runs = {
        "in turn": in_turn,
        "at once": at_once,
        "products in turn": lambda: [products(each) for _ in range(parts)],
        "products at once": lambda: list(pool.map(products, [each] * parts)),
    }
    print(f"{count} networks {'-'.join(map(str, WIDTHS))}, {ROWS} rows, batches of {BATCH}, "
          f"{arguments.epochs} epochs, {workers} workers")  # fmt: skip
    print(f"the same bits at once as in turn: {same}")
    print("in turn s  at once s   gain   gain of products   ratio")
    gains, limits, ratios = [], [], []
    shortest = dict.fromkeys(runs, float("inf"))
    for _ in range(arguments.rounds):
        took = {name: seconds(run) for name, run in runs.items()}
        shortest = {name: min(took[name], least) for name, least in shortest.items()}
        gain = took["in turn"] / took["at once"]
        limit = took["products in turn"] / took["products at once"]
        print(f"{took['in turn']:9.2f} {took['at once']:10.2f} {gain:6.2f} {limit:18.2f} "
              f"{gain / limit:7.2f}")  # fmt: skip
        gains.append(gain)
        limits.append(limit)
        ratios.append(gain / limit)
    middle = statistics.median
    gain = shortest["in turn"] / shortest["at once"]
    limit = shortest["products in turn"] / shortest["products at once"]
    print(f"medians: gain {middle(gains):.2f}, of products {middle(limits):.2f}, "
          f"ratio {middle(ratios):.3f}")  # fmt: skip
    print(f"shortest runs: gain {gain:.2f}, of products {limit:.2f}, ratio {gain / limit:.3f}")


if __name__ == "__main__":
    main()
